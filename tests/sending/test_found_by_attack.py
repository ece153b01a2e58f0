"""What an attack on the product found: each is a way in which it once sent too much, too little or for ever."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import anyio
import pytest

from outbox.assembly import Engine
from outbox.commands.backfill import Backfill
from outbox.commands.backfill_plan import Plan, TypePlan
from outbox.commands.follow import Ended, Progress
from outbox.entities.contract import Prerequisite, RecordEnded
from outbox.entities.host_columns import ColumnNotGranted
from outbox.entities.payment_purpose import purpose_of
from outbox.settings import RecurringPayments
from outbox.simulator import RunningSimulator
from outbox.vocabulary import Change, EntityType, Origin, Urgency
from tests.sending.billing import Billing, held, only
from tests.sending.conftest import NewProcess, Process, customers_in, the_customer_in
from tests.store.host import Host
from tests.unit.entities import payments, subscriptions

pytestmark = pytest.mark.anyio

CIRCLE = 25
"""Turns after which rows that still move are moving in a circle."""


async def comes_to_rest(process: Process) -> None:
    """Turns until nothing is due."""
    for _ in range(CIRCLE):
        if not await process.turn():
            return
    pytest.fail(f"still sending after {CIRCLE} turns: a circle")


def fail_over(host: Host) -> None:
    """Another server took over from the database's own."""
    host.interfere("UPDATE zoho_outbox_private.installation SET timeline = timeline + 1")


def lose_what_was_sent(host: Host, customer: UUID) -> None:
    """The customer's row survived the failover, what was written of its sending did not."""
    host.interfere(
        """
        UPDATE zoho_outbox_private.entity_state
        SET phase = 'idle', zoho_id = NULL, sent_hash = NULL, sent_at = NULL, intents = 0, intent_keys = '{}'
        WHERE entity_id = %s
        """,
        [customer],
    )
    host.interfere("UPDATE public.customers SET zoho_billing_customer_id = NULL WHERE id = %s", [customer])


def lists(host: Host) -> int:
    return int(host.value("SELECT count(*) FROM zoho_outbox_private.listing"))


