"""Zoho's invoices, read: two spellings of each key, amounts that are numbers or text (sheet 1.7 and 2.4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from outbox.entities.invoice_totals import TOLERANCE
from outbox.entities.records import ZERO, amount, custom_field, rows_of, word
from outbox.zoho.json_text import JsonValue

DRAFT, OPEN, VOID, UNKNOWN = "draft", "open", "void", "?"

_LIFECYCLES = {"": UNKNOWN, "draft": DRAFT, "void": VOID}
_PAID = frozenset({"paid", "partially_paid"})


@dataclass(frozen=True)
class Look:
    """What an invoice is found by, as a look key: its number, and what tells it from another's of that number."""

    number: str
    customer_id: str
    """Zoho's."""
    total: Decimal

    @property
    def text(self) -> str:
        """As it is remembered with an intent."""
        return f"{self.number}\n{self.customer_id}\n{self.total}"

    @classmethod
    def of(cls, text: str) -> "Look | None":
        """The look of a text; None where it is none ('' asks to look at everything)."""
        try:
            number, customer_id, total = text.split("\n")
            return cls(number, customer_id, Decimal(total))
        except (ValueError, InvalidOperation):
            return None

    def is_number_of(self, record: Mapping[str, JsonValue]) -> bool:
        """As Zoho compares numbers: trimmed, without regard to case (sheet 2.4)."""
        return folded(number_of(record)) == folded(self.number)

    def is_total_of(self, record: Mapping[str, JsonValue]) -> bool:
        """Within the tolerance."""
        theirs = amount(record, "total")
        return theirs is not None and abs(theirs - self.total) <= TOLERANCE


def folded(number: str) -> str:
    """A number as it is compared."""
    return number.strip().casefold()


def number_of(record: Mapping[str, JsonValue]) -> str:
    """GET and lists say ``number``, create and update replies ``invoice_number``, live ones both."""
    return word(record, "invoice_number") or word(record, "number")


def state_of(record: Mapping[str, JsonValue]) -> str:
    """draft, void, or open for every other word; '?' where it shows none."""
    return _LIFECYCLES.get(word(record, "status").strip().casefold(), OPEN)


def settled(record: Mapping[str, JsonValue]) -> Decimal | None:
    """What payments, credits and write-offs took off it; None: there are none."""
    payments, credit_notes = rows_of(record, "payments"), rows_of(record, "credits")
    taken = (
        (amount(record, "payment_made") or sum((amount(row, "amount") or ZERO for row in payments), ZERO))
        + (
            amount(record, "credits_applied")
            or sum((amount(row, "credited_amount") or ZERO for row in credit_notes), ZERO)
        )
        + (amount(record, "write_off_amount") or ZERO)
    )
    return taken if taken or payments or credit_notes or word(record, "status").casefold() in _PAID else None


def financial_differences(record: Mapping[str, JsonValue], content: Mapping[str, JsonValue], look: Look) -> list[str]:
    """What of its money would change if ``content`` were written. What the record does not show is not compared."""
    differences = []
    if not look.is_total_of(record):
        differences.append("total")
    if record.get("customer_id") not in (None, content["customer_id"]):
        differences.append("customer")
    if not _same_lines(record, content):
        differences.append("lines or their tax")
    if record.get("is_inclusive_tax") not in (None, "", content["is_inclusive_tax"]):
        differences.append("whether prices hold the tax")
    if amount(record, "adjustment") not in (None, amount(content, "adjustment")):
        differences.append("adjustment")
    return differences


def text_differs(record: Mapping[str, JsonValue], content: Mapping[str, JsonValue]) -> bool:
    """Whether anything but money would change if ``content`` were written."""
    shown = {
        "invoice_number": number_of(record).strip(),
        "date": word(record, "date") or word(record, "invoice_date"),
        "due_date": word(record, "due_date"),
        "notes": word(record, "notes"),
    }
    return (
        any(content[key] != value for key, value in shown.items())
        or any(
            (custom_field(record, word(field, "label")) or "") != field["value"]
            for field in rows_of(content, "custom_fields")
        )
        or any(
            word(theirs, key) != word(ours, key)
            for theirs, ours in zip(rows_of(record, "invoice_items"), rows_of(content, "invoice_items"), strict=False)
            for key in ("name", "description")
        )
    )


def is_marked(record: Mapping[str, JsonValue], content: Mapping[str, JsonValue]) -> bool:
    """Whether it carries the External ID that is sent: we made it, or took it over."""
    fields = rows_of(content, "custom_fields")
    return bool(fields) and all(custom_field(record, word(field, "label")) == field["value"] for field in fields)


def _same_lines(record: Mapping[str, JsonValue], content: Mapping[str, JsonValue]) -> bool:
    if "invoice_items" not in record:
        return True
    theirs, ours = rows_of(record, "invoice_items"), rows_of(content, "invoice_items")
    return len(theirs) == len(ours) and all(map(_same_line, theirs, ours))


def _same_line(theirs: Mapping[str, JsonValue], ours: Mapping[str, JsonValue]) -> bool:
    figures = all(amount(theirs, key) in (None, amount(ours, key)) for key in ("price", "quantity"))
    return figures and theirs.get("tax_id") in (None, ours["tax_id"])
