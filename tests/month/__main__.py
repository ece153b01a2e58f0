"""``python -m tests.month --mode zoho --filters ignored``: one month by hand; prints what differs, and one line."""

import argparse
import sys
from contextlib import ExitStack

import anyio
import structlog

from tests.host.server import open_server
from tests.host.shapes import HostShape
from tests.month.play import Filters, play
from tests.month.report import close


def main() -> int:
    """Returns the exit status: 0 where both sides agree."""
    parser = argparse.ArgumentParser(prog="python -m tests.month", description=__doc__)
    parser.add_argument("--mode", choices=("zoho", "host"), default="zoho", help="ZOHO_RECURRING_BILLING")
    parser.add_argument("--filters", choices=list(Filters), type=Filters, default=Filters.IGNORED)
    parser.add_argument("--until", default="", help="stop after this moment, as '2028-02-29 12:00'")
    parser.add_argument("--away", type=int, help="the daemon is away now and then, by dice of this seed")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with ExitStack() as stack:
        databases = open_server(stack).databases
        played = anyio.run(play, databases, HostShape().template, asked.mode, asked.filters, asked.until, asked.away)
    report = close(played, asked.mode, asked.filters)
    for difference in report.found:
        sys.stdout.write(f"  {difference}\n")
    sys.stdout.write(f"{report.line}\n")
    return 1 if report.found else 0


if __name__ == "__main__":
    sys.exit(main())
