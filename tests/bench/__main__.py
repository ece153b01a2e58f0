"""``python -m tests.bench capture|drain``: measures, prints a table, and saves JSON where it is asked to."""

import argparse
from pathlib import Path

from tests.bench.capture import MEASURES, Variant, measure_capture, with_candidates
from tests.bench.drain import measure_drain
from tests.bench.report import Report


def main() -> None:
    """Entry point."""
    arguments = _parser().parse_args()
    report: Report = arguments.measure(arguments)
    report.show()
    if arguments.json is not None:
        report.save(arguments.json)


def _capture(arguments: argparse.Namespace) -> Report:
    candidates = [Variant(path.stem, path.read_text(encoding="utf-8")) for path in arguments.candidate]
    measures = with_candidates(MEASURES, candidates)
    if arguments.only:
        measures = tuple(measure for measure in measures if any(word in measure.name for word in arguments.only))
    return measure_capture(
        measures,
        pairs=2 if arguments.quick else arguments.pairs,
        seconds=1 if arguments.quick else arguments.seconds,
        synchronous_commit=arguments.synchronous_commit,
    )


def _drain(arguments: argparse.Namespace) -> Report:
    return measure_drain(
        entities=arguments.entities,
        concurrency=arguments.concurrency,
        synchronous_commit=arguments.synchronous_commit,
    )


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", type=Path, help="save the figures to this file too")
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    commands = parser.add_subparsers(required=True)

    capture = commands.add_parser("capture", parents=[common], help="what the triggers cost the host")
    capture.add_argument("--pairs", type=int, default=10, help="rounds of each measure (10)")
    capture.add_argument("--seconds", type=int, default=1, help="length of one run (1)")
    capture.add_argument("--quick", action="store_true", help="2 rounds of 1 s: whether it works, not how fast")
    capture.add_argument("--only", action="append", metavar="TEXT", help="only measures whose name contains it")
    capture.add_argument("--synchronous-commit", action="store_true", help="wait for the disk at each commit")
    capture.add_argument(
        "--candidate",
        action="append",
        type=Path,
        default=[],
        metavar="FILE.sql",
        help="measure beside it what becomes of our capture when this SQL has run, to judge a change",
    )
    capture.set_defaults(measure=_capture)

    drain = commands.add_parser("drain", parents=[common], help="how fast a backlog goes, and where the time goes")
    drain.add_argument("--entities", type=int, default=5_000, help="new customers in the backlog (5,000)")
    drain.add_argument("--concurrency", type=int, default=16, help="requests in flight (16)")
    drain.add_argument("--synchronous-commit", action="store_true", help="wait for the disk at each commit")
    drain.set_defaults(measure=_drain)
    return parser


if __name__ == "__main__":
    main()
