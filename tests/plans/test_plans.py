"""What the daemon's statements cost does not grow with the tables, whatever the planner knows of them."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.host.databases import Databases
from tests.migration.migrated import DAEMON
from tests.plans.explain import explain, explain_generic
from tests.plans.population import BIG_TABLES, Population, Statistics, Work
from tests.plans.statements import CASES, Case

SMALL, LARGE = 50_000, 1_000_000

COMPILES_BEYOND = 100_000.0
"""jit_above_cost by default. Compiling a statement took half a second (take_permit, before its LIMITs)."""

KINDS = (
    (Work.HISTORY, Statistics.FRESH),
    (Work.HISTORY, Statistics.NONE),
    (Work.BACKLOG, Statistics.FRESH),
    (Work.BACKLOG, Statistics.STALE),
    (Work.BACKLOG, Statistics.NONE),
)

POPULATIONS = [
    *(Population(work, SMALL, statistics) for work, statistics in KINDS),
    *(
        pytest.param(Population(work, LARGE, statistics), marks=[pytest.mark.slow, pytest.mark.timeout(600)])
        for work, statistics in KINDS
    ),
]


@pytest.fixture(scope="module", params=POPULATIONS, ids=str)
def population(request: pytest.FixtureRequest) -> Population:
    """A kind of database in use."""
    kind: Population = request.param
    return kind


@pytest.fixture(scope="module")
def daemon(population: Population, databases: Databases) -> Iterator[psycopg.Connection[Any]]:
    """The daemon's connection to such a database; every plan is rolled back."""
    with (
        databases.fresh(population.template) as database,
        psycopg.connect(
            database.dsn(DAEMON),
            autocommit=True,
            prepare_threshold=None,
            # A bad plan is to fail by its name, not by the clock of the run.
            options="-c statement_timeout=20s",
        ) as connection,
    ):
        yield connection


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_statement_touches_no_more_pages_than_its_work_needs(
    case: Case, population: Population, daemon: psycopg.Connection[Any]
) -> None:
    plan = explain(daemon, case.statement(), case.parameters)

    assert plan.buffers <= case.pages, plan.outline()
    assert plan.cost < COMPILES_BEYOND, plan.outline()
    if population.size == LARGE or not case.thousands:
        assert not plan.sequential_scans() & BIG_TABLES, plan.outline()


@pytest.mark.parametrize("case", [case for case in CASES if case.prepared], ids=str)
def test_a_prepared_statement_needs_no_more_whatever_its_parameters_are(
    case: Case, population: Population, daemon: psycopg.Connection[Any]
) -> None:
    plan = explain_generic(daemon, case.statement(), case.parameters)

    assert plan.buffers <= case.pages, plan.outline()
    assert plan.cost < COMPILES_BEYOND, plan.outline()
    if population.size == LARGE or not case.thousands:
        assert not plan.sequential_scans() & BIG_TABLES, plan.outline()
