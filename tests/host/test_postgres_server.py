"""The launcher starts a real PostgreSQL as anybody, survives its crashes, and leaves nothing behind."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

import outbox
from outbox.demo.postgres_server import (
    PostgresNotFoundError,
    PostgresServer,
    PostgresStartError,
    ShutdownMode,
    find_binaries,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="starts processes of other users: needs root")

LAUNCHER = """
import sys
from outbox.demo.postgres_server import PostgresServer
with PostgresServer(durable=False) as server:
    print(server.pid, server.socket_directory, server.dsn(), flush=True)
    sys.stdin.read()
"""


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether the process runs. An orphan that nobody has collected yet (a zombie) does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def launched(
    python: str = sys.executable, source: Path | None = None, user: int | None = None, **environment: str
) -> subprocess.Popen[str]:
    source = source or Path(outbox.__file__).parent.parent
    given = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(source),
        "PYTHONDONTWRITEBYTECODE": "1",
        **environment,
    }
    return subprocess.Popen(
        [python, "-c", LAUNCHER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=given,
        cwd="/",
        start_new_session=True,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )


def said_by(process: subprocess.Popen[str]) -> tuple[int, Path, str]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        pytest.fail(f"the launcher ended: {process.communicate()[1]}")
    pid, directory, dsn = line.split()
    return int(pid), Path(directory), dsn


@pytest.fixture
def launcher() -> Iterator[subprocess.Popen[str]]:
    """A process that holds a server until its standard input ends."""
    process = launched()
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user may read and write. pytest's own are for its user alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def test_it_answers_over_tcp_and_over_its_socket() -> None:
    with PostgresServer(durable=False) as server:
        for dsn in (server.dsn(), server.dsn(through="socket")):
            with psycopg.connect(dsn) as connection:
                row = connection.execute("SELECT current_user, current_setting('server_version')").fetchone()
                assert row is not None
                assert row[0] == "postgres"
                assert row[1].split()[0] == server.version


def test_nobody_gets_in_without_the_password() -> None:
    with PostgresServer(durable=False) as server:
        for dsn in (server.dsn(password="guessed"), server.dsn(password="guessed", through="socket")):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(dsn)
        assert stat.S_IMODE(server.socket_directory.stat().st_mode) == 0o700
        assert server.password not in server.log_path.read_text()


def test_it_syncs_to_disk_unless_told_that_its_data_may_be_lost() -> None:
    with PostgresServer() as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
    with (
        PostgresServer(durable=False, settings={"work_mem": "5MB"}) as server,
        psycopg.connect(server.dsn()) as connection,
    ):
        assert connection.execute("SHOW fsync").fetchone() == ("off",)
        assert connection.execute("SHOW work_mem").fetchone() == ("5MB",)


@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_a_restart_keeps_the_port_and_what_was_committed(own_postgres: PostgresServer, mode: ShutdownMode) -> None:
    before = own_postgres.port, own_postgres.pid
    with psycopg.connect(own_postgres.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        own_postgres.restart(mode)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with psycopg.connect(own_postgres.dsn()) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (1,)
    assert own_postgres.port == before[0]
    assert own_postgres.pid != before[1]


def test_a_killed_server_can_be_started_again(own_postgres: PostgresServer) -> None:
    killed = own_postgres.pid
    with psycopg.connect(own_postgres.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        connection.execute("CHECKPOINT")
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: not is_running(killed), "the postmaster is dead")
        own_postgres.start()
    with psycopg.connect(own_postgres.dsn()) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (1,)


def test_while_it_is_down_it_has_no_pid_and_refuses_connections(own_postgres: PostgresServer) -> None:
    own_postgres.shut_down("immediate")
    with pytest.raises(RuntimeError, match="not running"):
        _ = own_postgres.pid
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(own_postgres.dsn())
    own_postgres.start()
    with psycopg.connect(own_postgres.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_it_leaves_neither_process_nor_directory() -> None:
    with PostgresServer(durable=False) as server:
        pid, directory = server.pid, server.socket_directory
    assert not is_running(pid)
    assert not directory.exists()
    server.stop()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_its_process_ends_nothing_is_left(launcher: subprocess.Popen[str], end: signal.Signals) -> None:
    pid, directory, _ = said_by(launcher)
    launcher.send_signal(end)
    launcher.wait(30)
    wait_until(lambda: not is_running(pid), "the server is gone")
    wait_until(lambda: not directory.exists(), "its directory is gone")


def test_ctrl_c_on_the_terminal_does_not_reach_the_server(launcher: subprocess.Popen[str]) -> None:
    pid, _, _ = said_by(launcher)
    assert os.getpgid(pid) != os.getpgid(launcher.pid)
    assert os.getsid(pid) != os.getsid(launcher.pid)


def test_the_server_is_our_own_child_and_does_not_run_as_root() -> None:
    with PostgresServer(durable=False) as server:
        status = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(fields["PPid"]) == os.getpid()
    assert int(fields["Uid"].split()[0]) != 0


def test_the_server_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOHO_CLIENT_SECRET", "not for the server")
    monkeypatch.setenv("PGPORT", "1")
    with PostgresServer(durable=False) as server:
        environment = Path(f"/proc/{server.pid}/environ").read_bytes()
        assert b"ZOHO" not in environment
        assert b"PGPORT" not in environment


@as_root
def test_an_ordinary_user_runs_it_as_themselves(own_postgres: PostgresServer, open_directory: Path) -> None:
    python = next((path for path in ("/usr/bin/python3", "/usr/local/bin/python3") if Path(path).exists()), None)
    if python is None:
        pytest.skip("needs a Python that every user may run")
    package = open_directory / "outbox" / "demo"
    package.mkdir(parents=True)
    shutil.copy(Path(outbox.__file__).parent / "demo" / "postgres_server.py", package)
    nobody = pwd.getpwnam("nobody")
    process = launched(
        python=python,
        source=open_directory,
        user=nobody.pw_uid,
        # Of the server that runs already: there, whatever this checkout's own place is, nobody may read them.
        PG_BIN=str(own_postgres.binaries.directory),
    )
    try:
        pid, directory, dsn = said_by(process)
        assert directory.stat().st_uid == nobody.pw_uid
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        process.communicate()
        assert process.returncode == 0
        assert not is_running(pid)
        assert not directory.exists()
    finally:
        process.kill()
        process.communicate()


def test_a_tree_that_nobody_may_read_is_moved_within_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_binaries()
    if not (found.tree / "share").is_dir():
        pytest.skip("the PostgreSQL of this machine is no tree that could be moved")
    package = tmp_path / "hidden" / found.tree.parent.name
    shutil.copytree(found.tree, package / found.tree.name, symlinks=True)
    libraries = found.tree.parent.parent / f"{found.tree.parent.name}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, package.parent / libraries.name, symlinks=True)
    (tmp_path / "hidden").chmod(0o700)
    monkeypatch.setenv("PG_BIN", str(package / found.tree.name / "bin"))
    with (
        PostgresServer(durable=False) as server,
        psycopg.connect(server.dsn(), autocommit=True) as connection,
    ):
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_version_that_is_not_there_says_what_was_found_and_what_to_install() -> None:
    with pytest.raises(PostgresNotFoundError, match=r"No PostgreSQL 9 found .*found: \d+.*pip install.*PG_BIN"):
        PostgresServer(version=9)


def test_a_server_that_cannot_start_says_why_and_leaves_nothing(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(open_directory))
    with pytest.raises(PostgresStartError, match="no_such_setting"):
        PostgresServer(settings={"no_such_setting": "1"}).start()
    assert list(open_directory.iterdir()) == []


def test_a_taken_port_is_no_obstacle_to_the_next_server() -> None:
    with PostgresServer(durable=False) as one, PostgresServer(durable=False) as other:
        assert one.port != other.port
        assert one.socket_directory != other.socket_directory


def test_who_pg_bin_names_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_binaries()
    monkeypatch.setenv("PG_BIN", os.pathsep.join(["/nowhere", str(found.directory)]))
    assert find_binaries().origin == "$PG_BIN"
    assert find_binaries(found.major).directory == found.directory
