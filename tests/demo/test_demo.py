"""The real thing, from the command to the exit status."""

import contextlib
import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from outbox.demo.sample import sample
from outbox.demo.sample.customers import PRODUCTION, TEST_ACCOUNTS, ZANELE
from outbox.demo.sample.days import Days
from outbox.demo.sample.ends import Kept
from tests.demo.running import PATIENCE_SECONDS, SEARCH_PATH, running_demo

NOT_IN_ZOHO = "Rows that are not in Zoho"
ROWS = sample(Days.now()).rows()

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="starts processes of other users: needs root")

FAILING = """
import sys
from daemon.demonstration import DAEMON
from outbox.demo.performance import perform
from outbox.demo.stopping import StopRequest
from outbox.simulator import FaultRule
refused = FaultRule(
    kind="refused", method="POST", path="/customers", body_contains="CT-2025-00015", times=None, code=2, message="No."
)
with StopRequest() as stop:
    sys.exit(
        perform(
            [sys.executable, "-c", DAEMON, "run"], stop=stop, exit_when_done=True, real_limits=False, faults=[refused]
        )
    )
"""

DYING = """
import sys
from outbox.demo.performance import perform
from outbox.demo.stopping import StopRequest
with StopRequest() as stop:
    sys.exit(
        perform(
            [sys.executable, "-c", "print('no daemon today'); raise SystemExit(2)"],
            stop=stop, exit_when_done=True, real_limits=False,
        )
    )
"""


def python_for(user: int) -> str | None:
    """A Python that the user may run, with what the demo imports. A virtual environment's may lie out of reach."""
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with contextlib.suppress(OSError):
            able = subprocess.run(
                [python, "-c", "import outbox, daemon, psycopg, aiohttp, pydantic; psycopg.pq.__impl__"],
                env={"PYTHONPATH": SEARCH_PATH, "PYTHONDONTWRITEBYTECODE": "1"},
                cwd="/",
                user=user,
                group=user,
                extra_groups=[],
                check=False,
                capture_output=True,
            )
            if able.returncode == 0:
                return python
    return None


def lines_with(output: str, *texts: str) -> list[str]:
    return [line for line in output.splitlines() if all(text in line for text in texts)]


@pytest.fixture(scope="module")
def output() -> str:
    """Of a whole demo, undisturbed."""
    with running_demo("--exit") as demo:
        status, output, errors = demo.end()
        assert (status, errors) == (0, ""), output
        demo.assert_nothing_left()
    return output


def test_it_ends_with_every_row_where_the_sample_says_and_leaves_nothing(output: str) -> None:
    assert output.startswith("zoho-outbox demo")
    for customer in PRODUCTION:
        sent = "POST /customers" if customer.zoho_id is None else "PUT /customers"
        assert lines_with(output, "customer ", customer.account_number, "inserted", sent, "synced"), customer
    for account in TEST_ACCOUNTS:
        assert lines_with(output, account.account_number, "inserted", "skipped"), account
    assert lines_with(output, "customer ", "CT-2025-00004", "updated", "PUT /customers", "synced")
    assert lines_with(output, "customer ", "CT-2025-00009", "markasinactive", "synced")
    assert lines_with(output, "customer ", "CT-2025-00012", "requested", "PUT /customers", "synced")
    assert lines_with(output, "each of them exactly once")
    assert lines_with(output, "the same on both sides, to the cent")
    assert lines_with(output, f"All {len(ROWS)} rows stand as they should")


def test_every_kind_of_row_is_seen_to_move(output: str) -> None:
    moves = output.partition(NOT_IN_ZOHO)[0]
    for seen in (
        ("subscription", "POST /subscriptions", "synced"),
        ("subscription", "POST …/customfields", "synced"),
        ("subscription", "PUT /subscriptions/…", "synced"),
        ("subscription", "POST …/cancel", "synced"),
        ("subscription", "waiting"),
        ("invoice", "POST …/converttoopen", "synced"),
        ("invoice", "PUT /invoices/…", "synced"),
        ("invoice", "POST …/void", "synced"),
        ("payment", "POST /payments", "synced"),
        ("payment", "POST …/refunds", "synced"),
    ):
        assert lines_with(moves, *seen), seen
    assert lines_with(moves, "adopted Zoho subscription")
    assert lines_with(moves, "not applied: invoice INV-2025-00021 is recurring")


def test_the_summary_names_every_row_that_is_not_in_zoho_with_its_reason(output: str) -> None:
    summary = output.partition(NOT_IN_ZOHO)[2].partition("\n")[2].partition("Zoho's books")[0]
    named = [line.split(maxsplit=3) for line in lines_with(summary) if line[2:3].strip()]
    kept = [row for row in ROWS if isinstance(row.end, Kept)]
    assert sorted(words[:3] for words in named) == sorted(
        [type(row.end).__name__.lower(), row.entity_type, row.key] for row in kept
    )
    assert all(len(words) == 4 for words in named)


