"""``backfill`` as a person types it: what it promises, what it does, how it stops and is begun again."""

import re
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from daemon.command_line import DONE, FAILED, INTERRUPTED, WRONG_USE
from outbox.simulator import FaultKind, RunningSimulator, SimulatorSettings, running_simulator
from tests.commands.conftest import Console, Host, Said, ended, until
from tests.commands.prestarted import Prestarted
from tests.host.databases import Database
from tests.sending.billing import PLAN, Billing, held
from tests.store.host import Host as Application

pytestmark = pytest.mark.anyio

PACE = "90"
"""Requests a minute, of the 100 that the simulator allows."""

COLLECTIONS = ("customers", "subscriptions", "invoices", "payments")

OURS = ("zoho_outbox", "zoho_sync_logs")
PRIVATE = ("entity_state", "session", "catalogue", "listing", "listed_record", "installation", "access_token")


class PacedConsole(Console):
    """With a pace that the simulator's own limits allow."""

    def settings(self, role: str, **more: str) -> dict[str, str]:
        return super().settings(role, **more) | {"ZOHO_REQUESTS_PER_MINUTE": PACE}


@pytest.fixture
def application(migrated_database: Database) -> Iterator[Application]:
    with Application(migrated_database) as application:
        yield application


@pytest.fixture
def billing(application: Application) -> Billing:
    return Billing(application)


@pytest.fixture
async def strict_zoho() -> AsyncIterator[RunningSimulator]:
    """With Zoho's own limits: 100 requests a minute, 1000 a day, 5 at once, 10 tokens in 10 minutes."""
    async with running_simulator(SimulatorSettings(refuse_unknown_keys=True)) as running:
        yield running


def people(application: Application, billing: Billing, package: UUID, count: int) -> list[UUID]:
    """Customers, each with a service, an invoice and its payment: all from before the installation."""
    customers = application.add_customers(count)
    for customer in customers:
        billing.service(customer, package)
        billing.payment(customer, billing.invoice(customer))
    return customers


def fibre(billing: Billing, zoho: RunningSimulator) -> UUID:
    """A published package and its plan."""
    zoho.simulator.plant_plan(plan_code=PLAN, recurring_price=Decimal("899.00"))
    return billing.package()


def counts(zoho: RunningSimulator) -> list[int]:
    """Records in Zoho's books, in the order of :data:`COLLECTIONS`."""
    return [len(held(zoho, name)) for name in COLLECTIONS]


def promised(said: Said) -> int:
    """How many requests a dry run foretold."""
    match = re.search(r"^(\d+) requests? to Zoho in all", said.out, re.MULTILINE)
    assert match is not None, said
    return int(match[1])


def was_gentle(zoho: RunningSimulator) -> None:
    """No refusal of any kind, and one token."""
    assert zoho.statistics.refused == {}
    assert [status for status in zoho.statistics.by_status if status >= 400 or status == 0] == []
    assert zoho.statistics.token_requests == 1


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("beside_a_daemon", [False, True], ids=["alone", "beside a daemon"])
async def test_thirteen_customers_with_all_that_is_theirs_cost_what_was_promised_and_nothing_fails(
    application: Application,
    billing: Billing,
    host: Host,
    migrated_database: Database,
    strict_zoho: RunningSimulator,
    beside_a_daemon: bool,
    commands: Prestarted,
) -> None:
    package = fibre(billing, strict_zoho)
    customers = people(application, billing, package, 13)
    first = customers[0]
    # What is not sent, and what costs a request more.
    application.add_customer(99, account_type="internal_test")
    billing.invoice(first, status="draft")
    billing.invoice(first, status="voided")
    billing.payment(first, status="refunded")
    billing.payment(first, transaction_id="PM-VAL-1")
    billing.service(first, package, status="cancelled")
    recurring = billing.invoice(
        first,
        "799.00",
        invoice_type="recurring",
        service_id=billing.service(first, package),
        period_start=date(2026, 3, 1),
    )
    billing.payment(first, recurring, "799.00")
    host.forget_captures()
    console = PacedConsole(migrated_database, strict_zoho.environment, commands)
    told = await console.type("backfill", "--dry-run")
    assert told.code == DONE, told
    if beside_a_daemon:
        with console.interruptible("run") as daemon:
            await until(lambda: bool(host.rows("SELECT id FROM zoho_outbox_private.session")))
            said = await console.type("backfill")
            assert (await ended(daemon, signal.SIGTERM)).code == DONE
    else:
        said = await console.type("backfill")
    assert said.code == DONE, said
    assert counts(strict_zoho) == [13, 14, 13, 14]
    # The host's recurring invoice is none of Zoho's: its payment is credit.
    assert [invoice["balance"] for invoice in held(strict_zoho, "invoices")] == [0] * 13
    assert {invoice["status"] for invoice in held(strict_zoho, "invoices")} == {"paid"}
    # A backfill raises no invoice.
    assert {invoice["subscription_id"] for invoice in held(strict_zoho, "invoices")} == {""}
    # The cancelled service and the refunded payment were never in Zoho: nothing is asked for either.
    assert promised(told) - 2 <= strict_zoho.statistics.requests <= promised(told)
    was_gentle(strict_zoho)
    for collection in COLLECTIONS:
        assert strict_zoho.statistics.created_more_than_once(collection, "External ID") == {}
    # Begun again it finds nothing to do.
    again = await console.type("backfill", "--dry-run")
    rows = dict(re.findall(r"^(customers|subscriptions|invoices|payments) +(\d+) ", again.out, re.MULTILINE))
    assert rows == dict.fromkeys(COLLECTIONS, "0"), again


