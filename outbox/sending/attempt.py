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
from decimal import Decimal
from typing import Any, assert_never

import anyio
import psycopg
import structlog

from outbox.clock import Clock
from outbox.database import DatabaseUnavailable
from outbox.entities.contract import (
    AnyEntity,
    CannotMap,
    Desired,
    Found,
    NotOurs,
    RecordEnded,
    TakenUnseen,
    Updated,
    lifecycle_of,
)
from outbox.logs import Event
from outbox.masking import mask_message
from outbox.sending.attempt_log import attempt_log
from outbox.sending.catalogue import Catalogues
from outbox.sending.listing import Listings
from outbox.sending.probed import Probed
from outbox.sending.remote import ClaimedRemote, LeaseSpent, LookAgain
from outbox.sending.terms import SendingTerms
from outbox.settings import LogPayloads
from outbox.store import verdicts
from outbox.store.organisation import OrganisationStore
from outbox.store.protocol import OutboxStore
from outbox.store.verdicts import Claim, Fate, Verdict, Wait
from outbox.vocabulary import FailureClass, LogStatus, Outcome
from outbox.zoho.client import ZohoClient
from outbox.zoho.exchange import ApiReply, path_segment
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import UnsendableText
from outbox.zoho.ports import SendingStopped

FIRST_LOOK_SECONDS = 10.0
"""Pause before the first look after a lost reply: no source says that Zoho's lists show a write at once (sheet 4)."""

LEASE_PAUSE_SECONDS = 2.0
"""After a lease that was too short for the next request: the next one is not tried in the same breath."""

MOST_FORMS = 4
"""In which a create is tried within one attempt."""

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
    off_by: Decimal | None = None
    """Zoho's total less the row's, as Zoho showed it in this attempt; None: it was not shown, or there is none."""


