"""The verdict finds each way in which a row can fail to stand as the sample says, and names it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from outbox.demo.feed import HostRow
from outbox.demo.sample import ACTS, PRODUCTION, TEST_ACCOUNTS, Customer, at_the_end
from outbox.demo.verdict import Books, differences, in_zoho

ROW_ID = UUID("8d8ac610-566d-4ef0-9c22-186b2a5ed793")
ZOHO_ID = "4600000000001002"

CUSTOMER = PRODUCTION["CT-2025-00005"]
ROW = HostRow(ROW_ID, ZOHO_ID, "synced", datetime(2026, 1, 1, tzinfo=UTC), None, 1)
CREATED_ONCE = {str(ROW_ID): 1}

PRODUCTION_NUMBERS = ("00002", "00004", "00005", "00006", "00007", "00008", "00009", "00011", "00012", "00014")


def record(customer: Customer = CUSTOMER, **changed: Any) -> dict[str, Any]:
    """As Zoho's books show it."""
    fields = in_zoho(customer, ROW_ID, active=True)
    return {
        "customer_id": ZOHO_ID,
        **{name: value for name, value in fields.items() if "." not in name and name[0].islower()},
        "billing_address": {
            "street": fields["billing_address.street"],
            "country": fields["billing_address.country"],
        },
        "custom_fields": [{"label": label, "value": fields[label]} for label in ("External ID", "Account Number")],
        **changed,
    }


def found(
    *records: Mapping[str, Any],
    row: HostRow = ROW,
    creates: Mapping[str, int] = CREATED_ONCE,
    customer: Customer = CUSTOMER,
) -> list[str]:
    host = {customer.account_number: row}
    return [difference.what for difference in differences([customer], host, Books(records, creates))]


def test_a_row_that_zoho_holds_as_the_sample_says_has_no_difference() -> None:
    assert found(record()) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"display_name": "Somebody else [CT-2025-00005]"},
        {"company_name": ""},
        {"first_name": "Anneliese"},
        {"last_name": "Cronjé"},
        {"email": "other@example.com"},
        {"phone": "+27 44 555 0000"},
        {"currency_code": "USD"},
        {"status": "inactive"},
        {"billing_address": {"street": "elsewhere", "country": "South Africa"}},
        {"custom_fields": [{"label": "External ID", "value": str(ROW_ID)}]},
        {"custom_fields": [{"label": "Account Number", "value": "CT-2025-00005"}]},
    ],
)
def test_each_field_that_differs_in_zoho_is_named(changed: dict[str, Any]) -> None:
    (what,) = found(record(**changed))
    assert "in Zoho is" in what


@pytest.mark.parametrize(
    ("row", "named"),
    [
        (replace(ROW, status="failed", error="refused"), "zoho_sync_status is failed, not synced: refused"),
        (replace(ROW, zoho_id=None), "zoho_billing_customer_id is None"),
        (replace(ROW, logged=0), "zoho_sync_logs has 0 successful attempts"),
        (replace(ROW, synced_at=None), "zoho_last_synced_at None"),
        (replace(ROW, error="left over"), "'left over'"),
    ],
)
def test_what_the_host_row_does_not_show_is_named(row: HostRow, named: str) -> None:
    (what,) = found(record(), row=row)
    assert named in what


def test_a_customer_created_twice_is_named_even_where_one_record_is_gone() -> None:
    assert found(record(), creates={str(ROW_ID): 2}) == ["Zoho was made to create it 2 times, not once"]
    twice = found(record(), record(customer_id="4600000000001006"), creates={str(ROW_ID): 2})
    assert "Zoho has 2 customers of this row, not 1" in twice


def test_a_customer_that_zoho_does_not_have_is_named() -> None:
    assert "Zoho has 0 customers of this row, not 1" in found(creates={})
    assert [difference.what for difference in differences([CUSTOMER], {}, Books([], {}))] == [
        "is not among the customers"
    ]


def test_a_test_account_stays_out_for_the_declared_reason() -> None:
    account = TEST_ACCOUNTS[0]
    row = replace(ROW, zoho_id=None, status="skipped", error="internal_test account: never sent", synced_at=None)
    assert found(row=row, customer=account) == []
    assert found(row=replace(row, status="pending"), customer=account) == ["zoho_sync_status is pending, not skipped"]
    assert "expected" in found(row=replace(row, error="no e-mail"), customer=account)[0]
    assert found(record(account), row=row, customer=account) == ["is in Zoho, and should not be"]


def test_the_sample_holds_the_customers_of_production_and_the_test_accounts() -> None:
    customers = at_the_end(ACTS)
    assert {customer.account_number for customer in customers if customer.account_type != "internal_test"} == {
        f"CT-2025-{number}" for number in (*PRODUCTION_NUMBERS, "00015", "00023", "00024")
    }
    assert sum(customer.account_type == "internal_test" for customer in customers) == 4
    assert [customer.account_number for customer in customers if not customer.email] == ["CT-2025-00014"]
    assert all(customer.email.endswith("example.com") for customer in customers if customer.email)
