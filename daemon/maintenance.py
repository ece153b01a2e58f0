"""What must happen now and then: heartbeat, take-over of expired leases, late write-backs, wake-up sweep, pruning."""

from collections.abc import Awaitable, Callable

import anyio
import structlog

from daemon.dispatcher import Dispatcher
from daemon.supervision import Supervisor
from outbox.assembly import Engine
from outbox.clock import Clock
from outbox.logs import Event
from outbox.store.housekeeping import Pruner
from outbox.vocabulary import EntityType

HEARTBEAT = "heartbeat"
MAINTENANCE = "maintenance"

ROUND_SECONDS = 10.0
"""Between rounds; nothing that probes runs more often."""

PRUNE_SECONDS = 3600.0

WRITE_BACKS = 100
WRITE_BACK_SECONDS = 2.0
"""After which the rest of the late status columns is left for the next round."""


async def keep_alive(
    engine: Engine, dispatcher: Dispatcher, supervisor: Supervisor, listening: Callable[[], bool]
) -> None:
    """Renews the leases that are held, every ten seconds and three times within each at least; says that we live."""
    lease, request = engine.settings.outbox_lease_seconds, engine.settings.zoho_request_timeout_seconds
    # Often enough that a lease always has room for another request, also where it is hardly longer than one.
    pause = max(0.5, min(lease / 3, ROUND_SECONDS, (lease - request) / 3))
    while True:
        await engine.store.renew(dispatcher.held)
        await engine.sessions.heartbeat(listening=listening(), draining=dispatcher.draining)
        supervisor.progress(HEARTBEAT)
        await anyio.sleep(pause)


async def maintain(engine: Engine, dispatcher: Dispatcher, supervisor: Supervisor) -> None:
    """One round every ten seconds; every hour a pruning, which goes on from round to round until it is through."""
    log = structlog.get_logger()
    pruner = Pruner(engine.database, engine.settings.outbox_retention_days, engine.clock)
    next_prune = engine.clock.monotonic()
    while True:
        for row in await engine.store.reclaim():
            log.warning(
                Event.LEASE_TAKEN_OVER,
                entity_type=row["entity_type"],
                entity_id=str(row["entity_id"]),
                from_session=str(row["lease_session"]),
            )
            dispatcher.meter.took_over(EntityType(row["entity_type"]))
            dispatcher.wake()
        await write_back_late(engine.store.write_back, engine.clock)
        if await engine.store.wake(None) + await engine.store.wake_published():
            dispatcher.wake()
        if engine.clock.monotonic() >= next_prune and await pruner.portion():
            next_prune = engine.clock.monotonic() + PRUNE_SECONDS
            if pruner.deleted.entries or pruner.deleted.log_rows:
                log.info(Event.PAST_PRUNED, entries=pruner.deleted.entries, log_rows=pruner.deleted.log_rows)
        supervisor.progress(MAINTENANCE)
        await anyio.sleep(ROUND_SECONDS)


async def write_back_late(write_back: Callable[[int], Awaitable[int]], clock: Clock) -> None:
    """Status columns that settlement left, because an application held the rows: batch after batch.

    One batch a round would show the last of 10,000 customers 17 minutes after the application let go of them. What it
    still holds is tried again 5 s later, so this ends.
    """
    until = clock.monotonic() + WRITE_BACK_SECONDS
    while await write_back(WRITE_BACKS) >= WRITE_BACKS and clock.monotonic() < until:
        pass
