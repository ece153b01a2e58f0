"""Payments as bodies: every line of decisions.md, Payments, and Zoho's specification as the judge."""

from dataclasses import fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
import simplejson
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox.entities.billing import raised_by_zoho
from outbox.entities.contract import CannotMap, Prerequisite, lifecycle_of
from outbox.entities.payment_body import LONGEST_DESCRIPTION, payment_mode
from outbox.entities.payment_row import PaymentRow, Service
from outbox.settings import OnSuspend, RecurringPayments
from outbox.vocabulary import Awaited
from outbox.zoho.json_text import encode_body
from tests.unit.entities.payments import (
    CUSTOMER,
    HOST_BILLS,
    ID,
    INVOICE,
    PAYMENT,
    SERVICE,
    TERMS,
    body,
    desired,
    paying,
    paying_recurring,
    standalone,
)
from tests.zoho_specifications.specification import request_faults

ANOTHER = UUID("00000000-0000-4000-8000-0000000c0002")
UNAPPLIED = replace(TERMS, recurring_payments=RecurringPayments.UNAPPLIED)
WAIT = replace(TERMS, recurring_payments=RecurringPayments.WAIT)


def awaited(row: PaymentRow, terms: Any = TERMS) -> list[tuple[Awaited, UUID]]:
    return [(each.awaited, each.id) for each in PAYMENT.prerequisites(row, terms)]


def the_prerequisite(row: PaymentRow, terms: Any = TERMS) -> Prerequisite:
    (prerequisite,) = PAYMENT.prerequisites(row, terms)
    return prerequisite


class TestBody:
    def test_a_payment_on_an_invoice(self) -> None:
        assert body(paying()) == {
            "customer_id": "c1",
            "payment_mode": "banktransfer",
            "amount": Decimal("799.00"),
            "date": "2026-03-02",
            "reference_number": str(ID),
            "description": "Transaction NC-0001, reference INV-2026-00001",
            "custom_fields": [{"label": "External ID", "value": str(ID)}],
            "invoices": [{"invoice_id": "i1", "amount_applied": Decimal("799.00")}],
        }

    def test_a_standalone_payment_is_credit(self) -> None:
        assert "invoices" not in body(standalone())

    @pytest.mark.parametrize(
        ("method", "mode"),
        [
            ("card", "creditcard"),
            ("Credit Card", "creditcard"),
            ("credit_card", "creditcard"),
            (" CREDITCARD ", "creditcard"),
            ("eft", "banktransfer"),
            ("instant_eft", "banktransfer"),
            ("Instant EFT", "banktransfer"),
            ("debit_order", "bankremittance"),
            ("Debit-Order", "bankremittance"),
            ("cash", "cash"),
            ("voucher", "others"),
            ("", "others"),
            (None, "others"),
        ],
    )
    def test_modes_are_zohos_fixed_set(self, method: str | None, mode: str) -> None:
        assert payment_mode(method) == mode

    def test_the_date_is_the_day_of_completion_in_the_companys_zone(self) -> None:
        late = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)
        assert body(standalone(completed_at=late))["date"] == "2026-03-03"
        assert body(standalone(completed_at=late), replace(TERMS, zone=ZoneInfo("UTC")))["date"] == "2026-03-02"

    def test_a_payment_that_nobody_dated_is_of_the_day_it_began(self) -> None:
        assert body(standalone(completed_at=None))["date"] == "2026-03-01"

    def test_without_the_custom_field_it_is_left_out(self) -> None:
        assert "custom_fields" not in body(standalone(), replace(TERMS, external_id_label=None))

    def test_a_long_reference_is_cut_and_control_characters_are_none(self) -> None:
        sent = body(standalone(reference="x\x00\n" + "y" * 5000))["description"]
        assert len(sent) == LONGEST_DESCRIPTION
        assert sent.startswith("Transaction NC-0001, reference x , yyy")

    def test_the_request_is_one_that_may_not_be_repeated(self) -> None:
        request = PAYMENT.create(desired(paying()))
        assert (request.method, request.path, dict(request.query)) == ("POST", "/payments", {})
        assert not request.may_be_repeated


