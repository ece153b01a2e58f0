"""``retry-failed``: reopens what is dead and makes what is between attempts due, type by type, and follows it.

Entries are set to pending as an operator would do it by SQL: attempts begin anew, what was last sent does not matter,
and Zoho is looked into before anything is created. Beside a daemon, which then sends; or sending by itself where none
runs. In order of dependence, so that what waits for a customer that failed is woken before its own type has its turn.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from outbox.assembly import Engine
from outbox.commands.backfill import Ended, Progress
from outbox.commands.looking import Looks
from outbox.commands.stand_in import Sending, StandIn, stand_in
from outbox.store.failed import FailedEntities, FailedEntity
from outbox.store.following import Follower, Reason, Reopened, Standing
from outbox.store.readings import Readings
from outbox.vocabulary import EntityType, EntryStatus, Phase
from outbox.wording import one_line

REOPENED_AT_ONCE = 100
"""Entries in one transaction."""


class RetryFailed:
    """One run. ``sending`` sends for a block, for where no daemon does."""

    def __init__(self, engine: Engine, *, sending: Sending) -> None:
        self._engine = engine
        self._sending = sending
        self._failed = FailedEntities(engine.database)
        self._follower = Follower(engine.database)
        self._readings = Readings(engine.database)

    async def run(self, types: Sequence[EntityType], show: Callable[[Progress], None]) -> Ended:
        """Reopens and follows to the end. ``show`` is told where it stands. ``types`` in order of dependence.

        Raises ``WrongDatabase``, ``DatabaseUnavailable``.
        """
        async with stand_in(self._engine, self._sending) as sender:
            return await self._stages(types, show, sender)

    async def _stages(self, types: Sequence[EntityType], show: Callable[[Progress], None], sender: StandIn) -> Ended:
        followed: list[int] = []
        for entity_type in types:
            reopened = await self._reopen(entity_type)
            followed += reopened
            await self._follow(entity_type, Reopened(reopened), show, sender)
        run = Reopened(followed)
        return Ended(await self._follower.standing(run), await self._follower.reasons(run))

    async def _reopen(self, entity_type: EntityType) -> list[int]:
        entries = [failed.entry for failed in await self._failed.of([entity_type])]
        reopened: list[int] = []
        for place in range(0, len(entries), REOPENED_AT_ONCE):
            reopened += await self._failed.reopen(entries[place : place + REOPENED_AT_ONCE])
        return reopened

    async def _follow(
        self, entity_type: EntityType, run: Reopened, show: Callable[[Progress], None], sender: StandIn
    ) -> None:
        quiet = 0
        looks = Looks(self._engine.clock)
        while run.ids:
            await sender.check()
            looks.begin()
            standing = await self._follower.standing(run)
            progress = await self._progress(entity_type, len(run.ids), standing)
            show(progress)
            quiet = 0 if progress.moving else quiet + 1
            # One that waits may have enqueued what it waits for, which shows a moment later.
            if quiet > (1 if progress.waiting else 0):
                return
            await looks.pause(progress.moving)

    async def _progress(self, entity_type: EntityType, total: int, standing: Standing) -> Progress:
        settings = self._engine.settings
        budget = await self._readings.budget(settings.zoho_time_zone)
        limit = settings.zoho_daily_request_limit
        return Progress(
            entity_type=entity_type,
            total=total,
            done=standing.count(entity_type, EntryStatus.DONE),
            skipped=standing.count(entity_type, EntryStatus.SKIPPED),
            waiting=standing.count(entity_type, EntryStatus.WAITING),
            dead=standing.count(entity_type, EntryStatus.DEAD),
            moving=standing.moving(entity_type),
            later=standing.later[entity_type],
            state=await self._engine.organisation.now(),
            # What an operator starts may use the reserve.
            requests_left=max(limit - int(budget["requests"]), 0) if limit else None,
        )


def by_phase(failed: Sequence[FailedEntity]) -> Counter[tuple[EntityType, Phase]]:
    """How many are dead, and how many between attempts."""
    return Counter((each.entity_type, each.phase) for each in failed)


def reasons_of(failed: Sequence[FailedEntity]) -> list[Reason]:
    """Why they failed, the most frequent of each type and phase first, each with an example."""
    status = {Phase.DEAD: EntryStatus.DEAD, Phase.SCHEDULED: EntryStatus.PENDING}
    counted = Counter((each.entity_type, each.phase, one_line(each.last_error)) for each in failed)
    example = {(each.entity_type, each.phase, one_line(each.last_error)): each.entity_id for each in reversed(failed)}
    order = list(EntityType)
    return [
        Reason(entity_type, status[phase], reason, entries, example[entity_type, phase, reason])
        for (entity_type, phase, reason), entries in sorted(
            counted.items(), key=lambda item: (order.index(item[0][0]), item[0][1], -item[1])
        )
    ]
