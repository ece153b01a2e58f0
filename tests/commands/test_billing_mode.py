"""Another ZOHO_RECURRING_BILLING: refused until it is accepted, and told what it bills twice or not at all."""

from datetime import UTC, datetime, timedelta

import pytest

from daemon.command_line import DONE, FAILED, WRONG_USE
from outbox.simulator import RunningSimulator
from tests.commands.conftest import Console, Host
from tests.host.shapes import HostShape

pytestmark = pytest.mark.anyio

HOST = {"ZOHO_RECURRING_BILLING": "host"}
TODAY = datetime.now(UTC).date()


def stored(host: Host) -> str:
    found = host.one("SELECT recurring_billing FROM zoho_outbox_private.installation")["recurring_billing"]
    assert isinstance(found, str)
    return found


async def test_whoever_sends_refuses_until_it_is_accepted(console: Console, host: Host) -> None:
    host.customer("CT-1")
    await console.type("sync", "customer", "CT-1")
    once, dry = ["sync", "customer", "CT-1"], ["sync", "customer", "CT-1", "--dry-run"]
    for words, code in ((once, FAILED), (dry, FAILED), (["backfill"], FAILED), (["run"], WRONG_USE)):
        said = await console.type(*words, **HOST)
        assert said.code == code, words
        assert "doctor --accept-billing-mode" in said.err + said.out, words
    assert stored(host) == "zoho"
    accepted = await console.type("doctor", "--accept-billing-mode", **HOST)
    assert (accepted.code, accepted.err) == (DONE, "")
    assert accepted.out == "accepted: ZOHO_RECURRING_BILLING=host takes the place of zoho\n"
    assert (await console.type("sync", "customer", "CT-1", **HOST)).code == DONE
    again = await console.type("sync", "customer", "CT-1")
    assert "doctor --accept-billing-mode" in again.err


async def test_there_is_nothing_to_accept_where_nothing_changed_or_nothing_was_sent(
    console: Console, host: Host
) -> None:
    never = await console.type("doctor", "--accept-billing-mode", **HOST)
    assert never.out == "nothing to accept: nothing has been sent from this database yet\n"
    host.customer("CT-1")
    await console.type("sync", "customer", "CT-1")
    same = await console.type("doctor", "--accept-billing-mode")
    assert same.out == "nothing to accept: ZOHO_RECURRING_BILLING is 'zoho', as it was\n"


async def test_it_is_not_accepted_under_a_running_daemon(console: Console, host: Host) -> None:
    host.customer("CT-1")
    await console.type("sync", "customer", "CT-1")
    host.daemon_alive()
    said = await console.type("doctor", "--accept-billing-mode", **HOST)
    assert said.code == FAILED
    assert "stop every daemon" in said.err
    assert stored(host) == "zoho"


async def test_from_zoho_to_the_host_it_names_what_zoho_goes_on_billing_and_what_was_not_sent(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    zoho.simulator.plant_plan(plan_code="FIBRE-50", recurring_price=799)
    customer = host.customer("CT-1")
    billed = host.service(customer, last_invoice_date="2098-12-15", billing_day=15)
    ended = host.service(customer, status="cancelled", package_name="Ended", package_id=host.package("FIBRE-51"))
    await console.type("sync", "customer", "CT-1")
    await console.type("sync", "subscription", str(billed))
    zoho_id = host.one("SELECT zoho_subscription_id AS id FROM public.customer_services WHERE id = %s", [billed])["id"]
    assert zoho_id
    recurring = {"invoice_type": "recurring", "total_amount": "799.00", "due_date": TODAY}
    host.invoice(customer, "CT-BOTH", invoice_date=TODAY, service_id=billed, **recurring)
    host.invoice(customer, "CT-OLD", invoice_date=TODAY - timedelta(days=400), service_id=billed, **recurring)
    host.invoice(customer, "CT-OTHER", invoice_date=TODAY, service_id=ended, **recurring)
    host.invoice(customer, "CT-ONCE", invoice_date=TODAY, service_id=billed)
    said = await console.type("doctor", "--accept-billing-mode", **HOST)
    assert (said.code, said.err) == (DONE, "")
    going_on, both, unbilled = said.out.partition("\n\n")[0].split(":\n")[1:]
    assert f"Fibre 50/50 of customer CT-1, 799.00 a month, active: Zoho subscription {zoho_id}\n" in going_on
    assert "Ended" not in said.out
    assert f"invoice CT-BOTH of {TODAY} of customer CT-1, 799.00: Zoho subscription {zoho_id}" in both
    assert "CT-OLD" in unbilled
    assert "CT-OTHER" in unbilled
    assert "CT-ONCE" not in said.out
    assert stored(host) == "host"


async def test_from_the_host_to_zoho_it_names_what_the_host_raised_lately_and_what_nobody_bills_yet(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    customer = host.customer("CT-1")
    await console.type("sync", "customer", "CT-1", **HOST)
    assert stored(host) == "host"
    host.service(customer, package_name="Ready", last_invoice_date="2098-12-15", billing_day=15)
    host.service(customer, package_name="Unpublished", package_id=host.package("FIBRE-51", published="failed"))
    host.service(customer, package_name="Gone", status="cancelled", package_id=host.package("FIBRE-52"))
    recurring = {"invoice_type": "recurring", "due_date": TODAY}
    host.invoice(customer, "CT-LATELY", invoice_date=TODAY - timedelta(days=30), **recurring)
    host.invoice(customer, "CT-LONG-AGO", invoice_date=TODAY - timedelta(days=40), **recurring)
    said = await console.type("doctor", "--accept-billing-mode")
    assert (said.code, said.err) == (DONE, "")
    twice, unbilled = said.out.partition("\n\n")[0].split(":\n")[1:]
    assert "invoice CT-LATELY" in twice
    assert "CT-LONG-AGO" not in said.out
    assert "Ready of customer CT-1, 799.00 a month, active: begins on 2099-01-15" in unbilled
    assert "Unpublished of customer CT-1, 799.00 a month, active: waits for package Package FIBRE-51" in unbilled
    assert "Gone" not in said.out
    assert stored(host) == "zoho"


@pytest.mark.parametrize("migrated_database", [HostShape(columns="november_2025")], indirect=True)
async def test_a_host_of_november_2025_counts_every_invoice_as_recurring(console: Console, host: Host) -> None:
    customer = host.customer("CT-1")
    await console.type("sync", "customer", "CT-1")
    host.rows(
        """
        INSERT INTO public.customer_invoices
            (customer_id, invoice_number, invoice_date, due_date, subtotal, total_amount, amount_due, status)
        VALUES (%s, 'CT-1', %s, %s, 1000, 1150, 1150, 'sent')
        """,
        [customer, TODAY, TODAY],
    )
    said = await console.type("doctor", "--accept-billing-mode", **HOST)
    assert (said.code, said.err) == (DONE, "")
    assert f"invoice CT-1 of {TODAY} of customer CT-1, 1150.00" in said.out
