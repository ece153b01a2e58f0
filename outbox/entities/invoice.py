"""Invoices (sheet 2.4 and 4; decisions.md, Who bills and Invoices; lessons 7 to 9).

=================  ==================================================================================================
read               ``customer_invoices``; its customer, and payments of it that wait for a subscription
sent               status sent, paid, partial, overdue; voided and cancelled make void what is in Zoho; a draft not
                   yet. Recurring ones, and those without a known type, only where the host bills
waits for          its customer
record             ``POST /invoices?ignore_auto_number_generation=true`` 201 ``{invoice}``, a draft;
                   ``PUT /invoices/{invoice_id}`` 200, all lines; nothing is mailed or collected
found again        by the exact number (trimmed, any case), with equal customer and total, and not raised by a
                   subscription; each hit is read, its External ID settles it. The list is filtered by number unless
                   ``doctor --probe`` found that Zoho does not do that: then by customer
lifecycle          draft, open, void: ``/converttoopen`` after the create and out of void, ``/void``
verified           total within 0.05, number, customer and External ID of the reply
told               a tax in Zoho that is not tax_amount, by more than a cent a line; payments of one that was void
=================  ==================================================================================================

================  ===========================================  =======================================================
column            field                                        conversion
================  ===========================================  =======================================================
customer_id       customer_id                                  Zoho's id of that customer
invoice_number    invoice_number                               trimmed; Zoho's own numbering is off (lessons 9)
invoice_date      date                                         yyyy-mm-dd
due_date          due_date                                     yyyy-mm-dd
line_items        invoice_items[] name, description, price,    see invoice_lines.py; none: one line over the total,
                  quantity                                     called after invoice_type
vat_rate,         invoice_items[] tax_id                       see invoice_totals.py; the same tax on every line
tax_amount
subtotal,         is_inclusive_tax                             true where the lines add up to total_amount, false where
total_amount                                                   to subtotal alone
total_amount      adjustment, adjustment_description           what the foretold total lacks, at most 0.05; left out at
                                                               creation where nothing
notes             notes                                        left out at creation where empty; emptied by an update
id                custom_fields External ID                    ``{label, value}`` (lessons, 6)
status            lifecycle                                    voided, cancelled → void; else open
================  ===========================================  =======================================================

``zoho_invoice_id`` is an earlier integration's and never read. ``reference_number`` is not sent: the External ID says
it. A void invoice is told nothing but that: Zoho does not edit void ones.

That Zoho rounds the tax on prices without tax line by line is a guess (only the reply tells): what it makes otherwise
is counted up to 0.05; beyond that the invoice stays a draft and both figures are told.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

import psycopg

from outbox.database import Row
from outbox.entities.billing import ENDED, ISSUED, raised_by_zoho
from outbox.entities.catalogue import CatalogueKind
from outbox.entities.contract import (
    CannotMap,
    Desired,
    Entity,
    Found,
    Listing,
    NotOurs,
    Prerequisite,
    Remote,
    Terms,
    Updated,
)
from outbox.entities.invoice_lines import Line, lines_of
from outbox.entities.invoice_look import found_in, invoice_path, judged, listed_by, listed_under, looks_of
from outbox.entities.invoice_records import (
    DRAFT,
    OPEN,
    UNKNOWN,
    VOID,
    Look,
    financial_differences,
    is_marked,
    number_of,
    settled,
    state_of,
    text_differs,
)
from outbox.entities.invoice_row import InvoiceRow, read_invoices
from outbox.entities.invoice_totals import Figures, forecast, line_tax
from outbox.entities.parents import Parent, closing
from outbox.entities.records import ZERO, amount, custom_field, rows_of, word
from outbox.entities.text import clean
from outbox.host_tables import Capture
from outbox.vocabulary import Awaited, EntityType, FailureClass
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import JsonValue

OWN_NUMBER = {"ignore_auto_number_generation": "true"}
CUSTOMER_MISSING = 3004
"""Zoho's code (sheet 3): it means the customer, whatever was asked for."""


