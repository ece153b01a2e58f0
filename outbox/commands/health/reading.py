"""Gathers what health and alerts are judged by. A reading that cannot be made says why, and what lets it be made."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio
import psycopg

from outbox.commands.health.findings import CouldNot, Evidence, HealthSettings, without_database
from outbox.database import Database, DatabaseUnavailable
from outbox.store.health import HealthStore, HiddenRows, Holder

T = TypeVar("T")

SECOND_LOOK_SECONDS = 2.0
"""Between two looks at snapshots of unknown age: what is gone by then was passing."""

AS_OPERATOR = "A member of zoho_outbox_operator may: GRANT zoho_outbox_operator TO that role."
AS_DAEMON = "Connect as zoho_outbox_daemon; where that is the role, zoho-outbox migrate grants what is missing."


async def reading(work: Callable[[], Awaitable[T]], grant: str) -> T | CouldNot:
    """``work``'s result. ``grant``: what lets a role make this reading."""
    try:
        return await work()
    except HiddenRows as hidden:
        return CouldNot(str(hidden), grant)
    except DatabaseUnavailable as gone:
        return CouldNot(
            f"the database did not answer ({gone})", "Look at the server, and say it again.", no_answer=True
        )
    except psycopg.errors.InsufficientPrivilege as lacking:
        return CouldNot(f"the role in DATABASE_URL lacks a right ({_first_line(lacking)})", grant)
    except (
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedColumn,
        psycopg.errors.UndefinedFunction,
        psycopg.errors.InvalidSchemaName,
        LookupError,
    ) as missing:
        return CouldNot(f"the database is not migrated ({_first_line(missing)})", "Run zoho-outbox migrate.")
    except psycopg.Error as error:
        return CouldNot(f"the database refuses: {_first_line(error)}", "Report it.")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


async def gather(database: Database, settings: HealthSettings) -> Evidence:
    """Every reading, one after the other: together they take a fraction of a second, and leave the server its rest."""
    store = HealthStore(database)

    async def read(work: Callable[[], Awaitable[T]], grant: str = AS_OPERATOR) -> T | CouldNot:
        found = await reading(work, grant)
        if isinstance(found, CouldNot) and found.no_answer:
            # One statement that takes too long, or the database: which, this tells. Else each of the rest would wait.
            await store.base()
        return found

    try:
        return Evidence(
            base=await store.base(),
            daemons=await read(store.daemons),
            pending=await read(lambda: store.pending(settings.health_pending_seconds)),
            retrying=await read(lambda: store.retrying(settings.health_retrying_seconds)),
            processing=await read(lambda: store.processing(settings.health_processing_seconds)),
            past_due=await read(lambda: store.past_due(settings.outbox_poll_seconds)),
            holders=await read(lambda: holders(store, settings.health_snapshot_seconds)),
            attempts=await read(store.attempts),
            throttling=await read(store.throttling),
            stops=await read(store.stops),
            triggers=await read(store.triggers),
            synced=await read(
                lambda: store.synced(
                    recurring_billing=settings.zoho_recurring_billing, on_suspend=settings.zoho_on_suspend
                ),
                AS_DAEMON,
            ),
            dead=await read(store.dead),
            old_failures=await read(lambda: store.dead(settings.health_failure_age_days * 86400.0)),
            affected=await read(store.affected_customers, AS_DAEMON),
        )
    except DatabaseUnavailable as away:
        return without_database(str(away))
    except psycopg.OperationalError as away:
        return without_database(_first_line(away))


async def holders(store: HealthStore, limit: float) -> Sequence[Holder]:
    """Holders of snapshots. Of those whose age this role may not see, only what is there at a second look too."""
    first = await store.holders(limit)
    if all(holder.seconds is not None for holder in first):
        return first
    await anyio.sleep(SECOND_LOOK_SECONDS)
    second = await store.holders(limit)
    lasting = {(holder.pid, holder.xmin) for holder in first if holder.seconds is None}
    return [holder for holder in second if holder.seconds is not None or (holder.pid, holder.xmin) in lasting]
