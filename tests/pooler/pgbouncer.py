"""A real PgBouncer before a PostgreSQL, on the loopback, as our own child.

It refuses to run as root: where we are root it runs as ``nobody``. What it needs stands in a directory of its own. A
guard ends it where this process is killed before it could.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.crash.children import Guard

PoolMode = Literal["session", "transaction"]

_PLACES = os.pathsep.join(("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"))
"""Debian's directory for daemons is in no ordinary user's PATH."""
_START_SECONDS = 30.0
_END_SECONDS = 10.0


def find_pgbouncer() -> str | None:
    """The program, or None."""
    return shutil.which("pgbouncer", path=os.pathsep.join((os.environ.get("PATH", os.defpath), _PLACES)))


class PgBouncer:
    """PgBouncer before the server of ``dsn``, which names a database, a login and a password. Started by entering it.

    Databases pass under their own names; the login of ``dsn`` alone is let in. :meth:`kill` and :meth:`start` make a
    crash, with another ``mode`` if one is given: port and databases stay.
    """

    def __init__(self, program: str, dsn: str, mode: PoolMode) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        """Known once it is entered, and kept over restarts."""
        self._program = program
        self._server = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
        self._mode: PoolMode = mode
        self._guard = Guard()
        self._process: subprocess.Popen[bytes] | None = None
        self._home = Path()

    def __enter__(self) -> Self:
        self._home = Path(tempfile.mkdtemp(prefix="zoho-outbox-pgbouncer-"))
        self._guard.__enter__()
        try:
            self._own(self._home)
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._guard.__exit__(kind, error, trace)
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def dsn(self) -> str:
        """The way through it to the database of the server's own ``dsn``."""
        return make_conninfo("", **{**self._server, "host": self.host, "port": str(self.port)})

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self._home / "log").read_text(encoding="utf-8", errors="replace")

    def start(self, mode: PoolMode | None = None) -> None:
        """Starts it and returns once a client gets through. Raises ``RuntimeError``, with the end of its log."""
        self._mode = mode or self._mode
        if not self.port:
            self.port = _free_port()
        self._write("pgbouncer.ini", self._configuration())
        self._write("users", f'"{self._server["user"]}" "{self._server.get("password", "")}"\n')
        account = _account()
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, str(self._home / "pgbouncer.ini")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._home,
                env={"PATH": os.environ.get("PATH", os.defpath)},
                start_new_session=True,
                user=None if account is None else account.pw_uid,
                group=None if account is None else account.pw_gid,
                extra_groups=None if account is None else [],
            )
        self._guard.started(self._process.pid)
        self._until_it_serves(self._process)

    def kill(self) -> None:
        """SIGKILL; its clients' connections end."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait(_END_SECONDS)
            self._guard.ended(process.pid)

    def _until_it_serves(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self.dsn, connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"pgbouncer lets nobody through: {error}\n{self.log[-3000:]}") from None
                time.sleep(0.02)
            else:
                return

    def _configuration(self) -> str:
        login = "md5" if "password" in self._server else "trust"
        return f"""\
[databases]
* = host={self._server["host"]} port={self._server.get("port", "5432")}

[pgbouncer]
listen_addr = {self.host}
listen_port = {self.port}
unix_socket_dir =
auth_type = {login}
auth_file = {self._home / "users"}
pool_mode = {self._mode}
; Fewer than the daemon's connections: in transaction mode they do share.
default_pool_size = {4 if self._mode == "transaction" else 30}
"""

    def _write(self, name: str, text: str) -> None:
        path = self._home / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        self._own(path)

    @staticmethod
    def _own(path: Path) -> None:
        if (account := _account()) is not None:
            os.chown(path, account.pw_uid, account.pw_gid)


def _account() -> pwd.struct_passwd | None:
    """Whom it runs as where that is not ourselves."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
