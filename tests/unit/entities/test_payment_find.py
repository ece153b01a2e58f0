"""Payments found again in Zoho: the reference number decides, whatever else is equal."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from outbox.entities.contract import Found, NotOurs, Terms
from outbox.entities.payment_look import Look, looks_of
from outbox.entities.payment_row import PaymentRow
from outbox.entities.probed import Filter, Known
from outbox.vocabulary import FailureClass
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from tests.unit.entities.payments import (
    ANOTHER_ID,
    ID,
    PAYMENT,
    TERMS,
    FakeZoho,
    desired,
    invoice,
    paying,
    record,
    standalone,
    transaction,
)

pytestmark = pytest.mark.anyio

BACKFILL = replace(TERMS, in_backfill=True)
BY_REFERENCE = Known(payments_by_reference=Filter.HONOURED)
BY_CUSTOMER = Known(payments_by_customer=Filter.HONOURED)
NO_FIELD = replace(TERMS, external_id_label=None)


def on_invoice(*payment_ids: str, reference: str = str(ID)) -> dict[str, Any]:
    return invoice(
        payments=[{"payment_id": payment_id, "reference_number": reference} for payment_id in payment_ids], balance=0
    )


def anothers(payment_id: str, **fields: Any) -> dict[str, Any]:
    """Equal in customer, day and amount; another row's."""
    return record(payment_id, reference_number=str(ANOTHER_ID), custom_fields=[], **fields)


async def find(
    zoho: FakeZoho, row: PaymentRow | None = None, *earlier: str, terms: Terms = TERMS
) -> list[tuple[str, str]]:
    row = row or paying()
    answers = await PAYMENT.find(zoho, row, desired(row, terms), earlier, terms)
    return [(type(answer).__name__, answer.zoho_id) for answer in answers]


async def test_it_is_found_on_its_invoice() -> None:
    zoho = FakeZoho(record("p1", date="2020-01-01"), invoices=[on_invoice("p1")])
    assert await find(zoho) == [("Found", "p1")]


async def test_a_credit_is_found_among_the_customers_transactions() -> None:
    zoho = FakeZoho(record("p1"), invoices=[invoice()])
    assert await find(zoho) == [("Found", "p1")]
    assert await find(zoho, standalone()) == [("Found", "p1")]


@pytest.mark.parametrize("terms", [TERMS, NO_FIELD], ids=["External ID", "no External ID"])
async def test_two_equal_payments_do_not_take_each_others_record(terms: Terms) -> None:
    zoho = FakeZoho(anothers("p0"), record("p1"), anothers("p2"), invoices=[invoice()])
    assert await find(zoho, terms=terms) == [("Found", "p1")]
    del zoho.payments["p1"]
    assert await find(zoho, terms=terms) == []


async def test_only_candidates_of_equal_day_and_amount_are_read() -> None:
    zoho = FakeZoho(record("p0", date="2026-03-03"), record("p2", amount=Decimal("799.01")), invoices=[invoice()])
    assert await find(zoho) == []
    assert zoho.asked == ["GET /invoices/i1", "GET /transactions c1"]


async def test_a_payment_that_went_out_twice_is_found_twice() -> None:
    zoho = FakeZoho(record("p1"), record("p2"), invoices=[on_invoice("p1")])
    assert await find(zoho) == [("Found", "p1"), ("Found", "p2")]


async def test_it_is_found_under_what_an_earlier_create_said() -> None:
    earlier = Look("c7", "i7", "2026-01-01", Decimal("5.00")).key
    zoho = FakeZoho(record("p1", customer_id="c7", date="2026-01-01", amount=Decimal(5)), invoices=[invoice()])
    assert await find(zoho) == []
    assert await find(zoho, paying(), earlier, "", "refund p9") == [("Found", "p1")]


async def test_an_invoice_or_payment_that_is_gone_from_zoho_is_no_hit() -> None:
    zoho = FakeZoho(invoices=[on_invoice("p1")])
    assert await find(zoho) == []
    assert await find(FakeZoho(record("p1"))) == [("Found", "p1")]


async def test_our_reference_number_under_anothers_external_id_is_not_taken() -> None:
    zoho = FakeZoho(record("p1", custom_fields=[{"label": "External ID", "value": str(ANOTHER_ID)}]))
    assert await find(zoho) == [("NotOurs", "p1")]


