"""Copies of a whole cluster, as backups and standbys are made."""

import os
import subprocess
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from outbox.demo.postgres_server import SUPERUSER, PostgresServer
from tests.host.server import TEST_SETTINGS


class ClusterCopy(PostgresServer):
    """A physical copy of a running server (pg_basebackup): read-only until :meth:`promote`, then another timeline.

    ``stream_from``, host and port, makes it a standby that follows; without it, it stays as it was taken.
    """

    def __init__(self, original: PostgresServer, *, stream_from: tuple[str, int] | None = None) -> None:
        memory = Path("/dev/shm")
        super().__init__(
            version=original.binaries.major,
            settings=TEST_SETTINGS,
            base_directory=memory if memory.is_dir() else None,
        )
        self.password = original.password
        self._original = original
        self._stream_from = stream_from

    def _initialise(self, home: Path) -> None:
        escaped = self.password.replace("\\", r"\\").replace(":", r"\:")
        passfile = str(self._private_file(home / "passfile", f"*:*:*:*:{escaped}\n"))
        source = make_conninfo(
            "", host=self._original.host, port=self._original.port, user=SUPERUSER, passfile=passfile
        )
        data = home / "data"
        self._fill("pg_basebackup", f"--pgdata={data}", f"--dbname={source}", "--checkpoint=fast", "--no-sync")
        self._private_file(data / "standby.signal", "")
        if self._stream_from is not None:
            host, port = self._stream_from
            self._settings["primary_conninfo"] = make_conninfo(source, host=host, port=port)

    def has_replayed(self, position: str) -> bool:
        """Whether what the original wrote up to this position (of its WAL) can be read here."""
        return self._asked("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", position) is True

    def promote(self) -> None:
        """Makes it a primary; returns when it writes."""
        assert self._asked("SELECT pg_promote(true, 60)") is True

    def _asked(self, question: str, *parameters: str) -> object:
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            row = connection.execute(question.encode(), parameters).fetchone()
        assert row is not None
        return row[0]


def written_up_to(server: PostgresServer) -> str:
    """The position in its WAL that everything committed by now stands before."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        row = connection.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
    assert row is not None
    return str(row[0])


def restore_dump(original: PostgresServer, database: str, into: PostgresServer) -> None:
    """pg_dump of one database, and of the roles, restored on another server; the roles keep their passwords."""
    programs, environment = original.binaries.directory, {"PATH": os.environ["PATH"], "PGPASSWORD": original.password}

    def run(*command: str, said: bytes = b"") -> bytes:
        done = subprocess.run(
            [str(programs / command[0]), *command[1:]], input=said, capture_output=True, env=environment, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    roles = run("pg_dumpall", "--roles-only", f"--dbname={_address(original)}")
    content = run("pg_dump", "--format=custom", "--create", f"--dbname={_address(original, database)}")
    environment["PGPASSWORD"] = into.password
    # Its superuser is there already; everything else is new.
    run("psql", "--quiet", "--no-psqlrc", f"--dbname={_address(into)}", said=roles)
    # Its superuser has the original's password now, as everybody else.
    into.password = environment["PGPASSWORD"] = original.password
    run("pg_restore", "--create", "--exit-on-error", f"--dbname={_address(into)}", said=content)


def _address(server: PostgresServer, database: str = "postgres") -> str:
    return make_conninfo("", host=server.host, port=server.port, user=SUPERUSER, dbname=database)
