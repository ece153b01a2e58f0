"""What health and alerts read does not grow with the history."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from outbox.store.health import GUARDED_TABLES, MOST, MOST_ATTEMPTS
from outbox.store.statements import statement
from tests.host.databases import Databases
from tests.migration.migrated import DAEMON
from tests.plans.explain import explain
from tests.plans.population import BIG_TABLES, Population, Statistics, Work, entity

SECONDS = {"seconds": 3600.0, "most": MOST}
DAYS = {"days": 7, "most": MOST_ATTEMPTS}
CASES: dict[str, dict[str, Any]] = {
    "health_database": {},
    "health_hidden": {"tables": list(GUARDED_TABLES)},
    "health_pending": SECONDS,
    "health_retrying": SECONDS,
    "health_past_due": SECONDS,
    "health_processing": SECONDS,
    "health_dead": SECONDS,
    "health_affected": {"most": MOST},
    "health_attempts": {"most": MOST_ATTEMPTS},
    "health_throttled": {},
    "health_organisation": {},
    "health_daemons": {},
    "health_triggers": {},
    "health_snapshots": {"seconds": 3600.0},
    "health_figures": DAYS,
    "health_hours": {**DAYS, "time_zone": "UTC"},
    "health_volume": {"days": 7, "time_zone": "UTC"},
    "health_billing_mode": {},
    "alert_dead": {"most": 100_000, "causes": 200, "remembered": 1000},
    "alert_told": {"receivers": ["a"]},
    "alert_in_hand": {"entity_types": ["customer"] * 100, "entity_ids": [entity("done", n) for n in range(1, 101)]},
}
PAGES = {"health_retrying": 6_000, "health_pending": 3_000, "health_processing": 600, "alert_in_hand": 1_500}
"""Of 8 kB: 400 rows of each kind of work are looked up one by one."""
FEW_PAGES = 300
"""What an index leads to. The log has a thousand pages at fifty thousand rows, and twenty thousand at a million."""

POPULATIONS = [
    Population(Work.HISTORY, 50_000, Statistics.FRESH),
    pytest.param(
        Population(Work.HISTORY, 1_000_000, Statistics.FRESH), marks=[pytest.mark.slow, pytest.mark.timeout(600)]
    ),
]


@pytest.fixture(scope="module", params=POPULATIONS, ids=str)
def daemon(request: pytest.FixtureRequest, databases: Databases) -> Iterator[psycopg.Connection[Any]]:
    """The daemon's connection to a database with that much history."""
    population: Population = request.param
    with (
        databases.fresh(population.template) as database,
        psycopg.connect(database.dsn(DAEMON), autocommit=True, prepare_threshold=None) as connection,
    ):
        yield connection


@pytest.mark.parametrize("name", CASES)
def test_a_reading_touches_no_more_than_what_it_asks_for(name: str, daemon: psycopg.Connection[Any]) -> None:
    plan = explain(daemon, sql.SQL(statement(name)), CASES[name])
    assert not plan.sequential_scans() & BIG_TABLES, plan.outline()
    assert plan.buffers <= PAGES.get(name, FEW_PAGES), plan.outline()
