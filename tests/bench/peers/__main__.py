"""``python -m tests.bench.peers``: the peers alone, or a part of what is measured of them."""

import argparse
from pathlib import Path

from tests.bench.peers.measure import Measure, measure_peers
from tests.bench.peers.runs import PEERS


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers: whether it works, not how fast")
    parser.add_argument("--rounds", type=int, default=1, help="the median of so many is shown (1)")
    parser.add_argument("--folder", type=Path, help="keeps the peers' environments (a folder of the user's cache)")
    parser.add_argument("--measure", type=Measure, action="append", choices=list(Measure), help="this alone")
    parser.add_argument("--peer", action="append", choices=[peer.name for peer in PEERS], help="this alone")
    parser.add_argument("--json", type=Path, help="save the figures to this file too")
    arguments = parser.parse_args()
    report = measure_peers(
        quick=arguments.quick,
        folder=arguments.folder,
        rounds=arguments.rounds,
        measures=arguments.measure or tuple(Measure),
        peers=[peer for peer in PEERS if arguments.peer is None or peer.name in arguments.peer],
    )
    report.show()
    if arguments.json is not None:
        report.save(arguments.json)


if __name__ == "__main__":
    main()
