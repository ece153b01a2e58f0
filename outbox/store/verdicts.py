"""Claims, and what may be decided on them, as values.

Pure: nothing here touches a database, a clock or Zoho. A :class:`Claim` goes into one of the functions, a
:class:`Verdict` comes out, and :meth:`outbox.store.protocol.OutboxStore.settle` carries it out. Only a :class:`Lease`
changes: the store renews it, or marks it lost. What the phases mean: the head of :mod:`outbox.store.protocol`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from outbox.masking import storable
from outbox.vocabulary import (
    ZOHO_MODULES,
    Awaited,
    EntityType,
    EntryStatus,
    FailureClass,
    LogStatus,
    Outcome,
    Phase,
    SyncStatus,
    Urgency,
)


@dataclass
class Lease:
    """A claim's right to send, by the holder's own clock. Renewed by the heartbeat."""

    token: UUID
    good_until: float
    """Seconds on :meth:`outbox.clock.Clock.monotonic`, counted from before the database was asked."""
    lost: bool = False

    def may_send(self, now: float, request_seconds: float) -> bool:
        """Whether a request that takes ``request_seconds`` at most would end within the lease."""
        return not self.lost and now + request_seconds < self.good_until


@dataclass(frozen=True)
class Claim:
    """An entity that this process alone may send until the lease ends."""

    entity_type: EntityType
    entity_id: UUID
    lease: Lease
    attempts: int
    """This attempt included."""
    urgency: int
    born_here: bool
    zoho_id: str | None
    sent_hash: str | None
    intents: int
    intent_keys: tuple[str, ...]
    fate_unknown_seconds: float | None
    """Since when a create's fate is unknown; None: it is not."""
    clean_look_seconds: float | None
    """Since the first look afterwards that found nothing."""
    host_deleted: bool
    id_not_written: bool
    """The host row's id column still waits for the id: that it is empty means nothing."""
    last_error: str | None
    entries: int
    newest_entry: int | None
    oldest_change: datetime | None
    resend: bool
    """An absorbed entry asks to send although nothing changed."""
    deleted_zoho_id: str | None
    look_first: bool
    """The database was restored or failed over: no create goes without a look."""
    taken_over: bool = False
    """Its last attempt ended with its process. It may be why (failures.md, 15): so it is sent alone."""

    @property
    def key(self) -> tuple[EntityType, UUID]:
        """The entity."""
        return self.entity_type, self.entity_id


class Fate(StrEnum):
    """What a settlement says about a create whose fate was open."""

    KEEP = "keep"
    UNKNOWN = "unknown"
    LOOKED_CLEAN = "looked_clean"
    SETTLED = "settled"


class Show(StrEnum):
    """What a settlement writes into the host row's status columns."""

    SYNCED = SyncStatus.SYNCED
    RETRYING = SyncStatus.RETRYING
    FAILED = SyncStatus.FAILED
    SKIPPED = SyncStatus.SKIPPED
    WAITING = "waiting"
    """Only the error column, with whom it waits for."""


@dataclass(frozen=True)
class Wait:
    """What an entity waits for."""

    awaited: Awaited
    id: UUID
    dead: bool = False
    """It was known that the prerequisite had failed: nobody needs to say so again."""
    enqueue: bool = True
    """The prerequisite is a row that we send: it is enqueued where nobody did."""
    rest: bool = False
    """It is in Zoho already, and a change of it is due that must go first."""


@dataclass(frozen=True)
class AttemptLog:
    """One row of ``zoho_sync_logs``: an attempt that did something, or ended for good."""

    status: LogStatus
    attempt_number: int
    duration_ms: int
    api_calls: int
    request_payload: Mapping[str, Any] | None = None
    response_payload: Mapping[str, Any] | None = None
    failure_class: FailureClass | None = None
    zoho_code: int | None = None


