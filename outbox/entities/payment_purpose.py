"""What a payment is applied to (decisions.md, Payments): a pure decision from the row and the settings."""

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from outbox.entities.billing import ENDED, raised_by_zoho
from outbox.entities.contract import Prerequisite, Terms
from outbox.entities.parents import Parent
from outbox.entities.payment_row import PaymentRow
from outbox.settings import OnSuspend, RecurringPayments


@dataclass(frozen=True)
class OnInvoice:
    """An invoice that is in Zoho, by Zoho's id."""

    invoice_id: str


@dataclass(frozen=True)
class OnRaised:
    """The invoice that a subscription raised in Zoho for the host's period: looked for when the payment leaves."""

    subscription_id: str


@dataclass(frozen=True)
class Unapplied:
    """No invoice: the whole amount is the customer's credit. ``note``: why, where the row names an invoice."""

    note: str | None = None


Purpose: TypeAlias = OnInvoice | OnRaised | Unapplied


def purpose_of(row: PaymentRow, terms: Terms) -> Purpose | Prerequisite:
    """What the payment is applied to, or what must be in Zoho before that can be said.

    An invoice that is in Zoho counts whatever the settings say by now: it may have been sent while the host billed.
    """
    invoice = row.invoice
    if invoice is None:
        return Unapplied()
    if invoice.zoho_id is not None:
        return OnInvoice(invoice.zoho_id)
    if not invoice.exists:
        return invoice.prerequisite() or Unapplied()
    if row.invoice_status in ENDED:
        return Unapplied(f"not applied: {invoice.named} is {row.invoice_status} and not in Zoho")
    if raised_by_zoho(row.invoice_type, terms):
        return _on_recurring(row, invoice, terms)
    if row.invoice_status == "draft":
        named = f"{invoice.named}, which is a draft: it is sent when it is issued"
        return Prerequisite(invoice.awaited, invoice.id, named, dead=invoice.is_dead, enqueue=False)
    return invoice.prerequisite() or Unapplied()


def _on_recurring(row: PaymentRow, invoice: Parent, terms: Terms) -> Purpose | Prerequisite:
    match terms.recurring_payments:
        case RecurringPayments.UNAPPLIED:
            return Unapplied(f"not applied: {invoice.named} is recurring (ZOHO_RECURRING_PAYMENTS=unapplied)")
        case RecurringPayments.WAIT:
            named = (
                f"{invoice.named}, which is recurring and not sent while Zoho bills; "
                "the payment waits because of ZOHO_RECURRING_PAYMENTS=wait"
            )
            return Prerequisite(invoice.awaited, invoice.id, named, dead=invoice.is_dead, enqueue=False)
        case RecurringPayments.MATCH:
            service = row.service
            if service is None or not (service.subscription_zoho_id or _is_sent(service.service_status, terms)):
                return Unapplied(f"not applied: {invoice.named} is recurring and its service has no subscription")
            if service.subscription_zoho_id is not None:
                return OnRaised(service.subscription_zoho_id)
            return service.subscription.prerequisite() or Unapplied()
        case _:
            assert_never(terms.recurring_payments)


def _is_sent(service_status: str, terms: Terms) -> bool:
    """Whether a service without a subscription will get one: a payment must not wait for what never comes."""
    return service_status == "active" or (service_status == "suspended" and terms.on_suspend is OnSuspend.KEEP)