class TestApplied:
    @pytest.mark.parametrize(
        ("amount", "total", "taken", "goes_there"),
        [
            ("799.00", "799.00", "0", "799.00"),
            ("900.00", "799.00", "0", "799.00"),
            ("500.00", "799.00", "0", "500.00"),
            ("500.00", "799.00", "500.00", "299.00"),
            ("0.01", "799.00", "798.99", "0.01"),
        ],
    )
    def test_up_to_what_others_left_of_the_total(self, amount: str, total: str, taken: str, goes_there: str) -> None:
        row = paying(amount=Decimal(amount), invoice_total=Decimal(total), taken_by_others=Decimal(taken))
        assert body(row)["invoices"] == [{"invoice_id": "i1", "amount_applied": Decimal(goes_there)}]

    @pytest.mark.parametrize("taken", ["799.00", "1000.00"])
    def test_a_paid_invoice_takes_nothing_and_the_log_says_so(self, taken: str) -> None:
        row = paying(taken_by_others=Decimal(taken))
        assert "invoices" not in body(row)
        assert desired(row).note == "not applied: invoice INV-2026-00001 is paid by other payments"

    def test_an_invoice_that_is_gone_from_the_host_and_in_zoho_is_paid_there(self) -> None:
        row = standalone(invoice_id=INVOICE, invoice_zoho_id="i1")
        assert awaited(row) == []
        assert body(row)["invoices"] == [{"invoice_id": "i1", "amount_applied": Decimal("799.00")}]

    @pytest.mark.parametrize("status", ["voided", "cancelled"])
    @pytest.mark.parametrize("zoho_id", ["i1", None])
    def test_an_ended_invoice_takes_nothing(self, status: str, zoho_id: str | None) -> None:
        row = paying(invoice_status=status, invoice_zoho_id=zoho_id)
        assert awaited(row) == []
        assert "invoices" not in body(row)
        assert f"is {status}" in (desired(row).note or "")

    def test_a_recurring_invoice_that_was_sent_while_the_host_billed_is_paid_there(self) -> None:
        row = paying_recurring(invoice_zoho_id="i1")
        assert body(row)["invoices"] == [{"invoice_id": "i1", "amount_applied": Decimal("799.00")}]

    def test_unapplied_by_setting_says_so(self) -> None:
        row = paying_recurring()
        assert awaited(row, UNAPPLIED) == []
        assert "invoices" not in body(row, UNAPPLIED)
        assert "ZOHO_RECURRING_PAYMENTS=unapplied" in (desired(row, UNAPPLIED).note or "")

    @pytest.mark.parametrize(
        "service",
        [
            None,
            Service(SERVICE, "Fibre", "pending", "FIBRE-50", None, None),
            Service(SERVICE, "Fibre", "cancelled", "FIBRE-50", None, "idle"),
        ],
        ids=["no service", "pending", "cancelled before it was sent"],
    )
    def test_a_service_that_never_gets_a_subscription_is_not_waited_for(self, service: Service | None) -> None:
        row = paying_recurring(service=service)
        assert awaited(row) == []
        assert "has no subscription" in (desired(row).note or "")


class TestEligible:
    @pytest.mark.parametrize("status", ["pending", "processing", "failed", "cancelled", "expired"])
    def test_only_what_is_completed_is_sent(self, status: str) -> None:
        reason = PAYMENT.ineligible(standalone(status=status), TERMS)
        assert reason == f"{status}, not completed: sent when it is"

    def test_a_payment_that_failed_after_it_was_sent_is_named(self) -> None:
        reason = PAYMENT.ineligible(standalone(status="failed", zoho_payment_id="46"), TERMS)
        assert reason is not None
        assert "Zoho payment 46 remains" in reason

    @pytest.mark.parametrize("status", ["completed", "refunded"])
    def test_completed_and_refunded_are(self, status: str) -> None:
        assert PAYMENT.ineligible(standalone(status=status), TERMS) is None

    @pytest.mark.parametrize(
        "change",
        [
            {"provider": "zoho_billing"},
            {"metadata_type": "payment_method_validation"},
            {"transaction_id": "PM-VAL-0003"},
            {"account_type": "internal_test"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_what_is_no_payment_of_a_customer_to_us_is_not(self, change: dict[str, Any]) -> None:
        assert PAYMENT.ineligible(standalone(**change), TERMS) is not None

    def test_a_transaction_that_only_mentions_a_validation_is_a_payment(self) -> None:
        assert PAYMENT.ineligible(standalone(transaction_id="X-PM-VAL-1"), TERMS) is None


class TestCannotMap:
    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"currency": "USD"}, "paid in USD, and Zoho is kept in ZAR"),
            ({"customer_id": None, "customer_exists": False, "customer_zoho_id": None}, "names no customer"),
            ({"amount": Decimal("NaN")}, "amount is NaN"),
        ],
        ids=["currency", "customer", "amount"],
    )
    def test_it_says_why_and_waits_for_nobody(self, change: dict[str, Any], told: str) -> None:
        row = standalone(**change)
        assert awaited(row) == []
        with pytest.raises(CannotMap, match=told):
            desired(row)

    def test_an_invoice_of_another_customer(self) -> None:
        row = paying(invoice_customer_id=ANOTHER, invoice_zoho_id=None)
        assert awaited(row) == []
        with pytest.raises(CannotMap, match=f"invoice INV-2026-00001 is of customer {ANOTHER}"):
            desired(row)

    @pytest.mark.parametrize("currency", ["ZAR", " zar "])
    def test_the_currency_is_compared_as_people_write_it(self, currency: str) -> None:
        assert body(standalone(currency=currency))["amount"] == Decimal("799.00")