@pytest.mark.slow
def test_two_at_once_do_not_meet() -> None:
    with running_demo("--exit") as one, running_demo("--exit") as other:
        for demo in (one, other):
            status, output, errors = demo.end()
            assert (status, errors) == (0, ""), output
            demo.assert_nothing_left()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_with_real_limits_nothing_is_refused() -> None:
    with running_demo("--exit", "--real-limits") as demo:
        status, output, errors = demo.end(patience=500)
    assert (status, errors) == (0, ""), output
    assert lines_with(output, "refused as too many: 0")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seen", "number"),
    [
        ("zoho-outbox demo", signal.SIGINT),
        ("Installation", signal.SIGTERM),
        ("Zoho Billing ", signal.SIGINT),
        ("POST /customers", signal.SIGHUP),
    ],
)
def test_stopped_at_any_moment_it_leaves_nothing(seen: str, number: signal.Signals) -> None:
    with running_demo() as demo:
        demo.read_until(seen)
        status, output, errors = demo.end(number)
        assert (status, errors) == (0, "")
        assert output.rstrip().endswith("Stopped; nothing is left behind.")
        demo.assert_nothing_left()


@pytest.mark.slow
def test_it_goes_on_until_ctrl_c_and_shows_what_others_change() -> None:
    import psycopg  # noqa: PLC0415

    with running_demo() as demo:
        demo.read_until("It goes on until Ctrl-C")
        (line,) = [line for line in demo.read_until("postgresql://") if "postgresql://" in line]
        with psycopg.connect(line.split("'")[1], autocommit=True) as operator:
            operator.execute("UPDATE customers SET phone = '+27 82 555 0000' WHERE account_number = 'CT-2025-00023'")
        shown = demo.read_until("CT-2025-00023")[-1]
        assert "updated" in shown
        assert "synced" in shown
        status, _, errors = demo.end(signal.SIGINT)
        assert (status, errors) == (0, "")
        demo.assert_nothing_left()


@pytest.mark.slow
def test_stopped_before_the_end_it_was_to_reach_it_fails() -> None:
    with running_demo("--exit") as demo:
        demo.read_until("POST /customers")
        status, _, _ = demo.end(signal.SIGINT)
        assert status == 1
        demo.assert_nothing_left()


@pytest.mark.slow
def test_a_killed_demo_leaves_nothing_either() -> None:
    with running_demo() as demo:
        demo.read_until("POST /customers")
        assert demo.processes()
        demo.process.kill()
        # Leaving the block waits until its guards have cleaned up.


def test_a_reader_that_goes_away_ends_it() -> None:
    with running_demo() as demo:
        assert demo.process.stdout is not None
        assert demo.process.stderr is not None
        demo.process.stdout.readline()
        demo.process.stdout.close()
        assert demo.process.wait(PATIENCE_SECONDS) == 0
        assert demo.process.stderr.read() == ""
        demo.assert_nothing_left()


@pytest.mark.slow
@as_root
def test_an_ordinary_user_runs_it_from_a_directory_that_is_not_theirs() -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    python = python_for(nobody)
    if python is None:
        pytest.skip("no Python with our libraries, and no checkout, that other users may read")
    with running_demo("--exit", python=python, user=nobody) as demo:
        status, output, errors = demo.end()
        assert (status, errors) == (0, ""), output
        demo.assert_nothing_left()


@pytest.mark.slow
def test_a_customer_that_zoho_refuses_is_named_and_the_rest_arrives() -> None:
    with running_demo(script=FAILING) as demo:
        status, output, errors = demo.end()
        assert (status, errors) == (1, "")
        named = output.partition("NOT as the sample data says")[2]
        assert lines_with(named, "CT-2025-00015", "zoho_sync_status is failed")
        assert lines_with(output, "dead", "CT-2025-00015")
        theirs = {row.key for row in ROWS if row.account == ZANELE.account_number and not isinstance(row.end, Kept)}
        assert theirs == {row.key for row in ROWS if lines_with(named, f"  {row.key}  ")}
        kept = Path(lines_with(output, "Daemon's log")[0].split()[-1])
        assert "CT-2025-00015" in kept.read_text(encoding="utf-8")
        assert demo.leftovers() == [str(kept)]


def test_a_daemon_that_does_not_start_is_shown_with_its_last_words() -> None:
    with running_demo(script=DYING) as demo:
        status, _, errors = demo.end()
    assert status == 1
    assert "the daemon ended by itself with exit status 2" in errors
    assert "no daemon today" in errors
    assert "Its whole log: " in errors


def test_without_a_postgresql_it_says_what_to_install_in_one_line(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from daemon.demonstration import demo  # noqa: PLC0415

    monkeypatch.setattr("outbox.demo.postgres_server._candidates", lambda: iter(()))
    assert demo(exit_when_done=True, real_limits=False) == 1
    output, errors = capfd.readouterr()
    assert output == ""
    (line,) = errors.splitlines()
    assert "pip install 'zoho-outbox[try]'" in line
