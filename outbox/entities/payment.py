"""Payments (sheet 2.5 and 4; decisions.md, Payments).

=================  ==================================================================================================
read               ``payment_transactions``; its customer, its invoice (customer_invoice_id, else invoice_id: no foreign
                   keys), what other payments took of that invoice; the service of the invoice
sent               completed, and refunded where it is in Zoho; not Zoho's own (provider zoho_billing), not card
                   validations, not of internal_test customers
waits for          the customer; the invoice, unless it is not in Zoho by design: voided or cancelled (unapplied), or
                   recurring while Zoho bills (ZOHO_RECURRING_PAYMENTS: match waits for the subscription)
record             ``POST /payments`` 201 ``{payment}``; ``PUT /payments/{payment_id}`` 200 replaces the allocation;
                   ``POST /payments/{payment_id}/refunds`` 201; never deleted
found again        ``payments[]`` of the invoice by reference_number; transactions of equal date and amount; each is
                   read, and only one with our reference_number or External ID is ours. Where ``doctor --probe`` found
                   a list of payments, one with our reference_number is taken from there before all that. In a
                   backfill, one list of everybody's transactions; where it has more than two of equal date and
                   amount, the customer's, and only where those name none, the list by reference number or the invoice
lifecycle          paid, or refunded when amount_refunded is the amount
verified           customer, amount, date, reference_number, External ID, and what was applied to invoices
=================  ==================================================================================================

=====================  =============================  ==============================================================
column                 field                          conversion
=====================  =============================  ==============================================================
customer_id            customer_id                    Zoho's; else that of the invoice's customer
customer_invoice_id,   invoices[].invoice_id          Zoho's; ``match``: the invoice Zoho raised for that period
invoice_id
amount                 amount                         as it is; currency must be ZOHO_CURRENCY
amount                 invoices[].amount_applied      up to the invoice's total less what others took; where one of
                                                      those was refunded, up to the balance that Zoho shows; the rest
                                                      is credit; nothing left: no ``invoices``
completed_at,          date                           the day in ZOHO_TIME_ZONE; completed_at, else initiated_at
initiated_at
payment_method         payment_mode                   card, credit card → creditcard; eft, instant_eft → banktransfer;
                                                      debit_order → bankremittance; cash → cash; else others
id                     reference_number,              the key that everything is found by; External ID as
                       custom_fields                  ``{label, value}`` (lessons, 6)
transaction_id,        description                    ``Transaction …, reference …``
reference
status                 lifecycle                      refunded → a refund ``{amount, description}`` over what is
                                                      left of it
=====================  =============================  ==============================================================

What is applied is decided when a payment is sent. Where the balance comes later (an invoice that was void is open
again, a payment that stood in its place moves away), nothing of the row changes: it is told, and the payment is applied
when its zoho_sync_status is set to pending.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

import psycopg

from outbox.database import Row
from outbox.entities.billing import ENDED
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
    TakenUnseen,
    Terms,
    Updated,
)
from outbox.entities.parents import closing
from outbox.entities.payment_allocation import (
    Application,
    after_refusal,
    anew,
    applications_of,
    from_host,
    invoices_key,
    misapplied,
    to_balance,
    to_raised,
)
from outbox.entities.payment_body import APPLIES_TO, content_of, unmappable
from outbox.entities.payment_look import LISTING, Look, candidates, listed_under, looks_of
from outbox.entities.payment_purpose import OnInvoice, OnRaised, Unapplied, purpose_of
from outbox.entities.payment_row import READS, PaymentRow, read_payments
from outbox.entities.records import ZERO, amount, custom_field, rows_of, word
from outbox.entities.text import clean
from outbox.host_tables import Capture
from outbox.vocabulary import Awaited, EntityType
from outbox.zoho.exchange import ApiReply, ApiRequest, path_segment
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import JsonValue

SENT_STATUSES = frozenset({"completed", "refunded"})


class Payment(Entity[PaymentRow]):
    """See the head of this file."""

    entity_type: ClassVar[EntityType] = EntityType.PAYMENT
    needs: ClassVar[frozenset[CatalogueKind]] = frozenset({CatalogueKind.PLANS})
    never_twice: ClassVar[frozenset[str]] = frozenset({"refunded"})
    listing: ClassVar[Listing | None] = LISTING
    capture: ClassVar[Capture] = Capture(
        entity_type=EntityType.PAYMENT,
        # Not metadata: providers write it at every step, and a card validation is one from its first row on.
        mapped_columns=(
            "transaction_id",
            "reference",
            "provider",
            "amount",
            "currency",
            "status",
            "payment_method",
            "customer_id",
            "invoice_id",
            "customer_invoice_id",
            "initiated_at",
            "completed_at",
        ),
        shown_to_operators=("transaction_id", "provider", "amount", "currency", "status", "completed_at"),
        reads=READS,
        concerns_zoho="{row}.status IN ('completed', 'refunded')",
    )

    async def read(self, connection: psycopg.AsyncConnection[Row], ids: Sequence[UUID]) -> dict[UUID, PaymentRow]:
        """See :func:`outbox.entities.payment_row.read_payments`."""
        return await read_payments(connection, ids)

    def named(self, row: PaymentRow) -> str:
        """'payment NC-0001'."""
        return f"payment {clean(row.transaction_id) or row.id}"

    def zoho_id(self, row: PaymentRow) -> str | None:
        """zoho_payment_id."""
        return row.zoho_payment_id

    def ineligible(self, row: PaymentRow, terms: Terms) -> str | None:  # noqa: ARG002
        """Zoho's own payments, card validations, internal tests, and what is not completed."""
        if row.provider == "zoho_billing":
            return "made at Zoho itself (provider zoho_billing): Zoho has it"
        if row.metadata_type == "payment_method_validation" or row.transaction_id.startswith("PM-VAL-"):
            return "card validation: not a payment"
        if row.account_type == "internal_test":
            return "payment of an internal_test account: never sent to Zoho"
        if row.status not in SENT_STATUSES:
            remains = f"; Zoho payment {row.zoho_payment_id} remains" if row.zoho_payment_id else ""
            return f"{row.status}, not completed: sent when it is{remains}"
        return None

    def unblocks(self, row: PaymentRow, *, sent: bool) -> Sequence[tuple[EntityType, UUID]]:
        """A cancelled customer, who could not be made inactive before."""
        return closing(row.customer_id, row.account_status) if sent else ()

    def prerequisites(self, row: PaymentRow, terms: Terms) -> Sequence[Prerequisite]:
        """The customer, and what the payment is applied to; a change of its invoice that is due goes first.

        A refunded payment waits for nobody: it is never created, and one that is in Zoho has its customer there. What
        cannot be mapped waits for nobody either: :meth:`desired` says so at once.
        """
        if row.status == "refunded" or unmappable(row, terms) is not None:
            return ()
        customer = row.customer.prerequisite() if row.customer is not None else None
        purpose = purpose_of(row, terms)
        awaited = [customer] if customer is not None else []
        if isinstance(purpose, Prerequisite):
            return [*awaited, purpose]
        correction = None
        if isinstance(purpose, OnInvoice) and row.invoice is not None and not clean(row.zoho_payment_id):
            # Zoho changes no invoice's money once it is paid: what is to be corrected must be, before.
            correction = row.invoice.at_rest()
        return awaited if correction is None else [*awaited, correction]

    def desired(self, row: PaymentRow, terms: Terms) -> Desired:
        """The body of create and update alike (sheet 2.5), the allocation apart."""
        refunded = row.status == "refunded"
        if not refunded and (problem := unmappable(row, terms)) is not None:
            raise CannotMap(problem)
        purpose = purpose_of(row, terms)
        if isinstance(purpose, Prerequisite):
            purpose = Unapplied()
        content = content_of(row, purpose, terms)
        application, note = (None, None) if refunded else from_host(row, purpose)
        return Desired(
            content=content,
            lifecycle="refunded" if refunded else "paid",
            look_key=_look(row, content, purpose.invoice_id if isinstance(purpose, OnInvoice) else "").key,
            at_creation=invoices_key(application),
            only_if_there="refunded before it was sent: nothing is left of it" if refunded else None,
            note=note,
        )

    async def prepare(self, remote: Remote, row: PaymentRow, desired: Desired, terms: Terms) -> Desired:
        """``match``: the invoice that Zoho raised, with its balance. And the balance of an invoice that was paid,
        refunded, and is paid again. Anything else is known from the host.
        """
        purpose = purpose_of(row, terms)
        if isinstance(purpose, OnInvoice) and row.refunded_beside and row.invoice_status not in ENDED:
            to_pay, note = await to_balance(remote, row, purpose.invoice_id)
            return replace(desired, at_creation=invoices_key(to_pay), note=note)
        if not isinstance(purpose, OnRaised):
            return desired
        application, note = await to_raised(remote, row, purpose, terms)
        look_key = desired.look_key
        if application is not None:
            look_key = _look(row, desired.content, application.invoice_id).key
        return replace(desired, look_key=look_key, at_creation=invoices_key(application), note=note)

    def create(self, desired: Desired) -> ApiRequest:
        """``POST /payments``."""
        return ApiRequest("POST", "/payments", body={**_body(desired), **desired.at_creation})

    def created(self, reply: ApiReply) -> Found:
        """``{payment: {payment_id}}``."""
        return _found(reply.body)

    def requests_to_create(self, row: PaymentRow, terms: Terms) -> int:
        """The create, and what is asked of Zoho first: the list of what the subscription raised, or the balance of an
        invoice one of whose payments was refunded; none of a refunded one."""
        if row.status == "refunded":
            return 0
        purpose = purpose_of(row, terms)
        awaits_raised = isinstance(purpose, Prerequisite) and purpose.awaited is Awaited.SUBSCRIPTION
        asks_balance = isinstance(purpose, OnInvoice) and row.refunded_beside
        return 2 if awaits_raised or asks_balance or isinstance(purpose, OnRaised) else 1

    async def recompose(
        self,
        remote: Remote,
        row: PaymentRow,
        desired: Desired,
        failure: Failure,
        terms: Terms,  # noqa: ARG002
    ) -> Desired | None:
        """The invoice has less left to pay than the host knows of (a credit note, a payment made in Zoho), or was not
        open at that moment."""
        refused = applications_of(desired.at_creation)
        if failure.kind is not FailureKind.INVALID or not refused:
            return None
        application, note = await after_refusal(remote, row, refused[0])
        return replace(desired, at_creation=invoices_key(application), note=note)

    async def find(
        self, remote: Remote, row: PaymentRow, desired: Desired, earlier_keys: Sequence[str], terms: Terms
    ) -> list[Found | NotOurs]:
        """By the invoice's payments, and by date and amount; each is read, and the reference number decides.

        So two payments of one customer, day and amount do not take each other's record. What is asked, and in which
        order: :mod:`outbox.entities.payment_look`.
        """
        looks = looks_of([desired.look_key, *earlier_keys])
        ids = await candidates(remote, looks, str(row.id), terms.known, make_list=terms.in_backfill)
        answers: list[Found | NotOurs] = []
        for payment_id in ids:
            try:
                found = await self.fetch(remote, payment_id)
            except CallFailed as refusal:
                if refusal.failure.kind is not FailureKind.NOT_FOUND:
                    raise
                continue
            holder = custom_field(found.record, terms.external_id_label)
            ours = word(found.record, "reference_number") == str(row.id)
            if holder and holder != str(row.id):
                if ours:
                    answers.append(_anothers(payment_id, holder))
            elif holder or ours:
                answers.append(found)
        return answers

    def listed_under(self, listed: Mapping[str, JsonValue]) -> Sequence[str]:
        """Day and amount: a candidate, no more."""
        return listed_under(listed)

    async def fetch(self, remote: Remote, zoho_id: str) -> Found:
        """``GET /payments/{payment_id}``."""
        return _found(await remote.read(f"/payments/{path_segment(zoho_id)}"))

    def lifecycle(self, record: Mapping[str, JsonValue]) -> str:
        """Refunded when nothing is left of it."""
        paid = amount(record, "amount") or ZERO
        return "refunded" if paid > ZERO and _refunded(record) >= paid else "paid"

    async def examine(
        self,
        remote: Remote,
        row: PaymentRow,
        zoho_id: str,
        desired: Desired,  # noqa: ARG002
        terms: Terms,
    ) -> Found | NotOurs:
        """By External ID where it is set; else by our reference number; else by the provider's, with equal amount.

        transaction_id is unique in the host, so no two rows take one record: that is how payments are taken over that
        people or an earlier sync entered under it.
        """
        try:
            found = await self.fetch(remote, zoho_id)
        except CallFailed as refusal:
            if refusal.failure.kind is FailureKind.NOT_FOUND:
                return NotOurs(zoho_id, f"Zoho has no payment {zoho_id}: correct or clear zoho_payment_id")
            raise
        holder = custom_field(found.record, terms.external_id_label)
        if holder and holder != str(row.id):
            return _anothers(zoho_id, holder)
        reference = word(found.record, "reference_number")
        if holder or reference == str(row.id):
            return found
        if reference and reference == row.transaction_id and amount(found.record, "amount") == row.amount:
            return found
        return NotOurs(
            zoho_id,
            f"Zoho payment {zoho_id} has the reference number {reference or '(none)'} and no External ID: set its "
            f"reference number to {row.id} in Zoho if it is the same payment, else clear zoho_payment_id",
        )

    def differs(self, found: Found, desired: Desired) -> bool:
        """Compares what we send with what the record shows; what people applied elsewhere does not count."""
        if any(not _holds(found.record, key, value) for key, value in _body(desired).items()):
            return True
        applied = {word(each, "invoice_id") for each in rows_of(found.record, "invoices")}
        if sent := applications_of(desired.at_creation):
            return sent[0].invoice_id not in applied
        link = desired.content.get(APPLIES_TO)
        return isinstance(link, Mapping) and "host_invoice_id" in link and not applied

    async def update(
        self,
        remote: Remote,
        row: PaymentRow,
        zoho_id: str,
        desired: Desired,
        terms: Terms,
        *,
        was: str | None,
        found: Found | None,
        write_content: bool,
    ) -> Updated:
        """The refund, or the whole content with a new allocation.

        A payment that is refunded is not written any more: what it says does not matter, and Zoho may refuse.
        """
        if desired.lifecycle == "refunded":
            if was != "refunded":
                await self._refund(remote, zoho_id, found, desired)
            return Updated("refunded")
        if was == "refunded":
            raise CannotMap(_REFUNDED_THERE.format(zoho_id=zoho_id))
        if not write_content:
            return Updated("paid")
        record = (found or await self.fetch(remote, zoho_id)).record
        if self.lifecycle(record) == "refunded":
            raise CannotMap(_REFUNDED_THERE.format(zoho_id=zoho_id))
        purpose = purpose_of(row, terms)
        applications, note = await anew(remote, row, record, purpose, terms)
        try:
            reply = await remote.write(_put(zoho_id, desired, applications))
        except CallFailed as refusal:
            if refusal.failure.kind is not FailureKind.INVALID:
                raise
            # Another payment may have taken the balance in between, or a void taken this one off.
            as_refused, record = applications, (await self.fetch(remote, zoho_id)).record
            applications, note = await anew(remote, row, record, purpose, terms)
            if applications == as_refused:
                raise
            reply = await remote.write(_put(zoho_id, desired, applications))
        written = _found(reply.body).record
        if problem := misapplied(written, applications):
            raise CannotMap(problem)
        # Compared here, because only here it is known what was to be applied: mismatch() compares it after a create.
        return Updated("paid", {key: value for key, value in written.items() if key != "invoices"}, note)

    async def _refund(self, remote: Remote, zoho_id: str, found: Found | None, desired: Desired) -> None:
        record = (found or await self.fetch(remote, zoho_id)).record
        left = (amount(record, "amount") or ZERO) - _refunded(record)
        if left <= ZERO:
            return
        body: dict[str, JsonValue] = {"amount": left, "description": f"Refunded: {desired.content['description']}"}
        path = f"/payments/{path_segment(zoho_id)}/refunds"
        await remote.act(ApiRequest("POST", path, body=body), f"refund {zoho_id}")
        # A look must be able to tell that it is done, else the next one pays it back again. No source says that Zoho
        # shows a refund on every kind of payment: so it is seen, not believed.
        after = (await self.fetch(remote, zoho_id)).record
        if self.lifecycle(after) != "refunded":
            raise TakenUnseen(
                f"Zoho took the refund of {left}, and payment {zoho_id} shows {_refunded(after)} of "
                f"{amount(after, 'amount')} as refunded: look at it in Zoho and skip this with what you find; "
                "it is not refunded again",
                reached="refunded",
            )

    def advice(self, failure: Failure, desired: Desired) -> str | None:
        """Zoho's documentation allows refunds of its own card payments alone; a parent may be gone from Zoho."""
        if failure.kind is FailureKind.INVALID and desired.lifecycle == "refunded":
            return (
                "Record the refund in Zoho by hand, then set zoho_sync_status to pending: it is done when Zoho shows "
                "the payment refunded in full; where Zoho cannot show that, skip it with this reason"
            )
        if failure.kind is FailureKind.NOT_FOUND:
            return (
                "If it is its customer or invoice that is gone from Zoho: clear the Zoho id of that row to have it "
                "created anew, then replay this"
            )
        return None

    def mismatch(self, record: Mapping[str, JsonValue], desired: Desired) -> str | None:
        """Money first: amount, what was applied, day, customer, then the keys that it is found by."""
        payment_id = word(record, "payment_id")
        if word(record, "status") == "failure":
            return f"Zoho shows payment {payment_id} as failed: look at it in Zoho, then replay"
        sent = desired.content["amount"]
        if amount(record, "amount") != sent:
            return _other(payment_id, "amount", str(record.get("amount")), str(sent))
        if "invoices" in record and (problem := misapplied(record, applications_of(desired.at_creation))):
            return problem
        for key in ("date", "customer_id", "reference_number"):
            if key in record and word(record, key) != desired.content[key]:
                return _other(payment_id, key, word(record, key), str(desired.content[key]))
        fields = desired.content.get("custom_fields")
        if isinstance(fields, list) and record.get("custom_fields") and not _holds(record, "custom_fields", fields):
            return f"Zoho did not keep the External ID of payment {payment_id}: check the field in Zoho under Settings"
        return None

    def verified(self, record: Mapping[str, JsonValue], desired: Desired) -> Decimal | None:
        """The amount; of a refunded one it does not matter."""
        theirs, ours = amount(record, "amount"), amount(desired.content, "amount")
        return None if theirs is None or ours is None or desired.lifecycle == "refunded" else theirs - ours


