"""The same drain in tables that are large: a million entries that are finished, a million that are still to come.

A queue that slows down as its tables grow slows down for good. Each large case is measured beside the empty tables,
in pairs, and the claim is asked how many pages it touches: that must not depend on what stands beside the work.
"""

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import psycopg

from outbox.demo.postgres_server import PostgresServer
from tests.bench.drain_profile import pages_a_call
from tests.bench.draining import (
    CONCURRENCY,
    SERVER_SETTINGS,
    Drained,
    bench_server,
    check_recorded,
    check_stopped_half_way,
    commit_backlog,
    drain,
)
from tests.bench.report import Ratio, Report, machine
from tests.bench.transport import Counts
from tests.host.databases import Database, DatabaseTemplate
from tests.host.shapes import HostShape
from tests.migration.migrated import DAEMON, migrated_template
from tests.plans.explain import explain
from tests.plans.statements import CASES

ENTITIES = 20_000
ROWS = 1_000_000
PAIRS = 2
WANTED = 0.9

HOW_TO_READ = (
    "Entities per second with large tables over entities per second with empty ones, everything recorded: 1.00 means "
    "that size costs nothing. Of the pending million only the first entries are sent: the daemon is ended then. "
    "Buffers are pages of 8 kB that a claim of 100 touches right after the first admission (EXPLAIN), and on average "
    "during the drain (pg_stat_statements)."
)

# Within the retention: what is older is deleted meanwhile, and its cost would be counted here.
_HISTORY = """
ALTER TABLE public.customers DISABLE TRIGGER zoho_outbox_inserted;
CREATE FUNCTION pg_temp.entity(number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE RETURN md5('old ' || number)::uuid;
INSERT INTO public.customers (
    id, first_name, last_name, email, phone, account_number, zoho_billing_customer_id, zoho_sync_status,
    zoho_last_synced_at
)
SELECT
    pg_temp.entity(number), 'Anna', 'Meadow', 'old-' || number || '@example.com', '+27 21 555 0101', 'OLD-' || number,
    (4600000000000000 + number)::text, 'synced', now() - interval '80 days' + number * interval '6 seconds'
FROM generate_series(1, {rows}) AS number;
INSERT INTO public.zoho_outbox (
    entity_type, entity_id, status, outcome, admitted, change, attempts, revision, created_at, finished_at, zoho_id
)
SELECT
    'customer', pg_temp.entity(number), 'done', 'sent', true, 'inserted', 1, 3,
    now() - interval '80 days' + number * interval '6 seconds',
    now() - interval '80 days' + number * interval '6 seconds', (4600000000000000 + number)::text
FROM generate_series(1, {rows}) AS number;
INSERT INTO zoho_outbox_private.entity_state (
    entity_type, entity_id, phase, due_at, born_here, zoho_id, sent_hash, sent_at, intents, intent_keys, shown_status
)
SELECT
    'customer', pg_temp.entity(number), 'idle', now(), true, (4600000000000000 + number)::text, md5(number::text),
    now(), 1, ARRAY['CT-' || number], 'synced'
FROM generate_series(1, {rows}) AS number;
INSERT INTO public.zoho_sync_logs (
    entity_type, entity_id, zoho_entity_type, zoho_entity_id, status, attempt_number, created_at, duration_ms,
    api_calls, outbox_id
)
SELECT
    'customer', pg_temp.entity(number), 'Contacts', (4600000000000000 + number)::text, 'success', 1,
    now() - interval '80 days' + number * interval '6 seconds', 120, 1, number
FROM generate_series(1, {rows}) AS number;
ALTER TABLE public.customers ENABLE ALWAYS TRIGGER zoho_outbox_inserted;
"""

_LATER = """
INSERT INTO public.customers (first_name, last_name, email, phone, account_number)
SELECT 'Anna', 'Meadow', 'later-' || number || '@example.com', '+27 21 555 0101', 'LATER-' || number
FROM generate_series(1, {rows}) AS number;
"""


