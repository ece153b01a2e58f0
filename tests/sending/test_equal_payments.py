"""Debit-order days: many customers paid the same amount on the same day, and it must be told whose payment is whose.

A backfill's list of transactions shows a day and an amount, so it names all of them for each. Requests are what is
counted: the list is one, and what a payment is looked up by must not grow with what others paid.
"""

from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from outbox.simulator import FaultKind, RunningSimulator
from outbox.vocabulary import Change, EntityType, Origin, Urgency
from tests.sending.billing import Billing, forget_requests, held, record_of, routes
from tests.sending.conftest import Process
from tests.store.host import Host

pytestmark = pytest.mark.anyio

AMOUNT = "799.00"
DAY = "2026-03-05"
"""On which :meth:`Billing.payment` is completed, in Johannesburg."""
LIST, READ, CREATE = "GET /transactions", "GET /payments/*", "POST /payments"
INVOICE = "GET /invoices/*"
ALL = 10


@pytest.fixture
async def customers(host: Host, process: Process, zoho: RunningSimulator) -> list[UUID]:
    """Ten, who are in Zoho."""
    customers = host.add_customers(ALL)
    await process.turns_until_quiet()
    forget_requests(zoho)
    return customers


async def paid(billing: Billing, process: Process, zoho: RunningSimulator, customers: list[UUID]) -> list[UUID]:
    """A payment of each, of one day and amount; they are in Zoho, and requests are counted from here on."""
    payments = [billing.payment(customer, None, AMOUNT) for customer in customers]
    await process.turns_until_quiet()
    assert len(held(zoho, "payments")) == len(customers)
    forget_requests(zoho)
    return payments


def forget_all(host: Host) -> None:
    """Nothing is known of any payment any more: a new installation over rows whose ids were lost."""
    host.execute("UPDATE public.payment_transactions SET zoho_payment_id = NULL")
    host.interfere("ALTER TABLE public.zoho_outbox DISABLE TRIGGER USER")
    host.interfere("DELETE FROM public.zoho_outbox WHERE entity_type = 'payment'")
    host.interfere("ALTER TABLE public.zoho_outbox ENABLE TRIGGER USER")
    host.interfere("DELETE FROM zoho_outbox_private.entity_state WHERE entity_type = 'payment'")


async def backfill(process: Process, payments: list[UUID]) -> None:
    await process.engine.store.enqueue(
        [(EntityType.PAYMENT, payment) for payment in payments],
        change=Change.RELATED,
        origin=Origin.BACKFILL,
        urgency=Urgency.BACKFILL,
    )
    await process.turns_until_quiet()


def asked(zoho: RunningSimulator) -> Counter[str]:
    """How many requests of each kind about payments; the catalogue of plans left out."""
    return Counter(route for route in routes(zoho) if "/plans" not in route)


def plant(zoho: RunningSimulator, billing: Billing, customer: UUID, reference: UUID, **fields: Any) -> str:
    """Another payment of that customer, day and amount, which somebody entered in Zoho."""
    zoho_customer = billing.zoho_id(customer)
    amount = held(zoho, "payments")[0]["amount"]
    return zoho.simulator.plant_payment(
        customer_id=zoho_customer, amount=amount, date=DAY, reference_number=str(reference), **fields
    )


async def test_each_that_is_in_zoho_is_adopted_with_two_requests(
    host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customers: list[UUID]
) -> None:
    payments = await paid(billing, process, zoho, customers)
    ids = [billing.zoho_id(payment) for payment in payments]
    forget_all(host)
    await backfill(process, payments)
    assert [billing.zoho_id(payment) for payment in payments] == ids
    assert [billing.shown(payment) for payment in payments] == [("synced", None)] * ALL
    assert {record["date"] for record in held(zoho, "payments")} == {DAY}
    assert asked(zoho) == {LIST: 1 + ALL, READ: ALL}


