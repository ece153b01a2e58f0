"""What must happen now and then: heartbeat, take-over of expired leases, late write-backs, wake-up sweep, pruning."""

from collections.abc import Callable

import anyio
import structlog

from daemon.dispatcher import Dispatcher
from daemon.supervision import Supervisor
from outbox.assembly import Engine
from outbox.logs import Event
from outbox.store.housekeeping import Pruner
from outbox.vocabulary import EntityType

HEARTBEAT = "heartbeat"
MAINTENANCE = "maintenance"

ROUND_SECONDS = 10.0
"""Between rounds; nothing that probes runs more often."""

PRUNE_SECONDS = 3600.0


async def keep_alive(
    engine: Engine, dispatcher: Dispatcher, supervisor: Supervisor, listening: Callable[[], bool]
) -> None:
    """Renews the leases that are held, three times within each, and says that this process lives."""
    lease, request = engine.settings.outbox_lease_seconds, engine.settings.zoho_request_timeout_seconds
    # Often enough that a lease always has room for another request, also where it is hardly longer than one.
    pause = max(0.5, min(lease / 3, ROUND_SECONDS, (lease - request) / 3))
    while True:
        await engine.store.renew(dispatcher.held)
        await engine.sessions.heartbeat(listening=listening(), draining=dispatcher.draining)
        supervisor.progress(HEARTBEAT)
        await anyio.sleep(pause)


async def maintain(engine: Engine, dispatcher: Dispatcher, supervisor: Supervisor) -> None:
    """One round every few seconds; every hour a pruning, which goes on from round to round until it is through."""
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
        await engine.store.write_back()
        if await engine.store.wake(None) + await engine.store.wake_published():
            dispatcher.wake()
        if engine.clock.monotonic() >= next_prune and await pruner.portion():
            next_prune = engine.clock.monotonic() + PRUNE_SECONDS
            if pruner.deleted.entries or pruner.deleted.log_rows:
                log.info(Event.PAST_PRUNED, entries=pruner.deleted.entries, log_rows=pruner.deleted.log_rows)
        supervisor.progress(MAINTENANCE)
        await anyio.sleep(ROUND_SECONDS)
