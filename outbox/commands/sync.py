"""``sync TYPE ID``: one entity now, by the same protocol as the daemon, beside which it may run.

Without ``--force`` a row that is in sync is answered with "unchanged" and nothing is written. Where something is to be
sent and nothing is enqueued, an entry is appended in the operator's name: what an operator starts looks in Zoho before
it creates. Where something is enqueued already, that is sent. In both cases the entity is claimed and settled here; if
a daemon holds it, its end is waited for.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never
from uuid import UUID

import anyio

from outbox.assembly import Engine
from outbox.commands.facts import Entry, State
from outbox.commands.failures import CommandFailed
from outbox.database import DatabaseUnavailable, Row
from outbox.entities.contract import AnyEntity, CannotMap
from outbox.sending.attempt import Ended, Sender
from outbox.sending.present_row import Undecodable, attempt, named_by, read_row
from outbox.store.installation import WrongDatabase, record_organisation
from outbox.store.organisation import OrganisationNow
from outbox.store.protocol import ForeignDatabase, Settlement
from outbox.store.readings import Readings
from outbox.store.verdicts import Claim, Verdict, released
from outbox.vocabulary import Change, EntityType, EntryStatus, Origin, Outcome, Phase, Urgency
from outbox.wording import count, moment, one_line
from outbox.zoho.failures import CallFailed
from outbox.zoho.json_text import UnsendableText
from outbox.zoho.organisations import OrganisationRefused, verify_organisation
from outbox.zoho.ports import SendingStopped

ADMISSION_BATCH = 1000

FOLLOW_SECONDS = 0.25
"""Between looks at an entity that somebody else sends."""

LEFT_ENQUEUED = "it stays enqueued and is sent when sending goes on"

GOODBYE_SECONDS = 5.0
"""For what must still be recorded after Ctrl-C."""


@dataclass(frozen=True)
class SyncResult:
    """What happened, in one sentence. ``in_zoho``: Zoho holds the row as it stands."""

    said: str
    in_zoho: bool


async def sync(
    engine: Engine, entity_type: EntityType, entity_id: UUID, *, force: bool, say: Callable[[str], None]
) -> SyncResult:
    """Sends one entity and returns what became of it; ``say`` is told where somebody else is waited for.

    Raises :class:`CommandFailed`, ``WrongDatabase``, ``DatabaseUnavailable``.
    """
    if not engine.settings.enable_zoho_sync:
        raise CommandFailed("ENABLE_ZOHO_SYNC is false: nothing is sent; set it to true to send this row")
    entity = engine.entities[entity_type]
    readings = Readings(engine.database)
    row = await read_row(engine.database, entity, entity_id)
    state = await readings.state(entity_type, entity_id)
    waiting = await readings.open_entries(entity_type, entity_id)
    if row is None and state is None and not waiting["entries"]:
        raise CommandFailed(f"there is no {entity_type} {entity_id}: check it")
    named = named_by(entity, row, entity_id)
    if not force and not waiting["entries"]:
        answer = await nothing_to_send(entity, row, state, engine.sender)
        if answer is not None:
            return SyncResult(f"{named}: {answer.said}", answer.in_zoho)
    if needs_entry(state, waiting, force=force):
        await engine.store.enqueue(
            [(entity_type, entity_id)],
            change=Change.REQUESTED,
            origin=Origin.OPERATOR,
            urgency=Urgency.LIVE,
            requested_by=await readings.role(),
        )
    if (stopped := await _stopped(engine)) is not None:
        return SyncResult(f"{named}: not sent, {stopped}; {LEFT_ENQUEUED}", False)
    await engine.sessions.heartbeat(listening=False, draining=False)
    try:
        return await _Sending(engine, entity, entity_id, named, say).run()
    finally:
        with anyio.move_on_after(GOODBYE_SECONDS, shield=True), suppress(DatabaseUnavailable):
            await engine.sessions.goodbye()


def needs_entry(state: Row | None, waiting: Row, *, force: bool) -> bool:
    """Whether an entry must be appended: what is enqueued already is sent as it is.

    A dead one gets a new entry, with which its attempts begin anew.
    """
    dead = state is not None and state["phase"] == Phase.DEAD and not waiting["not_admitted"]
    return force or dead or not waiting["entries"]


async def nothing_to_send(
    entity: AnyEntity, row: Any | Undecodable | None, state: Row | None, sender: Sender
) -> SyncResult | None:
    """Why an entity with no open entry needs no sending; None: it does. As the attempt itself decides."""
    terms = sender.terms.of_today(sender.clock, Urgency.LIVE)
    if row is None:
        return SyncResult("the row is gone and that was noted: nothing to send", False)
    if isinstance(row, Undecodable):
        return None
    if reason := entity.ineligible(row, terms):
        return SyncResult(f"skipped, {reason}", False)
    if state is None or state["zoho_id"] is None or state["phase"] != Phase.IDLE:
        return None
    in_row = (entity.zoho_id(row) or "").strip() or None
    if in_row != state["zoho_id"] and not (in_row is None and state["id_not_written"]):
        return None
    known = await sender.catalogues.as_stored(terms, entity.needs)
    if known is None or entity.prerequisites(row, terms):
        return None
    try:
        desired = entity.desired(row, known).hash
    except (CannotMap, UnsendableText):
        return None
    if desired != state["sent_hash"]:
        return None
    return SyncResult(
        f"unchanged, nothing sent: Zoho {entity.entity_type} {state['zoho_id']} was told all of it at "
        f"{moment(state['sent_at'])} (--force sends it again)",
        True,
    )


def stopped_because(now: OrganisationNow) -> str | None:
    """Why no request may leave; None: one may."""
    if now.may_try:
        return None
    until = f" until {moment(now.until)}" if now.until is not None else ""
    return f"sending is {now.state} since {moment(now.since)}{until} ({now.why})"


def stop_in_words(stop: SendingStopped) -> str:
    """Why permission was refused, and until when."""
    until = f" until {moment(stop.until)}" if stop.until is not None else ""
    return f"sending is {stop.state}{until} ({stop.reason})"


async def _stopped(engine: Engine) -> str | None:
    """Why nothing may leave. Asks Zoho whether the organisation is ours, as a daemon does before it claims."""
    if (stopped := stopped_because(await engine.organisation.now())) is not None:
        return stopped
    try:
        organisation = await verify_organisation(engine.client, engine.settings)
    except CallFailed as failed:
        await engine.organisation.failed(failed.failure)
        return f"Zoho could not be asked for the organisation ({failed.failure}; {failed.failure.advice})"
    except SendingStopped as stop:
        return stop_in_words(stop)
    except OrganisationRefused as refusal:
        await engine.organisation.refused(str(refusal))
        return str(refusal)
    await engine.organisation.answered()
    await record_organisation(engine.database, organisation)
    return None


class _Sending:
    """One entity's way from here to its end, whoever takes it there."""

    def __init__(
        self, engine: Engine, entity: AnyEntity, entity_id: UUID, named: str, say: Callable[[str], None]
    ) -> None:
        self._engine = engine
        self._readings = Readings(engine.database)
        self._entity = entity
        self._key = entity.entity_type, entity_id
        self._named = named
        self._say = say

    async def run(self) -> SyncResult:
        followed = False
        while True:
            await self._engine.store.admit(ADMISSION_BATCH)
            row = await self._readings.state(*self._key)
            state = None if row is None else State.from_row(row)
            if state is not None and state.phase is Phase.LEASED:
                if not followed:
                    followed = True
                    self._say(f"{self._named} is being sent by {state.holder}: waiting for that to end")
                if state.lease_expired:
                    await self._engine.store.reclaim()
                await anyio.sleep(FOLLOW_SECONDS)
                continue
            if state is not None and await self._is_settled(state, followed):
                return await self._told_by_the_outbox(state)
            claim = await self._claim()
            if claim is not None:
                return await self._attempt(claim)
            await anyio.sleep(FOLLOW_SECONDS)

    async def _is_settled(self, state: State, followed: bool) -> bool:
        """Whether a daemon was faster: nothing is left to do, or what is left is between attempts."""
        if state.phase is Phase.READY:
            return False
        if (await self._readings.open_entries(*self._key))["not_admitted"]:
            return False
        return followed or state.phase in (Phase.IDLE, Phase.DEAD)

    async def _claim(self) -> Claim | None:
        try:
            return await self._engine.store.claim_one(*self._key)
        except ForeignDatabase:
            raise WrongDatabase(
                "the database behind DATABASE_URL became another one: a clone or a copy must not send"
            ) from None

    async def _attempt(self, claim: Claim) -> SyncResult:
        """Takes the claim to its end. Whatever happens on the way, the claim is settled."""
        ended = Ended(released(claim), self._named)

        def interrupted(by: Ended) -> None:
            nonlocal ended
            ended = by

        try:
            row = await read_row(self._engine.database, self._entity, claim.entity_id)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._keep_alive, claim)
                ended = await attempt(self._engine.sender, self._entity, claim, row, interrupted)
                tasks.cancel_scope.cancel()
        except BaseException:
            with anyio.move_on_after(GOODBYE_SECONDS, shield=True), suppress(DatabaseUnavailable):
                await self._engine.store.settle([ended.verdict])
            raise
        settlement = await self._settle(ended.verdict)
        if settlement.refused:
            return SyncResult(
                f"{self._named}: its lease was taken over while it was sent, so it is sent once more by a daemon; "
                f"zoho-outbox explain {self._key[0]} {self._key[1]} shows what became of it",
                False,
            )
        if settlement.trouble:
            self._say(settlement.trouble)
        return _told(ended, datetime.now(UTC))

    async def _keep_alive(self, claim: Claim) -> None:
        while True:
            await anyio.sleep(self._engine.settings.outbox_lease_seconds / 3)
            # Where the database is away the lease runs out by itself, and nothing is sent after that.
            with suppress(DatabaseUnavailable):
                await self._engine.store.renew([claim])
                await self._engine.sessions.heartbeat(listening=False, draining=False)

    async def _settle(self, verdict: Verdict) -> Settlement:
        """Settles, through an outage of the database as long as the lease."""
        give_up_at = self._engine.clock.monotonic() + self._engine.settings.outbox_lease_seconds
        while True:
            try:
                return await self._engine.store.settle([verdict])
            except DatabaseUnavailable as gone:
                if self._engine.clock.monotonic() >= give_up_at:
                    raise CommandFailed(
                        f"{self._named}: it was worked on, and the database went away before that could be recorded "
                        f"({gone}); a daemon takes it over and looks before it creates anything"
                    ) from None
            await anyio.sleep(1)

    async def _told_by_the_outbox(self, state: State) -> SyncResult:
        """What the entity's newest entry says, where a daemon was faster."""
        entries = await self._readings.entries(*self._key)
        if not entries:
            return SyncResult(f"{self._named}: nothing is enqueued any more", state.zoho_id is not None)
        entry = Entry.from_row(entries[0])
        end = _End(entry.status, entry.outcome, entry.zoho_id, entry.last_error, entry.waiting_for)
        return SyncResult(f"{self._named}: {end.said(entry.next_attempt_at)}", end.in_zoho)


