"""line_items of every age and kind: read right, or refused with a sentence."""

from decimal import Decimal

import pytest
import simplejson
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox.entities.contract import CannotMap
from outbox.entities.invoice_lines import (
    LONGEST_DESCRIPTION,
    LONGEST_NAME,
    Line,
    cents,
    lines_of,
    written_amount,
)

FIBRE = '{"description": "Fibre 50/50", "quantity": 2, "unit_price": 399.50, "amount": 799.00}'


def lines(stored: str | None) -> list[tuple[str, Decimal, int]]:
    return [(line.name, line.price, line.quantity) for line in lines_of(stored, "Service Fee")]


def line(element: str) -> tuple[str, Decimal, int]:
    (only,) = lines(f"[{element}]")
    return only


class TestList:
    @pytest.mark.parametrize(
        "stored", [None, "null", "[]", "{}", '""', '" "', "[null]", "[{}]", '"[]"', '"null"', '{"items": null}']
    )
    def test_nothing_is_no_lines(self, stored: str | None) -> None:
        assert lines(stored) == []

    @pytest.mark.parametrize(
        "stored",
        [
            f"[{FIBRE}]",
            FIBRE,
            f'{{"items": [{FIBRE}]}}',
            f'{{"line_items": [{FIBRE}], "taxes": [{{"amount": 1}}], "amount": 5}}',
            f'{{"positions": [{FIBRE}], "total": 799}}',
            f'{{"0": {FIBRE}}}',
            f"[null, {FIBRE}, {{}}]",
            simplejson.dumps(f"[{FIBRE}]"),
            simplejson.dumps(FIBRE),
            simplejson.dumps([FIBRE]),
            simplejson.dumps({"lines": f"[{FIBRE}]"}),
            simplejson.dumps(simplejson.dumps(f"[{FIBRE}]")),
        ],
    )
    def test_one_line_however_it_was_wrapped(self, stored: str) -> None:
        assert lines(stored) == [("Fibre 50/50", Decimal("399.50"), 2)]

    def test_numbered_elements_keep_their_order(self) -> None:
        stored = '{"2": {"amount": 2}, "10": {"amount": 10}, "1": {"amount": 1}}'
        assert [price for _, price, _ in lines(stored)] == [1, 2, 10]

    @pytest.mark.parametrize(
        ("stored", "told"),
        [
            ("799", "single value"),
            ("true", "single value"),
            ('"Fibre"', "no JSON"),
            ('{"a": [1], "b": [2]}', "several lists"),
            ('{"items": [], "lines": []}', "several lists"),
            ('{"note": "see attachment"}', "no list"),
            ('{"items": 3}', "single value"),
            ('[["Fibre", 799]]', "line 1 of line_items is no object"),
            ("[799]", "line 1 of line_items is no object"),
            ('["Fibre 799"]', "line 1 of line_items is no object"),
            (f'[{FIBRE}, {{"description": "Fibre"}}]', "line 2 of line_items has neither unit_price nor amount"),
            ('[{"price": 799}]', "neither unit_price nor amount"),
            ("[" * 20_000, "no JSON"),
            ('"' + "9" * 10 + "e9999999999999999999" + '"', "no JSON"),
        ],
    )
    def test_what_cannot_be_told_is_refused(self, stored: str, told: str) -> None:
        with pytest.raises(CannotMap, match=told):
            lines_of(simplejson.dumps(stored) if stored.startswith("[[[") else stored, "Service Fee")

    def test_text_in_text_without_end_is_refused(self) -> None:
        stored = f"[{FIBRE}]"
        for _ in range(6):
            stored = simplejson.dumps(stored)
        with pytest.raises(CannotMap, match="wrapped too often"):
            lines_of(stored, "Service Fee")


