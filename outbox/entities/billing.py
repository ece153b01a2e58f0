"""Who raises an invoice (decisions.md, Who bills): one rule for invoices and for the payments on them."""

from outbox.entities.contract import Terms
from outbox.settings import RecurringBilling

ISSUED = frozenset({"sent", "paid", "partial", "overdue"})
"""Statuses in which an invoice asks somebody for money."""

ENDED = frozenset({"voided", "cancelled"})
"""Statuses in which it asks nobody any more."""

ONE_OFF_TYPES = frozenset({"installation", "pro_rata", "equipment", "adjustment"})
"""Invoice types that Zoho's subscriptions never raise. Everything else may be recurring."""


def raised_by_zoho(invoice_type: str | None, terms: Terms) -> bool:
    """Whether Zoho itself raises this invoice, so that the host's is not sent: the customer would be billed twice.

    NULL, an unknown type and an absent column count as recurring: an invoice that is missing is noticed and sent
    later, one that is there twice is paid.
    """
    if terms.recurring_billing is not RecurringBilling.ZOHO:
        return False
    return (invoice_type or "").strip().casefold() not in ONE_OFF_TYPES