@dataclass(frozen=True)
class Sender:
    """Makes attempts. Keeps nothing of one for the next."""

    client: ZohoClient
    store: OutboxStore
    organisation: OrganisationStore
    clock: Clock
    terms: SendingTerms
    catalogues: Catalogues
    listings: Listings
    jitter: Callable[[float, float], float] = random.uniform
    probed: Probed | None = None
    """None: nothing is known of the organisation."""

    async def attempt(
        self, entity: AnyEntity, claim: Claim, row: Any | None, on_interrupt: Callable[[Ended], None]
    ) -> Ended:
        """Takes one claim to its verdict. Raises nothing but cancellation, and says before what is to be settled."""
        return await _Attempt(self, entity, claim, row).run(on_interrupt)

    def undecodable(self, claim: Claim, error: Exception) -> Ended:
        """The verdict on a row that the database gives and Python cannot hold (a date in the year 20000, say)."""
        named = f"{claim.entity_type} {claim.entity_id}"
        reason = f"the host row holds a value that cannot be read ({error}): correct it"
        verdict = verdicts.dead(
            claim,
            reason,
            zoho_id=claim.zoho_id,
            read_zoho_id=None,
            log=verdicts.bare_log(claim, LogStatus.FAILED, None),
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
            sender.client,
            sender.store,
            sender.listings,
            sender.clock,
            entity=entity,
            claim=claim,
            request_seconds=sender.terms.request,
        )
        self._mapping = sender.terms.of_today(sender.clock, claim.urgency)
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
        self._off_by: Decimal | None = None
        self._desired: Desired | None = None

    async def run(self, on_interrupt: Callable[[Ended], None]) -> Ended:
        """See :meth:`Sender.attempt`."""
        clock = self._sender.clock
        started = clock.monotonic()
        stopped: SendingStopped | None = None
        try:
            verdict = await self._decide()
        except SendingStopped as stop:
            stopped = stop
            if self._remote.fate_open:
                # It left and was refused for its token, which cannot be replaced now: it was not executed.
                self._fate = Fate.SETTLED
            verdict = self._given_back(None)
        except anyio.get_cancelled_exc_class():
            if self._remote.fate_open:
                self._fate = Fate.UNKNOWN if self._remote.intent_left else Fate.SETTLED
            interrupted = self._given_back("interrupted: the daemon stopped")
            on_interrupt(Ended(self._with_log(interrupted, round((clock.monotonic() - started) * 1000)), self._named))
            raise
        except Exception as error:
            verdict = await self._went_wrong(error)
        if self._remote.call_log.exchanges and isinstance(self._remote.call_log.exchanges[-1].outcome, ApiReply):
            # Where the database is away this news is old before it can be told.
            with suppress(DatabaseUnavailable, psycopg.Error):
                await self._sender.organisation.answered(clock.monotonic() - started)
        milliseconds = round((clock.monotonic() - started) * 1000)
        return Ended(self._with_log(verdict, milliseconds), self._named, stopped, self._off_by)

    async def _went_wrong(self, error: Exception) -> Verdict:
        match error:
            case CallFailed():
                return await self._failed(error.failure)
            case LeaseSpent():
                if self._remote.fate_open and not self._remote.intent_left:
                    self._fate = Fate.SETTLED
                return self._given_back(None, seconds=LEASE_PAUSE_SECONDS)
            case LookAgain():
                return self._look_again(self._recheck, Fate.LOOKED_CLEAN)
            case TakenUnseen():
                dead = self._dead(str(error))
                return replace(dead, sent_hash=f"{UNKNOWN}:{error.reached}", fate=Fate.SETTLED)
            case CannotMap():
                return self._dead(str(error))
            case UnsendableText():
                return self._dead(f"{error}: correct the row")
            case DatabaseUnavailable() | psycopg.Error():
                return self._given_back(f"the database did not answer ({type(error).__name__})")
            case _:
                # A row that our own code cannot digest must not stop its neighbours: it burns its attempts and dies.
                structlog.get_logger().error(
                    Event.ENTRY_CRASHED, entity=self._named, entity_id=str(self._claim.entity_id), exc_info=error
                )
                if self._remote.fate_open:
                    self._fate = Fate.UNKNOWN
                return self._retry_or_die(f"internal error ({type(error).__name__}): report it")

    # The decision.

    async def _decide(self) -> Verdict:
        claim, entity, row = self._claim, self._entity, self._row
        if claim.entries == 0:
            return verdicts.nothing_left(claim)
        if row is None:
            return self._without_row()
        self._named = entity.named(row)
        self._raw_id = entity.zoho_id(row)
        if claim.attempts > self._terms.max_attempts:
            times = claim.attempts - 1
            return self._dead(f"the daemon died {times} times while it sent this row: edit the row, or report it")
        if reason := entity.ineligible(row, self._mapping):
            skipped = verdicts.skipped(claim, reason, read_zoho_id=self._raw_id)
            return replace(skipped, unblocks=tuple(entity.unblocks(row, sent=False)))
        for prerequisite in entity.prerequisites(row, self._mapping):
            wait = Wait(
                prerequisite.awaited, prerequisite.id, prerequisite.dead, prerequisite.enqueue, prerequisite.rest
            )
            return verdicts.waiting(claim, wait, prerequisite.named, read_zoho_id=self._raw_id)
        if self._sender.probed is not None:
            self._mapping = await self._sender.probed.complete(self._mapping)
        self._mapping = await self._sender.catalogues.complete(
            self._mapping, entity.needs_of(row, self._mapping), self._remote
        )
        self._desired = desired = await self._mapped()

        in_row = (self._raw_id or "").strip() or None
        if in_row is not None and in_row != claim.zoho_id:
            return await self._adopt_by_hand(in_row, desired)
        # An id that was cleared by hand means: forget it. One that could not be written yet means nothing.
        forgotten = claim.zoho_id is not None and in_row is None and not claim.id_not_written
        if claim.zoho_id is not None and not forgotten:
            return await self._update(claim.zoho_id, desired)
        if forgotten and claim.zoho_id is not None:
            answer = await entity.examine(self._remote, row, claim.zoho_id, desired, self._mapping)
            if isinstance(answer, Found):
                return await self._adopt([answer], desired)
        self._zoho_id = self._lifecycle = None
        must_look = forgotten or claim.look_first or claim.resend or claim.intents > 0 or not claim.born_here
        return await self._create(desired, must_look)

    async def _mapped(self) -> Desired:
        """What Zoho should hold. A tax or a plan that is missing may just have been made there: looked at once more."""
        try:
            return self._entity.desired(self._row, self._mapping)
        except CannotMap as finding:
            if finding.looked_in is None:
                raise
            fresh = await self._sender.catalogues.refresh(self._mapping, finding.looked_in, self._remote)
            if fresh is None:
                raise
            self._mapping = fresh
        return self._entity.desired(self._row, self._mapping)

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
        return verdicts.skipped(claim, reason, read_zoho_id=None)

    # Adopt, update, create.

    async def _adopt_by_hand(self, zoho_id: str, desired: Desired) -> Verdict:
        """The row names another record than is known: a request to adopt it.

        Where a record of ours is there beside it, Zoho has two for this row, and one of them would stay behind unseen:
        both are named. That is so, too, where the id was set by hand while our own create was on its way.
        """
        claim, entity = self._claim, self._entity
        if claim.fate_unknown_seconds is not None and (early := self._seconds_to_look()) > 0:
            return self._look_again(early, Fate.KEEP)
        answers = [await entity.examine(self._remote, self._row, zoho_id, desired, self._mapping)]
        if isinstance(answers[0], Found):
            others: list[Found | NotOurs] = []
            if claim.fate_unknown_seconds is not None:
                others = await self._find(desired, claim.intent_keys)
            elif claim.zoho_id is not None:
                others = [await entity.examine(self._remote, self._row, claim.zoho_id, desired, self._mapping)]
            answers += [other for other in others if isinstance(other, Found) and other.zoho_id != zoho_id]
        return await self._adopt(answers, desired)

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
                # How an undo of the backfill tells what we made from what somebody made: undo_plan.sql.
                settles = "" if claim.fate_unknown_seconds is None else ", which settles a create of unknown fate"
                self._notes.append(f"adopted Zoho {claim.entity_type} {zoho_id}{settles}")
                if claim.fate_unknown_seconds is not None and (
                    told := self._entity.told_late(self._row, record, self._mapping)
                ):
                    self._notes.append(told)
                structlog.get_logger().info(
                    Event.ENTRY_ADOPTED, entity=self._named, entity_id=str(claim.entity_id), zoho_id=zoho_id
                )
                self._lifecycle = self._entity.lifecycle(record)
                return await self._bring_up_to_date(zoho_id, desired, self._entity.differs(answer, desired), answer)
            case _:
                assert_never(answer)

    async def _update(self, zoho_id: str, desired: Desired) -> Verdict:
        claim = self._claim
        if desired.hash == claim.sent_hash and not claim.resend:
            return verdicts.done(
                claim, Outcome.UNCHANGED, zoho_id=zoho_id, read_zoho_id=self._raw_id, sent_hash=claim.sent_hash
            )
        if claim.fate_unknown_seconds is not None:
            if (early := self._seconds_to_look()) > 0:
                return self._look_again(early, Fate.KEEP)
            if self._entity.followed and (verdict := await self._followed(zoho_id, desired)) is not None:
                return verdict
        self._host_zoho_id = zoho_id
        found: Found | None = None
        if claim.resend or self._lifecycle in (None, UNKNOWN):
            # What Zoho holds is in doubt, its lifecycle included.
            found = await self._entity.fetch(self._remote, zoho_id)
            shown = self._entity.lifecycle(found.record)
            if self._lifecycle in self._entity.never_twice and shown != self._lifecycle:
                raise TakenUnseen(
                    f"Zoho took it as {self._lifecycle} once and shows {zoho_id} as {shown}: it is not done again; "
                    "look at it in Zoho, and skip this with what you find",
                    reached=str(self._lifecycle),
                )
            self._lifecycle = shown
        content_changed = claim.resend or _digest(claim.sent_hash) != _digest(desired.hash)
        return await self._bring_up_to_date(zoho_id, desired, content_changed, found)

    async def _followed(self, zoho_id: str, desired: Desired) -> Verdict | None:
        """A create of the record that follows the known one left, and its reply was lost: whatever the row is to be
        now, it is the following record that must be so. (A service that was cancelled meanwhile would be billed by it
        for ever.)

        None: it did not happen, which was seen twice.
        """
        answers = await self._find(desired, self._claim.intent_keys)
        following = [answer for answer in answers if isinstance(answer, Found) and answer.zoho_id != zoho_id]
        if following:
            return await self._adopt(following, desired)
        if self._claim.clean_look_seconds is None:
            return self._look_again(self._recheck, Fate.LOOKED_CLEAN)
        return None

    async def _create(self, desired: Desired, must_look: bool) -> Verdict:
        claim, entity = self._claim, self._entity
        if claim.fate_unknown_seconds is not None and (early := self._seconds_to_look()) > 0:
            return self._look_again(early, Fate.KEEP)
        if must_look and (verdict := await self._looked(desired)) is not None:
            return verdict
        if desired.only_if_there is not None:
            skipped = verdicts.skipped(claim, desired.only_if_there, read_zoho_id=self._raw_id, fate=Fate.SETTLED)
            return replace(skipped, unblocks=tuple(entity.unblocks(self._row, sent=False)))
        self._desired = desired = await entity.prepare(self._remote, self._row, desired, self._mapping)
        try:
            reply, desired = await self._created(desired)
        except CallFailed as failed:
            if failed.failure.kind is not FailureKind.DUPLICATE:
                raise
            self._fate = Fate.SETTLED
            # Its holder may have any e-mail: everybody is looked at, and as Zoho holds them now.
            self._remote.looks_live = True
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
        if desired.note:
            self._notes.append(desired.note)
        self._lifecycle = entity.lifecycle(found.record)
        if problem := entity.mismatch(found.record, desired):
            return self._dead(problem, FailureClass.PERMANENT)
        return await self._bring_up_to_date(found.zoho_id, desired, False, found)

    async def _looked(self, desired: Desired) -> Verdict | None:
        """What a look in Zoho came to; None: nothing is there, a create may leave."""
        claim = self._claim
        keys = claim.intent_keys
        if claim.fate_unknown_seconds is None or claim.look_first:
            # A record from before may stand under an e-mail that nobody knows any more: everybody is looked at. For
            # a create of our own it is known what it was sent under.
            keys = (*keys, "")
        answers = await self._find(desired, keys)
        if answers:
            return await self._adopt(answers, desired)
        if claim.fate_unknown_seconds is not None and claim.clean_look_seconds is None:
            return self._look_again(self._recheck, Fate.LOOKED_CLEAN)
        return None

    async def _created(self, desired: Desired) -> tuple[ApiReply, Desired]:
        """The create; in other forms where it was clearly refused and the entity knows one.

        Several, because others may take what is left of an invoice while it is looked at; the same form twice at most.
        """
        forms = MOST_FORMS
        while True:
            forms -= 1
            try:
                return await self._remote.create(self._entity.create(desired), desired.look_key), desired
            except CallFailed as refused:
                again = await self._other_form(desired, refused.failure) if forms > 0 else None
                if again is None:
                    raise
            if again.at_creation == desired.at_creation:
                forms = 1
            self._desired = desired = again

    async def _other_form(self, desired: Desired, failure: Failure) -> Desired | None:
        if failure.failure_class is not FailureClass.PERMANENT or failure.kind is FailureKind.DUPLICATE:
            return None
        self._remote.fate_open = False
        self._fate = Fate.SETTLED
        return await self._entity.recompose(self._remote, self._row, desired, failure, self._mapping)

    async def _find(self, desired: Desired, keys: Sequence[str]) -> list[Found | NotOurs]:
        return await self._entity.find(self._remote, self._row, desired, keys, self._mapping)

    def _own(self, found: Found) -> None:
        """The record is this row's, proved: whatever follows, it is not forgotten."""
        self._zoho_id = self._host_zoho_id = found.zoho_id
        self._fate = Fate.SETTLED
        self._remote.fate_open = False

    async def _bring_up_to_date(
        self, zoho_id: str, desired: Desired, write_content: bool, found: Found | None
    ) -> Verdict:
        try:
            updated = await self._entity.update(
                self._remote,
                self._row,
                zoho_id,
                desired,
                self._mapping,
                was=self._lifecycle,
                found=found,
                write_content=write_content,
            )
        except RecordEnded as ended:
            # What ended stays this row's until the new one is: a crash in between finds both. Each that follows has a
            # later look key, so this ends.
            self._notes.append(f"Zoho {self._claim.entity_type} {zoho_id} has ended, a new one follows it")
            self._desired = ended.desired
            return await self._create(ended.desired, must_look=True)
        if updated.note:
            self._notes.append(updated.note)
        if updated.record is not None and (problem := self._entity.mismatch(updated.record, desired)):
            return self._dead(problem, FailureClass.PERMANENT)
        self._compare_totals(updated, found, desired)
        return verdicts.done(
            self._claim,
            Outcome.SENT if self._remote.wrote else Outcome.UNCHANGED,
            zoho_id=zoho_id,
            read_zoho_id=self._raw_id,
            # What could not be done (a customer with a balance stays active) is tried again with the next change.
            sent_hash=f"{_digest(desired.hash)}:{updated.reached}",
            note="; ".join(self._notes) or None,
            unblocks=self._entity.unblocks(self._row, sent=True) if self._remote.wrote else (),
        )

    def _compare_totals(self, updated: Updated, found: Found | None, desired: Desired) -> None:
        """Up to 0.05 passes, and is counted (decisions.md, Invoices): by the note on the entry and the event."""
        shown = updated.record
        if shown is None and found is not None and not found.from_list:
            shown = found.record
        if shown is None:
            return
        self._off_by = self._entity.verified(shown, desired)
        if self._off_by:
            self._notes.append(f"Zoho's total differs by {self._off_by} from the row's")

    # A create whose fate is unknown.

    @property
    def _recheck(self) -> float:
        """Never before lists show what was made, as far as that is known."""
        return max(self._terms.recheck, self._mapping.known.list_lag)

    def _seconds_to_look(self) -> float:
        """How much too early a look would be, were it taken now: an edit can make an entity due at any time."""
        claim = self._claim
        if claim.clean_look_seconds is not None:
            return self._recheck - claim.clean_look_seconds
        return FIRST_LOOK_SECONDS - (claim.fate_unknown_seconds or 0.0)

    def _look_again(self, seconds: float, fate: Fate) -> Verdict:
        moment = self._sender.clock.now(UTC) + timedelta(seconds=seconds)
        claim = self._claim
        return verdicts.retried(
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
        if self._remote.fate_open:
            ambiguous = failure.failure_class is FailureClass.AMBIGUOUS and self._remote.intent_left
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
                if failure.kind is FailureKind.NOT_FOUND and self._zoho_id is not None and self._asked_for_it():
                    text = (
                        f"Zoho {self._claim.entity_type} {self._zoho_id} does not exist any more ({text}) "
                        "Clear the id in the host row to have it created anew"
                    )
                return self._dead(text, failure.failure_class)
            case _:
                assert_never(failure.failure_class)

    def _asked_for_it(self) -> bool:
        """Whether the last request was about the record itself: what it refers to may be missing, too."""
        exchanges = self._remote.call_log.exchanges
        return bool(exchanges) and path_segment(str(self._zoho_id)) in exchanges[-1].request.path.split("/")

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
        return verdicts.retried(
            claim,
            reason,
            seconds=seconds,
            zoho_id=self._zoho_id,
            host_zoho_id=self._host_zoho_id,
            read_zoho_id=self._raw_id,
            sent_hash=self._hash_after_failure(),
            fate=self._fate,
            counted=counted,
            log=verdicts.bare_log(claim, LogStatus.RETRYING, failure_class),
        )

    def _given_back(self, error: str | None, *, seconds: float = 0.0) -> Verdict:
        """Nobody's fault: no attempt is burned. What Zoho gave us already is kept."""
        claim = self._claim
        if self._host_zoho_id is None and self._fate is Fate.KEEP and not self._remote.wrote:
            return verdicts.released(claim, error=error, seconds=seconds)
        return verdicts.retried(
            claim,
            error or "stopped half-way: the rest follows",
            seconds=seconds,
            zoho_id=self._zoho_id,
            host_zoho_id=self._host_zoho_id,
            read_zoho_id=self._raw_id,
            sent_hash=self._hash_after_failure(),
            fate=self._fate,
            counted=False,
            log=verdicts.bare_log(claim, LogStatus.RETRYING, None),
        )

    def _dead(self, reason: str, failure_class: FailureClass | None = None) -> Verdict:
        dead = verdicts.dead(
            self._claim,
            reason,
            zoho_id=self._zoho_id,
            host_zoho_id=self._host_zoho_id,
            read_zoho_id=self._raw_id,
            fate=self._fate,
            log=verdicts.bare_log(self._claim, LogStatus.FAILED, failure_class),
        )
        reached = lifecycle_of(self._claim.sent_hash)
        return replace(dead, sent_hash=f"{UNKNOWN}:{reached}") if reached in self._entity.never_twice else dead

    def _hash_after_failure(self) -> str | None:
        # A write that failed may have happened all the same: going back to the old content must not look unchanged.
        if not self._remote.wrote:
            return self._claim.sent_hash
        reached = lifecycle_of(self._claim.sent_hash)
        return f"{UNKNOWN}:{reached if reached in self._entity.never_twice else UNKNOWN}"

    def _with_log(self, verdict: Verdict, milliseconds: int) -> Verdict:
        exchanges = self._remote.call_log.exchanges
        if verdict.log is None and not exchanges and not self._remote.in_flight:
            return verdict
        status = LogStatus.SUCCESS if verdict.outcome is not None else LogStatus.RETRYING
        base = verdict.log or verdicts.bare_log(self._claim, status, None)
        log = attempt_log(base, self._remote.call_log, milliseconds, self._terms)
        if self._remote.in_flight:
            # Interrupted before it was answered: it counts all the same, or a refused settlement would not resend.
            log = replace(log, api_calls=log.api_calls + 1)
        return verdicts.with_log(verdict, log)


NOT_SHOWN = "Zoho holds a record of this name that its lists do not show yet: it is looked for again."

REPLY_NAMES_NO_RECORD = Failure(
    FailureClass.AMBIGUOUS,
    FailureKind.UNREADABLE,
    "Zoho's reply to a create names no record",
    "It is looked up before anything is sent again.",
)


def _digest(sent_hash: str | None) -> str | None:
    return None if sent_hash is None else sent_hash.partition(":")[0]
