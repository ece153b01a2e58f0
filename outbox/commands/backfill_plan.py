"""What a backfill would do: which rows, how many requests, how long. Reads the database and nothing else."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from outbox.clock import Clock
from outbox.database import Database
from outbox.entities.catalogue import CatalogueKind
from outbox.entities.contract import AnyEntity, CannotMap, Terms
from outbox.sending.catalogue import Catalogues
from outbox.sending.terms import SendingTerms
from outbox.settings import Settings
from outbox.store.candidates import Candidates
from outbox.vocabulary import EntityType, Urgency
from outbox.zoho.json_text import UnsendableText

READ_BATCH = 500
"""Rows read at once while they are looked through."""

LISTING_PAYS_FROM = 3
"""Rows to be looked up from which a list is read first."""


@dataclass
class TypePlan:
    """Rows of one type that would be enqueued."""

    entity_type: EntityType
    rows: list[UUID] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """Rows without a Zoho id that are not eligible, by reason."""
    requests: int = 0
    """That their creation takes."""
    to_look_up: int = 0
    """Rows that may be in Zoho already."""

    @property
    def is_listed(self) -> bool:
        """Whether Zoho's records are listed first."""
        return self.to_look_up >= LISTING_PAYS_FROM


@dataclass(frozen=True)
class Plan:
    """What a backfill would do."""

    types: tuple[TypePlan, ...]
    preparation: int
    """Requests before the first row: who we are, taxes, plans, lists (a page each; more where Zoho holds more)."""

    @property
    def requests(self) -> int:
        """All of them. A row that waits or fails takes fewer."""
        return self.preparation + sum(plan.requests for plan in self.types)

    def minutes(self, settings: Settings) -> float:
        """At the pace of the minute's budget."""
        return self.requests / settings.zoho_requests_per_minute if settings.zoho_requests_per_minute else 0.0

    def days(self, settings: Settings) -> float:
        """At the share of the day that a backfill may use."""
        share = settings.zoho_daily_request_limit * (100 - settings.zoho_live_reserve_percent) / 100
        return self.requests / share if share else 0.0


class Planner:
    """Looks through the rows. Writes nothing and asks Zoho nothing."""

    def __init__(
        self,
        database: Database,
        entities: Mapping[EntityType, AnyEntity],
        catalogues: Catalogues,
        *,
        terms: SendingTerms,
        clock: Clock,
    ) -> None:
        self._database = database
        self._entities = entities
        self._catalogues = catalogues
        self._terms = terms
        self._clock = clock
        self._candidates = Candidates(database)

    async def plan(self, types: Sequence[EntityType]) -> Plan:
        """``types`` in order of dependence."""
        plans = tuple([await self._plan_type(entity_type) for entity_type in types])
        return Plan(plans, await self._preparation(plans))

    async def _plan_type(self, entity_type: EntityType) -> TypePlan:
        plan = TypePlan(entity_type)
        entity = self._entities[entity_type]
        terms = self._terms.of_today(self._clock, Urgency.BACKFILL)
        known = await self._catalogues.as_stored(terms, entity.needs)
        after: UUID | None = None
        while ids := await self._candidates.without_zoho_id(entity_type, after, READ_BATCH):
            after = ids[-1]
            taken = []
            for entity_id, row in (await self._read(entity, ids)).items():
                reason = _left_out(entity, row, terms, known)
                if reason is None:
                    taken.append(entity_id)
                    plan.requests += 0 if row is None else entity.requests_to_create(row, known or terms)
                else:
                    plan.left_out[reason] += 1
            plan.rows.extend(taken)
            plan.to_look_up += len(taken) - len(await self._candidates.born_here(entity_type, taken))
        if not plan.is_listed:
            plan.requests += plan.to_look_up
        return plan

    async def _read(self, entity: AnyEntity, ids: Sequence[UUID]) -> dict[UUID, Any]:
        """The rows by id; None for one that the database gives and Python cannot hold."""
        rows: dict[UUID, Any] = {}
        for batch in (ids, *([entity_id] for entity_id in ids)):
            try:
                async with self._database.connection() as connection:
                    rows |= await entity.read(connection, batch)
            except psycopg.DataError:
                rows |= {batch[0]: None} if len(batch) == 1 else {}
            else:
                if batch is ids:
                    return rows
        return rows

    async def _preparation(self, types: Sequence[TypePlan]) -> int:
        requests = 1
        needed: set[CatalogueKind] = set()
        for plan in types:
            entity = self._entities[plan.entity_type]
            requests += plan.is_listed and entity.listing is not None
            needed |= entity.needs if plan.rows else set()
        terms = self._terms.of_today(self._clock, Urgency.BACKFILL)
        for kind in needed:
            requests += await self._catalogues.as_stored(terms, frozenset({kind})) is None
        return requests


def _left_out(entity: AnyEntity, row: Any, terms: Terms, known: Terms | None) -> str | None:
    """Why a row is not enqueued; None: it is. One that cannot be mapped is: it becomes a dead letter that says why."""
    if row is None:
        return None
    if reason := entity.ineligible(row, terms):
        return reason
    if known is None or entity.prerequisites(row, known):
        return None
    try:
        return entity.desired(row, known).only_if_there
    except (CannotMap, UnsendableText):
        return None
