"""Runs PostgreSQL's own load generator: it costs the least beside what it measures."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from outbox.demo.postgres_server import PostgresServer

TRIES = 3
"""On a machine that is busy with other things, 64 clients may not even connect within a second."""


class PgbenchError(RuntimeError):
    """pgbench is missing, or a transaction of the script failed; the text says which and what to do."""


@dataclass(frozen=True)
class Pgbench:
    """pgbench against one server, through its socket, with prepared statements."""

    program: Path
    server: PostgresServer

    @classmethod
    def of(cls, server: PostgresServer) -> "Pgbench":
        """The pgbench beside the server's binaries, else one on the PATH.

        Raises :class:`PgbenchError` where there is none.
        """
        beside = server.binaries.directory / "pgbench"
        if os.access(beside, os.X_OK):
            return cls(beside, server)
        if found := shutil.which("pgbench"):
            return cls(Path(found), server)
        raise PgbenchError(
            f"no pgbench beside {server.binaries.directory}: name a PostgreSQL that has one in PG_BIN, "
            "or install postgresql-contrib"
        )

    def rate(
        self,
        database: str,
        script: str,
        *,
        clients: int = 1,
        seconds: int | None = None,
        transactions: int | None = None,
    ) -> float:
        """Transactions per second of ``script``, without the time to connect; for ``seconds``, else each client's
        number of ``transactions``. Raises :class:`PgbenchError` where one of them failed."""
        # The clock of -T runs while the clients still connect, each with its SCRAM handshake.
        length = ["-T", str(seconds + clients // 32)] if seconds is not None else ["-t", str(transactions or 1)]
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(script)
            file.flush()
            command = [
                *(self.program, "-n", "-M", "prepared", "-f", file.name, "-c", str(clients)),
                *("-j", str(min(clients, os.cpu_count() or 1)), *length),
                *("-h", self.server.socket_directory, "-p", str(self.server.port), "-U", "postgres", database),
            ]
            for _ in range(TRIES):
                done = self._run(command)
                rate = re.search(r"^tps = ([0-9.]+) \(without", done.stdout, re.MULTILINE)
                failed = re.search(r"number of failed transactions: [1-9]", done.stdout)
                if done.returncode == 0 and rate is not None and failed is None:
                    return float(rate[1])
                if "actually processed: 0\n" not in done.stdout:
                    break
        raise PgbenchError(f"pgbench failed on {database}:\n{done.stderr or done.stdout}")

    def _run(self, command: Sequence[object]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(part) for part in command],
            env={"PGPASSWORD": self.server.password, "PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        )
