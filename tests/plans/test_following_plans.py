"""A look at a long run reads its entries, and looks up only what waits, whatever the planner knows of the tables."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from outbox.store.statements import statement
from tests.host.databases import Databases
from tests.host.shapes import HostShape
from tests.migration.migrated import DAEMON, migrated_template
from tests.plans.explain import explain

ENTRIES = 5_000
WAITING = 20

PAGES = 1_000
"""At most: a hundred hold the entries; of each that waits, its state and that of what it waits for is looked up."""

APPENDED = f"""
ANALYZE public.zoho_outbox;
ANALYZE zoho_outbox_private.entity_state;
INSERT INTO zoho_outbox_private.entity_state (entity_type, entity_id, phase, urgency, due_at)
SELECT 'customer', md5(number::text)::uuid, 'ready', 30, now()
FROM generate_series(1, {ENTRIES}) AS number;
INSERT INTO public.zoho_outbox (entity_type, entity_id, status, change, origin, priority, requested_by, admitted)
SELECT
    'customer', md5(number::text)::uuid, CASE WHEN number <= {WAITING} THEN 'waiting' ELSE 'pending' END, 'related',
    'backfill', 30, 'a run', true
FROM generate_series(1, {ENTRIES}) AS number
"""


@pytest.fixture
def daemon(databases: Databases) -> Iterator[psycopg.Connection[Any]]:
    """The daemon's connection, right after a run was appended: statistics are from before."""
    with databases.fresh(migrated_template(HostShape())) as database:
        with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
            for table in ("public.zoho_outbox", "zoho_outbox_private.entity_state"):
                connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)".encode())
            connection.execute(APPENDED.encode())
        with psycopg.connect(
            database.dsn(DAEMON), autocommit=True, prepare_threshold=None, options="-c statement_timeout=30s"
        ) as connection:
            yield connection


def test_of_a_run_that_was_just_appended_only_what_waits_is_looked_up(
    daemon: psycopg.Connection[Any],
) -> None:
    plan = explain(
        daemon,
        sql.SQL(statement("followed_entries", "reopened")),
        {"first": 1, "last": ENTRIES, "run": "a run"},
    )
    assert plan.buffers <= PAGES, plan.outline()
