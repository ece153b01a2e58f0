"""Reading Zoho's records: absent values are "" or missing, amounts are numbers or text (sheet 1.7)."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from outbox.zoho.json_text import JsonValue

ZERO = Decimal(0)


def word(record: Mapping[str, JsonValue], key: str) -> str:
    """The text under ``key``; '' where there is none."""
    value = record.get(key)
    return value if isinstance(value, str) else ""


def amount(record: Mapping[str, JsonValue], key: str) -> Decimal | None:
    """The amount under ``key``, written as number or text; None where there is none."""
    value = record.get(key)
    match value:
        case bool() | None | "":
            return None
        case int() | Decimal() | str():
            try:
                number = Decimal(value)
            except InvalidOperation:
                return None
            return number if number.is_finite() else None
        case _:
            return None


def rows_of(record: Mapping[str, JsonValue], key: str) -> list[Mapping[str, JsonValue]]:
    """The objects in the array under ``key``."""
    value = record.get(key)
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def custom_field(record: Mapping[str, JsonValue], label: str | None) -> str | None:
    """The value of the custom field of that label; None where it is empty or absent."""
    if label is None:
        return None
    for field in rows_of(record, "custom_fields"):
        if field.get("label") == label:
            return str(field.get("value") or "") or None
    return None