async def test_our_external_id_is_ours_whatever_people_made_of_the_reference() -> None:
    assert await find(FakeZoho(record("p1", reference_number="from the bank"))) == [("Found", "p1")]


class TestFromAList:
    async def test_only_candidates_of_the_list_are_read(self) -> None:
        payments = [anothers("p0"), record("p1"), record("p2", date="2026-01-01")]
        zoho = FakeZoho(*payments, invoices=[on_invoice("p1")], listed=[transaction(each) for each in payments])
        assert await find(zoho) == [("Found", "p1")]
        assert zoho.asked == ["GET /payments/p0", "GET /payments/p1"]

    async def test_nothing_listed_costs_no_request(self) -> None:
        zoho = FakeZoho(listed=[])
        assert await find(zoho) == []
        assert zoho.asked == []

    @pytest.mark.parametrize(("terms", "made"), [(TERMS, False), (BACKFILL, True)], ids=["live", "backfill"])
    async def test_a_list_is_read_for_a_backfill_and_not_for_one_payment(self, terms: Terms, made: bool) -> None:
        zoho = FakeZoho(invoices=[invoice()])
        await find(zoho, terms=terms)
        assert zoho.made is made

    @pytest.mark.parametrize("amount", ["799.00", "799", Decimal("799.0")])
    async def test_amounts_of_a_list_are_text_or_numbers(self, amount: Any) -> None:
        key = PAYMENT.listed_under({"date": "2026-03-02", "amount": amount, "type": "payment"})
        assert key == PAYMENT.listed_under(transaction(record()))

    @pytest.mark.parametrize("row", [{"date": "2026-03-02"}, {"type": "invoice", "date": "2026-03-02", "amount": "1"}])
    async def test_what_is_no_payment_stands_under_no_key(self, row: dict[str, Any]) -> None:
        assert PAYMENT.listed_under(row) == []


