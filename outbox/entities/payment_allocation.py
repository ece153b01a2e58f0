"""How much of a payment goes to which invoice (decisions.md, Payments; sheet 2.5): at its create, after a refusal of
that, and when it is written anew."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

from outbox.entities.billing import ENDED
from outbox.entities.contract import Prerequisite, Remote, Terms
from outbox.entities.payment_matching import Sought, balance, raised_invoice
from outbox.entities.payment_purpose import OnInvoice, OnRaised, Purpose, Unapplied
from outbox.entities.payment_row import PaymentRow
from outbox.entities.records import ZERO, amount, rows_of, word
from outbox.entities.subscription_records import generation_of
from outbox.vocabulary import FailureClass
from outbox.zoho.exchange import path_segment
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import JsonValue


@dataclass(frozen=True)
class Application:
    """What of a payment goes to one invoice, by Zoho's id. What goes to none is the customer's credit."""

    invoice_id: str
    amount: Decimal

    @property
    def body(self) -> dict[str, JsonValue]:
        """As Zoho writes it."""
        return {"invoice_id": self.invoice_id, "amount_applied": self.amount}


def applications_of(record: Mapping[str, JsonValue]) -> list[Application]:
    """What a payment, or the body of one, is applied to."""
    return [
        Application(word(each, "invoice_id"), amount(each, "amount_applied") or ZERO)
        for each in rows_of(record, "invoices")
    ]


def invoices_key(application: Application | None) -> dict[str, JsonValue]:
    """``invoices`` as a create carries it: left out where nothing is applied."""
    if application is None or application.amount <= ZERO:
        return {}
    return {"invoices": [application.body]}


def misapplied(record: Mapping[str, JsonValue], sent: Iterable[Application]) -> str | None:
    """What Zoho applied otherwise than it was told, with both figures; None: nothing."""
    shown = {each.invoice_id: each.amount for each in applications_of(record)}
    wanted = {each.invoice_id: each.amount for each in sent}
    if shown == wanted:
        return None
    return (
        f"Zoho payment {word(record, 'payment_id')} is applied as {_told(shown)} where {_told(wanted)} was sent: "
        "correct it in Zoho"
    )


def _told(applied: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{paid} on invoice {invoice_id}" for invoice_id, paid in applied.items()) or "(nothing)"


def from_host(row: PaymentRow, purpose: Purpose) -> tuple[Application | None, str | None]:
    """What a create applies, and a note where that is nothing although the row names an invoice.

    Known from the host alone: the invoice's total less what other payments took. So an opened invoice and its payment
    cost three requests. Where Zoho knows of a smaller balance it refuses, and :func:`after_refusal` asks for it.
    """
    match purpose:
        case Unapplied(note=note):
            return None, note
        case OnRaised():
            return None, None
        case OnInvoice(invoice_id=invoice_id):
            named = row.invoice.named if row.invoice is not None else f"Zoho invoice {invoice_id}"
            if row.invoice_status in ENDED:
                return None, f"not applied: {named} is {row.invoice_status}"
            applied = min(row.amount, _left(row))
            if applied <= ZERO:
                return None, f"not applied: {named} is paid by other payments"
            return Application(invoice_id, applied), None
        case _:
            assert_never(purpose)


def _left(row: PaymentRow) -> Decimal:
    """What other payments left of the invoice. A row that is gone from the host, or NaN, says no total: Zoho knows."""
    if row.invoice_total is None or not row.invoice_total.is_finite():
        return row.amount
    return row.invoice_total - row.taken_by_others


async def to_raised(
    remote: Remote, row: PaymentRow, purpose: OnRaised, terms: Terms
) -> tuple[Application | None, str | None]:
    """What a create applies to the invoice that Zoho raised for the host's period, and a note where that is nothing."""
    invoice = await _raised(remote, row, purpose, terms, already=())
    if invoice is None:
        return None, _no_raised_invoice(row)
    application = Application(word(invoice, "invoice_id"), min(row.amount, balance(invoice)))
    if application.amount <= ZERO:
        return application, f"not applied: {_number(invoice)}, which Zoho raised for that period, has no balance left"
    return application, None