class TestWaits:
    def test_for_nobody_where_everything_is_in_zoho(self) -> None:
        assert awaited(paying()) == []

    def test_for_its_customer_first_and_then_its_invoice(self) -> None:
        row = paying(customer_zoho_id=None, invoice_zoho_id=None)
        assert awaited(row) == [(Awaited.CUSTOMER, CUSTOMER), (Awaited.INVOICE, INVOICE)]
        assert [each.named for each in PAYMENT.prerequisites(row, TERMS)] == [
            "customer CT-2026-00001",
            "invoice INV-2026-00001",
        ]

    def test_a_failed_invoice_is_said_to_have_failed(self) -> None:
        told = the_prerequisite(paying(invoice_zoho_id=None, invoice_phase="dead"))
        assert told.dead
        assert "which failed" in told.named

    def test_a_customer_that_does_not_exist_is_named_and_not_enqueued(self) -> None:
        told = the_prerequisite(standalone(customer_exists=False, account_number=None, customer_zoho_id=None))
        assert (told.awaited, told.id, told.enqueue) == (Awaited.CUSTOMER, CUSTOMER, False)
        assert "does not exist" in told.named

    def test_an_invoice_that_does_not_exist_is_named_and_not_enqueued(self) -> None:
        told = the_prerequisite(standalone(invoice_id=INVOICE))
        assert (told.awaited, told.id, told.enqueue) == (Awaited.INVOICE, INVOICE, False)
        assert str(INVOICE) in told.named

    def test_without_a_customer_of_its_own_a_missing_invoice_is_what_it_waits_for(self) -> None:
        row = standalone(customer_id=None, customer_exists=False, customer_zoho_id=None, invoice_id=INVOICE)
        assert awaited(row) == [(Awaited.INVOICE, INVOICE)]

    def test_a_draft_is_waited_for_and_not_enqueued(self) -> None:
        told = the_prerequisite(paying(invoice_status="draft", invoice_zoho_id=None))
        assert not told.enqueue
        assert "draft" in told.named

    def test_the_setting_wait_is_named(self) -> None:
        told = the_prerequisite(paying_recurring(), WAIT)
        assert (told.awaited, told.id, told.enqueue) == (Awaited.INVOICE, INVOICE, False)
        assert "ZOHO_RECURRING_PAYMENTS=wait" in told.named

    @pytest.mark.parametrize("kind", ["recurring", None, "", "subscription"])
    def test_match_waits_for_the_subscription_and_not_for_the_invoice(self, kind: str | None) -> None:
        service = Service(SERVICE, "Fibre 50/50", "active", "FIBRE-50", None, "ready")
        told = the_prerequisite(paying_recurring(invoice_type=kind, service=service))
        assert (told.awaited, told.id) == (Awaited.SUBSCRIPTION, SERVICE)
        assert told.named == "the subscription of service Fibre 50/50"

    def test_a_suspended_service_has_a_subscription_where_the_setting_keeps_it(self) -> None:
        row = paying_recurring(service=Service(SERVICE, "Fibre", "suspended", None, None, None))
        assert awaited(row) == [(Awaited.SUBSCRIPTION, SERVICE)]
        assert awaited(row, replace(TERMS, on_suspend=OnSuspend.CANCEL)) == []

    def test_where_the_host_bills_a_recurring_invoice_is_like_any_other(self) -> None:
        assert awaited(paying_recurring(), HOST_BILLS) == [(Awaited.INVOICE, INVOICE)]

    def test_a_refunded_payment_waits_for_nobody(self) -> None:
        assert awaited(paying(status="refunded", customer_zoho_id=None, invoice_zoho_id=None)) == []


class TestWhoBills:
    @pytest.mark.parametrize("kind", ["installation", "pro_rata", "equipment", "adjustment", " Installation "])
    def test_the_host_raises_what_is_billed_once(self, kind: str) -> None:
        assert not raised_by_zoho(kind, TERMS)

    @pytest.mark.parametrize("kind", ["recurring", None, "", "monthly"])
    def test_zoho_raises_everything_else_unless_the_host_bills(self, kind: str | None) -> None:
        assert raised_by_zoho(kind, TERMS)
        assert not raised_by_zoho(kind, HOST_BILLS)