class TestAmongManyOfAList:
    """A debit-order day: the list shows more payments of one day and amount than are worth reading."""

    def with_others(self, *payments: dict[str, Any], others: int = 5) -> FakeZoho:
        theirs = [anothers(f"q{number}", customer_id=f"d{number}") for number in range(others)]
        return self.listing(*theirs, *payments)

    def listing(self, *payments: dict[str, Any]) -> FakeZoho:
        return FakeZoho(*payments, invoices=[invoice()], listed=[transaction(each) for each in payments])

    async def test_one_that_is_there_costs_three_requests_where_it_has_an_invoice(self) -> None:
        zoho = self.with_others(record("p1"))
        assert await find(zoho, terms=BACKFILL) == [("Found", "p1")]
        assert zoho.asked == ["GET /invoices/i1", "GET /transactions c1", "GET /payments/p1"]

    async def test_one_that_is_not_costs_two_where_it_has_an_invoice_and_else_one(self) -> None:
        zoho = self.with_others()
        assert await find(zoho, terms=BACKFILL) == []
        assert zoho.asked == ["GET /invoices/i1", "GET /transactions c1"]
        zoho.asked.clear()
        assert await find(zoho, standalone(), terms=BACKFILL) == []
        assert zoho.asked == ["GET /transactions c1"]

    @pytest.mark.parametrize(("others", "requests"), [(0, 0), (1, 1), (2, 2), (3, 2), (50, 2)])
    async def test_what_others_paid_costs_no_more_than_two(self, others: int, requests: int) -> None:
        zoho = self.with_others(others=others)
        assert await find(zoho, terms=BACKFILL) == []
        assert len(zoho.asked) == requests

    @pytest.mark.parametrize("known", [BY_REFERENCE, BY_CUSTOMER], ids=["reference", "customer"])
    async def test_a_filter_that_is_honoured_costs_one_more(self, known: Known) -> None:
        zoho = self.with_others(others=50)
        assert await find(zoho, terms=replace(BACKFILL, known=known)) == []
        assert len(zoho.asked) == 3

    async def test_of_a_customers_own_equal_payments_the_reference_number_decides(self) -> None:
        zoho = self.with_others(anothers("p0"), record("p1"), anothers("p2"), record("p3", date="2026-01-01"))
        assert await find(zoho) == [("Found", "p1")]
        assert zoho.asked == [
            "GET /invoices/i1",
            "GET /transactions c1",
            "GET /payments/p0",
            "GET /payments/p1",
            "GET /payments/p2",
        ]

    async def test_one_that_went_out_twice_is_found_twice(self) -> None:
        assert await find(self.with_others(record("p1"), record("p2"))) == [("Found", "p1"), ("Found", "p2")]

    async def test_one_that_was_made_after_the_list_is_found(self) -> None:
        zoho = self.with_others()
        zoho.payments["p1"] = record("p1")
        assert await find(zoho) == [("Found", "p1")]

    async def test_our_reference_number_under_anothers_external_id_is_not_taken(self) -> None:
        theirs = record("p1", custom_fields=[{"label": "External ID", "value": str(ANOTHER_ID)}])
        assert await find(self.with_others(theirs)) == [("NotOurs", "p1")]

    async def test_our_external_id_is_ours_whatever_people_made_of_the_reference(self) -> None:
        assert await find(self.with_others(record("p1", reference_number="from the bank"))) == [("Found", "p1")]

    async def test_it_is_found_under_the_customer_that_an_earlier_create_named(self) -> None:
        earlier = Look("c7", "", "2026-03-02", Decimal(799)).key
        zoho = self.with_others(record("p1", customer_id="c7"))
        assert await find(zoho, paying(), earlier) == [("Found", "p1")]
        assert zoho.asked == ["GET /invoices/i1", "GET /transactions c1", "GET /transactions c7", "GET /payments/p1"]

    async def test_where_nobody_knows_whose_it_is_each_is_read(self) -> None:
        """A refunded payment does not wait for its customer, and is paid back where it is found."""
        zoho = self.with_others(record("p1"))
        assert await find(zoho, standalone(status="refunded", customer_zoho_id=None)) == [("Found", "p1")]
        assert len(zoho.asked) == 6

    async def test_one_that_was_moved_to_another_customer_is_found_among_few(self) -> None:
        assert await find(self.with_others(record("p1", customer_id="c9"), others=1)) == [("Found", "p1")]

    async def test_one_that_was_moved_to_another_customer_is_found_among_many_by_its_reference_number(self) -> None:
        zoho = self.with_others(record("p1", customer_id="c9"))
        assert await find(zoho, terms=replace(TERMS, known=BY_REFERENCE)) == [("Found", "p1")]
        assert zoho.asked == [f"GET /payments {ID}", "GET /payments/p1"]

    @pytest.mark.parametrize("known", [BY_REFERENCE, BY_CUSTOMER], ids=["reference", "customer"])
    async def test_one_whose_day_was_corrected_in_zoho_is_found_by_the_filter_that_is_honoured(
        self, known: Known
    ) -> None:
        zoho = self.with_others(record("p1", date="2026-03-03"))
        assert await find(zoho, standalone(), terms=replace(TERMS, known=known)) == [("Found", "p1")]

    @pytest.mark.parametrize("answer", [Filter.UNKNOWN, Filter.IGNORED, Filter.REFUSED])
    async def test_one_whose_day_was_corrected_in_zoho_is_found_on_its_invoice(self, answer: Filter) -> None:
        known = Known(payments_by_reference=answer, payments_by_customer=answer)
        zoho = self.with_others(record("p1", date="2026-03-03"))
        zoho.invoices["i1"] = on_invoice("p1")
        assert await find(zoho, terms=replace(TERMS, known=known)) == [("Found", "p1")]
        assert zoho.asked == ["GET /invoices/i1", "GET /transactions c1", "GET /payments/p1"]

    async def test_an_equal_payment_of_the_customer_hides_none_that_was_moved_to_another(self) -> None:
        zoho = self.with_others(anothers("p0"), record("p1", customer_id="c9"))
        assert await find(zoho, terms=replace(BACKFILL, known=BY_REFERENCE)) == [("Found", "p1")]

    async def test_an_equal_payment_of_the_customer_hides_none_whose_day_was_corrected(self) -> None:
        zoho = self.with_others(anothers("p0"), record("p1", date="2026-03-03"))
        assert await find(zoho, terms=replace(BACKFILL, known=BY_REFERENCE)) == [("Found", "p1")]
        zoho.invoices["i1"] = on_invoice("p1")
        assert await find(zoho, terms=BACKFILL) == [("Found", "p1")]

    async def test_a_look_that_fails_is_no_proof_of_absence(self) -> None:
        class Down(FakeZoho):
            def rows(self, path: str, key: str, query: Any = None) -> Any:
                raise CallFailed(Failure(FailureClass.OUTAGE, FailureKind.SERVER_ERROR, "broken", ""))

        listed = [transaction(anothers(f"q{number}")) for number in range(3)]
        with pytest.raises(CallFailed):
            await find(Down(listed=listed))


