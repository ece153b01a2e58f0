"""Finding a payment in Zoho again: no documented list shows a reference number, so each candidate is read (sheet 0.2
and 4).

Where ``doctor --probe`` found that ``GET /payments`` honours a filter, that list is asked first. It may prove that a
payment is there, never that it is not: nothing documented says that it shows every payment, a person may have changed
the reference number of one that has our External ID, and a second create of a payment is money booked twice.

A backfill's list shows a payment's day and amount, and not whose it is (sheet 2.1). On a debit-order day it names
hundreds, and to read them for each of hundreds of rows is a quota of months: 40 equal payments took 1,600 requests.
Where it names more than :data:`MOST_READ`, it is looked for as a single payment is, and nothing is proved by less: two
or three requests for each, whatever others paid. Rejected:

- the customer's transactions first, and what else only where they name none: an equal payment of another row hid one
  that was moved to another customer, or whose day was corrected, and it was made again;
- the invoice's ``payments[]`` alone: says nothing of a payment that was left as credit, so it proves no absence;
- ``GET /payments`` alone: in no specification, see above;
- to remember what each payment said, for as long as the list is gone by: reads everybody's once, 500 for a single new
  one, in each process or under one more table; and a payment must be read again before it is adopted, for its refunds.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from outbox.entities.contract import Listing, Remote
from outbox.entities.probed import Filter, Known
from outbox.entities.records import amount, rows_of, word
from outbox.vocabulary import FailureClass
from outbox.zoho.exchange import path_segment
from outbox.zoho.failures import CallFailed, FailureKind
from outbox.zoho.json_text import JsonValue

ONLY_PAYMENTS = {"filter_by": "TransactionType.PAYMENT"}
LISTING = Listing("/transactions", "transactions", ONLY_PAYMENTS, "transaction_id")

MOST_READ = 2
"""Payments of a list that are read whosever they are: to ask for the customer's and read that one costs as much, and
this finds one that was moved to another customer, too."""


@dataclass(frozen=True)
class Look:
    """What a create was sent under, whatever the row says by now. Zoho's ids; '' where there is none."""

    customer_id: str
    invoice_id: str
    date: str
    amount: Decimal

    @property
    def key(self) -> str:
        """As it is remembered with an intent."""
        return "\n".join((self.customer_id, self.invoice_id, self.date, _plain(self.amount)))

    @classmethod
    def parsed(cls, key: str) -> "Look | None":
        """None: no create of a payment was sent under that (the intent of a refund)."""
        match key.split("\n"):
            case [customer_id, invoice_id, day, paid]:
                try:
                    return cls(customer_id, invoice_id, day, Decimal(paid))
                except InvalidOperation:
                    return None
            case _:
                return None


def looks_of(keys: Iterable[str]) -> list[Look]:
    """The looks among ``keys``, each once."""
    parsed = (Look.parsed(key) for key in keys)
    return list(dict.fromkeys(look for look in parsed if look is not None))


def listed_under(transaction: Mapping[str, JsonValue]) -> list[str]:
    """Day and amount, all that a transaction shows of what we sent."""
    paid = amount(transaction, "amount")
    if paid is None or word(transaction, "type") not in ("", "payment"):
        return []
    return [_candidate_key(word(transaction, "date"), paid)]


async def candidates(
    remote: Remote, looks: Sequence[Look], reference: str, known: Known, *, make_list: bool
) -> list[str]:
    """Ids of payments that could be it: each must be read to be known. From a list that was read before, else asked."""
    keys = {_candidate_key(look.date, look.amount) for look in looks}
    listed = await remote.listed(sorted(keys), make=make_list)
    if listed is not None:
        ids = list(dict.fromkeys(word(row, "transaction_id") for row in listed))
        # A refunded payment does not wait for its customer: where nobody knows whose it is, it may be any of them.
        if len(ids) <= MOST_READ or not all(look.customer_id for look in looks):
            return ids
    if shown := await _shown_under(remote, looks, reference, known):
        return shown
    on_invoices = await _on_invoices(remote, looks, reference)
    # Also where the invoice showed one: a create that went out twice left its second payment as credit.
    return list(dict.fromkeys([*on_invoices, *await _of_customers(remote, looks, keys)]))


async def _on_invoices(remote: Remote, looks: Sequence[Look], reference: str) -> list[str]:
    """Ids of payments with our reference number among those of the invoices they were sent for."""
    found: dict[str, None] = {}
    for invoice_id in dict.fromkeys(look.invoice_id for look in looks if look.invoice_id):
        for paid in await _payments_of(remote, invoice_id):
            if word(paid, "reference_number") == reference:
                found[word(paid, "payment_id")] = None
    return [payment_id for payment_id in found if payment_id]


async def _of_customers(remote: Remote, looks: Sequence[Look], keys: Set[str]) -> list[str]:
    """Ids of payments with one of ``keys`` among all that these customers paid."""
    found: dict[str, None] = {}
    for customer_id in dict.fromkeys(look.customer_id for look in looks if look.customer_id):
        async for row in remote.rows(LISTING.path, LISTING.key, {"customer_id": customer_id, **ONLY_PAYMENTS}):
            if not keys.isdisjoint(listed_under(row)):
                found[word(row, "transaction_id")] = None
    return [payment_id for payment_id in found if payment_id]


async def _shown_under(remote: Remote, looks: Sequence[Look], reference: str, known: Known) -> list[str]:
    """Ids of payments with our reference number, by the filter that is known to be honoured; none proves nothing."""
    if known.payments_by_reference is Filter.HONOURED:
        filters = [("reference_number", reference)]
    elif known.payments_by_customer is Filter.HONOURED:
        filters = [("customer_id", id_) for id_ in dict.fromkeys(look.customer_id for look in looks) if id_]
    else:
        return []
    found: dict[str, None] = {}
    try:
        for name, value in filters:
            async for row in remote.rows("/payments", "payments", {name: value}):
                if word(row, name) != value:
                    # Not honoured any more: the list may be everybody's, and long.
                    return []
                if word(row, "reference_number") == reference:
                    found[word(row, "payment_id")] = None
    except CallFailed as refusal:
        if refusal.failure.failure_class is not FailureClass.PERMANENT:
            raise
        return []
    return [payment_id for payment_id in found if payment_id]


async def _payments_of(remote: Remote, invoice_id: str) -> list[Mapping[str, JsonValue]]:
    try:
        reply = await remote.read(f"/invoices/{path_segment(invoice_id)}")
    except CallFailed as refusal:
        if refusal.failure.kind is FailureKind.NOT_FOUND:
            return []
        raise
    invoice = reply["invoice"]
    return rows_of(invoice, "payments") if isinstance(invoice, Mapping) else []


def _candidate_key(day: str, paid: Decimal) -> str:
    return f"{day} {_plain(paid)}"


def _plain(paid: Decimal) -> str:
    """799, 799.0 and 799.00 are one amount."""
    return f"{paid.normalize():f}"
