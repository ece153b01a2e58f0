"""Customers found again in Zoho: exact matches only, whatever the list does with its filter."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest

from outbox.entities.contract import Found, NotOurs, Terms
from outbox.entities.customer import Customer, CustomerRow
from outbox.vocabulary import FailureClass
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import JsonValue
from tests.terms import TERMS

pytestmark = pytest.mark.anyio

OURS = UUID("00000000-0000-4000-8000-0000000c0001")
ANOTHERS = "00000000-0000-4000-8000-0000000c0002"
CUSTOMER = Customer()
ROW = CustomerRow(
    id=OURS,
    first_name="Anna",
    last_name="Meadow",
    email="anna@example.com",
    phone="1",
    account_type="personal",
    business_name=None,
    account_number="CT-2025-00002",
    account_status="active",
    zoho_billing_customer_id=None,
    installation_address=None,
)

Record = dict[str, Any]


def record(zoho_id: str, name: str = "Anna Meadow", *, holder: str | None = None, **fields: Any) -> Record:
    """A customer in Zoho."""
    own = [{"label": "External ID", "value": holder}] if holder else []
    return {
        "customer_id": zoho_id,
        "display_name": name,
        "company_name": "",
        "first_name": "",
        "last_name": "",
        "email": "anna@example.com",
        "status": "active",
        "custom_fields": own,
    } | fields


class ListOfCustomers:
    """Zoho's list and details; the filter is honoured, ignored or refused."""

    def __init__(
        self, *records: Record, email_filter: str = "honoured", listing: Sequence[Record] | None = None
    ) -> None:
        self.listing = listing
        self._records = {each["customer_id"]: each for each in records}
        self._filter = email_filter
        self.asked: list[Mapping[str, str]] = []

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, JsonValue]:
        found = self._records.get(path.removeprefix("/customers/"))
        if found is None:
            failure = Failure(
                FailureClass.PERMANENT,
                FailureKind.NOT_FOUND,
                "Customer does not exist.",
                "",
                http_status=400,
                code=3004,
            )
            raise CallFailed(failure)
        return {"customer": found}

    async def rows(
        self, path: str, key: str, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[Mapping[str, JsonValue]]:
        wanted = dict(query or {})
        self.asked.append(wanted)
        assert (path, key, wanted["filter_by"]) == ("/customers", "customers", "Status.All")
        mail = wanted.get("email")
        if mail is not None and self._filter in ("400", "404"):
            kind = FailureKind.INVALID if self._filter == "400" else FailureKind.UNKNOWN_URL
            raise CallFailed(Failure(FailureClass.PERMANENT, kind, "no such parameter", "", code=2))
        for each in self._records.values():
            if mail is None or self._filter == "ignored" or each["email"].casefold() == mail.casefold():
                # A list row carries no custom fields.
                yield {name: value for name, value in each.items() if name != "custom_fields"}

    async def listed(self, keys: Sequence[str], *, make: bool = False) -> Sequence[Mapping[str, JsonValue]] | None:
        if self.listing is None:
            return None
        return [each for each in self.listing if set(CUSTOMER.listed_under(each)) & set(keys)]

    async def act(self, request: ApiRequest, look_key: str) -> ApiReply:
        raise AssertionError(f"a look-up writes nothing: {request}")

    async def write(self, request: ApiRequest) -> ApiReply:
        raise AssertionError(f"a look-up writes nothing: {request}")


async def find(
    zoho: ListOfCustomers, row: CustomerRow = ROW, earlier: Sequence[str] = (), terms: Terms = TERMS
) -> list[Found | NotOurs]:
    return await CUSTOMER.find(zoho, row, CUSTOMER.desired(row, terms), earlier, terms)


def ids(answers: list[Found | NotOurs]) -> list[tuple[str, str]]:
    return [(type(answer).__name__, answer.zoho_id) for answer in answers]


def changed(**columns: Any) -> CustomerRow:
    return CustomerRow(**{**ROW.__dict__, **columns})


FILTERS = ["honoured", "ignored", "400", "404"]


@pytest.mark.parametrize("email_filter", FILTERS)
async def test_our_key_is_found_whatever_the_filter_does(email_filter: str) -> None:
    zoho = ListOfCustomers(
        record("1", "Somebody Else [CT-2025-00001]", email="else@example.com"),
        record("2", "Anna Meadow [CT-2025-00002]", holder=str(OURS)),
        record("3", "Ben Quarry", email="ben@example.com"),
        email_filter=email_filter,
    )
    assert ids(await find(zoho)) == [("Found", "2")]


@pytest.mark.parametrize("email_filter", FILTERS)
async def test_nothing_is_found_where_nothing_is_ours(email_filter: str) -> None:
    zoho = ListOfCustomers(
        record("1", "Anna Meadow [CT-2025-00021]"),
        record("2", "Anna Meadow CT-2025-00002", email="else@example.com"),
        record("3", "Anna Meadows"),
        email_filter=email_filter,
    )
    assert await find(zoho) == []


async def test_the_record_is_the_detail_and_not_the_list_row() -> None:
    (answer,) = await find(ListOfCustomers(record("2", "Anna Meadow [CT-2025-00002]", holder=str(OURS))))
    assert isinstance(answer, Found)
    assert answer.record["custom_fields"]


async def test_it_asks_for_the_email_where_there_is_one() -> None:
    zoho = ListOfCustomers()
    await find(zoho)
    assert [query.get("email") for query in zoho.asked] == ["anna@example.com"]


async def test_it_asks_for_everybody_where_there_is_no_email() -> None:
    zoho = ListOfCustomers(record("2", "Anna Meadow [CT-2025-00002]", email="was@example.com"))
    assert ids(await find(zoho, changed(email=""))) == [("Found", "2")]
    assert [query.get("email") for query in zoho.asked] == [None]


async def test_emails_of_earlier_creates_are_asked_for_too() -> None:
    zoho = ListOfCustomers(record("2", "Anna Meadow [CT-2025-00002]", email="old@example.com"))
    assert ids(await find(zoho, earlier=["old@example.com"])) == [("Found", "2")]
    assert ids(await find(zoho)) == []


async def test_an_earlier_create_without_an_email_asks_for_everybody() -> None:
    zoho = ListOfCustomers(record("2", "Anna Meadow [CT-2025-00002]", email=""))
    assert ids(await find(zoho, earlier=[""])) == [("Found", "2")]


async def test_the_key_of_before_the_account_number_came_is_ours() -> None:
    zoho = ListOfCustomers(record("2", f"Anna Meadow [{OURS}]"))
    assert ids(await find(zoho)) == [("Found", "2")]


async def test_inactive_records_are_found() -> None:
    zoho = ListOfCustomers(record("2", "Anna Meadow [CT-2025-00002]", status="inactive"))
    assert ids(await find(zoho)) == [("Found", "2")]


async def test_our_key_on_a_record_with_anothers_external_id_is_refused_and_says_whose() -> None:
    zoho = ListOfCustomers(record("2", "Anna Meadow [CT-2025-00002]", holder=ANOTHERS))
    (answer,) = await find(zoho)
    assert isinstance(answer, NotOurs)
    assert ANOTHERS in answer.reason
    assert "2" in answer.reason


async def test_two_with_our_key_are_both_told() -> None:
    zoho = ListOfCustomers(
        record("2", "Anna Meadow [CT-2025-00002]"), record("3", "Renamed [CT-2025-00002]", holder=str(OURS))
    )
    assert ids(await find(zoho)) == [("Found", "2"), ("Found", "3")]


async def test_our_key_goes_before_a_namesake() -> None:
    zoho = ListOfCustomers(record("2", "Anna Meadow"), record("3", "Anna Meadow [CT-2025-00002]"))
    assert ids(await find(zoho)) == [("Found", "3")]


@pytest.mark.parametrize(
    "fields",
    [
        {"display_name": "Anna Meadow"},
        {"display_name": "ANNA   MEADOW "},
        {"display_name": "Somebody", "company_name": "Anna Meadow"},
        {"display_name": "A. M.", "first_name": "Anna", "last_name": "Meadow"},
    ],
    ids=["display name", "as people write it", "company name", "first and last name"],
)
async def test_a_namesake_with_our_email_is_found(fields: Record) -> None:
    zoho = ListOfCustomers(record("2") | fields)
    assert ids(await find(zoho)) == [("Found", "2")]


async def test_a_namesake_whose_name_ends_in_brackets_is_found() -> None:
    row = changed(business_name="Quarry [Cape Town]")
    assert ids(await find(ListOfCustomers(record("2", "Quarry [Cape Town]")), row)) == [("Found", "2")]


@pytest.mark.parametrize(
    "fields",
    [
        {"email": "else@example.com"},
        {"email": ""},
        {"display_name": "Anna Meadow Trading"},
        {"display_name": "Anna Meadow [CT-2025-00001]", "first_name": "Anna", "last_name": "Meadow"},
        {"custom_fields": [{"label": "External ID", "value": ANOTHERS}]},
    ],
    ids=["another e-mail", "no e-mail", "a longer name", "another key", "another's External ID"],
)
async def test_who_only_resembles_us_is_another_customer(fields: Record) -> None:
    zoho = ListOfCustomers(record("2") | fields, email_filter="ignored")
    assert await find(zoho) == []


async def test_a_row_without_an_email_has_no_namesakes() -> None:
    zoho = ListOfCustomers(record("2", email=""))
    assert await find(zoho, changed(email="")) == []


async def test_a_record_that_goes_away_between_list_and_detail_is_not_taken() -> None:
    class Vanishing(ListOfCustomers):
        async def read(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, JsonValue]:
            self._records.clear()
            return await super().read(path, query)

    zoho = Vanishing(record("2"))
    assert await find(zoho) == []


class TestExamine:
    async def test_a_record_with_our_external_id_is_ours_whatever_its_name(self) -> None:
        zoho = ListOfCustomers(record("2", "Renamed", email="else@example.com", holder=str(OURS)))
        answer = await CUSTOMER.examine(zoho, ROW, "2", CUSTOMER.desired(ROW, TERMS), TERMS)
        assert isinstance(answer, Found)

    async def test_a_record_without_any_sign_is_not_ours_and_says_how_to_make_it(self) -> None:
        zoho = ListOfCustomers(record("2", "Somebody", email="else@example.com"))
        answer = await CUSTOMER.examine(zoho, ROW, "2", CUSTOMER.desired(ROW, TERMS), TERMS)
        assert isinstance(answer, NotOurs)
        assert f"set External ID to {OURS}" in answer.reason

    async def test_a_record_that_is_not_there_is_not_ours(self) -> None:
        answer = await CUSTOMER.examine(ListOfCustomers(), ROW, "9", CUSTOMER.desired(ROW, TERMS), TERMS)
        assert isinstance(answer, NotOurs)
        assert "has no customer 9" in answer.reason

    async def test_another_failure_is_not_taken_for_absence(self) -> None:
        class Down(ListOfCustomers):
            async def read(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, JsonValue]:
                raise CallFailed(Failure(FailureClass.OUTAGE, FailureKind.SERVER_ERROR, "broken", ""))

        with pytest.raises(CallFailed):
            await CUSTOMER.examine(Down(), ROW, "2", CUSTOMER.desired(ROW, TERMS), TERMS)


class TestByAListThatWasReadBefore:
    async def test_our_key_in_the_name_is_enough(self) -> None:
        listed = record("2", "Anna Meadow [CT-2025-00002]")
        zoho = ListOfCustomers(listing=[record("1"), listed])
        assert await find(zoho) == [Found("2", listed, from_list=True)]
        assert zoho.asked == []

    async def test_a_record_that_only_a_list_showed_is_written_to_be_known(self) -> None:
        found = Found("2", record("2", "Anna Meadow [CT-2025-00002]"), from_list=True)
        assert CUSTOMER.differs(found, CUSTOMER.desired(ROW, TERMS))

    async def test_another_name_or_mail_beside_our_key_is_read_first(self) -> None:
        renamed = record("2", "Anna Newname [CT-2025-00002]", holder=ANOTHERS)
        (answer,) = await find(ListOfCustomers(renamed, listing=[renamed]))
        assert isinstance(answer, NotOurs)
        moved = record("2", "Anna Meadow [CT-2025-00002]", email="moved@example.com", holder=ANOTHERS)
        (answer,) = await find(ListOfCustomers(moved, listing=[moved]))
        assert isinstance(answer, NotOurs)

    async def test_a_namesake_is_read_before_it_is_taken(self) -> None:
        namesake = record("2", holder=ANOTHERS)
        assert await find(ListOfCustomers(namesake, listing=[namesake])) == []
        own = record("2")
        assert [answer.zoho_id for answer in await find(ListOfCustomers(own, listing=[own]))] == ["2"]

    async def test_nothing_listed_means_nothing_there(self) -> None:
        zoho = ListOfCustomers(record("2", "Anna Meadow [CT-2025-00002]"), listing=[])
        assert await find(zoho) == []


class TestMismatch:
    def test_a_name_that_zoho_changed_is_told_without_the_names(self) -> None:
        desired = CUSTOMER.desired(ROW, TERMS)
        told = CUSTOMER.mismatch({"customer_id": "46", "display_name": "ANNA MEADOW"}, desired)
        assert told is not None
        assert "customer 46" in told
        assert "meadow" not in told.casefold()

    def test_a_custom_field_that_zoho_did_not_keep_is_told(self) -> None:
        desired = CUSTOMER.desired(ROW, TERMS)
        kept = [{"label": "Account Number", "value": "CT-2025-00002"}]
        told = CUSTOMER.mismatch({**desired.content, "custom_fields": kept}, desired)
        assert told is not None
        assert "External ID" in told