@dataclass(frozen=True)
class Verdict:
    """How a claim ends. Made by the functions below, not by hand."""

    claim: Claim
    phase: Phase
    entry_status: EntryStatus
    attempts: int
    urgency: int
    zoho_id: str | None
    """The record that is known to be this entity's."""
    sent_hash: str | None
    read_zoho_id: str | None = None
    """What the host row's id column held when it was read."""
    host_zoho_id: str | None = None
    """What that column is to hold, unless another hand changed it since; None: it is left as it is."""
    fate: Fate = Fate.KEEP
    due_in: float = 0.0
    outcome: Outcome | None = None
    error: str | None = None
    show: Show | None = None
    shown_error: str | None = None
    waits_for: Wait | None = None
    waiting_for: str | None = None
    unblocks: tuple[tuple[EntityType, UUID], ...] = ()
    """Entities to be looked at once more: what kept them from their end may be gone."""
    taken_over: bool = False
    """It still may be what killed its last process: nothing was tried since."""
    log: AttemptLog | None = None

    @property
    def is_news(self) -> bool:
        """Whether the record may be usable by others for the first time: see ``entity_state.usable_id``."""
        return (
            self.zoho_id != self.claim.zoho_id or self.claim.sent_hash is None or self.claim.sent_hash.startswith("?")
        )

    @property
    def _enqueues(self) -> bool:
        """Whether what it waits for is enqueued where nobody did."""
        wait = self.waits_for
        return wait is not None and wait.enqueue and wait.awaited is not Awaited.PACKAGE

    def as_json(self) -> dict[str, Any]:
        """The record that ``settle_claims.sql`` reads."""
        log = self.log
        return {
            "entity_id": str(self.claim.entity_id),
            "token": str(self.claim.lease.token),
            "phase": self.phase,
            "due_in": self.due_in,
            "urgency": self.urgency,
            "attempts": self.attempts,
            "entry_status": self.entry_status,
            "outcome": self.outcome,
            # Zoho's words and the row's values may hold what jsonb refuses.
            "error": _storable(self.error),
            "newest_entry": self.claim.newest_entry,
            "zoho_id": self.zoho_id,
            "host_zoho_id": self.host_zoho_id,
            "read_zoho_id": self.read_zoho_id,
            "sent_hash": self.sent_hash,
            "fate": self.fate,
            "waits_for_type": self.waits_for.awaited if self.waits_for else None,
            "waits_for_id": str(self.waits_for.id) if self.waits_for else None,
            "waits_for_dead": self.waits_for.dead if self.waits_for else None,
            "waits_for_rest": self.waits_for.rest if self.waits_for else None,
            "enqueues": self._enqueues,
            "unblocks": [
                {"entity_type": entity_type, "entity_id": str(entity_id)} for entity_type, entity_id in self.unblocks
            ],
            "taken_over": self.taken_over,
            "waiting_for": _storable(self.waiting_for),
            "show": self.show,
            "shown_error": _storable(self.shown_error),
            "log": None
            if log is None
            else {
                "zoho_entity_type": ZOHO_MODULES[self.claim.entity_type],
                "status": log.status,
                "attempt_number": log.attempt_number,
                "request_payload": log.request_payload,
                "response_payload": log.response_payload,
                "duration_ms": log.duration_ms,
                "api_calls": log.api_calls,
                "failure_class": log.failure_class,
                "zoho_code": log.zoho_code,
            },
        }


def done(
    claim: Claim,
    outcome: Outcome,
    *,
    zoho_id: str | None,
    read_zoho_id: str | None,
    sent_hash: str | None,
    log: AttemptLog | None = None,
    note: str | None = None,
    unblocks: Sequence[tuple[EntityType, UUID]] = (),
) -> Verdict:
    """What Zoho holds is the row. ``note`` is kept on the entry where something is worth saying all the same."""
    return Verdict(
        claim,
        Phase.IDLE,
        EntryStatus.DONE,
        attempts=claim.attempts,
        urgency=claim.urgency,
        zoho_id=zoho_id,
        host_zoho_id=zoho_id,
        read_zoho_id=read_zoho_id,
        sent_hash=sent_hash,
        fate=Fate.SETTLED,
        outcome=outcome,
        error=note,
        show=Show.SYNCED,
        log=log,
        unblocks=tuple(unblocks),
    )