class Invoice(Entity[InvoiceRow]):
    """See the head of this file."""

    entity_type: ClassVar[EntityType] = EntityType.INVOICE
    needs: ClassVar[frozenset[CatalogueKind]] = frozenset({CatalogueKind.TAXES})
    listing: ClassVar[Listing | None] = Listing("/invoices", "invoices", {"filter_by": "Status.All"}, "invoice_id")
    capture: ClassVar[Capture] = Capture(
        entity_type=EntityType.INVOICE,
        mapped_columns=(
            "customer_id",
            "invoice_number",
            "invoice_date",
            "due_date",
            "subtotal",
            "tax_amount",
            "total_amount",
            "status",
            "line_items",
            "invoice_type",
            "vat_rate",
            "notes",
        ),
        concerns_zoho="{row}.status <> 'draft'",
        shown_to_operators=("invoice_number", "customer_id", "invoice_type", "status"),
        reads={
            "customer_invoices": (
                "customer_id",
                "invoice_number",
                "invoice_date",
                "due_date",
                "subtotal",
                "tax_amount",
                "total_amount",
                "amount_due",  # compared by reconciliation, never sent
                "status",
                "line_items",
                "invoice_type",
                "vat_rate",
                "notes",
                "service_id",
            ),
            "customers": ("account_number", "account_type", "account_status"),
            "payment_transactions": ("invoice_id", "customer_invoice_id"),
        },
    )

    async def read(self, connection: psycopg.AsyncConnection[Row], ids: Sequence[UUID]) -> dict[UUID, InvoiceRow]:
        """See :func:`outbox.entities.invoice_row.read_invoices`."""
        return await read_invoices(connection, ids)

    def named(self, row: InvoiceRow) -> str:
        """'invoice INV-2025-00001'."""
        return f"invoice {row.number or row.id}"

    def zoho_id(self, row: InvoiceRow) -> str | None:
        """zoho_billing_invoice_id."""
        return row.zoho_billing_invoice_id

    def ineligible(self, row: InvoiceRow, terms: Terms) -> str | None:
        """Test accounts, what Zoho bills itself, and drafts."""
        if row.account_type == "internal_test":
            return "invoice of an internal_test account: never sent to Zoho"
        zoho_id = clean(row.zoho_billing_invoice_id)
        remains = f"; Zoho invoice {zoho_id} remains as it is" if zoho_id else ""
        # One that Zoho has from before is made void all the same: cancelled here, it must not stay open there.
        if raised_by_zoho(row.invoice_type, terms) and not (zoho_id and row.status in ENDED):
            return f"{_recurring(row)}: Zoho raises recurring invoices itself (ZOHO_RECURRING_BILLING=zoho){remains}"
        if row.status == "draft":
            return f"draft: sent when it is issued{remains}"
        if row.status not in ISSUED | ENDED:
            return f"status {clean(row.status)!r} is not known: sent when it is one of {', '.join(sorted(ISSUED))}"
        return None

    def unblocks(self, row: InvoiceRow, *, sent: bool) -> Sequence[tuple[EntityType, UUID]]:
        """A cancelled customer, who could not be made inactive before; and payments of it that wait for a subscription
        to raise it in Zoho: where it was made void here, or is in Zoho itself now, they need not wait.
        """
        waiting = row.waiting_payments if sent or row.status in ENDED else ()
        closed = closing(row.customer_id, row.account_status) if sent else ()
        return [*((EntityType.PAYMENT, payment) for payment in waiting), *closed]

    def prerequisites(self, row: InvoiceRow, terms: Terms) -> Sequence[Prerequisite]:  # noqa: ARG002
        """Its customer."""
        customer = Parent(
            Awaited.CUSTOMER,
            row.customer_id,
            f"customer {clean(row.account_number) or row.customer_id}",
            row.customer_zoho_id,
            row.customer_phase,
        )
        prerequisite = customer.prerequisite()
        return () if prerequisite is None else (prerequisite,)

    def desired(self, row: InvoiceRow, terms: Terms) -> Desired:
        """The body of create and update alike: Zoho's update takes the same keys (sheet 2.4)."""
        if row.customer_zoho_id is None:
            raise CannotMap("its customer is not in Zoho: sync the customer first")
        if not row.number:
            raise CannotMap("the invoice has no invoice_number: give it one")
        look = Look(row.number, row.customer_zoho_id, row.total_amount)
        identity: dict[str, JsonValue] = {"customer_id": row.customer_zoho_id, "invoice_number": row.number}
        if row.status in ENDED:
            reason = f"{row.status} before it was ever in Zoho"
            return Desired(identity, VOID, look.text, only_if_there=reason)
        money, note = _money(row, terms)
        # Blank texts and an adjustment of nothing stay in: an update must take back what was sent before.
        content = identity | {
            "date": row.invoice_date.isoformat(),
            "due_date": row.due_date.isoformat(),
            "notes": clean(row.notes),
            **money,
        }
        if terms.external_id_label is not None:
            content["custom_fields"] = [{"label": terms.external_id_label, "value": str(row.id)}]
        return Desired(content, OPEN, look.text, note=note)

    def create(self, desired: Desired) -> ApiRequest:
        """``POST /invoices``; without ``send``, so that Zoho mails nobody."""
        body = {**desired.content, **desired.at_creation}
        if not body.get("adjustment"):
            body.pop("adjustment", None)
        blank = [key for key, value in body.items() if value == ""]
        return ApiRequest(
            "POST", "/invoices", OWN_NUMBER, {key: value for key, value in body.items() if key not in blank}
        )

    def created(self, reply: ApiReply) -> Found:
        """``{invoice: {invoice_id}}``."""
        return found_in(reply.body)

    def requests_to_create(self, row: InvoiceRow, terms: Terms) -> int:  # noqa: ARG002
        """The create and its opening; one that has ended is not created."""
        return 0 if row.status in ENDED else 2

    async def find(
        self, remote: Remote, row: InvoiceRow, desired: Desired, earlier_keys: Sequence[str], terms: Terms
    ) -> list[Found | NotOurs]:
        """By the number.

        ``invoice_number=`` is undocumented and may be ignored: then the list is every invoice, and the exact
        comparison is what counts. Or it may be refused, or ``doctor --probe`` found out that it does not help: then the
        customer's invoices are looked at, or, where a blank key asks for it, everybody's: who holds the number may be
        another customer's. The whole list is read in a
        backfill alone: for a single invoice it costs a request for every 200 invoices there are.
        """
        looks = looks_of(desired.look_key, *earlier_keys)
        keys = [listed_under(look.number) for look in looks]
        listed = await remote.listed(keys, make=terms.in_backfill)
        if listed is None:
            listed = await listed_by(remote, looks, terms.known.invoices_by_number, everybody="" in earlier_keys)
        hits = (record for record in listed if any(look.is_number_of(record) for look in looks))
        answers = []
        for zoho_id in dict.fromkeys(word(record, "invoice_id") for record in hits):
            try:
                found = await self.fetch(remote, zoho_id)
            except CallFailed as refusal:
                if refusal.failure.kind is FailureKind.NOT_FOUND:
                    continue
                raise
            answer = await judged(remote, row, found, looks, terms)
            # What is not ours stands in the way under the present number alone: a row that was renumbered because of
            # it must not meet it again under the number of its earlier, refused create.
            if isinstance(answer, Found) or looks[0].is_number_of(found.record):
                answers.append(answer)
        # Where the organisation allows a number twice, another customer's is nothing to us.
        return [answer for answer in answers if isinstance(answer, Found)] or answers

    def listed_under(self, listed: Mapping[str, JsonValue]) -> Sequence[str]:
        """Its number."""
        number = number_of(listed)
        return (listed_under(number),) if number else ()

    async def fetch(self, remote: Remote, zoho_id: str) -> Found:
        """``GET /invoices/{invoice_id}``: with lines, payments and custom fields."""
        return found_in(await remote.read(invoice_path(zoho_id)))

    def lifecycle(self, record: Mapping[str, JsonValue]) -> str:
        """Draft, void, or open for whatever else Zoho says (sheet 2.4 lists more states than its specification)."""
        return state_of(record)

    async def examine(
        self, remote: Remote, row: InvoiceRow, zoho_id: str, desired: Desired, terms: Terms
    ) -> Found | NotOurs:
        """By External ID where it is set; else by number, customer and total, if no subscription raised it."""
        try:
            found = await self.fetch(remote, zoho_id)
        except CallFailed as refusal:
            if refusal.failure.kind is FailureKind.NOT_FOUND:
                return NotOurs(zoho_id, f"Zoho has no invoice {zoho_id}: correct or clear zoho_billing_invoice_id")
            raise
        return await judged(remote, row, found, looks_of(desired.look_key), terms)

    def differs(self, found: Found, desired: Desired) -> bool:
        """A paid invoice of our customer and total is taken as it stands: its lines cannot be written any more. The
        texts of one that we made can.
        """
        if desired.lifecycle == VOID:
            return False
        if found.from_list:
            return True
        money = financial_differences(found.record, desired.content, _look(desired))
        if settled(found.record) is not None:
            if not {"total", "customer"}.isdisjoint(money):
                return True
            return (
                not money and is_marked(found.record, desired.content) and text_differs(found.record, desired.content)
            )
        return bool(money) or text_differs(found.record, desired.content)

    async def update(
        self,
        remote: Remote,
        row: InvoiceRow,  # noqa: ARG002
        zoho_id: str,
        desired: Desired,
        terms: Terms,  # noqa: ARG002
        *,
        was: str | None,
        found: Found | None,
        write_content: bool,
    ) -> Updated:
        """PUT where the content changed, after a look at what it would change; open and void as they are wanted."""
        shown = None if found is None or found.from_list else found
        if desired.lifecycle == VOID:
            return await self._make_void(remote, zoho_id, shown)
        state = (was or UNKNOWN) if shown is None else state_of(shown.record)
        if state == UNKNOWN or (write_content and shown is None):
            shown = await self.fetch(remote, zoho_id)
            state = state_of(shown.record)
        if write_content and shown is not None:
            _refuse_change_of_paid(shown, desired)
        notes = [desired.note] if write_content and desired.note else []
        if state == VOID:
            await self._open(remote, zoho_id)
            notes.append(_REOPENED)
        note = "; ".join(notes) or None
        record = None
        if write_content:
            record = await _put(remote, zoho_id, desired)
            if state == DRAFT and self.mismatch(record, desired) is not None:
                # It is told as a failure; nobody is asked to pay a wrong total meanwhile.
                return Updated(DRAFT, record, note)
            state = DRAFT if DRAFT in (state, state_of(record)) else OPEN
        if state == DRAFT:
            await self._open(remote, zoho_id)
        return Updated(OPEN, record, note)

    def advice(self, failure: Failure, desired: Desired) -> str | None:
        """What the sheet does not know codes for is told by words."""
        words = failure.message.casefold()
        number = desired.content["invoice_number"]
        if failure.kind is FailureKind.DUPLICATE:
            return f"another invoice in Zoho has the number {number}: renumber one of the two, then replay"
        if failure.code == CUSTOMER_MISSING:
            return _customer_missing(desired)
        if "inactive" in words or "not active" in words:
            return f"make Zoho customer {desired.content['customer_id']} active in Zoho, then replay"
        if "invoice_number" in words or "invoice number" in words:
            return f"Zoho does not take the number {number} (it is said to take 50 characters): renumber the invoice"
        if "due_date" in words or "due date" in words:
            return "due_date must not be before invoice_date: correct the row"
        if "tax" in words:
            return "check ZOHO_TAX_IDS against Zoho's Settings, Taxes; then replay"
        return None

    def mismatch(self, record: Mapping[str, JsonValue], desired: Desired) -> str | None:
        """Zoho's total, number, customer and External ID against what it was told."""
        look, zoho_id = _look(desired), word(record, "invoice_id")
        if desired.lifecycle != VOID and not look.is_total_of(record):
            theirs = amount(record, "total")
            return (
                f"Zoho's total of invoice {zoho_id} is {'not shown' if theirs is None else theirs}, here it is "
                f"{look.total}: compare its lines and taxes in Zoho, correct what is wrong, then replay"
            )
        if not look.is_number_of(record):
            return (
                f"Zoho numbered invoice {zoho_id} {number_of(record)!r} in place of {look.number!r}: "
                "allow manual numbers in Zoho under Settings, then replay"
            )
        if record.get("customer_id") not in (None, look.customer_id):
            return (
                f"Zoho invoice {zoho_id} belongs to Zoho customer {word(record, 'customer_id')} in place of "
                f"{look.customer_id}: correct it in Zoho, then replay"
            )
        for field in rows_of(desired.content, "custom_fields"):
            label = word(field, "label")
            if record.get("custom_fields") and (custom_field(record, label) or "") != field["value"]:
                return f"Zoho did not keep the custom field {label!r}: check it in Zoho under Settings"
        return None

    def verified(self, record: Mapping[str, JsonValue], desired: Desired) -> Decimal | None:
        """The total; of a void one it does not matter."""
        theirs = amount(record, "total")
        return None if theirs is None or desired.lifecycle == VOID else theirs - _look(desired).total

    async def _make_void(self, remote: Remote, zoho_id: str, shown: Found | None) -> Updated:
        try:
            state = state_of((shown or await self.fetch(remote, zoho_id)).record)
        except CallFailed as refusal:
            if refusal.failure.kind is FailureKind.NOT_FOUND:
                # There is nothing left that anybody could pay.
                return Updated(VOID)
            raise
        if state == VOID:
            return Updated(VOID)
        if state == DRAFT:
            # Zoho makes no draft void (sheet 2.4), and a draft that stays could be sent by hand.
            await self._open(remote, zoho_id)
        await self._set_state(remote, zoho_id, "void", VOID)
        return Updated(VOID)

    async def _open(self, remote: Remote, zoho_id: str) -> None:
        await self._set_state(remote, zoho_id, "converttoopen", OPEN)

    async def _set_state(self, remote: Remote, zoho_id: str, action: str, wanted: str) -> None:
        try:
            await remote.write(ApiRequest("POST", f"{invoice_path(zoho_id)}/{action}", idempotent=True))
        except CallFailed as refusal:
            # An earlier one may have been done and its reply lost; whether Zoho takes a second one is unknown.
            if refusal.failure.failure_class is not FailureClass.PERMANENT:
                raise
            if state_of((await self.fetch(remote, zoho_id)).record) != wanted:
                raise


