"""``python -m tests.bench``: measures, prints a table a part, and saves JSON where it is asked to.

All parts, or those that are named. Progress goes to standard error, tables to standard output. Ctrl-C ends it with what
is measured so far. Exit status: 0; 1 where a part failed (the others run all the same); 130 after Ctrl-C. A figure that
is not as wanted is told, and is no failure.

``python -m tests.bench.drain --help`` has more of the drain: other numbers, and where the time goes.
"""

import argparse
import sys
from pathlib import Path

from tests.bench.parts import PARTS, Options
from tests.bench.suite import Suite


def main() -> None:
    """Entry point."""
    parser = _parser()
    arguments = parser.parse_args()
    named = {part.name: part for part in PARTS}
    if unknown := [name for name in arguments.parts if name not in named]:
        parser.error(f"no such part: {', '.join(unknown)}; there are: {', '.join(named)}")
    if arguments.json is not None and not arguments.json.parent.is_dir():
        parser.error(f"--json {arguments.json}: there is no folder {arguments.json.parent}")
    options = Options(
        quick=arguments.quick,
        pairs=arguments.pairs,
        seconds=arguments.seconds,
        only=tuple(arguments.only),
        candidates=tuple(arguments.candidate),
        synchronous_commit=arguments.synchronous_commit,
    )
    sys.exit(Suite(options, arguments.json).run([named[name] for name in arguments.parts] or PARTS))


def _parser() -> argparse.ArgumentParser:
    parts = "\n".join(f"  {part.name:<16} {part.about}" for part in PARTS)
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=f"{__doc__}\nparts:\n{parts}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="all where none is named")
    parser.add_argument("--quick", action="store_true", help="small numbers: whether it works, not how fast")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save all figures to this file, too")

    capture = parser.add_argument_group("capture")
    capture.add_argument("--pairs", type=int, default=10, help="rounds of each measure (10; with --quick 2)")
    capture.add_argument("--seconds", type=int, default=1, help="length of one run (1)")
    capture.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="only measures whose name contains it"
    )
    capture.add_argument("--synchronous-commit", action="store_true", help="wait for the disk at each commit")
    capture.add_argument(
        "--candidate",
        action="append",
        type=Path,
        default=[],
        metavar="FILE.sql",
        help="measure beside it what becomes of our capture when this SQL has run, to judge a change",
    )
    return parser


if __name__ == "__main__":
    main()
