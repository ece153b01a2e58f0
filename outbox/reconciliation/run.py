"""A run of reconciliation: stage by stage, page by page (see the head of this package)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, assert_never
from uuid import UUID

from outbox.assembly import Engine
from outbox.entities.contract import AnyEntity, Terms
from outbox.entities.payment_row import PaymentRow
from outbox.entities.registry import ENTITIES
from outbox.reconciliation import listed as lists
from outbox.reconciliation.differences import Agrees, Difference, DifferenceKind, Mend, NotCompared, Remark
from outbox.reconciliation.judging import (
    Judged,
    Known,
    NotOurBusiness,
    ShouldBeGone,
    ToCompare,
    agreed,
    judge,
)
from outbox.reconciliation.reading import ReadingRemote
from outbox.reconciliation.strangers import Strangers, Verdict
from outbox.reconciliation.sums import AGREES, NOT_COMPARED, Figure, Sums, figures_alone, figures_of
from outbox.reconciliation.whole import Compared, compare
from outbox.sending.catalogue import Catalogues
from outbox.sending.listing import listed_row
from outbox.sending.present_row import Undecodable, read_rows
from outbox.sending.terms import SendingTerms
from outbox.store import standing
from outbox.store.catalogue import CatalogueStore
from outbox.store.listing import ListingInProgress, ListingStore
from outbox.store.reconciliation import Finding, Part, ReconciliationStore, Run
from outbox.vocabulary import EntityType, Urgency
from outbox.zoho.failures import CallFailed, FailureKind
from outbox.zoho.ports import SendingStopped

PAGE = 200
"""Host rows that are held at once."""

HOLD_AGAIN_SECONDS = 60.0

MOST_PAGES = 5000
"""Of one list: a million records."""


class RunTaken(Exception):  # noqa: N818 - a refusal
    """Another process works on a reconciliation at this moment."""


@dataclass
class Progress:
    """How far the run is, for whoever shows it."""

    part: Part
    requests: int


Told = Difference | NotCompared | Remark | Agrees


@dataclass
class _Page:
    """What one page came to."""

    findings: list[Finding] = field(default_factory=list)
    sums: Sums = field(default_factory=Sums)
    agree: int = 0
    differ: int = 0
    not_compared: int = 0

    def add(self, told: Told, figures: Sequence[Figure] = ()) -> None:
        match told:
            case Difference():
                self.differ += 1
                self.findings.append(
                    Finding(told.entity_id, told.zoho_id, told.named, "difference", told.kind, told.said, told.mend)
                )
                self.sums.add(figures, told.kind)
            case NotCompared():
                self.not_compared += 1
                self.findings.append(Finding(told.entity_id, None, told.named, "not_compared", None, told.reason, None))
                self.sums.add(figures, NOT_COMPARED)
            case Remark():
                self.findings.append(Finding(told.entity_id, None, told.named, "remark", None, told.said, None))
            case Agrees():
                self.agree += 1
                self.sums.add(figures, AGREES)
            case _:
                assert_never(told)


@dataclass(frozen=True)
class _Asked:
    """What the rows of a page are compared with."""

    entity: AnyEntity
    remote: ReadingRemote
    terms: Terms
    open_here: Mapping[UUID, Decimal]
    """What is still to be paid of invoices."""
    suspects: frozenset[UUID] = frozenset()
    """Payments on an invoice whose money was found otherwise."""


class Reconciliation:
    """One process's work on one run."""

    def __init__(self, engine: Engine, run: Run, store: ReconciliationStore, show: Callable[[Progress], None]) -> None:
        self._engine = engine
        self._run = run
        self._store = store
        self._show = show
        self._listings = ListingStore(engine.database, engine.clock)
        self._catalogues = Catalogues(CatalogueStore(engine.database))
        self._terms = SendingTerms.from_settings(engine.settings, payloads_allowed=False)
        self.requests = 0
        self._held_at = engine.clock.monotonic()

    async def work(self) -> None:
        """Goes on to the end.

        Raises :class:`RunTaken`, ``CallFailed``, ``SendingStopped`` and ``DatabaseUnavailable``: what was done stays,
        and the next call goes on.
        """
        try:
            for entity_type in self._run.entity_types:
                parts = await self._store.parts(self._run.id)
                if parts[entity_type].outdated and parts[entity_type].stage != "done":
                    await self._store.list_anew(self._run.id, entity_type)
                    parts = await self._store.parts(self._run.id)
                await self._type(parts[entity_type])
        except CallFailed as failed:
            await self._engine.organisation.failed(failed.failure)
            raise
        await self._engine.organisation.answered()
        await self._store.finish(self._run.id)

    async def _type(self, part: Part) -> None:
        entity = ENTITIES[part.entity_type]
        remote = ReadingRemote(self._engine.client, self._listings, entity)
        remote.listing = part.listing
        if part.stage == "list":
            await self._list(entity, remote, part)
        terms = await self._catalogues.complete(
            self._terms.of_today(self._engine.clock, Urgency.LIVE), entity.needs, remote
        )
        if part.stage == "compare":
            await self._compare(entity, remote, part, terms)
        if part.stage == "unknown":
            await self._unknown(entity, remote, part)

    # Each stage. After every page: what it found and how far it came, in one transaction.

    async def _list(self, entity: AnyEntity, remote: ReadingRemote, part: Part) -> None:
        if entity.listing is None:
            raise ValueError(f"{entity.entity_type} has no listing")
        keeping = ListingInProgress(part.entity_type, part.listing, self._engine.clock.monotonic())
        for _ in range(MOST_PAGES):
            rows, more = await remote.list_page(entity.listing, part.next_page)
            await self._listings.add(keeping, [listed_row(entity, entity.listing, row) for row in rows])
            part.next_page += 1
            if not more:
                part.stage = "compare"
            await self._save(remote, part, _Page(), listed=len(rows))
            if not more:
                return

    async def _compare(self, entity: AnyEntity, remote: ReadingRemote, part: Part, terms: Terms) -> None:
        while part.stage == "compare":
            page = _Page()
            ids, rows, judged = await self._judged(entity, part.after_row, terms)
            wanted = [one.zoho_id for one in judged.values() if isinstance(one, ToCompare)]
            listed = await self._store.listed(part.listing, wanted)
            is_invoice = entity.entity_type is EntityType.INVOICE
            unpaid = await self._store.open_amounts(ids) if is_invoice else {}
            asked = _Asked(entity, remote, terms, unpaid, await self._suspects(judged.values()))
            try:
                for entity_id, one in judged.items():
                    await self._one(asked, entity_id, rows.get(entity_id), one, listed, page)
                    part.after_row = entity_id
                    await self._hold()
            except (CallFailed, SendingStopped):
                # What was compared stays compared: else a page that is larger than the day begins anew each day.
                await self._save(remote, part, page)
                raise
            if len(ids) < PAGE:
                part.stage = "unknown"
            await self._save(remote, part, page)

    async def _unknown(self, entity: AnyEntity, remote: ReadingRemote, part: Part) -> None:
        strangers = Strangers(self._engine.database, self._store, self._run.id, remote, entity)
        while part.stage == "unknown":
            page = _Page()
            found = await self._store.strangers(part.entity_type, part.listing, part.after_record, PAGE)
            try:
                for stranger in found:
                    _tell_stranger(page, await strangers.judge(stranger))
                    part.after_record = stranger.zoho_id
                    await self._hold()
            except (CallFailed, SendingStopped):
                await self._save(remote, part, page)
                raise
            if len(found) < PAGE:
                part.stage = "done"
            await self._save(remote, part, page)

    # One row.

    async def _one(  # noqa: PLR0917
        self,
        asked: _Asked,
        entity_id: UUID,
        row: Any,
        one: Judged,
        listed: Mapping[str, lists.Listed],
        page: _Page,
    ) -> None:
        match one:
            case NotOurBusiness():
                return
            case NotCompared() | Difference():
                page.add(one, _alone(asked, entity_id, row))
            case ShouldBeGone():
                told = await self._gone(asked.entity, asked.remote, one)
                if told is not None:
                    page.add(told)
            case ToCompare():
                await self._beside(asked, one, listed.get(one.zoho_id), page)
            case _:
                assert_never(one)

    async def _beside(self, asked: _Asked, one: ToCompare, in_list: lists.Listed | None, page: _Page) -> None:
        entity, open_here = asked.entity, asked.open_here.get(one.entity_id)
        seems = None if in_list is None else lists.suspicion(entity, one.desired, in_list, open_here)
        whole = self._run.deep or one.entity_id in asked.suspects
        if in_list is not None and seems is None and not whole:
            is_invoice = entity.entity_type is EntityType.INVOICE
            compared = Compared(
                None,
                theirs=lists.worth(entity.entity_type, in_list),
                open_there=lists.open_there(in_list) if is_invoice else None,
                alive_there=lists.is_alive(entity.entity_type, in_list),
            )
        else:
            compared = await compare(asked.remote, entity, one, asked.terms, open_here)
        told = await self._told(entity, one, compared, asked.terms)
        page.add(
            told,
            figures_of(
                entity.entity_type,
                one.row,
                one.desired,
                theirs=compared.theirs,
                open_here=open_here,
                open_there=compared.open_there,
                alive_there=compared.alive_there,
                refunded_there=compared.refunded_there,
            ),
        )
        if isinstance(told, Agrees) and told.remark is not None:
            page.add(Remark(entity.entity_type, one.entity_id, one.named, told.remark))

    async def _suspects(self, judged: Iterable[Judged]) -> frozenset[UUID]:
        invoices = {
            one.entity_id: one.row.invoice.id
            for one in judged
            if isinstance(one, ToCompare) and isinstance(one.row, PaymentRow) and one.row.invoice is not None
        }
        wrong = await self._store.suspects(self._run.id, list(invoices.values()))
        return frozenset(payment for payment, invoice in invoices.items() if invoice in wrong)

    async def _told(self, entity: AnyEntity, one: ToCompare, compared: Compared, terms: Terms) -> Told:
        if compared.kind is None:
            return agreed(one.note, compared.said)
        if not await self._is_as_it_was(entity, one, terms):
            return NotCompared(entity.entity_type, one.entity_id, one.named, "it changed while it was compared")
        return Difference(
            entity.entity_type,
            one.entity_id,
            one.zoho_id,
            one.named,
            compared.kind,
            compared.said or compared.kind.in_words,
            compared.mend or Mend.PERSON,
        )

    async def _is_as_it_was(self, entity: AnyEntity, one: ToCompare, terms: Terms) -> bool:
        """Whether row and sending stand as they did before Zoho was asked: what travels just now is no difference."""
        async with standing.snapshot(self._engine.database) as connection:
            rows = await read_rows(connection, entity, [one.entity_id])
            states = await standing.captured(connection, entity.entity_type, [one.entity_id])
            fresh = await standing.not_admitted(connection, entity.entity_type, [one.entity_id])
        known = Known(states.get(one.entity_id), not_admitted=bool(fresh))
        again = judge(entity, one.entity_id, rows.get(one.entity_id), known, terms)
        return isinstance(again, ToCompare) and again.desired.hash == one.desired.hash and again.state == one.state

    async def _gone(self, entity: AnyEntity, remote: ReadingRemote, one: ShouldBeGone) -> Difference | None:
        try:
            record = (await entity.fetch(remote, one.zoho_id)).record
        except CallFailed as refusal:
            if refusal.failure.kind is FailureKind.NOT_FOUND:
                return None
            raise
        if not lists.is_alive(entity.entity_type, record):
            return None
        return Difference(
            entity.entity_type,
            one.entity_id,
            one.zoho_id,
            one.named,
            DifferenceKind.SHOULD_BE_GONE,
            f"{one.reason}; in Zoho it is alive as {one.zoho_id}: end it there if that is right",
            Mend.PERSON,
        )

    async def _judged(
        self, entity: AnyEntity, after: UUID | None, terms: Terms
    ) -> tuple[list[UUID], dict[UUID, Any], dict[UUID, Judged]]:
        """The next page of host rows, and what is to be done with each."""
        kind = entity.entity_type
        async with standing.snapshot(self._engine.database) as connection:
            ids = await standing.page(connection, kind, after, PAGE)
            rows = await read_rows(connection, entity, ids) if ids else {}
            states = await standing.captured(connection, kind, ids)

            def judged(entity_id: UUID, known: Known) -> Judged:
                return judge(entity, entity_id, rows.get(entity_id), known, terms)

            found = {entity_id: judged(entity_id, Known(states.get(entity_id))) for entity_id in ids}
            # The entries that nobody has taken up stand in no index by row: asked for those alone that seem to differ.
            differ = [entity_id for entity_id, one in found.items() if isinstance(one, Difference | ShouldBeGone)]
            fresh = await standing.not_admitted(connection, kind, differ) if differ else {}
        aside = await self._store.set_aside(kind, differ) if differ else set()
        for entity_id in differ:
            known = Known(states.get(entity_id), not_admitted=entity_id in fresh, set_aside=entity_id in aside)
            found[entity_id] = judged(entity_id, known)
        return ids, rows, found

    async def _hold(self) -> None:
        """Says now and then that this run is being worked on."""
        now = self._engine.clock.monotonic()
        if now - self._held_at > HOLD_AGAIN_SECONDS:
            self._held_at = now
            if not await self._store.go_on(self._run.id):
                raise RunTaken

    async def _save(self, remote: ReadingRemote, part: Part, page: _Page, *, listed: int = 0) -> None:
        requests, remote.requests = remote.requests, 0
        self.requests += requests
        async with self._store.transaction() as connection:
            # First: whoever took the run over counts these rows.
            if not await self._store.keep(connection, self._run.id, requests):
                raise RunTaken
            await self._store.record(connection, self._run.id, part.entity_type, page.findings)
            await self._store.add_sums(connection, self._run.id, page.sums.rows())
            await self._store.advance(
                connection,
                self._run.id,
                part,
                agree=page.agree,
                differ=page.differ,
                not_compared=page.not_compared,
                listed=listed,
            )
        self._held_at = self._engine.clock.monotonic()
        self._show(Progress(part, self.requests))


