"""Invoices brought up to date: opened, made void, opened again; edited, unless money has come in on them."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from outbox.entities.contract import CannotMap, Found, Updated
from outbox.zoho.failures import CallFailed, FailureKind
from tests.unit.entities.invoices import INVOICE, OURS, TERMS, Record, Zoho, desired, record, refused, row

pytestmark = pytest.mark.anyio


async def update(
    zoho: Zoho, *, was: str | None = "open", read: bool = False, write: bool = False, **changes: Any
) -> Updated:
    """``read``: the record was read or created in this attempt."""
    found = Found("7", dict(zoho.records["7"])) if read else None
    wanted = desired(**changes)
    return await INVOICE.update(zoho, row(**changes), "7", wanted, TERMS, was=was, found=found, write_content=write)


class TestOpening:
    async def test_what_was_just_created_is_opened(self) -> None:
        zoho = Zoho(record(status="draft"))
        assert (await update(zoho, was="draft", read=True)).reached == "open"
        assert zoho.asked == ["POST /invoices/7/converttoopen"]

    async def test_an_invoice_that_is_open_is_left_alone(self) -> None:
        zoho = Zoho(record())
        assert await update(zoho) == Updated("open")
        assert zoho.asked == []

    async def test_where_it_is_unknown_it_is_read_first(self) -> None:
        for was in (None, "?"):
            zoho = Zoho(record(status="draft"))
            await update(zoho, was=was)
            assert zoho.asked == ["GET /invoices/7", "POST /invoices/7/converttoopen"]

    async def test_a_create_reply_without_a_status_is_not_taken_for_open(self) -> None:
        zoho = Zoho(record(status="draft"))
        found = Found("7", {"invoice_id": "7"})
        await INVOICE.update(zoho, row(), "7", desired(), TERMS, was="?", found=found, write_content=False)
        assert zoho.records["7"]["status"] == "sent"

    async def test_one_that_was_opened_before_and_not_answered_is_open(self) -> None:
        zoho = Zoho(record(status="sent"))
        assert (await update(zoho, was="draft")).reached == "open"
        assert zoho.asked == ["POST /invoices/7/converttoopen", "GET /invoices/7"]

    async def test_a_refusal_that_left_it_a_draft_is_a_refusal(self) -> None:
        zoho = Zoho(record(status="draft"))
        zoho.refusals["POST /invoices/7/converttoopen"] = refused(message="Approve it first.")
        with pytest.raises(CallFailed, match="Approve it first"):
            await update(zoho, was="draft")

    async def test_a_void_one_is_opened_again_before_it_is_edited(self) -> None:
        zoho = Zoho(record(status="void"))
        assert (await update(zoho, was="void", write=True)).reached == "open"
        assert zoho.asked == ["GET /invoices/7", "POST /invoices/7/converttoopen", "PUT /invoices/7"]

    async def test_one_that_somebody_made_void_by_hand_is_opened_again(self) -> None:
        zoho = Zoho(record(status="void"))
        await update(zoho, was="open", write=True)
        assert zoho.records["7"]["status"] == "sent"


class TestVoid:
    async def test_an_open_one_is_made_void_after_a_look(self) -> None:
        zoho = Zoho(record(status="overdue"))
        assert await update(zoho, status="voided", write=True) == Updated("void")
        assert zoho.asked == ["GET /invoices/7", "POST /invoices/7/void"]

    async def test_a_draft_is_opened_first(self) -> None:
        zoho = Zoho(record(status="draft"))
        await update(zoho, was="draft", status="cancelled")
        assert zoho.asked == ["GET /invoices/7", "POST /invoices/7/converttoopen", "POST /invoices/7/void"]

    async def test_one_that_is_void_already_is_left_alone(self) -> None:
        zoho = Zoho(record(status="void"))
        assert await update(zoho, status="voided") == Updated("void")
        assert zoho.asked == ["GET /invoices/7"]

    async def test_one_that_was_read_just_now_is_not_read_again(self) -> None:
        zoho = Zoho(record())
        await update(zoho, status="voided", read=True)
        assert zoho.asked == ["POST /invoices/7/void"]

    async def test_one_that_is_gone_needs_no_void(self) -> None:
        assert await update(Zoho(), status="voided") == Updated("void")

    async def test_one_with_payments_is_made_void_too(self) -> None:
        zoho = Zoho(record(status="paid", payment_made=1725))
        await update(zoho, status="voided")
        assert zoho.records["7"]["status"] == "void"

    async def test_one_that_was_made_void_meanwhile_is_void(self) -> None:
        zoho = Zoho(record(status="sent"))
        zoho.refusals["POST /invoices/7/void"] = refused(message="already void")
        found = Found("7", dict(zoho.records["7"]))
        zoho.records["7"]["status"] = "void"
        wanted = desired(status="voided")
        updated = await INVOICE.update(
            zoho, row(status="voided"), "7", wanted, TERMS, was="open", found=found, write_content=False
        )
        assert updated.reached == "void"


PAID: list[Record] = [
    {"status": "paid", "payment_made": Decimal("1725.00")},
    {"status": "overdue", "payments": [{"payment_id": "1", "amount": Decimal("25.00")}]},
    {"credits_applied": Decimal("25.00")},
    {"credits": [{"creditnote_id": "1", "credited_amount": "25.00"}]},
    {"write_off_amount": 25},
    {"status": "partially_paid"},
]


class TestEdits:
    async def test_all_lines_are_written_after_a_look(self) -> None:
        zoho = Zoho(record(holder=str(OURS)))
        changes: dict[str, Any] = {
            "total_amount": Decimal("2000.00"),
            "line_items": '[{"description": "Installation", "unit_price": 1725}, {"unit_price": 275}]',
        }
        updated = await update(zoho, write=True, **changes)
        assert zoho.asked == ["GET /invoices/7", "PUT /invoices/7"]
        (written,) = zoho.written
        assert written == desired(**changes).content
        assert updated.record is not None
        assert INVOICE.mismatch(updated.record, desired(**changes)) is None

    async def test_what_was_read_just_now_is_not_read_again(self) -> None:
        zoho = Zoho(record())
        await update(zoho, read=True, write=True)
        assert zoho.asked == ["PUT /invoices/7"]

    async def test_a_list_row_is_no_look_at_its_payments(self) -> None:
        zoho = Zoho(record())
        found = Found("7", {"invoice_id": "7", "status": "sent"}, from_list=True)
        await INVOICE.update(zoho, row(), "7", desired(), TERMS, was="open", found=found, write_content=True)
        assert zoho.asked == ["GET /invoices/7", "PUT /invoices/7"]

    async def test_a_draft_is_edited_and_then_opened(self) -> None:
        zoho = Zoho(record(status="draft"))
        assert (await update(zoho, was="draft", write=True)).reached == "open"
        assert zoho.asked == ["GET /invoices/7", "PUT /invoices/7", "POST /invoices/7/converttoopen"]

    async def test_a_draft_whose_total_is_wrong_stays_a_draft(self) -> None:
        class Adding(Zoho):
            async def write(self, request: Any) -> Any:
                reply = await super().write(request)
                shown: Any = reply.body["invoice"]
                return replace(reply, body={"invoice": {**shown, "total": Decimal("1983.75")}})

        zoho = Adding(record(status="draft"))
        updated = await update(zoho, was="draft", write=True)
        assert zoho.records["7"]["status"] == "draft"
        assert updated.reached == "draft"
        assert "1983.75" in (INVOICE.mismatch(updated.record or {}, desired()) or "")

    @pytest.mark.parametrize("paid", PAID, ids=["paid", "a payment", "credit", "a credit note", "written off", "word"])
    @pytest.mark.parametrize(
        ("change", "what"),
        [
            ({"total_amount": Decimal("2000.00"), "line_items": None}, "total"),
            ({"customer_zoho_id": "47"}, "customer"),
            ({"line_items": '[{"unit_price": 1700}, {"unit_price": 25}]'}, "lines or their tax"),
            ({"vat_rate": Decimal(0)}, "lines or their tax"),
            ({"line_items": '[{"unit_price": 1500}]'}, "whether prices hold the tax"),
            ({"total_amount": Decimal("1725.02")}, "adjustment"),
        ],
        ids=["total", "customer", "lines", "tax", "exclusive", "adjustment"],
    )
    async def test_money_of_a_paid_one_is_not_changed(self, paid: Record, change: dict[str, Any], what: str) -> None:
        zoho = Zoho(record(holder=str(OURS), **paid))
        with pytest.raises(CannotMap) as refusal:
            await update(zoho, write=True, **change)
        assert zoho.asked == ["GET /invoices/7"]
        told = str(refusal.value)
        assert what in told
        assert f"total is 1725.00 in Zoho and {change.get('total_amount', '1725.00')} here" in told
        assert "Void this invoice and issue another" in told

    @pytest.mark.parametrize("paid", PAID, ids=["paid", "a payment", "credit", "a credit note", "written off", "word"])
    async def test_text_of_a_paid_one_is(self, paid: Record) -> None:
        zoho = Zoho(record(holder=str(OURS), **paid))
        await update(zoho, write=True, notes="Thank you", invoice_number="INV-2025-00003")
        assert zoho.records["7"]["notes"] == "Thank you"
        assert zoho.records["7"]["invoice_number"] == "INV-2025-00003"

    async def test_amounts_that_zoho_writes_as_text_are_the_same_money(self) -> None:
        item = {"name": "Installation", "price": "1725.0", "quantity": "1", "tax_id": "t15"}
        zoho = Zoho(record(status="paid", payment_made="1725.00", invoice_items=[item], adjustment="0.00"))
        await update(zoho, write=True, notes="Thank you")
        assert zoho.asked[-1] == "PUT /invoices/7"

    async def test_a_customer_that_is_gone_is_not_taken_for_an_invoice_that_is(self) -> None:
        zoho = Zoho(record())
        zoho.refusals["PUT /invoices/7"] = refused(FailureKind.NOT_FOUND, 3004)
        with pytest.raises(CannotMap, match="no customer 46 any more"):
            await update(zoho, write=True)

    async def test_another_refusal_of_an_edit_passes(self) -> None:
        zoho = Zoho(record())
        zoho.refusals["PUT /invoices/7"] = refused(FailureKind.DUPLICATE, 1001)
        with pytest.raises(CallFailed):
            await update(zoho, write=True)
