"""Amounts of money: Decimal, in cents where they are final."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from outbox.simulator.replies import bad_value

NOTHING = Decimal("0.00")
_LARGEST = Decimal("1e12")


def rounded(amount: Decimal, places: int = 2) -> Decimal:
    """`amount` with `places` decimals, halves away from zero (that Zoho rounds so is a guess)."""
    return amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def exact(value: Any) -> Decimal:
    """A number of a record as Decimal; a float, which only planted records hold, by its shortest text.

    Raises ValueError where it is no number.
    """
    try:
        return value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is no amount") from None


def sent_amount(name: str, value: object) -> Decimal:
    """A number of a request body, which may be text (sheet 1.7).

    Raises Refusal 400/4, naming the field, where it is no finite number of a sane size.
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise bad_value(name)
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise bad_value(name) from None
    if not amount.is_finite() or abs(amount) > _LARGEST:
        raise bad_value(name)
    return amount


def sent_cents(name: str, value: object, places: int = 2) -> Decimal:
    """As :func:`sent_amount`, refused where it has fractions of a cent: whether Zoho rounds them is
    unknown."""
    amount = sent_amount(name, value)
    if amount != rounded(amount, places):
        raise bad_value(name)
    return rounded(amount, places)
