"""Whether each row of the sample stands where the sample says, by Zoho's books and not only by our own records.

What Zoho should hold is worked out here anew from the sample (decisions.md, Customers), not by the code that sends:
a comparison that shared its mapping would share its mistakes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never
from uuid import UUID

from outbox.demo.feed import HostRow
from outbox.demo.sample import Customer, Skipped, Synced

Record = Mapping[str, Any]

EXTERNAL_ID, ACCOUNT_NUMBER = "External ID", "Account Number"


@dataclass(frozen=True)
class Books:
    """What the simulator says: its records, and what its statistics count."""

    customers: Sequence[Record]
    creates: Mapping[str, int]
    """POST /customers that were carried out, by External ID."""


@dataclass(frozen=True)
class Difference:
    """A row that does not stand as the sample says, and in what."""

    key: str
    name: str
    what: str


def differences(sample: Iterable[Customer], host: Mapping[str, HostRow], books: Books) -> list[Difference]:
    """Every difference; empty where each row stands as its ``end`` says. Rows beyond the sample do not count."""
    found: list[Difference] = []
    for customer in sample:
        row = host.get(customer.account_number)
        if row is None:
            complaints: Iterable[str] = ["is not among the customers"]
        else:
            match customer.end:
                case Synced(active):
                    complaints = _not_synced(customer, row, books, active=active)
                case Skipped(because):
                    complaints = _not_skipped(customer, row, books, because)
                case _:
                    assert_never(customer.end)
        found.extend(Difference(customer.account_number, customer.name, complaint) for complaint in complaints)
    return found


def in_zoho(customer: Customer, row_id: UUID, *, active: bool) -> dict[str, str]:
    """The fields that Zoho should show of a customer, by the names that :func:`shown` gives them."""
    address = "" if customer.service is None else customer.service.installation_address
    return {
        "display_name": f"{customer.name} [{customer.account_number}]",
        "company_name": customer.business_name or "",
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "email": customer.email,
        "phone": customer.phone,
        "currency_code": "ZAR",
        "billing_address.street": address,
        "billing_address.country": "South Africa" if address else "",
        EXTERNAL_ID: str(row_id),
        ACCOUNT_NUMBER: customer.account_number,
        "status": "active" if active else "inactive",
    }


def shown(record: Record) -> dict[str, str]:
    """The same fields of a record in Zoho's books."""
    custom = {field["label"]: field["value"] for field in record["custom_fields"]}
    plain = ("display_name", "company_name", "first_name", "last_name", "email", "phone", "currency_code", "status")
    return {
        **{name: str(record.get(name, "")) for name in plain},
        "billing_address.street": record["billing_address"]["street"],
        "billing_address.country": record["billing_address"]["country"],
        EXTERNAL_ID: custom.get(EXTERNAL_ID, ""),
        ACCOUNT_NUMBER: custom.get(ACCOUNT_NUMBER, ""),
    }


def _not_synced(customer: Customer, row: HostRow, books: Books, *, active: bool) -> Iterator[str]:
    if row.status != "synced":
        yield f"zoho_sync_status is {row.status}, not synced: {row.error or 'no reason given'}"
    elif row.error is not None or row.synced_at is None or row.logged == 0:
        yield (
            f"synced, but zoho_last_sync_error is {row.error!r}, zoho_last_synced_at {row.synced_at}, "
            f"and zoho_sync_logs has {row.logged} successful attempts"
        )
    records = _records_of(customer, row, books)
    if len(records) != 1:
        yield f"Zoho has {len(records)} customers of this row, not 1"
    if (creates := books.creates.get(str(row.id), 0)) != 1:
        yield f"Zoho was made to create it {creates} times, not once"
    for record in records:
        if record["customer_id"] != row.zoho_id:
            yield f"zoho_billing_customer_id is {row.zoho_id}, Zoho's customer {record['customer_id']}"
        held = shown(record)
        for name, wanted in in_zoho(customer, row.id, active=active).items():
            if held[name] != wanted:
                yield f'{name} in Zoho is "{held[name]}", should be "{wanted}"'


def _not_skipped(customer: Customer, row: HostRow, books: Books, because: str) -> Iterator[str]:
    if row.status != "skipped":
        yield f"zoho_sync_status is {row.status}, not skipped"
    elif because not in (row.error or ""):
        yield f'skipped because of "{row.error}", expected "{because}"'
    if row.zoho_id is not None or _records_of(customer, row, books):
        yield "is in Zoho, and should not be"


def _records_of(customer: Customer, row: HostRow, books: Books) -> list[Record]:
    """Whatever in the books could be this customer: by External ID, account number or key in the name."""
    marks = {EXTERNAL_ID: str(row.id), ACCOUNT_NUMBER: customer.account_number}
    return [
        record
        for record in books.customers
        if record["customer_id"] == row.zoho_id
        or f"[{customer.account_number}]" in record["display_name"]
        or any(shown(record)[label] == mark for label, mark in marks.items())
    ]
