"""Commands that enqueue and follow to the end: beside a daemon, or sending by themselves where none runs."""

from collections.abc import Callable, Sequence

from rich.console import Console

from daemon.draining import sending
from outbox.assembly import CONNECTIONS, open_engine
from outbox.clock import SystemClock
from outbox.commands import backfill_screen
from outbox.commands.backfill import Backfill
from outbox.commands.backfill_plan import Planner
from outbox.commands.failures import CommandFailed
from outbox.commands.opening import open_database
from outbox.commands.retry import RetryFailed, by_phase, reasons_of
from outbox.commands.sync import stopped_because
from outbox.entities.registry import ENTITIES
from outbox.sending.catalogue import Catalogues
from outbox.sending.terms import SendingTerms
from outbox.settings import DatabaseSettings, Settings
from outbox.store.catalogue import CatalogueStore
from outbox.store.failed import FailedEntities
from outbox.vocabulary import EntityType, Phase
from outbox.wording import columns


async def backfill(
    settings: Settings,
    types: Sequence[EntityType],
    *,
    batch_size: int,
    dry_run: bool,
    show: Callable[[str], None],
    on_secret: Callable[..., None],
) -> int:
    """Runs a backfill; returns the exit status. Raises as :func:`outbox.assembly.open_engine`."""
    async with open_database(settings, connections=CONNECTIONS) as database:
        if dry_run:
            # No engine: that would store the database's identity at the first run.
            planner = Planner(
                database,
                ENTITIES,
                Catalogues(CatalogueStore(database)),
                terms=SendingTerms.from_settings(settings, payloads_allowed=False),
                clock=SystemClock(),
            )
            show("\n".join(backfill_screen.plan_lines(await planner.plan(types), settings)))
            return 0
        if not settings.enable_zoho_sync:
            raise CommandFailed("ENABLE_ZOHO_SYNC is false: nothing is sent; set it to true to run a backfill")
        async with open_engine(settings, database, kind="command", on_secret=on_secret) as engine:
            if (stopped := stopped_because(await engine.organisation.now())) is not None:
                raise CommandFailed(f"nothing was enqueued, {stopped}")
            sender = engine.sender
            plan = await Planner(
                database, engine.entities, sender.catalogues, terms=sender.terms, clock=engine.clock
            ).plan(types)
            with backfill_screen.following(Console(stderr=True)) as follow:
                ended = await Backfill(engine, batch_size=batch_size, sending=sending).run(plan, follow)
            show("\n".join(backfill_screen.ended_lines(ended, types)))
            return 1 if ended.failed else 0


NOTHING_FAILED = "nothing is dead, and nothing is between attempts"


async def what_failed(settings: DatabaseSettings, types: Sequence[EntityType]) -> str:
    """What :func:`retry_failed` would take up, and why it failed. Reads the database and nothing else."""
    async with open_database(settings) as database:
        failed = await FailedEntities(database).of(types)
    if not failed:
        return NOTHING_FAILED
    counts = by_phase(failed)
    rows = [(kind, str(counts[kind, Phase.DEAD]), str(counts[kind, Phase.SCHEDULED])) for kind in types]
    table = columns(("type", "dead", "retrying"), rows, right=frozenset({"dead", "retrying"}))
    return "\n".join([*table, *backfill_screen.reason_lines(reasons_of(failed))])


async def retry_failed(
    settings: Settings,
    types: Sequence[EntityType],
    *,
    show: Callable[[str], None],
    on_secret: Callable[..., None],
) -> int:
    """Reopens what failed and follows it; returns the exit status. Raises as :func:`outbox.assembly.open_engine`."""
    if not settings.enable_zoho_sync:
        raise CommandFailed("ENABLE_ZOHO_SYNC is false: nothing is sent; set it to true to retry")
    async with open_database(settings, connections=CONNECTIONS) as database:
        if not await FailedEntities(database).of(types):
            show(NOTHING_FAILED)
            return 0
        async with open_engine(settings, database, kind="command", on_secret=on_secret) as engine:
            if (stopped := stopped_because(await engine.organisation.now())) is not None:
                raise CommandFailed(f"nothing was reopened, {stopped}")
            with backfill_screen.following(Console(stderr=True)) as follow:
                ended = await RetryFailed(engine, sending=sending).run(types, follow)
            show("\n".join(backfill_screen.ended_lines(ended, types)))
            return 1 if ended.failed else 0
