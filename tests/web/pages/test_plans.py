"""What a page reads does not grow with what is finished."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
import pytest
from psycopg import sql

from outbox.store.dashboard import (
    EARLIEST,
    EARLIEST_ID,
    LATEST,
    LATEST_ID,
    MOST_COMPARISONS,
    MOST_DEAD,
    MOST_FINDINGS,
    MOST_OF_A_KIND,
    WINDOW,
    WorkStanding,
)
from outbox.store.statements import statement
from outbox.vocabulary import EntityType, LogStatus
from tests.host.databases import Databases
from tests.migration.migrated import DAEMON
from tests.plans.explain import explain
from tests.plans.population import BIG_TABLES, Population, Statistics, Work, entity

SIZE = 50_000

NEWEST = {"since": EARLIEST, "before_at": LATEST, "before_id": LATEST_ID}
EVERYTHING = {"types": [*EntityType], "statuses": [*LogStatus]}
FIRST = {"after_urgency": -1, "after_at": EARLIEST, "after_awaited": EARLIEST_ID, "after_id": EARLIEST_ID, "limit": 51}
RUN = entity("run", 1)
"""A run with :data:`FINDINGS` findings of one type, and sums of twenty years."""

FINDINGS = 40_000
COMPARISON_TABLES = frozenset({"reconciliation_finding", "reconciliation_sum"})

IDS = [entity("done", number) for number in range(500, 550)]


@dataclass(frozen=True)
class Case:
    """One statement in one use, and how many pages it may touch, however much is finished."""

    name: str
    parameters: Mapping[str, Any]
    pages: int
    without: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {' '.join(map(str, self.without))}"


CASES = [
    Case("dashboard_activity", {**NEWEST, **EVERYTHING, "window": WINDOW, "limit": 26}, 40),
    # What is not found is looked for in the window, and no further: a page of the log holds about fifty rows.
    Case("dashboard_activity", {**NEWEST, **EVERYTHING, "statuses": ["failed"], "window": 2000, "limit": 26}, 160),
    Case("dashboard_activity_end", {**NEWEST, "window": 2000}, 160),
    Case("dashboard_hours", {"end": LATEST.replace(year=2030), "types": [*EntityType]}, 20),
    Case("dashboard_dead_causes", {"types": [*EntityType], "most": MOST_DEAD}, 1_200),
    Case("dashboard_dead_count", {}, 400),
    Case(
        "dashboard_dead_letters",
        {
            "entity_type": "customer",
            "digest": "0" * 16,
            "most": MOST_DEAD,
            "before_at": LATEST,
            "before_id": LATEST_ID,
            "limit": 26,
        },
        1_000,
    ),
    Case("dashboard_names_customer", {"ids": IDS}, 220),
    Case("dashboard_names_invoice", {"ids": IDS}, 20),
    Case("dashboard_names_payment", {"ids": IDS}, 20),
    Case("dashboard_names_subscription", {"ids": IDS}, 20),
    Case("dashboard_captured", {"after": 0, "limit": 51}, 60),
    Case("dashboard_comparisons", {"limit": MOST_COMPARISONS}, 120),
    # The rows that are sorted lie together; those that are shown are read again, a few of each kind.
    Case(
        "dashboard_comparison_findings",
        {"run": RUN, "types": [*EntityType], "most": MOST_FINDINGS, "shown": MOST_OF_A_KIND},
        1_700,
    ),
    Case("dashboard_comparison_sums", {"run": RUN, "before": date.max}, 30),
    Case("dashboard_comparison_sums", {"run": RUN, "before": date(2015, 6, 1)}, 30),
    # Four hundred that wait for different rows are sorted; their own pages are most of it.
    *(
        Case("dashboard_work", FIRST, 850, tuple(str(other) for other in WorkStanding if other is not standing))
        for standing in WorkStanding
    ),
]


COMPARED = """
WITH run AS (
    INSERT INTO zoho_outbox_private.reconciliation (id, started_at, deep, entity_types, finished_at)
    SELECT
        CASE WHEN night = 0 THEN %(run)s::uuid ELSE gen_random_uuid() END,
        now() - night * interval '1 day',
        false,
        '{customer,subscription,invoice,payment}',
        now()
    FROM generate_series(0, 89) AS night
    RETURNING id
),
part AS (
    INSERT INTO zoho_outbox_private.reconciliation_part (run, entity_type)
    SELECT run.id, kind FROM run CROSS JOIN unnest('{customer,subscription,invoice,payment}'::text[]) AS kind
),
finding AS (
    INSERT INTO zoho_outbox_private.reconciliation_finding
        (run, entity_type, entity_id, named, finding, kind, said, mend)
    SELECT
        run.id,
        'invoice',
        gen_random_uuid(),
        'invoice INV-2026-' || number,
        'difference',
        (ARRAY['missing_in_zoho', 'fields', 'total', 'state'])[1 + number %% 4],
        '115.00 in Zoho, and 100.00 here: sent again by --fix',
        'enqueue'
    FROM run
    CROSS JOIN generate_series(1, %(findings)s) AS number
    WHERE run.id = %(run)s::uuid OR number <= 100
)
INSERT INTO zoho_outbox_private.reconciliation_sum (run, month, measure, category, because, records, ours, theirs)
SELECT %(run)s, month, measure, category, because, 1, 100, 100
FROM generate_series('2006-01-01'::timestamp, '2026-01-01', '1 month') AS month
CROSS JOIN unnest('{invoiced,open,paid,credited}'::text[]) AS measure
CROSS JOIN unnest('{installation,recurring}'::text[]) AS category
CROSS JOIN unnest('{agrees,total,missing_in_zoho}'::text[]) AS because
"""
"""Ninety nights, one of them a bad one; never analyzed, as in the first minutes after it."""


@pytest.fixture(scope="module")
def daemon(databases: Databases) -> Iterator[psycopg.Connection[Any]]:
    """The daemon's connection to a database with a long history, a few hundred rows of each kind, and 400 dead."""
    with databases.fresh(Population(Work.HISTORY, SIZE, Statistics.FRESH).template) as database:
        with psycopg.connect(database.superuser_dsn, autocommit=True) as superuser:
            superuser.execute(
                """
                UPDATE zoho_outbox_private.entity_state
                SET phase = 'dead', last_error = 'refused ' || entity_id
                WHERE entity_id = ANY (%s)
                """,
                [[entity("done", number) for number in range(1, 401)]],
            )
            superuser.execute("ANALYZE zoho_outbox_private.entity_state")
            superuser.execute(COMPARED, {"run": RUN, "findings": FINDINGS})
        with psycopg.connect(
            database.dsn(DAEMON), autocommit=True, prepare_threshold=None, options="-c statement_timeout=20s"
        ) as connection:
            yield connection


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_statement_of_a_page_touches_no_more_than_it_shows(case: Case, daemon: psycopg.Connection[Any]) -> None:
    plan = explain(daemon, sql.SQL(statement(case.name, *case.without)), case.parameters)
    assert plan.buffers <= case.pages, plan.outline()
    assert not plan.sequential_scans() & (BIG_TABLES | COMPARISON_TABLES), plan.outline()
