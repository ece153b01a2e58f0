"""``customer_invoices.line_items`` of every age and kind, as lines (decisions.md, Invoices; lessons 7; failures 22).

====================================  ==================================================================================
stored                                read as
====================================  ==================================================================================
NULL, null, [], {}, ""                no lines
list                                  its elements; null and {} carry nothing and are passed over
object                                what stands in it under line_items, items, lines or invoice_items, else its only
                                      list; numbered elements ({"0": …}); else one line, where it has a figure
text                                  the JSON inside it
anything else                         refused
====================================  ==================================================================================

====================================  ==================================================================================
element                               line
====================================  ==================================================================================
unit_price, quantity                  price × quantity
amount, quantity                      amount / quantity × quantity
quantity missing                      1
price not in whole cents              1 × its worth in cents, quantity and price in the text: what Zoho makes of a
                                      fraction of a cent is unknown
quantity a fraction, or negative      1 × amount, else × unit_price times quantity; both in the text (Zoho's quantities
                                      are whole numbers, sheet 2.4)
quantity 0                            1 × 0.00; refused where it has an amount
neither unit_price nor amount         refused
description missing                   what the kind of invoice is called
====================================  ==================================================================================

Whatever is read here is held against the invoice's own figures afterwards (:mod:`outbox.entities.invoice_totals`): a
list that was read otherwise than it was meant does not add up, and is not sent. Errors quote no text of a line: it may
name a person.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from outbox.entities.contract import CannotMap
from outbox.entities.text import clean
from outbox.zoho.json_text import JsonValue, decode_text

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
LONGEST_NAME = 100
"""Of an item (sheet 2.2, specification)."""
LONGEST_DESCRIPTION = 2000

_LISTS = ("line_items", "items", "lines", "invoice_items")
_FIGURES = frozenset({"unit_price", "amount"})
_LONGEST_NOTE = 50
_LARGEST = Decimal("1e10")
"""Beyond every amount that the host's numeric(10,2) holds; what is larger would lose digits in a product."""
_DEEPEST = 3
"""How often text and objects may hold one another before the list comes."""