@dataclass(frozen=True)
class _Case:
    name: str
    before: str = ""
    """What stands there before the backlog, and after it."""
    after: str = ""

    @property
    def ends_half_way(self) -> bool:
        return bool(self.after)


EMPTY = _Case("empty tables")
FINISHED = _Case("finished entries and logs", before=_HISTORY)
PENDING = _Case("more pending entries", after=_LATER)
CASES_MEASURED = (EMPTY, FINISHED, PENDING)


def measure_large_drain(
    *, quick: bool, entities: int | None = None, rows: int | None = None, pairs: int | None = None
) -> Report:
    """Drains 20,000 new customers beside nothing, beside a million of the past, and before a million to come."""
    entities = entities or (300 if quick else ENTITIES)
    rows = rows or (2_000 if quick else ROWS)
    pairs = pairs or (1 if quick else PAIRS)
    drains: dict[_Case, list[Drained]] = {case: [] for case in CASES_MEASURED}
    claims: dict[_Case, int] = {}
    with bench_server() as (server, databases), tempfile.TemporaryDirectory() as folder:
        for number in range(pairs):
            for case in CASES_MEASURED if number % 2 == 0 else CASES_MEASURED[::-1]:
                with databases.fresh(_template(case, entities, rows)) as database:
                    claims.setdefault(case, _buffers_of_a_claim(database))
                    directory = Path(folder) / f"{number}-{CASES_MEASURED.index(case)}"
                    drains[case].append(_drained(server, database, directory, case, entities))
        report = Report(
            "Drain with large tables, Zoho answers at once",
            HOW_TO_READ,
            machine()
            | {"PostgreSQL": server.version, "entities": entities, "rows beside them": rows, "pairs": pairs}
            | {"concurrency": CONCURRENCY, "fsync": "on"}
            | SERVER_SETTINGS,
        )
    report.ratios = [
        Ratio(
            f"drain, {rows:,} {case.name}",
            "large / empty tables",
            tuple(large.rate / small.rate for large, small in zip(drains[case], drains[EMPTY], strict=True)),
            median(drained.rate for drained in drains[case]),
            WANTED,
        )
        for case in (FINISHED, PENDING)
    ]
    for case in CASES_MEASURED:
        pages = pages_a_call(drains[case][-1], "claim_entities")
        report.facts += [
            (f"{case.name}: entities per second", f"{median(drained.rate for drained in drains[case]):,.0f}"),
            (f"{case.name}: buffers of a claim of 100", f"{claims[case]:,}"),
            (f"{case.name}: pages a claim during the drain", f"{pages:,.0f}"),
        ]
    return report


def _template(case: _Case, entities: int, rows: int) -> DatabaseTemplate:
    return DatabaseTemplate(
        f"bench_large_{CASES_MEASURED.index(case)}_{entities}_{rows}",
        partial(_build, case, entities, rows),
        base=migrated_template(HostShape()),
    )


def _build(case: _Case, entities: int, rows: int, database: Database) -> None:
    with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
        if case.before:
            connection.execute(case.before.format(rows=rows).encode())
        commit_backlog(connection, entities)
        if case.after:
            connection.execute(case.after.format(rows=rows).encode())
        connection.execute("VACUUM ANALYZE")


def _drained(server: PostgresServer, database: Database, directory: Path, case: _Case, entities: int) -> Drained:
    drained = drain(server, database, directory, entities, to_the_end=not case.ends_half_way)
    creates = Counts(directory / "counts").creates
    if case.ends_half_way:
        check_stopped_half_way(database, creates)
    else:
        check_recorded(database, entities, creates)
    return drained


def _buffers_of_a_claim(database: Database) -> int:
    """Of a hundred, after an admission, all of it undone."""
    cases = {case.name: case for case in CASES}
    admission, claim = cases["admit 1050"], cases["claim 100"]
    with (
        psycopg.connect(database.dsn(DAEMON), autocommit=True, prepare_threshold=None) as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute(admission.statement(), admission.parameters)
        return explain(connection, claim.statement(), claim.parameters).buffers
