"""Records in Zoho that no living row of ours knows: whose they are.

Three things are looked for: a second record of a row (by our key in its name, its reference, its number), a living
record of a row that was deleted, and a record that is nobody's here. An invoice is nobody's only if no subscription
raised it, and a payment only if its reference number is none of ours; both cost a request, so the answer is kept
(``zoho_outbox_private.foreign_record``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from outbox.database import Database
from outbox.entities.contract import AnyEntity
from outbox.entities.customer import key_in
from outbox.entities.invoice_records import number_of
from outbox.entities.records import word
from outbox.reconciliation import listed as lists
from outbox.reconciliation.differences import Difference, DifferenceKind, Mend
from outbox.reconciliation.reading import ReadingRemote
from outbox.reconciliation.sums import RAISED_BY_ZOHO, Figure, figures_of_stranger
from outbox.store.readings import Readings, Unreadable
from outbox.store.reconciliation import ReconciliationStore, Stranger
from outbox.vocabulary import EntityType
from outbox.zoho.failures import CallFailed, FailureKind
from outbox.zoho.json_text import JsonValue


@dataclass(frozen=True)
class Verdict:
    """``difference`` None: the record is as it should be, for the reason ``because``."""

    because: str
    difference: Difference | None = None
    figures: Sequence[Figure] = field(default=())


@dataclass(frozen=True)
class _Owner:
    """A row of ours that a record names."""

    id: UUID
    named: str
    zoho_id: str | None


class Strangers:
    """Judges the strangers of one type."""

    def __init__(
        self, database: Database, store: ReconciliationStore, run: UUID, remote: ReadingRemote, entity: AnyEntity
    ) -> None:
        self._run = run
        self._readings = Readings(database)
        self._store = store
        self._remote = remote
        self._entity = entity
        self._raised: dict[str, dict[str, str]] = {}
        """By customer: the subscription that raised each of their invoices."""

    async def judge(self, stranger: Stranger) -> Verdict:
        """Raises what ``remote`` raises."""
        return await self._judge(stranger)

    async def _judge(self, stranger: Stranger) -> Verdict:
        kind, record = self._entity.entity_type, stranger.record
        if stranger.deleted_row is not None:
            if not lists.is_alive(kind, record) or not await self._lives(stranger):
                return Verdict("ended")
            return self._different(
                stranger,
                DifferenceKind.SHOULD_BE_GONE,
                "its row was deleted here, and it is alive in Zoho: end it there if that is right",
                stranger.deleted_row,
            )
        made_by = await self._made_by(stranger)
        if kind is EntityType.INVOICE and made_by:
            figures = self._figures(record, "recurring")
            return Verdict(RAISED_BY_ZOHO, figures=figures)
        owner = await self._owner(record, made_by)
        if not lists.is_alive(kind, record):
            return Verdict("ended")
        if owner is None:
            said = "no row of this database knows it: enter it here, end it in Zoho, or leave it as Zoho's own"
            return self._different(stranger, DifferenceKind.UNKNOWN_HERE, said, None)
        if owner.zoho_id is None:
            if await self._store.is_told(self._run, kind, owner.id):
                # The row's own comparison says that it is missing, and sending it finds this record.
                return Verdict("found when the row is sent")
            said = (
                f"it carries the key of {owner.named}, which knows nothing of it: set the row's id, or end it in Zoho"
            )
            return self._different(stranger, DifferenceKind.ID_NOT_OURS, said, owner.id)
        if not await self._lives(stranger):
            return Verdict("ended")
        said = f"a second record of {owner.named}, whose own is {owner.zoho_id}: merge or end one of the two in Zoho"
        return self._different(stranger, DifferenceKind.DUPLICATE, said, owner.id)

    async def _lives(self, stranger: Stranger) -> bool:
        """The list may be days old: asked before somebody is told to end the record."""
        try:
            found = await self._entity.fetch(self._remote, stranger.zoho_id)
        except CallFailed as refusal:
            if refusal.failure.kind is FailureKind.NOT_FOUND:
                return False
            raise
        return lists.is_alive(self._entity.entity_type, found.record)

    async def _made_by(self, stranger: Stranger) -> str:
        """The subscription that raised an invoice, the reference number of a payment; '' where nothing says."""
        if stranger.made_by is not None:
            return stranger.made_by
        match self._entity.entity_type:
            case EntityType.INVOICE:
                made_by = await self._raised_by(stranger.record, stranger.zoho_id)
            case EntityType.PAYMENT:
                made_by = await self._reference(stranger.zoho_id)
            case EntityType.CUSTOMER | EntityType.SUBSCRIPTION:
                return ""
        await self._store.remember(self._entity.entity_type, {stranger.zoho_id: made_by})
        return made_by

    async def _raised_by(self, invoice: Mapping[str, JsonValue], zoho_id: str) -> str:
        """First by the subscriptions that our services know, then by all that Zoho has of the customer."""
        customer = word(invoice, "customer_id")
        if not customer:
            return ""
        if customer not in self._raised:
            self._raised[customer] = await self._raised_for(await self._store.subscriptions_of(customer))
        if zoho_id not in self._raised[customer]:
            query = {"customer_id": customer, "filter_by": "SubscriptionStatus.All"}
            rows = self._remote.rows("/subscriptions", "subscriptions", query)
            others = [word(row, "subscription_id") async for row in rows if word(row, "customer_id") == customer]
            known = set(self._raised[customer].values())
            self._raised[customer] |= await self._raised_for([each for each in others if each not in known])
        return self._raised[customer].get(zoho_id, "")

    async def _raised_for(self, subscriptions: Sequence[str]) -> dict[str, str]:
        raised: dict[str, str] = {}
        for subscription_id in subscriptions:
            query = {"subscription_id": subscription_id, "filter_by": "Status.All"}
            async for invoice in self._remote.rows("/invoices", "invoices", query):
                raised[word(invoice, "invoice_id")] = subscription_id
        return raised

    async def _reference(self, zoho_id: str) -> str:
        try:
            found = await self._entity.fetch(self._remote, zoho_id)
        except CallFailed as refusal:
            if refusal.failure.kind is FailureKind.NOT_FOUND:
                return ""
            raise
        return word(found.record, "reference_number")

    async def _owner(self, record: Mapping[str, JsonValue], made_by: str) -> _Owner | None:
        """The row that the record's own marks name."""
        kind = self._entity.entity_type
        match kind:
            case EntityType.CUSTOMER:
                key = key_in(word(record, "display_name"))
                return await self._known(kind, key, "account_number") if key else None
            case EntityType.SUBSCRIPTION:
                return await self._by_id(kind, word(record, "reference_id").partition("#")[0])
            case EntityType.INVOICE:
                return await self._known(kind, number_of(record).strip(), "invoice_number")
            case EntityType.PAYMENT:
                return await self._by_id(kind, made_by)

    async def _known(self, kind: EntityType, known_as: str, column: str) -> _Owner | None:
        ids = await self._readings.known_as(kind, column, known_as) if known_as else []
        if isinstance(ids, Unreadable) or len(ids) != 1:
            return await self._by_id(kind, known_as)
        return await self._by_id(kind, str(ids[0]))

    async def _by_id(self, kind: EntityType, text: str) -> _Owner | None:
        try:
            entity_id = UUID(text)
        except ValueError:
            return None
        row = await self._store.owner(kind, entity_id)
        if row is None:
            return None
        return _Owner(entity_id, f"{kind} {row['known_as'] or entity_id}", row["zoho_id"] or None)

    def _different(self, stranger: Stranger, kind: DifferenceKind, said: str, entity_id: UUID | None) -> Verdict:
        entity_type = self._entity.entity_type
        named = lists.named(entity_type, stranger.zoho_id, stranger.record)
        difference = Difference(entity_type, entity_id, stranger.zoho_id, named, kind, said, Mend.PERSON)
        return Verdict(kind, difference, self._figures(stranger.record, "unknown"))

    def _figures(self, record: Mapping[str, JsonValue], category: str) -> list[Figure]:
        kind = self._entity.entity_type
        unpaid = lists.open_there(record) if kind is EntityType.INVOICE else None
        return figures_of_stranger(kind, lists.day_of(record), lists.worth(kind, record), unpaid, category)