class TestElement:
    def test_unit_price_goes_before_amount(self) -> None:
        assert line('{"unit_price": 100, "amount": 115, "quantity": 1}') == ("Service Fee", Decimal(100), 1)

    def test_the_amount_is_divided_by_the_quantity(self) -> None:
        assert line('{"amount": 799, "quantity": 2}') == ("Service Fee", Decimal("399.50"), 2)

    @pytest.mark.parametrize("quantity", ["", ', "quantity": null', ', "quantity": ""', ', "quantity": " "'])
    def test_a_missing_quantity_is_one(self, quantity: str) -> None:
        assert line(f'{{"amount": 799{quantity}}}') == ("Service Fee", Decimal(799), 1)

    @pytest.mark.parametrize("figure", ["799", "799.00", '"799.00"', '"R 799.00"', '"R799,00"', '"ZAR 799"'])
    def test_amounts_are_numbers_or_text(self, figure: str) -> None:
        assert line(f'{{"unit_price": {figure}, "quantity": "1"}}') == ("Service Fee", Decimal(799), 1)

    @pytest.mark.parametrize("blank", ["null", '""', '"  "'])
    def test_a_blank_unit_price_is_none(self, blank: str) -> None:
        assert line(f'{{"unit_price": {blank}, "amount": 5}}') == ("Service Fee", Decimal(5), 1)

    @pytest.mark.parametrize("key", ["unit_price", "amount", "quantity"])
    @pytest.mark.parametrize("value", ["true", "[]", "{}", '"free"', '"1,234"', '"$5"', '"(5)"', '"1e3"', '"5 each"'])
    def test_a_figure_that_is_none_is_refused_and_names_its_line(self, key: str, value: str) -> None:
        with pytest.raises(CannotMap, match=f"^{key} of line 2 in line_items"):
            lines_of(f'[{FIBRE}, {{"amount": 1, "{key}": {value}}}]', "Service Fee")

    def test_a_refusal_quotes_no_text_of_the_line(self) -> None:
        with pytest.raises(CannotMap) as refused:
            lines_of('[{"description": "For Anna Meadow", "unit_price": "ask Anna"}]', "Service Fee")
        assert "Anna" not in str(refused.value)

    @pytest.mark.parametrize("figure", ["1e10", "1e400", "-99999999999"])
    def test_a_figure_beyond_every_invoice_is_refused(self, figure: str) -> None:
        with pytest.raises(CannotMap, match="too large"):
            lines_of(f'[{{"amount": {figure}}}]', "Service Fee")

    @pytest.mark.parametrize(
        ("element", "price", "told"),
        [
            ('{"quantity": 2.5, "unit_price": 400, "amount": 1000}', "1000", "Labour (2.5 × 400)"),
            ('{"quantity": 2.5, "unit_price": 400}', "1000", "Labour (2.5 × 400)"),
            ('{"quantity": "2.5", "amount": 1000}', "1000", "Labour (quantity 2.5)"),
            ('{"quantity": 3, "amount": 100}', "100", "Labour (quantity 3)"),
            ('{"quantity": 1000, "unit_price": 0.0012}', "1.20", "Labour (1000 × 0.0012)"),
            ('{"quantity": 1, "unit_price": 173.913}', "173.91", "Labour (1 × 173.913)"),
            ('{"quantity": 3, "unit_price": 33.335, "amount": 115}', "100.01", "Labour (3 × 33.335)"),
            ('{"quantity": -1, "unit_price": 50}', "-50", "Labour (-1 × 50)"),
            ('{"quantity": -1, "unit_price": 50, "amount": -50}', "-50", "Labour (-1 × 50)"),
            ('{"quantity": 0, "unit_price": 50}', "0", "Labour (0 × 50)"),
            ('{"quantity": 0, "unit_price": 50, "amount": 0}', "0", "Labour (0 × 50)"),
            ('{"quantity": 0, "amount": 0}', "0", "Labour (quantity 0)"),
        ],
    )
    def test_what_zoho_cannot_multiply_is_one_times_its_worth(self, element: str, price: str, told: str) -> None:
        assert line(element.replace("{", '{"description": "Labour", ')) == (told, Decimal(price), 1)

    def test_a_quantity_of_nothing_with_an_amount_contradicts_itself(self) -> None:
        with pytest.raises(CannotMap, match="line 1 of line_items has the quantity 0 and the amount 50"):
            lines_of('[{"quantity": 0, "amount": 50}]', "Service Fee")

    def test_a_discount_is_a_negative_line(self) -> None:
        assert line('{"description": "Discount", "unit_price": "-R 50.00"}') == ("Discount", Decimal(-50), 1)

    @pytest.mark.parametrize(
        ("description", "name"),
        [
            ("null", "Service Fee"),
            ('"  "', "Service Fee"),
            ("[]", "Service Fee"),
            ("true", "Service Fee"),
            ("2025.50", "2025.50"),
            ("2025", "2025"),
            (r'"Fibre\n 50/50\u0007"', "Fibre, 50/50"),
        ],
    )
    def test_a_text_is_always_there(self, description: str, name: str) -> None:
        assert line(f'{{"amount": 1, "description": {description}}}')[0] == name


