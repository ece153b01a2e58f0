"""Invoices: create, list, read, change, delete, and those that a subscription raises (sheet 2.4)."""

from collections.abc import Callable, Sequence
from datetime import date
from http import HTTPStatus

from outbox.simulator import custom_fields, undocumented
from outbox.simulator.accounts import put_invoice, remove_invoice
from outbox.simulator.books import Books, Record
from outbox.simulator.calls import Call
from outbox.simulator.clock import zoho_date
from outbox.simulator.invoice_bodies import read_body, write
from outbox.simulator.invoice_records import (
    address_to,
    as_read,
    blank_invoice,
    list_row,
    next_number,
    put_lines,
    settle,
    touch,
)
from outbox.simulator.invoice_refusals import (
    invoice_has_payments,
    invoice_missing,
    number_taken,
    paid_by_another,
    total_below_payments,
    void_cannot_change,
)
from outbox.simulator.money import exact
from outbox.simulator.paging import list_reply
from outbox.simulator.replies import Creation, Reply, bad_parameter, bad_value, success


def create(call: Call) -> Reply:
    """``POST /invoices``: 201, a draft unless ``send=true``.

    With ``ignore_auto_number_generation=true`` it has the number sent, which no other invoice may have; else
    one of Zoho's own, whatever number was sent (a guess).
    """
    sent = read_body(call)
    if "date" not in sent:
        raise bad_value("date")
    own_number = _own_number(call, sent, "")
    books = call.books
    customer = _customer(books, sent["customer_id"])
    invoice = blank_invoice(books, call.now)
    invoice["payment_terms"] = customer["payment_terms"]
    invoice["payment_terms_label"] = customer["payment_terms_label"]
    address_to(invoice, customer)
    _fill(call, invoice, sent)
    if call.query.get("send") == "true":
        invoice["status"] = "sent"
        invoice["is_emailed"] = True
    settle(invoice)
    invoice["invoice_number"] = own_number or next_number(books)
    touch(books, invoice, call.now)
    put_invoice(books, invoice, call.now)
    return success(
        "The invoice has been created.",
        {"invoice": read_today(call, invoice)},
        status=HTTPStatus.CREATED,
        creation=Creation("invoices", {"invoice_number": invoice["invoice_number"], **custom_fields.keys_of(invoice)}),
    )


def list_all(call: Call) -> Reply:
    """``GET /invoices`` with filter_by, customer_id, subscription_id and the undocumented invoice_number."""
    wanted = call.query.get("filter_by", "Status.All")
    accepts = _FILTERS.get(wanted)
    if accepts is None:
        raise bad_parameter("filter_by")
    invoices = call.books.invoices
    asked = undocumented.sent(call, "customer_id", "subscription_id")
    asked |= undocumented.honoured(call, "invoice_number", call.settings.undocumented.invoices_number)
    today = zoho_date(call.now, call.books.zone)
    rows = (row for row in invoices.matching(asked) if accepts(as_read(row, today)["status"]))
    return list_reply(
        call,
        "invoices",
        rows,
        of=invoices,
        thin=lambda row: list_row(row, today),
        report_name="All Invoices",
        applied_filter=wanted,
    )


def read(call: Call) -> Reply:
    """``GET /invoices/{invoice_id}``: 200 with lines, payments and custom fields, or 1002."""
    return success("success", {"invoice": read_today(call, existing(call))})


def update(call: Call) -> Reply:
    """``PUT /invoices/{invoice_id}``: 200. The lines are replaced whole; any other field not sent stays.

    The number changes with ``ignore_auto_number_generation=true`` alone. Refused for a void invoice, for a
    total below what is paid, and for another customer where something is paid (guesses).
    """
    old = existing(call)
    sent = read_body(call)
    own_number = _own_number(call, sent, old["invoice_id"])
    if old["status"] == "void":
        raise void_cannot_change()
    changed = dict(old)
    if sent["customer_id"] != old["customer_id"]:
        if old["payments"]:
            raise paid_by_another()
        address_to(changed, _customer(call.books, sent["customer_id"]))
    _fill(call, changed, sent)
    settle(changed)
    if changed["balance"] < 0:
        raise total_below_payments()
    changed["invoice_number"] = own_number or old["invoice_number"]
    touch(call.books, changed, call.now)
    put_invoice(call.books, changed)
    return success("The invoice has been updated.", {"invoice": read_today(call, changed)})


