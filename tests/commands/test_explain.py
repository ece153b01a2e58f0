"""``explain`` as a person types it."""

from decimal import Decimal
from uuid import uuid4

import pytest

from daemon.command_line import DONE, FAILED
from outbox.commands.explain import Explanation
from tests.commands.conftest import Console, Host, type_command
from tests.migration.migrated import DAEMON, OPERATOR

pytestmark = pytest.mark.anyio


async def test_the_whole_story_of_a_row(console: Console, host: Host) -> None:
    entity_id = host.customer("CT-2025-00015")
    assert (await console.type("sync", "customer", "CT-2025-00015")).code == DONE
    said = await console.type("explain", "customer", "CT-2025-00015")
    assert (said.code, said.err) == (DONE, "")
    first, second, *_ = said.out.splitlines()
    assert first == f"customer CT-2025-00015  ({entity_id})"
    assert second.startswith("  in sync since ")
    told = (await console.type("explain", "customer", str(entity_id), "--json")).json
    assert sorted(told) == [
        "attempts",
        "awaited",
        "entries",
        "id",
        "named",
        "next",
        "not_admitted",
        "not_eligible",
        "organisation",
        "reconciled",
        "row",
        "row_is_there",
        "state",
        "type",
        "where",
        "why",
        "zoho_id",
        "zoho_organization_id",
        "zoho_path",
        "zoho_url",
    ]
    assert (told["named"], told["where"], told["next"]) == ("customer CT-2025-00015", "idle", "nothing")
    (entry,) = told["entries"]
    assert (entry["status"], entry["outcome"], entry["origin"]) == ("done", "sent", "trigger")
    (attempt,) = told["attempts"]
    assert (attempt["status"], attempt["api_calls"], attempt["zoho_code"]) == ("success", 1, 0)
    assert attempt["duration_ms"] >= 0
    assert sorted(told["row"]) == ["known_as", "last_sync_error", "last_synced_at", "sync_status", "zoho_id"]
    assert told["row"]["sync_status"] == "synced"
    assert (told["awaited"], told["not_eligible"]) == (None, None)
    assert told["zoho_id"] == told["state"]["zoho_id"] == told["row"]["zoho_id"]


def test_amounts_of_payloads_are_printed_as_they_were_sent() -> None:
    told = Explanation({"attempts": [{"request": {"body": {"amount": Decimal("799.00")}}}]}, None, None)
    assert '"amount": 799.00' in told.as_json_text()


async def test_it_links_to_the_record_in_zoho_s_own_pages(console: Console, host: Host) -> None:
    host.customer("CT-1")
    assert (await console.type("sync", "customer", "CT-1")).code == DONE
    told = (await console.type("explain", "customer", "CT-1", "--json")).json
    assert told["zoho_url"] is None, "Zoho is the simulator"
    elsewhere = {"ZOHO_API_BASE_URL": "https://www.zohoapis.eu/billing/v1", "ZOHO_REGION": "eu"}
    said = type_command("explain", "customer", "CT-1", **{**console.settings(DAEMON), **elsewhere})
    path = f"app/{told['zoho_organization_id']}#/customers/{told['zoho_id']}"
    assert f"  in Zoho: https://billing.zoho.eu/{path}\n" in said.out


async def test_what_only_the_settings_know_is_added_and_said_to_be_theirs(console: Console, host: Host) -> None:
    customer = host.customer("CT-1")
    service = host.service(customer)
    assert "not eligible" not in (await console.type("explain", "subscription", str(service))).out
    by_host = await console.type("explain", "subscription", str(service), ZOHO_RECURRING_BILLING="host")
    assert "  not eligible, by its columns and the settings here: " in by_host.out
    as_operator = await console.type(
        "explain", "subscription", str(service), role=OPERATOR, ZOHO_RECURRING_BILLING="host"
    )
    assert (as_operator.code, as_operator.err) == (DONE, "")
    assert "not eligible" not in as_operator.out, "an operator may not read what decides"


async def test_it_shows_no_personal_data(bare_console: Console, host: Host) -> None:
    host.customer("CT-1", first_name="Leopoldine", email="leopoldine@example.com")
    for words in (["explain", "customer", "CT-1"], ["explain", "customer", "CT-1", "--json"]):
        assert "eopoldine" not in (await bare_console.type(*words)).out


async def test_a_skipped_row_shows_the_entry_that_no_attempt_was_made_for(console: Console, host: Host) -> None:
    host.customer("CT-1", account_type="internal_test")
    assert (await console.type("sync", "customer", "CT-1")).code == FAILED
    told = (await console.type("explain", "customer", "CT-1", "--json")).json
    assert told["why"].startswith("skipped: internal_test account")
    assert [(entry["status"], entry["outcome"]) for entry in told["entries"]] == [("skipped", "ineligible")]
    assert told["attempts"] == []
    assert told["not_eligible"] is None, "it is said already"