class TestRefunded:
    def test_it_is_not_created(self) -> None:
        wanted = desired(paying(status="refunded"))
        assert wanted.lifecycle == "refunded"
        assert wanted.only_if_there is not None

    @pytest.mark.parametrize("change", [{"currency": "USD"}, {"customer_id": None, "customer_zoho_id": None}])
    def test_what_could_not_have_been_sent_needs_no_mending_any_more(self, change: dict[str, Any]) -> None:
        assert desired(standalone(status="refunded", **change)).only_if_there is not None

    def test_a_completed_payment_is_created(self) -> None:
        assert (desired(paying()).lifecycle, desired(paying()).only_if_there) == ("paid", None)


class TestHash:
    def test_it_stays_the_same_over_versions(self) -> None:
        # Another value writes every payment again on the day of the upgrade.
        assert desired(paying()).hash == "b50cb8b5d4719a901038defefe60ae92:paid"

    def test_it_ends_in_the_lifecycle(self) -> None:
        assert lifecycle_of(desired(paying(status="refunded")).hash) == "refunded"

    @pytest.mark.parametrize(
        "change",
        [
            {"amount": Decimal("1.00")},
            {"payment_method": "card"},
            {"completed_at": datetime(2026, 1, 1, tzinfo=UTC)},
            {"transaction_id": "B"},
            {"reference": "B"},
            {"status": "refunded"},
            {"customer_zoho_id": "c2"},
            {"invoice_zoho_id": "i2"},
            {"invoice_id": None, "invoice_zoho_id": None},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_what_is_sent_changes_it_the_link_to_an_invoice_included(self, change: dict[str, Any]) -> None:
        assert desired(paying(**change)).hash != desired(paying()).hash

    def test_a_link_to_another_recurring_invoice_changes_it(self) -> None:
        assert desired(paying_recurring(invoice_id=uuid4())).hash != desired(paying_recurring()).hash

    @pytest.mark.parametrize(
        "change",
        [
            {"taken_by_others": Decimal("700.00")},
            {"invoice_total": Decimal("1.00")},
            {"invoice_status": "paid"},
            {"invoice_status": "voided"},
            {"zoho_payment_id": "46"},
            {"customer_phase": "dead"},
        ],
        ids=str,
    )
    def test_what_other_rows_say_does_not(self, change: dict[str, Any]) -> None:
        assert desired(paying(**change)).hash == desired(paying()).hash

    def test_nor_does_the_day(self) -> None:
        assert desired(paying(), replace(TERMS, today=date(2030, 1, 1))).hash == desired(paying()).hash


def test_every_column_that_is_read_is_named_for_migrate() -> None:
    known = {column for columns in PAYMENT.capture.reads.values() for column in columns}
    assert set(PAYMENT.capture.mapped_columns) <= known
    assert {field.name for field in fields(PaymentRow)} & known >= {"amount", "status", "service_id", "invoice_type"}


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
amounts = st.decimals(Decimal("0.01"), Decimal("99999999.99"), places=2)
rows = st.builds(
    lambda changes, on: (paying if on else standalone)(**changes),
    st.fixed_dictionaries(
        {
            "id": st.uuids(),
            "transaction_id": texts,
            "reference": texts,
            "payment_method": st.none() | texts,
            "amount": amounts,
            "completed_at": st.none() | st.integers(0, 4_000_000_000).map(lambda at: datetime.fromtimestamp(at, UTC)),
            "taken_by_others": amounts | st.just(Decimal(0)),
        }
    ),
    st.booleans(),
)


class TestWhateverTheRow:
    @settings(deadline=None)
    @given(rows)
    def test_the_body_is_what_zohos_specification_allows(self, any_row: PaymentRow) -> None:
        sent = simplejson.loads(encode_body(body(any_row)))
        assert request_faults("POST", "/payments", sent) == []
        assert request_faults("PUT", "/payments/{payment_id}", {"invoices": [], **sent}) == []

    @settings(deadline=None)
    @given(rows)
    def test_no_more_is_applied_than_was_paid_or_is_left(self, any_row: PaymentRow) -> None:
        for application in body(any_row).get("invoices", []):
            assert any_row.invoice_total is not None
            left = any_row.invoice_total - any_row.taken_by_others
            assert 0 < application["amount_applied"] <= min(any_row.amount, left)