async def to_balance(remote: Remote, row: PaymentRow, invoice_id: str) -> tuple[Application, str | None]:
    """What a create applies to an invoice one of whose payments was refunded: its balance as Zoho has it.

    A refund is a credit note there (sheet 2.5), and whether its invoice stays paid is not told by any source: so it is
    neither taken for paid nor for open. Raises a transient ``CallFailed`` where the invoice is not opened yet.
    """
    invoice = await _invoice(remote, invoice_id)
    _refuse_unopened(invoice)
    applied = min(row.amount, balance(invoice))
    if applied == row.amount:
        return Application(invoice_id, applied), None
    note = (
        f"{row.amount - applied} of {row.amount} is credit: {_number(invoice)} stays paid in Zoho after the refund of "
        "an earlier payment; raise a new invoice for it in Zoho and apply the credit there"
    )
    return Application(invoice_id, applied), note


async def after_refusal(remote: Remote, row: PaymentRow, refused: Application) -> tuple[Application, str | None]:
    """What a create may apply after Zoho refused ``refused``: the balance as Zoho has it (a credit note, a payment made
    there). Where that is no less than what was refused, the same once more: an invoice that was being opened when the
    create came is open when it is looked at. A refusal for another reason is told by the second one.

    Raises a transient ``CallFailed`` where the invoice is not opened yet.
    """
    invoice = await _invoice(remote, refused.invoice_id)
    _refuse_unopened(invoice)
    applied = min(row.amount, balance(invoice))
    if applied >= refused.amount:
        return refused, None
    left = "is void" if word(invoice, "status") == "void" else "has no more balance"
    note = f"{row.amount - applied} of {row.amount} is credit: {_number(invoice)} {left} in Zoho{_paid_by(invoice)}"
    return Application(refused.invoice_id, applied), note


def _paid_by(invoice: Mapping[str, JsonValue]) -> str:
    """Whose payments are on it: one of ours may be for another invoice here by now, or its row deleted.

    When that is mended, the one that is credit has to be sent again: nothing of its own changes then.
    """
    holders = [word(paid, "reference_number") or word(paid, "payment_id") for paid in rows_of(invoice, "payments")]
    named = ", ".join(holder for holder in holders if holder)
    return f", where {named} paid it: if that is wrong, mend it, then set zoho_sync_status to pending" if named else ""


async def anew(
    remote: Remote, row: PaymentRow, record: Mapping[str, JsonValue], purpose: Purpose | Prerequisite, terms: Terms
) -> tuple[list[Application], str | None]:
    """What a PUT applies, which replaces all that ``record`` shows, and a note.

    The row's invoice comes first, up to its balance and what this payment has on it. Where it was applied there
    already, what people applied of the rest elsewhere stays; where it was not, it is linked anew and nothing else
    stays. Where no invoice of the row is in Zoho, everything stays, and the note says so: what people did with a
    credit must not be undone because a text changed here. Raises a transient ``CallFailed`` where the row's invoice is
    not opened yet.
    """
    present = {each.invoice_id: each.amount for each in applications_of(record)}
    invoice: Mapping[str, JsonValue] | None = None
    note: str | None = None
    match purpose:
        case OnInvoice(invoice_id=invoice_id):
            invoice = await _invoice(remote, invoice_id)
            _refuse_unopened(invoice)
        case OnRaised():
            invoice = await _raised(remote, row, purpose, terms, already=tuple(present))
            note = _no_raised_invoice(row) if invoice is None else None
        case Unapplied() | Prerequisite():
            pass
        case _:
            assert_never(purpose)
    if invoice is None:
        if present:
            note = f"stays applied as {_told(present)} in Zoho: change it there if it is for another invoice"
        return _within(row.amount, present), note
    target = word(invoice, "invoice_id")
    wanted = {target: balance(invoice) + present.get(target, ZERO)}
    if target in present:
        wanted |= {other: applied for other, applied in present.items() if other != target}
    if wanted[target] <= ZERO:
        # What people applied of it elsewhere stays: to take it away would open another invoice again.
        return _within(row.amount, present), f"not applied: {_number(invoice)} has no balance left in Zoho"
    return _within(row.amount, wanted), note


