"""Customers as Zoho's books hold them."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from outbox.simulator import RunningSimulator
from tests.sending.billing import Billing, ZohosClock, only, until
from tests.sending.conftest import Process
from tests.store.host import Host

pytestmark = pytest.mark.anyio


async def test_a_long_name_is_cut_in_the_display_name_and_stands_whole_beside_it(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    first, last, business = "Anna-Maria " * 9, "van der Westhuizen " * 5, "Quarry and Quarry Trading " * 9
    host.add_customer(first_name=first, last_name=last, business_name=business, account_number="CT-2025-00042")
    await process.turns_until_quiet()
    record = only(zoho, "customers")
    assert len(record["display_name"]) <= 100
    assert record["display_name"].endswith(" [CT-2025-00042]")
    assert business.startswith(record["display_name"].removesuffix(" [CT-2025-00042]"))
    assert (record["first_name"], record["last_name"]) == (first.strip(), last.strip())
    assert record["company_name"] == business.strip()


async def test_one_without_an_account_number_goes_by_its_id(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = host.add_customer(account_number=None)
    await process.turns_until_quiet()
    assert only(zoho, "customers")["display_name"] == f"Anna Meadow1 [{customer}]"


async def test_one_without_an_email_has_none_in_zoho(host: Host, zoho: RunningSimulator, process: Process) -> None:
    customer = host.add_customer(email="")
    await process.turns_until_quiet()
    assert only(zoho, "customers")["email"] == ""
    (create,) = [asked for asked in zoho.simulator.journal if asked.path.endswith("/customers")]
    assert b'"email"' not in create.body
    assert host.shown(customer) == ("synced", None)


async def test_a_pending_account_is_sent_like_an_active_one(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    host.add_customer(account_status="pending")
    await process.turns_until_quiet()
    assert only(zoho, "customers")["status"] == "active"


async def test_the_address_follows_the_service_that_was_activated_last(
    host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
) -> None:
    first = billing.service(customer, fibre, installation_address="1 First Road, Durban", activation_date="2026-01-01")
    await process.turns_until_quiet()
    assert street(zoho) == ("1 First Road, Durban", "South Africa")
    billing.change(first, installation_address="2 First Road, Durban")
    await process.turns_until_quiet()
    assert street(zoho)[0] == "2 First Road, Durban"
    second = billing.service(customer, fibre, installation_address="9 Last Road", activation_date="2026-05-01")
    await process.turns_until_quiet()
    assert street(zoho)[0] == "9 Last Road"
    billing.change(second, installation_address=None)
    billing.change(first, installation_address=" ")
    await process.turns_until_quiet()
    assert street(zoho) == ("", "")


async def test_one_that_leaves_stays_active_until_its_subscription_and_its_balance_have_ended(
    host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
) -> None:
    service = billing.service(customer, fibre, last_invoice_date=date(2098, 12, 15))
    await process.turns_until_quiet()
    until(zoho, date(2099, 1, 20))
    process.sender = replace(process.engine.sender, clock=ZohosClock(zoho))
    owed = only(zoho, "invoices")["balance"]

    async def left(**columns: Any) -> str:
        host.change_customer(customer, **columns)
        await process.turns_until_quiet()
        status: str = only(zoho, "customers")["status"]
        return status

    assert await left(account_status="cancelled") == "active"
    assert f"is {owed}" in host.entries(customer)[-1]["last_error"]
    raised = only(zoho, "invoices")["invoice_id"]
    zoho.simulator.plant_payment(
        customer_id=only(zoho, "customers")["customer_id"],
        amount=owed,
        invoices=[{"invoice_id": raised, "amount_applied": owed}],
    )
    assert await left(phone="2") == "active"
    assert "has not ended" in host.entries(customer)[-1]["last_error"]
    billing.change(service, status="cancelled")
    await process.turns_until_quiet()
    assert await left(phone="3") == "active"
    until(zoho, date(2099, 2, 16))
    assert await left(phone="4") == "inactive"


def street(zoho: RunningSimulator) -> tuple[str, str]:
    address = only(zoho, "customers")["billing_address"]
    return address["street"], address["country"]
