"""That the peers' programs are understood, and that what is not to be had is said and fails nothing."""

import json
import sys
from pathlib import Path

import pytest

from outbox.simulator.application import API_ROOT
from tests.bench.api_server import api_server
from tests.bench.peers.installation import Installation, Missing, install
from tests.bench.peers.measure import Measure, Numbers, PeerBench, measure_peers
from tests.bench.peers.runs import (
    BARE_PYTHON,
    CHANCY,
    OBAN,
    PEERS,
    PROCRASTINATE,
    Drained,
    Language,
    Peer,
    drain,
    drained_of,
    latencies_of,
)
from tests.host.databases import Databases

TINY = Numbers(jobs=40, api_jobs=20, samples=2, concurrency=5)

OUR_OWN_PYTHON = Installation(Path(sys.executable), (3, 11, 7), Missing("no node here"))
"""It has what the programs share, and no peer."""


def test_the_last_line_of_a_drain_is_its_result() -> None:
    said = {"jobs": 100, "calls": 102, "started": 1_000_000_000, "first": 1_500_000_000, "last": 3_400_000_000}
    result = drained_of("a warning\n" + json.dumps(said | {"settled": 3_500_000_000, "cpu_seconds": 0.5}) + "\n")
    assert result == Drained(jobs=100, repeated=2, seconds=2.0, seconds_from_start=2.5, cpu_seconds=0.5)
    assert result.rate == 50.0


def test_latencies_are_told_in_milliseconds() -> None:
    result = latencies_of('{"from_call": [2500000, 3000000], "from_commit": [1500000, -100000]}\n')
    assert not isinstance(result, Missing)
    assert result.from_call == (2.5, 3.0)
    assert result.from_commit == (1.5, -0.1)


@pytest.mark.parametrize("output", ["", "Segmentation fault\n"])
def test_output_without_a_result_is_missing(output: str) -> None:
    assert isinstance(drained_of(output), Missing)


def test_where_nothing_can_be_installed_every_row_says_so(tmp_path: Path) -> None:
    installation = install(tmp_path, python=str(tmp_path / "no-python"), node=str(tmp_path / "no-node"))
    bench = PeerBench(installation, Databases(_NoServer(), "none"), TINY, "http://127.0.0.1:9", rounds=1)
    rows = dict(bench.facts(Measure.NOTHING_TO_DO, PEERS))
    assert set(rows) == {f"nothing to do: {peer.name}" for peer in PEERS}
    assert all(row.startswith("missing: ") for row in rows.values())
    assert "no-python" in rows["nothing to do: procrastinate"]
    assert "no-node" in rows["nothing to do: pg-boss"]


def test_a_peer_that_does_not_take_this_python_says_which_it_needs() -> None:
    bench = PeerBench(OUR_OWN_PYTHON, Databases(_NoServer(), "none"), TINY, "http://127.0.0.1:9", rounds=1)
    assert dict(bench.facts(Measure.LATENCY, [OBAN])) == {
        "idle latency: oban-py": "missing: needs Python 3.12, this is 3.11.7"
    }


@pytest.mark.parametrize("peer", [PROCRASTINATE, CHANCY], ids=lambda peer: peer.name)
def test_a_program_that_fails_is_missing_with_its_last_words(databases: Databases, peer: Peer) -> None:
    result = drain(OUR_OWN_PYTHON, peer, databases, jobs=1, concurrency=1)
    assert result == Missing(f"failed: ModuleNotFoundError: No module named {peer.name!r}")


def test_a_drain_asks_the_api_once_for_each_job(databases: Databases, tmp_path: Path) -> None:
    with api_server(tmp_path / "api", delay_seconds=0.0) as api:
        result = drain(
            OUR_OWN_PYTHON, BARE_PYTHON, databases, jobs=30, concurrency=4, api=f"{api.url}{API_ROOT}/customers"
        )
        assert isinstance(result, Drained), result
        assert (result.jobs, result.repeated) == (30, 0)
        assert 0 < result.seconds <= result.seconds_from_start
        assert api.counts.creates == 30


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_peer_that_can_be_had_drains_and_answers() -> None:
    report = measure_peers(quick=True, numbers=TINY)
    rows = report.values
    names = [peer.name for peer in PEERS]
    for measure in (Measure.NOTHING_TO_DO, Measure.API, Measure.LATENCY):
        assert [name for name in names if f"{measure}: {name}" not in rows] == []
    had = {
        language: [
            row
            for peer in PEERS
            if peer.language is language and peer is not OBAN
            for row in (rows[f"{measure}: {peer.name}"] for measure in Measure if measure is not Measure.FLOOR)
        ]
        for language in Language
    }
    # All peers of a language come with one installation, or none does: one alone that is missing does not work.
    for language, values in had.items():
        missing = [value for value in values if value.startswith("missing: ")]
        assert missing in ([], values), f"{language}: {missing}"


class _NoServer:
    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        raise AssertionError("nothing to run needs no database")
