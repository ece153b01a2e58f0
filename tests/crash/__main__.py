"""``python -m tests.crash``: one run by hand, as long as one likes."""

import argparse
import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from tests.crash.run import run
from tests.crash.weather import Climate


def main() -> int:
    """Prints one line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long it storms (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="of all the dice (default 1)")
    parser.add_argument("--replicas", type=int, default=3, help="daemons (default 3)")
    parser.add_argument(
        "--longest-stop",
        type=float,
        default=Climate.longest_stop,
        help="seconds a daemon is stopped for at most; beyond 9 a create can leave after others have looked twice "
        f"(default {Climate.longest_stop:g})",
    )
    parser.add_argument("--logs", type=Path, help="keep what the processes wrote in this folder")
    asked = parser.parse_args()
    climate = replace(Climate(), longest_stop=asked.longest_stop)
    running = run(seconds=asked.seconds, seed=asked.seed, replicas=asked.replicas, climate=climate, logs=asked.logs)
    try:
        report = asyncio.run(running)
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(f"{report.line()}\n")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
