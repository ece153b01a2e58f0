"""Bodies, paths and descriptions: amounts stay decimal and nothing unsendable leaves."""

from decimal import Decimal
from typing import Any

import pytest
import simplejson
from hypothesis import given
from hypothesis import strategies as st

from outbox.zoho.exchange import ApiRequest, path_segment
from outbox.zoho.json_text import JsonValue, UnsendableText, decode_text, encode_body


def test_amounts_keep_every_digit_both_ways() -> None:
    body: dict[str, JsonValue] = {
        "price": Decimal("899.10"),
        "big": Decimal("99999999.99"),
        "tiny": Decimal("0.01"),
        "n": 3,
    }
    text = encode_body(body)
    assert text == b'{"price":899.10,"big":99999999.99,"tiny":0.01,"n":3}'
    assert decode_text(text) == body


def test_an_exponent_is_written_out() -> None:
    assert encode_body({"a": Decimal("1E+3")}) == b'{"a":1000}'


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**10), max_value=10**10))
def test_every_amount_returns_as_it_left(amount: Decimal) -> None:
    assert decode_text(encode_body({"a": amount})) == {"a": amount}


def test_names_keep_their_letters() -> None:
    name = "Zoë 🦓 مرحبا"
    assert decode_text(encode_body({"display_name": name})) == {"display_name": name}


@pytest.mark.parametrize("value", [1.5, float("nan"), None, b"bytes", [None]])
def test_what_a_mapping_must_not_make_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        encode_body({"key": value})


def test_a_key_that_is_no_text_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="no text"):
        encode_body({"nested": {2: "x"}})  # type: ignore[dict-item]


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "a\tb", "\x7f", "\x85", "\ud800"])
def test_text_that_cannot_be_sent_is_named_and_not_quoted(text: str) -> None:
    with pytest.raises(UnsendableText) as caught:
        encode_body({"invoice_items": [{"name": "fine"}, {"name": f"secret {text}"}]})
    assert caught.value.key == "invoice_items[1].name"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("number", [Decimal("NaN"), Decimal("Infinity")])
def test_an_amount_that_is_no_number_belongs_to_the_row(number: Decimal) -> None:
    with pytest.raises(UnsendableText):
        encode_body({"price": number})


JSON_SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def holds_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(holds_null, value.values()))
    return any(map(holds_null, value)) if isinstance(value, list) else value is None


@given(JSON_SHAPES)
def test_whatever_is_encoded_holds_no_null_and_returns_as_it_was(value: Any) -> None:
    try:
        text = encode_body({"value": value})
    except UnsendableText:
        return
    except TypeError:
        assert holds_null(value)
        return
    assert not holds_null(value)
    assert simplejson.loads(text) == {"value": value}


def test_a_path_is_made_of_quoted_segments() -> None:
    assert ApiRequest("GET", f"/plans/{path_segment('a b/ü')}").path == "/plans/a%20b%2F%C3%BC"
    for path in ("customers", "/customers?page=1", "/a b", "/a#b", "/ü", "/a\r\nb"):
        with pytest.raises(ValueError, match="path"):
            ApiRequest("GET", path)


def test_only_a_post_is_unrepeatable_unless_its_entity_knows_better() -> None:
    assert not ApiRequest("POST", "/customers").may_be_repeated
    assert ApiRequest("POST", "/customers/1/markasactive", idempotent=True).may_be_repeated
    assert not ApiRequest("PUT", "/subscriptions/1", idempotent=False).may_be_repeated
    for method in ("GET", "PUT", "DELETE"):
        assert ApiRequest(method, "/customers/1").may_be_repeated


def test_a_description_is_the_exact_request() -> None:
    request = ApiRequest("POST", "/invoices", query={"a": "b c"}, body={"total": Decimal("1.50"), "ü": "é"})
    assert request.describe("https://www.zohoapis.com/billing/v1") == (
        'POST https://www.zohoapis.com/billing/v1/invoices?a=b+c\n\n{\n  "total": 1.50,\n  "ü": "é"\n}'
    )
    assert ApiRequest("GET", "/customers/1").describe("http://x") == "GET http://x/customers/1"
