"""The simulator as a command: one port, until it is told to stop."""

import asyncio
import errno
import signal
import sys
from collections.abc import Callable
from shlex import quote

from outbox.simulator.serving import environment, running_simulator
from outbox.simulator.settings import SimulatorSettings

STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(port: int, settings: SimulatorSettings, announce: Callable[[str], None]) -> int:
    """Serve on the loopback until SIGINT or SIGTERM; returns the exit code.

    `announce` is called once, when requests are accepted, with :func:`announcement`. Port 0 takes any free
    port. Returns 0 after a signal; 1, with one line on stderr, where the port cannot be had.
    """
    try:
        return asyncio.run(_serve(port, settings, announce))
    except OSError as error:
        sys.stderr.write(f"simulate-zoho: {_port_trouble(port, error)}\n")
        return 1


def announcement(url: str, settings: SimulatorSettings) -> str:
    """What a person reads: the address at the end of the first line, then the settings to paste into a
    shell."""
    lines = [f"Zoho Billing simulator ready at {url}"]
    lines += [f"export {name}={quote(value)}" for name, value in environment(url, settings).items()]
    return "\n".join(lines)


async def _serve(port: int, settings: SimulatorSettings, announce: Callable[[str], None]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOPPING_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        async with running_simulator(settings, port=port) as running:
            announce(announcement(running.url, running.settings))
            await stop.wait()
    finally:
        for number in STOPPING_SIGNALS:
            loop.remove_signal_handler(number)
    return 0


def _port_trouble(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; choose another with --port, or --port 0 for any free one"
    return f"cannot listen on port {port}: {error.strerror}"