def delete(call: Call) -> Reply:
    """``DELETE /invoices/{invoice_id}``: 200; refused where a payment or credit is applied."""
    invoice = existing(call)
    if invoice["payments"] or invoice["credits"]:
        raise invoice_has_payments()
    remove_invoice(call.books, invoice["invoice_id"])
    return success("The invoice has been deleted.")


def existing(call: Call) -> Record:
    """The invoice of the path. Raises Refusal 1002."""
    invoice = call.books.invoices.get(call.arguments["invoice_id"])
    if invoice is None:
        raise invoice_missing(call.settings.missing_status)
    return invoice


def read_today(call: Call, invoice: Record) -> Record:
    """The invoice as it is read on the simulator's day."""
    return as_read(invoice, zoho_date(call.now, call.books.zone))


def raise_invoice(
    books: Books,
    customer: Record,
    lines: Sequence[Record],
    *,
    on: date,
    due: date,
    now: float,
    subscription_id: str = "",
    period: tuple[str, str] | None = None,
    inclusive: bool = True,
) -> Record:
    """Make, number and open the invoice that a subscription raised; returns it as it is held.

    A line has name, description, price, quantity, tax_id and perhaps product_id and code; without tax_id it
    gets the default tax. `period`, two ISO dates, is told in the description of lines that have none, in the
    specification's words. Raises Refusal 400/4 for a tax that does not exist.
    """
    invoice = blank_invoice(books, now)
    address_to(invoice, customer)
    invoice["invoice_number"] = next_number(books)
    invoice["date"] = on.isoformat()
    invoice["due_date"] = due.isoformat()
    invoice["is_inclusive_tax"] = inclusive
    invoice["subscription_id"] = subscription_id
    invoice["transaction_type"] = "renewal" if subscription_id else ""
    invoice["status"] = "sent"
    put_lines(books, invoice, [_raised_line(line, period) for line in lines])
    settle(invoice)
    touch(books, invoice, now)
    put_invoice(books, invoice, now)
    return invoice


def _fill(call: Call, invoice: Record, sent: Record) -> None:
    write(call, invoice, sent)
    put_lines(call.books, invoice, sent["invoice_items"])
    if invoice["total"] < 0:
        raise bad_value("total")


def _customer(books: Books, customer_id: str) -> Record:
    customer = books.customers.get(customer_id)
    if customer is None:
        raise LookupError(f"read_body let the unknown customer {customer_id} pass")
    return customer


def _own_number(call: Call, sent: Record, own_id: str) -> str:
    """The number that is to be used, without blanks at its ends, or "" where Zoho's own is."""
    if call.query.get("ignore_auto_number_generation") != "true":
        return ""
    number: str = sent.get("invoice_number", "").strip()
    if not number:
        raise bad_value("invoice_number")
    freed = call.settings.invoices.void_frees_number
    others = (
        row
        for row in call.books.invoices.having("invoice_number", number)
        if row["invoice_id"] != own_id and not (freed and row["status"] == "void")
    )
    if call.settings.invoices.unique_numbers and any(others):
        raise number_taken()
    return number


def _raised_line(line: Record, period: tuple[str, str] | None) -> Record:
    described = dict(line)
    if period is not None and not line.get("description"):
        start, end = (f"{date.fromisoformat(day):%d-%B-%Y}" for day in period)
        described["description"] = f"Charges for this duration (from {start} to {end})"
    described["price"] = exact(line["price"])
    described["quantity"] = exact(line["quantity"])
    return described


_OPEN = frozenset({"sent", "overdue", "partially_paid"})
_FILTERS: dict[str, Callable[[str], bool]] = {
    "Status.All": lambda _status: True,
    "Status.Sent": lambda status: status == "sent",
    "Status.Draft": lambda status: status == "draft",
    "Status.OverDue": lambda status: status == "overdue",
    "Status.Paid": lambda status: status == "paid",
    "Status.PartiallyPaid": lambda status: status == "partially_paid",
    "Status.Void": lambda status: status == "void",
    "Status.Unpaid": _OPEN.__contains__,
}
"""The documented filters, by the state that is read; that Unpaid shows every open one is a guess."""
