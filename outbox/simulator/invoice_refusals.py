"""What Zoho refuses of invoices. The rules are the sheet's; codes and texts are guesses where it says nothing."""

from outbox.simulator.replies import Refusal


def invoice_missing(status: int) -> Refusal:
    """1002; the sheet knows the text and not the HTTP status (`missing_status`)."""
    return Refusal(status, 1002, "Invoice does not exist.")


def number_taken() -> Refusal:
    """400/1001, in the words of Billing's quotes: neither the number nor the word "exists" is in it."""
    return Refusal(400, 1001, "Invoice Number already exist")


def product_missing() -> Refusal:
    """400/2006 (recorded, sheet 3)."""
    return Refusal(400, 2006, "Invalid Product ID.")


def invoice_has_payments() -> Refusal:
    """Deletion refused: the specification allows it without payments and credits alone."""
    return Refusal(
        400, 4036, "Invoices to which payments or credits are applied cannot be deleted. Delete or unapply them first."
    )


def draft_cannot_be_void() -> Refusal:
    """A draft must be opened first (sheet 2.4)."""
    return Refusal(400, 4041, "Only invoices that are open can be marked as void.")


def already_void() -> Refusal:
    """A second void, where `refuse_repeated_actions` is on."""
    return Refusal(400, 4042, "The invoice is void already.")


def already_open() -> Refusal:
    """converttoopen of an open invoice, where `refuse_repeated_actions` is on."""
    return Refusal(400, 4043, "The invoice is open already.")


def void_cannot_change() -> Refusal:
    """An edit of a void invoice."""
    return Refusal(400, 4044, "Void invoices cannot be edited. Convert it to open first.")


def total_below_payments() -> Refusal:
    """An edit after which more would be paid than is owed."""
    return Refusal(400, 4045, "The total of the invoice cannot be less than the amount that is paid already.")


def paid_by_another() -> Refusal:
    """An edit that gives a paid invoice to another customer."""
    return Refusal(400, 4046, "The customer of an invoice with payments cannot be changed.")