async def test_a_look_can_be_read_back_from_its_key() -> None:
    look = Look("c1", "", "2026-03-02", Decimal("800.00"))
    assert looks_of([look.key, look.key, "", "refund p1", "a\nb\nc\nd"]) == [look]


class TestExamine:
    async def examine(
        self, *payments: dict[str, Any], row: PaymentRow | None = None, terms: Terms = TERMS
    ) -> Found | NotOurs:
        row = row or standalone()
        return await PAYMENT.examine(FakeZoho(*payments), row, "p1", desired(row), terms)

    @pytest.mark.parametrize(
        "fields",
        [
            {"reference_number": "from the bank"},
            {"custom_fields": []},
            {"reference_number": "NC-0001", "custom_fields": []},
        ],
        ids=["External ID", "reference number", "the provider's number with equal amount"],
    )
    async def test_it_is_ours(self, fields: dict[str, Any]) -> None:
        assert isinstance(await self.examine(record(**fields)), Found)

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"custom_fields": [{"label": "External ID", "value": str(ANOTHER_ID)}]}, "another row's"),
            ({"reference_number": str(ANOTHER_ID), "custom_fields": []}, f"set its reference number to {ID}"),
            ({"reference_number": "", "custom_fields": []}, "reference number (none)"),
            ({"reference_number": "NC-0001", "custom_fields": [], "amount": Decimal(1)}, "reference number NC-0001"),
        ],
        ids=["External ID", "reference number", "nothing", "another amount"],
    )
    async def test_it_is_not_ours_and_why(self, fields: dict[str, Any], told: str) -> None:
        answer = await self.examine(record(**fields))
        assert isinstance(answer, NotOurs)
        assert told in answer.reason

    async def test_a_record_that_is_not_there(self) -> None:
        answer = await self.examine()
        assert isinstance(answer, NotOurs)
        assert answer.reason == "Zoho has no payment p1: correct or clear zoho_payment_id"

    async def test_another_failure_is_not_taken_for_absence(self) -> None:
        class Down(FakeZoho):
            async def read(self, path: str, query: Any = None) -> Any:
                raise CallFailed(Failure(FailureClass.OUTAGE, FailureKind.SERVER_ERROR, "broken", ""))

        with pytest.raises(CallFailed):
            await PAYMENT.examine(Down(), standalone(), "p1", desired(standalone()), TERMS)
        with pytest.raises(CallFailed):
            await PAYMENT.find(Down(), paying(), desired(paying()), (), TERMS)


class TestDiffers:
    def differs(self, row: PaymentRow, **fields: Any) -> bool:
        return PAYMENT.differs(Found("p1", record(**fields)), desired(row))

    def test_what_holds_everything_does_not(self) -> None:
        assert not self.differs(standalone())
        assert not self.differs(paying(), invoices=[{"invoice_id": "i1", "amount_applied": Decimal(1)}])

    @pytest.mark.parametrize(
        "change",
        [
            {"amount": Decimal(1)},
            {"payment_method": "cash"},
            {"completed_at": datetime(2026, 1, 1, tzinfo=UTC)},
            {"reference": "B"},
            {"customer_zoho_id": "c2"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_every_field_counts(self, change: dict[str, Any]) -> None:
        assert self.differs(standalone(**change))

    def test_a_missing_external_id_counts(self) -> None:
        assert self.differs(standalone(), custom_fields=[])

    def test_an_invoice_that_it_is_not_applied_to_counts(self) -> None:
        assert self.differs(paying())
        assert self.differs(paying(), invoices=[{"invoice_id": "i9", "amount_applied": Decimal(1)}])

    def test_what_people_applied_of_a_credit_does_not(self) -> None:
        assert not self.differs(standalone(), invoices=[{"invoice_id": "i9", "amount_applied": Decimal(1)}])
