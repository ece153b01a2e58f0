"""Zoho as a process of its own, so that nothing this process does can delay it: ``python -m tests.crash.simulating``.

Without limits: a quota would end the storm. Every request is remembered, for the story of what went wrong.
"""

import sys

from outbox.simulator import LimitSettings, SimulatorSettings, TokenSettings
from outbox.simulator.command import run


def settings() -> SimulatorSettings:
    """Of a Zoho that forgets nothing and limits nothing."""
    return SimulatorSettings(
        limits=LimitSettings.wide(),
        tokens=TokenSettings(mints_per_window=None),
        journal_length=1_000_000,
    )


def main() -> int:
    """Announces its address on standard output, and serves until SIGTERM."""

    def announce(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    return run(0, settings(), announce)


if __name__ == "__main__":
    sys.exit(main())
