"""Subscriptions on their way: created, changed, cancelled, active again, lost and found."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outbox.sending.attempt import FIRST_LOOK_SECONDS
from outbox.simulator import FaultKind, RunningSimulator
from outbox.simulator.books import Record
from outbox.vocabulary import Change, EntityType, Origin, Urgency
from outbox.zoho.exchange import ApiRequest
from tests.sending.billing import PLAN, Billing, ZohosClock, external_id, forget_requests, held, only, routes, until
from tests.sending.conftest import RECHECK_SECONDS, NewProcess, Process
from tests.store.host import Host

pytestmark = pytest.mark.anyio

PRICE = Decimal("799.00")

LIVE_FROM = date(2099, 1, 15)
"""When :meth:`Billing.service` begins to be billed by Zoho."""


async def subscribed(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, package: UUID, **columns: Any
) -> UUID:
    """A service whose subscription begins on :data:`LIVE_FROM`."""
    service = billing.service(customer, package, **columns)
    await process.turn()
    assert billing.shown(service) == ("synced", None)
    forget_requests(zoho)
    return service


async def live(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, package: UUID, **columns: Any
) -> UUID:
    """A service whose subscription runs: it began, and raised its first invoice."""
    service = await subscribed(billing, zoho, process, customer, package, **columns)
    until(zoho, LIVE_FROM)
    process.sender = replace(process.engine.sender, clock=ZohosClock(zoho))
    assert only(zoho, "subscriptions")["status"] == "live"
    return service


def by_reference(zoho: RunningSimulator) -> dict[str, Record]:
    """Subscriptions by reference_id; each reference once."""
    records = {record["reference_id"]: record for record in held(zoho, "subscriptions")}
    assert len(records) == len(held(zoho, "subscriptions"))
    return records


class TestCreated:
    async def test_a_service_costs_one_request_and_its_own_price(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = billing.service(customer, fibre)
        await process.turns_until_quiet()
        # The plans are read once a day, for all services.
        assert routes(zoho) == ["GET /plans", "POST /subscriptions"]
        record = only(zoho, "subscriptions")
        assert (record["plan_code"], record["plan"]["price"], record["amount"]) == (PLAN, PRICE, PRICE)
        assert (record["reference_id"], external_id(record)) == (str(service), str(service))
        assert record["customer_id"] == only(zoho, "customers")["customer_id"]
        assert record["auto_collect"] is False
        assert billing.zoho_id(service) == record["subscription_id"]

    async def test_it_begins_on_the_first_billing_day_that_the_host_has_not_billed(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        billing.service(customer, fibre, billing_day=7, last_invoice_date=date(2099, 3, 7))
        await process.turns_until_quiet()
        record = only(zoho, "subscriptions")
        assert (record["status"], record["next_billing_at"]) == ("future", "2099-04-07")
        assert held(zoho, "invoices") == []

    async def test_one_that_was_never_billed_begins_on_or_after_its_activation(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        billing.service(customer, fibre, billing_day=7, last_invoice_date=None, activation_date=date(2099, 3, 7))
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["next_billing_at"] == "2099-03-07"

    @pytest.mark.parametrize(
        ("columns", "begins", "unbilled"),
        [
            ({"last_invoice_date": date(2098, 12, 15)}, "2099-02-15", "nobody billed 2099-01-15 to 2099-02-14"),
            ({"last_invoice_date": None, "activation_date": date(2098, 11, 20)}, "2099-02-15", "nobody billed 2098-12"),
        ],
        ids=["a month was missed", "nothing was ever billed"],
    )
    async def test_a_period_that_nobody_billed_is_told_and_not_billed_afterwards(
        self,
        host: Host,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        fibre: UUID,
        columns: dict[str, Any],
        begins: str,
        unbilled: str,
    ) -> None:
        until(zoho, date(2099, 1, 20))
        process.sender = replace(process.engine.sender, clock=ZohosClock(zoho))
        service = billing.service(customer, fibre, **columns)
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["next_billing_at"] == begins
        assert held(zoho, "invoices") == []
        assert unbilled in host.entries(service)[-1]["last_error"]

    @pytest.mark.parametrize("urgency", [Urgency.LIVE, Urgency.BACKFILL])
    async def test_one_that_is_due_today_is_billed_today_but_never_by_a_backfill(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        fibre: UUID,
        urgency: Urgency,
    ) -> None:
        until(zoho, date(2099, 1, 15))
        process.sender = replace(process.engine.sender, clock=ZohosClock(zoho))
        service = billing.service(customer, fibre, last_invoice_date=date(2098, 12, 15))
        if urgency is Urgency.BACKFILL:
            billing.from_before(service)
            await process.engine.store.enqueue(
                [(EntityType.SUBSCRIPTION, service)],
                change=Change.RELATED,
                origin=Origin.BACKFILL,
                urgency=urgency,
            )
        await process.turns_until_quiet()
        raised = [(invoice["date"], invoice["total"]) for invoice in held(zoho, "invoices")]
        assert raised == ([("2099-01-15", PRICE)] if urgency is Urgency.LIVE else [])
        begins = only(zoho, "subscriptions")["current_term_starts_at"] or only(zoho, "subscriptions")["next_billing_at"]
        assert begins == ("2099-01-15" if urgency is Urgency.LIVE else "2099-02-15")

    async def test_an_edit_that_changes_nothing_costs_no_request(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await subscribed(billing, zoho, process, customer, fibre)
        billing.change(service, monthly_price=Decimal("899.00"))
        billing.change(service, monthly_price=PRICE)
        await process.turns_until_quiet()
        assert routes(zoho) == []
        assert host.statuses(service)[-1] == ("done", "unchanged")

    async def test_the_hosts_own_billing_costs_no_request(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await subscribed(billing, zoho, process, customer, fibre)
        billing.change(service, last_invoice_date=date(2099, 2, 1))
        await process.turns_until_quiet()
        assert routes(zoho) == []

    @pytest.mark.parametrize(
        ("columns", "reason"),
        [
            ({"status": "pending"}, "not active yet"),
            ({"status": "cancelled"}, "cancelled, and Zoho has no subscription"),
        ],
    )
    async def test_what_does_not_run_is_never_created(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        fibre: UUID,
        columns: dict[str, Any],
        reason: str,
    ) -> None:
        service = billing.service(customer, fibre, **columns)
        await process.turns_until_quiet()
        assert routes(zoho) == []
        assert billing.shown(service)[0] == "skipped"
        assert billing.error(service).startswith(reason)

    async def test_a_pending_one_is_created_when_it_becomes_active(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = billing.service(customer, fibre, status="pending")
        await process.turns_until_quiet()
        billing.change(service, status="active")
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["reference_id"] == str(service)

    async def test_none_is_sent_where_the_host_bills(
        self, billing: Billing, zoho: RunningSimulator, new_process: NewProcess, host: Host, fibre: UUID
    ) -> None:
        service = billing.service(host.add_customer(), fibre)
        async with new_process(ZOHO_RECURRING_BILLING="host") as process:
            await process.turns_until_quiet()
        assert held(zoho, "subscriptions") == []
        assert "ZOHO_RECURRING_BILLING=host" in billing.error(service)

    async def test_a_plan_that_zoho_does_not_have_is_named_with_what_to_do(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        service = billing.service(customer, billing.package(sku="FIBRE-51"))
        await process.turns_until_quiet()
        assert "no plan with the plan_code 'FIBRE-51'" in billing.error(service)
        zoho.simulator.plant_plan(plan_code="FIBRE-51", recurring_price=899)
        billing.replay(service)
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["plan_code"] == "FIBRE-51"

    async def test_one_without_a_package_is_dead_and_says_what_to_set(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = billing.service(customer, None)
        await process.turns_until_quiet()
        assert "set package_id" in billing.error(service)
        assert routes(zoho) == []
        billing.change(service, package_id=fibre)
        await process.turns_until_quiet()
        assert billing.shown(service) == ("synced", None)

    async def test_a_price_on_which_zoho_puts_tax_is_told_with_both_figures_and_created_once(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        zoho.settings.subscriptions.prices_include_tax = False
        service = billing.service(customer, fibre)
        await process.turns_until_quiet()
        status, error = billing.shown(service)
        assert status == "failed"
        assert "918.85" in str(error)
        assert "799.00" in str(error)
        billing.replay(service)
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["subscription_id"] == billing.zoho_id(service)


class TestChanged:
    async def test_a_price_changes_with_the_next_term_and_raises_no_invoice_before(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await live(billing, zoho, process, customer, fibre)
        billing.change(service, monthly_price=Decimal("849.00"))
        await process.turns_until_quiet()
        assert billing.shown(service) == ("synced", None)
        assert [invoice["total"] for invoice in held(zoho, "invoices")] == [PRICE]
        until(zoho, date(2099, 2, 16))
        assert [invoice["total"] for invoice in held(zoho, "invoices")] == [PRICE, Decimal("849.00")]

    async def test_a_price_that_went_up_and_back_is_billed_as_it_is(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await live(billing, zoho, process, customer, fibre)
        billing.change(service, monthly_price=Decimal("849.00"))
        await process.turns_until_quiet()
        billing.change(service, monthly_price=PRICE)
        await process.turns_until_quiet()
        assert billing.shown(service) == ("synced", None)
        until(zoho, date(2099, 2, 16))
        assert [invoice["total"] for invoice in held(zoho, "invoices")] == [PRICE, PRICE]

    async def test_another_package_changes_plan_and_price_with_the_next_term(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        zoho.simulator.plant_plan(plan_code="FIBRE-200", recurring_price=1499)
        service = await live(billing, zoho, process, customer, fibre)
        billing.change(service, package_id=billing.package(sku="FIBRE-200"), monthly_price=Decimal("1299.00"))
        await process.turns_until_quiet()
        until(zoho, date(2099, 2, 16))
        record = only(zoho, "subscriptions")
        assert (record["plan_code"], record["amount"]) == ("FIBRE-200", Decimal("1299.00"))
        assert (record["reference_id"], external_id(record)) == (str(service), str(service))

    async def test_one_that_has_not_started_changes_at_once(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await subscribed(billing, zoho, process, customer, fibre)
        billing.change(service, monthly_price=Decimal("849.00"))
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["amount"] == Decimal("849.00")
        assert held(zoho, "invoices") == []
        assert billing.shown(service) == ("synced", None)

    async def test_a_service_that_changes_hands_is_dead_and_nothing_is_written(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await subscribed(billing, zoho, process, customer, fibre)
        before = only(zoho, "subscriptions")
        billing.change(service, customer_id=host.add_customer(2))
        await process.turns_until_quiet()
        assert billing.shown(service)[0] == "failed"
        assert "Zoho moves no subscription" in billing.error(service)
        assert only(zoho, "subscriptions") == before

    @pytest.mark.parametrize("kind", [FaultKind.DONE_THEN_LOST, FaultKind.LOST_THEN_NOT_DONE])
    async def test_a_change_whose_reply_was_lost_is_made_once(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        fibre: UUID,
        kind: FaultKind,
    ) -> None:
        service = await live(billing, zoho, process, customer, fibre)
        billing.change(service, monthly_price=Decimal("849.00"))
        zoho.faults.plant(kind, "PUT", "/subscriptions/*")
        await process.turns_until_quiet()
        await process.turn_later(service)
        assert billing.shown(service) == ("synced", None)
        until(zoho, date(2099, 2, 16))
        assert [invoice["total"] for invoice in held(zoho, "invoices")] == [PRICE, Decimal("849.00")]


class TestEnded:
    async def test_a_cancelled_one_ends_with_its_term(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await live(billing, zoho, process, customer, fibre)
        billing.change(service, status="cancelled")
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["status"] == "non_renewing"
        assert billing.shown(service) == ("synced", None)
        until(zoho, date(2099, 2, 16))
        assert only(zoho, "subscriptions")["status"] == "cancelled"
        assert len(held(zoho, "invoices")) == 1

    async def test_a_cancelled_one_ends_at_once_where_that_is_wanted(
        self, billing: Billing, zoho: RunningSimulator, new_process: NewProcess, customer: UUID, fibre: UUID
    ) -> None:
        async with new_process(ZOHO_CANCEL_AT="now") as process:
            service = await live(billing, zoho, process, customer, fibre)
            billing.change(service, status="cancelled")
            await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["status"] == "cancelled"

    async def test_one_that_has_not_started_is_cancelled_at_once(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await subscribed(billing, zoho, process, customer, fibre)
        billing.change(service, status="cancelled")
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["status"] == "cancelled"
        until(zoho, date(2099, 3, 1))
        assert held(zoho, "invoices") == []

    async def test_a_suspended_one_goes_on(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await subscribed(billing, zoho, process, customer, fibre)
        billing.change(service, status="suspended")
        await process.turns_until_quiet()
        assert routes(zoho) == []
        assert billing.shown(service) == ("synced", None)

    async def test_a_suspended_one_is_cancelled_where_that_is_wanted(
        self, billing: Billing, zoho: RunningSimulator, new_process: NewProcess, customer: UUID, fibre: UUID
    ) -> None:
        async with new_process(ZOHO_ON_SUSPEND="cancel") as process:
            service = await live(billing, zoho, process, customer, fibre)
            billing.change(service, status="suspended")
            await process.turns_until_quiet()
            assert only(zoho, "subscriptions")["status"] == "non_renewing"
            billing.change(service, status="active")
            await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["status"] == "live"

    @pytest.mark.parametrize("kind", [FaultKind.DONE_THEN_LOST, FaultKind.LOST_THEN_NOT_DONE])
    async def test_a_cancellation_whose_reply_was_lost_is_made(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        fibre: UUID,
        kind: FaultKind,
    ) -> None:
        service = await live(billing, zoho, process, customer, fibre)
        billing.change(service, status="cancelled")
        zoho.faults.plant(kind, "POST", "*/cancel")
        await process.turns_until_quiet()
        assert billing.shown(service)[0] == "retrying"
        await process.turn_later(service)
        assert billing.shown(service) == ("synced", None)
        assert only(zoho, "subscriptions")["status"] == "non_renewing"

    async def test_a_cancellation_of_what_zoho_does_not_have_any_more_is_done(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await subscribed(billing, zoho, process, customer, fibre)
        zoho.simulator.remove("subscriptions", str(billing.zoho_id(service)))
        billing.change(service, status="cancelled")
        await process.turns_until_quiet()
        assert billing.shown(service) == ("synced", None)
        assert held(zoho, "subscriptions") == []

    async def test_one_that_is_cancelled_while_its_create_is_in_doubt_is_cancelled(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        zoho.faults.plant(FaultKind.DONE_THEN_LOST, "POST", "/subscriptions")
        service = billing.service(customer, fibre)
        await process.turn()
        billing.change(service, status="cancelled")
        await process.turn_later(service, FIRST_LOOK_SECONDS + 1)
        assert only(zoho, "subscriptions")["status"] == "cancelled"
        assert billing.shown(service) == ("synced", None)


class TestActiveAgain:
    async def test_one_that_ends_with_its_term_goes_on(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await live(billing, zoho, process, customer, fibre)
        billing.change(service, status="cancelled")
        await process.turns_until_quiet()
        billing.change(service, status="active")
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["status"] == "live"
        until(zoho, date(2099, 2, 16))
        assert [invoice["total"] for invoice in held(zoho, "invoices")] == [PRICE, PRICE]

    async def test_one_that_has_ended_is_followed_by_a_second_one(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await self._ended(billing, zoho, process, customer, fibre)
        billing.change(service, status="active", monthly_price=Decimal("849.00"))
        await process.turns_until_quiet()
        records = by_reference(zoho)
        assert set(records) == {str(service), f"{service}#2"}
        assert records[str(service)]["status"] == "cancelled"
        second = records[f"{service}#2"]
        assert (second["status"], second["amount"], second["next_billing_at"]) == (
            "future",
            Decimal("849.00"),
            "2099-03-15",
        )
        assert billing.zoho_id(service) == second["subscription_id"]
        assert external_id(second) == str(service)
        assert billing.shown(service) == ("synced", None)
        told = next(entry for entry in host.entries(service) if entry["zoho_id"] == second["subscription_id"])
        assert "a new one follows it" in told["last_error"]
        assert "billed by Zoho again from 2099-03-15" in told["last_error"]

    async def test_the_id_of_the_second_one_is_no_wish_of_an_operators(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await self._ended(billing, zoho, process, customer, fibre)
        await process.engine.client.send(ApiRequest("GET", "/plans"), urgency=Urgency.LIVE)
        forget_requests(zoho)
        billing.change(service, status="active")
        await process.turns_until_quiet()
        assert routes(zoho) == ["GET /subscriptions/*", "GET /subscriptions", "POST /subscriptions"]
        assert "id_set" not in [entry["change"] for entry in host.entries(service)]

    async def test_the_second_one_is_changed_and_the_third_follows_it(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await self._ended(billing, zoho, process, customer, fibre)
        billing.change(service, status="active")
        await process.turns_until_quiet()
        billing.change(service, monthly_price=Decimal("849.00"))
        await process.turns_until_quiet()
        assert by_reference(zoho)[f"{service}#2"]["amount"] == Decimal("849.00")
        billing.change(service, status="cancelled")
        await process.turns_until_quiet()
        assert by_reference(zoho)[f"{service}#2"]["status"] == "cancelled"
        billing.change(service, status="active")
        await process.turns_until_quiet()
        assert set(by_reference(zoho)) == {str(service), f"{service}#2", f"{service}#3"}
        assert [record["status"] for record in held(zoho, "subscriptions")] == ["cancelled", "cancelled", "future"]

    @pytest.mark.parametrize("kind", [FaultKind.DONE_THEN_LOST, FaultKind.LOST_THEN_NOT_DONE])
    async def test_a_second_one_whose_create_was_lost_is_there_once(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        fibre: UUID,
        kind: FaultKind,
    ) -> None:
        service = await self._ended(billing, zoho, process, customer, fibre)
        zoho.faults.plant(kind, "POST", "/subscriptions")
        billing.change(service, status="active")
        await process.turns_until_quiet()
        await process.turn_later(service, FIRST_LOOK_SECONDS + 1)
        await process.turn_later(service, RECHECK_SECONDS + 1)
        assert set(by_reference(zoho)) == {str(service), f"{service}#2"}
        assert billing.zoho_id(service) == by_reference(zoho)[f"{service}#2"]["subscription_id"]
        assert billing.shown(service) == ("synced", None)

    async def test_a_second_one_that_was_created_by_a_process_that_died_is_found(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await self._ended(billing, zoho, process, customer, fibre)
        billing.change(service, status="active")
        await process.turn_and_die()
        assert set(by_reference(zoho)) == {str(service), f"{service}#2"}
        await process.turn_later(service)
        await process.turn_later(service)
        assert set(by_reference(zoho)) == {str(service), f"{service}#2"}
        assert billing.zoho_id(service) == by_reference(zoho)[f"{service}#2"]["subscription_id"]
        assert billing.shown(service) == ("synced", None)

    @pytest.mark.parametrize("status", ["active", "cancelled"])
    async def test_an_id_that_was_cleared_by_hand_comes_back_and_nothing_is_created(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        fibre: UUID,
        status: str,
    ) -> None:
        service = await live(billing, zoho, process, customer, fibre)
        zoho_id = billing.zoho_id(service)
        billing.set_zoho_id(service, None)
        billing.change(service, status=status, zoho_sync_status="pending")
        await process.turns_until_quiet()
        assert billing.zoho_id(service) == zoho_id
        assert only(zoho, "subscriptions")["status"] == {"active": "live", "cancelled": "non_renewing"}[status]

    async def test_an_id_that_was_cleared_after_the_end_leads_to_one_second_one(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = await self._ended(billing, zoho, process, customer, fibre)
        billing.set_zoho_id(service, None)
        billing.change(service, status="active")
        await process.turns_until_quiet()
        billing.set_zoho_id(service, None)
        billing.change(service, zoho_sync_status="pending")
        await process.turns_until_quiet()
        assert set(by_reference(zoho)) == {str(service), f"{service}#2"}
        assert billing.zoho_id(service) == by_reference(zoho)[f"{service}#2"]["subscription_id"]
        assert billing.shown(service) == ("synced", None)

    async def _ended(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> UUID:
        """A service whose subscription ran for a month, was cancelled, and has ended."""
        service = await live(billing, zoho, process, customer, fibre)
        billing.change(service, status="cancelled")
        await process.turns_until_quiet()
        until(zoho, date(2099, 2, 16))
        assert only(zoho, "subscriptions")["status"] == "cancelled"
        return service


class TestLostCreate:
    @pytest.mark.parametrize("kind", [FaultKind.DONE_THEN_LOST, FaultKind.LOST_THEN_NOT_DONE])
    async def test_there_is_one_subscription_in_the_end(
        self,
        host: Host,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        fibre: UUID,
        kind: FaultKind,
    ) -> None:
        zoho.faults.plant(kind, "POST", "/subscriptions")
        service = billing.service(customer, fibre)
        await process.turn()
        await process.turn_later(service, FIRST_LOOK_SECONDS + 1)
        if kind is FaultKind.LOST_THEN_NOT_DONE:
            assert held(zoho, "subscriptions") == []
            assert await process.turn() == []
            await process.turn_later(service, RECHECK_SECONDS + 1)
            assert routes(zoho) == [
                "GET /plans",
                "POST /subscriptions",
                "GET /subscriptions",
                "GET /subscriptions",
                "POST /subscriptions",
            ]
        assert billing.shown(service) == ("synced", None)
        record = only(zoho, "subscriptions")
        assert (record["reference_id"], record["amount"]) == (str(service), PRICE)
        assert billing.zoho_id(service) == record["subscription_id"]
        assert host.state(service)["fate_unknown_at"] is None

    async def test_the_same_customers_other_service_is_not_taken_for_it(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        other = await subscribed(billing, zoho, process, customer, fibre)
        zoho.faults.plant(FaultKind.LOST_THEN_NOT_DONE, "POST", "/subscriptions")
        service = billing.service(customer, fibre)
        await process.turn()
        await process.turn_later(service, FIRST_LOOK_SECONDS + 1)
        await process.turn_later(service, RECHECK_SECONDS + 1)
        assert set(by_reference(zoho)) == {str(other), str(service)}

    async def test_it_is_found_although_its_price_was_changed_meanwhile(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        zoho.faults.plant(FaultKind.DONE_THEN_LOST, "POST", "/subscriptions")
        service = billing.service(customer, fibre)
        await process.turn()
        billing.change(service, monthly_price=Decimal("849.00"))
        await process.turn_later(service, FIRST_LOOK_SECONDS + 1)
        assert only(zoho, "subscriptions")["amount"] == Decimal("849.00")
        assert billing.shown(service) == ("synced", None)

    async def test_a_process_that_dies_before_it_settles_leaves_one_subscription(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = billing.service(customer, fibre)
        await process.turn_and_die()
        await process.turn_later(service)
        assert billing.zoho_id(service) == only(zoho, "subscriptions")["subscription_id"]


class TestAdopted:
    async def test_one_that_another_system_made_under_our_reference_is_adopted_and_marked(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = billing.service(customer, fibre)
        billing.from_before(service)
        zoho_id = zoho.simulator.plant_subscription(
            customer_id=only(zoho, "customers")["customer_id"],
            reference_id=str(service),
            plan_code=PLAN,
            plan={"plan_code": PLAN, "price": PRICE, "quantity": 1},
            amount=PRICE,
        )
        billing.change(service, zoho_sync_status="pending")
        await process.turns_until_quiet()
        record = only(zoho, "subscriptions")
        assert (record["subscription_id"], external_id(record)) == (zoho_id, str(service))
        assert billing.zoho_id(service) == zoho_id
        assert billing.shown(service) == ("synced", None)

    async def test_another_customers_under_our_reference_is_refused_and_named(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        stranger = zoho.simulator.plant_customer(display_name="Somebody Else", email="else@example.com")
        service = billing.service(customer, fibre)
        zoho_id = zoho.simulator.plant_subscription(
            customer_id=stranger, reference_id=str(service), plan_code=PLAN, amount=PRICE
        )
        billing.change(service, zoho_sync_status="pending")
        await process.turns_until_quiet()
        assert billing.shown(service)[0] == "failed"
        assert zoho_id in billing.error(service)
        assert stranger in billing.error(service)
        assert len(held(zoho, "subscriptions")) == 1

    async def test_two_that_live_under_our_reference_are_left_to_a_person(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        service = billing.service(customer, fibre)
        twins = [
            zoho.simulator.plant_subscription(
                customer_id=only(zoho, "customers")["customer_id"],
                reference_id=str(service),
                plan_code=PLAN,
                amount=PRICE,
            )
            for _ in range(2)
        ]
        billing.change(service, zoho_sync_status="pending")
        await process.turns_until_quiet()
        assert billing.shown(service)[0] == "failed"
        assert all(twin in billing.error(service) for twin in twins)

    async def test_an_id_by_hand_of_another_services_subscription_is_refused(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
    ) -> None:
        other = await subscribed(billing, zoho, process, customer, fibre)
        service = billing.service(customer, fibre)
        billing.set_zoho_id(service, billing.zoho_id(other))
        await process.turns_until_quiet()
        assert billing.shown(service)[0] == "failed"
        assert str(other) in billing.error(service)
        assert only(zoho, "subscriptions")["reference_id"] == str(other)
