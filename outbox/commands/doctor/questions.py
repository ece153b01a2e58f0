"""The open questions about Zoho's API (the end of the API sheet), by stable names, with the answers there may be.

What is found out is stored under these names in ``zoho_outbox_private.probe_answer``.
"""

from dataclasses import dataclass
from enum import StrEnum


class Question(StrEnum):
    """What is tried. The number is the sheet's."""

    CUSTOMERS_BY_EMAIL = "customers_by_email"
    """1. ``GET /customers?email=``."""
    INVOICES_BY_NUMBER = "invoices_by_number"
    """1. ``GET /invoices?invoice_number=``."""
    PAYMENTS_BY_CUSTOMER = "payments_by_customer"
    """1. ``GET /payments?customer_id=``."""
    PAYMENTS_BY_REFERENCE = "payments_by_reference"
    """1. ``GET /payments?reference_number=``."""
    REPEATED_INVOICE_NUMBER = "repeated_invoice_number"
    """2. Another invoice with the number of one that is there."""
    NUMBER_OF_VOID_INVOICE = "number_of_void_invoice"
    """2. The same after that one was made void."""
    UPSERT = "upsert"
    """3. ``PUT /customers`` without an id, with X-Unique-Identifier-Key and X-Upsert."""
    REPEATED_REFERENCE_ID = "repeated_reference_id"
    """4. Two subscriptions with one reference_id."""
    PAYMENT_OVER_BALANCE = "payment_over_balance"
    """5. More applied to an invoice than it has left."""
    PAYMENT_ON_DRAFT = "payment_on_draft"
    """5. Something applied to a draft."""
    REPEATED_PAYMENT_REFERENCE = "repeated_payment_reference"
    """5. Two payments with one reference_number."""
    DEAD_TOKEN = "dead_token"  # noqa: S105 - a question
    """6. What a token gets that is none."""
    WRONG_ORGANISATION = "wrong_organisation"
    """6. What an organisation gets that is not the user's."""
    MISSING_SCOPE = "missing_scope"
    """6. What a token gets that lacks a scope: tried where this one lacks one."""
    DAY_LIMIT = "day_limit"
    """7. The plan's requests a day, their reset and headers: never tried, it would block the organisation."""
    CANCEL_AT_END_IN_BODY = "cancel_at_end_in_body"
    """8. ``cancel_at_end`` in the body of a cancellation."""
    SECOND_CANCEL = "second_cancel"
    """8. Cancelling what is cancelled."""
    VOID_ON_DRAFT = "void_on_draft"
    """8. ``void`` of a draft."""
    LONGEST_DISPLAY_NAME = "longest_display_name"
    """8. In characters."""
    LONGEST_REFERENCE_NUMBER = "longest_reference_number"
    """8. Of a payment, in characters."""
    LONGEST_REFERENCE_ID = "longest_reference_id"
    """8. Of a subscription, in characters."""
    LIST_LAG = "list_lag"
    """9. Seconds until a list shows a new invoice."""
    INCLUSIVE_TAX = "inclusive_tax"
    """10. Whether ``is_inclusive_tax`` makes a price hold its tax."""
    CUSTOMER_WITHOUT_EMAIL = "customer_without_email"
    """10. Whether one is accepted."""


HONOURED, IGNORED, REFUSED, ACCEPTED = "honoured", "ignored", "refused", "accepted"
NOT_TRIED = "not_tried"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class ProbeAnswer:
    """What one question came to: a word or a figure, and a sentence. UNKNOWN and NOT_TRIED are not stored."""

    question: Question
    answer: str
    said: str

    @property
    def is_known(self) -> bool:
        """It was tried, and told something."""
        return self.answer not in (NOT_TRIED, UNKNOWN)
