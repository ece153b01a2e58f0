"""``zoho-outbox`` commands beside the daemons of a test."""

import os
import subprocess
import sys
from dataclasses import dataclass

import anyio

from tests.acceptance.running import ROOT
from tests.host.databases import Database
from tests.migration.migrated import DAEMON


@dataclass(frozen=True)
class Said:
    """How a command ended, and all it printed."""

    code: int
    text: str


async def typed(database: Database, *words: str, user: str = DAEMON) -> Said:
    """Runs a command with the daemon's login, or another, and no other setting."""
    done = await anyio.run_process(
        [sys.executable, "-m", "daemon", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "NO_COLOR": "1", "DATABASE_URL": database.dsn(user)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return Said(done.returncode, done.stdout.decode())
