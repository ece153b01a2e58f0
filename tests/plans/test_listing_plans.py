"""Looks in Zoho's lists cost what they find, however many rows a list has and whatever the planner knows of it."""

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

LISTED = 20_000

FILLED = f"""
INSERT INTO zoho_outbox_private.listed_record (listing, zoho_id, found_by, record)
SELECT
    '00000000-0000-4000-8000-000000000001',
    '46' || lpad(number::text, 14, '0'),
    ARRAY['key CT-' || number, 'mail anna.meadow' || number || '@example.com'],
    jsonb_build_object('display_name', 'Anna Meadow', 'notes', repeat('-', 400))
FROM generate_series(1, {LISTED}) AS number;
INSERT INTO zoho_outbox_private.listing (entity_type, listing, begun_at, records)
VALUES ('customer', '00000000-0000-4000-8000-000000000001', clock_timestamp(), {LISTED});
UPDATE zoho_outbox_private.installation
SET timeline = ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint
"""

NOT_IN_THE_INDEX_YET = 600
"""Pages of keys that were written lately (gin_pending_list_limit: 4 MB); each look reads them until a vacuum."""


@pytest.fixture(scope="module", params=["just read", "analyzed", "vacuumed"])
def listed(request: pytest.FixtureRequest, databases: Databases) -> Iterator[tuple[str, psycopg.Connection[Any]]]:
    """What became of the list since it was read, and the daemon's connection."""
    state: str = request.param
    with databases.fresh(migrated_template(HostShape())) as database:
        with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
            connection.execute("ALTER TABLE zoho_outbox_private.listed_record SET (autovacuum_enabled = false)")
            connection.execute(FILLED)
            if state != "just read":
                connection.execute("ANALYZE zoho_outbox_private.listed_record")
            if state == "vacuumed":
                connection.execute("VACUUM zoho_outbox_private.listed_record")
        with psycopg.connect(database.dsn(DAEMON), autocommit=True, prepare_threshold=None) as daemon:
            yield state, daemon


@pytest.mark.parametrize("first", [1, LISTED + 1], ids=["found", "not found"])
@pytest.mark.parametrize("looks", [1, 50, 200])
def test_looks_read_what_they_find_and_never_the_list(
    listed: tuple[str, psycopg.Connection[Any]], looks: int, first: int
) -> None:
    state, daemon = listed
    numbers = range(first, first + looks)
    plan = explain(
        daemon,
        sql.SQL(statement("look_in_listing")),
        {
            "entity_type": "customer",
            "oldest_seconds": 86_400.0,
            "keys": [
                key for number in numbers for key in (f"key CT-{number}", f"mail anna.meadow{number}@example.com")
            ],
        },
    )

    assert plan.buffers <= 10 + 10 * looks + (0 if state == "vacuumed" else NOT_IN_THE_INDEX_YET), plan.outline()
    assert not plan.sequential_scans() & {"listed_record"}, plan.outline()
    assert "listed_record_pkey" not in plan.outline()