_REOPENED = (
    "it was void in Zoho and is open again: what had been paid of it became credit when it was made void; set "
    "zoho_sync_status of its payments to pending, and they are applied to it again"
)


def _money(row: InvoiceRow, terms: Terms) -> tuple[dict[str, JsonValue], str | None]:
    """Lines with their tax, and what makes Zoho's total the host's; a note where the tax in it is not the host's."""
    amounts = (row.total_amount, row.subtotal, row.tax_amount, row.vat_rate)
    if any(value is not None and not value.is_finite() for value in amounts):
        raise CannotMap("total_amount, subtotal, tax_amount or vat_rate is NaN: correct it")
    if row.total_amount <= ZERO:
        raise CannotMap(f"the total is {row.total_amount}: raise a credit note in Zoho")
    figures = Figures(row.subtotal, row.tax_amount, row.total_amount, row.vat_rate)
    lines = lines_of(row.line_items, row.called) or (Line(row.called, row.total_amount, 1),)
    tax = line_tax(figures, lines, terms)
    foretold = forecast(figures, lines, tax.rate)
    money: dict[str, JsonValue] = {
        "invoice_items": [_item(line, tax.tax_id) for line in lines],
        "is_inclusive_tax": foretold.inclusive,
        "adjustment": foretold.adjustment,
        "adjustment_description": "Rounding" if foretold.adjustment else "",
    }
    return money, foretold.tax_told(figures, len(lines), tax.rate)


