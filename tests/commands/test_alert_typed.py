"""``alert-failed`` as a person or a timer types it."""

import threading
from collections.abc import Iterator

import anyio
import pytest

from daemon.command_line import DONE, FAILED, WRONG_USE
from tests.commands.alert_receiving import Hook, hook
from tests.commands.conftest import Console, ended, type_command
from tests.commands.health_planting import Installation
from tests.commands.test_command_line import NOWHERE
from tests.host.databases import Database
from tests.migration.migrated import OPERATOR

pytestmark = pytest.mark.anyio


@pytest.fixture
def installation(migrated_database: Database) -> Installation:
    return Installation(migrated_database).in_good_health()


@pytest.fixture
def web() -> Iterator[Hook]:
    with hook() as opened:
        yield opened


async def test_it_tells_and_exits_0_and_writes_no_secret_whatever_the_log_level(
    bare_console: Console, installation: Installation, web: Hook
) -> None:
    installation.dead(1, 60)
    url = f"json://anna:p4ssw0rd-of-anna@{web.address}/secret-path"
    said = await bare_console.type("alert-failed", ALERT_URLS=url, LOG_LEVEL="debug")
    assert (said.code, said.out) == (DONE, "receiver 1 (JSON at 127.0.0.1): told of 1 problem\n")
    assert len(web.posts) == 1
    web.status = 500
    installation.dead(6, 60)
    failed = await bare_console.type("alert-failed", ALERT_URLS=url, LOG_LEVEL="debug")
    assert failed.code == FAILED
    for output in (said.out, said.err, failed.out, failed.err):
        assert "p4ssw0rd" not in output
        assert "secret-path" not in output
    for row in installation.run("SELECT alert::text AS row FROM zoho_outbox_private.alert"):
        assert "p4ssw0rd" not in row["row"]
        assert "secret-path" not in row["row"]


@pytest.mark.parametrize(
    "entry",
    ["nonsense", "nonsense://secret-path", "slack://secret-path", "mailto://secret-path:25?from=", "ops@example.com"],
)
async def test_an_address_that_cannot_be_used_is_one_line_and_changes_nothing(
    bare_console: Console, installation: Installation, web: Hook, entry: str
) -> None:
    installation.dead(1, 60)
    said = await bare_console.type("alert-failed", ALERT_URLS=f"{web.url},{entry}")
    assert (said.code, said.out) == (WRONG_USE, "")
    assert said.err.startswith("ALERT_URLS: entry 2 of 2 is no address that can be used: ")
    assert len(said.err.splitlines()) == 1
    assert "secret-path" not in said.err
    assert web.posts == []
    assert installation.run("SELECT * FROM zoho_outbox_private.alert") == []


def test_nobody_to_tell_is_wrong_use_before_any_connection() -> None:
    said = type_command("alert-failed", DATABASE_URL=NOWHERE)
    assert (said.code, said.out) == (WRONG_USE, "")
    assert said.err.startswith("ALERT_URLS is not set: ")


def test_a_database_that_is_away_is_one_line_and_exit_1() -> None:
    said = type_command("alert-failed", DATABASE_URL=NOWHERE, ALERT_URLS="json://127.0.0.1:1/x")
    assert (said.code, said.out) == (FAILED, "")
    assert said.err.startswith("the database cannot be reached: ")
    assert len(said.err.splitlines()) == 1


async def test_whoever_may_not_remember_tells_nobody(
    bare_console: Console, installation: Installation, web: Hook
) -> None:
    installation.dead(1, 60)
    said = await bare_console.type("alert-failed", role=OPERATOR, ALERT_URLS=web.url)
    assert (said.code, said.out) == (FAILED, "")
    assert "connect as zoho_outbox_daemon" in said.err
    assert len(said.err.splitlines()) == 1
    assert web.posts == []


async def test_two_at_once_tell_nothing_twice(bare_console: Console, installation: Installation, web: Hook) -> None:
    installation.dead(1, 60)
    web.hold = threading.Event()
    with bare_console.interruptible("alert-failed", ALERT_URLS=web.url) as first:
        assert await anyio.to_thread.run_sync(web.asked.wait, 60)
        second = await bare_console.type("alert-failed", ALERT_URLS=web.url)
        assert (second.code, second.out) == (DONE, "another alert-failed is telling at this moment: left to it\n")
        web.hold.set()
        said = await ended(first)
    assert (said.code, said.out) == (DONE, "receiver 1 (JSON at 127.0.0.1): told of 1 problem\n")
    third = await bare_console.type("alert-failed", ALERT_URLS=web.url)
    assert third.out == "receiver 1 (JSON at 127.0.0.1): nothing is new\n"
    assert len(web.posts) == 1


async def test_a_receiver_that_hangs_does_not_hold_the_others_up(
    bare_console: Console, installation: Installation, web: Hook
) -> None:
    installation.dead(1, 60)
    with hook() as hanging:
        hanging.hold = threading.Event()
        said = await bare_console.type("alert-failed", ALERT_URLS=f"{hanging.url}?rto=0.3,{web.url}")
    assert said.code == FAILED
    assert said.out == "receiver 2 (JSON at 127.0.0.1): told of 1 problem\n"
    assert "receiver 1 (JSON at 127.0.0.1) did not take it" in said.err
    assert len(web.posts) == 1