async def test_a_dry_run_writes_nothing_and_asks_zoho_nothing(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people(application, billing, fibre(billing, zoho), 4)
    host.forget_captures()
    tables = [f"public.{name}" for name in OURS] + [f"zoho_outbox_private.{name}" for name in PRIVATE]

    def everything() -> list[object]:
        hosts = ("customers", "customer_services", "customer_invoices", "payment_transactions")
        names = [*tables, *(f"public.{name}" for name in hosts)]
        return [host.rows(f"SELECT t.*, t.xmin::text AS written FROM {name} AS t") for name in names]

    before = everything()
    said = await console.type("backfill", "--dry-run")
    assert said.code == DONE
    assert everything() == before
    assert (zoho.statistics.requests, zoho.statistics.token_requests) == (0, 0)
    # Who we are, taxes, plans, four lists; one, one, two and one for each customer.
    assert promised(said) == 1 + 2 + 4 + 4 * 5


async def test_rows_that_are_in_zoho_already_are_adopted(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    customers = people(application, billing, fibre(billing, zoho), 4)
    host.forget_captures()
    zoho_id = zoho.simulator.plant_customer(display_name="Anna Meadow1", email="anna.meadow1@example.com")
    said = await console.type("backfill")
    assert said.code == DONE, said
    assert billing.zoho_id(customers[0]) == zoho_id
    assert counts(zoho) == [4, 4, 4, 4]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["customers"], [3, 0, 0, 0]),
        (["all", "--skip-payments"], [3, 3, 3, 0]),
        (["--skip-subscriptions", "--skip-invoices", "--skip-payments"], [3, 0, 0, 0]),
        (["all", "--skip-subscriptions"], [3, 0, 3, 3]),
    ],
    ids=["customers alone", "no payments", "all but customers skipped", "no subscriptions"],
)
async def test_what_is_skipped_is_left_alone(
    application: Application,
    billing: Billing,
    host: Host,
    console: Console,
    zoho: RunningSimulator,
    words: list[str],
    expected: list[int],
) -> None:
    people(application, billing, fibre(billing, zoho), 3)
    host.forget_captures()
    said = await console.type("backfill", *words, "--batch-size", "2")
    assert said.code == DONE, said
    assert counts(zoho) == expected


