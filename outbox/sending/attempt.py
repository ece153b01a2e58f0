"""One attempt: from a claim and its host row to a verdict.

The order is that of design.md, The way of a change, 5 to 8: ineligible, prerequisites, what Zoho should hold, whether
anything changed; then adopt, update or create; then verify. Whatever goes wrong on the way ends in a verdict, too:
nothing is dropped, and what is known already (an id that Zoho gave) is never forgotten on the way.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import Any, assert_never

import anyio
import psycopg
import structlog

from outbox.clock import Clock
from outbox.database import DatabaseUnavailable
from outbox.entities.contract import AnyEntity, CannotMap, Desired, Found, NotOurs, lifecycle_of
from outbox.logs import Event
from outbox.masking import mask_message
from outbox.sending.attempt_log import attempt_log
from outbox.sending.remote import ClaimedRemote, LeaseSpent
from outbox.sending.terms import SendingTerms
from outbox.settings import LogPayloads
from outbox.store import protocol
from outbox.store.organisation import OrganisationStore
from outbox.store.protocol import Claim, Fate, OutboxStore, Verdict
from outbox.vocabulary import FailureClass, LogStatus, Outcome
from outbox.zoho.client import ZohoClient
from outbox.zoho.exchange import ApiReply
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import UnsendableText
from outbox.zoho.ports import SendingStopped

FIRST_LOOK_SECONDS = 10.0
"""Pause before the first look after a lost reply: no source says that Zoho's lists show a write at once (sheet 4)."""

LEASE_PAUSE_SECONDS = 2.0
"""After a lease that was too short for the next request: the next one is not tried in the same breath."""

UNREADABLE = (
    "the host row cannot be read and no DELETE of it was captured: row level security hides it, or it was removed "
    "behind the triggers; run zoho-outbox doctor"
)

UNKNOWN = "?"
"""A digest or lifecycle that is in doubt: it equals nothing, so it is read before it is changed."""


@dataclass(frozen=True)
class Ended:
    """An attempt's verdict, the entity as people know it, and what stopped it where the whole organisation is."""

    verdict: Verdict
    named: str
    stopped: SendingStopped | None = None


