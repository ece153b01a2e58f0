"""The real daemon: signals, crashes, an absent database, refusals."""

import signal
from collections.abc import Callable, Iterator, Mapping

import psycopg
import pytest
from psycopg import sql

from outbox.demo.postgres_server import PostgresServer
from outbox.simulator import FaultKind, RunningSimulator
from tests.acceptance.running import DaemonProcess, environment, until
from tests.host import databases
from tests.host.databases import Databases
from tests.host.shapes import HostShape
from tests.migration.migrated import DAEMON, migrated_template
from tests.store.host import Host

pytestmark = pytest.mark.anyio

Start = Callable[[Mapping[str, str]], DaemonProcess]

PATIENT = {
    "ZOHO_REQUEST_TIMEOUT_SECONDS": "20",
    "OUTBOX_LEASE_SECONDS": "60",
    "OUTBOX_AMBIGUOUS_RECHECK_SECONDS": "20",
}
"""Waits for a request that is held, rather than giving it up."""


def not_synced(host: Host) -> int:
    return int(host.value("SELECT count(*) FROM public.customers WHERE zoho_sync_status <> 'synced'"))


def add_customers(host: Host, count: int) -> None:
    """In a transaction each, as an application does."""
    statement = sql.SQL(
        """
        DO $$ BEGIN
            FOR number IN 1 .. {} LOOP
                INSERT INTO public.customers (first_name, last_name, email, phone, account_number)
                VALUES ('Anna', 'Meadow' || number, 'anna' || number || '@example.com', '1', 'CT-2026-' || number);
                COMMIT;
            END LOOP;
        END $$
        """
    ).format(sql.Literal(count))
    host.execute(statement)


async def all_synced(host: Host, zoho: RunningSimulator, *, seconds: float = 100.0) -> None:
    await until(lambda: not_synced(host) == 0, seconds=seconds, what="all customers synced")
    assert zoho.statistics.created_more_than_once("customers", "External ID") == {}


