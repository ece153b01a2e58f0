"""``reconcile`` as it is typed."""

import csv
import io

import pytest

from daemon.command_line import DONE, FAILED, WRONG_USE
from outbox.simulator import RunningSimulator
from tests.commands.conftest import Console, Host

pytestmark = pytest.mark.anyio


async def test_both_sides_agree_and_then_they_do_not(console: Console, host: Host, zoho: RunningSimulator) -> None:
    customer = host.customer("CT-1")
    assert (await console.type("sync", "customer", "CT-1")).code == DONE
    clean = await console.type("reconcile", "customer")
    assert clean.code == DONE, clean
    assert clean.out.splitlines()[-1] == "both sides agree (1 request)"

    zoho_id = host.one("SELECT zoho_billing_customer_id AS zoho_id FROM public.customers")["zoho_id"]
    assert zoho.simulator.edit("customers", zoho_id, {"email": "other@example.com"})
    zoho.simulator.plant_customer(display_name="=1+1", email="walk.in@example.com")
    said = await console.type("reconcile", "customer")
    assert said.code == FAILED
    assert f"  customer CT-1 ({customer}): Zoho shows another email: sent again by --fix" in said.out.splitlines()
    assert "example.com" not in said.out
    assert said.out.splitlines()[-1].startswith("2 differences, 0 rows not compared")

    as_json = (await console.type("reconcile", "customer", "--json")).json
    assert [finding["kind"] for finding in as_json["findings"]] == ["fields", "unknown_here"]
    as_csv = await console.type("reconcile", "customer", "--csv")
    assert [row["kind"] for row in csv.DictReader(io.StringIO(as_csv.out))] == ["fields", "unknown_here"]

    fixed = await console.type("reconcile", "customer", "--fix")
    assert "1 row is sent again; 1 need a person" in fixed.out
    entry = host.one("SELECT origin, status, priority FROM public.zoho_outbox WHERE finished_at IS NULL")
    assert entry == {"origin": "reconcile", "status": "pending", "priority": 40}


async def test_json_and_csv_at_once_are_refused(console: Console) -> None:
    said = await console.type("reconcile", "--json", "--csv")
    assert (said.code, said.out) == (WRONG_USE, "")
    assert said.err == "choose one of --json and --csv\n"


async def test_where_zoho_may_not_be_asked_it_says_how_it_goes_on(console: Console, host: Host) -> None:
    host.customer("CT-1")
    host.rows("SELECT public.zoho_outbox_pause('stocktaking')")
    said = await console.type("reconcile", "customer")
    assert said.code == FAILED
    assert "not finished after 0 requests" in said.out
    assert "stocktaking" in said.out