class TestPayments:
    async def test_an_edit_of_a_text_leaves_what_people_applied_to_another_invoice(self) -> None:
        row = payments.paying(payment_method="card")
        zoho = payments.FakeZoho(
            payments.record(invoices=payments.applied(y1="799.00")),
            invoices=[
                payments.invoice(balance=0, status="paid"),
                payments.invoice("y1", balance=0, status="paid"),
            ],
        )
        await payments.PAYMENT.update(
            zoho, row, "p1", payments.desired(row), payments.TERMS, was="paid", found=None, write_content=True
        )
        assert zoho.bodies[-1]["invoices"] == [{"invoice_id": "y1", "amount_applied": Decimal("799.00")}]

    def test_one_that_waits_for_a_dead_recurring_invoice_says_that_it_is_dead(self) -> None:
        row = payments.paying_recurring(invoice_phase="dead")
        purpose = purpose_of(row, replace(payments.TERMS, recurring_payments=RecurringPayments.WAIT))
        assert isinstance(purpose, Prerequisite)
        assert purpose.dead

    def test_one_that_waits_for_a_dead_invoice_of_which_nothing_can_be_read_says_that_it_is_dead(self) -> None:
        row = payments.paying(
            invoice_phase="dead",
            invoice_zoho_id=None,
            invoice_number=None,
            invoice_total=None,
            invoice_status=None,
            invoice_customer_id=None,
        )
        purpose = purpose_of(row, payments.TERMS)
        assert isinstance(purpose, Prerequisite)
        assert purpose.dead

    async def test_one_that_waits_for_a_dead_recurring_invoice_comes_to_rest(
        self, host: Host, billing: Billing, new_process: NewProcess
    ) -> None:
        async with new_process(ZOHO_RECURRING_BILLING="host") as process:
            customer = host.add_customer()
            # Its lines do not add up.
            invoice = billing.invoice(customer, "799.00", invoice_type="recurring", line_items='[{"amount": 1}]')
            await comes_to_rest(process)
            assert host.state(invoice)["phase"] == "dead"
        host.interfere("UPDATE zoho_outbox_private.installation SET recurring_billing = 'zoho'")
        async with new_process(ZOHO_RECURRING_PAYMENTS="wait") as process:
            payment = billing.payment(customer, invoice, "799.00")
            await comes_to_rest(process)
        assert host.entry(payment)["status"] == "waiting"
        assert "ZOHO_RECURRING_PAYMENTS=wait" in billing.error(payment)

    async def test_a_column_that_is_there_and_not_granted_is_not_taken_for_absent(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = billing.invoice(customer)
        await comes_to_rest(process)
        host.interfere("REVOKE SELECT (customer_invoice_id) ON public.payment_transactions FROM zoho_outbox_daemon")
        payment = billing.payment(customer, invoice)
        with pytest.raises(ColumnNotGranted, match=r"customer_invoice_id.*run zoho-outbox migrate"):
            await process.turn()
        assert held(zoho, "payments") == []
        # As migrate does it. The claim of the turn that broke off is taken over.
        host.interfere("GRANT SELECT (customer_invoice_id) ON public.payment_transactions TO zoho_outbox_daemon")
        host.pass_time(payment, 1000)
        await process.engine.store.reclaim()
        await comes_to_rest(process)
        assert only(zoho, "invoices")["balance"] == 0
        assert billing.shown(payment) == ("synced", None)


class TestSubscriptions:
    async def test_one_that_is_active_again_starts_no_sooner_than_the_end_of_what_zoho_billed(self) -> None:
        # It was billed for 20 November to 20 December and cancelled at once.
        zoho = subscriptions.Zoho(
            subscriptions.record(
                "70",
                status="cancelled",
                current_term_starts_at="2026-11-20",
                current_term_ends_at="2026-12-20",
                next_billing_at="2026-12-20",
            )
        )
        row = subscriptions.ROW
        with pytest.raises(RecordEnded) as ended:
            await subscriptions.SUBSCRIPTION.update(
                zoho,
                row,
                "70",
                subscriptions.wanted(row),
                subscriptions.TERMS,
                was="cancelled",
                found=None,
                write_content=True,
            )
        assert str(ended.value.desired.at_creation["starts_at"]) >= "2026-12-20"

    async def test_one_whose_package_has_a_blank_sku_comes_to_rest(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        service = billing.service(customer, billing.package(sku="\t"))
        await comes_to_rest(process)
        assert held(zoho, "subscriptions") == []
        assert "sku" in billing.error(service).lower()


class TestFailovers:
    async def test_a_second_one_does_not_go_by_a_list_from_before_it(
        self, host: Host, zoho: RunningSimulator, new_process: NewProcess
    ) -> None:
        async with new_process() as process:
            await process.turn()
        fail_over(host)
        async with new_process() as process:
            host.add_customer(1)
            await comes_to_rest(process)
            assert lists(host) == 1
            late = host.add_customer(2)
            await comes_to_rest(process)
        fail_over(host)
        lose_what_was_sent(host, late)
        async with new_process() as process:
            host.change_customer(late, phone="0821234567")
            await comes_to_rest(process)
        assert len(customers_in(zoho)) == 2
        assert host.shown(late) == ("synced", None)

    async def test_one_under_a_running_daemon_does_not_go_by_a_list_from_before_it(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        host.add_customer(1)
        await process.engine.store.admit(100)
        host.interfere("UPDATE zoho_outbox_private.entity_state SET born_here = false")
        await comes_to_rest(process)
        assert lists(host) == 1
        late = host.add_customer(2)
        await comes_to_rest(process)
        fail_over(host)
        lose_what_was_sent(host, late)
        host.change_customer(late, phone="0821234567")
        await comes_to_rest(process)
        assert len(customers_in(zoho)) == 2
        assert host.shown(late) == ("synced", None)

    async def test_a_list_keeps_no_personal_data_that_no_look_up_needs(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        zoho.simulator.plant_customer(
            display_name="Anna Stone [CT-1]", email="anna@example.com", phone="0825550199", first_name="Anna"
        )
        host.add_customer()
        fail_over(host)
        await comes_to_rest(process)
        kept = [row["kept"] for row in host.rows("SELECT record::text AS kept FROM zoho_outbox_private.listed_record")]
        assert [text for text in kept if "CT-1]" in text] != []
        assert [text for text in kept if "0825550199" in text] == []


class TestInvoices:
    async def test_a_recurring_one_that_is_in_zoho_is_made_void_there_whoever_bills_by_now(
        self, host: Host, billing: Billing, zoho: RunningSimulator, new_process: NewProcess
    ) -> None:
        async with new_process(ZOHO_RECURRING_BILLING="host") as process:
            invoice = billing.invoice(host.add_customer(), "799.00", invoice_type="recurring")
            await comes_to_rest(process)
            assert only(zoho, "invoices")["status"] != "void"
        host.interfere("UPDATE zoho_outbox_private.installation SET recurring_billing = 'zoho'")
        async with new_process() as process:
            billing.change(invoice, status="voided")
            await comes_to_rest(process)
        assert only(zoho, "invoices")["status"] == "void", billing.shown(invoice)

    async def test_one_of_another_type_by_now_says_that_zohos_remains(
        self, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = billing.invoice(customer)
        await comes_to_rest(process)
        billing.change(invoice, invoice_type="recurring")
        await comes_to_rest(process)
        assert only(zoho, "invoices")["status"] != "void"
        assert "remains" in billing.error(invoice)

    async def test_one_is_made_void_though_an_edit_of_its_adopted_customer_failed(
        self, host: Host, billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
    ) -> None:
        invoice = billing.invoice(customer)
        await comes_to_rest(process)
        # Found in Zoho as the row says, so that nothing was ever written of it.
        host.interfere("DELETE FROM zoho_outbox_private.entity_state WHERE entity_id = %s", [customer])
        host.execute("UPDATE public.customers SET zoho_sync_status = 'pending' WHERE id = %s", [customer])
        await comes_to_rest(process)
        assert host.shown(customer) == ("synced", None)
        host.change_customer(customer, email="no address")
        await comes_to_rest(process)
        assert host.shown(customer)[0] == "failed"
        billing.change(invoice, status="voided")
        await comes_to_rest(process)
        assert only(zoho, "invoices")["status"] == "void", billing.shown(invoice)


class TestBackfills:
    async def test_what_they_bring_takes_nothing_of_the_reserve_for_live_changes(
        self, host: Host, billing: Billing, process: Process
    ) -> None:
        customer = host.add_customer(account_status="cancelled")
        invoices = [billing.invoice(customer) for _ in range(3)]
        billing.from_before(customer, *invoices)
        host.interfere("DELETE FROM zoho_outbox_private.entity_state")
        for stage in (
            [(EntityType.CUSTOMER, customer)],
            [(EntityType.INVOICE, invoice) for invoice in invoices],
        ):
            await process.engine.store.enqueue(
                stage,
                change=Change.RELATED,
                origin=Origin.BACKFILL,
                urgency=Urgency.BACKFILL,
                requested_by="a backfill",
            )
            await comes_to_rest(process)
        assert [billing.shown(invoice) for invoice in invoices] == [("synced", None)] * 3
        entries = host.rows("SELECT entity_type, change, origin, priority FROM public.zoho_outbox")
        assert [entry for entry in entries if Urgency(entry["priority"]).may_use_reserve] == []

    async def test_one_beside_a_daemon_that_goes_away_sends_by_itself(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = host.add_customer()
        host.interfere(
            """
            INSERT INTO zoho_outbox_private.session (id, kind, host, pid, program_version)
            VALUES (gen_random_uuid(), 'daemon', 'billing-1', 4711, '0.1.0')
            """
        )
        begun: list[str] = []
        seen: list[Progress] = []

        @asynccontextmanager
        async def sending(_: Engine) -> AsyncIterator[None]:
            begun.append("sending")
            await process.turns_until_quiet()
            yield

        def show(progress: Progress) -> None:
            if not seen:
                # It has looked, and left the sending to the daemon, which now says good-bye.
                assert begun == []
                host.interfere("DELETE FROM zoho_outbox_private.session")
            seen.append(progress)

        plan = Plan((TypePlan(EntityType.CUSTOMER, rows=[customer]),), 1)
        with anyio.fail_after(60):
            ended: Ended = await Backfill(process.engine, batch_size=10, sending=sending).run(plan, show)
        assert begun == ["sending"]
        assert not ended.failed
        assert the_customer_in(zoho)["customer_id"] == host.customer(customer)["zoho_billing_customer_id"]
