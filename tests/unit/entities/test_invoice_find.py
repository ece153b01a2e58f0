"""Invoices found again in Zoho: by the exact number, with equal customer and total, and raised by no subscription."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from outbox.entities.contract import Found, NotOurs, Terms
from outbox.vocabulary import FailureClass
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from tests.unit.entities.invoices import ANOTHERS, INVOICE, OURS, TERMS, Zoho, desired, record, row

pytestmark = pytest.mark.anyio

FILTERS = ["honoured", "ignored", "400", "404"]


async def find(zoho: Zoho, *earlier: str, terms: Terms = TERMS, **changes: Any) -> list[Found | NotOurs]:
    invoice = row(**changes)
    return await INVOICE.find(zoho, invoice, INVOICE.desired(invoice, terms), earlier, terms)


def ids(answers: list[Found | NotOurs]) -> list[tuple[str, str]]:
    return [(type(answer).__name__, answer.zoho_id) for answer in answers]


async def the_reason(zoho: Zoho, **changes: Any) -> str:
    (answer,) = await find(zoho, **changes)
    assert isinstance(answer, NotOurs)
    return answer.reason


@pytest.mark.parametrize("number_filter", FILTERS)
async def test_our_number_is_found_whatever_the_filter_does(number_filter: str) -> None:
    zoho = Zoho(
        record("6", invoice_number="INV-2025-00020"),
        record("7"),
        record("8", invoice_number="INV-2025-0000"),
        number_filter=number_filter,
    )
    assert ids(await find(zoho)) == [("Found", "7")]


@pytest.mark.parametrize("number_filter", FILTERS)
async def test_nothing_is_found_where_nobody_has_the_number(number_filter: str) -> None:
    zoho = Zoho(record("6", invoice_number="INV-2025-00003"), number_filter=number_filter)
    assert await find(zoho) == []


@pytest.mark.parametrize("number", [" INV-2025-00002 ", "inv-2025-00002"])
async def test_a_number_is_the_same_in_any_case_and_between_blanks(number: str) -> None:
    zoho = Zoho(record("7", invoice_number=number), number_filter="ignored")
    assert ids(await find(zoho)) == [("Found", "7")]


async def test_lists_may_call_it_number() -> None:
    renamed = record("7")
    renamed["number"] = renamed.pop("invoice_number")

    class Named(Zoho):
        async def listed(self, keys: Any, *, make: bool = False) -> Any:
            return [{"invoice_id": "7", "number": "INV-2025-00002"}]

    assert ids(await find(Named(renamed))) == [("Found", "7")]


async def test_the_record_is_the_detail_and_not_the_list_row() -> None:
    (answer,) = await find(Zoho(record("7")))
    assert isinstance(answer, Found)
    assert answer.record["invoice_items"]
    assert not answer.from_list


async def test_where_the_number_cannot_be_asked_for_the_customers_invoices_are_read() -> None:
    zoho = Zoho(record("7"), number_filter="400")
    await find(zoho)
    assert zoho.asked == [
        "GET /invoices invoice_number=INV-2025-00002",
        "GET /invoices customer_id=46",
        "GET /invoices/7",
        # Whether a subscription raised it: it does not carry our External ID.
        "GET /subscriptions customer_id=46",
    ]


async def test_a_blank_key_then_asks_for_everybodys() -> None:
    zoho = Zoho(record("7", customer_id="47"), number_filter="400")
    assert ids(await find(zoho)) == []
    assert ids(await find(zoho, "")) == [("NotOurs", "7")]


async def test_a_list_that_was_read_before_is_asked_first() -> None:
    zoho = Zoho(record("7"), listing=[record("7"), record("8", invoice_number="INV-9")])
    assert ids(await find(zoho)) == [("Found", "7")]
    assert zoho.asked == ["GET /invoices/7", "GET /subscriptions customer_id=46"]


async def test_a_list_that_does_not_have_it_costs_no_request() -> None:
    zoho = Zoho(listing=[record("8", invoice_number="INV-9")])
    assert await find(zoho) == []
    assert zoho.asked == []


@pytest.mark.parametrize("in_backfill", [True, False])
async def test_the_whole_list_is_made_for_a_backfill_alone(in_backfill: bool) -> None:
    zoho = Zoho()
    await find(zoho, terms=replace(TERMS, in_backfill=in_backfill))
    assert zoho.made == [in_backfill]


class TestWhoseItIs:
    async def test_another_customers_invoice_of_our_number_is_named(self) -> None:
        reason = await the_reason(Zoho(record("7", customer_id="47")))
        assert "Zoho invoice 7" in reason
        assert "belongs to Zoho customer 47, this row to 46" in reason

    @pytest.mark.parametrize("total", ["1725.06", "1724.94", "172.50"])
    async def test_another_total_is_told_with_both_figures(self, total: str) -> None:
        reason = await the_reason(Zoho(record("7", total=Decimal(total))))
        assert f"the total {total}, this row 1725.00" in reason

    @pytest.mark.parametrize("total", ["1725.05", "1724.95"])
    async def test_five_cents_are_no_other_total(self, total: str) -> None:
        assert ids(await find(Zoho(record("7", total=Decimal(total))))) == [("Found", "7")]

    async def test_what_a_subscription_raised_is_never_taken(self) -> None:
        # One that ended and was followed, or whose service was deleted here, is known to Zoho alone.
        zoho = Zoho(record("7"), subscriptions={"s1": [], "s2": ["7"]})
        reason = await the_reason(zoho)
        assert "Zoho invoice 7 has the number INV-2025-00002 and was raised by Zoho subscription s2" in reason

    async def test_subscriptions_that_raised_others_do_not_matter(self) -> None:
        zoho = Zoho(record("7"), record("8", invoice_number="INV-9"), subscriptions={"s1": ["8"], "unknown": []})
        assert ids(await find(zoho)) == [("Found", "7")]

    async def test_a_failure_to_ask_about_a_subscription_is_no_answer(self) -> None:
        for asked in ("GET /invoices subscription_id=s1", "GET /subscriptions customer_id=46"):
            zoho = Zoho(record("7"), subscriptions={"s1": []})
            zoho.refusals[asked] = CallFailed(Failure(FailureClass.OUTAGE, FailureKind.SERVER_ERROR, "broken", ""))
            with pytest.raises(CallFailed):
                await find(zoho)

    async def test_anothers_external_id_refuses_it(self) -> None:
        assert ANOTHERS in await the_reason(Zoho(record("7", holder=ANOTHERS)))

    async def test_our_external_id_proves_it_though_the_row_was_edited_since(self) -> None:
        zoho = Zoho(record("7", holder=str(OURS), total=Decimal(5), customer_id="47"))
        assert ids(await find(zoho)) == [("Found", "7")]
        assert zoho.asked[-1] == "GET /invoices/7"

    async def test_a_create_that_left_before_the_row_was_edited_is_known_by_what_it_said(self) -> None:
        before = desired().look_key
        after: dict[str, Any] = {
            "invoice_number": "INV-2025-00003",
            "total_amount": Decimal("100.00"),
            "line_items": None,
        }
        assert ids(await find(Zoho(record("7")), before, **after)) == [("Found", "7")]
        assert await find(Zoho(record("7")), **after) == []

    async def test_two_of_ours_are_both_told(self) -> None:
        assert ids(await find(Zoho(record("7"), record("8")))) == [("Found", "7"), ("Found", "8")]

    async def test_ours_is_found_beside_anothers_of_the_same_number(self) -> None:
        assert ids(await find(Zoho(record("6", customer_id="47"), record("7")))) == [("Found", "7")]

    async def test_a_record_that_goes_away_between_list_and_detail_is_not_taken(self) -> None:
        assert await find(Zoho(listing=[record("7")])) == []

    async def test_a_void_one_and_a_draft_are_found_too(self) -> None:
        for status in ("void", "draft"):
            assert ids(await find(Zoho(record("7", status=status)))) == [("Found", "7")]

    async def test_a_voided_row_finds_what_is_to_be_made_void(self) -> None:
        assert ids(await find(Zoho(record("7")), status="voided")) == [("Found", "7")]


class TestExamine:
    async def examine(self, zoho: Zoho, **changes: Any) -> Found | NotOurs:
        return await INVOICE.examine(zoho, row(**changes), "7", desired(**changes), TERMS)

    async def test_number_customer_and_total_make_it_ours(self) -> None:
        assert isinstance(await self.examine(Zoho(record("7"))), Found)

    async def test_another_number_is_told_with_both(self) -> None:
        answer = await self.examine(Zoho(record("7", invoice_number="INV-9")))
        assert isinstance(answer, NotOurs)
        assert "the number 'INV-9', this row 'INV-2025-00002'" in answer.reason

    async def test_our_external_id_makes_it_ours_whatever_its_number(self) -> None:
        assert isinstance(await self.examine(Zoho(record("7", invoice_number="INV-9", holder=str(OURS)))), Found)

    async def test_an_invoice_that_is_not_there_is_not_ours(self) -> None:
        answer = await self.examine(Zoho())
        assert isinstance(answer, NotOurs)
        assert answer.reason == "Zoho has no invoice 7: correct or clear zoho_billing_invoice_id"

    async def test_another_failure_is_not_taken_for_absence(self) -> None:
        zoho = Zoho(record("7"))
        zoho.refusals["GET /invoices/7"] = CallFailed(
            Failure(FailureClass.OUTAGE, FailureKind.SERVER_ERROR, "broken", "")
        )
        with pytest.raises(CallFailed):
            await self.examine(zoho)


class TestDiffers:
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"status": "overdue"},
            {"invoice_number": "INV-2025-00002", "number": "INV-2025-00002"},
            {"adjustment": 0, "shipping_charge": "0"},
            {"total": "1725.00"},
        ],
    )
    def test_what_holds_it_does_not(self, fields: dict[str, Any]) -> None:
        assert not INVOICE.differs(Found("7", record(holder=str(OURS), **fields)), desired())

    @pytest.mark.parametrize(
        "fields",
        [
            {"date": "2025-11-05"},
            {"due_date": ""},
            {"notes": "x"},
            {"invoice_number": "inv-2025-00002"},
            {"custom_fields": []},
            {"is_inclusive_tax": False},
            {"adjustment": Decimal("0.01")},
            {"invoice_items": []},
            {"invoice_items": [{"name": "Installation", "price": 0, "quantity": 1, "tax_id": "t15"}]},
            {"invoice_items": [{"name": "Installation", "price": 1725, "quantity": 1, "tax_id": ""}]},
            {"invoice_items": [{"name": "Install", "price": 1725, "quantity": 1, "tax_id": "t15"}]},
        ],
    )
    def test_whatever_else_stands_there_does(self, fields: dict[str, Any]) -> None:
        assert INVOICE.differs(Found("7", record(holder=str(OURS)) | fields), desired())

    def test_a_list_row_is_written_to_be_known(self) -> None:
        assert INVOICE.differs(Found("7", record(holder=str(OURS)), from_list=True), desired())

    def test_a_paid_one_of_our_customer_and_total_is_taken_as_it_stands(self) -> None:
        paid = record(status="paid", payment_made=Decimal(1725), invoice_items=[])
        assert not INVOICE.differs(Found("7", paid), desired())
        assert INVOICE.differs(Found("7", paid | {"total": Decimal(5)}), desired())

    def test_the_texts_of_a_paid_one_that_we_made_are_written(self) -> None:
        """Its id was cleared by hand, and its notes were edited: found again, it must not end with the old notes."""
        paid: dict[str, Any] = {"status": "paid", "payment_made": Decimal(1725), "notes": "x"}
        assert INVOICE.differs(Found("7", record(holder=str(OURS), **paid)), desired())
        assert not INVOICE.differs(Found("7", record(**paid)), desired())
        assert not INVOICE.differs(Found("7", record(holder=str(OURS), **paid, invoice_items=[])), desired())

    def test_what_is_to_be_void_is_not_written(self) -> None:
        assert not INVOICE.differs(Found("7", record(notes="x")), desired(status="voided"))
