"""What a customer owes and has in credit, kept true with every change of an invoice or a payment.

The sums on a customer are moved by differences and not added up anew: a customer may be planted with a balance
that no planted invoice explains. Every writer of invoices and payments goes through here.
"""

from decimal import Decimal

from outbox.simulator.books import Books, Record
from outbox.simulator.money import NOTHING, exact

NOT_OWED = frozenset({"draft", "void"})
"""States in which nobody owes an invoice."""


def owed(invoice: Record) -> Decimal:
    """What the customer still owes on it."""
    return NOTHING if invoice["status"] in NOT_OWED else exact(invoice["balance"])


def applied(payment: Record) -> Decimal:
    """What of a payment stands on invoices."""
    return sum((exact(row["amount_applied"]) for row in payment["invoices"]), NOTHING)


def unused(payment: Record) -> Decimal:
    """What of a payment is the customer's credit: neither applied nor paid back.

    That a refund takes the unapplied part first is a guess; the specification says that a credit note is
    made for it.
    """
    return max(NOTHING, exact(payment["amount"]) - exact(payment["amount_refunded"]) - applied(payment))


def put_invoice(books: Books, invoice: Record, created_at: float | None = None) -> None:
    """Add or replace an invoice."""
    old = books.invoices.get(invoice["invoice_id"])
    books.invoices.put(invoice, created_at)
    if old is not None:
        _move(books, old["customer_id"], outstanding=-owed(old))
    _move(books, invoice["customer_id"], outstanding=owed(invoice))


def remove_invoice(books: Books, invoice_id: str) -> bool:
    """Take an invoice out; False where there is none."""
    old = books.invoices.remove(invoice_id)
    if old is not None:
        _move(books, old["customer_id"], outstanding=-owed(old))
    return old is not None


def put_payment(books: Books, payment: Record, created_at: float | None = None) -> None:
    """Add or replace a payment; its invoices are the caller's to change."""
    old = books.payments.get(payment["payment_id"])
    books.payments.put(payment, created_at)
    if old is not None:
        _move(books, old["customer_id"], credit=-unused(old))
    _move(books, payment["customer_id"], credit=unused(payment))


def remove_payment(books: Books, payment_id: str) -> bool:
    """Take a payment out; False where there is none."""
    old = books.payments.remove(payment_id)
    if old is not None:
        _move(books, old["customer_id"], credit=-unused(old))
    return old is not None


def _move(books: Books, customer_id: str, *, outstanding: Decimal = NOTHING, credit: Decimal = NOTHING) -> None:
    customer = books.customers.get(customer_id)
    if customer is None or not (outstanding or credit):
        return
    books.customers.put(
        {
            **customer,
            "outstanding": exact(customer["outstanding"]) + outstanding,
            "outstanding_receivable_amount": exact(customer["outstanding_receivable_amount"]) + outstanding,
            "unused_credits": exact(customer["unused_credits"]) + credit,
        }
    )
