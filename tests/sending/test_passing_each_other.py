"""Parents, children and second thoughts that pass each other: what the crash loop found, each as short as it can be."""

from datetime import date
from unittest.mock import patch
from uuid import UUID

import pytest

from outbox.simulator import FaultKind, RunningSimulator
from outbox.store.protocol import OutboxStore
from tests.sending.billing import Billing, held, only
from tests.sending.conftest import FIRST_LOOK_SECONDS, RECHECK_SECONDS, Process
from tests.store.host import Host

pytestmark = pytest.mark.anyio


async def silence(*_: object) -> None:
    """The process died between its settlement and the wake-up that follows it."""


class TestAPaymentOfADraftThatComesToNothing:
    async def test_goes_when_the_process_that_settled_the_invoice_died_before_it_woke_anybody(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = billing.invoice(customer, status="draft")
        payment = billing.payment(customer, invoice)
        await process.turns_until_quiet()
        billing.change(invoice, status="voided")
        with patch.object(OutboxStore, "_wake_after", silence):
            await process.turns_until_quiet()
        assert held(zoho, "payments") == []
        assert await process.engine.store.wake(None) == 1
        await process.turns_until_quiet()
        assert billing.shown(payment) == ("synced", None)

    async def test_goes_when_the_invoice_was_settled_after_the_payment_was_read_and_before_it_waited(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = billing.invoice(customer, status="draft")
        await process.turns_until_quiet()
        payment = billing.payment(customer, invoice)
        ended = await process.attempted()
        billing.change(invoice, status="voided")
        await process.turns_until_quiet()
        await process.settled(ended)
        await process.turns_until_quiet()
        assert billing.shown(payment) == ("synced", None)

    async def test_is_not_woken_again_and_again_by_a_draft_that_stays_one(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = billing.invoice(customer, status="draft")
        payment = billing.payment(customer, invoice)
        await process.turns_until_quiet()
        host.pass_time(invoice, 120)  # the sweep looks for a minute longer than it must
        assert [await process.engine.store.wake(None) for _ in range(2)] == [0, 0]
        billing.change(invoice, zoho_sync_status="pending")
        await process.turns_until_quiet()
        host.pass_time(invoice, 120)
        assert await process.engine.store.wake(None) == 0
        assert host.state(payment)["phase"] == "waiting"


class TestASecondSubscription:
    @pytest.mark.parametrize("kind", [FaultKind.DONE_THEN_LOST, FaultKind.LOST_THEN_NOT_DONE])
    async def test_that_is_cancelled_while_its_create_is_in_doubt_does_not_bill(
        self,
        billing: Billing,
        zoho: RunningSimulator,
        process: Process,
        customer: UUID,
        fibre: UUID,
        kind: FaultKind,
    ) -> None:
        service = billing.service(customer, fibre, last_invoice_date=date(2099, 1, 1))
        await process.turns_until_quiet()
        billing.change(service, status="cancelled")
        await process.turns_until_quiet()
        assert only(zoho, "subscriptions")["status"] == "cancelled"
        zoho.faults.plant(kind, "POST", "/subscriptions")
        billing.change(service, status="active")
        await process.turns_until_quiet()
        billing.change(service, status="cancelled")
        for seconds in (FIRST_LOOK_SECONDS + 1, RECHECK_SECONDS + 1, RECHECK_SECONDS + 1):
            await process.turn_later(service, seconds)
        assert {record["status"] for record in held(zoho, "subscriptions")} == {"cancelled"}
        assert billing.shown(service) == ("synced", None)


class TestPaymentsOfOneInvoice:
    async def test_take_what_is_left_whoever_comes_first(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        """All are known to be too much together, none by how much: each looks while the others take."""
        invoice = billing.invoice(customer, "1000.00")
        await process.turns_until_quiet()
        payments = [billing.payment(customer, invoice, amount) for amount in ("400.00", "450.00", "500.00", "550.00")]
        await process.turns_until_quiet()
        assert [billing.shown(payment) for payment in payments] == [("synced", None)] * 4
        assert [record["balance"] for record in held(zoho, "invoices")] == [0]
        assert sum(record["amount"] for record in held(zoho, "payments")) == 1900
