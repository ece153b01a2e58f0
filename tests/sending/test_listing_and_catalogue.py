"""What is read of Zoho once for many: taxes, plans, and lists of the records that are there."""

from decimal import Decimal
from uuid import UUID

import pytest

from outbox.sending.attempt import FIRST_LOOK_SECONDS
from outbox.simulator import FaultKind, RunningSimulator
from outbox.simulator.settings import TaxSettings
from outbox.vocabulary import Change, Origin, Urgency
from tests.sending.billing import PLAN, STANDARD_RATE, Billing, forget_requests, held, only, record_of, routes
from tests.sending.conftest import RECHECK_SECONDS, NewProcess, Process
from tests.store.host import Host

pytestmark = pytest.mark.anyio

OLD_RATE = TaxSettings(tax_id="4600000000000019", tax_name="Old Rate", tax_percentage=Decimal(14))
OLD = {"subtotal": Decimal("1000.00"), "tax_amount": Decimal("140.00"), "vat_rate": Decimal("14.00")}
"""An invoice of R 1140 with a tax that Zoho does not have."""

COPIED = {
    "customers": ("display_name", "email"),
    "subscriptions": ("customer_id", "reference_id", "plan_code", "plan", "amount"),
    "invoices": ("customer_id", "invoice_number", "total"),
    "payments": ("customer_id", "reference_number", "amount", "date"),
}
"""What a twin that a person makes in Zoho has in common with ours."""


async def backfill(billing: Billing, process: Process, *rows: UUID) -> None:
    """As ``backfill`` enqueues rows from before the installation; until all came to rest."""
    await process.engine.store.enqueue(
        [(billing.entity_type(row), row) for row in rows],
        change=Change.RELATED,
        origin=Origin.BACKFILL,
        urgency=Urgency.BACKFILL,
    )
    await process.turns_until_quiet()


def row_of(billing: Billing, what: str, customer: UUID, package: UUID) -> UUID:
    """A host row whose record stands in that collection of Zoho's."""
    match what:
        case "subscriptions":
            return billing.service(customer, package)
        case "invoices":
            return billing.invoice(customer)
        case "payments":
            return billing.payment(customer, None, "100.00")
        case _:
            return customer


def age_catalogues(host: Host, minutes: int) -> None:
    """As if they had been read so much earlier."""
    statement = "UPDATE zoho_outbox_private.catalogue SET read_at = read_at - make_interval(mins => %s)"
    assert host.interfere(statement, [minutes]) > 0


def age_lists(host: Host, minutes: int) -> None:
    """As if they had been read so much earlier."""
    statement = "UPDATE zoho_outbox_private.listing SET begun_at = begun_at - make_interval(mins => %s)"
    assert host.interfere(statement, [minutes]) > 0


