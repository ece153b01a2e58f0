"""``sync --dry-run``: what it prints is what the next ``sync`` sends, and it writes nothing."""

from decimal import Decimal
from typing import Any

import pytest
import simplejson

from daemon.command_line import DONE, FAILED
from outbox.simulator import FaultKind, RunningSimulator
from tests.commands.conftest import Console, Host, Said

pytestmark = pytest.mark.anyio

WRITTEN_BY_A_DRY_RUN = {"access_token", "token_mint", "request_budget", "day_budget", "request_slot"}
"""The token and the budget."""


def everything(host: Host) -> dict[str, Any]:
    """Every row that a dry run must leave alone."""
    tables = host.rows(
        """
        SELECT schemaname || '.' || tablename AS name, tablename
        FROM pg_tables WHERE schemaname IN ('public', 'zoho_outbox_private')
        """
    )
    return {
        table["name"]: host.one(f"SELECT jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)) AS rows FROM {table['name']} AS t")
        for table in tables
        if table["tablename"] not in WRITTEN_BY_A_DRY_RUN
    }


def printed(said: Said) -> tuple[str, Any]:
    """The request line and the body of what would be sent."""
    head, _, body = said.out.partition("\n\n")[2].partition("\n\n")
    return head, simplejson.loads(body, use_decimal=True) if body else None


def writes(zoho: RunningSimulator) -> int:
    return sum(count for route, count in zoho.statistics.by_route.items() if not route.startswith("GET"))