_REFUNDED_THERE = (
    "Zoho payment {zoho_id} is refunded in full and this row is completed: a refund cannot be taken back; set the row "
    "to refunded, or enter what was paid again as a payment of its own"
)


def _look(row: PaymentRow, content: Mapping[str, JsonValue], invoice_id: str) -> Look:
    return Look(row.customer_zoho_id or "", invoice_id, str(content["date"]), row.amount)


def _body(desired: Desired) -> dict[str, JsonValue]:
    return {key: value for key, value in desired.content.items() if key != APPLIES_TO}


def _put(zoho_id: str, desired: Desired, applications: Sequence[Application]) -> ApiRequest:
    body: dict[str, JsonValue] = {**_body(desired), "invoices": [each.body for each in applications]}
    return ApiRequest("PUT", f"/payments/{path_segment(zoho_id)}", body=body)


def _found(body: Mapping[str, JsonValue]) -> Found:
    record = body["payment"]
    if not isinstance(record, Mapping) or not word(record, "payment_id"):
        raise KeyError("payment_id")
    return Found(word(record, "payment_id"), record)


def _refunded(record: Mapping[str, JsonValue]) -> Decimal:
    return amount(record, "amount_refunded") or ZERO


def _anothers(payment_id: str, holder: str) -> NotOurs:
    return NotOurs(
        payment_id,
        f"Zoho payment {payment_id} has the External ID {holder}, which is another row's: "
        "correct zoho_payment_id, or the field in Zoho",
    )


def _other(payment_id: str, key: str, shown: str, sent: str) -> str:
    return f"Zoho payment {payment_id} shows the {key} {shown or '(none)'} where {sent} was sent: correct it in Zoho"


def _holds(record: Mapping[str, JsonValue], key: str, value: JsonValue) -> bool:
    if isinstance(value, Decimal):
        return amount(record, key) == value
    if isinstance(value, list):
        return all(
            isinstance(field, Mapping) and (custom_field(record, str(field["label"])) or "") == field["value"]
            for field in value
        )
    return word(record, key) == value