class TestText:
    def test_a_text_that_fits_stands_in_the_name_alone(self) -> None:
        told = Line("x" * LONGEST_NAME, Decimal(1), 1)
        assert (told.name, told.description) == ("x" * LONGEST_NAME, "")

    def test_a_longer_text_stands_whole_in_the_description(self) -> None:
        told = Line("x" * (LONGEST_NAME + 1), Decimal(1), 1)
        assert (told.name, told.description) == ("x" * LONGEST_NAME, "x" * (LONGEST_NAME + 1))

    def test_the_quantity_is_never_cut(self) -> None:
        told = Line("x " * LONGEST_DESCRIPTION, Decimal(1), 1, " (2.5 × 400)")
        assert len(told.name) <= LONGEST_NAME
        assert told.name.endswith("x (2.5 × 400)")
        assert len(told.description) <= LONGEST_DESCRIPTION

    def test_a_price_of_fifty_digits_is_left_out_and_the_quantity_stays(self) -> None:
        assert line(f'{{"quantity": 3, "unit_price": 0.{"3" * 50}}}')[0] == "Service Fee (quantity 3)"


class TestWrittenAmount:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("0", "0"),
            ("-5", "-5"),
            ("\u22125", "-5"),
            ("R 199.00", "199.00"),
            ("r199", "199"),
            ("-R 199.00", "-199.00"),
            ("R -199.00", "-199.00"),
            ("199,5", "199.5"),
            ("1 199,00", "1199.00"),
            ("1\u00a0199\u202f000.5", "1199000.5"),
            ("R1,199.00", "1199.00"),
            ("ZAR 1.199,00", "1199.00"),
        ],
    )
    def test_amounts_as_people_write_them(self, text: str, value: str) -> None:
        assert written_amount(text) == Decimal(value)

    @pytest.mark.parametrize("text", ["", "R", "1,234", "1,2345", "12 34", "-R-5", "--5", "+5", ".5", "5.", "٣", "NaN"])
    def test_what_can_be_read_in_two_ways_or_none_is_not_read(self, text: str) -> None:
        assert written_amount(text) is None

    @settings(deadline=None)
    @given(st.decimals(-99_999_999, 99_999_999, places=2, allow_nan=False))
    def test_every_way_of_writing_an_amount_means_it(self, value: Decimal) -> None:
        english = f"{value:,.2f}"
        for text in (f"{value:f}", f"R {value:f}", english, english.replace(",", " "), english.replace(",", "\u00a0")):
            assert written_amount(text) == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["description", "quantity", "unit_price", "amount", "items", "0"]), inner)
    ),
    max_leaves=12,
)


class TestWhateverIsStored:
    @settings(deadline=None, max_examples=300)
    @given(json_values)
    def test_it_becomes_lines_in_whole_cents_or_a_sentence(self, stored: object) -> None:
        try:
            found = lines_of(simplejson.dumps(stored, use_decimal=True), "Service Fee")
        except CannotMap as refused:
            assert "line_items" in str(refused)  # noqa: PT017 - the other way is checked below
            return
        for each in found:
            assert each.quantity >= 1
            assert each.price == cents(each.price)
            assert each.name.strip()
            assert len(each.name) <= LONGEST_NAME
