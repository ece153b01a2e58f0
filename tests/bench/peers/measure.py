"""The peers, all on one server, each in fresh databases, by programs written here (``programs/``).

A peer that is not to be had is a row that says why. For ratios with ours: :func:`tests.bench.peers.runs.drain` and
:func:`~tests.bench.peers.runs.latencies` give one peer's figures on a server that the caller has, so that the two of a
pair can run directly after each other.
"""

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from statistics import median, quantiles
from typing import TypeVar, assert_never

from outbox.demo.postgres_server import PostgresServer
from outbox.simulator.application import API_ROOT
from tests.bench.api_server import api_server
from tests.bench.bare import claims_per_second
from tests.bench.peers.installation import Installation, Missing, default_folder, install
from tests.bench.peers.runs import BARE_NODE, BARE_PYTHON, PEERS, Drained, Latencies, Peer, drain, latencies
from tests.bench.report import Report, machine
from tests.host.databases import Databases
from tests.host.shapes import prepare_server

_Taken = TypeVar("_Taken")

API_SECONDS = 0.02

SERVER_SETTINGS = {
    "synchronous_commit": "off",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "shared_preload_libraries": "pg_stat_statements",
}
"""As for the drain of ours."""

HOW_TO_READ = (
    "Drains: jobs per second from the first handler's begin until no job is unsettled in the database; the backlog "
    "stands there before the worker starts. What a peer still holds in a buffer when its last handler ends counts "
    "against it, its own start does not (in brackets: from the start, and the CPU of its process for each job). "
    "'Nothing to do': handlers return at once; what is measured is a peer's own bookkeeping, less than ours: no "
    "log row, no status in the host's row, no order among the changes of one record. '20 ms API': one POST a job. "
    "Latency: from the return of the enqueuing commit to the handler's begin, one job at a time in an idle system (in "
    "brackets: from before the enqueuing call)."
)


class Measure(StrEnum):
    """What is measured of each peer."""

    NOTHING_TO_DO = "nothing to do"
    API = "20 ms API"
    LATENCY = "idle latency"
    FLOOR = "floor"


@dataclass(frozen=True)
class Numbers:
    """How much of it."""

    jobs: int
    api_jobs: int
    samples: int
    concurrency: int = 50


FULL = Numbers(jobs=20_000, api_jobs=4_000, samples=200)
QUICK = Numbers(jobs=200, api_jobs=100, samples=3)


def measure_peers(
    *,
    quick: bool,
    folder: Path | None = None,
    rounds: int = 1,
    measures: Collection[Measure] = tuple(Measure),
    peers: Sequence[Peer] = PEERS,
    numbers: Numbers | None = None,
) -> Report:
    """Everything, one peer after the other; the median of ``rounds``, whose order alternates.

    ``folder`` keeps the peers' environments (:func:`default_folder`). Takes some six minutes a round unless ``quick``.
    """
    installation = install(folder or default_folder())
    wanted = numbers or (QUICK if quick else FULL)
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer(settings=SERVER_SETTINGS))
        prepare_server(server)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        api = stack.enter_context(api_server(directory / "api", API_SECONDS)).url + API_ROOT + "/customers"
        report = Report(
            "Peers beside ours",
            HOW_TO_READ,
            machine()
            | {"PostgreSQL": server.version, "fsync": "on", "rounds": rounds, "concurrency": wanted.concurrency}
            | {"jobs": wanted.jobs, "jobs with the API": wanted.api_jobs, "samples of latency": wanted.samples}
            | SERVER_SETTINGS,
        )
        bench = PeerBench(installation, Databases(server, "bench"), wanted, api, rounds)
        for measure in Measure:
            if measure in measures:
                report.facts += bench.facts(measure, peers)
    return report


@dataclass(frozen=True)
class PeerBench:
    """The runs of one report."""

    installation: Installation
    databases: Databases
    numbers: Numbers
    api: str
    rounds: int

    def facts(self, measure: Measure, peers: Sequence[Peer]) -> Iterator[tuple[str, str]]:
        """One row for each peer, with the figures or with why they are missing."""
        match measure:
            case Measure.NOTHING_TO_DO:
                yield from self._rows(measure, peers, self._without_api, _drains)
            case Measure.API:
                yield from self._rows(measure, [*peers, BARE_PYTHON, BARE_NODE], self._with_api, _drains)
            case Measure.LATENCY:
                yield from self._rows(measure, peers, self._latencies, _percentiles)
            case Measure.FLOOR:
                with self.databases.fresh() as database:
                    rate = claims_per_second(database, self.numbers.jobs)
                yield f"{measure}: claim and complete by hundreds, one connection, no handler", f"{rate:,.0f}/s"
            case _:
                assert_never(measure)

    def _rows(
        self,
        measure: Measure,
        peers: Sequence[Peer],
        run: Callable[[Peer], _Taken | Missing],
        told: Callable[[list[_Taken]], str],
    ) -> Iterator[tuple[str, str]]:
        taken: dict[str, list[_Taken]] = {peer.name: [] for peer in peers}
        missing: dict[str, str] = {}
        for number in range(self.rounds):
            for peer in peers if number % 2 == 0 else reversed(peers):
                # Once missing is missing for good: a time-out is not waited for twice.
                result = None if peer.name in missing else run(peer)
                if isinstance(result, Missing):
                    missing[peer.name] = f"missing: {result.why}"
                elif result is not None:
                    taken[peer.name].append(result)
        for peer in peers:
            yield f"{measure}: {peer.name}", missing.get(peer.name) or told(taken[peer.name])

    def _without_api(self, peer: Peer) -> Drained | Missing:
        return drain(
            self.installation, peer, self.databases, jobs=self.numbers.jobs, concurrency=self.numbers.concurrency
        )

    def _with_api(self, peer: Peer) -> Drained | Missing:
        return drain(
            self.installation,
            peer,
            self.databases,
            jobs=self.numbers.api_jobs,
            concurrency=self.numbers.concurrency,
            api=self.api,
        )

    def _latencies(self, peer: Peer) -> Latencies | Missing:
        return latencies(self.installation, peer, self.databases, samples=self.numbers.samples)


def _drains(runs: list[Drained]) -> str:
    rate = median(run.rate for run in runs)
    from_start = median(run.jobs / run.seconds_from_start for run in runs)
    cpu = median(run.cpu_seconds * 1000 / run.jobs for run in runs)
    repeated = sum(run.repeated for run in runs)
    again = f", {repeated} handled twice" if repeated else ""
    return f"{rate:,.0f}/s ({from_start:,.0f}/s; {cpu:.2f} ms{again})"


def _percentiles(runs: list[Latencies]) -> str:
    p50, p99 = _half_and_99([value for run in runs for value in run.from_commit])
    call50, call99 = _half_and_99([value for run in runs for value in run.from_call])
    samples = sum(len(run.from_commit) for run in runs)
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms ({call50:.2f}, {call99:.2f}; {samples} samples)"


def _half_and_99(values: list[float]) -> tuple[float, float]:
    hundredths = quantiles(values, n=100, method="inclusive")
    return hundredths[49], hundredths[98]
