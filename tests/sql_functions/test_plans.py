"""What operators ask costs what it is about, and not the history: pages by EXPLAIN, no clock."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.host.databases import Databases
from tests.migration.migrated import OPERATOR
from tests.plans.explain import explain
from tests.plans.population import Population, Statistics, Work, entity

SIZE = 50_000

DEAD = 200

MOST_PAGES = 800
"""The 10,000 newest entries are some 250 pages by the key; the rest is a look-up each."""


@pytest.fixture(scope="module", params=[Statistics.FRESH, Statistics.NONE])
def operator(request: pytest.FixtureRequest, databases: Databases) -> Iterator[psycopg.Connection[Any]]:
    """An operator's connection to a database with 50,000 finished entries, and some that are not."""
    with databases.fresh(Population(Work.HISTORY, SIZE, request.param).template) as database:
        with psycopg.connect(database.superuser_dsn, autocommit=True) as superuser:
            superuser.execute(
                "UPDATE zoho_outbox_private.entity_state SET phase = 'dead', last_error = 'code 4: no e-mail' "
                "WHERE entity_id IN "
                "(SELECT entity_id FROM zoho_outbox_private.entity_state WHERE phase = 'idle' LIMIT %s)",
                [DEAD],
            )
        with psycopg.connect(
            database.dsn(OPERATOR), autocommit=True, prepare_threshold=None, options="-c statement_timeout=30s"
        ) as connection:
            # Not what a session's first call reads of the catalogue.
            connection.execute("SELECT public.zoho_explain('customer', %s)", [entity("done", 9)])
            connection.execute("SELECT * FROM public.zoho_outbox_dead")
            yield connection


@pytest.mark.parametrize("kind", ["done", "ready", "scheduled", "new", "leased"])
def test_explaining_a_row_does_not_read_the_history(operator: psycopg.Connection[Any], kind: str) -> None:
    plan = explain(operator, sql.SQL("SELECT public.zoho_explain('customer', %(id)s)"), {"id": entity(kind, 7)})
    assert plan.buffers <= MOST_PAGES, plan.outline()


def test_a_waiting_row_costs_its_parent_s_look_up_more(operator: psycopg.Connection[Any]) -> None:
    plan = explain(
        operator, sql.SQL("SELECT public.zoho_explain('subscription', %(id)s)"), {"id": entity("waiting", 7)}
    )
    assert plan.buffers <= MOST_PAGES, plan.outline()


def test_the_history_is_larger_than_what_is_read_of_it(operator: psycopg.Connection[Any]) -> None:
    """Else the bounds above would hold whatever is read."""
    row = operator.execute(
        "SELECT (pg_relation_size('public.zoho_sync_logs') "
        "+ pg_relation_size('zoho_outbox_private.entity_state')) / 8192"
    ).fetchone()
    assert row is not None
    assert row[0] > 2 * MOST_PAGES


def test_dead_letters_cost_what_is_dead(operator: psycopg.Connection[Any]) -> None:
    plan = explain(operator, sql.SQL("SELECT * FROM public.zoho_outbox_dead"), {})
    assert plan.buffers <= 2 * DEAD, plan.outline()
