"""What the capture triggers cost the host's transactions.

Each measure runs on a database of its own that was just copied from a template, so nobody pays for what another left
behind. Variants take turns within a round, in an order that is reversed from round to round; a ratio is made of two
runs of one round, and the table shows the median over the rounds.

The server keeps fsync on and, unless told otherwise, synchronous_commit off: with it on, both sides wait for the disk
most of the time, and every ratio drifts towards 1. Off is the severe way to look.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median

import psycopg
from rich.progress import Progress

from outbox.demo.postgres_server import PostgresServer
from tests.bench.pgbench import Pgbench
from tests.bench.report import Ratio, Report, machine
from tests.host.databases import Database, Databases, DatabaseTemplate
from tests.host.shapes import HostShape, prepare_server
from tests.migration.migrated import migrated_template

CUSTOMERS = 20_000
"""Rows that stand in the table before each run."""

BULK_ROWS = 10_000
BULK_STATEMENTS = 3

HOW_TO_READ = (
    "Ratio of throughputs: 1.00 costs nothing, 0.90 costs a tenth. 'bare trigger' is a row trigger that inserts one "
    "row of three columns into a plain table: the least that any capture by trigger can cost."
)

_NO_TRIGGERS = """
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'public.customers'::regclass AND NOT tgisinternal LOOP
        EXECUTE format('DROP TRIGGER %I ON public.customers', name);
    END LOOP;