async def test_skipped_customers_are_not_looked_through_but_brought_by_what_needs_them(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    package = fibre(billing, zoho)
    people(application, billing, package, 2)
    application.add_customer(50)
    host.forget_captures()
    said = await console.type("backfill", "--skip-customers", "--skip-subscriptions", "--skip-payments")
    assert said.code == DONE, said
    assert counts(zoho) == [2, 0, 2, 0]


async def test_nothing_left_to_do_is_wrong_use(console: Console) -> None:
    said = await console.type("backfill", "payments", "--skip-payments")
    assert said.code == WRONG_USE
    assert said.out == ""


async def test_interrupted_and_begun_again_it_sends_nothing_twice(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people(application, billing, fibre(billing, zoho), 6)
    host.forget_captures()
    fault = zoho.faults.plant(FaultKind.HELD_AFTER, "POST", "/customers", skip=3, times=None)
    with console.interruptible("backfill") as process:
        await zoho.until(lambda _: fault.fired > 0)
        process.send_signal(signal.SIGINT)
        fault.release()
        said = await ended(process)
    assert said.code == INTERRUPTED, said
    assert "Traceback" not in said.err
    assert 4 <= len(held(zoho, "customers")) <= 6
    assert host.rows("SELECT * FROM zoho_outbox_private.session") == []
    assert host.rows("SELECT * FROM zoho_outbox_private.entity_state WHERE phase = 'leased'") == []
    zoho.faults.clear()
    said = await console.type("backfill")
    assert said.code == DONE, said
    assert counts(zoho) == [6, 6, 6, 6]
    for collection in COLLECTIONS:
        assert zoho.statistics.created_more_than_once(collection, "External ID") == {}


async def test_what_all_customers_share_stops_it_before_anything_else_is_enqueued(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people(application, billing, fibre(billing, zoho), 7)
    host.forget_captures()
    said = await console.type("backfill", ZOHO_EXTERNAL_ID_FIELD="Nonsense")
    assert said.code == FAILED, said
    assert "stopped: " in said.out
    assert "customers failed and only 0 reached Zoho" in said.out
    assert counts(zoho) == [0, 0, 0, 0]
    assert {row["entity_type"] for row in host.rows("SELECT entity_type FROM public.zoho_outbox")} == {"customer"}
    # Mended, it is run again.
    said = await console.type("backfill")
    assert said.code == DONE, said
    assert counts(zoho) == [7, 7, 7, 7]


async def test_single_rows_that_fail_stop_nothing_and_are_named(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    package = fibre(billing, zoho)
    people(application, billing, package, 5)
    bad = application.add_customer(50, email="no address")
    billing.payment(bad, billing.invoice(bad))
    billing.invoice(application.add_customer(51), "-1.00")
    host.forget_captures()
    said = await console.type("backfill")
    assert said.code == FAILED, said
    assert "stopped" not in said.out
    assert counts(zoho) == [6, 5, 5, 5]
    assert f"(customer {bad})" in said.out
    assert "invoice dead: the total is -1.00: raise a credit note in Zoho" in said.out
    assert "waiting for customer CT-2025-09050, which failed" in said.out


async def test_it_waits_its_turn_where_sending_is_paused(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people(application, billing, fibre(billing, zoho), 1)
    host.forget_captures()
    host.rows("SELECT zoho_outbox_pause('the accountant asked')")
    said = await console.type("backfill")
    assert said.code == FAILED, said
    assert "the accountant asked" in said.err
    assert host.rows("SELECT id FROM public.zoho_outbox") == []
    assert zoho.statistics.requests == 0


async def test_a_list_that_zoho_refuses_with_429_ends_it_and_throttles_the_organisation(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people(application, billing, fibre(billing, zoho), 3)
    host.forget_captures()
    fault = zoho.faults.plant(FaultKind.RATE_LIMITED_43, "GET", "/customers", times=None)
    said = await console.type("backfill")
    assert said.code == FAILED, said
    assert "stopped: Zoho's customers could not be listed" in said.out
    assert "run the backfill again" in said.out
    assert "Traceback" not in said.err
    assert fault.fired == 1
    assert host.one("SELECT throttled_until > now() AS throttled FROM zoho_outbox_private.organisation")["throttled"]
    assert host.rows("SELECT id FROM public.zoho_outbox") == []
    assert counts(zoho) == [0, 0, 0, 0]
    # Zoho's patience is back.
    zoho.faults.clear()
    host.rows("UPDATE zoho_outbox_private.organisation SET probe_at = now(), throttled_until = now()")
    said = await console.type("backfill")
    assert said.code == DONE, said
    assert counts(zoho) == [3, 3, 3, 3]