def _alone(asked: _Asked, entity_id: UUID, row: Any) -> list[Figure]:
    """What a row comes to that has nothing beside it, also where it cannot be sent as it is."""
    if row is None or isinstance(row, Undecodable):
        return []
    return figures_alone(row, asked.terms, asked.open_here.get(entity_id))


def _tell_stranger(page: _Page, verdict: Verdict) -> None:
    if verdict.difference is not None:
        page.add(verdict.difference, verdict.figures)
    else:
        page.sums.add(verdict.figures, verdict.because)


async def begin(store: ReconciliationStore, entity_types: Sequence[EntityType], *, deep: bool) -> tuple[Run, bool]:
    """The run to work on, and whether it goes on from before. Raises :class:`RunTaken`.

    An unfinished run that compares at least as much as is asked for goes on (the nightly one must not end a deep one
    that takes days); one that compares less is ended as it stands.
    """
    unfinished = await store.unfinished()
    if unfinished is not None:
        if unfinished.taken:
            raise RunTaken
        enough = set(entity_types) <= set(unfinished.entity_types) and (unfinished.deep or not deep)
        if enough and await store.go_on(unfinished.id):
            return unfinished, True
        await store.finish(unfinished.id)
    run = await store.start(entity_types, deep=deep)
    if run is None:
        raise RunTaken
    return run, False
