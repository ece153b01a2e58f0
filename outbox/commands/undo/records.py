"""Taking one record out of Zoho again: read, proved to be the one that we made, then removed as far as Zoho allows.

==============  ===========================================================  ==========================================
record          proved by                                                    left to a person where
==============  ===========================================================  ==========================================
payment         ``reference_number`` is the row's id                         it was refunded, or changed in Zoho since
invoice         External ID, else its number                                 a payment, credit or write-off is on it
subscription    ``reference_id`` is the row's id (``<id>#2`` …)              Zoho has raised invoices of it
customer        External ID, else the key at the end of its display name     a transaction that is not void, or a
                                                                             subscription that lives, is on it
==============  ===========================================================  ==========================================

Each also by ``created_time``: what is older than the backfill's first entry was there before, however it came by our
key (a create that was refused as a duplicate, and the record that stood in its way adopted); it is kept, and the row
forgets it. Where Zoho shows no such time, what the database does not know for certain is left. So is, when it is
younger, what was adopted after a create of ours and is not known to be that create's: a person may have entered it.

That somebody edited a text of an invoice, a subscription or a customer in Zoho is not seen: their ``updated_time``
moves with every payment and renewal, our own included. ``reconcile`` shows it, before. Of a service that has had
several subscriptions the last is removed; those that ended before it stay, ended.

Sheet 2.1 (DELETE of a customer with transactions is refused), 2.3 (cancel_at_end is a query parameter), 2.4 (DELETE is
refused where a payment or credit is applied; a draft is not made void), 2.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from outbox.commands.undo.plan import Becomes, Item
from outbox.entities.customer import ENDED, key_in
from outbox.entities.invoice_records import DRAFT, VOID, folded, number_of, state_of
from outbox.entities.records import amount, custom_field, rows_of, word
from outbox.entities.subscription_records import CANCELLED, generation_of, lifecycle_of_record
from outbox.store.undo import Work
from outbox.vocabulary import EntityType, FailureClass, Urgency
from outbox.zoho.call_log import CallLog
from outbox.zoho.client import ZohoClient
from outbox.zoho.exchange import ApiRequest, path_segment
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import JsonValue

Record = Mapping[str, JsonValue]

CLOCK_MARGIN = timedelta(minutes=5)
"""By which Zoho's clock and the database's may differ."""

PATHS = {
    EntityType.CUSTOMER: ("/customers", "customer"),
    EntityType.SUBSCRIPTION: ("/subscriptions", "subscription"),
    EntityType.INVOICE: ("/invoices", "invoice"),
    EntityType.PAYMENT: ("/payments", "payment"),
}
"""Path, and the key of a record in its envelope."""


class Did(StrEnum):
    """What became of a record. After each of them its row forgets it."""

    DELETED = "deleted"
    GONE = "gone"
    VOIDED = "voided"
    CANCELLED = "cancelled"
    INACTIVE = "inactive"
    KEPT = "kept"


DID_IN_WORDS = {
    Did.DELETED: "deleted from Zoho",
    Did.GONE: "Zoho had it no more",
    Did.VOIDED: "made void in Zoho, which does not delete it",
    Did.CANCELLED: "cancelled in Zoho, which does not delete it",
    Did.INACTIVE: "made inactive in Zoho, which does not delete it",
    Did.KEPT: "kept in Zoho: it is older than the backfill",
}


@dataclass(frozen=True)
class Left:
    """Nothing of it is removed any further; ``why`` ends with what to do. ``failure``: what Zoho said to a write."""

    why: str
    failure: Failure | None = None


@dataclass
class Removal:
    """One record on its way out. Raises what :meth:`ZohoClient.send` raises, save for refusals that it knows."""

    client: ZohoClient
    item: Item
    external_id_label: str | None
    calls: CallLog = field(default_factory=CallLog)

    async def run(self) -> Did | Left:
        """Removes it. May be done again after any end."""
        record = await self._read()
        if record is None:
            return Did.GONE
        if (verdict := self._proved(record)) is not None:
            return verdict
        if self.item.becomes is Becomes.LEFT:
            return Left(self.item.why)
        match self.item.entity_type:
            case EntityType.PAYMENT:
                return await self._payment(record)
            case EntityType.INVOICE:
                return await self._invoice(record)
            case EntityType.SUBSCRIPTION:
                return await self._subscription(record)
            case EntityType.CUSTOMER:
                return await self._customer(record)
            case _:
                assert_never(self.item.entity_type)

    @property
    def wrote(self) -> bool:
        """Whether the last request was to change something."""
        return bool(self.calls.exchanges) and not self.calls.exchanges[-1].request.is_read

    @property
    def work(self) -> Work:
        """What it cost; the last write, else the last read."""
        exchanges = self.calls.exchanges
        main = next((each for each in reversed(exchanges) if not each.request.is_read), exchanges[-1]).request
        return Work(main.method, main.path, self.calls.milliseconds, self.calls.api_calls)

    # Whose it is.

    def _proved(self, record: Record) -> Did | Left | None:
        """None: it is the record that we made."""
        item = self.item
        if not self._carries_our_key(record):
            return Left(f"Zoho {item.entity_type} {item.zoho_id} does not carry this row's key: look whose it is")
        created = _moment(record, "created_time")
        if created is None:
            if item.certain:
                return None
            return Left("it cannot be told whether we made it, Zoho shows no created_time: look at it in Zoho")
        return Did.KEPT if created < item.since - CLOCK_MARGIN else None

    def _carries_our_key(self, record: Record) -> bool:
        item = self.item
        row_id = str(item.entity_id)
        holder = custom_field(record, self.external_id_label)
        match item.entity_type:
            case EntityType.PAYMENT:
                return word(record, "reference_number") == row_id
            case EntityType.SUBSCRIPTION:
                return generation_of(word(record, "reference_id"), row_id) is not None
            case EntityType.INVOICE:
                if holder is not None:
                    return holder == row_id
                return item.known_as is not None and folded(number_of(record)) == folded(item.known_as)
            case EntityType.CUSTOMER:
                if holder is not None:
                    return holder == row_id
                return key_in(word(record, "display_name")) in {row_id, item.known_as}
            case _:
                assert_never(item.entity_type)

    # By type.

    async def _payment(self, record: Record) -> Did | Left:
        if amount(record, "amount_refunded"):
            return Left("it was refunded in Zoho: decide there what becomes of it")
        updated, sent = _moment(record, "updated_time"), self.item.sent_at
        if updated is not None and sent is not None and updated > sent + CLOCK_MARGIN:
            return Left(f"it was changed in Zoho at {word(record, 'updated_time')}, not by us: decide there")
        refused = await self._delete()
        return Did.DELETED if refused is None else _refused("deleted", refused)

    async def _invoice(self, record: Record) -> Did | Left:
        if payments := rows_of(record, "payments"):
            named = ", ".join(word(payment, "payment_id") or "without an id" for payment in payments)
            return Left(f"payments that this undo does not remove are on it (payment {named}): decide there")
        if rows_of(record, "credits") or amount(record, "credits_applied") or amount(record, "write_off_amount"):
            return Left("a credit or a write-off is on it, not by us: decide in Zoho")
        refused = await self._delete()
        if refused is None:
            return Did.DELETED
        state = state_of(record)
        if state == VOID:
            return Did.VOIDED
        if state == DRAFT:
            return _refused("deleted", refused)
        stays = await self._set("/void")
        return Did.VOIDED if stays is None else _refused("made void", stays)

    async def _subscription(self, record: Record) -> Did | Left:
        raised = await self._rows("/invoices", "invoices", {"subscription_id": str(self.item.zoho_id)})
        if raised:
            named = ", ".join(number_of(invoice) or word(invoice, "invoice_id") for invoice in raised)
            return Left(f"Zoho has raised invoices of it ({named}): cancel it there, and decide what becomes of them")
        if lifecycle_of_record(record) != CANCELLED:
            refused = await self._set("/cancel", {"cancel_at_end": "false"})
            if refused is not None:
                return _refused("cancelled", refused)
        return Did.DELETED if await self._delete() is None else Did.CANCELLED

    async def _customer(self, record: Record) -> Did | Left:
        filters = {"customer_id": str(self.item.zoho_id)}
        living = [
            f"{word(row, 'type') or 'transaction'} {word(row, 'transaction_id')}"
            for row in await self._rows("/transactions", "transactions", filters | {"filter_by": "TransactionType.All"})
            if word(row, "status").casefold() != VOID
        ]
        living += [
            f"subscription {word(row, 'subscription_id')}"
            for row in await self._rows(
                "/subscriptions", "subscriptions", filters | {"filter_by": "SubscriptionStatus.All"}
            )
            if word(row, "customer_id") in ("", self.item.zoho_id) and word(row, "status") not in ENDED
        ]
        if living:
            more = f" and {len(living) - 5} more" if len(living) > 5 else ""
            return Left(f"records that this undo leaves are on it ({', '.join(living[:5])}{more}): decide in Zoho")
        if await self._delete() is None:
            return Did.DELETED
        if word(record, "status") == "inactive":
            return Did.INACTIVE
        refused = await self._set("/markasinactive")
        return Did.INACTIVE if refused is None else _refused("made inactive", refused)

    # Requests.

    @property
    def _path(self) -> str:
        return f"{PATHS[self.item.entity_type][0]}/{path_segment(str(self.item.zoho_id))}"

    async def _read(self) -> Record | None:
        try:
            reply = await self.client.send(ApiRequest("GET", self._path), urgency=Urgency.BACKFILL, call_log=self.calls)
        except CallFailed as failed:
            if failed.failure.kind is FailureKind.NOT_FOUND:
                return None
            raise
        record = reply.body.get(PATHS[self.item.entity_type][1])
        return record if isinstance(record, Mapping) else {}

    async def _rows(self, path: str, key: str, query: Mapping[str, str]) -> list[Record]:
        rows: list[Record] = []
        async for page in self.client.pages(
            ApiRequest("GET", path, query), urgency=Urgency.BACKFILL, call_log=self.calls
        ):
            rows += rows_of(page.body, key)
        return rows

    async def _delete(self) -> Failure | None:
        """None: it is gone. A refusal of Zoho's is returned, everything else raised."""
        return await self._write(ApiRequest("DELETE", self._path))

    async def _set(self, action: str, query: Mapping[str, str] | None = None) -> Failure | None:
        return await self._write(ApiRequest("POST", f"{self._path}{action}", query or {}, idempotent=True))

    async def _write(self, request: ApiRequest) -> Failure | None:
        try:
            await self.client.send(request, urgency=Urgency.BACKFILL, call_log=self.calls)
        except CallFailed as failed:
            if failed.failure.kind is FailureKind.NOT_FOUND:
                return None
            if failed.failure.failure_class is FailureClass.PERMANENT:
                return failed.failure
            raise
        return None


def _refused(what: str, failure: Failure) -> Left:
    return Left(f"Zoho refuses to have it {what} ({failure}): decide there", failure)


def _moment(record: Record, key: str) -> datetime | None:
    """A moment with its zone; None where there is none that can be read."""
    try:
        moment = datetime.fromisoformat(word(record, key))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
