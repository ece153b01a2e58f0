"""Failure 15: a row that is refused, too large, undecodable, or crashes the process.

Each ends dead with a reason, its neighbours are not harmed, and an edit of the row revives it.
"""

import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from uuid import UUID

import psycopg
import pytest

from outbox.simulator import FaultKind, RunningSimulator
from tests.acceptance.running import DaemonProcess, environment, until
from tests.failures.killer import KillingPath
from tests.failures.rest import all_synced
from tests.store.host import Host

pytestmark = pytest.mark.anyio

Start = Callable[[Mapping[str, str]], DaemonProcess]

POISON = "Poison"


class Mortal:
    """One daemon after another; each may be killed by what it sends."""

    def __init__(self, start: Callable[[], DaemonProcess]) -> None:
        self._start = start
        self.living: DaemonProcess | None = None
        self.deaths = 0

    def strike(self) -> None:
        """SIGKILL, from the path to Zoho."""
        if self.living is not None and self.living.alive:
            self.living.signal(signal.SIGKILL)

    async def live(self, host: Host, customers: list[UUID], until_dead: UUID) -> None:
        """Lives and dies until that customer is dead, as a service manager would have it."""
        while True:
            for customer in customers:
                # Leases of the dead, and pauses before a look, are over.
                host.pass_time(customer, 3600)
            daemon = self.living = self._start()
            await until(lambda: not daemon.alive or host.shown(until_dead)[0] == "failed", what="its end")  # noqa: B023
            if daemon.alive:
                return
            self.deaths += 1
            assert self.deaths < 10, "the row kills for ever"


@asynccontextmanager
async def killing(host: Host, zoho: RunningSimulator, start_daemon: Start) -> AsyncIterator[Mortal]:
    """Daemons that die of the word."""
    port = int(zoho.url.rpartition(":")[2])
    async with KillingPath(port, POISON.encode()) as path:
        settings = environment(
            host.database,
            zoho,
            ZOHO_API_BASE_URL=zoho.api_base_url.replace(f":{port}", f":{path.port}"),
            OUTBOX_MAX_ATTEMPTS="3",
            ZOHO_REQUEST_TIMEOUT_SECONDS="1",
            OUTBOX_AMBIGUOUS_RECHECK_SECONDS="1",
        )
        mortal = Mortal(lambda: start_daemon(settings))
        path.strike = mortal.strike
        yield mortal


