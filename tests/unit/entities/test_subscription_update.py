"""Subscriptions brought up to date: cancelled, re-activated, followed by another, at another price."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from outbox.entities.contract import CannotMap, Desired, Found, RecordEnded, Terms, Updated
from outbox.entities.service_row import ServiceRow
from outbox.settings import CancelAt
from outbox.vocabulary import FailureClass
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import JsonValue
from tests.unit.entities.subscriptions import (
    BACKFILL,
    CUSTOMER,
    ROW,
    SERVICE,
    SUBSCRIPTION,
    TERMS,
    Record,
    Zoho,
    at_price,
    list_row,
    record,
    refused,
    sent,
    service,
    wanted,
)
from tests.unit.entities.test_subscription_mapping import NOT_ASKED_FOR
from tests.zoho_specifications.specification import request_faults

pytestmark = pytest.mark.anyio

NOW = replace(TERMS, cancel_at=CancelAt.NOW)
CANCELLED = service(status="cancelled")
LOST = CallFailed(Failure(FailureClass.TRANSIENT, FailureKind.TIMED_OUT, "no answer", ""))


async def update(
    zoho: Zoho,
    row: ServiceRow = ROW,
    terms: Terms = TERMS,
    *,
    was: str | None = "active",
    found: Found | None = None,
    write_content: bool = True,
) -> Updated:
    return await SUBSCRIPTION.update(
        zoho, row, "70", wanted(row, terms), terms, was=was, found=found, write_content=write_content
    )


async def followed(zoho: Zoho, row: ServiceRow = ROW, terms: Terms = TERMS, **known: Any) -> Desired:
    with pytest.raises(RecordEnded) as ended:
        await update(zoho, row, terms, **known)
    return ended.value.desired


def told(updated: Updated, row: ServiceRow = ROW) -> str | None:
    assert updated.record is not None
    return SUBSCRIPTION.mismatch(updated.record, wanted(row))


class TestCancel:
    async def test_it_ends_with_its_term(self) -> None:
        zoho = Zoho(record())
        updated = await update(zoho, CANCELLED)
        assert zoho.writes == [("POST", "cancel", {"cancel_at_end": "true"})]
        assert zoho.repeatable == [True]
        assert updated == Updated("cancelled")

    async def test_it_ends_now_where_that_is_set(self) -> None:
        zoho = Zoho(record())
        await update(zoho, CANCELLED, NOW)
        assert zoho.writes == [("POST", "cancel", {"cancel_at_end": "false"})]

    @pytest.mark.parametrize("terms", [TERMS, NOW])
    async def test_one_that_has_not_started_always_ends_now(self, terms: Terms) -> None:
        zoho = Zoho(record(status="future"))
        await update(zoho, CANCELLED, terms)
        assert zoho.writes == [("POST", "cancel", {"cancel_at_end": "false"})]

    @pytest.mark.parametrize(
        ("status", "terms"),
        [("cancelled", TERMS), ("expired", NOW), ("cancelled_from_dunning", TERMS), ("non_renewing", TERMS)],
    )
    async def test_one_that_has_ended_or_will_is_left_alone(self, status: str, terms: Terms) -> None:
        zoho = Zoho(record(status=status))
        assert (await update(zoho, CANCELLED, terms)).reached == "cancelled"
        assert zoho.writes == []

    async def test_one_that_will_end_is_ended_now_where_that_is_set(self) -> None:
        zoho = Zoho(record(status="non_renewing"))
        await update(zoho, CANCELLED, NOW)
        assert zoho.records["70"]["status"] == "cancelled"

    async def test_its_content_is_never_written(self) -> None:
        zoho = Zoho(at_price("1", reference_id=""))
        await update(zoho, service(status="cancelled", monthly_price=Decimal("5")))
        assert [action for _, action, _ in zoho.writes] == ["cancel"]

    async def test_a_refusal_because_it_is_cancelled_already_is_success(self) -> None:
        class Meanwhile(Zoho):
            async def write(self, request: ApiRequest) -> ApiReply:
                self.records["70"]["status"] = "cancelled"
                return await super().write(request)

        zoho = Meanwhile(record())
        zoho.refusals["cancel"] = refused(FailureKind.INVALID, 1234, "already cancelled")
        assert (await update(zoho, CANCELLED)).reached == "cancelled"

    async def test_a_refusal_of_one_that_lives_is_told_as_zoho_says(self) -> None:
        zoho = Zoho(record())
        zoho.refusals["cancel"] = refused(FailureKind.INVALID, 1234, "cannot be cancelled")
        with pytest.raises(CallFailed, match="cannot be cancelled"):
            await update(zoho, CANCELLED)

    async def test_a_lost_reply_is_no_refusal(self) -> None:
        zoho = Zoho(record())
        zoho.refusals["cancel"] = LOST
        with pytest.raises(CallFailed, match="no answer"):
            await update(zoho, CANCELLED)

    async def test_one_that_lives_on_after_its_cancel_is_told(self) -> None:
        class Deaf(Zoho):
            async def write(self, request: ApiRequest) -> ApiReply:
                reply = await super().write(request)
                self.records["70"]["status"] = "live"
                return replace(reply, body={"code": 0})

        with pytest.raises(CannotMap, match="70 is live after it was cancelled"):
            await update(Deaf(record()), CANCELLED)

    async def test_one_that_is_gone_needs_no_cancel(self) -> None:
        updated = await update(Zoho(), CANCELLED)
        assert updated.reached == "cancelled"
        assert "nothing to cancel" in (updated.note or "")

    async def test_a_list_that_calls_it_future_is_not_believed(self) -> None:
        zoho = Zoho(record(status="live"))
        await update(zoho, CANCELLED, found=Found("70", list_row(record(status="future")), from_list=True))
        assert zoho.writes == [("POST", "cancel", {"cancel_at_end": "true"})]

    async def test_a_list_that_calls_it_cancelled_will_do(self) -> None:
        zoho = Zoho()
        await update(zoho, CANCELLED, found=Found("70", list_row(record(status="cancelled")), from_list=True))
        assert zoho.reads == []


class TestActiveAgain:
    async def test_one_that_has_not_ended_yet_is_reactivated(self) -> None:
        zoho = Zoho(record(status="non_renewing"))
        updated = await update(zoho, was="cancelled")
        assert zoho.writes == [("POST", "reactivate", {})]
        assert zoho.repeatable == [True]
        assert updated.reached == "active"

    async def test_what_changed_meanwhile_follows(self) -> None:
        zoho = Zoho(record(status="non_renewing"))
        row = service(monthly_price=Decimal("899.00"))
        assert told(await update(zoho, row, was="cancelled"), row) is None
        assert [action for _, action, _ in zoho.writes] == ["reactivate", "PUT"]

    @pytest.mark.parametrize("shows", ["state", "nothing"])
    async def test_a_thin_reply_is_no_reason_to_write_the_plan(self, shows: str) -> None:
        zoho = Zoho(record(status="non_renewing"))
        zoho.shows = shows
        await update(zoho, was="cancelled")
        assert [action for _, action, _ in zoho.writes] == ["reactivate"]

    @pytest.mark.parametrize("status", ["cancelled", "expired", "cancelled_from_dunning", "trial_expired"])
    async def test_one_that_has_ended_is_followed_by_another(self, status: str) -> None:
        desired = await followed(Zoho(record(status=status)), was="cancelled")
        assert desired.look_key == f"{SERVICE}#2"
        assert desired.at_creation == {"reference_id": f"{SERVICE}#2", "starts_at": "2026-12-01"}
        assert desired.hash == wanted().hash
        assert "again from 2026-12-01" in (desired.note or "")

    @pytest.mark.parametrize(("reference", "following"), [("#2", "#3"), ("#9", "#10"), ("#41", "#42")])
    async def test_generations_are_counted(self, reference: str, following: str) -> None:
        zoho = Zoho(record(status="cancelled", reference_id=f"{SERVICE}{reference}"))
        assert (await followed(zoho)).look_key == f"{SERVICE}{following}"

    async def test_it_never_begins_today_nor_where_the_host_has_billed(self) -> None:
        ended = record(status="cancelled")
        today = await followed(Zoho(ended), service(billing_day=21, activation_date=TERMS.today))
        assert today.at_creation["starts_at"] == "2026-12-21"
        ahead = await followed(Zoho(ended), service(last_invoice_date=date(2026, 12, 1)))
        assert ahead.at_creation["starts_at"] == "2027-01-01"

    async def test_the_one_that_follows_raises_no_invoice(self) -> None:
        desired = await SUBSCRIPTION.prepare(Zoho(), ROW, await followed(Zoho(record(status="cancelled"))), TERMS)
        assert "88" in (SUBSCRIPTION.mismatch(record("71", child_invoice_id="88"), desired) or "")
        assert SUBSCRIPTION.create(desired).body == {**sent(wanted()), **desired.at_creation}

    async def test_one_that_ended_while_it_was_reactivated_is_followed(self) -> None:
        class TermOver(Zoho):
            async def write(self, request: ApiRequest) -> ApiReply:
                self.records["70"]["status"] = "cancelled"
                return await super().write(request)

        zoho = TermOver(record(status="non_renewing"))
        zoho.refusals["reactivate"] = refused(FailureKind.INVALID, 1234, "not non-renewing")
        assert (await followed(zoho)).look_key == f"{SERVICE}#2"

    async def test_a_list_that_calls_it_cancelled_is_not_believed(self) -> None:
        zoho = Zoho(record())
        found = Found("70", list_row(record(status="cancelled")), from_list=True)
        assert (await update(zoho, was="cancelled", found=found)).reached == "active"

    async def test_one_that_stays_ending_is_told(self) -> None:
        class Deaf(Zoho):
            async def write(self, request: ApiRequest) -> ApiReply:
                reply = await super().write(request)
                self.records["70"]["status"] = "non_renewing"
                return replace(reply, body={"code": 0})

        with pytest.raises(CannotMap, match="70 still ends with its term"):
            await update(Deaf(record(status="non_renewing")))

    async def test_a_refused_reactivation_is_told_as_zoho_says(self) -> None:
        zoho = Zoho(record(status="non_renewing"))
        zoho.refusals["reactivate"] = refused(FailureKind.INVALID, 1234, "cannot be reactivated")
        with pytest.raises(CallFailed, match="cannot be reactivated"):
            await update(zoho)


class TestPlan:
    async def test_another_price_comes_with_the_next_term(self) -> None:
        zoho = Zoho(record())
        row = service(monthly_price=Decimal("899.00"))
        updated = await update(zoho, row)
        ((method, _, body),) = zoho.writes
        assert method == "PUT"
        assert body == {**sent(wanted(row)), "reference_id": SERVICE, "end_of_term": True}
        assert zoho.reads == ["record", "scheduledchanges"]
        assert told(updated, row) is None
        assert zoho.records["70"]["amount"] == 799

    async def test_zohos_specification_knows_every_key_of_a_change(self) -> None:
        zoho = Zoho(record())
        await update(zoho, service(monthly_price=Decimal("899.00")))
        faults = request_faults("PUT", "/subscriptions/{subscription_id}", zoho.writes[0][2])
        assert [fault for fault in faults if not any(name in fault for name in NOT_ASKED_FOR)] == []

    async def test_the_invoice_of_the_present_term_is_no_concern(self) -> None:
        zoho = Zoho(record(child_invoice_id="87"))
        row = service(monthly_price=Decimal("899.00"))
        assert told(await update(zoho, row), row) is None

    @pytest.mark.parametrize("shows", ["state", "nothing"])
    async def test_where_a_reply_does_not_show_it_the_record_is_read(self, shows: str) -> None:
        zoho = Zoho(record())
        zoho.shows = shows
        row = service(monthly_price=Decimal("899.00"))
        assert told(await update(zoho, row), row) is None

    async def test_another_plan_too(self) -> None:
        zoho = Zoho(record())
        row = service(sku="FIB-200")
        assert told(await update(zoho, row), row) is None
        assert zoho.changes["70"]["plan"]["plan_code"] == "FIB-200"

    async def test_one_that_has_not_started_changes_at_once(self) -> None:
        zoho = Zoho(record(status="future"))
        row = service(monthly_price=Decimal("899.00"))
        assert told(await update(zoho, row), row) is None
        assert "end_of_term" not in zoho.writes[0][2]
        assert zoho.records["70"]["amount"] == Decimal("899.00")

    async def test_a_change_that_zoho_forgot_is_told_with_both_figures(self) -> None:
        zoho = Zoho(record())
        zoho.schedules = "forgotten"
        row = service(monthly_price=Decimal("899.00"))
        assert "costs 799 a term where monthly_price is 899.00" in (told(await update(zoho, row), row) or "")

    async def test_another_plan_that_zoho_forgot_is_told_with_both(self) -> None:
        zoho = Zoho(record())
        zoho.schedules = "forgotten"
        row = service(sku="FIB-200")
        assert "the plan FIB-100 where FIB-200" in (told(await update(zoho, row), row) or "")

    async def test_a_change_that_zoho_made_at_once_is_noted(self) -> None:
        zoho = Zoho(record())
        zoho.schedules = "at once"
        row = service(monthly_price=Decimal("899.00"))
        updated = await update(zoho, row)
        assert told(updated, row) is None
        assert "at once" in (updated.note or "")

    @pytest.mark.parametrize("schedules", ["kept", "at once"])
    async def test_an_invoice_that_a_change_raised_is_told(self, schedules: str) -> None:
        zoho = Zoho(record(child_invoice_id="87"))
        zoho.schedules, zoho.invoice_of_a_change = schedules, "88"
        with pytest.raises(CannotMap, match="Zoho raised invoice 88"):
            await update(zoho, service(monthly_price=Decimal("899.00")))

    async def test_a_price_that_goes_up_and_back_is_not_left_scheduled(self) -> None:
        zoho = Zoho(record())
        await update(zoho, service(monthly_price=Decimal("899.00")))
        assert told(await update(zoho)) is None
        assert zoho.changes["70"]["amount"] == Decimal("799.00")

    async def test_a_term_that_costs_another_amount_is_told_and_not_written(self) -> None:
        zoho = Zoho(record(amount=Decimal("918.85")))
        assert "918.85" in (told(await update(zoho)) or "")
        assert zoho.writes == []

    @pytest.mark.parametrize(("code", "message"), [(101002, "plan_code 'FIB-100'"), (3004, f"customer {CUSTOMER}")])
    async def test_what_a_change_names_and_zoho_lacks_is_not_the_subscription(self, code: int, message: str) -> None:
        zoho = Zoho(at_price("749"))
        zoho.refusals["PUT"] = refused(FailureKind.NOT_FOUND, code, "Invalid")
        with pytest.raises(CannotMap, match=message):
            await update(zoho)

    async def test_another_refusal_is_told_as_zoho_says(self) -> None:
        zoho = Zoho(at_price("749"))
        zoho.refusals["PUT"] = refused(FailureKind.INVALID, 4, "Invalid value passed for price")
        with pytest.raises(CallFailed, match="Invalid value"):
            await update(zoho)

    async def test_a_schedule_that_cannot_be_read_is_not_taken_for_an_empty_one(self) -> None:
        class Down(Zoho):
            async def read(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, JsonValue]:
                if path.endswith("scheduledchanges"):
                    raise LOST
                return await super().read(path)

        with pytest.raises(CallFailed, match="no answer"):
            await update(Down(at_price("749")))


class TestMarks:
    @pytest.mark.parametrize(
        ("changed", "write"),
        [
            (record(reference_id=""), ("POST", "reference", {"reference_id": SERVICE})),
            (
                record(custom_fields=[]),
                ("POST", "customfields", {"custom_fields": [{"label": "External ID", "value": SERVICE}]}),
            ),
            (record(auto_collect=True), ("POST", "autocollect", {"auto_collect": False})),
        ],
        ids=["reference", "custom fields", "collection"],
    )
    async def test_what_bills_nothing_is_told_without_the_plan(self, changed: Record, write: Any) -> None:
        zoho = Zoho(changed)
        assert told(await update(zoho)) is None
        assert zoho.writes == [write]
        assert zoho.repeatable == [True]
        body = zoho.writes[0][2]
        assert request_faults("POST", f"/subscriptions/{{subscription_id}}/{write[1]}", body) == []

    async def test_the_reference_of_a_later_generation_is_kept(self) -> None:
        zoho = Zoho(at_price("749", reference_id=f"{SERVICE}#3"))
        await update(zoho)
        assert [body["reference_id"] for _, _, body in zoho.writes] == [f"{SERVICE}#3"]

    async def test_a_reference_that_zoho_did_not_keep_is_told(self) -> None:
        class Deaf(Zoho):
            def _mark(self, kept: Record, body: Record) -> None:
                return

        zoho = Deaf(record(reference_id="by hand"))
        assert "did not keep its reference" in (told(await update(zoho)) or "")

    async def test_an_external_id_that_was_another_is_corrected(self) -> None:
        zoho = Zoho(record(custom_fields=[{"label": "External ID", "value": "by hand"}]))
        assert told(await update(zoho)) is None
        assert zoho.records["70"]["custom_fields"] == [{"label": "External ID", "value": SERVICE}]

    async def test_where_all_is_as_it_should_be_nothing_is_written(self) -> None:
        zoho = Zoho(record())
        assert told(await update(zoho)) is None
        assert zoho.writes == []


class TestCustomer:
    async def test_another_customer_is_refused_and_says_what_to_do(self) -> None:
        zoho = Zoho(record())
        with pytest.raises(CannotMap, match=r"to 9009 .*cancel it in Zoho, then replay; a new one is created"):
            await update(zoho, service(customer_zoho_id="9009"))
        assert zoho.writes == []

    @pytest.mark.parametrize("status", ["cancelled", "non_renewing"])
    async def test_once_the_old_one_is_cancelled_another_follows(self, status: str) -> None:
        zoho = Zoho(record(status=status))
        desired = await followed(zoho, service(customer_zoho_id="9009"))
        assert (desired.content["customer_id"], desired.look_key) == ("9009", f"{SERVICE}#2")
        assert zoho.writes == []

    async def test_it_is_cancelled_whosever_it_is(self) -> None:
        zoho = Zoho(record())
        await update(zoho, service(status="cancelled", customer_zoho_id="9009"))
        assert [action for _, action, _ in zoho.writes] == ["cancel"]


class TestRequests:
    async def test_after_its_create_nothing_remains(self) -> None:
        zoho = Zoho(record(status="future"))
        found = Found("70", record(status="future"))
        assert await update(zoho, found=found, write_content=False) == Updated("active")
        assert (zoho.reads, zoho.writes) == ([], [])

    async def test_one_that_was_adopted_as_it_is_costs_no_request(self) -> None:
        zoho = Zoho(record())
        found = Found("70", list_row(record()), from_list=True)
        assert await update(zoho, terms=BACKFILL, found=found, write_content=False) == Updated("active")
        assert (zoho.reads, zoho.writes) == ([], [])

    async def test_one_from_a_list_is_read_before_it_is_changed(self) -> None:
        zoho = Zoho(record(custom_fields=[]))
        await update(zoho, found=Found("70", list_row(record(custom_fields=[])), from_list=True))
        assert zoho.reads == ["record"]

    async def test_one_that_was_read_is_not_read_again(self) -> None:
        zoho = Zoho(record())
        await update(zoho, found=Found("70", record()))
        assert zoho.reads == ["scheduledchanges"]

    async def test_whose_state_is_in_doubt_is_read(self) -> None:
        zoho = Zoho(record(status="non_renewing"))
        await update(zoho, was="?", write_content=False)
        assert zoho.records["70"]["status"] == "live"


class TestDays:
    """Zoho keeps the days on which it bills: a row that says others is told, whatever else of it changes."""

    @pytest.mark.parametrize(
        ("columns", "fields", "told"),
        [
            ({"billing_day": 15}, {"next_billing_at": "2026-12-01"}, "Zoho bills on day 1 of the month"),
            ({"billing_day": 1}, {"next_billing_at": "2026-12-01"}, None),
            ({"billing_day": 15}, {}, None),
            (
                {"activation_date": date(2026, 12, 2)},
                {"next_billing_at": "2026-12-01", "status": "future"},
                "Zoho begins to bill on 2026-12-01, and by activation_date it is 2027-01-01",
            ),
            ({"activation_date": date(2026, 12, 2)}, {"next_billing_at": "2026-12-01"}, None),
            ({"activation_date": date(2026, 9, 2)}, {"next_billing_at": "2026-12-01", "status": "future"}, None),
        ],
        ids=["another day", "its day", "not shown", "begins too early", "runs already", "a missed month"],
    )
    async def test_another_day_than_zohos_is_told(
        self, columns: dict[str, Any], fields: dict[str, Any], told: str | None
    ) -> None:
        zoho = Zoho(record(**fields))
        updated = await update(zoho, service(**columns))
        assert zoho.writes == []
        assert (updated.note is None) if told is None else (told in str(updated.note))

    @pytest.mark.parametrize("columns", [{"billing_day": 31}, {"last_invoice_date": date.max}, {"billing_day": None}])
    def test_what_a_lost_reply_would_have_told_is_nothing_where_the_days_tell_none(
        self, columns: dict[str, Any]
    ) -> None:
        assert SUBSCRIPTION.told_late(service(**columns), record(next_billing_at="2026-12-01"), TERMS) is None

    def test_a_change_of_them_is_a_change(self) -> None:
        hashes = {wanted(row).hash for row in (ROW, service(billing_day=2), service(activation_date=TERMS.today))}
        assert len(hashes) == 3