class Sender:
    """Makes attempts. Keeps nothing of one for the next."""

    def __init__(
        self,
        client: ZohoClient,
        store: OutboxStore,
        organisation: OrganisationStore,
        clock: Clock,
        terms: SendingTerms,
        *,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.client = client
        self.store = store
        self.organisation = organisation
        self.clock = clock
        self.terms = terms
        self.jitter = jitter

    async def attempt(
        self, entity: AnyEntity, claim: Claim, row: Any | None, on_interrupt: Callable[[Ended], None]
    ) -> Ended:
        """Takes one claim to its verdict. Raises nothing but cancellation, and says before what is to be settled."""
        return await _Attempt(self, entity, claim, row).run(on_interrupt)

    def undecodable(self, claim: Claim, error: Exception) -> Ended:
        """The verdict on a row that the database gives and Python cannot hold (a date in the year 20000, say)."""
        named = f"{claim.entity_type} {claim.entity_id}"
        reason = f"the host row holds a value that cannot be read ({error}): correct it"
        verdict = protocol.dead(
            claim,
            reason,
            zoho_id=claim.zoho_id,
            read_zoho_id=None,
            log=protocol.bare_log(claim, LogStatus.FAILED, None),
        )
        return Ended(verdict, named)


class _Attempt:
    """One claim on its way. Attributes hold what is known so far; every verdict is made from them."""

    def __init__(self, sender: Sender, entity: AnyEntity, claim: Claim, row: Any | None) -> None:
        self._sender = sender
        self._terms = sender.terms
        self._entity = entity
        self._claim = claim
        self._row = row
        self._remote = ClaimedRemote(
            sender.client, sender.store, sender.clock, claim, request_seconds=sender.terms.request
        )
        self._named = f"{claim.entity_type} {claim.entity_id}"
        self._raw_id: str | None = None
        """The host row's id column, to the letter."""
        self._zoho_id = claim.zoho_id
        """The record that is known to be this row's."""
        self._host_zoho_id: str | None = None
        """What the host row's id column is to hold."""
        self._lifecycle = lifecycle_of(claim.sent_hash)
        self._fate = Fate.KEEP
        self._notes: list[str] = []
        self._desired: Desired | None = None

    async def run(self, on_interrupt: Callable[[Ended], None]) -> Ended:
        """See :meth:`Sender.attempt`."""
        clock = self._sender.clock
        started = clock.monotonic()
        stopped: SendingStopped | None = None
        try:
            verdict = await self._decide()
        except CallFailed as failed:
            verdict = await self._failed(failed.failure)
        except SendingStopped as stop:
            stopped = stop
            verdict = self._given_back(None)
        except LeaseSpent:
            if self._remote.intent_committed and not self._remote.create_left:
                self._fate = Fate.SETTLED
            verdict = self._given_back(None, seconds=LEASE_PAUSE_SECONDS)
        except CannotMap as finding:
            verdict = self._dead(str(finding))
        except UnsendableText as finding:
            verdict = self._dead(f"{finding}: correct the row")
        except (DatabaseUnavailable, psycopg.Error) as gone:
            verdict = self._given_back(f"the database did not answer ({type(gone).__name__})")
        except anyio.get_cancelled_exc_class():
            if self._creating:
                self._fate = Fate.UNKNOWN if self._remote.create_left else Fate.SETTLED
            interrupted = self._given_back("interrupted: the daemon stopped")
            on_interrupt(Ended(self._with_log(interrupted, round((clock.monotonic() - started) * 1000)), self._named))
            raise
        except Exception as bug:
            # A row that our own code cannot digest must not stop its neighbours: it burns its attempts and dies.
            structlog.get_logger().exception(
                Event.ENTRY_CRASHED, entity=self._named, entity_id=str(self._claim.entity_id)
            )
            if self._creating:
                self._fate = Fate.UNKNOWN
            verdict = self._retry_or_die(f"internal error ({type(bug).__name__}): report it")
        if self._remote.call_log.exchanges and isinstance(self._remote.call_log.exchanges[-1].outcome, ApiReply):
            # Where the database is away this news is old before it can be told.
            with suppress(DatabaseUnavailable, psycopg.Error):
                await self._sender.organisation.answered()
        milliseconds = round((clock.monotonic() - started) * 1000)
        return Ended(self._with_log(verdict, milliseconds), self._named, stopped)

    @property
    def _creating(self) -> bool:
        return self._remote.intent_committed and self._zoho_id is None

    # The decision.

    async def _decide(self) -> Verdict:
        claim, entity, row = self._claim, self._entity, self._row
        if claim.entries == 0:
            return protocol.nothing_left(claim)
        if row is None:
            return self._without_row()
        self._named = entity.named(row)
        self._raw_id = entity.zoho_id(row)
        if claim.attempts > self._terms.max_attempts:
            times = claim.attempts - 1
            return self._dead(f"the daemon died {times} times while it sent this row: edit the row, or report it")
        if reason := entity.ineligible(row):
            return protocol.skipped(claim, reason, read_zoho_id=self._raw_id)
        for prerequisite in entity.prerequisites(row):
            parent = (prerequisite.entity_type, prerequisite.entity_id)
            return protocol.waiting(claim, parent, prerequisite.named, read_zoho_id=self._raw_id)
        self._desired = desired = entity.desired(row, self._terms.mapping)

        in_row = (self._raw_id or "").strip() or None
        if in_row is not None and in_row != claim.zoho_id:
            answer = await entity.examine(self._remote, row, in_row, desired, self._terms.mapping)
            return await self._adopt([answer], desired)
        # An id that was cleared by hand means: forget it. One that could not be written yet means nothing.
        forgotten = claim.zoho_id is not None and in_row is None and not claim.id_not_written
        if claim.zoho_id is not None and not forgotten:
            return await self._update(claim.zoho_id, desired)
        if forgotten and claim.zoho_id is not None:
            answer = await entity.examine(self._remote, row, claim.zoho_id, desired, self._terms.mapping)
            if isinstance(answer, Found):
                return await self._adopt([answer], desired)
        self._zoho_id = self._lifecycle = None
        must_look = forgotten or claim.look_first or claim.resend or claim.intents > 0 or not claim.born_here
        return await self._create(desired, must_look)

    def _without_row(self) -> Verdict:
        claim = self._claim
        if not claim.host_deleted:
            return self._retry_or_die(UNREADABLE)
        zoho_id = claim.zoho_id or claim.deleted_zoho_id
        if zoho_id is not None:
            reason = f"host row deleted, Zoho {claim.entity_type} {zoho_id} remains"
        elif claim.fate_unknown_seconds is not None:
            reason = f"host row deleted; a Zoho {claim.entity_type} may remain, the fate of its create is unknown"
        else:
            reason = "host row deleted; it was never in Zoho"
        return protocol.skipped(claim, reason, read_zoho_id=None)

    # Adopt, update, create.

    async def _adopt(self, answers: Sequence[Found | NotOurs], desired: Desired) -> Verdict:
        claim = self._claim
        if len(answers) > 1:
            named = ", ".join(answer.zoho_id for answer in answers)
            return self._dead(
                f"Zoho has several records for this row: {named}; merge or delete all but one there, then replay",
                FailureClass.AMBIGUOUS,
            )
        (answer,) = answers
        match answer:
            case NotOurs(reason=reason):
                return self._dead(reason, FailureClass.PERMANENT)
            case Found(zoho_id=zoho_id, record=record):
                owner = await self._sender.store.own_record(claim, zoho_id)
                if owner is None:
                    claim.lease.lost = True
                    raise LeaseSpent
                if owner != claim.entity_id:
                    return self._dead(
                        f"Zoho {claim.entity_type} {zoho_id} belongs to the row {owner}: "
                        "correct the id of one of the two",
                        FailureClass.PERMANENT,
                    )
                self._own(answer)
                self._notes.append(f"adopted Zoho {claim.entity_type} {zoho_id}")
                structlog.get_logger().info(
                    Event.ENTRY_ADOPTED, entity=self._named, entity_id=str(claim.entity_id), zoho_id=zoho_id
                )
                self._lifecycle = self._entity.lifecycle(record)
                return await self._bring_up_to_date(zoho_id, desired, self._entity.differs(answer, desired))
            case _:
                assert_never(answer)

    async def _update(self, zoho_id: str, desired: Desired) -> Verdict:
        claim = self._claim
        if desired.hash == claim.sent_hash and not claim.resend:
            return protocol.done(
                claim, Outcome.UNCHANGED, zoho_id=zoho_id, read_zoho_id=self._raw_id, sent_hash=claim.sent_hash
            )
        self._host_zoho_id = zoho_id
        if claim.resend or self._lifecycle in (None, UNKNOWN):
            # What Zoho holds is in doubt, its lifecycle included.
            self._lifecycle = self._entity.lifecycle((await self._entity.fetch(self._remote, zoho_id)).record)
        content_changed = claim.resend or _digest(claim.sent_hash) != _digest(desired.hash)
        return await self._bring_up_to_date(zoho_id, desired, content_changed)

    async def _create(self, desired: Desired, must_look: bool) -> Verdict:
        claim, entity = self._claim, self._entity
        if claim.fate_unknown_seconds is not None:
            early = self._seconds_to_look()
            if early > 0:
                return self._look_again(early, Fate.KEEP)
        if must_look:
            keys = claim.intent_keys
            if claim.fate_unknown_seconds is None or claim.look_first:
                # A record from before may stand under an e-mail that nobody knows any more: everybody is looked at. For
                # a create of our own it is known what it was sent under.
                keys = (*keys, "")
            answers = await self._find(desired, keys)
            if answers:
                return await self._adopt(answers, desired)
            if claim.fate_unknown_seconds is not None and claim.clean_look_seconds is None:
                return self._look_again(self._terms.recheck, Fate.LOOKED_CLEAN)
        try:
            reply = await self._remote.create(entity.create(desired), desired.look_key)
        except CallFailed as failed:
            if failed.failure.kind is not FailureKind.DUPLICATE:
                raise
            self._fate = Fate.SETTLED
            # Its holder may have any e-mail: everybody is looked at.
            answers = await self._find(desired, (*claim.intent_keys, ""))
            if not answers:
                raise CallFailed(
                    replace(failed.failure, failure_class=FailureClass.TRANSIENT, advice=NOT_SHOWN)
                ) from None
            return await self._adopt(answers, desired)
        try:
            found = entity.created(reply)
        except (KeyError, TypeError, ValueError):
            raise CallFailed(REPLY_NAMES_NO_RECORD) from None
        self._own(found)
        self._lifecycle = entity.lifecycle(found.record)
        if problem := entity.mismatch(found.record, desired):
            return self._dead(problem, FailureClass.PERMANENT)
        return await self._bring_up_to_date(found.zoho_id, desired, write_content=False)

    async def _find(self, desired: Desired, keys: Sequence[str]) -> list[Found | NotOurs]:
        return await self._entity.find(self._remote, self._row, desired, keys, self._terms.mapping)

    def _own(self, found: Found) -> None:
        """The record is this row's, proved: whatever follows, it is not forgotten."""
        self._zoho_id = self._host_zoho_id = found.zoho_id
        self._fate = Fate.SETTLED

    async def _bring_up_to_date(self, zoho_id: str, desired: Desired, write_content: bool) -> Verdict:
        was = self._lifecycle
        record, note = await self._entity.update(self._remote, zoho_id, desired, was, write_content=write_content)
        if note:
            self._notes.append(note)
        if record is not None and (problem := self._entity.mismatch(record, desired)):
            return self._dead(problem, FailureClass.PERMANENT)
        # What could not be done (a customer with a balance stays active) is tried again with the next change.
        reached = desired.hash if note is None else f"{_digest(desired.hash)}:{was or UNKNOWN}"
        return protocol.done(
            self._claim,
            Outcome.SENT if self._remote.wrote else Outcome.UNCHANGED,
            zoho_id=zoho_id,
            read_zoho_id=self._raw_id,
            sent_hash=reached,
            note="; ".join(self._notes) or None,
        )

    # A create whose fate is unknown.

    def _seconds_to_look(self) -> float:
        """How much too early a look would be, were it taken now: an edit can make an entity due at any time."""
        claim = self._claim
        if claim.clean_look_seconds is not None:
            return self._terms.recheck - claim.clean_look_seconds
        return FIRST_LOOK_SECONDS - (claim.fate_unknown_seconds or 0.0)

    def _look_again(self, seconds: float, fate: Fate) -> Verdict:
        moment = self._sender.clock.now(UTC) + timedelta(seconds=seconds)
        claim = self._claim
        return protocol.retried(
            claim,
            f"fate unknown: a create left and its reply was lost; looking again at {moment:%Y-%m-%d %H:%M:%S} UTC",
            seconds=seconds,
            zoho_id=claim.zoho_id,
            read_zoho_id=self._raw_id,
            sent_hash=claim.sent_hash,
            fate=fate,
            counted=False,
        )

    # When it fails.

    async def _failed(self, failure: Failure) -> Verdict:
        try:
            organisation_stopped = await self._sender.organisation.failed(failure)
        except (DatabaseUnavailable, psycopg.Error):
            organisation_stopped = failure.failure_class in (FailureClass.THROTTLED, FailureClass.AUTH)
        advice = failure.advice
        if self._desired is not None and failure.failure_class is FailureClass.PERMANENT:
            advice = self._entity.advice(failure, self._desired) or advice
        text = f"{mask_message(str(failure), LogPayloads.MASKED)}. {advice}"
        if self._creating:
            ambiguous = failure.failure_class is FailureClass.AMBIGUOUS and self._remote.create_left
            self._fate = Fate.UNKNOWN if ambiguous else Fate.SETTLED
        match failure.failure_class:
            case FailureClass.AMBIGUOUS if self._fate is Fate.UNKNOWN:
                return self._retry_or_die(
                    f"fate unknown, looking again in {FIRST_LOOK_SECONDS:g} s: {text}",
                    failure,
                    seconds=FIRST_LOOK_SECONDS,
                    counted=not organisation_stopped,
                )
            case FailureClass.AMBIGUOUS | FailureClass.TRANSIENT | FailureClass.OUTAGE:
                counted = not organisation_stopped and failure.request_left
                return self._retry_or_die(text, failure, counted=counted)
            case FailureClass.THROTTLED | FailureClass.AUTH:
                return self._given_back(text)
            case FailureClass.PERMANENT:
                if failure.kind is FailureKind.NOT_FOUND and self._zoho_id is not None:
                    text = (
                        f"Zoho {self._claim.entity_type} {self._zoho_id} does not exist any more ({text}) "
                        "Clear the id in the host row to have it created anew"
                    )
                return self._dead(text, failure.failure_class)
            case _:
                assert_never(failure.failure_class)

    def _retry_or_die(
        self, reason: str, failure: Failure | None = None, *, counted: bool = True, seconds: float | None = None
    ) -> Verdict:
        claim = self._claim
        failure_class = None if failure is None else failure.failure_class
        if counted and claim.attempts >= self._terms.max_attempts:
            return self._dead(f"given up after {claim.attempts} attempts: {reason}", failure_class)
        if seconds is None:
            ceiling = min(self._terms.retry_max, self._terms.retry_base * 2 ** min(max(claim.attempts, 1) - 1, 30))
            seconds = max(self._sender.jitter(0.0, ceiling), 1.0)
        return protocol.retried(
            claim,
            reason,
            seconds=seconds,
            zoho_id=self._zoho_id,
            host_zoho_id=self._host_zoho_id,
            read_zoho_id=self._raw_id,
            sent_hash=self._hash_after_failure(),
            fate=self._fate,
            counted=counted,
            log=protocol.bare_log(claim, LogStatus.RETRYING, failure_class),
        )

    def _given_back(self, error: str | None, *, seconds: float = 0.0) -> Verdict:
        """Nobody's fault: no attempt is burned. What Zoho gave us already is kept."""
        claim = self._claim
        if self._host_zoho_id is None and self._fate is Fate.KEEP and not self._remote.wrote:
            return protocol.released(claim, error=error, seconds=seconds)
        return protocol.retried(
            claim,
            error or "stopped half-way: the rest follows",
            seconds=seconds,
            zoho_id=self._zoho_id,
            host_zoho_id=self._host_zoho_id,
            read_zoho_id=self._raw_id,
            sent_hash=self._hash_after_failure(),
            fate=self._fate,
            counted=False,
            log=protocol.bare_log(claim, LogStatus.RETRYING, None),
        )

    def _dead(self, reason: str, failure_class: FailureClass | None = None) -> Verdict:
        return protocol.dead(
            self._claim,
            reason,
            zoho_id=self._zoho_id,
            host_zoho_id=self._host_zoho_id,
            read_zoho_id=self._raw_id,
            fate=self._fate,
            log=protocol.bare_log(self._claim, LogStatus.FAILED, failure_class),
        )

    def _hash_after_failure(self) -> str | None:
        # A write that failed may have happened all the same: going back to the old content must not look unchanged.
        return f"{UNKNOWN}:{UNKNOWN}" if self._remote.wrote else self._claim.sent_hash

    def _with_log(self, verdict: Verdict, milliseconds: int) -> Verdict:
        exchanges = self._remote.call_log.exchanges
        if verdict.log is None and not exchanges and not self._remote.in_flight:
            return verdict
        status = LogStatus.SUCCESS if verdict.outcome is not None else LogStatus.RETRYING
        base = verdict.log or protocol.bare_log(self._claim, status, None)
        log = attempt_log(base, self._remote.call_log, milliseconds, self._terms)
        if self._remote.in_flight:
            # Interrupted before it was answered: it counts all the same, or a refused settlement would not resend.
            log = replace(log, api_calls=log.api_calls + 1)
        return protocol.with_log(verdict, log)


NOT_SHOWN = "Zoho holds a record of this name that its lists do not show yet: it is looked for again."

REPLY_NAMES_NO_RECORD = Failure(
    FailureClass.AMBIGUOUS,
    FailureKind.UNREADABLE,
    "Zoho's reply to a create names no record",
    "It is looked up before anything is sent again.",
)


def _digest(sent_hash: str | None) -> str | None:
    return None if sent_hash is None else sent_hash.partition(":")[0]
