"""What the real daemon tells a service manager, heard on a real datagram socket."""

import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from daemon.supervision import ASLEEP_SECONDS, STALLED_AFTER_SECONDS, Supervisor
from daemon.systemd import Notifier
from outbox.clock import ManualClock
from outbox.demo.postgres_server import PostgresServer
from outbox.simulator import FaultKind, RunningSimulator
from tests.acceptance.running import ROOT, DaemonProcess, environment, until
from tests.deploy.manager import Manager
from tests.host import databases
from tests.host.databases import Databases
from tests.host.shapes import HostShape
from tests.migration.migrated import migrated_template
from tests.store.host import Host

pytestmark = pytest.mark.anyio

Start = Callable[[Mapping[str, str]], DaemonProcess]

PATIENT = {
    "ZOHO_REQUEST_TIMEOUT_SECONDS": "40",
    "OUTBOX_LEASE_SECONDS": "90",
    "OUTBOX_AMBIGUOUS_RECHECK_SECONDS": "40",
}


class TestReadiness:
    async def test_an_absent_database_is_waited_for_with_more_time_asked_and_ready_is_said_when_it_is_there(
        self, own_postgres: PostgresServer, zoho: RunningSimulator, start_daemon: Start, manager: Manager
    ) -> None:
        database = Databases(own_postgres, "own").create(migrated_template(HostShape()))
        own_postgres.shut_down()
        daemon = start_daemon(environment(database, zoho, **manager.environment()))
        await until(lambda: len(manager.values("EXTEND_TIMEOUT_USEC")) >= 2, what="more time is asked for")
        assert manager.status.startswith("waiting for the database: ")
        assert not manager.ready
        own_postgres.start()
        await until(lambda: manager.ready, what=f"ready:\n{daemon.output}")
        await until(lambda: manager.status.endswith("listening"), what="the status says that it listens")

    async def test_a_database_that_is_not_fit_is_never_ready_and_the_status_says_what_to_do(
        self, host_database: databases.Database, zoho: RunningSimulator, start_daemon: Start, manager: Manager
    ) -> None:
        settings = environment(host_database, zoho, DATABASE_URL=host_database.dsn(), **manager.environment())
        daemon = start_daemon(settings)
        assert await daemon.ends() == 2
        assert not manager.ready
        assert manager.status.startswith("refused: ")
        assert "run zoho-outbox migrate" in manager.status

    async def test_zoho_is_not_waited_for(
        self, host: Host, zoho: RunningSimulator, start_daemon: Start, manager: Manager
    ) -> None:
        held = zoho.faults.plant(FaultKind.HELD_BEFORE, "GET", "/organizations*")
        start_daemon(environment(host.database, zoho, **PATIENT, **manager.environment()))
        await until(lambda: manager.ready, what="ready")
        await zoho.until(lambda _: held.fired == 1)
        held.release()

    async def test_a_way_that_carries_no_notification_is_ready_too_and_says_that_it_polls(
        self, host: Host, zoho: RunningSimulator, start_daemon: Start, manager: Manager
    ) -> None:
        elsewhere = host.database.superuser_dsn.replace(f"/{host.database.name}", "/postgres")
        start_daemon(environment(host.database, zoho, DATABASE_LISTEN_URL=elsewhere, **manager.environment()))
        await until(lambda: manager.ready, what="ready")
        await until(lambda: manager.status.endswith("polling"), what="polling")

    async def test_where_nobody_listens_the_daemon_works_all_the_same(
        self, host: Host, zoho: RunningSimulator, start_daemon: Start, tmp_path: Path
    ) -> None:
        customer = host.add_customer()
        start_daemon(environment(host.database, zoho, NOTIFY_SOCKET=str(tmp_path / "gone")))
        await until(lambda: host.shown(customer)[0] == "synced")


@pytest.fixture
def start_patched(
    host: Host, zoho: RunningSimulator, manager: Manager, tmp_path: Path
) -> Iterator[Callable[[str], Callable[[], str]]]:
    """Starts the daemon after some Python of the test's own; what it has said so far."""
    processes = []

    def start(patch: str) -> Callable[[], str]:
        log = tmp_path / "patched.log"
        environ = environment(host.database, zoho, **manager.environment(watchdog_seconds=1))
        with log.open("wb") as stream:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-c", f"{patch}\n{RUN}"],
                    cwd=ROOT,
                    env={"PATH": "/usr/bin:/bin", **environ},
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                )
            )
        return log.read_text

    yield start
    for process in processes:
        process.kill()
        process.wait()


