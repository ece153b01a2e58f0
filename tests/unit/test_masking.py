"""What a stored payload may show."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.masking import mask, mask_message
from outbox.settings import LogPayloads

CUSTOMER = {
    "customer_id": "90300000079200",
    "display_name": "Thandi Nkosi [CT-2025-00004]",
    "first_name": "Thandi",
    "last_name": "Nkosi",
    "company_name": "Nkosi Trading",
    "email": "thandi@example.com",
    "phone": "0821234567",
    "mobile": 821234567,
    "notes": "prefers mornings",
    "gst_no": "4123456789",
    "website": "nkosi.example",
    "currency_code": "ZAR",
    "status": "active",
    "created_time": "2026-01-05T02:30:08+0200",
    "outstanding": Decimal("899.10"),
    "is_portal_enabled": False,
    "billing_address": {
        "attention": "Thandi",
        "street": "12 Long Street",
        "city": "Cape Town",
        "zip": "8001",
        "country": "South Africa",
        "address_id": "77",
    },
    "contact_persons": [{"contactperson_id": "5", "first_name": "Sipho", "email": "sipho@example.com"}],
    "custom_fields": [
        {"label": "External ID", "value": "5f0c", "index": 1},
        {"label": "Account Number", "value": "CT-2025-00004"},
        {"label": "Favourite pet", "value": "Rex", "value_formatted": "Rex"},
    ],
    "cf_external_id": "5f0c",
    "cf_favourite_pet": "Rex",
    "custom_field_hash": {"cf_external_id": "5f0c", "cf_favourite_pet": "Rex"},
}


def test_personal_values_leave_a_letter_and_the_rest_stays() -> None:
    assert mask(CUSTOMER, LogPayloads.MASKED) == {
        "customer_id": "90300000079200",
        "display_name": "T•••",
        "first_name": "T•••",
        "last_name": "N•••",
        "company_name": "N•••",
        "email": "t•••",
        "phone": "0•••",
        "mobile": "•••",
        "notes": "p•••",
        "gst_no": "4•••",
        "website": "n•••",
        "currency_code": "ZAR",
        "status": "active",
        "created_time": "2026-01-05T02:30:08+0200",
        "outstanding": Decimal("899.10"),
        "is_portal_enabled": False,
        "billing_address": {
            "attention": "T•••",
            "street": "1•••",
            "city": "C•••",
            "zip": "8•••",
            "country": "South Africa",
            "address_id": "77",
        },
        "contact_persons": [{"contactperson_id": "5", "first_name": "S•••", "email": "s•••"}],
        "custom_fields": [
            {"label": "External ID", "value": "5f0c", "index": 1},
            {"label": "Account Number", "value": "CT-2025-00004"},
            {"label": "Favourite pet", "value": "R•••", "value_formatted": "R•••"},
        ],
        "cf_external_id": "5f0c",
        "cf_favourite_pet": "R•••",
        "custom_field_hash": {"cf_external_id": "5f0c", "cf_favourite_pet": "R•••"},
    }


def test_plans_lines_and_taxes_keep_their_names() -> None:
    payload = {
        "plan": {"plan_code": "FIBRE-100", "name": "Fibre 100"},
        "invoice_items": [{"name": "Fibre 100", "description": "January", "price": Decimal("899.10")}],
        "taxes": [{"tax_name": "VAT", "tax_percentage": 15}],
        "page_context": {"report_name": "All Contacts"},
    }
    assert mask(payload, LogPayloads.MASKED) == payload


def test_the_kept_labels_are_the_configured_ones() -> None:
    payload = {"custom_fields": [{"label": "Klient ID", "value": "7"}, {"label": "External ID", "value": "8"}]}
    masked = mask(payload, LogPayloads.MASKED, kept_labels=("Klient ID",))
    assert masked == {
        "custom_fields": [{"label": "Klient ID", "value": "7"}, {"label": "External ID", "value": "8•••"}]
    }


def test_an_address_in_any_text_is_found() -> None:
    assert mask({"subject": "for joe@example.com, today"}, LogPayloads.MASKED) == {"subject": "for j•••, today"}


def test_full_keeps_all_and_none_nothing() -> None:
    assert mask(CUSTOMER, LogPayloads.FULL) == CUSTOMER
    assert mask(CUSTOMER, LogPayloads.NONE) is None


@pytest.mark.parametrize("mode", [LogPayloads.MASKED, LogPayloads.FULL])
def test_text_that_jsonb_refuses_is_replaced(mode: LogPayloads) -> None:
    assert mask({"code\x00": "a\x00b\ud800", "n": Decimal("NaN")}, mode) == {"code�": "a�b�", "n": "NaN"}


def test_a_payload_is_copied_and_not_changed() -> None:
    payload = {"first_name": "Thandi"}
    mask(payload, LogPayloads.MASKED)
    assert payload == {"first_name": "Thandi"}


NAMES = st.text(min_size=5).filter(lambda name: name.strip() == name)


@given(NAMES, st.sampled_from(["display_name", "email", "phone", "notes", "attention", "customer_name"]))
def test_no_more_than_a_letter_of_a_personal_value_is_left(value: str, key: str) -> None:
    masked = mask({"customers": [{key: value}]}, LogPayloads.MASKED)
    assert isinstance(masked, dict)
    assert len(masked["customers"][0][key]) == 4


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        (
            'The customer "FORGE BREU-HOUS" already exists. Please specify a different name.',
            'The customer "F•••" already exists. Please specify a different name.',
        ),
        ('The customer "Joe "Big" Ltd" exists', 'The customer "J•••" exists'),
        ("The customer “Thandi” exists", "The customer “T•••” exists"),
        ("Invalid e-mail joe@example.com given", "Invalid e-mail j••• given"),
        ("Invalid PlanCode.", "Invalid PlanCode."),
        ("nul \x00", "nul �"),
        ("", ""),
    ],
)
def test_a_message_keeps_its_words_and_loses_what_it_quotes(message: str, masked: str) -> None:
    assert mask_message(message) == masked


def test_a_message_is_whole_in_full() -> None:
    assert mask_message('The customer "A B"', LogPayloads.FULL) == 'The customer "A B"'
