"""Following what a command enqueued or reopened, type by type, until nothing of it moves any more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from outbox.assembly import Engine
from outbox.commands.pace import Pace
from outbox.commands.stand_in import StandIn
from outbox.settings import Settings
from outbox.store.following import Follower, Reason, Reopened, Run, Standing
from outbox.store.organisation import OrganisationNow
from outbox.store.readings import Readings
from outbox.vocabulary import EntityType, EntryStatus, Urgency


@dataclass(frozen=True)
class Progress:
    """A moment of a run that is followed: where the entries of one type stand."""

    entity_type: EntityType
    total: int
    done: int
    skipped: int
    waiting: int
    dead: int
    moving: int
    later: int
    """Between attempts, for longer than a minute."""
    state: OrganisationNow
    requests_left: int | None
    """Of the day, for work of that urgency; None: no limit."""


@dataclass(frozen=True)
class Ended:
    """How a run ended. ``stopped``: why before its end."""

    standing: Standing
    reasons: Sequence[Reason]
    stopped: str | None = None

    @property
    def failed(self) -> bool:
        """Whether a person must look."""
        dead = sum(self.standing.count(entity_type, EntryStatus.DEAD) for entity_type in EntityType)
        return dead > 0 or self.stopped is not None


def goes_on(_: Progress) -> None:
    """Nothing that shows stops the run."""


async def follow(
    engine: Engine,
    run: Run | Reopened,
    entity_type: EntityType,
    total: int,
    *,
    urgency: Urgency,
    sender: StandIn,
    show: Callable[[Progress], None],
    why_stop: Callable[[Progress], str | None] = goes_on,
) -> str | None:
    """Until none of the ``total`` entries of the type moves any more, or ``why_stop`` gives a reason: that, or None."""
    follower = Follower(engine.database)
    readings = Readings(engine.database)
    pace = Pace(engine.clock)
    quiet = 0
    while total:
        await sender.check()
        pace.begin()
        standing = await follower.standing(run)
        budget = await readings.budget(engine.settings.zoho_time_zone)
        progress = Progress(
            entity_type=entity_type,
            total=total,
            done=standing.count(entity_type, EntryStatus.DONE),
            skipped=standing.count(entity_type, EntryStatus.SKIPPED),
            waiting=standing.count(entity_type, EntryStatus.WAITING),
            dead=standing.count(entity_type, EntryStatus.DEAD),
            moving=standing.moving(entity_type),
            later=standing.later[entity_type],
            state=await engine.organisation.now(),
            requests_left=_requests_left(engine.settings, int(budget["requests"]), urgency),
        )
        show(progress)
        if (reason := why_stop(progress)) is not None:
            return reason
        quiet = 0 if progress.moving else quiet + 1
        # One that waits may have enqueued what it waits for, which shows a moment later.
        if quiet > (1 if progress.waiting else 0):
            return None
        await pace.pause(progress.moving)
    return None


def _requests_left(settings: Settings, requests: int, urgency: Urgency) -> int | None:
    limit = settings.zoho_daily_request_limit
    if not limit:
        return None
    reserve = 0 if urgency.may_use_reserve else settings.zoho_live_reserve_percent
    return max(limit * (100 - reserve) // 100 - requests, 0)
