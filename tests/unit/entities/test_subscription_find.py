"""Subscriptions found again in Zoho: the reference and the customer, compared to the letter."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest

from outbox.entities.contract import Desired, Found, NotOurs, Terms
from outbox.entities.service_row import ServiceRow
from outbox.vocabulary import FailureClass
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import JsonValue
from tests.unit.entities.subscriptions import (
    ANOTHERS,
    BACKFILL,
    CUSTOMER,
    ROW,
    SERVICE,
    SUBSCRIPTION,
    TERMS,
    Zoho,
    list_row,
    record,
    service,
    wanted,
)

pytestmark = pytest.mark.anyio

FILTERS = ["honoured", "ignored", "refused"]
SECOND = f"{SERVICE}#2"
BROKEN = CallFailed(Failure(FailureClass.OUTAGE, FailureKind.SERVER_ERROR, "broken", ""))
NO_FIELDS = replace(TERMS, external_id_label=None)


async def find(
    zoho: Zoho, row: ServiceRow = ROW, desired: Desired | None = None, terms: Terms = TERMS
) -> list[tuple[str, str]]:
    answers = await SUBSCRIPTION.find(zoho, row, desired or wanted(row, terms), (), terms)
    return [(type(answer).__name__, answer.zoho_id) for answer in answers]


def second(desired: Desired | None = None) -> Desired:
    return replace(desired or wanted(), look_key=SECOND)


@pytest.mark.parametrize("filters", FILTERS)
async def test_our_reference_is_found_whatever_the_filter_does(filters: str) -> None:
    zoho = Zoho(record("69", reference_id=ANOTHERS, custom_fields=[]), record("70"), filters=filters)
    assert await find(zoho) == [("Found", "70")]


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("reference", ["", f"x{SERVICE}", f"{SERVICE}0", f"{SERVICE}#", f"{SERVICE}#1", f"{SERVICE}#x"])
async def test_a_reference_that_only_holds_ours_is_another(reference: str, filters: str) -> None:
    assert await find(Zoho(record(reference_id=reference, custom_fields=[]), filters=filters)) == []


async def test_it_asks_for_the_reference_in_every_state() -> None:
    zoho = Zoho()
    await find(zoho)
    assert zoho.lists == [{"filter_by": "SubscriptionStatus.All", "reference_contains": SERVICE}]


async def test_where_that_is_refused_it_asks_for_the_customers() -> None:
    zoho = Zoho(filters="refused")
    await find(zoho)
    assert zoho.lists[1] == {"filter_by": "SubscriptionStatus.All", "customer_id": CUSTOMER}


async def test_a_list_that_cannot_be_had_is_not_taken_for_an_empty_one() -> None:
    class Down(Zoho):
        async def rows(
            self, path: str, key: str, query: Mapping[str, str] | None = None
        ) -> AsyncIterator[Mapping[str, JsonValue]]:
            raise BROKEN
            yield {}

    with pytest.raises(CallFailed):
        await find(Down())


@pytest.mark.parametrize("status", ["live", "future", "non_renewing", "paused", "unpaid"])
async def test_the_generation_that_has_not_ended_is_the_one(status: str) -> None:
    zoho = Zoho(record("70", status="cancelled"), record("71", reference_id=SECOND, status=status))
    assert await find(zoho) == [("Found", "71")]


async def test_several_that_live_are_all_told() -> None:
    zoho = Zoho(record("70"), record("71", reference_id=SECOND))
    assert await find(zoho) == [("Found", "70"), ("Found", "71")]


async def test_of_ended_ones_the_newest_is_taken_up_again() -> None:
    zoho = Zoho(
        record("72", reference_id=f"{SERVICE}#10", status="expired"),
        record("70", status="cancelled"),
        record("71", reference_id=SECOND, status="cancelled"),
    )
    assert await find(zoho) == [("Found", "72")]


async def test_ended_ones_are_history_for_the_one_that_follows_them() -> None:
    zoho = Zoho(record("70", status="cancelled"))
    assert await find(zoho, desired=second()) == []


async def test_the_one_that_follows_is_found_after_a_lost_reply() -> None:
    zoho = Zoho(record("70", status="cancelled"), record("71", reference_id=SECOND, status="future"))
    assert await find(zoho, desired=second()) == [("Found", "71")]


async def test_one_of_another_customer_that_goes_on_billing_is_refused_by_name() -> None:
    zoho = Zoho(record(customer={"customer_id": "9009"}))
    (answer,) = await SUBSCRIPTION.find(zoho, ROW, wanted(), (), TERMS)
    assert isinstance(answer, NotOurs)
    assert "9009" in answer.reason
    assert f"{CUSTOMER} (customer CT-2025-00002): cancel it in Zoho" in answer.reason


@pytest.mark.parametrize("status", ["cancelled", "non_renewing"])
async def test_one_of_another_customer_that_bills_no_more_is_no_concern(status: str) -> None:
    assert await find(Zoho(record(customer={"customer_id": "9009"}, status=status))) == []


async def test_another_rows_external_id_refuses_our_reference() -> None:
    fields = [{"label": "External ID", "value": ANOTHERS}]
    (answer,) = await SUBSCRIPTION.find(Zoho(record(custom_fields=fields)), ROW, wanted(), (), TERMS)
    assert isinstance(answer, NotOurs)
    assert ANOTHERS in answer.reason


async def test_a_service_that_is_to_end_is_found_without_its_customer() -> None:
    row = service(status="cancelled", customer_zoho_id=None)
    assert await find(Zoho(record(), filters="refused"), row) == [("Found", "70")]


class TestList:
    async def test_a_backfill_goes_by_the_list(self) -> None:
        zoho = Zoho(listed=[list_row(record("70")), list_row(record("69", reference_id=ANOTHERS))])
        assert await find(zoho, terms=BACKFILL) == [("Found", "70")]
        assert zoho.lists == []

    async def test_where_no_list_will_do_zoho_is_asked(self) -> None:
        zoho = Zoho(record("70"))
        assert await find(zoho, terms=BACKFILL) == [("Found", "70")]

    async def test_a_live_change_does_not_go_by_yesterdays_list(self) -> None:
        assert await find(Zoho(record("70"), listed=[])) == [("Found", "70")]

    async def test_who_looks_for_the_next_generation_asks_zoho(self) -> None:
        zoho = Zoho(record("70", status="cancelled"), listed=[list_row(record("70"))])
        assert await find(zoho, desired=second(), terms=BACKFILL) == []

    def test_every_generation_is_listed_under_the_service(self) -> None:
        assert list(SUBSCRIPTION.listed_under(list_row(record(reference_id=SECOND)))) == [SERVICE]
        assert list(SUBSCRIPTION.listed_under(list_row(record(reference_id="")))) == []

    def test_the_list_shows_ended_ones(self) -> None:
        assert SUBSCRIPTION.listing is not None
        assert SUBSCRIPTION.listing.query == {"filter_by": "SubscriptionStatus.All"}


class TestExamine:
    async def examined(self, zoho: Zoho, terms: Terms = TERMS, zoho_id: str = "70") -> Found | NotOurs:
        return await SUBSCRIPTION.examine(zoho, ROW, zoho_id, wanted(), terms)

    async def test_one_with_our_external_id_is_ours_whatever_its_reference(self) -> None:
        assert isinstance(await self.examined(Zoho(record(reference_id="by hand"))), Found)

    @pytest.mark.parametrize("reference", [SERVICE, SECOND])
    async def test_one_with_our_reference_is_ours(self, reference: str) -> None:
        zoho = Zoho(record(reference_id=reference, custom_fields=[]))
        assert isinstance(await self.examined(zoho), Found)
        assert isinstance(await self.examined(zoho, NO_FIELDS), Found)

    async def test_one_with_neither_says_how_to_make_it_ours(self) -> None:
        answer = await self.examined(Zoho(record(reference_id="by hand", custom_fields=[])))
        assert isinstance(answer, NotOurs)
        assert f"'by hand' and no External ID: set its reference to {SERVICE}" in answer.reason

    async def test_another_rows_external_id_refuses_it(self) -> None:
        answer = await self.examined(Zoho(record(custom_fields=[{"label": "External ID", "value": ANOTHERS}])))
        assert isinstance(answer, NotOurs)
        assert ANOTHERS in answer.reason

    async def test_one_of_another_customer_is_refused(self) -> None:
        answer = await self.examined(Zoho(record(customer={"customer_id": "9009"})))
        assert isinstance(answer, NotOurs)
        assert "belongs to Zoho customer 9009" in answer.reason

    async def test_one_that_is_not_there_is_not_ours(self) -> None:
        answer = await self.examined(Zoho())
        assert isinstance(answer, NotOurs)
        assert answer.reason == "Zoho has no subscription 70: correct or clear zoho_subscription_id"

    async def test_another_failure_is_not_taken_for_absence(self) -> None:
        class Down(Zoho):
            async def read(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, JsonValue]:
                raise BROKEN

        with pytest.raises(CallFailed):
            await self.examined(Down())