END
$$;
"""

_BARE_TRIGGER = """
CREATE TABLE public.bare_capture (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_type text   NOT NULL,
    entity_id   uuid   NOT NULL
);
CREATE FUNCTION public.bare_capture() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.bare_capture (entity_type, entity_id) VALUES ('customer', NEW.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER bare_inserted AFTER INSERT ON public.customers
    FOR EACH ROW EXECUTE FUNCTION public.bare_capture();
CREATE TRIGGER bare_updated AFTER UPDATE OF first_name, last_name, email, phone, account_type ON public.customers
    FOR EACH ROW EXECUTE FUNCTION public.bare_capture();
"""

_CUSTOMERS = """
ALTER TABLE public.customers DISABLE TRIGGER USER;
INSERT INTO public.customers (id, first_name, last_name, email, phone)
SELECT md5(number::text)::uuid, 'Anna', 'Meadow', number || '@example.com', '+27 21 555 0101'
FROM generate_series(1, {customers}) AS number;
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'public.customers'::regclass AND NOT tgisinternal LOOP
        EXECUTE format('ALTER TABLE public.customers ENABLE ALWAYS TRIGGER %I', name);
    END LOOP;
END
$$;
"""

_INSERT = """
INSERT INTO public.customers (first_name, last_name, email, phone)
VALUES ('Anna', 'Meadow', gen_random_uuid()::text || '@example.com', '+27 21 555 0101');
"""

_INSERT_MANY = f"""
INSERT INTO public.customers (first_name, last_name, email, phone)
SELECT 'Anna', 'Meadow', gen_random_uuid()::text || '@example.com', '+27 21 555 0101'
FROM generate_series(1, {BULK_ROWS});
"""

_UPDATE_MAPPED = rf"""
\set number random(1, {CUSTOMERS})
\set phone random(1000000, 9999999)
UPDATE public.customers SET phone = (:phone)::text WHERE id = md5((:number)::text)::uuid;
"""

_UPDATE_UNMAPPED = rf"""
\set number random(1, {CUSTOMERS})
UPDATE public.customers SET updated_at = clock_timestamp() WHERE id = md5((:number)::text)::uuid;
"""


@dataclass(frozen=True)
class Variant:
    """One way that the host's table may be equipped, made from the migrated database by ``script``."""

    name: str
    script: str
    bell_wanted: bool = False
    """An idle daemon listens and wants to be rung, all the time: it would be busy after the first ring."""

    @property
    def template(self) -> DatabaseTemplate:
        """The template of its databases."""
        key = "".join(letter if letter.isalnum() else "_" for letter in self.name.lower())
        return DatabaseTemplate(f"bench_{key}", self._build, base=migrated_template(HostShape(supabase=False)))

    def _build(self, database: Database) -> None:
        with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
            connection.execute(self.script.encode())
            connection.execute(_CUSTOMERS.format(customers=CUSTOMERS).encode())
            connection.execute("VACUUM ANALYZE")
            if self.bell_wanted:
                connection.execute("UPDATE zoho_outbox_private.bell SET wanted = true")


NONE = Variant("no trigger", _NO_TRIGGERS)
BARE = Variant("bare trigger", _NO_TRIGGERS + _BARE_TRIGGER)
OURS = Variant("ours", "SELECT 1")
OURS_RUNG = Variant("ours, bell wanted", "SELECT 1", bell_wanted=True)


@dataclass(frozen=True)
class Measure:
    """One kind of write, and which variants are compared: numerator, denominator, what is wanted."""

    name: str
    script: str
    compared: tuple[tuple[Variant, Variant, float | None], ...]
    clients: int = 1
    transactions: int | None = None
    """Of each client, in place of a number of seconds."""
    rows: int = 1
    """Written by one transaction."""

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Those that take part."""
        return tuple(dict.fromkeys(variant for above, below, _ in self.compared for variant in (above, below)))


_INSERTS = ((OURS, BARE, 0.90), (OURS, NONE, None), (BARE, NONE, None), (OURS_RUNG, OURS, None))

MEASURES = (
    *(Measure(f"insert, {clients} clients", _INSERT, _INSERTS, clients) for clients in (1, 8, 64)),
    Measure(
        f"{BULK_ROWS:,} rows in one statement",
        _INSERT_MANY,
        ((OURS, NONE, 0.60), (BARE, NONE, None)),
        transactions=BULK_STATEMENTS,
        rows=BULK_ROWS,
    ),
    Measure("update of a mapped column", _UPDATE_MAPPED, ((OURS, BARE, None), (OURS, NONE, None), (BARE, NONE, None))),
    Measure("update of another column", _UPDATE_UNMAPPED, ((OURS, NONE, 0.95), (BARE, NONE, None))),
)


def with_candidates(measures: Sequence[Measure], candidates: Sequence[Variant]) -> tuple[Measure, ...]:
    """The measures with more variants of ours, each compared as ours is, and with ours."""
    return tuple(
        Measure(
            measure.name,
            measure.script,
            (
                *measure.compared,
                *(
                    (candidate, below, wanted)
                    for candidate in candidates
                    for above, below, wanted in measure.compared
                    if above is OURS
                ),
                *((candidate, OURS, None) for candidate in candidates),
            ),
            measure.clients,
            measure.transactions,
            measure.rows,
        )
        for measure in measures
    )


def measure_capture(measures: Sequence[Measure], *, pairs: int, seconds: int, synchronous_commit: bool) -> Report:
    """Runs every measure ``pairs`` times, ``seconds`` each time."""
    settings = {
        "synchronous_commit": "on" if synchronous_commit else "off",
        "shared_buffers": "512MB",
        "max_wal_size": "8GB",
        "checkpoint_timeout": "1h",
        # Runs are too short for it to do good, and it would hit one side and not the other.
        "autovacuum": "off",
    }
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer(settings=settings))
        prepare_server(server)
        databases = Databases(server, "bench")
        pgbench = Pgbench.of(server)
        report = Report(
            "Cost of capture to the host",
            HOW_TO_READ,
            machine()
            | {"PostgreSQL": server.version, "pairs": pairs, "seconds a run": seconds, "fsync": "on"}
            | settings,
        )
        turns = sum(len(measure.variants) for measure in measures) * pairs
        progress = stack.enter_context(Progress(transient=True))
        task = progress.add_task("measuring", total=turns)
        for measure in measures:
            rates: dict[Variant, list[float]] = {variant: [] for variant in measure.variants}
            for round_number in range(pairs):
                order = measure.variants if round_number % 2 == 0 else measure.variants[::-1]
                for variant in order:
                    with databases.fresh(variant.template) as database, _listening(variant, database):
                        rate = pgbench.rate(
                            database.name,
                            measure.script,
                            clients=measure.clients,
                            seconds=seconds if measure.transactions is None else None,
                            transactions=measure.transactions,
                        )
                    rates[variant].append(rate * measure.rows)
                    progress.advance(task)
            report.ratios += [
                Ratio(
                    measure.name,
                    f"{above.name} / {below.name}",
                    tuple(a / b for a, b in zip(rates[above], rates[below], strict=True)),
                    median(rates[above]),
                    wanted,
                )
                for above, below, wanted in measure.compared
            ]
    return report


@contextmanager
def _listening(variant: Variant, database: Database) -> Iterator[None]:
    """Somebody who listens, as the daemon does, where the variant rings."""
    if not variant.bell_wanted:
        yield
        return
    over = threading.Event()

    def listen() -> None:
        with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
            connection.execute("LISTEN zoho_outbox")
            ready.set()
            while not over.is_set():
                for _ in connection.notifies(timeout=0.1):
                    pass

    ready = threading.Event()
    listener = threading.Thread(target=listen)
    listener.start()
    ready.wait()
    try:
        yield
    finally:
        over.set()
        listener.join()
