"""Payments after their create: refused, changed, linked anew, refunded, and what Zoho made otherwise."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox.entities.contract import CannotMap, Desired, Found, TakenUnseen, Updated
from outbox.entities.payment_row import PaymentRow
from outbox.vocabulary import FailureClass
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import CallFailed, FailureKind
from tests.unit.entities.payments import (
    PAYMENT,
    TERMS,
    FakeZoho,
    applied,
    desired,
    invoice,
    paying,
    paying_recurring,
    record,
    refusal,
    reply,
    standalone,
)

pytestmark = pytest.mark.anyio

NO_BALANCE = refusal(FailureKind.INVALID, "more than the balance")


class Overtaken(FakeZoho):
    """Refuses the first PUT; 300.00 of the invoice are left then."""

    async def write(self, request: ApiRequest) -> ApiReply:
        if not self.bodies:
            assert request.body is not None
            self.bodies.append(dict(request.body))
            self.invoices["i1"]["balance"] = Decimal("300.00")
            raise CallFailed(NO_BALANCE)
        return await super().write(request)


async def update(
    zoho: FakeZoho, row: PaymentRow, *, was: str | None = "paid", write: bool = True, found: Found | None = None
) -> Updated:
    return await PAYMENT.update(zoho, row, "p1", desired(row), TERMS, was=was, found=found, write_content=write)


class TestARefusedCreate:
    async def again(self, row: PaymentRow, **fields: Any) -> Desired | None:
        zoho = FakeZoho(invoices=[invoice(**fields)])
        return await PAYMENT.recompose(zoho, row, desired(row), NO_BALANCE, TERMS)

    async def test_goes_out_with_what_zoho_says_is_left(self) -> None:
        again = await self.again(paying(), balance=Decimal("300.00"))
        assert again is not None
        assert again.at_creation == {"invoices": [{"invoice_id": "i1", "amount_applied": Decimal("300.00")}]}
        assert again.note == "499.00 of 799.00 is credit: invoice INV-i1 has no more balance in Zoho"

    async def test_goes_out_as_credit_where_nothing_is_left(self) -> None:
        again = await self.again(paying(), balance=0, status="paid")
        assert again is not None
        assert again.at_creation == {}
        assert "invoices" not in (PAYMENT.create(again).body or {})

    async def test_goes_out_as_credit_where_the_invoice_is_void(self) -> None:
        again = await self.again(paying(), status="void")
        assert again is not None
        assert (again.at_creation, "is void" in (again.note or "")) == ({}, True)

    async def test_goes_out_once_more_as_it_was_where_nothing_is_in_its_way_any_more(self) -> None:
        """The invoice was being opened when the create came, and is open when it is looked at."""
        again = await self.again(paying())
        assert again is not None
        assert (again.at_creation, again.note) == (desired(paying()).at_creation, desired(paying()).note)

    async def test_is_tried_again_later_where_the_invoice_is_not_opened_yet(self) -> None:
        with pytest.raises(CallFailed, match="INV-i1 is still draft") as raised:
            await self.again(paying(), status="draft")
        assert raised.value.failure.failure_class is FailureClass.TRANSIENT

    async def test_is_final_where_nothing_was_applied(self) -> None:
        assert await self.again(standalone()) is None

    async def test_is_final_where_something_is_gone_from_zoho(self) -> None:
        zoho = FakeZoho(invoices=[invoice(balance=0)])
        gone = refusal(FailureKind.NOT_FOUND)
        assert await PAYMENT.recompose(zoho, paying(), desired(paying()), gone, TERMS) is None
        assert zoho.asked == []


class TestAChange:
    async def test_nothing_is_asked_right_after_a_create(self) -> None:
        zoho = FakeZoho(record())
        assert await update(zoho, paying(), write=False) == Updated("paid")
        assert zoho.asked == []

    async def test_it_takes_what_is_left_where_another_payment_came_first(self) -> None:
        """Two payments of one invoice are written at the same moment: both read the balance, one finds it gone."""
        zoho = Overtaken(record(), invoices=[invoice(balance=Decimal("799.00"))])
        updated = await update(zoho, paying())
        assert [body["invoices"] for body in zoho.bodies] == [applied(i1="799.00"), applied(i1="300.00")]
        assert updated.record is not None

    async def test_it_is_credit_where_its_invoice_was_made_void_meanwhile(self) -> None:
        """The payment was read before the void took it off, the invoice after."""
        read_before = Found("p1", record(invoices=applied(i1="799.00")))
        zoho = Overtaken(record(invoices=[]), invoices=[invoice(status="void")])
        updated = await update(zoho, paying(), found=read_before)
        assert [body["invoices"] for body in zoho.bodies] == [applied(i1="799.00"), []]
        assert "no balance left" in (updated.note or "")

    async def test_it_is_final_where_zoho_refuses_it_for_another_reason(self) -> None:
        zoho = Overtaken(record(), invoices=[invoice(balance=Decimal("300.00"))])
        with pytest.raises(CallFailed):
            await update(zoho, paying())

    async def test_it_is_tried_again_later_where_the_invoice_is_not_opened_yet(self) -> None:
        zoho = FakeZoho(record(), invoices=[invoice(status="draft")])
        with pytest.raises(CallFailed, match="INV-i1 is still draft") as raised:
            await update(zoho, paying())
        assert raised.value.failure.failure_class is FailureClass.TRANSIENT
        assert zoho.bodies == []

    async def test_it_is_applied_anew_up_to_the_balance_and_what_it_has_there(self) -> None:
        zoho = FakeZoho(record(invoices=applied(i1="500.00")), invoices=[invoice(balance=Decimal("200.00"))])
        updated = await update(zoho, paying())
        assert zoho.bodies[0]["invoices"] == applied(i1="700.00")
        assert zoho.asked == ["GET /payments/p1", "GET /invoices/i1", "PUT /payments/p1"]
        assert (updated.reached, updated.note) == ("paid", None)
        assert updated.record is not None
        assert PAYMENT.mismatch(updated.record, desired(paying())) is None

    async def test_a_smaller_amount_takes_less(self) -> None:
        zoho = FakeZoho(record(invoices=applied(i1="799.00")), invoices=[invoice(balance=0)])
        await update(zoho, paying(amount=Decimal("100.00")))
        assert zoho.bodies[0]["amount"] == Decimal("100.00")
        assert zoho.bodies[0]["invoices"] == applied(i1="100.00")

    async def test_a_record_that_was_just_read_is_not_read_again(self) -> None:
        zoho = FakeZoho(record(), invoices=[invoice()])
        await update(zoho, paying(), found=Found("p1", record()))
        assert zoho.asked == ["GET /invoices/i1", "PUT /payments/p1"]

    async def test_what_people_did_with_the_rest_stays(self) -> None:
        paid = record(amount=Decimal("1000.00"), invoices=applied(i1="799.00", i5="201.00"))
        zoho = FakeZoho(paid, invoices=[invoice(balance=0)])
        await update(zoho, paying(amount=Decimal("1000.00"), payment_method="cash"))
        assert zoho.bodies[0]["invoices"] == applied(i1="799.00", i5="201.00")

    async def test_a_payment_that_is_linked_to_another_invoice_leaves_the_first(self) -> None:
        zoho = FakeZoho(record(invoices=applied(i1="799.00")), invoices=[invoice("i2", balance=Decimal("500.00"))])
        await update(zoho, paying(invoice_zoho_id="i2"))
        assert zoho.bodies[0]["invoices"] == applied(i2="500.00")

    async def test_what_people_did_with_a_credit_stays_and_is_told(self) -> None:
        zoho = FakeZoho(record(invoices=applied(i5="300.00")))
        updated = await update(zoho, standalone(payment_method="cash"))
        assert zoho.bodies[0]["invoices"] == applied(i5="300.00")
        assert "300.00 on invoice i5" in (updated.note or "")

    async def test_a_credit_stays_one(self) -> None:
        zoho = FakeZoho(record())
        updated = await update(zoho, standalone(payment_method="cash"))
        assert (zoho.bodies[0]["invoices"], updated.note) == ([], None)

    async def test_an_invoice_that_cannot_be_paid_takes_nothing(self) -> None:
        zoho = FakeZoho(record(), invoices=[invoice(status="void")])
        updated = await update(zoho, paying())
        assert zoho.bodies[0]["invoices"] == []
        assert "no balance left" in (updated.note or "")

    async def test_a_recurring_one_keeps_the_invoice_it_is_applied_to(self) -> None:
        zoho = FakeZoho(record(invoices=applied(i1="799.00")), invoices=[invoice("i1", balance=0), invoice("i2")])
        zoho.by_subscription["s1"] = ["i1", "i2"]
        await update(zoho, paying_recurring())
        assert zoho.bodies[0]["invoices"] == applied(i1="799.00")

    async def test_a_recurring_one_that_fits_none_is_told(self) -> None:
        zoho = FakeZoho(record())
        zoho.by_subscription["s1"] = []
        updated = await update(zoho, paying_recurring())
        assert "Zoho raised none of 799.00" in (updated.note or "")

    async def test_our_own_mark_of_the_invoice_is_never_sent(self) -> None:
        zoho = FakeZoho(record(), invoices=[invoice()])
        await update(zoho, paying())
        assert set(zoho.bodies[0]) == {
            "customer_id",
            "payment_mode",
            "amount",
            "date",
            "reference_number",
            "description",
            "custom_fields",
            "invoices",
        }

    async def test_what_zoho_applied_otherwise_is_told_with_both_figures(self) -> None:
        class Miserly(FakeZoho):
            async def write(self, request: Any) -> Any:
                await super().write(request)
                return reply({"payment": record(invoices=applied(i1="1.00"))})

        with pytest.raises(CannotMap, match=r"applied as 1.00 on invoice i1 where 799.00 on invoice i1 was sent"):
            await update(Miserly(record(), invoices=[invoice()]), paying())

    @settings(deadline=None, max_examples=50)
    @given(
        amount=st.decimals(Decimal("0.01"), Decimal(2000), places=2),
        present=st.decimals(Decimal(0), Decimal(799), places=2),
        elsewhere=st.decimals(Decimal(0), Decimal(799), places=2),
        balance=st.decimals(Decimal(0), Decimal(799), places=2),
    )
    async def test_never_more_than_was_paid_nor_than_the_invoice_bears(
        self, amount: Decimal, present: Decimal, elsewhere: Decimal, balance: Decimal
    ) -> None:
        held = record(invoices=applied(i1=str(present), i5=str(elsewhere)))
        zoho = FakeZoho(held, invoices=[invoice(balance=balance)])
        await update(zoho, paying(amount=amount))
        sent = {each["invoice_id"]: each["amount_applied"] for each in zoho.bodies[0]["invoices"]}
        assert sum(sent.values()) <= amount
        assert sent.get("i1", Decimal(0)) == min(amount, balance + present)
        assert all(applied > 0 for applied in sent.values())


class TestARefund:
    async def test_it_is_made_over_the_full_amount_after_a_look(self) -> None:
        zoho = FakeZoho(record())
        assert await update(zoho, paying(status="refunded")) == Updated("refunded")
        assert zoho.asked == ["GET /payments/p1", "POST /payments/p1/refunds", "GET /payments/p1"]
        assert zoho.bodies == [
            {
                "amount": Decimal("799.00"),
                "description": "Refunded: Transaction NC-0001, reference INV-2026-00001",
            }
        ]
        assert zoho.act_keys == ["refund p1"]

    async def test_it_is_made_over_what_is_left(self) -> None:
        zoho = FakeZoho(record(amount_refunded=Decimal("300.00")))
        await update(zoho, paying(status="refunded"))
        assert zoho.bodies[0]["amount"] == Decimal("499.00")

    @pytest.mark.parametrize("was", ["paid", None, "?"])
    async def test_one_that_is_there_is_not_repeated(self, was: str | None) -> None:
        zoho = FakeZoho(record(amount_refunded=Decimal("799.00")))
        assert await update(zoho, paying(status="refunded"), was=was) == Updated("refunded")
        assert zoho.asked == ["GET /payments/p1"]

    async def test_one_that_is_known_to_be_there_is_not_looked_at(self) -> None:
        zoho = FakeZoho(record())
        assert await update(zoho, paying(status="refunded"), was="refunded") == Updated("refunded")
        assert zoho.asked == []

    async def test_one_that_zoho_does_not_show_must_not_be_replayed(self) -> None:
        zoho = FakeZoho(record())
        zoho.shows_refunds = False
        with pytest.raises(TakenUnseen, match="it is not refunded again") as unseen:
            await update(zoho, paying(status="refunded"))
        assert unseen.value.reached == "refunded"

    @pytest.mark.parametrize("was", ["refunded", "paid"])
    async def test_it_cannot_be_taken_back(self, was: str) -> None:
        zoho = FakeZoho(record(amount_refunded=Decimal("799.00")))
        with pytest.raises(CannotMap, match="cannot be taken back"):
            await update(zoho, paying(), was=was)
        assert "PUT /payments/p1" not in zoho.asked

    def test_a_refusal_tells_how_it_is_done_by_hand(self) -> None:
        refused = refusal(FailureKind.INVALID, "only for autotransaction")
        assert "by hand" in (PAYMENT.advice(refused, desired(paying(status="refunded"))) or "")
        assert PAYMENT.advice(refused, desired(paying())) is None


class TestLifecycle:
    @pytest.mark.parametrize(
        ("refunded", "lifecycle"),
        [("", "paid"), (0, "paid"), (Decimal("798.99"), "paid"), ("799.00", "refunded"), (Decimal(800), "refunded")],
    )
    def test_refunded_is_what_is_refunded_in_full(self, refunded: Any, lifecycle: str) -> None:
        assert PAYMENT.lifecycle(record(amount_refunded=refunded)) == lifecycle


class TestMismatch:
    def told(self, row: PaymentRow, **fields: Any) -> str | None:
        return PAYMENT.mismatch(record(**fields), desired(row))

    def test_what_was_sent_is_none(self) -> None:
        assert self.told(standalone()) is None
        assert self.told(paying(), invoices=applied(i1="799.00")) is None
        assert self.told(paying(), invoices=[{"invoice_id": "i1", "amount_applied": "799.0"}]) is None

    @pytest.mark.parametrize(
        ("fields", "figures"),
        [
            ({"amount": Decimal("798.99")}, ["798.99", "799.00"]),
            ({"date": "2026-03-03"}, ["2026-03-03", "2026-03-02"]),
            ({"reference_number": ""}, ["(none)"]),
            ({"customer_id": "c2"}, ["c2", "c1"]),
            ({"status": "failure"}, ["failed"]),
            ({"custom_fields": [{"label": "External ID", "value": "x"}]}, ["External ID"]),
            ({"invoices": applied(i5="1.00")}, ["1.00 on invoice i5", "(nothing)"]),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_every_figure_is_told_with_what_was_sent(self, fields: dict[str, Any], figures: list[str]) -> None:
        told = self.told(standalone(), **fields)
        assert told is not None
        assert all(figure in told for figure in ["payment p1", *figures])

    def test_what_was_not_applied_is_told(self) -> None:
        told = self.told(paying())
        assert told is not None
        assert "(nothing) where 799.00 on invoice i1 was sent" in told

    async def test_a_prepared_or_recomposed_create_is_measured_by_what_it_sent(self) -> None:
        again = await PAYMENT.recompose(
            FakeZoho(invoices=[invoice(balance=Decimal("300.00"))]), paying(), desired(paying()), NO_BALANCE, TERMS
        )
        assert again is not None
        assert PAYMENT.mismatch(record(invoices=applied(i1="300.00")), again) is None


@pytest.mark.parametrize("content", [{}, {"payment": {}}, {"payment": {"payment_id": ""}}], ids=str)
def test_a_reply_without_a_payment_leaves_the_fate_open(content: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        PAYMENT.created(reply(content))


def test_the_payment_of_a_reply() -> None:
    assert PAYMENT.created(reply({"payment": record("p7")})).zoho_id == "p7"
