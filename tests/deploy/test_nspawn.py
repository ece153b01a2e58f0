"""The units in a booted systemd: what an administrator will see."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from outbox.demo.postgres_server import PostgresServer
from outbox.simulator import SimulatorSettings
from outbox.simulator.serving import environment as simulator_environment
from tests.deploy.container import DEPLOY, PROGRAM, SYSTEM, UNIT, Container, NotBooted, booted, unavailable
from tests.host.databases import Databases
from tests.host.server import embedded_server
from tests.host.shapes import HostShape, prepare_server
from tests.migration.migrated import DAEMON, migrated_template
from tests.store.host import Host

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(unavailable() is not None, reason=str(unavailable())),
]

ADDRESS = "http://127.0.0.1:8026"
ZOHO = simulator_environment(ADDRESS, SimulatorSettings())
SECRET = ("ZOHO_CLIENT_SECRET", "ZOHO_REFRESH_TOKEN")

SIMULATOR = f"""
[Service]
DynamicUser=yes
ExecStart={PROGRAM} simulate-zoho --port 8026 --wide-limits
"""

QUICK = """
ZOHO_REQUESTS_PER_MINUTE=0
ZOHO_REQUEST_TIMEOUT_SECONDS=5
OUTBOX_AMBIGUOUS_RECHECK_SECONDS=5
OUTBOX_LEASE_SECONDS=10
OUTBOX_POLL_SECONDS=2
"""

QUICK_WATCHDOG = """
[Service]
WatchdogSec=3
RestartSec=0
"""

AT_ONCE = """
[Timer]
OnCalendar=
RandomizedDelaySec=0
OnActiveSec=1
"""


@pytest.fixture(scope="module")
def postgres_here() -> Iterator[PostgresServer]:
    with embedded_server() as server:
        prepare_server(server)
        server.socket_directory.chmod(0o711)  # its data stay closed; the socket is bound into the container
        yield server


@pytest.fixture(scope="module")
def host_here(postgres_here: PostgresServer) -> Iterator[Host]:
    database = Databases(postgres_here, "own").create(migrated_template(HostShape()))
    with Host(database) as host:
        yield host


def database_url(server: PostgresServer, host: Host, role: str) -> str:
    """By the socket as the container sees it."""
    return f"postgresql://{role}:{quote(server.password)}@/{host.database.name}?host=/srv/postgres&port={server.port}"


@pytest.fixture(scope="module")
def machine(
    postgres_here: PostgresServer, host_here: Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    plain = {name: value for name, value in ZOHO.items() if name not in SECRET}
    example = (DEPLOY / "zoho-outbox.env").read_text(encoding="utf-8")
    for name, value in plain.items():
        example, found = re.subn(rf"(?m)^#?{name}=.*$", f"{name}={value}", example)
        assert found == 1, name
    files = {
        f"{SYSTEM}/zoho-simulator.service": SIMULATOR,
        f"{SYSTEM}/{UNIT}.d/quick.conf": QUICK_WATCHDOG,
        f"{SYSTEM}/zoho-outbox-health-check.timer.d/now.conf": AT_ONCE,
        f"{SYSTEM}/zoho-outbox-alert-failed.timer.d/now.conf": AT_ONCE,
        "etc/zoho-outbox/zoho-outbox.env": example + QUICK,
        "srv/postgres/.keep": "",
    }
    try:
        with booted(tmp_path_factory.mktemp("nspawn"), {postgres_here.socket_directory: "/srv/postgres"}, files) as up:
            up.type("install", "3. User, folders, units")
            for name in SECRET:
                up.write(f"/etc/zoho-outbox/credentials/{name.lower()}", f"{ZOHO[name]}\n", 0o600)
            up.write("/etc/zoho-outbox/credentials/alert_urls", "json://127.0.0.1:9/nobody\n", 0o600)
            url = database_url(postgres_here, host_here, DAEMON)
            up.write("/etc/zoho-outbox/credentials/database_url", f"{url}\n", 0o600)
            up.systemctl("start", "zoho-simulator.service")
            up.systemctl("start", UNIT)
            yield up
    except NotBooted as reason:
        pytest.skip(str(reason))


@pytest.fixture(autouse=True)
def _running(machine: Container) -> None:
    """Each test begins with the daemon as it should be."""
    machine.systemctl("reset-failed", UNIT, check=False)
    machine.systemctl("start", UNIT)
    machine.until(lambda: machine.shows("ActiveState") == "active", "the daemon is active")


def test_what_is_installed_belongs_to_root_and_the_secrets_to_nobody_else(machine: Container) -> None:
    said = machine.run(
        "stat", "--format=%A %U %G %n", "/etc/zoho-outbox", "/etc/zoho-outbox/zoho-outbox.env",
        "/etc/zoho-outbox/credentials", "/etc/zoho-outbox/credentials/database_url",
    ).stdout.splitlines()  # fmt: skip
    assert said == [
        "drwxr-x--- root zoho-outbox /etc/zoho-outbox",
        "-rw-r----- root zoho-outbox /etc/zoho-outbox/zoho-outbox.env",
        "drwx------ root root /etc/zoho-outbox/credentials",
        "-rw------- root root /etc/zoho-outbox/credentials/database_url",
    ]


def test_it_is_active_only_once_it_works_and_a_commit_travels(machine: Container, host_here: Host) -> None:
    machine.systemctl("restart", UNIT)
    # Whoever waited for the start finds a process that has written its heartbeat.
    alive = (
        "SELECT count(*) FROM zoho_outbox_private.session WHERE kind = 'daemon' AND seen_at > now() - interval '1 min'"
    )
    assert host_here.value(alive) == 1
    customer = host_here.add_customer(1)
    machine.until(lambda: host_here.shown(customer)[0] == "synced", "the customer is in Zoho")


def test_it_runs_as_its_own_user_and_its_secrets_are_in_no_environment(machine: Container) -> None:
    pid = machine.shows("MainPID")
    environ = machine.run("cat", f"/proc/{pid}/environ").stdout
    assert "CREDENTIALS_DIRECTORY=" in environ
    for name in SECRET:
        assert ZOHO[name] not in environ
    assert machine.run("ps", "-o", "user:20=", "-p", pid).stdout.strip() == "zoho-outbox"


def test_the_hardening_is_enforced(machine: Container) -> None:
    pid = machine.shows("MainPID")
    status = dict(
        line.split(":\t", 1) for line in machine.run("cat", f"/proc/{pid}/status").stdout.splitlines() if ":\t" in line
    )
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapBnd"], 16) == 0
    assert status["Seccomp"] == "2"
    mounts = machine.run("cat", f"/proc/{pid}/mounts").stdout
    assert re.search(r"^\S+ / \S+ ro,", mounts, re.MULTILINE)


def http(machine: Container, path: str) -> str:
    """The first line of the answer, asked for inside."""
    request = rf"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:8025\r\n\r\n"
    ask = f"exec 3<>/dev/tcp/127.0.0.1/8025; printf '{request}' >&3; head -n 1 <&3"
    return machine.run("bash", "-c", ask, check=False).stdout.strip()


def test_its_pages_answer_from_within_the_hardening(machine: Container) -> None:
    machine.until(lambda: " 200 " in http(machine, "/readyz"), "ready for HTTP too")
    assert " 200 " in http(machine, "/healthz")
    assert " 200 " in http(machine, "/metrics")
    # Without OUTBOX_ADMIN_TOKEN the dashboard refuses; it is there all the same.
    answer = http(machine, "/admin/zoho-sync")
    assert answer
    assert " 404 " not in answer
    assert " 500 " not in answer


def test_the_status_line_tells_who_paused_and_why(machine: Container, host_here: Host) -> None:
    with host_here.operator() as operator:
        operator.execute("SELECT zoho_outbox_pause('month end')")
    paused = "paused by finance_operator: month end"
    machine.until(lambda: machine.shows("StatusText").startswith(paused), "the status says who paused")
    with host_here.operator() as operator:
        operator.execute("SELECT zoho_outbox_resume()")
    machine.until(lambda: machine.shows("StatusText").startswith("sending; 0 in hand"), "the status says: sending")
    assert "sending; 0 in hand" in machine.systemctl("status", UNIT)


def test_the_journal_is_read_as_json(machine: Container) -> None:
    started = machine.events("daemon.started")
    assert started
    assert {"timestamp", "level", "event", "version"} <= started[-1].keys()
    for line in machine.journal():
        if not re.match(r"(Starting|Started|Stopping|Stopped|zoho-outbox\.service: )", line):
            json.loads(line)


def test_a_killed_daemon_is_back_and_works(machine: Container, host_here: Host) -> None:
    restarts = int(machine.shows("NRestarts"))
    machine.systemctl("kill", "--signal=KILL", UNIT)
    machine.until(lambda: int(machine.shows("NRestarts")) > restarts, "it is started again")
    machine.until(lambda: machine.shows("ActiveState") == "active", "it is active again")
    customer = host_here.add_customer(2)
    machine.until(lambda: host_here.shown(customer)[0] == "synced", "the customer is in Zoho")


def test_a_daemon_that_hangs_is_ended_by_the_watchdog_and_back(machine: Container) -> None:
    restarts, pid = int(machine.shows("NRestarts")), machine.shows("MainPID")
    machine.run("kill", "-STOP", pid)
    machine.until(lambda: int(machine.shows("NRestarts")) > restarts, "the watchdog has it started again")
    machine.until(lambda: machine.shows("ActiveState") == "active", "it is active again")
    assert machine.shows("MainPID") != pid
    journal = machine.journal()
    assert any("Watchdog timeout" in line for line in journal)
    # Where it stood, for whoever looks for the cause.
    assert any("Fatal Python error: Aborted" in line for line in journal)


def test_a_stop_drains_and_is_no_failure(machine: Container, host_here: Host) -> None:
    stopped, pid = len(machine.events("daemon.stopped")), int(machine.shows("MainPID"))
    machine.systemctl("stop", UNIT)
    assert machine.shows("Result") == "success"
    assert machine.shows("ExecMainStatus") == "0"
    assert len(machine.events("daemon.stopped")) == stopped + 1
    assert host_here.rows("SELECT FROM zoho_outbox_private.session WHERE pid = %s", [pid]) == []


def test_a_refusal_is_not_tried_again_and_the_status_says_what_to_do(machine: Container, host_here: Host) -> None:
    machine.systemctl("stop", UNIT)
    host_here.interfere("UPDATE zoho_outbox_private.installation SET database_name = 'another'")
    try:
        restarts = machine.shows("NRestarts")
        machine.systemctl("start", UNIT, check=False)
        machine.until(lambda: machine.shows("ActiveState") == "failed", "it has failed")
        assert machine.shows("ExecMainStatus") == "2"
        assert machine.shows("NRestarts") == restarts
        assert "doctor --accept-database" in machine.shows("StatusText")
    finally:
        host_here.interfere("UPDATE zoho_outbox_private.installation SET database_name = current_database()")


def test_a_missing_secret_is_named_and_not_looked_for_again_and_again(machine: Container) -> None:
    machine.systemctl("stop", UNIT)
    there = "/etc/zoho-outbox/credentials/zoho_refresh_token"
    machine.run("mv", there, f"{there}.away")
    try:
        restarts = machine.shows("NRestarts")
        machine.systemctl("start", UNIT, check=False)
        machine.until(lambda: machine.shows("ActiveState") == "failed", "it has failed")
        assert (machine.shows("ExecMainStatus"), machine.shows("NRestarts")) == ("2", restarts)
        assert "ZOHO_REFRESH_TOKEN: required, and not set" in machine.journal()
    finally:
        machine.run("mv", f"{there}.away", there)


def test_an_absent_database_is_waited_for_longer_than_a_start_may_take(
    machine: Container, postgres_here: PostgresServer
) -> None:
    machine.systemctl("stop", UNIT)
    machine.write(f"/{SYSTEM}/{UNIT}.d/impatient.conf", "[Service]\nTimeoutStartSec=8\n")
    machine.systemctl("daemon-reload")
    postgres_here.shut_down()
    try:
        restarts = machine.shows("NRestarts")
        machine.systemctl("start", "--no-block", UNIT)
        machine.until(lambda: "waiting for the database" in machine.shows("StatusText"), "it says that it waits")
        since = int(machine.run("cut", "-d.", "-f1", "/proc/uptime").stdout)
        machine.until(
            lambda: int(machine.run("cut", "-d.", "-f1", "/proc/uptime").stdout) > since + 12, "the time is over"
        )
        assert machine.shows("ActiveState") == "activating"
    finally:
        postgres_here.start()
    machine.until(lambda: machine.shows("ActiveState") == "active", "it is active")
    assert machine.shows("NRestarts") == restarts


@pytest.mark.parametrize("name", ["health-check", "alert-failed"])
def test_a_timer_fires_and_its_service_runs(machine: Container, name: str) -> None:
    service = f"zoho-outbox-{name}.service"
    machine.systemctl("start", f"zoho-outbox-{name}.timer")
    machine.until(lambda: machine.shows("ExecMainExitTimestampMonotonic", service) != "0", f"{service} has run")
    machine.until(lambda: machine.shows("ActiveState", service) in {"inactive", "failed"}, "its end")
    journal = "\n".join(machine.journal(service))
    assert machine.shows("ExecMainStatus", service) in {"0", "1"}, journal
    assert "No such command" not in journal
    assert "required, and not set" not in journal


def test_an_administrator_types_commands_with_the_services_settings(machine: Container) -> None:
    said = machine.run("zoho-outbox", "status", "--json")
    assert json.loads(said.stdout)["organisation"]["state"] == "running"
    assert machine.run("zoho-outbox", "status", "--nonsense", check=False).returncode == 2
    assert machine.run("sh", "-c", "ls -d /run/zoho-outbox.* || true").stdout == ""


def test_somebody_else_is_told_to_use_sudo(machine: Container) -> None:
    said = machine.run("setpriv", "--reuid=65534", "zoho-outbox", "status", check=False)
    assert said.returncode == 2
    assert "sudo zoho-outbox status" in said.stderr


def test_what_the_guides_install_and_uninstall_leaves_nothing_behind(tmp_path: Path) -> None:
    try:
        with booted(tmp_path, {}, {}) as machine:
            before = machine.files()
            machine.type("install", "3. User, folders, units")
            installed = machine.files() - before
            assert {
                "/usr/lib/systemd/system/zoho-outbox.service",
                "/usr/lib/systemd/system/zoho-outbox-alert-failed.timer",
                "/usr/local/sbin/zoho-outbox",
                "/etc/zoho-outbox/credentials",
                "/opt/zoho-outbox/share/docs/runbook/README.md",
            } <= installed
            assert machine.shows("LoadState") == "loaded"
            machine.systemctl("enable", UNIT, "zoho-outbox-health-check.timer")
            machine.systemctl("disable", "--now", UNIT, "zoho-outbox-health-check.timer")
            machine.type("uninstall", "3. The machine")
            left = {path for path in machine.files() - before if not path.endswith(("-", ".lock"))}
            assert left == set()
            assert machine.run("getent", "passwd", "zoho-outbox", check=False).returncode == 2
    except NotBooted as reason:
        pytest.skip(str(reason))


def test_nothing_of_this_machine_is_written(machine: Container) -> None:
    machine.write("/etc/zoho-outbox/here", "in the container alone")
    assert machine.run("cat", "/etc/zoho-outbox/here").stdout == "in the container alone"
    assert not Path("/etc/zoho-outbox/here").exists()
    assert "nspawn" not in Path("/proc/mounts").read_text(encoding="utf-8")