async def test_a_thousand_customers_two_daemons_and_a_kill(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    zoho.settings.latency_seconds = 0.01
    add_customers(host, 1000)
    first, second = (start_daemon(environment(host.database, zoho)) for _ in range(2))
    await zoho.until(lambda statistics: statistics.count_of_creates("customers") >= 300, seconds=60)
    assert first.alive
    assert second.alive
    first.signal(signal.SIGKILL)
    await all_synced(host, zoho)
    assert zoho.statistics.count_of_creates("customers") == 1000
    assert len(zoho.simulator.books.customers) == 1000
    assert host.value("SELECT count(*) FROM public.zoho_outbox WHERE finished_at IS NULL") == 0
    assert host.value("SELECT count(*) FROM zoho_outbox_private.entity_state WHERE phase <> 'idle'") == 0
    # What Zoho holds is what the rows say.
    in_zoho = {record["customer_id"]: record["display_name"] for record in zoho.simulator.books.customers}
    in_host = {
        row["zoho_billing_customer_id"]: f"Anna {row['last_name']} [{row['account_number']}]"
        for row in host.rows("SELECT zoho_billing_customer_id, last_name, account_number FROM public.customers")
    }
    assert in_zoho == in_host
    second.signal(signal.SIGTERM)
    assert await second.ends() == 0


async def test_a_kill_between_zohos_success_and_the_acknowledgement_creates_nothing_twice(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    held = zoho.faults.plant(FaultKind.HELD_AFTER, "POST", "/customers")
    customer = host.add_customer()
    first = start_daemon(environment(host.database, zoho, **PATIENT))
    await zoho.until(lambda _: held.fired == 1)
    first.signal(signal.SIGKILL)
    await first.ends()
    held.release()
    assert host.entry(customer)["status"] == "processing"
    host.pass_time(customer, 3600)
    start_daemon(environment(host.database, zoho))
    await all_synced(host, zoho)
    assert zoho.statistics.count_of_creates("customers") == 1
    assert [row["status"] for row in host.logs(customer)] == ["retrying", "success"]
    assert "daemon died" in host.logs(customer)[0]["error_message"]


async def test_a_daemon_that_was_stopped_past_its_lease_leaves_no_wrong_state_behind(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    customer = host.add_customer(phone="1")
    first = start_daemon(environment(host.database, zoho, **PATIENT))
    await all_synced(host, zoho)
    held = zoho.faults.plant(FaultKind.HELD_BEFORE, "PUT", "/customers/*")
    host.change_customer(customer, phone="2")
    await zoho.until(lambda _: held.fired == 1)
    first.signal(signal.SIGSTOP)
    host.change_customer(customer, phone="3")
    host.pass_time(customer, 3600)
    start_daemon(environment(host.database, zoho))

    def phone() -> str:
        return str(next(iter(zoho.simulator.books.customers))["phone"])

    await until(lambda: phone() == "3", what="the successor sent the row as it is")
    held.release()
    await until(lambda: phone() == "2", what="the old request came late")
    first.signal(signal.SIGCONT)
    await first.says("acknowledgement.refused")
    await until(lambda: phone() == "3", what="the row is sent again")
    await until(lambda: host.shown(customer) == ("synced", None))
    assert zoho.statistics.count_of_creates("customers") == 1


async def test_sigterm_under_load_gives_back_what_it_holds(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    zoho.settings.latency_seconds = 0.05
    add_customers(host, 300)
    daemon = start_daemon(environment(host.database, zoho))
    await zoho.until(lambda statistics: statistics.count_of_creates("customers") >= 20)
    daemon.signal(signal.SIGTERM)
    assert await daemon.ends() == 0, daemon.output
    assert daemon.events("daemon.draining")
    assert daemon.events("daemon.stopped")
    assert host.rows("SELECT FROM public.zoho_outbox WHERE status = 'processing'") == []
    assert host.rows("SELECT FROM zoho_outbox_private.entity_state WHERE phase = 'leased'") == []
    unfinished = host.rows("SELECT DISTINCT status, attempts FROM public.zoho_outbox WHERE finished_at IS NULL")
    assert unfinished == [{"status": "pending", "attempts": 0}]
    assert host.rows("SELECT FROM zoho_outbox_private.entity_state WHERE fate_unknown_at IS NOT NULL") == []
    created = zoho.statistics.count_of_creates("customers")
    assert 300 - not_synced(host) == created
    assert host.rows("SELECT FROM zoho_outbox_private.session") == []
    assert host.rows("SELECT FROM zoho_outbox_private.request_slot WHERE permit IS NOT NULL") == []


async def test_a_second_sigterm_ends_requests_in_flight_and_their_fate_is_looked_up(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    held = zoho.faults.plant(FaultKind.HELD_AFTER, "POST", "/customers")
    customer = host.add_customer()
    daemon = start_daemon(environment(host.database, zoho, **PATIENT))
    await zoho.until(lambda _: held.fired == 1)
    daemon.signal(signal.SIGTERM)
    await daemon.says("daemon.draining")
    assert daemon.alive
    daemon.signal(signal.SIGTERM)
    assert await daemon.ends() == 0, daemon.output
    held.release()
    state = host.state(customer)
    assert (state["phase"], state["attempts"], state["fate_unknown_at"] is not None) == ("scheduled", 0, True)
    assert host.entry(customer)["status"] == "pending"
    host.pass_time(customer, 3600)
    start_daemon(environment(host.database, zoho))
    await all_synced(host, zoho)
    assert zoho.statistics.count_of_creates("customers") == 1


async def test_sigint_drains_too(host: Host, zoho: RunningSimulator, start_daemon: Start) -> None:
    daemon = start_daemon(environment(host.database, zoho))
    await daemon.says("organisation.verified")
    daemon.signal(signal.SIGINT)
    assert await daemon.ends() == 0


async def test_a_commit_is_sent_without_waiting_for_the_poll(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    daemon = start_daemon(environment(host.database, zoho, OUTBOX_POLL_SECONDS="30"))
    await daemon.says("organisation.verified")
    await until(lambda: host.value("SELECT count(*) FROM zoho_outbox_private.session WHERE listening") == 1)
    for number in range(3):
        await until(lambda: host.value("SELECT wanted FROM zoho_outbox_private.bell"), what="the bell is wanted")
        customer = host.add_customer(number)
        await until(lambda customer=customer: host.shown(customer)[0] == "synced", seconds=15)  # type: ignore[misc]


async def test_a_pause_in_mid_work_stops_sending_and_a_resume_is_heeded_at_once(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    zoho.settings.latency_seconds = 0.05
    add_customers(host, 100)
    start_daemon(environment(host.database, zoho))
    await zoho.until(lambda statistics: statistics.count_of_creates("customers") >= 20)
    with host.operator() as operator:
        operator.execute("SELECT zoho_outbox_pause('month end')")
    leased = "SELECT count(*) FROM zoho_outbox_private.entity_state WHERE phase = 'leased'"
    await until(lambda: host.value(leased) == 0, what="nothing in flight")
    sent = zoho.statistics.requests
    host.add_customer(900)
    await until(lambda: host.value("SELECT wanted FROM zoho_outbox_private.bell"), what="the loop rests")
    assert zoho.statistics.requests == sent
    assert host.rows("SELECT FROM public.zoho_outbox WHERE finished_at IS NULL AND attempts > 0") == []
    with host.operator() as operator:
        operator.execute("SELECT zoho_outbox_resume()")
    await zoho.until(lambda statistics: statistics.requests > sent, seconds=20)
    await all_synced(host, zoho)


async def test_a_spent_day_is_waited_for_at_rest(host: Host, zoho: RunningSimulator, start_daemon: Start) -> None:
    customer = host.add_customer()
    # One request, which the check of the organisation takes.
    daemon = start_daemon(environment(host.database, zoho, ZOHO_DAILY_REQUEST_LIMIT="1"))
    await daemon.says("budget.spent")
    await until(lambda: host.value("SELECT wanted FROM zoho_outbox_private.bell"), what="the loop rests")
    await until(lambda: host.entry(customer)["status"] == "pending", what="the entry is given back")
    assert host.entry(customer)["attempts"] == 0
    assert len(daemon.events("budget.spent")) == 1
    assert zoho.statistics.requests == 1


async def test_a_throttled_token_endpoint_is_waited_for_at_rest(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    zoho.faults.plant(FaultKind.TOKEN_THROTTLED, times=None)
    host.add_customer()
    daemon = start_daemon(environment(host.database, zoho))
    await daemon.says("token.throttled")
    await until(lambda: host.value("SELECT wanted FROM zoho_outbox_private.bell"), what="the loop rests")
    assert zoho.statistics.token_requests == 1
    daemon.signal(signal.SIGTERM)
    assert await daemon.ends() == 0


async def test_sync_can_be_switched_off(host: Host, zoho: RunningSimulator, start_daemon: Start) -> None:
    host.add_customer()
    daemon = start_daemon(environment(host.database, zoho, ENABLE_ZOHO_SYNC="false"))
    await until(lambda: host.value("SELECT wanted FROM zoho_outbox_private.bell"), what="the loop rests")
    assert zoho.statistics.requests == 0
    daemon.signal(signal.SIGTERM)
    assert await daemon.ends() == 0


class TestSecrets:
    @pytest.mark.slow  # tests/secrets searches more, and quicker
    async def test_no_output_holds_one(self, host: Host, zoho: RunningSimulator, start_daemon: Start) -> None:
        dsn = host.database.dsn(DAEMON).replace(f"{DAEMON}@", f"{DAEMON}:pass-word-of-the-database@")
        settings = environment(host.database, zoho, DATABASE_URL=dsn, LOG_LEVEL="debug")
        for kind in (FaultKind.SERVER_ERROR_BEFORE, FaultKind.UNAUTHORISED_57, FaultKind.DONE_THEN_LOST):
            zoho.faults.plant(kind, "POST", "/customers")
        host.add_customers(4)
        daemon = start_daemon(settings)
        await all_synced(host, zoho)
        daemon.signal(signal.SIGTERM)
        assert await daemon.ends() == 0
        password = psycopg.conninfo.conninfo_to_dict(dsn).get("password")
        secrets = [zoho.settings.client_secret, zoho.settings.refresh_token, password]
        token = host.value("SELECT secret FROM zoho_outbox_private.access_token")
        assert token
        output = daemon.output
        assert [secret for secret in [*secrets, token] if secret and str(secret) in output] == []
        assert "@example.com" not in output
        assert "Meadow" not in output


class TestRefusals:
    async def test_a_missing_setting_is_one_line_that_names_it(
        self, host: Host, zoho: RunningSimulator, start_daemon: Start
    ) -> None:
        settings = environment(host.database, zoho)
        del settings["ZOHO_CLIENT_ID"]
        daemon = start_daemon(settings)
        assert await daemon.ends() == 2
        (line,) = daemon.output.splitlines()
        assert "ZOHO_CLIENT_ID" in line

    async def test_a_malformed_setting_shows_no_secret(
        self, host: Host, zoho: RunningSimulator, start_daemon: Start
    ) -> None:
        daemon = start_daemon(environment(host.database, zoho, ZOHO_MAX_CONCURRENCY="many"))
        assert await daemon.ends() == 2
        (line,) = daemon.output.splitlines()
        assert "ZOHO_MAX_CONCURRENCY" in line

    async def test_an_unmigrated_database_is_refused_with_the_command_to_run(
        self, host_database: databases.Database, zoho: RunningSimulator, start_daemon: Start
    ) -> None:
        daemon = start_daemon(environment(host_database, zoho, DATABASE_URL=host_database.dsn()))
        assert await daemon.ends() == 2
        (refused,) = daemon.events("daemon.refused")
        assert "run zoho-outbox migrate" in refused["reason"]
        assert zoho.statistics.requests == 0

    async def test_a_cloned_database_is_refused_and_sends_nothing(
        self, host: Host, zoho: RunningSimulator, start_daemon: Start
    ) -> None:
        daemon = start_daemon(environment(host.database, zoho))
        await daemon.says("organisation.verified")
        daemon.signal(signal.SIGTERM)
        assert await daemon.ends() == 0
        host.add_customer()
        sent = zoho.statistics.requests
        with _clone_of(host) as clone:
            copied = start_daemon(environment(clone, zoho))
            assert await copied.ends() == 2
            (refused,) = copied.events("daemon.refused")
            assert "doctor --accept-database" in refused["reason"]
        assert zoho.statistics.requests == sent

    async def test_a_database_that_becomes_another_under_a_running_daemon_ends_it(
        self, host: Host, zoho: RunningSimulator, start_daemon: Start
    ) -> None:
        daemon = start_daemon(environment(host.database, zoho))
        await daemon.says("organisation.verified")
        host.interfere("UPDATE zoho_outbox_private.installation SET system_identifier = '1'")
        customer = host.add_customer()
        assert await daemon.ends() == 2, daemon.output
        assert host.state(customer)["phase"] == "ready"
        assert zoho.statistics.count_of_creates("customers") == 0

    async def test_another_organisation_is_refused(
        self, host: Host, zoho: RunningSimulator, start_daemon: Start
    ) -> None:
        first = start_daemon(environment(host.database, zoho))
        await first.says("organisation.verified")
        second = start_daemon(environment(host.database, zoho, ZOHO_BILLING_ORGANIZATION_ID="777"))
        assert await second.ends() == 2
        assert first.alive

    async def test_an_organisation_that_zoho_does_not_know_parks_everything_and_names_the_setting(
        self, host: Host, zoho: RunningSimulator, start_daemon: Start
    ) -> None:
        customer = host.add_customer()
        daemon = start_daemon(environment(host.database, zoho, ZOHO_BILLING_ORGANIZATION_ID="777"))
        await daemon.says("organisation.forbidden")
        await until(lambda: host.value("SELECT wanted FROM zoho_outbox_private.bell"), what="the loop rests")
        assert host.entry(customer)["status"] == "pending"
        assert "777" in daemon.events("organisation.forbidden")[0]["reason"]
        assert daemon.alive

    async def test_a_wrong_api_address_is_said(self, host: Host, zoho: RunningSimulator, start_daemon: Start) -> None:
        host.add_customer()
        daemon = start_daemon(environment(host.database, zoho, ZOHO_API_BASE_URL=f"{zoho.url}/billing/v9"))
        await until(
            lambda: [line for line in daemon.events() if line.get("level") in ("warning", "error")],
            seconds=15,
            what=f"a word about it in:\n{daemon.output}",
        )
        assert daemon.alive


@pytest.fixture
def own_host(own_postgres: PostgresServer) -> Iterator[Host]:
    """A migrated database on a server that no other test sees."""
    database = Databases(own_postgres, "own").create(migrated_template(HostShape()))
    with Host(database) as host:
        yield host


class TestDatabaseAway:
    async def test_it_waits_for_a_database_that_is_not_there_yet(
        self, own_postgres: PostgresServer, own_host: Host, zoho: RunningSimulator, start_daemon: Start
    ) -> None:
        own_host.add_customer()
        own_postgres.shut_down()
        daemon = start_daemon(environment(own_host.database, zoho))
        await daemon.says("database.lost")
        assert daemon.alive
        own_postgres.start()
        with Host(own_host.database) as host:
            await all_synced(host, zoho)
        assert [len(daemon.events(name)) for name in ("database.lost", "database.back")] == [1, 1]
        daemon.signal(signal.SIGTERM)
        assert await daemon.ends() == 0

    async def test_it_ends_while_it_waits_for_the_database(
        self, own_postgres: PostgresServer, own_host: Host, zoho: RunningSimulator, start_daemon: Start
    ) -> None:
        own_postgres.shut_down()
        daemon = start_daemon(environment(own_host.database, zoho))
        await daemon.says("database.lost")
        daemon.signal(signal.SIGTERM)
        assert await daemon.ends() == 0

    async def test_a_crash_of_the_database_in_mid_work_is_survived(
        self, own_postgres: PostgresServer, own_host: Host, zoho: RunningSimulator, start_daemon: Start
    ) -> None:
        zoho.settings.latency_seconds = 0.05
        add_customers(own_host, 200)
        daemon = start_daemon(environment(own_host.database, zoho))
        await zoho.until(lambda statistics: statistics.count_of_creates("customers") >= 40)
        own_postgres.restart("immediate")
        with Host(own_host.database) as host:
            await all_synced(host, zoho)
            assert zoho.statistics.count_of_creates("customers") == 200
            assert daemon.alive
            await daemon.says("database.back")
            assert [len(daemon.events(name)) for name in ("database.lost", "database.back")] == [1, 1]
            assert daemon.events("loop.failing") == []
            late = host.add_customer(900)
            await until(lambda: host.shown(late)[0] == "synced", what="a later change is sent")
        daemon.signal(signal.SIGTERM)
        assert await daemon.ends() == 0


class _clone_of:  # noqa: N801 - reads as a sentence
    """A copy of a database, made as people make one."""

    def __init__(self, host: Host) -> None:
        self._original = host.database
        self._clone = databases.Database(host.database.server, f"{host.database.name}_clone")

    def __enter__(self) -> databases.Database:
        with psycopg.connect(self._original.server.dsn(), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [self._original.name]
            )
            connection.execute(f'CREATE DATABASE "{self._clone.name}" TEMPLATE "{self._original.name}"'.encode())
        return self._clone

    def __exit__(self, *_: object) -> None:
        with psycopg.connect(self._original.server.dsn(), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{self._clone.name}" WITH (FORCE)'.encode())


async def test_what_was_deleted_past_the_retention_is_said(
    host: Host, zoho: RunningSimulator, start_daemon: Start
) -> None:
    host.interfere(
        """
        INSERT INTO public.zoho_outbox (entity_type, entity_id, status, outcome, admitted, created_at, finished_at)
        SELECT 'customer', gen_random_uuid(), 'done', 'sent', true, long_ago, long_ago
        FROM (SELECT now() - interval '91 days' AS long_ago) AS moment
        """
    )
    daemon = start_daemon(environment(host.database, zoho))
    await daemon.says("past.pruned")
    (said,) = daemon.events("past.pruned")
    assert (said["level"], said["entries"], said["log_rows"]) == ("info", 1, 0)
