"""Customers as bodies: every line of decisions.md, Customers, and Zoho's specification as the judge."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import simplejson
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox.entities.contract import CannotMap, Found, Terms, lifecycle_of
from outbox.entities.customer import COUNTRY, LONGEST_DISPLAY_NAME, Customer, CustomerRow, display_name
from outbox.zoho.json_text import encode_body
from tests.terms import TERMS
from tests.zoho_specifications.specification import request_faults

ID = UUID("00000000-0000-4000-8000-0000000c0001")
CUSTOMER = Customer()


def row(**changes: Any) -> CustomerRow:
    columns: dict[str, Any] = {
        "id": ID,
        "first_name": "Anna",
        "last_name": "Meadow",
        "email": "anna.meadow@example.com",
        "phone": "+27 21 555 0101",
        "account_type": "personal",
        "business_name": None,
        "account_number": "CT-2025-00002",
        "account_status": "active",
        "zoho_billing_customer_id": None,
        "installation_address": None,
    }
    return CustomerRow(**columns | changes)


def body(terms: Terms = TERMS, **changes: Any) -> dict[str, Any]:
    return dict(CUSTOMER.create(CUSTOMER.desired(row(**changes), terms)).body or {})


class TestBody:
    def test_a_person(self) -> None:
        assert body() == {
            "display_name": "Anna Meadow [CT-2025-00002]",
            "currency_code": "ZAR",
            "first_name": "Anna",
            "last_name": "Meadow",
            "email": "anna.meadow@example.com",
            "phone": "+27 21 555 0101",
            "custom_fields": [
                {"label": "External ID", "value": str(ID)},
                {"label": "Account Number", "value": "CT-2025-00002"},
            ],
        }

    def test_a_business_goes_by_its_name_and_keeps_the_person(self) -> None:
        sent = body(business_name=" Quarry & Sons Trading ", account_type="business")
        assert sent["display_name"] == "Quarry & Sons Trading [CT-2025-00002]"
        assert sent["company_name"] == "Quarry & Sons Trading"
        assert (sent["first_name"], sent["last_name"]) == ("Anna", "Meadow")

    @pytest.mark.parametrize("blank", ["", "  ", "\n", None])
    def test_a_blank_business_name_is_none(self, blank: str | None) -> None:
        assert body(business_name=blank) == body()

    @pytest.mark.parametrize("missing", [None, "", "  "])
    def test_without_an_account_number_the_id_is_the_key(self, missing: str | None) -> None:
        sent = body(account_number=missing)
        assert sent["display_name"] == f"Anna Meadow [{ID}]"
        assert sent["custom_fields"] == [{"label": "External ID", "value": str(ID)}]

    @pytest.mark.parametrize("email", ["", "   "])
    def test_an_empty_email_is_left_out(self, email: str) -> None:
        assert "email" not in body(email=email)

    @pytest.mark.parametrize(
        ("first", "last", "name"),
        [("Anna", "", "Anna"), ("", "Meadow", "Meadow"), (" Anna ", "  Meadow", "Anna Meadow")],
    )
    def test_half_a_name_is_a_name(self, first: str, last: str, name: str) -> None:
        assert body(first_name=first, last_name=last)["display_name"] == f"{name} [CT-2025-00002]"

    @pytest.mark.parametrize("nothing", ["", "  ", "\x00", "\n\t", "\u2028"])
    def test_no_name_at_all_cannot_be_sent_and_says_what_to_do(self, nothing: str) -> None:
        with pytest.raises(CannotMap, match="give it a business_name"):
            body(first_name=nothing, last_name=nothing)

    def test_the_address_is_one_line_never_parsed(self) -> None:
        sent = body(installation_address="Unit 4, 12 Harbour Rd\r\n  Cape Town \n\n8001 ")
        assert sent["billing_address"] == {
            "street": "Unit 4, 12 Harbour Rd, Cape Town, 8001",
            "country": COUNTRY,
        }

    @pytest.mark.parametrize("address", [None, "", " \n "])
    def test_there_is_no_address_where_there_is_none(self, address: str | None) -> None:
        assert "billing_address" not in body(installation_address=address)

    def test_fields_have_the_organisations_labels(self) -> None:
        sent = body(replace(TERMS, currency="ZAR", external_id_label="Extern ID", account_number_label="Kundennummer"))
        assert [field["label"] for field in sent["custom_fields"]] == ["Extern ID", "Kundennummer"]

    def test_fields_that_the_organisation_has_not_are_left_out(self) -> None:
        assert [
            field["label"]
            for field in body(
                replace(TERMS, currency="ZAR", external_id_label=None, account_number_label="Account Number")
            )["custom_fields"]
        ] == ["Account Number"]
        assert "custom_fields" not in body(
            replace(TERMS, currency="ZAR", external_id_label=None, account_number_label=None)
        )

    def test_the_currency_is_the_settings(self) -> None:
        assert (
            body(replace(TERMS, currency="USD", external_id_label=None, account_number_label=None))["currency_code"]
            == "USD"
        )

    def test_nothing_asks_zoho_to_mail_anybody(self) -> None:
        request = CUSTOMER.create(CUSTOMER.desired(row(), TERMS))
        assert (request.method, request.path, dict(request.query)) == ("POST", "/customers", {})
        assert not request.may_be_repeated


class TestNames:
    def test_a_long_name_is_cut_and_the_key_is_not(self) -> None:
        sent = body(first_name="A" * 100, last_name="B" * 100)
        assert len(sent["display_name"]) == LONGEST_DISPLAY_NAME
        assert sent["display_name"].endswith(" [CT-2025-00002]")
        assert (sent["first_name"], sent["last_name"]) == ("A" * 100, "B" * 100)

    def test_a_name_that_just_fits_is_whole(self) -> None:
        room = LONGEST_DISPLAY_NAME - len(" [CT-2025-00002]")
        assert display_name("x" * room, "CT-2025-00002") == "x" * room + " [CT-2025-00002]"
        assert display_name("x" * (room + 1), "CT-2025-00002") == "x" * room + " [CT-2025-00002]"

    def test_a_cut_leaves_no_blank_behind(self) -> None:
        room = LONGEST_DISPLAY_NAME - len(" [K]")
        assert display_name("x" * (room - 1) + " yyy", "K") == "x" * (room - 1) + " [K]"

    @pytest.mark.parametrize("name", ["Café 🚀🎉", "مريم الحسن", "שלום", "李小龍", "Zoë–Ünal", 'O\'Brien & "Co"'])
    def test_every_script_passes_unchanged(self, name: str) -> None:
        sent = body(business_name=name)
        assert sent["display_name"] == f"{name} [CT-2025-00002]"
        assert simplejson.loads(encode_body(sent))["company_name"] == name

    def test_control_characters_are_no_part_of_a_name(self) -> None:
        sent = body(first_name="An\x00na\x07", last_name="Mea\tdow\x85")
        assert sent["display_name"] == "An na Mea dow [CT-2025-00002]"
        encode_body(sent)

    @pytest.mark.parametrize("text", [r"\u0000", r"\x00", "NULL", "null", "None", "%00", "{}"])
    def test_text_that_looks_like_nothing_is_text(self, text: str) -> None:
        assert body(business_name=text)["company_name"] == text


class TestLifecycle:
    @pytest.mark.parametrize(
        ("status", "lifecycle"),
        [
            ("active", "active"),
            ("suspended", "active"),
            ("pending", "active"),
            (None, "active"),
            ("cancelled", "inactive"),
        ],
    )
    def test_only_cancelled_is_inactive(self, status: str | None, lifecycle: str) -> None:
        assert CUSTOMER.desired(row(account_status=status), TERMS).lifecycle == lifecycle

    def test_only_internal_tests_are_not_sent(self) -> None:
        assert CUSTOMER.ineligible(row(account_type="internal_test"), TERMS) is not None
        assert [CUSTOMER.ineligible(row(account_type=kind), TERMS) for kind in ("personal", "business")] == [None, None]

    def test_a_customer_waits_for_nobody(self) -> None:
        assert CUSTOMER.prerequisites(row(), TERMS) == ()

    def test_logs_name_the_account_and_no_person(self) -> None:
        assert CUSTOMER.named(row()) == "customer CT-2025-00002"
        assert CUSTOMER.named(row(account_number=None)) == f"customer {ID}"


class TestHash:
    def test_it_is_that_of_the_content_and_ends_in_the_lifecycle(self) -> None:
        first, second = (CUSTOMER.desired(row(), TERMS).hash for _ in range(2))
        assert first == second
        assert lifecycle_of(first) == "active"
        cancelled = CUSTOMER.desired(row(account_status="cancelled"), TERMS).hash
        assert cancelled.split(":")[0] == first.split(":")[0]
        assert lifecycle_of(cancelled) == "inactive"

    def test_it_stays_the_same_over_versions(self) -> None:
        # Another value sends every customer again on the day of the upgrade.
        assert CUSTOMER.desired(row(), TERMS).hash == "5c8c4da79dfb6ff622d5125c9b63572b:active"

    @pytest.mark.parametrize(
        "change",
        [
            {"first_name": "B"},
            {"last_name": "B"},
            {"email": "b@example.com"},
            {"phone": "2"},
            {"business_name": "B"},
            {"account_number": "B"},
            {"account_status": "cancelled"},
            {"installation_address": "B"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_every_mapped_column_changes_it(self, change: dict[str, Any]) -> None:
        assert CUSTOMER.desired(row(**change), TERMS).hash != CUSTOMER.desired(row(), TERMS).hash

    @pytest.mark.parametrize(
        "change",
        [{"account_status": "suspended"}, {"account_type": "business"}, {"zoho_billing_customer_id": "46"}],
        ids=lambda change: next(iter(change)),
    )
    def test_what_is_not_sent_does_not(self, change: dict[str, Any]) -> None:
        assert CUSTOMER.desired(row(**change), TERMS).hash == CUSTOMER.desired(row(), TERMS).hash


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
rows = st.builds(
    CustomerRow,
    id=st.uuids(),
    first_name=texts,
    last_name=texts,
    email=texts,
    phone=st.text(max_size=20),
    account_type=st.sampled_from(["personal", "business"]),
    business_name=st.none() | texts,
    account_number=st.none() | st.text(max_size=20),
    account_status=st.none() | st.sampled_from(["active", "suspended", "cancelled", "pending"]),
    zoho_billing_customer_id=st.none() | st.text(max_size=20),
    installation_address=st.none() | texts,
)
terms = st.builds(
    Terms,
    currency=st.sampled_from(["ZAR", "USD"]),
    external_id_label=st.none() | st.just("External ID"),
    account_number_label=st.none() | st.just("Account Number"),
    zone=st.just(TERMS.zone),
    today=st.just(TERMS.today),
)


quick = settings(deadline=None)


class TestWhateverTheRow:
    @quick
    @given(rows, terms)
    def test_the_body_is_what_zohos_specification_allows(self, any_row: CustomerRow, any_terms: Terms) -> None:
        if not any_row.name:
            with pytest.raises(CannotMap):
                CUSTOMER.desired(any_row, any_terms)
            return
        desired = CUSTOMER.desired(any_row, any_terms)
        sent = simplejson.loads(encode_body(desired.content))
        assert request_faults("POST", "/customers", sent) == []
        assert request_faults("PUT", "/customers/{customer_id}", sent) == []

    @quick
    @given(rows)
    def test_the_display_name_fits_and_can_be_found_again(self, any_row: CustomerRow) -> None:
        if not any_row.name:
            return
        shown = CUSTOMER.desired(any_row, TERMS).content["display_name"]
        assert isinstance(shown, str)
        assert len(shown) <= LONGEST_DISPLAY_NAME
        assert shown.endswith(f"[{any_row.key}]")

    @quick
    @given(rows)
    def test_a_record_that_holds_it_does_not_differ(self, any_row: CustomerRow) -> None:
        if not any_row.name:
            return
        desired = CUSTOMER.desired(any_row, TERMS)
        record = {**desired.content, "customer_id": "46", "status": "active", "outstanding": 0}
        assert not CUSTOMER.differs(Found("46", record), desired)
        assert CUSTOMER.mismatch(record, desired) is None
