"""``zoho-outbox run`` with its face: a process of its own, real sockets, the simulator."""

import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon.web.guard import AT_ONCE
from outbox.demo.postgres_server import PostgresServer
from outbox.simulator import LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from tests.acceptance.running import DaemonProcess, daemons, environment, until
from tests.host import databases
from tests.host.databases import Databases
from tests.host.shapes import HostShape
from tests.migration.migrated import migrated_template
from tests.store.host import Host
from tests.web.conftest import TOKEN, sign_in

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

BEARER = {"authorization": f"Bearer {TOKEN}", "x-operator": "Sipho Dlamini"}


@pytest.fixture
async def zoho() -> AsyncIterator[RunningSimulator]:
    async with running_simulator(SimulatorSettings(limits=LimitSettings.wide())) as running:
        yield running


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[Callable[[Mapping[str, str]], DaemonProcess]]:
    with daemons(tmp_path) as start:
        yield start


@pytest.fixture
def port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        found: int = taken.getsockname()[1]
        return found


def client_of(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)


def settings(database: databases.Database, zoho: RunningSimulator, port: int, **changes: str) -> dict[str, str]:
    given = {"OUTBOX_HTTP_LISTEN": f"127.0.0.1:{port}", "OUTBOX_ADMIN_TOKEN": TOKEN}
    return environment(database, zoho, **{**given, **changes})


async def becomes(client: httpx.AsyncClient, path: str, condition: Callable[[httpx.Response], Any]) -> httpx.Response:
    """The first answer that meets the condition."""
    with anyio.fail_after(60):
        while True:
            try:
                answer = await client.get(path, headers=BEARER)
            except httpx.TransportError:
                await anyio.sleep(0.1)
                continue
            if condition(answer):
                return answer
            await anyio.sleep(0.1)


def metric(text: str, name: str, **labels: str) -> float:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == f"zoho_outbox_{name}" and sample.labels == labels:
                return sample.value
    raise AssertionError(f"no {name} {labels}")


async def test_what_is_sent_shows_on_every_face_and_a_retry_is_sent_again(
    start_daemon: Callable[[Mapping[str, str]], DaemonProcess],
    migrated_database: databases.Database,
    host: Host,
    zoho: RunningSimulator,
    port: int,
) -> None:
    daemon = start_daemon(settings(migrated_database, zoho, port))
    async with client_of(port) as client:
        await becomes(client, "/readyz", lambda answer: answer.status_code == 200)
        customer = host.add_customer(1, business_name="Meadow Bakery")
        await until(lambda: host.shown(customer)[0] == "synced", what=daemon.output)

        logs = await becomes(client, "/api/admin/zoho-sync/logs", lambda answer: answer.json().get("total") == 1)
        assert (logs.json()["items"][0]["name"], logs.json()["items"][0]["status"]) == ("Meadow Bakery", "success")
        status = await becomes(
            client, "/api/admin/zoho-sync/status", lambda answer: answer.json()["overall"]["synced"] == 1
        )
        assert status.json()["organisation"]["state"] == "running"
        metrics = await becomes(
            client,
            "/metrics",
            lambda answer: metric(answer.text, "attempts_total", type="customer", result="sent") == 1,
        )
        assert metric(metrics.text, "claims_total", type="customer") == 1
        assert metric(metrics.text, "attempt_duration_seconds_count", type="customer") == 1
        assert metric(metrics.text, "attempt_requests_total", urgency="live") >= 1
        assert metric(metrics.text, "listening") == 1
        assert {"dispatcher", "listener", "settlement", "heartbeat", "maintenance", "http"} <= {
            sample.labels["loop"]
            for family in text_string_to_metric_families(metrics.text)
            for sample in family.samples
            if family.name == "zoho_outbox_loop_idle_seconds"
        }

        body = {"entity_type": "customer", "entity_id": str(customer)}
        retried = await client.post("/api/admin/zoho-sync/retry", json=body, headers=BEARER)
        assert (retried.status_code, retried.json()["status"]) == (202, "pending")
        await until(lambda: [status for status, _ in host.statuses(customer)] == ["done", "done"], what=daemon.output)
        assert host.entries(customer)[1]["requested_by"] == "Sipho Dlamini"

        signed_in = await sign_in(client)
        assert (await client.get(signed_in.headers["location"])).status_code == 200
    (acted,) = daemon.events("operator.acted")
    assert (acted["operator"], acted["action"], acted["entity_id"]) == ("Sipho Dlamini", "retry", str(customer))
    assert TOKEN not in daemon.output


