"""What a page reads does not grow with what is finished."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from outbox.store.dashboard import EARLIEST, EARLIEST_ID, LATEST, LATEST_ID, MOST_DEAD, WINDOW, WorkStanding
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
    # Four hundred that wait for different rows are sorted; their own pages are most of it.
    *(
        Case("dashboard_work", FIRST, 850, tuple(str(other) for other in WorkStanding if other is not standing))
        for standing in WorkStanding
    ),
]


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
        with psycopg.connect(
            database.dsn(DAEMON), autocommit=True, prepare_threshold=None, options="-c statement_timeout=20s"
        ) as connection:
            yield connection


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_statement_of_a_page_touches_no_more_than_it_shows(case: Case, daemon: psycopg.Connection[Any]) -> None:
    plan = explain(daemon, sql.SQL(statement(case.name, *case.without)), case.parameters)
    assert plan.buffers <= case.pages, plan.outline()
    assert not plan.sequential_scans() & BIG_TABLES, plan.outline()
