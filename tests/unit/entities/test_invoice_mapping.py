"""Invoices as bodies: every line of decisions.md, Who bills and Invoices."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import simplejson

from outbox.entities.billing import ONE_OFF_TYPES
from outbox.entities.catalogue import CatalogueKind
from outbox.entities.contract import CannotMap, Terms, lifecycle_of
from outbox.entities.invoice_row import CALLED
from outbox.vocabulary import Awaited, FailureClass
from outbox.zoho.exchange import ApiReply
from outbox.zoho.failures import Failure, FailureKind
from outbox.zoho.json_text import JsonValue, encode_body
from tests.unit.entities.invoices import BY_HOST, CUSTOMER_ID, INVOICE, OURS, TERMS, desired, record, row


def body(terms: Terms = TERMS, **changes: Any) -> dict[str, Any]:
    return dict(INVOICE.create(desired(terms, **changes)).body or {})


class TestBody:
    def test_a_whole_invoice(self) -> None:
        assert body(notes="Agreed by\ntelephone") == {
            "customer_id": "46",
            "invoice_number": "INV-2025-00002",
            "date": "2025-11-04",
            "due_date": "2025-11-11",
            "notes": "Agreed by, telephone",
            "invoice_items": [
                {"name": "Installation", "price": Decimal("1725.00"), "quantity": 1, "tax_id": "t15"},
            ],
            "is_inclusive_tax": True,
            "custom_fields": [{"label": "External ID", "value": str(OURS)}],
        }

    def test_it_keeps_its_number_and_mails_nobody(self) -> None:
        request = INVOICE.create(desired())
        assert (request.method, request.path) == ("POST", "/invoices")
        assert request.query == {"ignore_auto_number_generation": "true"}
        assert not request.may_be_repeated

    def test_no_amount_is_a_float(self) -> None:
        sent = simplejson.loads(encode_body(desired().content), use_decimal=True)
        assert sent["invoice_items"][0]["price"] == Decimal("1725.00")
        assert b'"price":1725.00' in encode_body(desired().content)

    def test_prices_without_tax_say_so(self) -> None:
        sent = body(line_items='[{"unit_price": 1000}, {"unit_price": 500}]')
        assert sent["is_inclusive_tax"] is False
        assert {item["tax_id"] for item in sent["invoice_items"]} == {"t15"}

    def test_an_invoice_without_tax_and_with_the_default_rate_has_the_total_it_has_here(self) -> None:
        sent = body(tax_amount=Decimal("0.00"), subtotal=Decimal("1725.00"))
        assert (sent["is_inclusive_tax"], sent["invoice_items"][0]["tax_id"]) == (True, "t15")
        assert "adjustment" not in sent

    def test_untaxed_lines_name_the_tax_of_nothing(self) -> None:
        sent = body(tax_amount=Decimal(0), subtotal=Decimal("1725.00"), vat_rate=None)
        assert sent["invoice_items"][0]["tax_id"] == "t0"

    def test_a_difference_of_cents_is_adjusted_and_told(self) -> None:
        sent = body(line_items='[{"unit_price": 1724.98}]')
        assert (sent["adjustment"], sent["adjustment_description"]) == (Decimal("0.02"), "Rounding")

    def test_an_update_takes_back_an_adjustment_and_notes(self) -> None:
        assert desired().content["adjustment"] == 0
        assert desired().content["notes"] == ""
        assert {"adjustment", "adjustment_description", "notes"}.isdisjoint(body())

    @pytest.mark.parametrize(
        ("invoice_type", "name"),
        [
            ("installation", "Installation Fee"),
            ("pro_rata", "Pro-Rata Service Fee"),
            ("equipment", "Equipment Charge"),
            ("adjustment", "Account Adjustment"),
            ("recurring", "Service Fee"),
            (None, "Service Fee"),
        ],
    )
    def test_without_lines_there_is_one_over_the_total(self, invoice_type: str | None, name: str) -> None:
        (item,) = body(line_items=None, invoice_type=invoice_type)["invoice_items"]
        assert (item["name"], item["price"], item["quantity"]) == (name, Decimal("1725.00"), 1)

    def test_the_host_of_november_2025_has_neither_type_rate_nor_notes(self) -> None:
        sent = body(BY_HOST, invoice_type=None, vat_rate=None, notes=None)
        assert sent["invoice_items"][0]["tax_id"] == "t15"

    def test_a_number_is_trimmed_and_otherwise_kept(self) -> None:
        assert body(invoice_number=" inv/2025 7 ")["invoice_number"] == "inv/2025 7"

    def test_a_field_that_the_organisation_has_not_is_left_out(self) -> None:
        assert "custom_fields" not in body(replace(TERMS, external_id_label=None))

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"total_amount": Decimal("0.00")}, "total is 0.00: raise a credit note in Zoho"),
            ({"total_amount": Decimal("-50.00")}, "total is -50.00: raise a credit note in Zoho"),
            ({"total_amount": Decimal("NaN")}, "NaN"),
            ({"vat_rate": Decimal("NaN")}, "NaN"),
            ({"line_items": '[{"unit_price": 1000}]'}, "add up to 1000.00"),
            ({"line_items": '[{"description": "Installation"}]'}, "neither unit_price nor amount"),
            ({"invoice_number": "  "}, "no invoice_number"),
            ({"customer_zoho_id": None}, "sync the customer first"),
        ],
    )
    def test_what_cannot_be_sent_says_why(self, change: dict[str, Any], told: str) -> None:
        with pytest.raises(CannotMap, match=told) as refusal:
            desired(**change)
        assert refusal.value.looked_in is None

    def test_a_missing_tax_has_the_taxes_read_anew(self) -> None:
        with pytest.raises(CannotMap, match="Zero Rate") as refusal:
            desired(replace(TERMS, taxes=TERMS.taxes[1:] if TERMS.taxes else ()))
        assert refusal.value.looked_in in INVOICE.needs
        assert refusal.value.looked_in is CatalogueKind.TAXES


class TestEligible:
    @pytest.mark.parametrize("status", ["sent", "paid", "partial", "overdue", "voided", "cancelled"])
    @pytest.mark.parametrize("invoice_type", sorted(ONE_OFF_TYPES))
    def test_what_zoho_never_bills_itself_is_always_sent(self, status: str, invoice_type: str) -> None:
        for terms in (TERMS, BY_HOST):
            assert INVOICE.ineligible(row(status=status, invoice_type=invoice_type), terms) is None

    @pytest.mark.parametrize(
        ("invoice_type", "told"),
        [
            ("recurring", "recurring invoice: Zoho raises"),
            (None, "it has no invoice_type, so it counts as recurring: Zoho raises"),
            ("", "it has no invoice_type"),
            ("deposit", "its invoice_type 'deposit' is not known, so it counts as recurring"),
        ],
    )
    def test_what_may_be_recurring_is_sent_only_where_the_host_bills(self, invoice_type: str | None, told: str) -> None:
        assert (INVOICE.ineligible(row(invoice_type=invoice_type), TERMS) or "").startswith(told)
        assert INVOICE.ineligible(row(invoice_type=invoice_type), BY_HOST) is None

    def test_a_draft_waits_until_it_is_issued(self) -> None:
        assert INVOICE.ineligible(row(status="draft"), TERMS) == "draft: sent when it is issued"

    def test_a_test_account_is_never_invoiced(self) -> None:
        assert "internal_test" in (INVOICE.ineligible(row(account_type="internal_test"), BY_HOST) or "")

    def test_a_status_that_nobody_knows_is_told(self) -> None:
        assert "'disputed' is not known" in (INVOICE.ineligible(row(status="disputed"), TERMS) or "")

    def test_every_kind_that_zoho_never_bills_has_a_name(self) -> None:
        assert set(CALLED) == ONE_OFF_TYPES


class TestPrerequisites:
    def test_it_waits_for_its_customer(self) -> None:
        (waits,) = INVOICE.prerequisites(row(customer_zoho_id=None, customer_phase="ready"), TERMS)
        assert (waits.awaited, waits.id, waits.named) == (Awaited.CUSTOMER, CUSTOMER_ID, "customer CT-2025-00101")
        assert (waits.dead, waits.enqueue) == (False, True)

    def test_it_says_where_its_customer_failed(self) -> None:
        (waits,) = INVOICE.prerequisites(row(customer_zoho_id=None, customer_phase="dead"), TERMS)
        assert waits.dead
        assert "which failed" in waits.named

    def test_it_waits_no_more_once_the_customer_is_there(self) -> None:
        assert list(INVOICE.prerequisites(row(), TERMS)) == []

    def test_people_know_it_by_its_number(self) -> None:
        assert INVOICE.named(row()) == "invoice INV-2025-00002"
        assert INVOICE.named(row(invoice_number=" ")) == f"invoice {OURS}"


class TestLifecycle:
    @pytest.mark.parametrize("status", ["sent", "paid", "partial", "overdue"])
    def test_whatever_is_issued_is_open(self, status: str) -> None:
        assert desired(status=status) == desired()
        assert desired().lifecycle == "open"
        assert desired().only_if_there is None

    @pytest.mark.parametrize("status", ["voided", "cancelled"])
    def test_what_has_ended_is_void_and_never_created(self, status: str) -> None:
        told = desired(status=status)
        assert told.lifecycle == "void"
        assert told.only_if_there == f"{status} before it was ever in Zoho"

    def test_what_has_ended_need_not_add_up(self) -> None:
        changes: dict[str, Any] = {"total_amount": Decimal(0), "line_items": "799", "vat_rate": Decimal(14)}
        assert desired(status="voided", **changes).lifecycle == "void"

    @pytest.mark.parametrize(
        ("status", "lifecycle"),
        [
            ("draft", "draft"),
            ("Draft", "draft"),
            ("void", "void"),
            *((word, "open") for word in ("sent", "open", "unpaid", "overdue", "partially_paid", "paid", "viewed")),
            ("voided?", "open"),
            ("pending", "open"),
            ("", "?"),
        ],
    )
    def test_zohos_words(self, status: str, lifecycle: str) -> None:
        assert INVOICE.lifecycle({"status": status}) == lifecycle


class TestHash:
    def test_it_stays_the_same_over_versions(self) -> None:
        # Another value sends every invoice again on the day of the upgrade.
        assert desired().hash == "b9d95dcaeeaf95284129b67f14b7de2b:open"
        assert lifecycle_of(desired().hash) == "open"

    @pytest.mark.parametrize(
        "change",
        [
            {"customer_zoho_id": "47"},
            {"invoice_number": "INV-1"},
            {"invoice_date": date(2025, 11, 5)},
            {"due_date": date(2025, 11, 12)},
            {"total_amount": Decimal("1725.02")},
            {"line_items": '[{"description": "Installation", "unit_price": 1725.01}]'},
            {"vat_rate": Decimal(0)},
            {"notes": "x"},
            {"status": "voided"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_every_mapped_column_changes_it(self, change: dict[str, Any]) -> None:
        assert desired(**change).hash != desired().hash

    @pytest.mark.parametrize(
        "change",
        [
            {"status": "paid"},
            {"account_number": "CT-1"},
            {"zoho_billing_invoice_id": "7"},
            {"line_items": '[{"amount": "R 1 725,00", "description": "Installation"}]'},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_what_is_not_sent_does_not(self, change: dict[str, Any]) -> None:
        assert desired(**change).hash == desired().hash


class TestMismatch:
    def test_what_zoho_made_as_told_is_none(self) -> None:
        assert INVOICE.mismatch(record(holder=str(OURS)), desired()) is None

    @pytest.mark.parametrize("total", ["1725.06", "1724.94", "1983.75", "0"])
    def test_another_total_is_told_with_both_figures(self, total: str) -> None:
        told = INVOICE.mismatch(record(total=Decimal(total)), desired()) or ""
        assert f"invoice 7 is {total}, here it is 1725.00" in told

    @pytest.mark.parametrize("total", [Decimal("1725.05"), Decimal("1724.95"), 1725, "1725.00"])
    def test_five_cents_are_let_pass_and_can_be_counted(self, total: Any) -> None:
        shown = record(total=total)
        assert INVOICE.mismatch(shown, desired()) is None
        assert INVOICE.verified(shown, desired()) == Decimal(total) - Decimal("1725.00")

    def test_a_total_that_is_not_shown_is_no_verified_total(self) -> None:
        assert "not shown" in (INVOICE.mismatch(record(total=""), desired()) or "")
        assert INVOICE.verified(record(total=""), desired()) is None

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"invoice_number": "INV-000001"}, "'INV-000001' in place of 'INV-2025-00002'"),
            ({"customer_id": "47"}, "customer 47 in place of 46"),
            ({"custom_fields": [{"label": "External ID", "value": "x"}]}, "did not keep the custom field"),
        ],
    )
    def test_what_else_zoho_did_not_keep_is_told(self, fields: dict[str, Any], told: str) -> None:
        assert told in (INVOICE.mismatch(record(holder=str(OURS)) | fields, desired()) or "")

    def test_the_other_spelling_of_the_number_is_read(self) -> None:
        shown = record(number="inv-2025-00002 ")
        del shown["invoice_number"]
        assert INVOICE.mismatch(shown, desired()) is None

    def test_a_reply_without_an_invoice_names_no_record(self) -> None:
        replies: list[dict[str, JsonValue]] = [{}, {"invoice": {}}, {"invoice": []}]
        for reply in replies:
            with pytest.raises(KeyError):
                INVOICE.created(ApiReply(201, 0, "", reply, 0.0))


class TestAdvice:
    @pytest.mark.parametrize(
        ("kind", "code", "message", "advice"),
        [
            (
                FailureKind.DUPLICATE,
                1001,
                "Invoice Number already exist",
                "another invoice in Zoho has the number INV-",
            ),
            (FailureKind.NOT_FOUND, 3004, "Please enter a valid reference", "no customer 46 any more"),
            (FailureKind.INVALID, 4, "The customer is inactive.", "make Zoho customer 46 active"),
            (FailureKind.INVALID, 4, "Invalid value passed for invoice_number", "renumber the invoice"),
            (FailureKind.INVALID, 4, "Invalid value passed for due_date", "due_date must not be before invoice_date"),
            (FailureKind.INVALID, 4, "Invalid value passed for tax_id", "ZOHO_TAX_IDS"),
        ],
    )
    def test_refusals_that_operators_meet(self, kind: FailureKind, code: int, message: str, advice: str) -> None:
        failure = Failure(FailureClass.PERMANENT, kind, message, "", http_status=400, code=code)
        for wanted in (desired(), desired(status="voided")):
            assert advice in (INVOICE.advice(failure, wanted) or "")

    def test_other_refusals_are_left_to_zohos_words(self) -> None:
        failure = Failure(FailureClass.PERMANENT, FailureKind.INVALID, "Something else", "", http_status=400, code=4)
        assert INVOICE.advice(failure, desired()) is None