class TestCatalogue:
    async def test_it_is_read_once_for_all_processes(
        self, billing: Billing, zoho: RunningSimulator, new_process: NewProcess, customer: UUID
    ) -> None:
        async with new_process() as first, new_process() as second:
            for process in (first, second, first):
                invoice = billing.invoice(customer)
                billing.payment(customer, invoice)
                await process.turns_until_quiet()
        async with new_process() as third:
            billing.payment(customer, billing.invoice(customer))
            await third.turns_until_quiet()
        assert routes(zoho).count("GET /settings/taxes") == 1
        assert routes(zoho).count("GET /plans") == 1
        assert [invoice["balance"] for invoice in held(zoho, "invoices")] == [0] * 4

    async def test_it_is_read_once_for_many_rows_of_one_turn(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        for _ in range(6):
            billing.invoice(customer)
        await process.turns_until_quiet()
        assert routes(zoho).count("GET /settings/taxes") == 1

    async def test_a_tax_that_was_just_made_in_zoho_is_seen_by_the_row_that_needs_it(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        billing.invoice(customer)
        await process.turns_until_quiet()
        age_catalogues(host, 6)
        zoho.settings.taxes = (*zoho.settings.taxes, OLD_RATE)
        invoice = billing.invoice(customer, "1140.00", **OLD)
        await process.turns_until_quiet()
        # The process remembers for 30 s what it read; a missing tax makes it look all the same.
        record = record_of(zoho, "invoices", invoice)
        assert [line["tax_id"] for line in record["invoice_items"]] == [OLD_RATE.tax_id]
        assert routes(zoho).count("GET /settings/taxes") == 2

    async def test_many_rows_with_one_mistake_read_it_no_oftener_than_every_five_minutes(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoices = [billing.invoice(customer, "1140.00", **OLD) for _ in range(5)]
        await process.turns_until_quiet()
        assert routes(zoho) == ["GET /settings/taxes"]
        for invoice in invoices:
            assert billing.shown(invoice)[0] == "failed"
            assert f"15 % Standard Rate {STANDARD_RATE}" in billing.error(invoice)
        age_catalogues(host, 6)
        for invoice in invoices:
            billing.replay(invoice)
        await process.turns_until_quiet()
        assert routes(zoho) == ["GET /settings/taxes"] * 2
        # Made in Zoho by now: the next replay after five minutes sends them all.
        zoho.settings.taxes = (*zoho.settings.taxes, OLD_RATE)
        for invoice in invoices:
            billing.replay(invoice)
        await process.turns_until_quiet()
        assert held(zoho, "invoices") == []
        age_catalogues(host, 6)
        for invoice in invoices:
            billing.replay(invoice)
        await process.turns_until_quiet()
        assert len(held(zoho, "invoices")) == 5
        assert routes(zoho).count("GET /settings/taxes") == 3

    async def test_it_is_read_again_after_a_day(
        self, host: Host, billing: Billing, zoho: RunningSimulator, new_process: NewProcess, customer: UUID
    ) -> None:
        async with new_process() as process:
            billing.invoice(customer)
            await process.turns_until_quiet()
        age_catalogues(host, 25 * 60)
        async with new_process() as process:
            billing.invoice(customer)
            await process.turns_until_quiet()
        assert routes(zoho).count("GET /settings/taxes") == 2

    async def test_the_setting_goes_before_it(
        self, host: Host, billing: Billing, zoho: RunningSimulator, new_process: NewProcess
    ) -> None:
        twin = TaxSettings(tax_id="4600000000000021", tax_name="VAT", tax_percentage=Decimal(15))
        zoho.settings.taxes = (*zoho.settings.taxes, twin)
        customer = host.add_customer()
        async with new_process() as process:
            invoice = billing.invoice(customer)
            await process.turns_until_quiet()
            assert "Zoho has 2 taxes of 15 %" in billing.error(invoice)
        async with new_process(ZOHO_TAX_IDS=f"15={twin.tax_id}") as process:
            billing.replay(invoice)
            await process.turns_until_quiet()
        assert [line["tax_id"] for line in only(zoho, "invoices")["invoice_items"]] == [twin.tax_id]

    async def test_one_that_cannot_be_read_burns_no_row(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        zoho.faults.plant(FaultKind.RATE_LIMITED_44, "GET", "/settings/taxes")
        invoice = billing.invoice(customer)
        await process.turns_until_quiet()
        assert held(zoho, "invoices") == []
        assert billing.shown(invoice)[0] != "failed"


class TestListing:
    async def test_rows_from_before_are_looked_up_in_one_list_of_each_type(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, fibre: UUID
    ) -> None:
        customers = host.add_customers(3)
        services = [billing.service(customer, fibre) for customer in customers]
        invoices = [billing.invoice(customer) for customer in customers]
        payments = [billing.payment(customer, invoice) for customer, invoice in zip(customers, invoices, strict=True)]
        rows = (*customers, *services, *invoices, *payments)
        billing.from_before(*rows)
        for group in (customers, services, invoices, payments):
            await backfill(billing, process, *group)
        assert [billing.shown(row) for row in rows] == [("synced", None)] * 12
        asked = routes(zoho)
        # Bodies apart: a list for each type, and nothing is looked up by itself.
        for path in ("/customers", "/subscriptions", "/invoices", "/transactions"):
            assert asked.count(f"GET {path}") == 1
        assert not [route for route in asked if route.startswith("GET") and "*" in route]
        assert [len(held(zoho, name)) for name in ("customers", "subscriptions", "invoices", "payments")] == [3] * 4
        assert [invoice["balance"] for invoice in held(zoho, "invoices")] == [0] * 3

    async def test_what_stands_in_the_list_is_adopted(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        zoho_customer = only(zoho, "customers")["customer_id"]
        service, invoice = billing.service(customer, fibre), billing.invoice(customer)
        payment = billing.payment(customer, None, "100.00")
        billing.from_before(service, invoice, payment)
        planted = [
            zoho.simulator.plant_subscription(
                customer_id=zoho_customer,
                reference_id=str(service),
                plan_code=PLAN,
                plan={"plan_code": PLAN, "price": Decimal("799.00"), "quantity": 1},
                amount=Decimal("799.00"),
            ),
            zoho.simulator.plant_invoice(
                customer_id=zoho_customer, invoice_number="CT-INV-00001", total=Decimal("1150.00")
            ),
            zoho.simulator.plant_payment(
                customer_id=zoho_customer, amount=Decimal("100.00"), date="2026-03-05", reference_number=str(payment)
            ),
        ]
        await backfill(billing, process, service, invoice, payment)
        assert [billing.zoho_id(row) for row in (service, invoice, payment)] == planted
        assert [billing.shown(row) for row in (service, invoice, payment)] == [("synced", None)] * 3
        assert [len(held(zoho, name)) for name in ("subscriptions", "invoices", "payments")] == [1, 1, 1]

    @pytest.mark.parametrize("kind", [FaultKind.DONE_THEN_LOST, FaultKind.LOST_THEN_NOT_DONE])
    @pytest.mark.parametrize("what", ["invoices", "subscriptions", "payments"])
    async def test_it_is_no_proof_for_a_create_whose_reply_was_lost(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        fibre: UUID,
        what: str,
        kind: FaultKind,
    ) -> None:
        first, second = (row_of(billing, what, customer, fibre) for _ in range(2))
        billing.from_before(first, second)
        await backfill(billing, process, first)
        zoho.faults.plant(kind, "POST", f"/{what}")
        await backfill(billing, process, second)
        for seconds in (FIRST_LOOK_SECONDS + 1, RECHECK_SECONDS + 1):
            await process.turn_later(second, seconds)
        assert billing.shown(second) == ("synced", None)
        assert len(held(zoho, what)) == zoho.statistics.count_of_creates(what) == 2

    async def test_it_is_no_proof_where_zoho_says_that_the_record_exists(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        first, second = billing.invoice(customer), billing.invoice(customer)
        billing.from_before(first, second)
        await backfill(billing, process, first)
        # Made by a person after the list was read.
        zoho_id = zoho.simulator.plant_invoice(
            customer_id=only(zoho, "customers")["customer_id"], invoice_number="CT-INV-00002", total=Decimal("1150.00")
        )
        await backfill(billing, process, second)
        assert billing.zoho_id(second) == zoho_id
        assert billing.shown(second) == ("synced", None)
        assert len(held(zoho, "invoices")) == 2

    async def test_half_a_list_proves_nothing(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        zoho_customer = only(zoho, "customers")["customer_id"]
        for number in range(200):
            zoho.simulator.plant_invoice(customer_id=zoho_customer, invoice_number=f"X-{number}", total=Decimal(1))
        zoho_id = zoho.simulator.plant_invoice(
            customer_id=zoho_customer, invoice_number="CT-INV-00001", total=Decimal("1150.00")
        )
        invoice = billing.invoice(customer)
        billing.from_before(invoice)
        zoho.faults.plant(FaultKind.SERVER_ERROR_BEFORE, "GET", "/invoices", skip=1)
        await backfill(billing, process, invoice)
        for _ in range(3):
            await process.turn_later(invoice)
        assert billing.zoho_id(invoice) == zoho_id
        assert zoho.statistics.count_of_creates("invoices") == 0

    async def test_within_the_day_it_is_not_read_again(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoices = [billing.invoice(customer) for _ in range(2)]
        billing.from_before(*invoices)
        await backfill(billing, process, invoices[0])
        age_lists(host, 23 * 60)
        await backfill(billing, process, invoices[1])
        assert routes(zoho).count("GET /invoices") == 1
        assert len(held(zoho, "invoices")) == 2

    @pytest.mark.parametrize(("asked_by", "minutes"), [("a backfill", 25 * 60), ("a person", 6)])
    async def test_one_that_is_too_old_for_who_asks_proves_nothing(
        self,
        host: Host,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        asked_by: str,
        minutes: int,
    ) -> None:
        first, second = (billing.invoice(customer) for _ in range(2))
        billing.from_before(first, second)
        await backfill(billing, process, first)
        age_lists(host, minutes)
        zoho_id = zoho.simulator.plant_invoice(
            customer_id=only(zoho, "customers")["customer_id"], invoice_number="CT-INV-00002", total=Decimal("1150.00")
        )
        forget_requests(zoho)
        if asked_by == "a person":
            billing.change(second, zoho_sync_status="pending")
            await process.turns_until_quiet()
        else:
            await backfill(billing, process, second)
        # Found by a look: no create was tried that Zoho would have had to refuse.
        assert "POST /invoices" not in routes(zoho)
        assert billing.zoho_id(second) == zoho_id


class TestTwoIdsForOneRow:
    @pytest.mark.parametrize("what", ["customers", "subscriptions", "invoices", "payments"])
    async def test_a_second_one_set_by_hand_names_both(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        fibre: UUID,
        what: str,
    ) -> None:
        row = row_of(billing, what, customer, fibre)
        await process.turns_until_quiet()
        ours = str(billing.zoho_id(row))
        record = only(zoho, what)
        twin = zoho.simulator.plant(
            what,
            {key: record[key] for key in COPIED[what]}
            | {"custom_fields": [{"label": "External ID", "value": str(row)}]},
        )
        billing.set_zoho_id(row, twin)
        before = held(zoho, what)
        await process.turns_until_quiet()
        assert billing.shown(row)[0] == "failed"
        assert ours in billing.error(row)
        assert twin in billing.error(row)
        assert held(zoho, what) == before
        # One is taken out in Zoho; the row is right as it is.
        zoho.simulator.remove(what, ours)
        billing.replay(row)
        await process.turns_until_quiet()
        assert billing.shown(row)[0] == "synced", billing.shown(row)
        assert billing.zoho_id(row) == twin