@pytest.mark.parametrize("on_invoices", [False, True], ids=["alone", "on an invoice"])
async def test_each_new_one_among_those_of_others_is_created_after_no_more_than_two_requests(
    billing: Billing, zoho: RunningSimulator, process: Process, customers: list[UUID], on_invoices: bool
) -> None:
    payers = customers[ALL // 2 :]
    invoices = [billing.invoice(customer) if on_invoices else None for customer in payers]
    await paid(billing, process, zoho, customers[: ALL // 2])
    new = [billing.payment(customer, invoice, AMOUNT) for customer, invoice in zip(payers, invoices, strict=True)]
    billing.from_before(*new)
    await backfill(process, new)
    assert [billing.zoho_id(payment) for payment in new] == [
        record_of(zoho, "payments", payment)["payment_id"] for payment in new
    ]
    looked_at = {INVOICE: len(new)} if on_invoices else {}
    assert asked(zoho) == {LIST: 1 + len(new), CREATE: len(new), **looked_at}


async def test_a_filter_by_customer_that_shows_nothing_makes_no_second_payment_of_an_invoice(
    host: Host,
    billing: Billing,
    zoho: RunningSimulator,
    process: Process,
    customers: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    invoices = [billing.invoice(customer) for customer in customers]
    payments = [billing.payment(*pair, AMOUNT) for pair in zip(customers, invoices, strict=True)]
    await process.turns_until_quiet()
    ids = [billing.zoho_id(payment) for payment in payments]
    forget_all(host)
    matching = zoho.simulator.books.payments.matching
    monkeypatch.setattr(zoho.simulator.books.payments, "matching", lambda asked: iter(()) if asked else matching({}))
    await backfill(process, payments)
    assert [billing.zoho_id(payment) for payment in payments] == ids
    assert zoho.statistics.count_of_creates("payments") == ALL


async def test_of_lost_and_new_ones_together_each_comes_to_its_own(
    host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customers: list[UUID]
) -> None:
    lost = await paid(billing, process, zoho, customers)
    ids = [billing.zoho_id(payment) for payment in lost]
    # A second of the same customers, day and amount.
    new = [billing.payment(customer, None, AMOUNT) for customer in customers]
    forget_all(host)
    await backfill(process, [*new, *lost])
    assert [billing.zoho_id(payment) for payment in lost] == ids
    assert len({record["reference_number"] for record in held(zoho, "payments")}) == 2 * ALL
    assert zoho.statistics.count_of_creates("payments") == len(held(zoho, "payments")) == 2 * ALL
    found = asked(zoho)
    assert found[LIST] == 1 + 2 * ALL
    # A new one reads its customer's other payment; which of the two came first may differ.
    assert 2 * ALL <= found[READ] <= 3 * ALL


async def test_a_payment_with_our_reference_number_and_anothers_external_id_is_left_to_a_person(
    host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customers: list[UUID]
) -> None:
    stranger = (await paid(billing, process, zoho, customers[1:]))[0]
    new = billing.payment(customers[0], None, AMOUNT)
    billing.from_before(new)
    holder = [{"label": "External ID", "value": str(stranger)}]
    zoho_id = plant(zoho, billing, customers[0], new, custom_fields=holder)
    await backfill(process, [new])
    assert billing.shown(new)[0] == "failed"
    assert zoho_id in billing.error(new)
    assert str(stranger) in billing.error(new)
    assert asked(zoho) == {LIST: 2, READ: 1}


async def test_two_with_our_reference_number_are_left_to_a_person_and_both_are_named(
    host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customers: list[UUID]
) -> None:
    payments = await paid(billing, process, zoho, customers)
    ours = billing.zoho_id(payments[0])
    forget_all(host)
    twin = plant(zoho, billing, customers[0], payments[0])
    await backfill(process, payments[:1])
    assert billing.shown(payments[0])[0] == "failed"
    assert str(ours) in billing.error(payments[0])
    assert twin in billing.error(payments[0])
    assert zoho.statistics.count_of_creates("payments") == ALL


async def test_nothing_is_created_while_the_customers_payments_cannot_be_asked_for(
    host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customers: list[UUID]
) -> None:
    payments = await paid(billing, process, zoho, customers)
    ids = [billing.zoho_id(payment) for payment in payments]
    forget_all(host)
    zoho.faults.plant(FaultKind.SERVER_ERROR_BEFORE, "GET", "/transactions", skip=1)
    await backfill(process, payments[:1])
    await process.turn_later(payments[0])
    assert billing.zoho_id(payments[0]) == ids[0]
    assert asked(zoho) == {LIST: 3, READ: 1}
    assert zoho.statistics.count_of_creates("payments") == ALL


async def test_one_whose_payment_people_moved_to_another_customer_is_found_among_few(
    host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customers: list[UUID]
) -> None:
    payments = await paid(billing, process, zoho, customers[:2])
    ours = str(billing.zoho_id(payments[0]))
    zoho.simulator.edit("payments", ours, {"customer_id": billing.zoho_id(customers[1])})
    forget_all(host)
    await backfill(process, payments)
    assert billing.zoho_id(payments[0]) == ours
    assert zoho.statistics.count_of_creates("payments") == 2
