"""Prerequisites in any order of arrival: who waits, what they say, what wakes them (failures.md, 16)."""

from datetime import date
from decimal import Decimal
from itertools import permutations
from uuid import UUID, uuid4

import pytest

from outbox.simulator import FaultKind, RunningSimulator
from outbox.vocabulary import EntityType
from tests.sending.billing import PLAN, Billing, forget_requests, held, only, record_of, routes
from tests.sending.conftest import Process
from tests.store.host import Host

pytestmark = pytest.mark.anyio

TOTAL = Decimal("1150.00")

KINDS = ("customer", "service", "invoice", "payment")


class TestInAnyOrder:
    @pytest.mark.parametrize("order", list(permutations(KINDS)), ids="-".join)
    async def test_everything_is_in_zoho_once_and_nothing_is_asked_in_vain(
        self,
        host: Host,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        fibre: UUID,
        order: tuple[str, ...],
    ) -> None:
        customer = host.add_customer()
        invoice = billing.invoice(customer)
        rows = {
            "customer": customer,
            "service": billing.service(customer, fibre),
            "invoice": invoice,
            "payment": billing.payment(customer, invoice),
        }
        for kind in order:
            await process.attempt_one(billing.entity_type(rows[kind]), rows[kind])
        await process.turns_until_quiet()
        assert [billing.shown(row) for row in rows.values()] == [("synced", None)] * 4
        assert sorted(routes(zoho)) == [
            "GET /plans",
            "GET /settings/taxes",
            "POST /customers",
            "POST /invoices",
            "POST /invoices/*/converttoopen",
            "POST /payments",
            "POST /subscriptions",
        ]
        assert only(zoho, "invoices")["balance"] == 0
        assert only(zoho, "subscriptions")["customer_id"] == only(zoho, "customers")["customer_id"]
        assert [host.state(row)["attempts"] for row in rows.values()] == [0] * 4

    async def test_a_child_that_goes_first_waits_free_of_charge_and_says_for_whom(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process
    ) -> None:
        invoice = billing.invoice(host.add_customer())
        await process.attempt_one(EntityType.INVOICE, invoice)
        assert routes(zoho) == []
        entry = host.entry(invoice)
        assert (entry["status"], entry["waiting_for"]) == ("waiting", "customer CT-2025-09001")
        assert host.state(invoice)["attempts"] == 0
        assert billing.shown(invoice) == ("pending", "waiting for customer CT-2025-09001")

    async def test_a_payment_that_came_before_customer_and_invoice_goes_when_they_are_there(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process
    ) -> None:
        customer, invoice = uuid4(), uuid4()
        payment = billing.payment(customer, invoice)
        await process.turns_until_quiet()
        assert "which does not exist here" in billing.error(payment)
        host.add_customer(id=customer)
        await process.turns_until_quiet()
        assert str(invoice) in billing.error(payment)
        assert "which does not exist here" in billing.error(payment)
        billing.invoice(customer, id=invoice)
        await process.turns_until_quiet()
        assert (only(zoho, "payments")["reference_number"], only(zoho, "invoices")["balance"]) == (str(payment), 0)
        assert billing.shown(payment) == ("synced", None)

    async def test_a_parent_from_before_the_installation_is_enqueued_by_its_child(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = host.add_customer()
        invoice = billing.invoice(customer)
        payment = billing.payment(customer, invoice)
        billing.from_before(customer, invoice)
        await process.turns_until_quiet()
        assert [billing.shown(row) for row in (customer, invoice, payment)] == [("synced", None)] * 3
        assert only(zoho, "invoices")["balance"] == 0


class TestParentFailed:
    async def test_the_child_says_so_and_goes_when_the_parent_is_well(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, fibre: UUID
    ) -> None:
        customer = host.add_customer(email="no address")
        children = [billing.service(customer, fibre), billing.invoice(customer), billing.payment(customer)]
        await process.turns_until_quiet()
        for child in children:
            assert "customer CT-2025-09001, which failed" in billing.error(child)
            assert host.entry(child)["status"] == "waiting"
        assert routes(zoho) == ["POST /customers"]
        host.change_customer(customer, email="an.address@example.com")
        await process.turns_until_quiet()
        assert [billing.shown(child) for child in children] == [("synced", None)] * 3
        assert [len(held(zoho, name)) for name in ("subscriptions", "invoices", "payments")] == [1, 1, 1]

    async def test_a_child_that_waits_already_is_told_when_its_parent_fails(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = host.add_customer(email="no address")
        invoice = billing.invoice(customer)
        payment = billing.payment(customer, invoice)
        for row in (payment, invoice):
            await process.attempt_one(billing.entity_type(row), row)
        assert "which failed" not in billing.error(invoice)
        await process.turns_until_quiet()
        assert "customer CT-2025-09001, which failed" in billing.error(invoice)
        assert "customer CT-2025-09001, which failed" in billing.error(payment)

    async def test_a_payment_says_that_its_invoice_failed_and_pays_it_when_it_is_mended(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = billing.invoice(customer, line_items='[{"description": "Installation", "amount": 900}]')
        payment = billing.payment(customer, invoice)
        await process.turns_until_quiet()
        assert "invoice CT-INV-00001, which failed" in billing.error(payment)
        billing.change(invoice, line_items='[{"description": "Installation", "amount": 1150}]')
        await process.turns_until_quiet()
        assert only(zoho, "invoices")["balance"] == 0
        assert billing.shown(payment) == ("synced", None)

    async def test_a_parent_whose_create_is_in_doubt_keeps_its_child_waiting(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process
    ) -> None:
        zoho.faults.plant(FaultKind.DONE_THEN_LOST, "POST", "/customers")
        customer = host.add_customer()
        invoice = billing.invoice(customer)
        await process.turns_until_quiet()
        assert held(zoho, "invoices") == []
        for _ in range(2):
            await process.turn_later(customer)
        await process.turns_until_quiet()
        assert len(held(zoho, "customers")) == 1
        assert billing.shown(invoice) == ("synced", None)


class TestPackage:
    @pytest.mark.parametrize(
        ("columns", "said"),
        [
            ({"publishing": None}, "product_integrations has no row for it: publish it"),
            ({"publishing": "pending"}, "product_integrations.sync_status is 'pending': publish it"),
            (
                {"publishing": "failed", "error": "Product not found"},
                "product_integrations.sync_status is 'failed' (Product not found): publish it",
            ),
            ({"sku": None}, "its service_packages.sku is empty: set it to the plan_code"),
        ],
        ids=["never tried", "under way", "failed", "without a code"],
    )
    async def test_one_that_is_not_published_is_named_with_what_it_lacks_and_wakes_its_services(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        columns: dict[str, str | None],
        said: str,
    ) -> None:
        zoho.simulator.plant_plan(plan_code=PLAN, recurring_price=899)
        package = billing.package(**columns)
        services = [billing.service(customer, package) for _ in range(2)]
        await process.turns_until_quiet()
        assert routes(zoho) == []
        for service in services:
            assert billing.error(service).startswith("waiting for package Fibre 50/50 to be published to Zoho")
            assert said in billing.error(service)
        if "sku" in columns:
            billing.change(package, sku=PLAN)
        else:
            billing.publish(package)
        await process.turns_until_quiet()
        assert {record["reference_id"] for record in held(zoho, "subscriptions")} == {str(row) for row in services}
        assert [billing.shown(service) for service in services] == [("synced", None)] * 2

    async def test_the_sweep_alone_wakes_what_the_trigger_did_not_see(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        zoho.simulator.plant_plan(plan_code=PLAN, recurring_price=899)
        package = billing.package(publishing="pending")
        service = billing.service(customer, package)
        await process.turns_until_quiet()
        host.interfere("ALTER TABLE public.product_integrations DISABLE TRIGGER USER")
        billing.publish(package)
        await process.turns_until_quiet()
        assert held(zoho, "subscriptions") == []
        assert await process.engine.store.wake_published() == 1
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["reference_id"] == str(service)

    async def test_one_that_is_published_while_a_service_begins_to_wait_is_not_overlooked(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        zoho.simulator.plant_plan(plan_code=PLAN, recurring_price=899)
        package = billing.package(publishing="pending")
        service = billing.service(customer, package)
        # It publishes before the service waits, and commits after the service's row was read.
        with host.transaction() as publishing:
            publishing.execute(
                "UPDATE public.product_integrations SET sync_status = 'ok' WHERE service_package_id = %s", [package]
            )
            await process.turn()
            assert "to be published" in billing.error(service)
        await process.turns_until_quiet()
        assert held(zoho, "subscriptions") == []
        await process.engine.store.wake_published()
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["reference_id"] == str(service)

    async def test_a_cancelled_service_waits_for_no_package(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = billing.service(customer, fibre)
        await process.turns_until_quiet()
        billing.publish(fibre, "failed")
        billing.change(service, status="cancelled")
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["status"] == "cancelled"


class TestDraft:
    async def test_a_payment_waits_for_a_draft_and_pays_it_when_it_is_issued(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = billing.invoice(customer, status="draft")
        payment = billing.payment(customer, invoice)
        await process.turns_until_quiet()
        assert routes(zoho) == []
        assert "which is a draft: it is sent when it is issued" in billing.error(payment)
        billing.change(invoice, status="sent")
        await process.turns_until_quiet()
        assert only(zoho, "invoices")["balance"] == 0
        assert billing.shown(payment) == ("synced", None)

    @pytest.mark.parametrize("status", ["voided", "cancelled"])
    async def test_a_payment_of_a_draft_that_is_voided_goes_unapplied_and_says_so(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, status: str
    ) -> None:
        invoice = billing.invoice(customer, status="draft")
        payment = billing.payment(customer, invoice)
        await process.turns_until_quiet()
        billing.change(invoice, status=status)
        await process.turns_until_quiet()
        assert held(zoho, "invoices") == []
        assert only(zoho, "payments")["invoices"] == []
        assert only(zoho, "customers")["unused_credits"] == TOTAL
        assert billing.shown(payment)[0] == "synced"
        assert f"not applied: invoice CT-INV-00001 is {status}" in host.entries(payment)[-1]["last_error"]


class TestInternalTest:
    async def test_an_account_that_becomes_real_brings_all_that_hangs_on_it(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, fibre: UUID
    ) -> None:
        customer = host.add_customer(account_type="internal_test")
        invoice = billing.invoice(customer)
        rows = [
            billing.service(customer, fibre),
            invoice,
            billing.payment(customer, invoice, "1000.00"),
            billing.payment(None, invoice, "150.00"),
        ]
        await process.turns_until_quiet()
        assert routes(zoho) == []
        assert [billing.shown(row)[0] for row in (customer, *rows)] == ["skipped"] * 5
        host.change_customer(customer, account_type="personal")
        await process.turns_until_quiet()
        assert [billing.shown(row) for row in (customer, *rows)] == [("synced", None)] * 5
        assert only(zoho, "invoices")["balance"] == 0
        assert len(held(zoho, "payments")) == 2
        assert only(zoho, "subscriptions")["reference_id"] == str(rows[0])

    async def test_a_real_one_that_becomes_internal_sends_nothing_more(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = billing.invoice(customer)
        await process.turns_until_quiet()
        host.change_customer(customer, account_type="internal_test")
        forget_requests(zoho)
        billing.change(invoice, notes="Changed")
        billing.payment(customer, invoice)
        await process.turns_until_quiet()
        assert routes(zoho) == []
        assert record_of(zoho, "invoices", invoice)["notes"] == ""


class TestSubscription:
    async def test_a_payment_on_a_recurring_invoice_waits_for_the_subscription_that_raises_it(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        zoho.simulator.plant_plan(plan_code=PLAN, recurring_price=899)
        package = billing.package(publishing="pending")
        service = billing.service(customer, package)
        invoice = billing.invoice(
            customer, "799.00", invoice_type="recurring", service_id=service, period_start=date(2026, 3, 1)
        )
        payment = billing.payment(customer, invoice, "799.00")
        await process.turns_until_quiet()
        assert "waiting for the subscription of service Fibre 50/50" in billing.error(payment)
        assert held(zoho, "payments") == []
        billing.publish(package)
        await process.turns_until_quiet()
        assert only(zoho, "payments")["amount"] == Decimal("799.00")
        assert billing.shown(payment)[0] == "synced"

    async def test_it_does_not_wait_for_one_that_never_comes(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = billing.service(customer, fibre, status="cancelled")
        invoice = billing.invoice(customer, "799.00", invoice_type="recurring", service_id=service)
        payment = billing.payment(customer, invoice, "799.00")
        await process.turns_until_quiet()
        assert only(zoho, "payments")["reference_number"] == str(payment)

    async def test_one_that_is_cancelled_while_a_payment_waits_lets_it_go(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        service = billing.service(customer, billing.package(publishing="pending"))
        invoice = billing.invoice(customer, "799.00", invoice_type="recurring", service_id=service)
        payment = billing.payment(customer, invoice, "799.00")
        await process.turns_until_quiet()
        assert held(zoho, "payments") == []
        billing.change(service, status="cancelled")
        await process.turns_until_quiet()
        assert only(zoho, "payments")["reference_number"] == str(payment)
        assert only(zoho, "payments")["invoices"] == []
