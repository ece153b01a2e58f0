"""What is done to an invoice besides editing it: opened, made void, given custom fields (sheet 2.4)."""

from outbox.simulator import custom_fields
from outbox.simulator.accounts import put_invoice
from outbox.simulator.allocation import take_off
from outbox.simulator.books import Record
from outbox.simulator.calls import Call
from outbox.simulator.invoice_records import settle, touch
from outbox.simulator.invoice_refusals import already_open, already_void, draft_cannot_be_void
from outbox.simulator.invoices import existing
from outbox.simulator.replies import Reply, bad_value, from_json, success, unknown_address, unknown_custom_field
from outbox.simulator.settings import Undocumented


def convert_to_open(call: Call) -> Reply:
    """``POST /invoices/{invoice_id}/converttoopen``: a draft is opened, a void invoice opened again.

    A void one comes back without the payments it had: those are the customer's credit by now.
    """
    invoice = existing(call)
    if invoice["status"] in {"draft", "void"}:
        _set_status(call, "sent")
    elif call.settings.invoices.refuse_repeated_actions:
        raise already_open()
    return success("Status of the invoice has been changed to open.")


def make_void(call: Call) -> Reply:
    """``POST /invoices/{invoice_id}/void``: its payments become the customer's credit; a draft is refused."""
    invoice = existing(call)
    if invoice["status"] == "draft" and not call.settings.invoices.void_drafts:
        raise draft_cannot_be_void()
    if invoice["status"] != "void":
        for row in invoice["payments"]:
            take_off(call.books, row["payment_id"], invoice["invoice_id"])
        _set_status(call, "void")
    elif call.settings.invoices.refuse_repeated_actions:
        raise already_void()
    return success("Invoice status has been changed to Void.")


def list_payments(call: Call) -> Reply:
    """``GET /invoices/{invoice_id}/payments``, in no specification and used on live Billing."""
    match call.settings.undocumented.invoice_payments:
        case Undocumented.BAD_REQUEST:
            raise bad_value("invoice_id")
        case Undocumented.NOT_FOUND | Undocumented.IGNORED:
            raise unknown_address()
        case Undocumented.ON:
            invoice = existing(call)
            rows = [{**row, "invoice_id": invoice["invoice_id"]} for row in invoice["payments"]]
            return success("success", {"payments": rows})


def set_custom_fields(call: Call) -> Reply:
    """``POST /invoices/{invoice_id}/customfields``: by label; those not sent stay."""
    existing(call)
    sent = call.body_object({"custom_fields"})
    rows = sent.get("custom_fields")
    custom_fields.check(call, rows, custom_fields.LONGEST_VALUE)
    return success(
        "Custom Fields Updated Successfully",
        {"custom_fields": [custom_fields.whole_row(row) for row in _put_custom_fields(call, rows or [])]},
    )


def set_custom_fields_by_id(call: Call) -> Reply:
    """``PUT /invoice/{invoice_id}/customfields``, with the singular path: a list of ids and values."""
    existing(call)
    try:
        sent = from_json(call.body)
    except ValueError:
        sent = None
    if not isinstance(sent, list) or not sent:
        raise bad_value("JSONString")
    rows = [_labelled(call, row) for row in sent]
    custom_fields.check(call, rows, custom_fields.LONGEST_VALUE)
    _put_custom_fields(call, rows)
    return success("Custom Fields Updated Successfully")


def _labelled(call: Call, row: object) -> Record:
    field_id = row.get("customfield_id") if isinstance(row, dict) else None
    if not isinstance(row, dict) or isinstance(field_id, bool) or not isinstance(field_id, int):
        raise bad_value("customfield_id")
    call.note_unknown([key for key in row if key not in {"customfield_id", "value"}])
    label = custom_fields.label_of(field_id, call.settings)
    if label is None:
        raise unknown_custom_field(str(field_id))
    return {"label": label, "value": row.get("value")}


def _put_custom_fields(call: Call, rows: list[Record]) -> list[Record]:
    invoice = dict(existing(call))
    fields = custom_fields.merged(invoice["custom_fields"], rows, call.settings)
    invoice["custom_fields"] = fields
    touch(call.books, invoice, call.now)
    put_invoice(call.books, invoice)
    return fields


def _set_status(call: Call, status: str) -> None:
    invoice = {**existing(call), "status": status}
    if status == "void":
        invoice["payments"] = []
    settle(invoice)
    touch(call.books, invoice, call.now)
    put_invoice(call.books, invoice)