def _told(ended: Ended, now: datetime) -> SyncResult:
    verdict = ended.verdict
    if ended.stopped is not None and verdict.entry_status is EntryStatus.PENDING:
        return SyncResult(f"{ended.named}: not sent, {stop_in_words(ended.stopped)}; {LEFT_ENQUEUED}", False)
    end = _End(verdict.entry_status, verdict.outcome, verdict.zoho_id, verdict.error, verdict.waiting_for)
    said = end.said(now + timedelta(seconds=verdict.due_in) if verdict.due_in else None)
    log = verdict.log
    cost = (
        f" ({count(log.api_calls, 'request', 'requests')}, {log.duration_ms} ms)"
        if log is not None and log.api_calls
        else ""
    )
    return SyncResult(f"{ended.named}: {said}{cost}", end.in_zoho)


@dataclass(frozen=True)
class _End:
    """How an attempt ended, whoever made it."""

    status: EntryStatus
    outcome: Outcome | None
    zoho_id: str | None
    error: str | None
    waiting_for: str | None

    @property
    def in_zoho(self) -> bool:
        return self.status is EntryStatus.DONE

    def said(self, due: datetime | None) -> str:
        error = one_line(self.error)
        note = f"; {error}" if self.error else ""
        match self.status:
            case EntryStatus.DONE:
                what = "sent" if self.outcome is Outcome.SENT else "nothing to write"
                return f"{what}, Zoho has it as {self.zoho_id}{note}"
            case EntryStatus.SKIPPED:
                return f"skipped, {error}"
            case EntryStatus.DEAD:
                return f"dead, {error}"
            case EntryStatus.WAITING:
                return f"waiting for {self.waiting_for}; it is sent by itself as soon as that is in Zoho"
            case EntryStatus.PENDING | EntryStatus.PROCESSING:
                when = f"it is tried again at {moment(due)}" if due is not None else "it stays enqueued"
                return f"not done{note}; {when}"
            case _:
                assert_never(self.status)
