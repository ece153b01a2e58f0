"""The reader of plans tells a look-up from a reading of everything."""

import psycopg
from psycopg import sql

from tests.host.databases import Database
from tests.plans.explain import HANDFUL, explain

ROWS = 20_000


def _numbers(database: Database) -> psycopg.Connection[tuple[object, ...]]:
    connection = psycopg.connect(database.dsn(), autocommit=True)
    connection.execute("CREATE TABLE public.number (id integer PRIMARY KEY, half integer, filler text)")
    connection.execute(
        sql.SQL(
            "INSERT INTO public.number SELECT id, id / 2, repeat('x', 100) FROM generate_series(1, {}) AS id"
        ).format(ROWS)
    )
    connection.execute("VACUUM ANALYZE public.number")
    return connection


def test_a_reading_of_everything_is_found_inside_a_cte(host_database: Database) -> None:
    with _numbers(host_database) as connection:
        plan = explain(
            connection,
            sql.SQL(
                "WITH chosen AS MATERIALIZED (SELECT id FROM public.number WHERE half = %(half)s) "
                "SELECT chosen.id FROM chosen"
            ),
            {"half": 7},
        )
        pages = connection.execute("SELECT relpages FROM pg_class WHERE relname = 'number'").fetchone()

    assert ROWS > HANDFUL
    assert plan.sequential_scans() == {"number"}
    assert pages == (plan.buffers,)


def test_a_change_that_nobody_reads_is_counted_and_undone(host_database: Database) -> None:
    with _numbers(host_database) as connection:
        plan = explain(
            connection,
            sql.SQL("WITH gone AS (DELETE FROM public.number WHERE id = ANY (%(ids)s::integer[])) SELECT 1 AS answer"),
            {"ids": [1, 2, 3]},
        )
        left = connection.execute("SELECT count(*) FROM public.number").fetchone()

    assert plan.sequential_scans() == set()
    assert plan.buffers >= 3
    assert left == (ROWS,)
