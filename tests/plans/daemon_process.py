"""The real daemon as a process of its own, for a simulator in this one."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

END_SECONDS = 20.0


@asynccontextmanager
async def running_daemon(dsn: str, zoho: Mapping[str, str], **settings: str) -> AsyncIterator[None]:
    """``zoho-outbox run`` until the block ends; then SIGTERM. Raises AssertionError with its log where it failed."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "DATABASE_URL": dsn,
        "ZOHO_REQUESTS_PER_MINUTE": "0",
        "ZOHO_DAILY_REQUEST_LIMIT": "0",
        "OUTBOX_HTTP_LISTEN": "",
        **zoho,
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from daemon.command_line import main; main()", "run"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    log = asyncio.create_task(process.stdout.read())
    try:
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        said = (await log).decode()
    assert process.returncode == 0, said
    assert '"level": "error"' not in said, said