async def test_it_prints_the_create_to_the_letter_and_writes_nothing(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    host.customer("CT-1")
    before = everything(host)
    said = await console.type("sync", "customer", "CT-1", "--dry-run")
    assert (said.code, said.err) == (DONE, "")
    assert everything(host) == before
    assert zoho.statistics.requests == 0
    head, body = printed(said)
    assert head == f"POST {zoho.api_base_url}/customers"
    await console.type("sync", "customer", "CT-1")
    (sent,) = [asked for asked in zoho.simulator.journal if asked.path.endswith("/customers")]
    assert simplejson.loads(sent.body, use_decimal=True) == body


@pytest.mark.parametrize("entity_type", ["subscription", "invoice", "payment"])
async def test_it_prints_the_create_of_each_type_as_it_is_sent_then(
    console: Console, host: Host, zoho: RunningSimulator, entity_type: str
) -> None:
    zoho.simulator.plant_plan(plan_code="FIBRE-50", recurring_price=899)
    customer = host.customer("CT-1")
    invoice = host.invoice(customer, "CT-INV-1", line_items='[{"description": "Router", "unit_price": 1150.00}]')
    rows = {
        "subscription": host.service(customer, last_invoice_date="2098-12-15", billing_day=15),
        "invoice": invoice,
        "payment": host.payment("NC-1", customer_id=customer, customer_invoice_id=invoice, amount="1500.00"),
    }
    await console.type("sync", "customer", "CT-1")
    if entity_type == "payment":
        await console.type("sync", "invoice", "CT-INV-1")
    before, sent = everything(host), writes(zoho)
    said = await console.type("sync", entity_type, str(rows[entity_type]), "--dry-run")
    assert (said.code, said.err) == (DONE, "")
    assert everything(host) == before
    assert writes(zoho) == sent
    head, body = printed(said)
    path = f"/{entity_type}s"
    own_number = "?ignore_auto_number_generation=true" if entity_type == "invoice" else ""
    assert head == f"POST {zoho.api_base_url}{path}{own_number}"
    match entity_type:
        case "subscription":
            assert (body["plan"]["price"], body["starts_at"]) == (Decimal("799.00"), "2099-01-15")
        case "invoice":
            assert [item["price"] for item in body["invoice_items"]] == [Decimal("1150.00")]
        case _:
            assert [each["amount_applied"] for each in body["invoices"]] == [Decimal("1150.00")]
            assert body["amount"] == Decimal("1500.00")
    assert (await console.type("sync", entity_type, str(rows[entity_type]))).code == DONE
    (created,) = [asked for asked in zoho.simulator.journal if asked.method == "POST" and asked.path.endswith(path)]
    assert simplejson.loads(created.body, use_decimal=True) == body


async def test_it_prints_the_change_of_an_invoice_and_of_a_payment(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    customer = host.customer("CT-1")
    invoice = host.invoice(customer, "CT-INV-1")
    host.payment("NC-1", customer_id=customer, customer_invoice_id=invoice, amount="500.00")
    for words in (["customer", "CT-1"], ["invoice", "CT-INV-1"], ["payment", "NC-1"]):
        await console.type("sync", *words)
    host.rows("UPDATE public.customer_invoices SET notes = 'Agreed by telephone'")
    host.rows("UPDATE public.payment_transactions SET amount = 600")
    before, sent = everything(host), writes(zoho)
    for words, method, key, value in (
        (["invoice", "CT-INV-1"], "PUT", "notes", "Agreed by telephone"),
        (["payment", "NC-1"], "PUT", "amount", Decimal("600.00")),
    ):
        said = await console.type("sync", *words, "--dry-run")
        assert (said.code, said.err) == (DONE, "")
        head, body = printed(said)
        assert head.startswith(f"{method} {zoho.api_base_url}/{words[0]}s/")
        assert body[key] == value
    assert everything(host) == before
    assert writes(zoho) == sent


async def test_what_would_not_be_sent_of_each_type_is_told_with_its_reason(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    customer = host.customer("CT-1")
    await console.type("sync", "customer", "CT-1")
    service = host.service(customer, package_id=host.package("FIBRE-50", published="failed"))
    host.invoice(customer, "CT-INV-1", invoice_type="recurring")
    host.invoice(customer, "CT-INV-2", line_items='[{"description": "Router", "unit_price": 900}]')
    host.payment("NC-1", customer_id=customer, currency="USD")
    for words, reason in (
        (["subscription", str(service)], "waiting for package Package FIBRE-50 to be published"),
        (["invoice", "CT-INV-1"], "skipped: recurring invoice: Zoho raises recurring invoices itself"),
        (["invoice", "CT-INV-2"], "it would be dead: the lines add up to 900"),
        (["payment", "NC-1"], "it would be dead: paid in USD"),
    ):
        said = await console.type("sync", *words, "--dry-run")
        assert (said.code, said.err) == (FAILED, "")
        assert reason in said.out


async def test_a_look_up_that_would_be_made_first_is_made_and_shown(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    host.customer("CT-1")
    host.forget_captures()
    before = everything(host)
    said = await console.type("sync", "customer", "CT-1", "--dry-run")
    assert said.code == DONE
    assert said.out.startswith(f"asked Zoho: GET {zoho.api_base_url}/customers?")
    assert printed(said)[0] == f"POST {zoho.api_base_url}/customers"
    assert everything(host) == before
    assert writes(zoho) == 0


async def test_a_record_that_is_found_would_be_updated(console: Console, host: Host, zoho: RunningSimulator) -> None:
    host.customer("CT-1", first_name="Anna", last_name="Meadow")
    host.forget_captures()
    planted = zoho.simulator.plant_customer(display_name="Anna Meadow", email="ct-1@example.com")
    before = everything(host)
    said = await console.type("sync", "customer", "CT-1", "--dry-run")
    assert said.code == DONE
    assert printed(said)[0] == f"PUT {zoho.api_base_url}/customers/{planted}"
    assert everything(host) == before
    assert writes(zoho) == 0


async def test_it_says_why_nothing_would_be_sent(console: Console, host: Host, zoho: RunningSimulator) -> None:
    host.customer("CT-1")
    await console.type("sync", "customer", "CT-1")
    host.customer("CT-2", account_type="internal_test")
    host.customer("CT-3", first_name="", last_name=" ")
    host.rows("UPDATE public.customers SET zoho_billing_customer_id = '999' WHERE account_number = 'CT-3'")
    before, sent = everything(host), writes(zoho)
    unchanged = await console.type("sync", "customer", "CT-1", "--dry-run")
    assert unchanged.code == DONE
    assert unchanged.out.startswith("customer CT-1: unchanged, nothing sent: Zoho customer 46")
    skipped = await console.type("sync", "customer", "CT-2", "--dry-run")
    assert skipped.code == FAILED
    assert skipped.out == ("customer CT-2: nothing would be sent, skipped: internal_test account: never sent to Zoho\n")
    nameless = await console.type("sync", "customer", "CT-3", "--dry-run")
    assert nameless.code == FAILED
    assert nameless.out.startswith("customer CT-3: nothing would be sent, it would be dead: the customer has no name")
    assert everything(host) == before
    assert writes(zoho) == sent


async def test_force_would_send_although_nothing_changed(console: Console, host: Host, zoho: RunningSimulator) -> None:
    entity_id = host.customer("CT-1")
    await console.type("sync", "customer", "CT-1")
    before, sent = everything(host), writes(zoho)
    said = await console.type("sync", "customer", "CT-1", "--force", "--dry-run")
    zoho_id = host.one("SELECT zoho_id FROM zoho_outbox_private.entity_state WHERE entity_id = %s", [entity_id])
    assert said.code == DONE
    assert printed(said)[0] == f"PUT {zoho.api_base_url}/customers/{zoho_id['zoho_id']}"
    assert everything(host) == before
    assert writes(zoho) == sent


async def test_paused_needs_no_permission_where_nothing_is_asked(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    host.customer("CT-1")
    host.customer("CT-2")
    host.rows("DELETE FROM public.customers WHERE account_number = 'CT-2'")
    host.customer("CT-2", email="other@example.com")
    host.rows("SELECT public.zoho_outbox_pause('month end')")
    born = await console.type("sync", "customer", "CT-1", "--dry-run")
    assert born.code == DONE
    host.rows("UPDATE zoho_outbox_private.installation SET look_first_since = now(), look_first_why = 'restored'")
    said = await console.type("sync", "customer", "CT-1", "--dry-run")
    assert said.code == FAILED
    assert "cannot tell, Zoho may not be asked now: sending is paused (paused by postgres: month end)" in said.out


async def test_a_failing_look_up_reports_nothing_to_the_organisation(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    host.customer("CT-1")
    host.forget_captures()
    zoho.faults.plant(FaultKind.RATE_LIMITED_44, "GET", "/customers")
    before = everything(host)
    said = await console.type("sync", "customer", "CT-1", "--dry-run")
    assert said.code == FAILED
    assert "code 44" in said.out
    assert everything(host) == before
