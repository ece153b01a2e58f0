"""Services as subscriptions: every line of decisions.md, Subscriptions, and Zoho's specification as the judge."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.entities.contract import CannotMap, Desired, Found, Terms
from outbox.entities.service_row import ServiceRow
from outbox.settings import OnSuspend, RecurringBilling
from outbox.vocabulary import Awaited, FailureClass
from outbox.zoho.failures import Failure, FailureKind
from outbox.zoho.json_text import encode_body
from tests.unit.entities.subscriptions import (
    BACKFILL,
    CUSTOMER,
    ROW,
    SERVICE,
    SUBSCRIPTION,
    TERMS,
    TODAY,
    Record,
    Zoho,
    at_price,
    list_row,
    record,
    reply,
    service,
    wanted,
)
from tests.zoho_specifications.specification import request_faults

pytestmark = pytest.mark.anyio

NOT_ASKED_FOR = ("'card_id'", "'account_id'", "'customer'", "'tax_id'")
"""Marked required in the file, for collection by card and for new customers (sheet 7, the closed list of patches)."""

BY_HOST = replace(TERMS, recurring_billing=RecurringBilling.HOST)
SUSPENSION_CANCELS = replace(TERMS, on_suspend=OnSuspend.CANCEL)


async def prepared(row: ServiceRow = ROW, terms: Terms = TERMS) -> Desired:
    return await SUBSCRIPTION.prepare(Zoho(), row, wanted(row, terms), terms)


async def body(row: ServiceRow = ROW, terms: Terms = TERMS) -> Record:
    return dict(SUBSCRIPTION.create(await prepared(row, terms)).body or {})


class TestBody:
    async def test_a_service(self) -> None:
        assert await body() == {
            "customer_id": CUSTOMER,
            "plan": {
                "plan_code": "FIB-100",
                "price": Decimal("799.00"),
                "quantity": 1,
                "exclude_setup_fee": True,
                "exclude_trial": True,
            },
            "auto_collect": False,
            "custom_fields": [{"label": "External ID", "value": SERVICE}],
            "reference_id": SERVICE,
            "starts_at": "2026-12-01",
        }

    async def test_it_is_one_post_that_must_not_be_repeated(self) -> None:
        request = SUBSCRIPTION.create(await prepared())
        assert (request.method, request.path, dict(request.query)) == ("POST", "/subscriptions", {})
        assert not request.may_be_repeated

    async def test_zohos_specification_knows_every_key(self) -> None:
        faults = request_faults("POST", "/subscriptions", await body())
        assert [fault for fault in faults if not any(name in fault for name in NOT_ASKED_FOR)] == []

    async def test_an_organisation_without_the_field_gets_none(self) -> None:
        assert "custom_fields" not in await body(terms=replace(TERMS, external_id_label=None))

    async def test_blanks_round_the_sku_are_not_part_of_the_code(self) -> None:
        assert (await body(service(sku=" FIB-100 ")))["plan"]["plan_code"] == "FIB-100"

    @given(cents=st.integers(0, 10**9))
    def test_a_price_is_a_decimal_to_the_cent(self, cents: int) -> None:
        price = Decimal(cents).scaleb(-2)
        assert f'"price":{price}' in encode_body(wanted(service(monthly_price=price)).content).decode()

    @pytest.mark.parametrize("price", [Decimal("NaN"), Decimal("-1")])
    def test_a_price_that_is_none_cannot_be_sent(self, price: Decimal) -> None:
        with pytest.raises(CannotMap, match="monthly_price"):
            wanted(service(monthly_price=price))

    async def test_a_create_without_a_first_day_is_never_made(self) -> None:
        desired = await prepared()
        with pytest.raises(ValueError, match="first day"):
            SUBSCRIPTION.create(replace(desired, at_creation={"reference_id": SERVICE}))


class TestStart:
    async def test_a_missed_period_is_told_with_the_create(self) -> None:
        desired = await prepared(service(last_invoice_date=date(2026, 9, 1)))
        assert desired.at_creation["starts_at"] == "2026-12-01"
        assert desired.note == "nobody billed 2026-10-01 to 2026-11-30: raise it by hand"

    async def test_a_backfill_begins_nothing_today(self) -> None:
        row = service(billing_day=TODAY.day, activation_date=TODAY)
        assert (await body(row))["starts_at"] == "2026-11-21"
        assert (await body(row, BACKFILL))["starts_at"] == "2026-12-21"

    @pytest.mark.parametrize(
        ("columns", "told"),
        [
            ({"activation_date": None, "last_invoice_date": None}, "activation_date and last_invoice_date are empty"),
            ({"billing_day": None}, "billing_day is empty"),
            ({"activation_date": date.max}, "9999-12-31"),
            ({"last_invoice_date": date.max}, "9999-12-31"),
        ],
        ids=["no date", "no billing day", "activated at the end of time", "billed to the end of time"],
    )
    async def test_a_create_that_knows_no_first_day_is_refused_and_says_why(
        self, columns: dict[str, Any], told: str
    ) -> None:
        with pytest.raises(CannotMap, match=told):
            await prepared(service(**columns))

    def test_a_record_that_is_there_needs_no_first_day(self) -> None:
        assert wanted(service(activation_date=None, billing_day=None)).lifecycle == "active"


class TestContent:
    def test_neither_the_day_nor_the_last_invoice_is_part_of_it(self) -> None:
        later = replace(TERMS, today=date(2027, 5, 2))
        assert wanted().hash == wanted(terms=later).hash == wanted(service(last_invoice_date=TODAY)).hash

    def test_it_does_not_tell_one_generation_from_another(self) -> None:
        renewed = replace(wanted(), look_key=f"{SERVICE}#2", at_creation={"reference_id": f"{SERVICE}#2"})
        assert renewed.hash == wanted().hash

    def test_it_is_the_price_and_the_plan(self) -> None:
        hashes = {
            wanted(row).hash
            for row in (
                ROW,
                service(monthly_price=Decimal("799.01")),
                service(sku="FIB-200"),
                service(status="cancelled"),
            )
        }
        assert len(hashes) == 4

    def test_what_changes_while_a_service_is_cancelled_is_not_taken_for_written(self) -> None:
        cancelled = service(status="cancelled", monthly_price=Decimal("899.00"))
        back = service(monthly_price=Decimal("899.00"))
        assert wanted(cancelled).hash.partition(":")[0] != wanted(back).hash.partition(":")[0]

    def test_a_suspended_service_is_an_active_one(self) -> None:
        assert wanted(service(status="suspended")).hash == wanted().hash

    @pytest.mark.parametrize(("status", "terms"), [("cancelled", TERMS), ("suspended", SUSPENSION_CANCELS)])
    def test_one_that_is_to_end_is_not_created(self, status: str, terms: Terms) -> None:
        desired = wanted(service(status=status), terms)
        assert desired.lifecycle == "cancelled"
        assert desired.only_if_there is not None
        assert status in desired.only_if_there

    def test_one_that_is_to_end_needs_no_package_price_or_date(self) -> None:
        row = service(
            status="cancelled",
            package_id=None,
            package_exists=False,
            sku=None,
            monthly_price=Decimal("NaN"),
            billing_day=None,
            customer_zoho_id=None,
        )
        assert wanted(row).lifecycle == "cancelled"


class TestEligible:
    @pytest.mark.parametrize("status", ["active", "suspended", "cancelled"])
    def test_services_that_were_active_are_sent(self, status: str) -> None:
        assert SUBSCRIPTION.ineligible(service(status=status), TERMS) is None

    @pytest.mark.parametrize(
        ("columns", "terms", "told"),
        [
            ({"account_type": "internal_test"}, TERMS, "internal_test"),
            ({}, BY_HOST, "ZOHO_RECURRING_BILLING=host"),
            ({"status": "pending"}, TERMS, "not active yet"),
            ({"status": "pending", "zoho_subscription_id": "70"}, TERMS, "70 is left as it is"),
            ({"status": "archived"}, TERMS, "'archived' is not known"),
        ],
    )
    def test_others_are_not_and_say_why(self, columns: dict[str, Any], terms: Terms, told: str) -> None:
        assert told in (SUBSCRIPTION.ineligible(service(**columns), terms) or "")


class TestPrerequisites:
    def test_nothing_is_missing(self) -> None:
        assert list(SUBSCRIPTION.prerequisites(ROW, TERMS)) == []

    def test_the_customer_comes_first(self) -> None:
        row = service(customer_zoho_id=None, publishing=None)
        first, second = SUBSCRIPTION.prerequisites(row, TERMS)
        assert (first.awaited, first.id, first.named) == (Awaited.CUSTOMER, row.customer_id, "customer CT-2025-00002")
        assert second.awaited is Awaited.PACKAGE

    @pytest.mark.parametrize(
        ("columns", "told"),
        [
            ({"publishing": None}, "product_integrations has no row for it: publish it"),
            (
                {"publishing": "failed", "publishing_error": "Invalid\nproduct"},
                "sync_status is 'failed' (Invalid, product): publish it",
            ),
            ({"publishing": "pending"}, "sync_status is 'pending': publish it"),
            ({"sku": None}, "sku is empty"),
            ({"sku": "  "}, "sku is empty"),
            ({"package_exists": False, "publishing": None, "sku": None}, "correct package_id"),
        ],
    )
    def test_a_package_that_is_not_published_is_named_with_what_it_lacks(
        self, columns: dict[str, Any], told: str
    ) -> None:
        (waited,) = SUBSCRIPTION.prerequisites(service(**columns), TERMS)
        assert (waited.awaited, waited.id, waited.enqueue) == (Awaited.PACKAGE, ROW.package_id, False)
        assert told in waited.named
        assert waited.named.startswith("package ")
        assert "\n" not in waited.named

    def test_a_package_that_is_not_there_lacks_nothing_else(self) -> None:
        (waited,) = SUBSCRIPTION.prerequisites(service(package_exists=False, publishing=None, sku=None), TERMS)
        assert waited.named.endswith("(service_packages has no such row: correct package_id)")

    def test_everything_that_a_package_lacks_is_told_at_once(self) -> None:
        (waited,) = SUBSCRIPTION.prerequisites(service(publishing=None, sku=""), TERMS)
        assert "no row" in waited.named
        assert "sku is empty" in waited.named

    def test_a_service_without_a_package_waits_for_nothing_and_is_refused(self) -> None:
        row = service(package_id=None, package_exists=False, publishing=None, sku=None)
        assert list(SUBSCRIPTION.prerequisites(row, TERMS)) == []
        with pytest.raises(CannotMap, match=r"\(Fibre 100\): set package_id"):
            wanted(row)

    @pytest.mark.parametrize(("status", "terms"), [("cancelled", TERMS), ("suspended", SUSPENSION_CANCELS)])
    def test_nobody_keeps_a_service_from_being_cancelled(self, status: str, terms: Terms) -> None:
        row = service(status=status, customer_zoho_id=None, publishing="failed")
        assert list(SUBSCRIPTION.prerequisites(row, terms)) == []


class TestNames:
    def test_a_service_is_named_without_a_person(self) -> None:
        assert SUBSCRIPTION.named(ROW) == "service Fibre 100 of customer CT-2025-00002"

    def test_without_a_number_or_a_name_the_ids_are_told(self) -> None:
        row = service(account_number=None, package_name=" ")
        assert SUBSCRIPTION.named(row) == f"service {SERVICE} of customer {row.customer_id}"


class TestReply:
    async def test_the_record_stands_under_subscription(self) -> None:
        found = SUBSCRIPTION.created(reply({"subscription": record("71")}))
        assert found.zoho_id == "71"

    @pytest.mark.parametrize("shown", [{}, {"subscription": {}}, {"subscription": []}, {"customer": record()}])
    def test_a_reply_that_names_none_leaves_the_fate_unknown(self, shown: dict[str, Any]) -> None:
        with pytest.raises(KeyError):
            SUBSCRIPTION.created(reply(shown))


class TestMismatch:
    async def test_what_was_asked_for_is_no_mismatch(self) -> None:
        assert SUBSCRIPTION.mismatch(record(status="future"), await prepared()) is None

    @pytest.mark.parametrize(
        ("figure", "ok"), [("799.05", True), ("798.95", True), ("799.06", False), ("918.85", False)]
    )
    async def test_a_term_costs_the_price_to_five_cents(self, figure: str, ok: bool) -> None:
        told = SUBSCRIPTION.mismatch(record(amount=Decimal(figure)), await prepared())
        assert (told is None) is ok
        if told is not None:
            assert figure in told
            assert "799.00" in told

    async def test_a_reply_without_an_amount_is_no_proof(self) -> None:
        assert "None a term" in (SUBSCRIPTION.mismatch(record(amount=""), await prepared()) or "")

    @pytest.mark.parametrize("begins", ["later", "today"])
    async def test_an_invoice_is_raised_only_by_what_begins_today(self, begins: str) -> None:
        row = service(billing_day=TODAY.day, activation_date=TODAY) if begins == "today" else ROW
        told = SUBSCRIPTION.mismatch(record(child_invoice_id="88"), await prepared(row))
        if begins == "today":
            assert told is None
        else:
            assert told is not None
            assert "invoice 88 although it begins on 2026-12-01: void it" in told

    @pytest.mark.parametrize(("terms", "is_told"), [(TERMS, False), (BACKFILL, True)], ids=["live", "backfill"])
    async def test_one_that_left_before_midnight_and_arrived_after_it_begins_on_that_day(
        self, terms: Terms, is_told: bool
    ) -> None:
        told = SUBSCRIPTION.mismatch(
            record(child_invoice_id="88", created_time="2026-12-01T00:00:03+0200"), await prepared(ROW, terms)
        )
        assert (told is not None) is is_told

    def test_the_invoices_of_a_record_that_is_updated_are_its_own(self) -> None:
        assert SUBSCRIPTION.mismatch(record(child_invoice_id="88"), wanted()) is None

    async def test_a_backfill_that_raised_an_invoice_is_told(self) -> None:
        row = service(billing_day=TODAY.day, activation_date=TODAY)
        told = SUBSCRIPTION.mismatch(record(child_invoice_id="88"), await prepared(row, BACKFILL))
        assert "invoice 88" in (told or "")

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"plan": {"plan_code": "FIB-20", "price": 799, "quantity": 1}}, "FIB-20 where FIB-100"),
            ({"customer": {"customer_id": "9009"}}, f"9009 where {CUSTOMER}"),
            ({"reference_id": ""}, "did not keep its reference"),
            ({"custom_fields": [{"label": "Region", "value": "West"}]}, "did not keep the custom field"),
            ({"status": "creation_failed"}, "creation_failed right after"),
        ],
    )
    async def test_what_zoho_made_otherwise_is_told(self, fields: dict[str, Any], told: str) -> None:
        assert told in (SUBSCRIPTION.mismatch(record(**fields), await prepared()) or "")

    async def test_all_of_it_is_told_at_once(self) -> None:
        told = SUBSCRIPTION.mismatch(record(amount=Decimal("918.85"), child_invoice_id="88"), await prepared())
        assert told is not None
        assert "918.85" in told
        assert "88" in told

    def test_of_a_cancelled_one_nothing_was_written(self) -> None:
        assert SUBSCRIPTION.mismatch(record(amount=Decimal(0)), wanted(service(status="cancelled"))) is None


class TestDiffers:
    @pytest.mark.parametrize("from_list", [False, True])
    def test_what_is_as_it_should_be_is_not_written(self, from_list: bool) -> None:
        shown = list_row(record()) if from_list else record()
        assert not SUBSCRIPTION.differs(Found("70", shown, from_list), wanted())

    @pytest.mark.parametrize("from_list", [False, True])
    @pytest.mark.parametrize(
        "changed",
        [
            at_price("749"),
            at_price("799", code="FIB-20"),
            record(amount=Decimal("918.85")),
            record(reference_id="by hand"),
            record(custom_fields=[]),
            record(auto_collect=True),
        ],
        ids=["price", "plan", "tax on top", "reference", "no External ID", "collects by itself"],
    )
    def test_what_is_not_is_written(self, changed: Record, from_list: bool) -> None:
        shown = list_row(changed) if from_list else changed
        assert SUBSCRIPTION.differs(Found("70", shown, from_list), wanted())

    def test_a_plan_that_is_billed_three_times_is_written(self) -> None:
        plan = {"plan_code": "FIB-100", "price": Decimal("799"), "quantity": 3}
        assert SUBSCRIPTION.differs(Found("70", record(plan=plan)), wanted())

    def test_a_list_row_that_shows_no_plan_is_no_proof(self) -> None:
        shown = {key: value for key, value in list_row(record()).items() if key != "plan_code"}
        assert SUBSCRIPTION.differs(Found("70", shown, from_list=True), wanted())

    def test_the_second_generation_keeps_its_reference(self) -> None:
        assert not SUBSCRIPTION.differs(Found("70", record(reference_id=f"{SERVICE}#2")), wanted())

    def test_nothing_is_written_to_one_that_is_to_end(self) -> None:
        assert not SUBSCRIPTION.differs(Found("70", at_price("1")), wanted(service(status="cancelled")))


class TestLifecycle:
    @pytest.mark.parametrize(
        ("status", "lifecycle"),
        [
            *((word, "active") for word in ("live", "trial", "future", "dunning", "unpaid", "past_due", "active")),
            *((word, "active") for word in ("paused", "something new", "")),
            ("non_renewing", "ending"),
            *((word, "cancelled") for word in ("cancelled", "cancelled_from_dunning", "expired", "trial_expired")),
            ("creation_failed", "cancelled"),
        ],
    )
    def test_an_unknown_word_is_never_taken_for_an_end(self, status: str, lifecycle: str) -> None:
        assert SUBSCRIPTION.lifecycle(record(status=status)) == lifecycle


class TestAdvice:
    @staticmethod
    def failure(code: int) -> Failure:
        return Failure(FailureClass.PERMANENT, FailureKind.NOT_FOUND, "Invalid", "", http_status=400, code=code)

    def test_a_plan_that_zoho_has_not_is_named_with_its_package(self) -> None:
        told = SUBSCRIPTION.advice(self.failure(101002), wanted()) or ""
        assert "'FIB-100'" in told
        assert "'Fibre 100/50'" in told

    def test_a_customer_that_zoho_has_no_more_is_named(self) -> None:
        assert CUSTOMER in (SUBSCRIPTION.advice(self.failure(3004), wanted()) or "")

    def test_of_anything_else_zohos_words_will_do(self) -> None:
        assert SUBSCRIPTION.advice(self.failure(1002), wanted()) is None


def test_a_capture_reads_every_column_that_is_mapped() -> None:
    capture = SUBSCRIPTION.capture
    assert set(capture.mapped_columns) <= set(capture.reads["customer_services"])
    assert "last_invoice_date" not in capture.mapped_columns
    assert UUID(SERVICE) == ROW.id