def _within(paid: Decimal, wanted: Mapping[str, Decimal]) -> list[Application]:
    """As much of ``wanted`` as was paid, in its order."""
    applications = []
    for invoice_id, most in wanted.items():
        applied = min(most, paid)
        if applied > ZERO:
            applications.append(Application(invoice_id, applied))
            paid -= applied
    return applications


def _refuse_unopened(invoice: Mapping[str, JsonValue]) -> None:
    """Its own sending opens it, and unapplied the payment would be "paid here, open in Zoho" (lessons, 18)."""
    status = word(invoice, "status")
    if status in ("draft", "pending"):
        raise CallFailed(
            Failure(
                FailureClass.TRANSIENT,
                FailureKind.INVALID,
                f"{_number(invoice)} is still {status} in Zoho, which takes no payment",
                "It is tried again by itself; see why the invoice was not opened.",
            )
        )


async def _invoice(remote: Remote, invoice_id: str) -> Mapping[str, JsonValue]:
    invoice = (await remote.read(f"/invoices/{path_segment(invoice_id)}")).get("invoice")
    # Whatever the reply says, it was asked for by this id.
    return {**invoice, "invoice_id": invoice_id} if isinstance(invoice, Mapping) else {"invoice_id": invoice_id}


async def _raised(
    remote: Remote, row: PaymentRow, purpose: OnRaised, terms: Terms, already: tuple[str, ...]
) -> Mapping[str, JsonValue] | None:
    day = row.period_start or row.invoice_date
    if day is None or row.invoice_total is None or not row.invoice_total.is_finite():
        return None
    code = row.service.plan_code if row.service is not None else None
    plan = None if code is None or terms.plans is None else terms.plans.get(code)
    sought = Sought(row.customer_zoho_id or "", day, row.invoice_total, plan)
    invoice = raised_invoice(await _raised_by(remote, purpose.subscription_id), sought, already)
    if invoice is not None or row.service is None or not row.service.begun_anew:
        return invoice
    # A late payment for a month that the service's earlier subscription billed.
    earlier = await _subscriptions_of(remote, str(row.service.service_id))
    invoices = [
        each for zoho_id in earlier if zoho_id != purpose.subscription_id for each in await _raised_by(remote, zoho_id)
    ]
    return raised_invoice(invoices, sought, already)


async def _raised_by(remote: Remote, subscription_id: str) -> list[Mapping[str, JsonValue]]:
    query = {"subscription_id": subscription_id, "filter_by": "Status.All"}
    return [invoice async for invoice in remote.rows("/invoices", "invoices", query)]


async def _subscriptions_of(remote: Remote, service: str) -> list[str]:
    """Zoho's ids of all subscriptions that the service had, by their references."""
    query = {"filter_by": "SubscriptionStatus.All", "reference_contains": service}
    return [
        word(subscription, "subscription_id")
        async for subscription in remote.rows("/subscriptions", "subscriptions", query)
        if generation_of(word(subscription, "reference_id"), service) is not None
    ]


def _no_raised_invoice(row: PaymentRow) -> str:
    named = row.invoice.named if row.invoice is not None else "its invoice"
    return (
        f"not applied: {named} is recurring, and Zoho raised none of {row.invoice_total} for the period of "
        f"{row.period_start or row.invoice_date}: apply the credit in Zoho"
    )


def _number(invoice: Mapping[str, JsonValue]) -> str:
    number = word(invoice, "invoice_number") or word(invoice, "number") or word(invoice, "invoice_id")
    return f"invoice {number}"
