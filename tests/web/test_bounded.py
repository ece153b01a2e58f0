"""However much is finished, an answer reads a bounded part of it: EXPLAIN over 50,000 finished entries."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from outbox.store.api import EARLIEST, LATEST, MOST_OUTCOMES, WINDOW
from outbox.store.statements import statement
from tests.host.databases import Databases
from tests.migration.migrated import DAEMON
from tests.plans.explain import Plan, explain
from tests.plans.population import BIG_TABLES, Population, Statistics, Work, entity

POPULATION = Population(Work.HISTORY, 50_000, Statistics.FRESH)

ROWS_A_PAGE = 20
"""Of zoho_sync_logs at least, with its index's share: what a window may touch is counted by it."""


@pytest.fixture(scope="module")
def connection(databases: Databases) -> Iterator[psycopg.Connection[Any]]:
    with databases.fresh(POPULATION.template) as database, psycopg.connect(database.dsn(DAEMON)) as connection:
        # The log of a company that was at work all the time, where the template's ends months ago.
        with psycopg.connect(database.superuser_dsn, autocommit=True) as superuser:
            superuser.execute("UPDATE public.zoho_sync_logs SET created_at = created_at + interval '194 days'")
            superuser.execute("VACUUM (FULL, ANALYZE) public.zoho_sync_logs")
        yield connection


def planned(connection: psycopg.Connection[Any], name: str, **parameters: Any) -> Plan:
    return explain(connection, sql.SQL(statement(name)), parameters)


def logs(**changes: Any) -> dict[str, Any]:
    everything = {
        "entity_type": None,
        "status": None,
        "since": EARLIEST,
        "until": LATEST,
        "limit": 50,
        "offset": 0,
        "window": WINDOW,
    }
    return everything | changes


@pytest.mark.parametrize(
    "asked",
    [
        logs(),
        logs(status="failed"),
        logs(entity_type="payment", status="retrying"),
        logs(limit=200, offset=WINDOW),
        logs(offset=10_000),
    ],
    ids=["all", "failed, of which there is none", "a type that there is none of", "past the window", "far down"],
)
def test_a_page_of_the_log_goes_through_its_window_and_no_further(
    connection: psycopg.Connection[Any], asked: dict[str, Any]
) -> None:
    plan = planned(connection, "api_logs", **asked)
    assert not plan.sequential_scans() & BIG_TABLES, plan.outline()
    assert plan.buffers < WINDOW / ROWS_A_PAGE + 1000, plan.outline()


def test_a_smaller_window_touches_less(connection: psycopg.Connection[Any]) -> None:
    few, many = (planned(connection, "api_logs", **logs(window=window, status="failed")) for window in (100, 10_000))
    assert few.buffers * 10 < many.buffers, f"{few.outline()}\n{many.outline()}"


@pytest.mark.parametrize(
    ("name", "parameters", "most"),
    [
        ("api_phase", {"entity_type": "customer", "entity_id": entity("done", 40_000)}, 10),
        ("api_vitals", {}, 20),
        ("api_outcomes", {"most": 1000}, 200),
        ("api_recent_failures", {"most": 1000, "limit": 20}, 200),
    ],
)
def test_every_other_question_goes_by_an_index(
    connection: psycopg.Connection[Any], name: str, parameters: dict[str, Any], most: int
) -> None:
    plan = planned(connection, name, **parameters)
    assert not plan.sequential_scans() & BIG_TABLES, plan.outline()
    assert plan.buffers < most, plan.outline()


def test_success_rates_are_made_of_so_many_attempts_at_most(connection: psycopg.Connection[Any]) -> None:
    plan = planned(connection, "api_outcomes", most=MOST_OUTCOMES)
    assert plan.buffers < MOST_OUTCOMES / ROWS_A_PAGE, plan.outline()
