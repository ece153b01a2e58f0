"""Whether anything may be claimed, and how urgent it must be.

What stops everybody is the organisation's state, shared by all replicas (:mod:`outbox.store.organisation`). What this
process knows beside it: whether the organisation was ever verified to be ours, and until when it would only be sent
away again. A claim that cannot lead to a request would take a lease for nothing.
"""

import math
from contextlib import suppress
from datetime import UTC

import psycopg
import structlog

from outbox.assembly import Engine
from outbox.database import DatabaseUnavailable
from outbox.logs import Event
from outbox.store.installation import record_organisation
from outbox.vocabulary import OrganisationState, Urgency
from outbox.zoho.failures import CallFailed
from outbox.zoho.organisations import OrganisationRefused, verify_organisation
from outbox.zoho.ports import SendingStopped

FIRST_UNVERIFIED_SECONDS, LONGEST_UNVERIFIED_SECONDS = 5.0, 900.0
"""Between questions whether the organisation is ours, while Zoho does not say: doubled each time."""

LONGEST_STOP_SECONDS = 60.0
"""After being sent away for want of budget or token."""


def doubled(first: float, times: int, longest: float) -> float:
    """Seconds of a pause that doubles ``times``, up to ``longest``. Also in the 1,025th idle poll of a night: a float
    would overflow."""
    return min(first * 2.0 ** min(times, 30), longest)


class Gate:
    """What one process knows of whether sending can lead to anything."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._low_urgency_from = self._any_urgency_from = -math.inf
        """Not before: on the monotonic clock."""
        self._verified = False
        self._unverified_said = ""
        self._unverified_times = 0
        self._log = structlog.get_logger()
        self.was_open = False
        """Whether the organisation was running when it was asked last, and is known to be ours."""

    @property
    def is_open(self) -> bool:
        """Whether a claim may go before the next question."""
        return self.was_open and self._engine.clock.monotonic() >= self._any_urgency_from

    @property
    def least_urgent(self) -> Urgency:
        """What may be claimed: the day's reserve is for live changes."""
        if self._engine.clock.monotonic() < self._low_urgency_from:
            return Urgency.BULK
        return Urgency.RECONCILE

    @property
    def seconds_stopped(self) -> float:
        """Until something may be claimed that may not be now; not above zero: nothing is held back."""
        return max(self._any_urgency_from, self._low_urgency_from) - self._engine.clock.monotonic()

    def shut(self) -> None:
        """The organisation is asked before the next claim."""
        self.was_open = False

    async def ask(self) -> bool:
        """Whether asking for permission can lead to anything. Says what is to be said of the organisation."""
        self.was_open = await self._may_send()
        return self.was_open

    async def _may_send(self) -> bool:
        engine = self._engine
        now = await engine.organisation.now()
        if not now.is_told:
            await engine.organisation.tell()
        if not now.may_try or engine.clock.monotonic() < self._any_urgency_from:
            return False
        return await self._organisation_verified()

    async def _organisation_verified(self) -> bool:
        """Asks Zoho once whether this is the organisation that the settings mean. Nothing is claimed before."""
        if self._verified:
            return True
        engine = self._engine
        try:
            organisation = await verify_organisation(engine.client, engine.settings)
        except CallFailed as failed:
            await engine.organisation.failed(failed.failure)
            self._say_unverified(f"{failed.failure}: {failed.failure.advice}")
            # The host's writes ring the bell all the time: each would cost a request of the day.
            self._any_urgency_from = engine.clock.monotonic() + doubled(
                FIRST_UNVERIFIED_SECONDS, self._unverified_times, LONGEST_UNVERIFIED_SECONDS
            )
            self._unverified_times += 1
            return False
        except SendingStopped as stop:
            self.heed(stop, Urgency.LIVE)
            await self.say_used_up(stop)
            return False
        except OrganisationRefused as refusal:
            await engine.organisation.refused(str(refusal))
            return False
        await engine.organisation.answered()
        await record_organisation(engine.database, organisation)
        self._verified = True
        self._log.info(
            Event.ORGANISATION_VERIFIED,
            organisation=organisation.id,
            name=organisation.name,
            mode=organisation.mode,
            remarks=list(organisation.remarks),
        )
        return True

    def _say_unverified(self, reason: str) -> None:
        """Once for each reason: nothing is sent until the organisation is known."""
        if reason != self._unverified_said:
            self._unverified_said = reason
            self._log.warning(Event.ORGANISATION_UNVERIFIED, reason=reason)

    def heed(self, stop: SendingStopped, urgency: Urgency) -> None:
        """Somebody was sent away. Nothing of this urgency is claimed while it would only be sent away again; the
        organisation is asked anew before the next claim, what is used up within a minute."""
        self.shut()
        if stop.state is not OrganisationState.THROTTLED:
            # A resume rings; other ends are found by polling.
            return
        clock = self._engine.clock
        wait = (stop.until - clock.now(UTC)).total_seconds() if stop.until is not None else LONGEST_STOP_SECONDS
        again = clock.monotonic() + min(max(wait, 1.0), LONGEST_STOP_SECONDS)
        if urgency.may_use_reserve:
            self._any_urgency_from = again
        else:
            self._low_urgency_from = again

    async def say_used_up(self, stop: SendingStopped) -> None:
        """Once for all replicas."""
        if not stop.is_told:
            # Where the database is away whoever is sent away next says it.
            with suppress(DatabaseUnavailable, psycopg.Error):
                await self._engine.organisation.used_up(stop)
