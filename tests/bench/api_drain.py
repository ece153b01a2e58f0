"""How fast a backlog is drained when Zoho answers after 20 ms, 50 requests in flight.

Beside it, against the same server, the daemon's own HTTP client in a bare loop: what the daemon loses to its
bookkeeping is the rest to 1. The ceiling is 2,500 requests a second, and no client reaches it.
"""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import httpx
import psycopg

from outbox.demo.postgres_server import PostgresServer
from tests.bench.api_server import api_server
from tests.bench.bare import daemons_client, requests_per_second
from tests.bench.drain_profile import cpu_facts
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
from tests.host.databases import Databases
from tests.host.shapes import HostShape
from tests.migration.migrated import migrated_template

ENTITIES = 10_000
PAIRS = 3
DELAY_SECONDS = 0.020
WANTED = 0.9

HOW_TO_READ = (
    "Entities per second of the whole daemon, everything recorded, over requests per second of the same client object "
    "in a bare loop that throws the replies away. 1.00 would mean that the bookkeeping costs nothing; daemon, "
    "PostgreSQL and the API server share the machine's cores."
)


def measure_api_drain(*, quick: bool, entities: int | None = None, pairs: int | None = None) -> Report:
    """Drains 10,000 new customers three times, each beside the bare loop."""
    entities = entities or (300 if quick else ENTITIES)
    pairs = pairs or (1 if quick else PAIRS)
    with bench_server() as (server, databases), tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        rates: dict[str, list[float]] = {"drain": [], "bare": [], "plain": []}
        drains: list[Drained] = []
        for number in range(pairs):

            def ours(number: int = number) -> float:
                drains.append(_drain(server, databases, directory / f"drain-{number}", entities))
                return drains[-1].rate

            def bare(number: int = number) -> float:
                return _bare(directory / f"bare-{number}", entities)

            runs: list[tuple[str, Callable[[], float]]] = [("drain", ours), ("bare", bare)]
            for name, run in runs if number % 2 == 0 else runs[::-1]:
                rates[name].append(run())
        rates["plain"].append(_plain(directory / "plain", min(entities, 2_000)))
        report = Report(
            f"Drain of a backlog of new customers, Zoho answers after {DELAY_SECONDS * 1000:g} ms",
            HOW_TO_READ,
            machine()
            | {"PostgreSQL": server.version, "entities": entities, "concurrency": CONCURRENCY, "pairs": pairs}
            | {"fsync": "on"}
            | SERVER_SETTINGS,
        )
        report.ratios = [
            Ratio(
                f"drain, {DELAY_SECONDS * 1000:g} ms a request",
                "daemon / its client in a bare loop",
                tuple(a / b for a, b in zip(rates["drain"], rates["bare"], strict=True)),
                median(rates["drain"]),
                WANTED,
            )
        ]
        report.facts = [
            ("ceiling: requests per second", f"{CONCURRENCY / DELAY_SECONDS:,.0f}"),
            ("daemon: entities per second", f"{median(rates['drain']):,.0f}"),
            ("bare loop, the daemon's client (httpx on aiohttp's pool): per second", f"{median(rates['bare']):,.0f}"),
            ("bare loop, httpx with its own pool: per second", f"{median(rates['plain']):,.0f}"),
            *cpu_facts(sorted(drains, key=lambda drained: drained.rate)[len(drains) // 2]),
        ]
    return report


def _drain(server: PostgresServer, databases: Databases, directory: Path, entities: int) -> Drained:
    with (
        databases.fresh(migrated_template(HostShape())) as database,
        api_server(directory / "api", DELAY_SECONDS) as api,
    ):
        with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
            capture_backlog(connection, entities)
        drained = drain(server, database, directory / "daemon", entities, api=(api.url, api.counts))
        check_recorded(database, entities, api.counts.creates)
    return drained


def _bare(directory: Path, requests: int) -> float:
    with api_server(directory, DELAY_SECONDS) as api:
        return asyncio.run(requests_per_second(daemons_client(api.url), api.url, requests, CONCURRENCY))


def _plain(directory: Path, requests: int) -> float:
    limits = httpx.Limits(max_connections=CONCURRENCY + 1, max_keepalive_connections=None)
    with api_server(directory, DELAY_SECONDS) as api:
        client = httpx.AsyncClient(limits=limits, trust_env=False)
        return asyncio.run(requests_per_second(client, api.url, requests, CONCURRENCY))
