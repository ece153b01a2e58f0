"""JSON as it travels to and from Zoho: amounts are Decimal in both directions, and no float exists."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias, Union

import simplejson

JsonValue: TypeAlias = Union[bool, int, Decimal, str, "Mapping[str, JsonValue]", "Sequence[JsonValue]", None]

# C0 with tab and line feeds, DEL, C1, lone surrogates: nothing of it can stand in a Zoho field, and a lone
# surrogate cannot even be encoded. An entity's mapping turns line feeds into blanks beforehand.
_UNSENDABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class UnsendableText(ValueError):  # noqa: N818 - a property of the row, not a mistake of the code
    """A value from a row cannot be sent as it is.

    ``key`` is its path in the body, such as ``invoice_items[0].price``; the value itself is in no message.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key} {reason}")
        self.key = key
        self.reason = reason


def encode_body(body: Mapping[str, JsonValue]) -> bytes:
    """A request body as UTF-8 JSON.

    Raises ``TypeError`` for a float, None or a type that JSON has not (a mistake of the mapping: an absent
    key is left out), :class:`UnsendableText` for control characters, lone surrogates and amounts that are no
    number.
    """
    return simplejson.dumps(
        _checked_mapping(body, ""),
        use_decimal=True,
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    ).encode()


def decode_text(content: bytes | str) -> JsonValue:
    """A parsed reply; every number with a point is a Decimal. Raises ``ValueError`` for what is not JSON."""
    try:
        value: JsonValue = simplejson.loads(content, use_decimal=True, allow_nan=False)
    except (ArithmeticError, RecursionError) as error:
        # 1e99999999999999999999 and ten thousand brackets are JSON by grammar and nothing that Zoho sends.
        raise ValueError(f"unusable JSON: {type(error).__name__}") from None
    return value


def _checked_mapping(mapping: Mapping[str, JsonValue], path: str) -> dict[str, object]:
    checked: dict[str, object] = {}
    for key, value in mapping.items():
        if not isinstance(key, str):
            raise TypeError(f"{path or 'body'} has the key {key!r}, which is no text")
        checked[key] = _checked(value, f"{path}.{key}" if path else key)
    return checked


def _checked(value: JsonValue, path: str) -> object:
    match value:
        case str():
            if _UNSENDABLE.search(value):
                raise UnsendableText(path, "contains control characters or broken Unicode")
            return value
        case bool() | int():
            return value
        case Decimal():
            if not value.is_finite():
                raise UnsendableText(path, "is not a number")
            # simplejson writes str(), which is 1E+2 for Decimal('1E+2'); Zoho is given digits.
            return Decimal(format(value, "f")) if value.as_tuple().exponent > 0 else value  # type: ignore[operator]
        case Mapping():
            return _checked_mapping(value, path)
        case Sequence() if not isinstance(value, bytes | bytearray):
            return [_checked(item, f"{path}[{index}]") for index, item in enumerate(value)]
        case _:
            raise TypeError(f"{path} is {type(value).__name__}: a body holds text, int, Decimal, bool, objects")