RUN = """
import sys
from daemon.command_line import main
sys.argv = ["zoho-outbox", "run"]
main()
"""

FAILING = """
from daemon import maintenance
async def maintain(engine, dispatcher, supervisor):
    raise ValueError("a mistake of ours")
maintenance.maintain = maintain
"""

NO_PAGES = """
import os, sys
sys.modules["daemon.web.application"] = None
os.environ["OUTBOX_HTTP_LISTEN"] = "127.0.0.1:0"
"""


class TestMistakes:
    async def test_a_loop_that_fails_by_a_mistake_is_never_ready_and_gets_no_more_time(
        self, start_patched: Callable[[str], Callable[[], str]], manager: Manager
    ) -> None:
        said = start_patched(FAILING)
        await until(lambda: "failing: maintenance" in manager.status, what=f"failing:\n{said()}")
        asked = len(manager.values("EXTEND_TIMEOUT_USEC"))
        told = len(manager.messages)
        await until(lambda: len(manager.messages) > told + 4, what="it goes on telling")
        assert len(manager.values("EXTEND_TIMEOUT_USEC")) == asked
        assert not manager.ready

    async def test_a_dashboard_that_cannot_be_loaded_keeps_nothing_from_being_ready(
        self, start_patched: Callable[[str], Callable[[], str]], manager: Manager
    ) -> None:
        said = start_patched(NO_PAGES)
        await until(lambda: "failing: http" in manager.status, what=f"failing:\n{said()}")
        await until(lambda: manager.ready, what=f"ready:\n{said()}")


class TestStatus:
    @pytest.mark.slow
    async def test_it_says_who_paused_and_why_in_one_line_that_cannot_speak_for_the_daemon(
        self, host: Host, zoho: RunningSimulator, start_daemon: Start, manager: Manager
    ) -> None:
        start_daemon(environment(host.database, zoho, **manager.environment(watchdog_seconds=1)))
        await until(lambda: manager.status.startswith("sending; 0 in hand; 0 due"), what="sending")
        with host.operator() as operator:
            operator.execute("SELECT zoho_outbox_pause(E'month end\\nSTOPPING=1')")
        await until(lambda: manager.status.startswith("paused by finance_operator: month end"), what="paused")
        host.add_customers(3)
        await until(lambda: "3 due" in manager.status, what="what is due is counted")
        assert manager.values("STOPPING") == []

    async def test_it_says_until_when_zoho_wants_silence(
        self, host: Host, zoho: RunningSimulator, start_daemon: Start, manager: Manager
    ) -> None:
        zoho.faults.plant(FaultKind.RATE_LIMITED_43, "POST", "/customers", times=None)
        host.add_customer()
        start_daemon(environment(host.database, zoho, **manager.environment(watchdog_seconds=1)))
        await until(lambda: manager.status.startswith("throttled until 20"), what="throttled")

    async def test_it_says_what_is_used_up_and_until_when(
        self, host: Host, zoho: RunningSimulator, start_daemon: Start, manager: Manager
    ) -> None:
        host.add_customer()
        # One request, which the check of the organisation takes.
        limit = {"ZOHO_DAILY_REQUEST_LIMIT": "1"}
        start_daemon(environment(host.database, zoho, **limit, **manager.environment(watchdog_seconds=1)))
        await until(lambda: manager.status.startswith("the day's quota is used up (until 20"), what="used up")

    async def test_it_says_that_the_database_is_lost_and_the_watchdog_is_fed_meanwhile(
        self, own_postgres: PostgresServer, zoho: RunningSimulator, start_daemon: Start, manager: Manager
    ) -> None:
        database = Databases(own_postgres, "own").create(migrated_template(HostShape()))
        start_daemon(environment(database, zoho, **manager.environment(watchdog_seconds=1)))
        await until(lambda: manager.ready, what="ready")
        own_postgres.shut_down()
        await until(lambda: manager.status.startswith("the database is lost"), what="lost")
        fed = len(manager.values("WATCHDOG"))
        await until(lambda: len(manager.values("WATCHDOG")) > fed + 3, what="fed")

    async def test_sending_that_is_switched_off_is_said(
        self, host: Host, zoho: RunningSimulator, start_daemon: Start, manager: Manager
    ) -> None:
        start_daemon(environment(host.database, zoho, ENABLE_ZOHO_SYNC="false", **manager.environment()))
        await until(lambda: manager.ready, what="ready")
        assert "ENABLE_ZOHO_SYNC is false" in manager.status


