"""A test's database is its own, and a template is built once."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.host.databases import Database, Databases, DatabaseTemplate
from tests.host.server import TestServer
from tests.host.shapes import prepare_server


def fill(database: Database) -> None:
    with psycopg.connect(database.dsn()) as connection:
        connection.execute("CREATE TABLE public.built AS SELECT 1 AS n")


def add(database: Database) -> None:
    with psycopg.connect(database.dsn()) as connection:
        connection.execute("INSERT INTO public.built VALUES (2)")


def numbers_in(database: Database) -> list[tuple[int]]:
    with psycopg.connect(database.dsn()) as connection:
        return connection.execute("SELECT n FROM public.built ORDER BY n").fetchall()


def test_a_change_in_one_database_is_not_seen_in_another_from_the_same_template(databases: Databases) -> None:
    template = DatabaseTemplate("seen_by_one", fill)
    with databases.fresh(template) as one, databases.fresh(template) as other:
        add(one)
        assert numbers_in(one) == [(1,), (2,)]
        assert numbers_in(other) == [(1,)]


def test_a_template_goes_on_from_where_its_base_ended(databases: Databases) -> None:
    base = DatabaseTemplate("base_of_two", fill)
    with databases.fresh(DatabaseTemplate("two_on_base", add, base)) as both, databases.fresh(base) as first:
        assert numbers_in(both) == [(1,), (2,)]
        assert numbers_in(first) == [(1,)]


def test_a_template_is_built_once_however_many_ask_at_once(databases: Databases) -> None:
    built: list[str] = []

    def build(database: Database) -> None:
        built.append(database.name)
        fill(database)

    template = DatabaseTemplate("asked_for_at_once", build)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: databases.create(template), range(4)))
    for database in made:
        assert numbers_in(database) == [(1,)]
        databases.drop(database)
    assert len(built) == 1


def test_a_template_that_could_not_be_built_leaves_no_database(databases: Databases, postgres: TestServer) -> None:
    broken: list[str] = []

    def build(database: Database) -> None:
        broken.append(database.name)
        raise LookupError("no such thing")

    with pytest.raises(LookupError), databases.fresh(DatabaseTemplate("broken", build)):
        pass
    with psycopg.connect(postgres.dsn()) as connection:
        left = connection.execute("SELECT datname FROM pg_database WHERE datname = ANY (%s)", [broken])
        assert left.fetchall() == []
    assert len(broken) == 1


@pytest.mark.parametrize("key", ["", "With-Capitals", "a" * 41, 'quote"'])
def test_a_template_key_that_cannot_be_part_of_a_name_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="template key"):
        DatabaseTemplate(key, fill)


def test_the_hosts_roles_can_be_prepared_many_times_at_once(postgres: TestServer) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: prepare_server(postgres), range(8))) == [None] * 8


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgresql://boss:p%40ss@127.0.0.1:5433/main", "postgresql://ann:p%40ss@127.0.0.1:5433/a%20b"),
        ("host=db.example.com user=boss", "postgresql://ann@db.example.com:5432/a%20b"),
        ("host=/run/pg port=5434", "postgresql://ann@/a%20b?host=%2Frun%2Fpg&port=5434"),
        (
            "host=a,b port=1,2 sslmode=require",
            "postgresql://ann@/a%20b?host=a%2Cb&port=1%2C2&sslmode=require",
        ),
        ("dbname=main", "postgresql://ann@/a%20b"),
    ],
)
def test_the_address_of_another_database_and_user_keeps_everything_else(given: str, expected: str) -> None:
    assert TestServer(given, "18.6", "lent", "run").dsn("a b", "ann") == expected
