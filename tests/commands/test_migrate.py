from collections.abc import Callable

from daemon.command_line import DONE, FAILED
from tests.commands.conftest import Said
from tests.host.databases import MIGRATOR, Database, Databases
from tests.migration.migrated import DAEMON

Typing = Callable[..., Said]


def test_check_lists_what_is_due_and_changes_nothing(host_database: Database, at_once: Typing) -> None:
    first = at_once("migrate", "--check", DATABASE_URL=host_database.dsn())
    assert first.code == FAILED
    assert first.out.startswith("due: 0001_roles.sql\n")
    assert all(line.startswith("due: ") for line in first.out.splitlines())
    assert at_once("migrate", "--check", DATABASE_URL=host_database.dsn()) == first


def test_plan_prints_the_sql_under_a_line_for_each_step(host_database: Database, at_once: Typing) -> None:
    due = at_once("migrate", "--check", DATABASE_URL=host_database.dsn()).out.splitlines()
    said = at_once("migrate", "--plan", DATABASE_URL=host_database.dsn())
    assert (said.code, said.err) == (DONE, "")
    headings = [line for line in said.out.splitlines() if line.startswith("-- step ")]
    assert [heading.partition(": ")[2].rpartition(" (")[0] for heading in headings] == [
        line.removeprefix("due: ") for line in due
    ]
    assert "CREATE TABLE public.zoho_outbox (" in said.out
    assert at_once("migrate", "--check", DATABASE_URL=host_database.dsn()).code == FAILED


def test_migrate_runs_once_and_then_finds_nothing_to_do(host_database: Database, at_once: Typing) -> None:
    said = at_once("migrate", DATABASE_URL=host_database.dsn(MIGRATOR))
    assert said.code == DONE
    assert said.out.startswith("migrated: ")
    assert "applied 0001_roles.sql" in said.err.splitlines()
    again = at_once("migrate", DATABASE_URL=host_database.dsn(MIGRATOR))
    assert (again.code, again.out, again.err) == (DONE, "the database is up to date\n", "")
    check = at_once("migrate", "--check", DATABASE_URL=host_database.dsn(MIGRATOR))
    assert (check.code, check.out) == (DONE, "the database is up to date\n")
    plan = at_once("migrate", "--plan", DATABASE_URL=host_database.dsn(MIGRATOR))
    assert (plan.code, plan.out) == (DONE, "-- the database is up to date: nothing is due\n")


def test_a_role_that_owns_nothing_is_refused(migrated_database: Database, at_once: Typing) -> None:
    said = at_once("migrate", "rollback", DATABASE_URL=migrated_database.dsn(DAEMON))
    assert (said.code, said.out) == (FAILED, "")
    assert len(said.err.splitlines()) == 1


def test_rollback_takes_out_what_was_added_and_says_so(migrated_database: Database, at_once: Typing) -> None:
    said = at_once("migrate", "rollback", DATABASE_URL=migrated_database.dsn(MIGRATOR))
    assert said.code == DONE, said.err
    assert said.out == "removed what zoho-outbox added\n"
    assert at_once("migrate", "--check", DATABASE_URL=migrated_database.dsn(MIGRATOR)).code == FAILED


def test_other_databases_are_refused_by_the_tables_they_lack(databases: Databases, at_once: Typing) -> None:
    with databases.fresh() as empty:
        for words in (["migrate"], ["migrate", "--check"], ["migrate", "--plan"]):
            said = at_once(*words, DATABASE_URL=empty.dsn())
            assert (said.code, said.out) == (FAILED, "")
            assert said.err.startswith("not a host database: table public.customers, ")
