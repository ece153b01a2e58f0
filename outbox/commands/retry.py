"""``retry-failed``: reopens what is dead and makes what is between attempts due, type by type, and follows it.

Entries are set to pending as an operator would do it by SQL: attempts begin anew, what was last sent does not matter,
and Zoho is looked into before anything is created. Beside a daemon, which then sends; or sending by itself where none
runs. In order of dependence, so that what waits for a customer that failed is woken before its own type has its turn.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from outbox.assembly import Engine
from outbox.commands.follow import Ended, Progress, follow
from outbox.commands.stand_in import Sending, StandIn, stand_in
from outbox.store.failed import FailedEntities, FailedEntity
from outbox.store.following import Follower, Reason, Reopened
from outbox.vocabulary import EntityType, EntryStatus, Phase, Urgency
from outbox.wording import one_line

REOPENED_AT_ONCE = 250
"""Entries in one transaction: more than BULK_THRESHOLD, so that they are of class bulk, behind what is live."""


class RetryFailed:
    """One run. ``sending`` sends for a block, for where no daemon does."""

    def __init__(self, engine: Engine, *, sending: Sending) -> None:
        self._engine = engine
        self._sending = sending
        self._failed = FailedEntities(engine.database)
        self._follower = Follower(engine.database)

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
            await follow(
                self._engine,
                Reopened(reopened),
                entity_type,
                len(reopened),
                # What an operator starts may use the reserve.
                urgency=Urgency.RETRY,
                sender=sender,
                show=show,
            )
        run = Reopened(followed)
        return Ended(await self._follower.standing(run), await self._follower.reasons(run))

    async def _reopen(self, entity_type: EntityType) -> list[int]:
        entries = [failed.entry for failed in await self._failed.of([entity_type])]
        reopened: list[int] = []
        for place in range(0, len(entries), REOPENED_AT_ONCE):
            reopened += await self._failed.reopen(entries[place : place + REOPENED_AT_ONCE])
        return reopened


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
