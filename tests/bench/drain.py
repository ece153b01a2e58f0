"""How fast a backlog of new customers is drained by one real daemon, with a Zoho that answers at once.

Beside it, in pairs, how far the bare libraries get: what the HTTP client alone can make of requests in one process,
and what one connection to PostgreSQL alone can claim and complete.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from statistics import median
from unittest.mock import patch

import httpx
import psycopg

from outbox.demo.postgres_server import PostgresServer
from tests.bench.bare import Client, claims_per_second, daemons_client, requests_per_second
from tests.bench.drain_profile import cpu_facts, function_facts, statement_facts
from tests.bench.draining import (
    CONCURRENCY,
    SERVER_SETTINGS,
    Drained,
    bench_server,
    capture_backlog,
    check_recorded,
    drain,
)
from tests.bench.report import Ratio, Report, machine
from tests.bench.transport import NOWHERE, Answers, Counts, InProcessTransport
from tests.host.databases import Databases
from tests.host.shapes import HostShape
from tests.migration.migrated import migrated_template

ENTITIES = 20_000
PAIRS = 3
PROFILED_ENTITIES = 2_000
"""cProfile makes everything several times slower, and shares are known early."""

HOW_TO_READ = (
    "Entities per second between the first and the last that was finished, each with its log row, its status columns "
    "and its state, which is verified afterwards. A ratio of 0.10 to a bare library means: of each second, a tenth "
    "would be enough for what the library does. Statements are counted by pg_stat_statements; milliseconds are the "
    "server's execution time."
)


def measure_drain(
    *, quick: bool, profile: bool = False, entities: int | None = None, pairs: int | None = None
) -> Report:
    """Drains 20,000 new customers, three times; ``profile`` adds one more below cProfile, and the statements."""
    entities = entities or (500 if quick else ENTITIES)
    pairs = pairs or (1 if quick else PAIRS)
    with bench_server() as (server, databases), tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        report = Report(
            "Drain of a backlog of new customers, Zoho answers at once",
            HOW_TO_READ,
            machine()
            | {
                "PostgreSQL": server.version,
                "entities": entities,
                "concurrency": CONCURRENCY,
                "pairs": pairs,
                "fsync": "on",
            }
            | SERVER_SETTINGS,
        )
        drains: list[Drained] = []
        rates: dict[str, list[float]] = {"drain": [], "its HTTP client": [], "httpx": [], "claim and complete": []}

        def ours(number: int) -> float:
            drains.append(_drain(server, databases, directory / f"drain-{number}", entities))
            return drains[-1].rate

        for number in range(pairs):
            runs: list[tuple[str, Callable[[], float]]] = [
                ("drain", lambda number=number: ours(number)),  # type: ignore[misc]
                ("its HTTP client", lambda: _requests(directory, entities, lambda _: daemons_client(NOWHERE))),
                ("httpx", lambda: _requests(directory, entities, _httpx)),
                ("claim and complete", lambda: _bare_claims(databases, entities)),
            ]
            for name, run in runs if number % 2 == 0 else runs[::-1]:
                rates[name].append(run())
        report.ratios = [
            Ratio(
                "drain, everything recorded",
                f"daemon / {name}",
                tuple(a / b for a, b in zip(rates["drain"], rates[name], strict=True)),
                median(rates["drain"]),
            )
            for name in ("its HTTP client", "claim and complete")
        ]
        report.facts = [
            ("entities per second", f"{median(rates['drain']):,.0f}"),
            ("bare loop, the daemon's HTTP client: requests per second", f"{median(rates['its HTTP client']):,.0f}"),
            ("bare loop, httpx.AsyncClient: requests per second", f"{median(rates['httpx']):,.0f}"),
            (
                "bare claim and complete, 100 at a time on one connection: rows per second",
                f"{median(rates['claim and complete']):,.0f}",
            ),
            *cpu_facts(sorted(drains, key=lambda drained: drained.rate)[len(drains) // 2]),
        ]
        if profile:
            few = min(entities, PROFILED_ENTITIES)
            counted = _drain(server, databases, directory / "counted", few, planning=True)
            report.facts += statement_facts(counted)
            _drain(server, databases, directory / "profiled", few, profile=directory / "profile")
            report.facts += function_facts(directory / "profile", few)
    return report


def _drain(
    server: PostgresServer,
    databases: Databases,
    directory: Path,
    entities: int,
    *,
    profile: Path | None = None,
    planning: bool = False,
) -> Drained:
    with databases.fresh(migrated_template(HostShape())) as database:
        with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
            capture_backlog(connection, entities)
        drained = drain(server, database, directory, entities, profile=profile, planning=planning)
        check_recorded(database, entities, Counts(directory / "counts").creates)
    return drained


def _requests(
    directory: Path, requests: int, client: Callable[[httpx.AsyncBaseTransport], AbstractAsyncContextManager[Client]]
) -> float:
    transport = InProcessTransport(Answers(Counts(directory / "bare-counts"), 0))
    with patch("outbox.zoho.connection._transport", lambda *_: transport):
        return asyncio.run(requests_per_second(client(transport), NOWHERE, requests, CONCURRENCY))


def _httpx(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=transport, trust_env=False)


def _bare_claims(databases: Databases, rows: int) -> float:
    with databases.fresh() as database:
        return claims_per_second(database, rows)


def main() -> None:
    """Entry point: what one who tunes the daemon wants to see, without the other parts."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.drain", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="500 customers: whether it works, not how fast")
    parser.add_argument("--entities", type=int, help="new customers in the backlog (20,000)")
    parser.add_argument("--pairs", type=int, help="how often (3)")
    parser.add_argument("--profile", action="store_true", help="where the time goes: statements and functions, too")
    parser.add_argument("--json", type=Path, help="save the figures to this file too")
    arguments = parser.parse_args()
    report = measure_drain(
        quick=arguments.quick, profile=arguments.profile, entities=arguments.entities, pairs=arguments.pairs
    )
    report.show()
    if arguments.json is not None:
        report.save(arguments.json)


if __name__ == "__main__":
    main()