class TestStopping:
    async def test_a_drain_asks_for_as_long_as_a_request_may_take(
        self, host: Host, zoho: RunningSimulator, start_daemon: Start, manager: Manager
    ) -> None:
        held = zoho.faults.plant(FaultKind.HELD_BEFORE, "POST", "/customers")
        host.add_customer()
        daemon = start_daemon(environment(host.database, zoho, **PATIENT, **manager.environment(watchdog_seconds=1)))
        await zoho.until(lambda _: held.fired == 1)
        await until(lambda: manager.ready, what="ready")
        daemon.signal(signal.SIGTERM)
        await until(lambda: manager.status == "draining; 1 in hand", what="draining")
        assert manager.values("STOPPING") == ["1"]
        assert int(manager.values("EXTEND_TIMEOUT_USEC")[-1]) > 40_000_000
        held.release()
        assert await daemon.ends() == 0


STALLING = """
import anyio
from daemon import dispatcher, listener, maintenance, supervision, systemd
supervision.STALLED_AFTER_SECONDS = 12.0
dispatcher.LONGEST_REST_SECONDS = listener.PROBE_SECONDS = systemd.LOOK_SECONDS = 1.0
async def maintain(engine, dispatcher, supervisor):
    supervisor.progress(maintenance.MAINTENANCE)
    await anyio.sleep_forever()
maintenance.maintain = maintain
"""
"""A loop that does its first round, and then neither fails nor moves."""


class TestWatchdog:
    async def test_a_loop_that_stalls_starves_it_and_the_status_and_the_log_name_the_loop(
        self, start_patched: Callable[[str], Callable[[], str]], manager: Manager
    ) -> None:
        stalling = start_patched(STALLING)
        await until(lambda: manager.ready, what="ready")
        await until(lambda: manager.status.startswith("stalled: "), what=f"stalled:\n{stalling()}")
        assert manager.status.startswith("stalled: maintenance; ")
        before = next(place for place, message in enumerate(manager.messages) if "stalled" in message["STATUS"])
        await until(lambda: len(manager.messages) >= before + 4, what="it goes on telling")
        assert [message for message in manager.messages[before:] if "WATCHDOG" in message] == []
        assert manager.messages[before - 1]["WATCHDOG"] == "1"
        assert stalling().count("loop.stalled") == 1

    def test_a_process_that_was_stopped_or_suspended_has_no_stalled_loop(self) -> None:
        clock = ManualClock()
        supervisor = Supervisor(clock)
        supervisor.watch("one")
        assert supervisor.look_for_stalled() == []
        clock.advance(STALLED_AFTER_SECONDS * 10)
        assert supervisor.look_for_stalled() == []
        for _ in range(4):
            clock.advance(ASLEEP_SECONDS)
            found = supervisor.look_for_stalled()
        assert found == ["one"]

    def test_it_is_meant_for_one_process(self) -> None:
        assert Notifier({"WATCHDOG_USEC": "2000000"}).watchdog_seconds == 2
        assert Notifier({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}).watchdog_seconds is None
        assert Notifier({"WATCHDOG_USEC": "0"}).watchdog_seconds is None


class TestNotifier:
    def test_without_a_manager_nothing_is_said(self) -> None:
        assert not Notifier({}).heard
        assert not Notifier({}).send(READY="1")

    def test_an_abstract_address_is_understood(self) -> None:
        name = f"zoho-outbox-test-{tempfile.mktemp(dir='')}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(f"\0{name}")
            assert Notifier({"NOTIFY_SOCKET": f"@{name}"}).send(READY="1", STATUS="a b")
            assert manager.recv(1000) == b"READY=1\nSTATUS=a b"

    def test_a_manager_that_does_not_read_holds_nobody_up(self, tmp_path: Path) -> None:
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(f"{folder}/notify")
            notifier = Notifier({"NOTIFY_SOCKET": f"{folder}/notify"})
            said = [notifier.send(STATUS="x") for _ in range(20_000)]
        assert said[0]
        assert not said[-1]
