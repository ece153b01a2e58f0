"""Customers on their way: created, changed, unchanged, skipped, refused, revived."""

from typing import Any
from uuid import UUID

import anyio
import pytest

from outbox.sending.attempt import Ended
from outbox.simulator import RunningSimulator
from tests.sending.conftest import (
    NewProcess,
    Process,
    creates_in,
    customers_in,
    requests_to,
    the_customer_in,
)
from tests.store.host import Host

pytestmark = pytest.mark.anyio


async def synced(host: Host, process: Process, number: int = 1, **columns: Any) -> UUID:
    """A customer that is in Zoho."""
    customer = host.add_customer(number, **columns)
    await process.turn()
    assert host.shown(customer) == ("synced", None)
    return customer


async def test_a_new_customer_is_created_with_one_request(host: Host, zoho: RunningSimulator, process: Process) -> None:
    customer = host.add_customer(first_name="Zoë", last_name="Naïdoo", account_number="CT-2025-00042")
    await process.turn()
    assert requests_to(zoho) == ["POST /customers"]
    record = the_customer_in(zoho)
    assert record["display_name"] == "Zoë Naïdoo [CT-2025-00042]"
    assert {row["label"]: row["value"] for row in record["custom_fields"]} == {
        "External ID": str(customer),
        "Account Number": "CT-2025-00042",
    }
    assert host.customer(customer)["zoho_billing_customer_id"] == record["customer_id"]
    assert host.shown(customer) == ("synced", None)
    (log,) = host.logs(customer)
    assert (log["status"], log["api_calls"], log["zoho_entity_id"]) == ("success", 1, record["customer_id"])


