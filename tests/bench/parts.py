"""The parts of the benchmark, by name. Each is a module of its own; this says which there are, and in which order."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.report import Report


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    quick: bool = False
    pairs: int = 10
    seconds: int = 1
    only: tuple[str, ...] = ()
    candidates: tuple[Path, ...] = ()
    synchronous_commit: bool = False


@dataclass(frozen=True)
class Part:
    """One benchmark. ``measure`` may raise whatever it meets; the others run all the same."""

    name: str
    about: str
    measure: Callable[[Options], Report]


def _plain(name: str, about: str, module: str | None = None) -> Part:
    """A part whose module has ``measure_NAME(*, quick)``. It is imported when it runs: where it cannot be, because
    something is not installed, it alone fails."""

    def measure(options: Options) -> Report:
        function = getattr(importlib.import_module(f"tests.bench.{module or name}"), f"measure_{name}")
        report: Report = function(quick=options.quick)
        return report

    return Part(name, about, measure)


def _capture(options: Options) -> Report:
    from tests.bench.capture import MEASURES, Variant, measure_capture, with_candidates  # noqa: PLC0415 - as above

    candidates = [Variant(path.stem, path.read_text(encoding="utf-8")) for path in options.candidates]
    measures = with_candidates(MEASURES, candidates)
    if options.only:
        measures = tuple(measure for measure in measures if any(word in measure.name for word in options.only))
    return measure_capture(
        measures,
        pairs=2 if options.quick else options.pairs,
        seconds=1 if options.quick else options.seconds,
        synchronous_commit=options.synchronous_commit,
    )


PARTS = (
    _plain("requests", "API requests per entity, per update, per burst of edits"),
    _plain("tokens", "access tokens in 24 simulated hours"),
    _plain("quota", "how much of Zoho's quota is used while there is work"),
    Part("capture", "what the triggers cost the host's writes", _capture),
    _plain("latency", "from commit until the request leaves, in an idle system"),
    _plain("drain", "a backlog, with a Zoho that answers at once"),
    _plain("simulator_drain", "a backlog, with the simulator as a process of its own: before and after"),
    _plain("api_drain", "a backlog, with an API that takes 20 ms"),
    _plain("large_drain", "a backlog beside a million finished entries, and before a million pending ones"),
    _plain("replicas", "one, two and four replicas"),
    _plain("peers", "other job queues, doing the same", "peers.measure"),
    _plain("resources", "memory, CPU and statements of a daemon, idle and before a million entries"),
    _plain("backfill", "a backfill of 100,000 customers, and where its time goes"),
)
"""Counts first, which no machine changes; then what the host pays, latency, throughput, and the long ones."""