@pytest.mark.slow
async def test_a_create_that_crashes_the_process_is_dead_after_its_attempts(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    zoho.settings.latency_seconds = 0.05
    poison = host.add_customer(1, last_name=POISON)
    neighbours = host.add_customers(5, first=2)
    async with killing(host, zoho, start_daemon) as mortal:
        await mortal.live(host, [poison, *neighbours], poison)
        assert mortal.deaths == 3
        status, error = host.shown(poison)
        assert (status, error) == (
            "failed",
            "the daemon died 3 times while it sent this row: edit the row, or report it",
        )
        assert host.statuses(poison) == [("dead", None)]
        for neighbour in neighbours:
            await until(lambda: host.shown(neighbour) == ("synced", None), what="a neighbour is synced")  # noqa: B023
        host.change_customer(poison, last_name="Antidote")
        await until(lambda: host.shown(poison) == ("synced", None), what="the edited row is synced")
    assert zoho.statistics.count_of_creates("customers") == 6
    assert zoho.statistics.created_more_than_once("customers", "External ID") == {}


async def test_an_update_that_crashes_the_process_takes_no_neighbour_along(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    poison = host.add_customer(1)
    neighbours = host.add_customers(5, first=2)
    async with killing(host, zoho, start_daemon) as mortal:
        mortal.living = start_daemon(environment(host.database, zoho))
        await all_synced(host)
        mortal.living.signal(signal.SIGTERM)
        await mortal.living.ends()
        # Requests of neighbours are under way whenever the poison strikes.
        zoho.settings.latency_seconds = 0.3
        with host.transaction() as edits:
            for customer in neighbours:
                host.change_customer(customer, connection=edits, last_name="Changed")
            host.change_customer(poison, connection=edits, last_name=POISON)
        await mortal.live(host, [poison, *neighbours], poison)
        assert mortal.deaths == 3
        host.change_customer(poison, last_name="Antidote")
        await all_synced(host)
        for neighbour in neighbours:
            died = [row for row in host.logs(neighbour) if "daemon died" in str(row["error_message"])]
            assert len(died) <= 1, "taken over once, it is sent alone"
    names = sorted(record["last_name"] for record in zoho.simulator.books.customers)
    assert names == ["Antidote", *["Changed"] * 5]


async def test_a_row_that_zoho_refuses_is_dead_with_its_words_and_an_edit_revives_it(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    refused, neighbour = host.add_customer(1, email="no address"), host.add_customer(2)
    zoho.faults.plant(
        FaultKind.REFUSED,
        "POST",
        "/customers",
        times=None,
        body_contains="no address",
        code=15,
        message="Invalid e-mail",
    )
    start_daemon(environment(host.database, zoho))
    await until(lambda: host.shown(refused)[0] == "failed", what="it is dead")
    assert "Invalid e-mail" in str(host.shown(refused)[1])
    assert host.statuses(refused) == [("dead", None)]
    await until(lambda: host.shown(neighbour) == ("synced", None), what="the neighbour is synced")
    host.change_customer(refused, email="an@example.com")
    await until(lambda: host.shown(refused) == ("synced", None), what="the edited row is synced")
    assert zoho.statistics.count_of_creates("customers") == 2


async def test_a_text_that_is_too_large_is_dead_with_a_reason_and_an_edit_revives_it(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    large, neighbour = host.add_customer(1), host.add_customer(2)
    host.execute(
        """
        INSERT INTO public.customer_services
            (customer_id, package_name, service_type, monthly_price, status, installation_address, activation_date)
        VALUES (%s, 'Fibre', 'fibre', 799, 'active', repeat('Long Street ', 100000), '2026-01-01')
        """,
        [large],
    )
    start_daemon(environment(host.database, zoho))
    await until(lambda: host.shown(large)[0] == "failed", what="it is dead")
    error = str(host.shown(large)[1])
    assert error
    assert len(error) < 2000, "a reason, not the value"
    await until(lambda: host.shown(neighbour) == ("synced", None), what="the neighbour is synced")
    host.execute(
        "UPDATE public.customer_services SET installation_address = '1 Long Street' WHERE customer_id = %s", [large]
    )
    await until(lambda: host.shown(large) == ("synced", None), what="the edited row is synced")


async def test_a_name_of_300_characters_is_cut_where_zoho_needs_it_and_sent(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    name = "Ünïcode & Söhne " * 15
    customer = host.add_customer(1, business_name=name.strip()[:255], first_name="a" * 100, last_name="b" * 100)
    start_daemon(environment(host.database, zoho))
    await until(lambda: host.shown(customer) == ("synced", None), what="it is synced")
    (record,) = zoho.simulator.books.customers
    assert len(record["display_name"]) <= 100
    assert record["display_name"].endswith(" [CT-2025-09001]")
    assert record["company_name"] == name.strip()[:255]


async def test_a_row_that_cannot_be_decoded_is_dead_with_a_reason_and_an_edit_revives_it(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    # Customers hold no date that is read. One column becomes one: the year 20000 is none for Python.
    make_a_date_of_the_phone(host)
    undecodable, neighbour = host.add_customer(1, phone="20000-01-01"), host.add_customer(2, phone=None)
    shown = "SELECT zoho_sync_status || coalesce(': ' || zoho_last_sync_error, '') FROM public.customers WHERE id = %s"
    daemon = start_daemon(environment(host.database, zoho))
    await until(lambda: host.value(shown, [undecodable]).startswith("failed"), what="it is dead")
    assert "holds a value that cannot be read" in host.value(shown, [undecodable])
    assert host.statuses(undecodable) == [("dead", None)]
    await until(lambda: host.value(shown, [neighbour]) == "synced", what="the neighbour is synced")
    host.change_customer(undecodable, phone=None)
    await until(lambda: host.value(shown, [undecodable]) == "synced", what="the edited row is synced")
    assert daemon.events("loop.failing") == []


def make_a_date_of_the_phone(host: Host) -> None:
    """Triggers that look at the column stand in the way: they go, and come back as they were."""
    with psycopg.connect(host.database.superuser_dsn) as connection:
        triggers = connection.execute(
            """
            SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger
            WHERE tgrelid = 'public.customers'::regclass AND NOT tgisinternal
            """
        ).fetchall()
        for name, _ in triggers:
            connection.execute(f'DROP TRIGGER "{name}" ON public.customers'.encode())
        connection.execute("ALTER TABLE public.customers ALTER COLUMN phone DROP NOT NULL")
        connection.execute("ALTER TABLE public.customers ALTER COLUMN phone TYPE date USING NULL")
        for name, definition in triggers:
            connection.execute(definition.encode())
            connection.execute(f'ALTER TABLE public.customers ENABLE ALWAYS TRIGGER "{name}"'.encode())
