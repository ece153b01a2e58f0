"""What Zoho refuses of payments and refunds. The rules are taken from Books; codes and texts are guesses (sheet
2.5)."""

from outbox.simulator.replies import Refusal


def payment_missing(status: int) -> Refusal:
    """1002 with `missing_status`; the sheet has no record of it."""
    return Refusal(status, 1002, "Payment does not exist.")


def refund_missing(status: int) -> Refusal:
    """1002 with `missing_status`; the sheet has no record of it."""
    return Refusal(status, 1002, "Refund does not exist.")


def above_balance() -> Refusal:
    """More applied than the invoice's balance, a paid invoice included."""
    return Refusal(400, 24016, "The amount applied is more than the balance due of the invoice.")


def above_amount() -> Refusal:
    """More applied than the payment brings."""
    return Refusal(400, 24017, "The amount applied to the invoices is more than the amount of the payment.")


def cannot_be_paid(status: str) -> Refusal:
    """A draft or void invoice."""
    return Refusal(400, 24018, f"Payments cannot be recorded for invoices in the status {status}.")


def reference_taken() -> Refusal:
    """A reference_number that another payment has, where `unique_references` is on."""
    return Refusal(400, 24024, "A payment with this reference number already exists.")


def of_another_customer() -> Refusal:
    """An invoice of another customer, or an edit that gives the payment to another."""
    return Refusal(400, 24019, "The customer of the payment is not the customer of the invoice.")


def amount_below_refunds() -> Refusal:
    """An edit to less than what was paid back already."""
    return Refusal(400, 24020, "The amount of the payment cannot be less than the amount refunded.")


def payment_has_refunds() -> Refusal:
    """Deletion of a payment that was paid back."""
    return Refusal(400, 24021, "Payments with refunds cannot be deleted.")


def above_refundable() -> Refusal:
    """A refund of more than what is left of the payment."""
    return Refusal(400, 24022, "The amount refunded is more than the amount of the payment that is left.")


def not_refundable() -> Refusal:
    """A refund of a payment in another mode, where `refund_only_automatic` is on."""
    return Refusal(400, 24023, "Refunds are applicable only for payments whose payment mode is autotransaction.")
