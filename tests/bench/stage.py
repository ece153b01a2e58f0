"""What several benchmarks stand on: settings and commands of ours, an outbox at rest, a long run that shows life."""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Any

from outbox.demo.postgres_server import PostgresServer
from outbox.simulator import RunningSimulator
from tests.acceptance.running import ROOT, until
from tests.bench.draining import SERVER_SETTINGS
from tests.bench.report import machine
from tests.host.databases import Database
from tests.migration.migrated import DAEMON
from tests.store.host import Host

LONGEST_SECONDS = 900.0
"""Until a backlog must be gone."""

AS_FAST_AS_IT_GOES = {"ZOHO_REQUESTS_PER_MINUTE": "0", "ZOHO_DAILY_REQUEST_LIMIT": "0", "OUTBOX_HTTP_LISTEN": ""}
"""Of a daemon or a command for which quota is no wall."""


def conditions(server: PostgresServer, **more: Any) -> dict[str, Any]:
    """What stands above the figures of a run on :func:`tests.bench.draining.bench_server`."""
    return machine() | {"PostgreSQL": server.version} | more | {"fsync": "on"} | SERVER_SETTINGS


def say(text: str) -> None:
    """To standard error: where a long run is."""
    print(f"  {text}", file=sys.stderr, flush=True)


def settings_of(database: Database, zoho: RunningSimulator | Mapping[str, str], **changes: str) -> dict[str, str]:
    """The environment of a process of ours: what nobody changes is as installed."""
    environ = zoho.environment if isinstance(zoho, RunningSimulator) else zoho
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "NO_COLOR": "1",
        "LOG_FORMAT": "json",
        "DATABASE_URL": database.dsn(DAEMON),
        **environ,
        **changes,
    }


async def run_command(environ: Mapping[str, str], *words: str) -> str:
    """``zoho-outbox WORDS`` to its end; what it printed. Raises ``RuntimeError`` where it failed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "daemon", *words),
        cwd=ROOT,
        env=dict(environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"zoho-outbox {' '.join(words)} ended with {process.returncode}:\n{said.decode()[-2000:]}")
    return said.decode()


async def at_rest(host: Host) -> None:
    """Waits until no entry is open. Raises ``RuntimeError`` where one did not end as done."""
    await until(lambda: _left(host) == 0, seconds=LONGEST_SECONDS, what="every entry is finished")
    bad = host.rows(
        """
        SELECT entry.status, entry.last_error, count(*) AS entries
        FROM public.zoho_outbox AS entry
        WHERE entry.status <> 'done'
        GROUP BY 1, 2
        LIMIT 3
        """
    )
    if bad:
        raise RuntimeError(f"not everything reached Zoho, so the figures mean nothing: {bad}")


def _left(host: Host) -> int:
    return int(host.value("SELECT count(*) FROM public.zoho_outbox WHERE finished_at IS NULL"))