async def test_a_signal_is_not_held_up_by_a_client_that_hangs(
    start_daemon: Callable[[Mapping[str, str]], DaemonProcess],
    migrated_database: databases.Database,
    zoho: RunningSimulator,
    port: int,
) -> None:
    daemon = start_daemon(settings(migrated_database, zoho, port))
    async with client_of(port) as client:
        await becomes(client, "/readyz", lambda answer: answer.status_code == 200)
        async with await anyio.connect_tcp("127.0.0.1", port) as hanging:
            await hanging.send(
                b"POST /admin/zoho-sync/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\na"
            )
            daemon.signal(signal.SIGTERM)
            assert await daemon.ends() == 0
    assert [event["event"] for event in daemon.events()][-1] == "daemon.stopped"


@pytest.mark.slow
async def test_an_address_in_use_is_one_warning_and_the_daemon_works_on(
    start_daemon: Callable[[Mapping[str, str]], DaemonProcess],
    migrated_database: databases.Database,
    host: Host,
    zoho: RunningSimulator,
    port: int,
) -> None:
    with closing(socket.socket()) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        daemon = start_daemon(settings(migrated_database, zoho, port))
        await daemon.says("http.not_listening")
        customer = host.add_customer()
        await until(lambda: host.shown(customer)[0] == "synced", what=daemon.output)
    await daemon.says("http.listening")
    assert len(daemon.events("http.not_listening")) == 1
    async with client_of(port) as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_questions_that_hang_keep_neither_a_change_nor_the_end_waiting(
    start_daemon: Callable[[Mapping[str, str]], DaemonProcess],
    migrated_database: databases.Database,
    host: Host,
    zoho: RunningSimulator,
    port: int,
) -> None:
    """Somebody's transaction holds a table that is counted: whoever asks for the counts hangs, and nobody else."""
    daemon = start_daemon(settings(migrated_database, zoho, port))
    async with client_of(port) as client:
        await becomes(client, "/readyz", lambda answer: answer.status_code == 200)
        answers: list[int] = []

        async def ask() -> None:
            with suppress(httpx.TransportError):
                answers.append((await client.get("/api/admin/zoho-sync/status", headers=BEARER)).status_code)

        with host.transaction() as application:
            application.execute("LOCK TABLE public.payment_transactions IN ACCESS EXCLUSIVE MODE")
            async with anyio.create_task_group() as tasks:
                for _ in range(AT_ONCE + 4):
                    tasks.start_soon(ask)
                customer = host.add_customer()
                await until(lambda: host.shown(customer)[0] == "synced", what=daemon.output)
                assert (await client.get("/healthz")).status_code == 200
                assert (await client.get("/readyz")).status_code == 200
                metrics = (await client.get("/metrics")).text
                assert metric(metrics, "attempts_total", type="customer", result="sent") == 1
                assert metric(metrics, "database_up") == 1
                daemon.signal(signal.SIGTERM)
                assert await daemon.ends() == 0
        assert 200 not in answers
    assert not daemon.events("loop.failing")
    assert not daemon.events("http.failed")


async def test_an_empty_address_switches_it_off(
    start_daemon: Callable[[Mapping[str, str]], DaemonProcess],
    migrated_database: databases.Database,
    host: Host,
    zoho: RunningSimulator,
) -> None:
    daemon = start_daemon(settings(migrated_database, zoho, 0, OUTBOX_HTTP_LISTEN=""))
    customer = host.add_customer()
    await until(lambda: host.shown(customer)[0] == "synced", what=daemon.output)
    assert not daemon.events("http.listening")
    assert not daemon.events("http.not_listening")


@pytest.mark.slow
async def test_it_lives_and_says_why_it_is_not_ready_while_the_database_is_absent(
    start_daemon: Callable[[Mapping[str, str]], DaemonProcess],
    own_postgres: PostgresServer,
    zoho: RunningSimulator,
    port: int,
) -> None:
    database = Databases(own_postgres, "own").create(migrated_template(HostShape()))
    await anyio.to_thread.run_sync(own_postgres.shut_down)
    daemon = start_daemon(settings(database, zoho, port))
    async with client_of(port) as client:
        absent = await becomes(client, "/readyz", lambda answer: True)
        assert absent.status_code == 503
        assert "it has not started: it waits for the database" in absent.json()["reasons"]
        assert (await client.get("/healthz")).status_code == 200
        assert metric((await client.get("/metrics")).text, "database_up") == 0
        assert metric((await client.get("/metrics")).text, "started") == 0
        status = await client.get("/api/admin/zoho-sync/status", headers=BEARER)
        assert (status.status_code, "the database does not answer" in status.text) == (503, True)

        await anyio.to_thread.run_sync(own_postgres.start)
        await becomes(client, "/readyz", lambda answer: answer.status_code == 200)
        await becomes(client, "/metrics", lambda answer: metric(answer.text, "database_up") == 1)
    assert daemon.alive
