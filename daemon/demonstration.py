"""``zoho-outbox demo``: what :mod:`outbox.demo` plays, with this daemon in it."""

import sys

from outbox.demo.stopping import StopRequest

DAEMON = "from daemon.command_line import main; main()"
"""Run by the same interpreter: works from a checkout and an installed wheel alike."""


def demo(*, exit_when_done: bool, real_limits: bool) -> int:
    """The whole system in one process tree, with sample data; returns the exit status.

    See :func:`outbox.demo.performance.perform`.
    """
    with StopRequest() as stop:
        # Under it, because loading takes a moment too. What the demo loads, the daemon has no use for.
        from outbox.demo.performance import perform  # noqa: PLC0415

        return perform(
            [sys.executable, "-c", DAEMON, "run"], stop=stop, exit_when_done=exit_when_done, real_limits=real_limits
        )
