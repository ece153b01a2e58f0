"""Invoices found again in Zoho, and whose they are (sheet 4; decisions.md, Invoices: "Number exists")."""

from collections.abc import Mapping, Sequence

from outbox.entities.contract import Found, NotOurs, Remote, Terms
from outbox.entities.invoice_records import Look, folded, number_of
from outbox.entities.invoice_row import InvoiceRow
from outbox.entities.probed import Filter
from outbox.entities.records import amount, custom_field, word
from outbox.vocabulary import FailureClass
from outbox.zoho.exchange import path_segment
from outbox.zoho.failures import CallFailed, FailureKind
from outbox.zoho.json_text import JsonValue


async def judged(remote: Remote, row: InvoiceRow, found: Found, looks: Sequence[Look], terms: Terms) -> Found | NotOurs:
    """Whether a record is this row's. Our External ID proves it, also where the row was edited since."""
    record, zoho_id = found.record, found.zoho_id
    number = number_of(record)
    holder = custom_field(record, terms.external_id_label)
    if holder is not None:
        if holder == str(row.id):
            return found
        return NotOurs(
            zoho_id,
            f"Zoho invoice {zoho_id} ({number}) has the External ID {holder}, which is another row's: renumber one of "
            "the two, or correct the field in Zoho",
        )
    same_number = [look for look in looks if look.is_number_of(record)]
    if not same_number:
        return NotOurs(
            zoho_id,
            f"Zoho invoice {zoho_id} has the number {number!r}, this row {row.number!r}: correct or clear "
            "zoho_billing_invoice_id",
        )
    customer_id = word(record, "customer_id")
    same_customer = [look for look in same_number if look.customer_id == customer_id]
    if not same_customer:
        return NotOurs(
            zoho_id,
            f"Zoho invoice {zoho_id} has the number {number} and belongs to Zoho customer {customer_id}, this row to "
            f"{row.customer_zoho_id}: renumber one of the two",
        )
    if not any(look.is_total_of(record) for look in same_customer):
        return NotOurs(
            zoho_id,
            f"Zoho invoice {zoho_id} has the number {number} and the total {amount(record, 'total')}, this row "
            f"{row.total_amount}: correct the total in Zoho if it is the same invoice, else renumber one of the two",
        )
    for subscription_id in await _subscriptions_of(remote, customer_id):
        if await _raised_by(remote, subscription_id, zoho_id):
            return NotOurs(
                zoho_id,
                f"Zoho invoice {zoho_id} has the number {number} and was raised by Zoho subscription "
                f"{subscription_id}: renumber this row's invoice",
            )
    return found


async def _subscriptions_of(remote: Remote, customer_id: str) -> list[str]:
    """Every subscription that the customer has or had in Zoho.

    Asked of Zoho and not of our tables: those know neither a subscription that another one followed, nor that of a
    service that was deleted here or belongs to another customer by now, nor one that people made in Zoho.
    """
    query = {"filter_by": "SubscriptionStatus.All", "customer_id": customer_id}
    return [
        word(subscription, "subscription_id")
        async for subscription in remote.rows("/subscriptions", "subscriptions", query)
        # A list that names no customer was asked for this one's alone; each is asked for its own invoices anyhow.
        if word(subscription, "customer_id") in ("", customer_id)
    ]


async def _raised_by(remote: Remote, subscription_id: str, zoho_id: str) -> bool:
    """Replies name no subscription; the list by subscription tells (decisions.md, Invoices)."""
    query = {"filter_by": "Status.All", "subscription_id": subscription_id}
    try:
        async for record in remote.rows("/invoices", "invoices", query):
            if word(record, "invoice_id") == zoho_id:
                return True
    except CallFailed as refusal:
        if refusal.failure.kind is not FailureKind.NOT_FOUND:
            raise
    return False


async def listed_by(
    remote: Remote, looks: Sequence[Look], by_number: Filter, *, everybody: bool
) -> list[Mapping[str, JsonValue]]:
    """List rows to compare with: by number where that may help, else the customer's, or everybody's."""
    if by_number.helps:
        numbers = dict.fromkeys(look.number for look in looks)
        try:
            return await _rows(remote, [{"invoice_number": number} for number in numbers])
        except CallFailed as refusal:
            if refusal.failure.failure_class is not FailureClass.PERMANENT:
                raise
    by_customer = [{"customer_id": customer_id} for customer_id in dict.fromkeys(look.customer_id for look in looks)]
    return await _rows(remote, [{}] if everybody else by_customer)


async def _rows(remote: Remote, filters: Sequence[Mapping[str, str]]) -> list[Mapping[str, JsonValue]]:
    rows = []
    for filter_ in filters:
        async for record in remote.rows("/invoices", "invoices", {"filter_by": "Status.All", **filter_}):
            rows.append(record)
    return rows


def looks_of(*texts: str) -> list[Look]:
    """The looks of look keys, each once; a blank key is none."""
    looks = (Look.of(text) for text in texts)
    return list(dict.fromkeys(look for look in looks if look is not None))


def listed_under(number: str) -> str:
    """The key under which a list row of that number is remembered."""
    return f"number {folded(number)}"


def invoice_path(zoho_id: str) -> str:
    """Of one invoice."""
    return f"/invoices/{path_segment(zoho_id)}"


def found_in(body: Mapping[str, JsonValue]) -> Found:
    """The invoice of an envelope. Raises ``KeyError`` where there is none."""
    record = body["invoice"]
    if not isinstance(record, Mapping) or not word(record, "invoice_id"):
        raise KeyError("invoice_id")
    return Found(word(record, "invoice_id"), record)