def skipped(
    claim: Claim, reason: str, *, read_zoho_id: str | None, fate: Fate = Fate.KEEP, log: AttemptLog | None = None
) -> Verdict:
    """The row is not to be sent; the reason is kept."""
    return Verdict(
        claim,
        Phase.IDLE,
        EntryStatus.SKIPPED,
        attempts=claim.attempts,
        urgency=claim.urgency,
        zoho_id=claim.zoho_id,
        read_zoho_id=read_zoho_id,
        sent_hash=claim.sent_hash,
        outcome=Outcome.INELIGIBLE,
        error=reason,
        show=Show.SKIPPED,
        shown_error=reason,
        fate=fate,
        log=log,
    )


def dead(
    claim: Claim,
    reason: str,
    *,
    zoho_id: str | None,
    read_zoho_id: str | None,
    host_zoho_id: str | None = None,
    fate: Fate = Fate.KEEP,
    log: AttemptLog | None = None,
) -> Verdict:
    """It needs a person, or an edit of the row; ``reason`` ends with what to do next."""
    return Verdict(
        claim,
        Phase.DEAD,
        EntryStatus.DEAD,
        attempts=claim.attempts,
        urgency=claim.urgency,
        zoho_id=zoho_id,
        host_zoho_id=host_zoho_id,
        read_zoho_id=read_zoho_id,
        sent_hash=None,
        fate=fate,
        error=reason,
        show=Show.FAILED,
        shown_error=reason,
        log=log,
    )


def retried(
    claim: Claim,
    reason: str,
    *,
    seconds: float,
    zoho_id: str | None,
    read_zoho_id: str | None,
    sent_hash: str | None,
    host_zoho_id: str | None = None,
    fate: Fate = Fate.KEEP,
    counted: bool = True,
    log: AttemptLog | None = None,
) -> Verdict:
    """It is tried again in ``seconds``. ``counted`` false gives the attempt back: it was not the row's fault."""
    return Verdict(
        claim,
        Phase.SCHEDULED,
        EntryStatus.PENDING,
        attempts=claim.attempts if counted else claim.attempts - 1,
        urgency=max(claim.urgency, Urgency.RETRY) if counted else claim.urgency,
        zoho_id=zoho_id,
        host_zoho_id=host_zoho_id,
        read_zoho_id=read_zoho_id,
        sent_hash=sent_hash,
        fate=fate,
        due_in=seconds,
        error=reason,
        show=Show.RETRYING,
        shown_error=reason,
        log=log,
    )


def waiting(claim: Claim, wait: Wait, named: str, *, read_zoho_id: str | None) -> Verdict:
    """A prerequisite is not in Zoho yet: the attempt is given back. ``named`` is the prerequisite as people know it."""
    return Verdict(
        claim,
        Phase.WAITING,
        EntryStatus.WAITING,
        attempts=claim.attempts - 1,
        urgency=claim.urgency,
        zoho_id=claim.zoho_id,
        read_zoho_id=read_zoho_id,
        sent_hash=claim.sent_hash,
        show=Show.WAITING,
        shown_error=f"waiting for {named}",
        waits_for=wait,
        waiting_for=named,
    )


def released(claim: Claim, *, seconds: float = 0.0, fate: Fate = Fate.KEEP, error: str | None = None) -> Verdict:
    """Given back untouched: nothing was sent, the attempt does not count, the host row is not written."""
    return Verdict(
        claim,
        Phase.SCHEDULED if seconds > 0 else Phase.READY,
        EntryStatus.PENDING,
        attempts=claim.attempts - 1,
        urgency=claim.urgency,
        zoho_id=claim.zoho_id,
        read_zoho_id=None,
        sent_hash=claim.sent_hash,
        fate=fate,
        due_in=seconds,
        error=error if error is not None else claim.last_error,
        # Nothing was tried: it may still be what kills processes.
        taken_over=claim.taken_over,
    )


def nothing_left(claim: Claim) -> Verdict:
    """A claim that absorbed no entry: an operator's transaction holds them, or they were set aside."""
    return replace(released(claim), phase=Phase.IDLE)


def bare_log(claim: Claim, status: LogStatus, failure_class: FailureClass | None) -> AttemptLog:
    """A log row without its exchanges."""
    return AttemptLog(status, claim.attempts, duration_ms=0, api_calls=0, failure_class=failure_class)


def with_log(verdict: Verdict, log: AttemptLog) -> Verdict:
    """The verdict with its log row."""
    return replace(verdict, log=log)


def _storable(text: str | None) -> str | None:
    return None if text is None else storable(text)
