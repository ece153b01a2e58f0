"""What is the same for every command: help, wrong use, settings, ends."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from daemon.command_line import DONE, FAILED, WRONG_USE
from outbox import __version__
from tests.commands.conftest import COMMAND, ROOT, Said, environment, type_command
from tests.host.databases import Database, Databases
from tests.host.shapes import HostShape
from tests.migration.migrated import DAEMON

NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"
Typing = Callable[..., Said]

COMMANDS = (
    "run",
    "migrate",
    "status",
    "explain",
    "find",
    "sync",
    "backfill",
    "retry-failed",
    "pause",
    "resume",
    "health-check",
    "alert-failed",
    "reconcile",
    "doctor",
    "simulate-zoho",
    "demo",
)


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    said = type_command("--help")
    assert (said.code, said.err) == (DONE, "")
    assert set(COMMANDS) <= set(said.out.split())
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, daemon.command_line; print(*sys.modules)"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"psycopg", "httpx", "aiohttp", "pydantic", "rich", "anyio", "structlog"} & set(loaded)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, at_once: Typing) -> None:
    said = at_once(command, "--help")
    assert (said.code, said.err) == (DONE, "")
    assert said.out.startswith(f"Usage: zoho-outbox {command}")


def test_version(at_once: Typing) -> None:
    assert at_once("--version").out == f"zoho-outbox {__version__}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nix"], "zoho-outbox: No such command 'nix' (see zoho-outbox --help)"),
        (
            ["sync", "lead", "CT-1"],
            "zoho-outbox sync: Invalid value for 'TYPE': 'lead' is not one of 'customer', 'subscription', 'invoice', "
            "'payment' (see zoho-outbox sync --help)",
        ),
        (["sync", "customer"], "zoho-outbox sync: Missing argument 'ID' (see zoho-outbox sync --help)"),
        (["status", "--loud"], "zoho-outbox status: No such option: --loud (see zoho-outbox status --help)"),
        (
            ["find", "lead"],
            "zoho-outbox find: Invalid value for 'TYPE': 'lead' is not one of 'customer', 'subscription', 'invoice', "
            "'payment' (see zoho-outbox find --help)",
        ),
        (
            ["retry-failed", "--entity", "lead"],
            "zoho-outbox retry-failed: Invalid value for '--entity': 'lead' is not one of 'customer', 'subscription', "
            "'invoice', 'payment' (see zoho-outbox retry-failed --help)",
        ),
        (
            ["explain", "subscription", "FIBRE-50"],
            "'FIBRE-50' is no uuid: give the id of the subscription's row in customer_services",
        ),
        (
            ["explain", "invoice", "INV\n1"],
            "'INV\\n1' is neither a uuid nor an invoice number: give the invoice's id, "
            "or something like INV-2025-00001",
        ),
        (
            ["sync", "payment", " "],
            "' ' is neither a uuid nor a transaction id: give the payment's id, or something like NC-0001",
        ),
        (
            ["explain", "customer", "somebody with a very long name"],
            "'somebody with a very long name' is neither a uuid nor an account number: give the customer's id, "
            "or something like CT-2025-00015",
        ),
        (["migrate", "--check", "--plan"], "choose one of --check, --plan and rollback"),
        (["migrate", "rollback", "--plan"], "choose one of --check, --plan and rollback"),
        (
            ["migrate", "--drop-zoho-ids"],
            "--drop-zoho-ids goes with rollback: zoho-outbox migrate rollback --drop-zoho-ids",
        ),
        (
            ["doctor", "--accept-database", "--accept-billing-mode"],
            "choose one of --accept-database, --accept-billing-mode and --probe",
        ),
    ],
)
def test_wrong_use_is_one_line_and_exit_2_before_any_connection(words: list[str], said: str, at_once: Typing) -> None:
    answer = at_once(*words, DATABASE_URL=NOWHERE)
    assert (answer.code, answer.out, answer.err) == (WRONG_USE, "", f"{said}\n")


def test_no_command_is_wrong_use_and_shows_the_help(at_once: Typing) -> None:
    said = at_once()
    assert (said.code, said.out) == (WRONG_USE, "")
    assert said.err.startswith("Usage: zoho-outbox")


@pytest.mark.parametrize("words", [["status"], ["migrate"], ["pause"], ["explain", "customer", "CT-1"]])
def test_a_missing_setting_is_named_and_exit_2(words: list[str], at_once: Typing) -> None:
    said = at_once(*words)
    assert (said.code, said.out, said.err) == (WRONG_USE, "", "DATABASE_URL: required, and not set\n")


@pytest.mark.parametrize("words", [["sync", "customer", "CT-1"], ["find", "invoice"], ["retry-failed"]])
def test_every_missing_setting_of_a_command_that_needs_them_all_is_named(words: list[str], at_once: Typing) -> None:
    said = at_once(*words, DATABASE_URL=NOWHERE)
    assert said.code == WRONG_USE
    assert [line.partition(":")[0] for line in said.err.splitlines()] == [
        "ZOHO_CLIENT_ID",
        "ZOHO_CLIENT_SECRET",
        "ZOHO_REFRESH_TOKEN",
        "ZOHO_BILLING_ORGANIZATION_ID",
    ]


def test_a_malformed_limit_is_named_by_status(at_once: Typing) -> None:
    said = at_once("status", DATABASE_URL=NOWHERE, ZOHO_DAILY_REQUEST_LIMIT="many", ZOHO_TIME_ZONE="Mars/Base")
    assert said.code == WRONG_USE
    assert [line.partition(":")[0] for line in said.err.splitlines()] == ["ZOHO_DAILY_REQUEST_LIMIT", "ZOHO_TIME_ZONE"]


@pytest.mark.parametrize(
    "words",
    [["status"], ["migrate", "--check"], ["pause"], ["explain", "customer", "CT-1"], ["retry-failed", "--dry-run"]],
)
def test_an_absent_database_is_one_line_and_exit_1(words: list[str], at_once: Typing) -> None:
    said = at_once(*words, DATABASE_URL=NOWHERE)
    assert (said.code, said.out) == (FAILED, "")
    assert said.err.startswith("the database cannot be reached: ")
    assert said.err.endswith("; check DATABASE_URL and the server\n")
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("words", [["status"], ["explain", "customer", "CT-1"], ["doctor", "--accept-database"]])
def test_an_unmigrated_database_is_refused_with_the_command_to_run(
    host_database: Database, words: list[str], at_once: Typing
) -> None:
    said = at_once(*words, DATABASE_URL=host_database.dsn())
    assert (said.code, said.out) == (FAILED, "")
    assert said.err == "the database is not migrated: run zoho-outbox migrate\n"


def test_pause_needs_the_migration_too(host_database: Database, at_once: Typing) -> None:
    said = at_once("pause", DATABASE_URL=host_database.dsn())
    assert (said.code, said.out) == (FAILED, "")
    assert said.err.startswith("the database is not migrated (")
    assert said.err.endswith("run zoho-outbox migrate\n")


def test_a_database_that_is_no_host_is_refused_by_the_tables_it_lacks(databases: Databases, at_once: Typing) -> None:
    with databases.fresh() as empty:
        said = at_once("status", DATABASE_URL=empty.dsn())
    assert (said.code, said.out) == (FAILED, "")
    assert "public.customers, public.customer_services" in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("migrated_database", [HostShape(rows=True)], indirect=True)
def test_a_reader_that_goes_away_is_no_error(migrated_database: Database) -> None:
    settings = environment(DATABASE_URL=migrated_database.dsn(DAEMON))
    with subprocess.Popen(
        [*COMMAND, "status"], cwd=ROOT, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert said == ""
    assert process.returncode == 141