_AMOUNT = re.compile(
    r"""
    (?P<before>-?)\ ?(?:R|ZAR)?\ ?(?P<after>-?)\ ?
    (?:
        (?P<whole>[0-9]+|[0-9]{1,3}(?:\ [0-9]{3})+) (?:\.(?P<point>[0-9]+)|,(?P<comma>[0-9]{1,2}))?
        | (?P<grouped>[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]{1,2})
        | (?P<dotted>[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]{1,2})
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class Line:
    """A line as Zoho is told it. ``price`` in whole cents; ``note`` is what the text must not lose: a quantity."""

    text: str
    price: Decimal
    quantity: int
    note: str = ""

    @property
    def amount(self) -> Decimal:
        """Price times quantity."""
        return self.price * self.quantity

    @property
    def name(self) -> str:
        """The text in at most 100 characters: it is cut, the note never is."""
        room = LONGEST_NAME - len(self.note)
        return f"{self.text[:room].rstrip()}{self.note}"

    @property
    def description(self) -> str:
        """The whole text where the name does not hold it; else ''."""
        whole = f"{self.text}{self.note}"
        return "" if whole == self.name else whole[:LONGEST_DESCRIPTION].rstrip()


def cents(value: Decimal) -> Decimal:
    """``value`` in whole cents, half a cent away from zero."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP)


def lines_of(stored: str | None, called: str) -> tuple[Line, ...]:
    """The lines in ``stored``, the JSON text of the column; none where there are none.

    ``called``: the text of a line that has none. Raises :class:`CannotMap`.
    """
    elements = enumerate(_elements(stored, 0), start=1)
    lines = (_line(element, position, called) for position, element in elements)
    return tuple(line for line in lines if line is not None)


def written_amount(text: str) -> Decimal | None:
    """An amount as people write it: '199.00', 'R 1 199,00', '-R1,199.00'. None where it can be read in two ways."""
    match = _AMOUNT.fullmatch(" ".join(text.replace("\u2212", "-").split()))
    if match is None or (match["before"] and match["after"]):
        return None
    if match["whole"] is not None:
        digits = f"{match['whole'].replace(' ', '')}.{match['point'] or match['comma'] or '0'}"
    elif match["grouped"] is not None:
        digits = match["grouped"].replace(",", "")
    else:
        digits = match["dotted"].replace(".", "").replace(",", ".")
    return Decimal(f"{match['before'] or match['after']}{digits}")


def _elements(value: JsonValue, depth: int) -> list[JsonValue]:
    if depth > _DEEPEST:
        raise CannotMap("line_items is wrapped too often: store a list of lines")
    match value:
        case None:
            return []
        case str():
            return _elements(_decoded(value), depth + 1) if value.strip() else []
        case list():
            return value
        case Mapping():
            return _inside(value, depth)
        case _:
            raise CannotMap("line_items is a single value, not a list of lines: correct it, or empty it")


def _inside(value: Mapping[str, JsonValue], depth: int) -> list[JsonValue]:
    if not value:
        return []
    named = [key for key in _LISTS if key in value]
    held = named or [key for key, inner in value.items() if isinstance(inner, list)]
    if len(held) == 1:
        return _elements(value[held[0]], depth + 1)
    if not held and not _FIGURES.isdisjoint(value):
        return [value]
    if not held and all(re.fullmatch("[0-9]{1,9}", key) for key in value):
        return [value[key] for key in sorted(value, key=int)]
    lists = "several lists" if held else "no list"
    raise CannotMap(f"line_items is an object with {lists} inside: store one list of lines")


def _decoded(text: str) -> JsonValue:
    try:
        return decode_text(text)
    except ValueError:
        raise CannotMap("line_items is text that is no JSON: store a list of lines, or empty it") from None


def _line(element: JsonValue, position: int, called: str) -> Line | None:
    if isinstance(element, str) and element.lstrip().startswith("{"):
        element = _decoded(element)
    if element is None or element == {}:
        return None
    if not isinstance(element, Mapping):
        raise CannotMap(f"line {position} of line_items is no object with an amount: correct it")
    unit_price, amount, quantity = (
        _number(element.get(key), f"{key} of line {position} in line_items")
        for key in ("unit_price", "amount", "quantity")
    )
    text = _text(element.get("description")) or called
    quantity = Decimal(1) if quantity is None else quantity
    price = unit_price
    if price is None:
        if amount is None:
            raise CannotMap(f"line {position} of line_items has neither unit_price nor amount: correct it")
        price = amount / quantity if quantity else ZERO
    whole = quantity > 0 and quantity == int(quantity)
    if whole and price == cents(price):
        return Line(text, cents(price), int(quantity))
    if not quantity and amount:
        raise CannotMap(f"line {position} of line_items has the quantity 0 and the amount {amount:f}: correct it")
    # 'price = unit_price' holds for whole quantities, 'amount' goes first for others (decisions.md, Invoices).
    worth = amount if amount is not None and (unit_price is None or not whole) else price * quantity
    return Line(text, cents(worth), 1, _note(quantity, unit_price))


def _note(quantity: Decimal, unit_price: Decimal | None) -> str:
    told = [] if unit_price is None else [f" ({quantity:f} × {unit_price:f})"]
    told.append(f" (quantity {quantity:f})")
    return next((note for note in told if len(note) <= _LONGEST_NOTE), "")


def _number(value: JsonValue, where: str) -> Decimal | None:
    number: Decimal | None
    match value:
        case None:
            return None
        case bool():
            number = None
        case int() | Decimal():
            number = Decimal(value)
        case str():
            if not value.strip():
                return None
            number = written_amount(value)
        case _:
            number = None
    if number is None:
        raise CannotMap(f"{where} is no amount that can be read in one way only: write it as a number")
    if abs(number) >= _LARGEST:
        raise CannotMap(f"{where} is too large: correct it")
    return number


def _text(value: JsonValue) -> str:
    match value:
        case str():
            return clean(value)
        case bool():
            return ""
        case int() | Decimal():
            return f"{value:f}" if isinstance(value, Decimal) else str(value)
        case _:
            return ""