def _item(line: Line, tax_id: str) -> dict[str, JsonValue]:
    item: dict[str, JsonValue] = {
        "name": line.name,
        "price": line.price,
        "quantity": line.quantity,
        "tax_id": tax_id,
    }
    return item | {"description": line.description} if line.description else item


def _recurring(row: InvoiceRow) -> str:
    if row.kind == "recurring":
        return "recurring invoice"
    said = f"its invoice_type {row.kind!r} is not known" if row.kind else "it has no invoice_type"
    return f"{said}, so it counts as recurring"


def _refuse_change_of_paid(shown: Found, desired: Desired) -> None:
    taken = settled(shown.record)
    if taken is None:
        return
    look = _look(desired)
    changes = financial_differences(shown.record, desired.content, look)
    if changes:
        theirs = amount(shown.record, "total")
        raise CannotMap(
            f"Zoho invoice {shown.zoho_id} has payments or credits of {taken}, and its {', '.join(changes)} would "
            f"change: its total is {theirs} in Zoho and {look.total} here. Void this invoice and issue another under "
            "a new number; or take the payments off it in Zoho, then replay"
        )


async def _put(remote: Remote, zoho_id: str, desired: Desired) -> Mapping[str, JsonValue]:
    try:
        reply = await remote.write(ApiRequest("PUT", invoice_path(zoho_id), OWN_NUMBER, desired.content))
    except CallFailed as refusal:
        if refusal.failure.code == CUSTOMER_MISSING:
            # Told apart from a missing invoice, which is what "not found" would be taken for.
            raise CannotMap(_customer_missing(desired)) from None
        raise
    return found_in(reply.body).record


def _customer_missing(desired: Desired) -> str:
    return (
        f"Zoho has no customer {desired.content['customer_id']} any more: clear zoho_billing_customer_id of the "
        "customer to have it created anew, then replay this invoice"
    )


def _look(desired: Desired) -> Look:
    look = Look.of(desired.look_key)
    if look is None:
        raise ValueError(f"{desired.look_key!r} is no look key of an invoice")
    return look
