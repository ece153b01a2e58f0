"""What may be sent to create or change an invoice, checked (sheet 2.4)."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from outbox.simulator import custom_fields
from outbox.simulator.books import Record
from outbox.simulator.calls import Call
from outbox.simulator.invoice_refusals import product_missing
from outbox.simulator.money import sent_amount, sent_cents
from outbox.simulator.replies import bad_value, customer_missing

TEXT_FIELDS: dict[str, int | None] = {
    "customer_id": None,
    "invoice_number": 50,
    "reference_number": 50,
    "place_of_supply": None,
    "vat_treatment": None,
    "gst_treatment": None,
    "tax_treatment": None,
    "cfdi_usage": None,
    "gst_no": None,
    "template_id": None,
    "payment_terms_label": 100,
    "discount_type": None,
    "invoiced_estimate_id": None,
    "salesperson_name": None,
    "project_id": None,
    "custom_body": None,
    "custom_subject": None,
    "notes": None,
    "terms": None,
    "adjustment_description": None,
    "reason": None,
    "tax_authority_id": None,
    "tax_exemption_id": None,
    "avatax_use_code": None,
    "avatax_tax_code": None,
    "avatax_exempt_no": None,
}
"""Text fields with the longest value where the sheet has a (guessed) figure."""

BOOLEAN_FIELDS = frozenset({"is_discount_before_tax", "is_inclusive_tax", "allow_partial_payments"})
DATE_FIELDS = frozenset({"date", "due_date"})
CENT_FIELDS = frozenset({"shipping_charge", "adjustment"})

INVOICE_FIELDS = (
    frozenset(TEXT_FIELDS)
    | BOOLEAN_FIELDS
    | DATE_FIELDS
    | CENT_FIELDS
    | {
        "payment_terms",
        "discount",
        "exchange_rate",
        "contact_persons",
        "custom_fields",
        "invoice_items",
        "payment_options",
    }
)
"""Keys of create-invoice-request and update-invoice-request."""

LINE_TEXT_FIELDS: dict[str, int | None] = {
    "product_id": None,
    "project_id": None,
    "expense_id": None,
    "name": 100,
    "product_type": None,
    "hsn_or_sac": None,
    "sat_item_key_code": None,
    "unitkey_code": None,
    "description": 2000,
    "unit": 100,
    "tax_id": None,
    "tds_tax_id": None,
    "tax_exemption_id": None,
    "avatax_use_code": None,
    "avatax_exempt_no": None,
    "tax_name": None,
    "tax_type": None,
}
LINE_FIELDS = frozenset(LINE_TEXT_FIELDS) | {
    "time_entry_ids",
    "item_order",
    "price",
    "quantity",
    "discount",
    "tax_percentage",
    "item_total",
}
"""Keys of one of invoice_items; ``rate``, as Books says, is none of them."""

DISCOUNT_TYPES = frozenset({"entity_level", "item_level"})

_NOT_SHOWN = frozenset({"customer_id", "invoice_number", "custom_body", "custom_subject", "reason"})
_SHOWN_AS_GIVEN = (
    (frozenset(TEXT_FIELDS) - _NOT_SHOWN)
    | BOOLEAN_FIELDS
    | {"date", "due_date", "payment_terms", "exchange_rate", "contact_persons", "payment_options"}
)
_LINE_SHOWN = frozenset(LINE_TEXT_FIELDS) - {"tax_name", "tax_type"}


def read_body(call: Call) -> Record:
    """The checked body of a create or update request.

    Amounts become Decimal, and every line has price and quantity. Raises Refusal: 400/3004 for a customer,
    400/2006 for a product, 400/120129 for a custom field that does not exist, 400/4 for what does not fit.
    """
    sent = call.body_object(INVOICE_FIELDS)
    if not isinstance(sent.get("customer_id"), str):
        raise bad_value("customer_id")
    if call.books.customers.get(sent["customer_id"]) is None:
        raise customer_missing()
    limited = call.settings.invoices.enforce_length_limits
    for name, value in sent.items():
        if name in TEXT_FIELDS:
            _check_text(name, value, TEXT_FIELDS[name] if limited else None)
        elif name in BOOLEAN_FIELDS and not isinstance(value, bool):
            raise bad_value(name)
        elif name in DATE_FIELDS:
            sent_date(name, value)
    _check_rest(call, sent)
    lines = sent.get("invoice_items")
    if not isinstance(lines, list) or not lines:
        raise bad_value("invoice_items")
    places = call.books.organisation.price_precision
    amounts = {name: sent_cents(name, sent[name], places) for name in CENT_FIELDS & set(sent)}
    return {**sent, **amounts, "invoice_items": [_line(call, line) for line in lines]}


def write(call: Call, invoice: Record, sent: Record) -> None:
    """Put a checked body into `invoice`, all but its customer, number and lines; what is not sent stays.

    Without due_date an invoice is due its payment terms after its date. Raises Refusal 400/4 where it would be
    due before its date (a guess).
    """
    for name in _SHOWN_AS_GIVEN & set(sent):
        invoice[name] = sent[name]
    if "adjustment" in sent:
        invoice["adjustment"] = sent["adjustment"]
    if "shipping_charge" in sent:
        invoice["shipping_charge"] = f"{sent['shipping_charge']:f}"
    if "custom_fields" in sent:
        invoice["custom_fields"] = custom_fields.merged(invoice["custom_fields"], sent["custom_fields"], call.settings)
    if "due_date" not in sent and {"date", "payment_terms"} & set(sent):
        due = date.fromisoformat(invoice["date"]) + timedelta(days=invoice["payment_terms"])
        invoice["due_date"] = due.isoformat()
    if invoice["due_date"] < invoice["date"]:
        raise bad_value("due_date")


def sent_date(name: str, value: object) -> date:
    """A ``yyyy-mm-dd`` of a body. Raises Refusal 400/4 for anything else."""
    try:
        if isinstance(value, str) and len(value) == len("2016-06-05"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise bad_value(name)


def _check_rest(call: Call, sent: Record) -> None:
    terms = sent.get("payment_terms", 0)
    if isinstance(terms, bool) or not isinstance(terms, int) or not 0 <= terms <= 3650:
        raise bad_value("payment_terms")
    if sent.get("discount_type", "item_level") not in DISCOUNT_TYPES:
        raise bad_value("discount_type")
    _check_no_discount(sent)
    if sent_amount("exchange_rate", sent.get("exchange_rate", 1)) <= 0:
        raise bad_value("exchange_rate")
    people = sent.get("contact_persons", [])
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise bad_value("contact_persons")
    if not isinstance(sent.get("payment_options", {}), dict):
        raise bad_value("payment_options")
    longest = custom_fields.LONGEST_VALUE if call.settings.invoices.enforce_length_limits else None
    custom_fields.check(call, sent.get("custom_fields", []), longest)


def _check_no_discount(sent: Record) -> None:
    """Discounts are not simulated: one that was silently left out would make a wrong total look right."""
    if sent_amount("discount", sent.get("discount", 0)) != 0:
        raise bad_value("discount")


def _line(call: Call, line: object) -> Record:
    if not isinstance(line, dict):
        raise bad_value("invoice_items")
    call.note_unknown([f"invoice_items.{key}" for key in line if key not in LINE_FIELDS])
    limited = call.settings.invoices.enforce_length_limits
    for name, value in line.items():
        if name in LINE_TEXT_FIELDS:
            _check_text(name, value, LINE_TEXT_FIELDS[name] if limited else None)
    if not line.get("name", "").strip() and not line.get("product_id"):
        raise bad_value("name")
    _check_product(call, line.get("product_id", ""))
    _check_no_discount(line)
    checked: dict[str, Any] = {name: line[name] for name in _LINE_SHOWN & set(line)}
    checked["price"] = sent_amount("price", line.get("price"))
    checked["quantity"] = _quantity(line.get("quantity"))
    return checked


def _quantity(value: object) -> Decimal:
    """A whole number above nothing; the specification types it integer."""
    quantity = sent_amount("quantity", value)
    if quantity <= 0 or quantity != int(quantity):
        raise bad_value("quantity")
    return quantity


def _check_product(call: Call, product_id: str) -> None:
    if not product_id:
        return
    products = call.books.collections.get("products")
    if products is None or products.get(product_id) is None:
        raise product_missing()


def _check_text(name: str, value: object, longest: int | None) -> None:
    if not isinstance(value, str) or (longest is not None and len(value) > longest):
        raise bad_value(name)
