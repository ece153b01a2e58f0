"""What stops all sending, shared by all replicas: paused, throttled, broken, forbidden.

Each report is one statement. A state is entered and left once in the logs of all replicas and commands together: the
database remembers what was told last (``tell_organisation.sql``), and whoever moves that writes the line. A process
that dies between the two takes the line with it; the state itself stands, and ``status`` shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import anyio
import structlog

from outbox.database import Database, Row
from outbox.database.batching import Batched
from outbox.logs import Event
from outbox.masking import mask_message
from outbox.store.statements import statement
from outbox.vocabulary import FailureClass, OrganisationState
from outbox.zoho.failures import Failure, FailureKind
from outbox.zoho.ports import SendingStopped

BREAKER_OPENS_AT = 5
"""Outages in a row, of whichever entities, that open the breaker."""


@dataclass(frozen=True)
class OrganisationNow:
    """The state that outranks the others, since and until when, and why."""

    state: OrganisationState
    since: datetime | None
    until: datetime | None
    why: str | None
    probe_due: bool
    last_good_reply_at: datetime | None
    is_told: bool
    """False: its line in the log is still to be written, by :meth:`OrganisationStore.tell`."""

    @property
    def may_try(self) -> bool:
        """Whether asking for permission can lead to anything."""
        return self.state is OrganisationState.RUNNING or self.probe_due


class OrganisationStore:
    """Reads and reports the organisation's state."""

    def __init__(self, database: Database, time_zone: str) -> None:
        self._database = database
        self._time_zone = time_zone
        self._log = structlog.get_logger()
        self._good_replies = Batched(self._report_good)

    async def now(self) -> OrganisationNow:
        """The state as it stands."""
        row = await self._database.row(statement("read_organisation"), prepare=True)
        if row is None:
            raise LookupError("zoho_outbox_private.organisation is empty; run zoho-outbox migrate")
        return OrganisationNow(
            OrganisationState(row["state"]),
            row["since"],
            row["until"],
            row["why"],
            row["probe_due"],
            row["last_good_reply_at"],
            is_told=row["told"] == row["state"] and not row["stop_is_over"],
        )

    async def tell(self, advice: str | None = None) -> None:
        """Logs the state where nobody has done so yet, and what is open again that was used up."""
        row = await self._database.row(statement("tell_organisation"))
        if row is not None:
            self._tell_state(row, advice)
        over = await self._database.row(statement("tell_stop_over"))
        if over is not None:
            self._log.info(Event.BUDGET_OPEN, after=over["reason"])

    def _tell_state(self, row: Row, advice: str | None) -> None:
        facts = {"reason": row["why"], "since": str(row["since"])}
        advised = {} if advice is None else {"advice": advice}
        match OrganisationState(row["state"]):
            case OrganisationState.RUNNING:
                self._log.info(Event.ORGANISATION_RUNNING, after=row["earlier"])
            case OrganisationState.PAUSED:
                self._log.warning(Event.ORGANISATION_PAUSED, **facts)
            case OrganisationState.THROTTLED:
                self._log.warning(Event.ORGANISATION_THROTTLED, **facts, until=str(row["until"]), **advised)
            case OrganisationState.BROKEN:
                self._log.warning(Event.ORGANISATION_BROKEN, **facts, probe_at=str(row["until"]), **advised)
            case OrganisationState.FORBIDDEN:
                self._log.error(Event.ORGANISATION_FORBIDDEN, **facts, probe_at=str(row["until"]))

    async def used_up(self, stop: SendingStopped) -> None:
        """Something is used up until a moment (a day's share, the tokens of ten minutes): logged once for all."""
        row = await self._database.row(statement("tell_stop"), {"reason": stop.reason, "until": stop.until})
        if row is not None:
            self._log.warning(Event.BUDGET_SPENT, reason=stop.reason, until=str(stop.until or "a person acts"))

    async def answered(self, seconds: float = 0.0) -> None:
        """Zoho answered well, to something that was begun so many seconds ago."""
        await self._good_replies.ask(anyio.current_time() - seconds)

    async def _report_good(self, begun: Sequence[float]) -> Sequence[None]:
        # What was begun last says most: where that was after a refusal, the refusal is over.
        seconds = anyio.current_time() - max(begun)
        row = await self._database.row(statement("report_good_reply"), {"seconds": seconds}, prepare=True)
        if row is not None and (row["was_broken"] or row["was_forbidden"]):
            await self.tell()
        return [None] * len(begun)

    async def failed(self, failure: Failure) -> bool:
        """Zoho failed; whether that stops the organisation, so that it is no row's fault."""
        match failure.failure_class:
            case FailureClass.THROTTLED:
                await self._throttled(failure)
                return True
            case FailureClass.AUTH:
                await self._forbidden(failure)
                return True
            case FailureClass.OUTAGE:
                return await self._outage(failure)
            case FailureClass.TRANSIENT | FailureClass.AMBIGUOUS:
                # Time-outs and lost connections are Zoho's trouble more often than the row's, but one row can cause
                # them: they feed the breaker and burn the attempt until it opens.
                return failure.kind in _ALSO_OUTAGE and await self._outage(failure)
            case FailureClass.PERMANENT:
                return False

    async def _throttled(self, failure: Failure) -> None:
        until_tomorrow = failure.kind is FailureKind.THROTTLED_DAY and failure.retry_after_seconds is None
        await self._database.execute(
            statement("report_throttled"),
            {
                "until_tomorrow": until_tomorrow,
                "seconds": failure.retry_after_seconds or 0.0,
                "time_zone": self._time_zone,
                "why": _words(failure),
            },
        )
        await self.tell(failure.advice)

    async def _forbidden(self, failure: Failure) -> None:
        why = f"{_words(failure)}: {failure.advice}"
        await self.refused(why)

    async def refused(self, why: str) -> None:
        """The settings and the organisation do not belong together: a person must act."""
        await self._database.execute(statement("report_forbidden"), {"why": why})
        await self.tell()

    async def probe_at_once(self) -> None:
        """A process starts, perhaps with mended credentials."""
        await self._database.execute(statement("probe_at_once"))

    async def _outage(self, failure: Failure) -> bool:
        row = await self._database.row(
            statement("report_outage"), {"opens_at": BREAKER_OPENS_AT, "why": _words(failure)}
        )
        if row is not None and row["opened"]:
            await self.tell(failure.advice)
        return row is not None and bool(row["broken"])


def _words(failure: Failure) -> str:
    """Zoho's words without the names that they may quote."""
    return mask_message(str(failure))


_ALSO_OUTAGE = frozenset(
    {
        FailureKind.SERVER_ERROR,
        FailureKind.NOT_ZOHO,
        FailureKind.UNREADABLE,
        FailureKind.CONNECTION_LOST,
        FailureKind.TIMED_OUT,
        FailureKind.TRUNCATED,
    }
)