async def test_a_thousand_letters_of_personal_data_are_not_in_the_log(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = host.add_customer(first_name="Anastasia", last_name="Petrovna")
    await process.turn()
    (log,) = host.logs(customer)
    text = f"{log['request_payload']} {log['response_payload']}"
    assert "Petrovna" not in text
    assert "@example.com" not in text
    assert str(customer) in text


async def test_an_edit_is_put_to_the_same_record(host: Host, zoho: RunningSimulator, process: Process) -> None:
    customer = await synced(host, process)
    host.change_customer(customer, phone="+27 21 555 9999")
    await process.turn()
    assert the_customer_in(zoho)["phone"] == "+27 21 555 9999"
    assert requests_to(zoho)[1:] == [f"PUT /customers/{the_customer_in(zoho)['customer_id']}"]


async def test_a_burst_of_edits_is_one_request_with_the_last_of_them(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = await synced(host, process)
    for number in range(10):
        host.change_customer(customer, phone=f"+27 21 555 000{number}")
    await process.turn()
    assert len(requests_to(zoho)) == 2
    assert the_customer_in(zoho)["phone"] == "+27 21 555 0009"
    assert host.statuses(customer)[1:] == [("done", "superseded")] * 9 + [("done", "sent")]


async def test_an_edit_that_is_taken_back_costs_no_request(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = await synced(host, process, phone="1")
    host.change_customer(customer, phone="2")
    host.change_customer(customer, phone="1")
    await process.turn()
    assert len(requests_to(zoho)) == 1
    assert host.statuses(customer)[-1] == ("done", "unchanged")


async def test_an_edit_during_a_send_is_sent_after_it(host: Host, zoho: RunningSimulator, process: Process) -> None:
    held = zoho.faults.plant("held_before", "POST", "/customers")
    customer = host.add_customer(phone="1")
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(process.turn)
            await zoho.until(lambda statistics: statistics.in_flight == 1)
            host.change_customer(customer, phone="2")
            held.release()
    await process.turn()
    assert the_customer_in(zoho)["phone"] == "2"
    assert host.statuses(customer) == [("done", "sent"), ("done", "sent")]


async def test_what_an_operator_asks_for_is_sent_although_nothing_changed(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = await synced(host, process)
    zoho_id = the_customer_in(zoho)["customer_id"]
    zoho.simulator.edit("customers", zoho_id, {"phone": "changed in Zoho"})
    host.change_customer(customer, zoho_sync_status="pending")
    await process.turn()
    assert the_customer_in(zoho)["phone"] == host.customer(customer)["phone"]
    assert host.shown(customer) == ("synced", None)


async def test_an_operators_request_for_a_row_that_was_never_sent_looks_before_it_creates(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = host.add_customer()
    host.change_customer(customer, zoho_sync_status="pending")
    await process.turn()
    assert requests_to(zoho) == ["GET /customers", "POST /customers"]


async def test_an_internal_test_account_is_skipped_until_it_becomes_real(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = host.add_customer(account_type="internal_test")
    await process.turn()
    assert requests_to(zoho) == []
    assert host.shown(customer) == ("skipped", "internal_test account: never sent to Zoho")
    host.change_customer(customer, account_type="personal")
    await process.turn()
    assert creates_in(zoho) == 1
    assert host.shown(customer) == ("synced", None)


async def test_a_real_account_that_becomes_internal_is_sent_no_more(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = await synced(host, process, phone="1")
    host.change_customer(customer, account_type="internal_test", phone="2")
    await process.turn()
    assert the_customer_in(zoho)["phone"] == "1"
    assert host.shown(customer)[0] == "skipped"


async def test_a_row_that_cannot_be_mapped_is_dead_and_its_neighbours_flow(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    nameless = host.add_customer(1, first_name="", last_name=" ")
    neighbour = host.add_customer(2)
    await process.turn()
    status, error = host.shown(nameless)
    assert status == "failed"
    assert error is not None
    assert "give it a business_name" in error
    assert host.shown(neighbour) == ("synced", None)
    host.change_customer(nameless, first_name="Named")
    await process.turn()
    assert host.shown(nameless) == ("synced", None)


async def test_a_refused_row_is_dead_with_zohos_words_and_an_edit_revives_it(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = host.add_customer(email="not an address")
    neighbour = host.add_customer(2)
    await process.turn()
    status, error = host.shown(customer)
    assert status == "failed"
    assert error is not None
    assert "email" in error
    assert host.entry(customer)["status"] == "dead"
    assert host.logs(customer)[0]["status"] == "failed"
    assert host.shown(neighbour) == ("synced", None)
    host.change_customer(customer, email="an.address@example.com")
    await process.turn()
    assert host.shown(customer) == ("synced", None)
    assert creates_in(zoho) == 2


async def test_a_customer_without_an_email_where_zoho_wants_one_is_dead_and_says_what_to_do(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    zoho.settings.customers.email_required = True
    customer = host.add_customer(email="")
    await process.turn()
    status, error = host.shown(customer)
    assert status == "failed"
    assert error is not None
    assert "give the customer an e-mail" in error


async def test_a_deleted_row_stays_in_zoho_and_says_so(host: Host, zoho: RunningSimulator, process: Process) -> None:
    customer = await synced(host, process)
    host.execute("DELETE FROM public.customers WHERE id = %s", [customer])
    await process.turn()
    zoho_id = the_customer_in(zoho)["customer_id"]
    entry = host.entries(customer)[-1]
    assert (entry["status"], entry["last_error"]) == ("skipped", f"host row deleted, Zoho customer {zoho_id} remains")
    assert len(requests_to(zoho)) == 1


async def test_a_row_that_came_and_went_before_anybody_looked_is_never_sent(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = host.add_customer()
    host.execute("DELETE FROM public.customers WHERE id = %s", [customer])
    await process.turn()
    assert requests_to(zoho) == []
    assert host.entries(customer)[-1]["last_error"] == "host row deleted; it was never in Zoho"


async def test_a_row_that_cannot_be_read_is_tried_again_and_not_taken_for_deleted(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = host.add_customer()
    host.interfere("DROP POLICY zoho_outbox_read ON public.customers")
    host.interfere("DROP POLICY zoho_outbox_operator_read ON public.customers")
    (ended,) = await process.turn()
    assert ended.verdict.error is not None
    assert "row level security hides it" in ended.verdict.error
    assert host.entry(customer)["status"] == "pending"


async def test_a_cancelled_account_becomes_inactive_and_active_again(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = await synced(host, process)
    host.change_customer(customer, account_status="cancelled")
    await process.turn()
    assert the_customer_in(zoho)["status"] == "inactive"
    host.change_customer(customer, account_status="active")
    await process.turn()
    assert the_customer_in(zoho)["status"] == "active"
    assert host.shown(customer) == ("synced", None)


async def test_a_suspended_account_stays_active(host: Host, zoho: RunningSimulator, process: Process) -> None:
    customer = await synced(host, process)
    host.change_customer(customer, account_status="suspended")
    await process.turn()
    assert the_customer_in(zoho)["status"] == "active"


async def test_a_cancelled_account_with_a_balance_stays_active_and_is_tried_with_the_next_change(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = await synced(host, process)
    zoho_id = the_customer_in(zoho)["customer_id"]
    zoho.simulator.edit("customers", zoho_id, {"outstanding": 799})
    host.change_customer(customer, account_status="cancelled")
    await process.turn()
    assert the_customer_in(zoho)["status"] == "active"
    assert host.entries(customer)[-1]["last_error"] == "stays active in Zoho: outstanding is 799"
    assert host.shown(customer) == ("synced", None)
    # Zoho writes amounts as text, too.
    zoho.simulator.edit("customers", zoho_id, {"outstanding": "0.00"})
    host.change_customer(customer, phone="2")
    await process.turn()
    assert the_customer_in(zoho)["status"] == "inactive"


async def test_a_cancelled_account_with_a_living_subscription_stays_active(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = await synced(host, process)
    zoho_id = the_customer_in(zoho)["customer_id"]
    subscription = zoho.simulator.plant_subscription(customer_id=zoho_id, status="live")
    host.change_customer(customer, account_status="cancelled")
    await process.turn()
    assert the_customer_in(zoho)["status"] == "active"
    assert f"subscription {subscription} has not ended" in str(host.entries(customer)[-1]["last_error"])


async def test_the_address_is_that_of_the_service_that_was_activated_last(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = await synced(host, process)
    for day, address in (("2025-03-01", "3 March Street\nCape Town"), ("2025-01-01", "1 January Street")):
        host.execute(
            "INSERT INTO public.customer_services (customer_id, package_name, service_type, monthly_price,"
            " installation_address, activation_date) VALUES (%s, 'Fibre', 'fibre', 799, %s, %s)",
            [customer, address, day],
        )
    await process.turn()
    address = the_customer_in(zoho)["billing_address"]
    assert (address["street"], address["country"]) == ("3 March Street, Cape Town", "South Africa")


@pytest.mark.parametrize(
    ("column", "before", "after", "field"),
    [
        ("phone", "+27 21 555 0101", "", "phone"),
        ("business_name", "Quarry Trading", None, "company_name"),
    ],
)
async def test_what_was_emptied_in_the_host_does_not_stay_in_zoho(
    host: Host,
    zoho: RunningSimulator,
    process: Process,
    column: str,
    before: str,
    after: Any,
    field: str,
) -> None:
    customer = await synced(host, process, 1, **{column: before})
    assert the_customer_in(zoho)[field] == before
    host.change_customer(customer, **{column: after})
    await process.turn()
    assert the_customer_in(zoho)[field] == ""


async def test_an_organisation_without_custom_fields_is_sent_none(
    host: Host, zoho: RunningSimulator, new_process: NewProcess
) -> None:
    zoho.settings.custom_field_labels = ()
    customer = host.add_customer()
    async with new_process(ZOHO_EXTERNAL_ID_FIELD="none", ZOHO_ACCOUNT_NUMBER_FIELD="none") as process:
        await process.turn()
    assert host.shown(customer) == ("synced", None)
    assert the_customer_in(zoho)["custom_fields"] == []


async def test_many_customers_in_two_processes_are_created_once_each(
    host: Host, zoho: RunningSimulator, new_process: NewProcess
) -> None:
    host.add_customers(20)
    # No request and no lease ends for the machine's slowness.
    patient = {
        "ZOHO_REQUEST_TIMEOUT_SECONDS": "100",
        "OUTBOX_LEASE_SECONDS": "300",
        "OUTBOX_AMBIGUOUS_RECHECK_SECONDS": "100",
    }
    async with new_process(**patient) as first, new_process(**patient) as second, anyio.create_task_group() as tasks:
        tasks.start_soon(first.turns_until_quiet)
        tasks.start_soon(second.turns_until_quiet)
    assert creates_in(zoho) == 20
    assert zoho.statistics.created_more_than_once("customers", "External ID") == {}
    assert zoho.statistics.most_in_flight <= 4
    assert zoho.simulator.tokens.minted == 1


async def test_a_row_that_crashed_its_process_too_often_is_dead_unread(
    host: Host, zoho: RunningSimulator, new_process: NewProcess
) -> None:
    customer = host.add_customer()
    async with new_process(OUTBOX_MAX_ATTEMPTS="2") as process:
        for _ in range(2):
            await process.engine.store.admit(100)
            assert len(await process.engine.store.claim(10, 40)) == 1
            host.pass_time(customer, 1000)
            await process.engine.store.reclaim()
        await process.turn()
    status, error = host.shown(customer)
    assert status == "failed"
    assert error is not None
    assert "the daemon died 2 times" in error
    assert requests_to(zoho) == []


async def test_a_paused_organisation_sends_nothing_and_burns_no_attempt(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = host.add_customer()
    with host.operator() as operator:
        operator.execute("SELECT zoho_outbox_pause('month end')")
    (ended,) = await process.turn()
    assert isinstance(ended, Ended)
    assert ended.stopped is not None
    assert requests_to(zoho) == []
    entry = host.entry(customer)
    assert (entry["status"], entry["attempts"]) == ("pending", 0)
    assert host.shown(customer) == ("pending", None)
    with host.operator() as operator:
        operator.execute("SELECT zoho_outbox_resume()")
    await process.turn()
    assert host.shown(customer) == ("synced", None)
    assert len(customers_in(zoho)) == 1


async def test_no_secret_is_kept_anywhere(host: Host, zoho: RunningSimulator, process: Process) -> None:
    customer = await synced(host, process)
    assert process.secrets
    secrets = [*process.secrets, zoho.settings.client_secret, zoho.settings.refresh_token]
    readable = f"{host.logs(customer)} {host.entries(customer)} {host.state(customer)} {process.engine!r}"
    assert [secret for secret in secrets if secret in readable] == []