async def test_an_operator_asks_by_uuid_where_the_host_table_is_closed(bare_console: Console, host: Host) -> None:
    entity_id = host.customer("CT-1")
    host.rows("REVOKE ALL ON public.customers FROM zoho_outbox_operator")
    host.rows("REVOKE ALL (id, account_number) ON public.customers FROM zoho_outbox_operator")
    said = await bare_console.type("explain", "customer", str(entity_id), role=OPERATOR)
    assert said.code == DONE
    assert "pending: its last change was captured" in said.out
    assert "row       status pending" in said.out, "zoho_explain runs as the owner"
    by_number = await bare_console.type("explain", "customer", "CT-1", role=OPERATOR)
    assert (by_number.code, by_number.out) == (FAILED, "")
    assert by_number.err.startswith(
        f"role {OPERATOR} may not read public.customers.account_number, so 'CT-1' cannot be looked up: "
    )


async def test_unknown_rows_are_refused_by_name(bare_console: Console) -> None:
    by_number = await bare_console.type("explain", "customer", "CT-2025-99999")
    assert (by_number.code, by_number.out, by_number.err) == (
        FAILED,
        "",
        "there is no customer with the account number 'CT-2025-99999': check it\n",
    )
    unknown = uuid4()
    by_id = await bare_console.type("explain", "customer", str(unknown))
    assert (by_id.code, by_id.out) == (FAILED, "")
    assert by_id.err == f"there is no customer {unknown}, and there never was since installation: check it\n"


async def test_a_deleted_row_still_has_its_story(console: Console, host: Host) -> None:
    entity_id = host.customer("CT-1")
    assert (await console.type("sync", "customer", "CT-1")).code == DONE
    host.rows("DELETE FROM public.customers")
    assert (await console.type("sync", "customer", str(entity_id))).code == FAILED
    said = await console.type("explain", "customer", str(entity_id))
    assert said.code == DONE
    assert "skipped: host row deleted, Zoho customer " in said.out
    assert "row       not there" in said.out


async def test_each_type_is_known_by_what_people_know_it_by(bare_console: Console, host: Host) -> None:
    customer = host.customer("CT-1")
    invoice, payment = host.invoice(customer, "INV-1"), host.payment("NC-1", customer_id=customer)
    service = host.service(customer)
    typed = [("customer", "CT-1", customer), ("invoice", "INV-1", invoice), ("payment", "NC-1", payment)]
    for entity_type, row_id, entity_id in [*typed, ("subscription", str(service), service)]:
        said = await bare_console.type("explain", entity_type, row_id, role=OPERATOR)
        assert (said.err, said.code) == ("", DONE)
        assert said.out.startswith(f"{entity_type} {row_id}  ({entity_id})\n  pending: ")


async def test_a_payment_is_known_by_its_reference_where_that_names_one(bare_console: Console, host: Host) -> None:
    first, second = host.payment("NC-1", reference="INV-7"), host.payment("NC-2", reference="INV-8")
    host.payment("NC-3", reference="INV-8")
    named_so = host.payment("INV-7-2", reference="other")
    host.payment("NC-4", reference="INV-7-2")
    assert (await bare_console.type("explain", "payment", "INV-7")).out.startswith(f"payment NC-1  ({first})")
    assert (await bare_console.type("explain", "payment", "INV-7-2")).out.startswith(f"payment INV-7-2  ({named_so})")
    several = await bare_console.type("explain", "payment", "INV-8")
    assert (several.code, several.out) == (FAILED, "")
    assert several.err.startswith("several payments have the reference 'INV-8' (")
    assert str(second) in several.err
    assert several.err.endswith("): give the uuid or the transaction id of one\n")
    none = await bare_console.type("explain", "payment", "INV-9")
    assert none.err == "there is no payment with the transaction id or reference 'INV-9': check it\n"


async def test_what_a_row_waits_for_is_told_with_its_own_story(console: Console, host: Host) -> None:
    customer = host.customer("CT-1", first_name="", last_name=" ")
    service, unpublished = (
        host.service(customer),
        host.service(customer, package_id=host.package("F-9", published="failed")),
    )
    assert (await console.type("sync", "customer", "CT-1")).code == FAILED
    assert (await console.type("sync", "subscription", str(service))).code == FAILED
    told = (await console.type("explain", "subscription", str(service), "--json")).json
    assert told["why"].startswith("waiting for customer CT-1, which is dead since ")
    assert "the customer has no name" in told["why"]
    assert (told["awaited"]["type"], told["awaited"]["phase"]) == ("customer", "dead")
    host.rows("UPDATE public.customers SET first_name = 'Anna'")
    assert (await console.type("sync", "customer", "CT-1")).code == DONE
    assert (await console.type("sync", "subscription", str(unpublished))).code == FAILED
    said = await console.type("explain", "subscription", str(unpublished))
    assert "  waiting for package Package F-9 to be published to Zoho (its product_integrations.sync_status" in said.out
    assert "  next: publish the package; this row is sent by itself as soon as that is done\n" in said.out
