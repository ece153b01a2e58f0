"""What stops all sending, shared by all replicas: paused, throttled, broken, forbidden.

Each report is one statement; each returns whether something changed, so that it is logged once by whoever changed it.
"""

from dataclasses import dataclass
from datetime import datetime

import structlog

from outbox.database import Database
from outbox.logs import Event
from outbox.masking import mask_message
from outbox.store.statements import statement
from outbox.vocabulary import FailureClass, OrganisationState
from outbox.zoho.failures import Failure, FailureKind

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

    async def now(self) -> OrganisationNow:
        """The state as it stands."""
        row = await self._database.row(statement("read_organisation"))
        if row is None:
            raise LookupError("zoho_outbox_private.organisation is empty; run zoho-outbox migrate")
        return OrganisationNow(
            OrganisationState(row["state"]),
            row["since"],
            row["until"],
            row["why"],
            row["probe_due"],
            row["last_good_reply_at"],
        )

    async def answered(self) -> None:
        """Zoho answered well."""
        row = await self._database.row(statement("report_good_reply"))
        if row is not None and (row["was_broken"] or row["was_forbidden"]):
            self._log.info(Event.ORGANISATION_RUNNING, after="broken" if row["was_broken"] else "forbidden")

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
        row = await self._database.row(
            statement("report_throttled"),
            {
                "until_tomorrow": until_tomorrow,
                "seconds": failure.retry_after_seconds or 0.0,
                "time_zone": self._time_zone,
                "why": _words(failure),
            },
        )
        if row is not None and not row["was_throttled"]:
            self._log.warning(
                Event.ORGANISATION_THROTTLED,
                until=str(row["throttled_until"]),
                reason=_words(failure),
                advice=failure.advice,
            )

    async def _forbidden(self, failure: Failure) -> None:
        why = f"{_words(failure)}: {failure.advice}"
        await self.refused(why)

    async def refused(self, why: str) -> None:
        """The settings and the organisation do not belong together: a person must act."""
        row = await self._database.row(statement("report_forbidden"), {"why": why})
        if row is not None and not row["was_forbidden"]:
            self._log.error(Event.ORGANISATION_FORBIDDEN, reason=why)

    async def probe_at_once(self) -> None:
        """A process starts, perhaps with mended credentials."""
        await self._database.execute(statement("probe_at_once"))

    async def _outage(self, failure: Failure) -> bool:
        row = await self._database.row(
            statement("report_outage"), {"opens_at": BREAKER_OPENS_AT, "why": _words(failure)}
        )
        if row is not None and row["opened"]:
            self._log.warning(Event.ORGANISATION_BROKEN, reason=_words(failure), advice=failure.advice)
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
