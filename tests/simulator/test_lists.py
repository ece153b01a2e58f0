from collections.abc import Callable

import httpx
import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.clock import SimulatorClock
from outbox.simulator.settings import Undocumented

from .conftest import Api

pytestmark = pytest.mark.anyio

CodeOf = Callable[[httpx.Response], tuple[int, int]]


def names(reply: httpx.Response) -> list[str]:
    return [row["display_name"] for row in reply.json()["customers"]]


def plant(simulator: RunningSimulator, count: int) -> None:
    for number in range(count):
        simulator.simulator.plant_customer(display_name=f"C{number:04}", email=f"c{number}@example.com")


async def test_a_row_is_thin(api: Api) -> None:
    await api.create(
        "A",
        email="a@example.com",
        notes="private",
        custom_fields=[{"label": "External ID", "value": "1"}],
        billing_address={"street": "1 Long Road"},
    )
    (row,) = (await api.get("/customers")).json()["customers"]
    assert not {"custom_fields", "billing_address", "shipping_address", "notes"} & set(row)
    assert row["customer_id"] == row["contact_id"]
    assert (row["customer_name"], row["email"], row["status"]) == ("A", "a@example.com", "active")


async def test_two_hundred_rows_a_page_and_no_more(api: Api, simulator: RunningSimulator) -> None:
    plant(simulator, 401)
    first = await api.get("/customers")
    assert len(names(first)) == 200
    assert first.json()["page_context"] == {
        "page": 1,
        "per_page": 200,
        "has_more_page": True,
        "report_name": "All Contacts",
        "applied_filter": "Status.All",
        "sort_column": "customer_id",
        "sort_order": "A",
    }
    pages = [await api.get("/customers", page=number, per_page=500) for number in (1, 2, 3, 4)]
    assert [len(names(page)) for page in pages] == [200, 200, 1, 0]
    assert [page.json()["page_context"]["has_more_page"] for page in pages] == [True, True, False, False]
    assert [name for page in pages for name in names(page)] == [f"C{number:04}" for number in range(401)]


async def test_the_last_full_page_says_that_nothing_follows(api: Api, simulator: RunningSimulator) -> None:
    plant(simulator, 4)
    reply = await api.get("/customers", page=2, per_page=2)
    assert reply.json()["page_context"]["has_more_page"] is False


@pytest.mark.parametrize("wrong", [{"page": "0"}, {"page": "x"}, {"per_page": "-1"}, {"filter_by": "Status.Odd"}])
async def test_parameters_that_do_not_fit_are_400_2(api: Api, wrong: dict[str, str], code_of: CodeOf) -> None:
    assert code_of(await api.get("/customers", **wrong)) == (400, 2)


async def test_documented_filters(api: Api, simulator: RunningSimulator) -> None:
    simulator.simulator.plant_customer(display_name="Active")
    simulator.simulator.plant_customer(display_name="Inactive", status="inactive")
    simulator.simulator.plant_customer(display_name="Portal", is_portal_enabled=True)
    subscriber = simulator.simulator.plant_customer(display_name="Subscriber")
    simulator.simulator.plant_subscription(customer_id=subscriber)
    shown = {
        name: names(await api.get("/customers", filter_by=f"Status.{name}"))
        for name in ("All", "Active", "Inactive", "PortalEnabled", "PortalDisabled", "NonSubscribers", "Crm")
    }
    assert shown == {
        "All": ["Active", "Inactive", "Portal", "Subscriber"],
        "Active": ["Active", "Portal", "Subscriber"],
        "Inactive": ["Inactive"],
        "PortalEnabled": ["Portal"],
        "PortalDisabled": ["Active", "Inactive", "Subscriber"],
        "NonSubscribers": ["Active", "Inactive", "Portal"],
        "Crm": [],
    }
    reply = await api.get("/customers", filter_by="Status.Inactive")
    assert reply.json()["page_context"]["applied_filter"] == "Status.Inactive"


async def test_email_and_phone_select_where_honoured(api: Api, simulator: RunningSimulator) -> None:
    plant(simulator, 3)
    simulator.simulator.plant_customer(display_name="Same", email="C1@example.com", phone="010")
    assert names(await api.get("/customers", email="c1@example.com")) == ["C0001", "Same"]
    assert names(await api.get("/customers", phone="010")) == ["Same"]
    assert names(await api.get("/customers", email="c1@example.com", phone="010")) == ["Same"]
    assert names(await api.get("/customers", email="nobody@example.com")) == []


async def test_a_changed_email_is_found_and_the_old_one_is_not(api: Api) -> None:
    customer_id = await api.create("A", email="old@example.com")
    await api.put(f"/customers/{customer_id}", {"email": "new@example.com"})
    assert names(await api.get("/customers", email="new@example.com")) == ["A"]
    assert names(await api.get("/customers", email="old@example.com")) == []


@pytest.mark.parametrize(
    ("feature", "status", "rows"),
    [
        (Undocumented.ON, 200, 1),
        (Undocumented.IGNORED, 200, 3),
        (Undocumented.BAD_REQUEST, 400, 0),
        (Undocumented.NOT_FOUND, 404, 0),
    ],
)
@pytest.mark.parametrize("name", ["email", "phone"])
async def test_undocumented_filters_can_be_switched(
    api: Api, simulator: RunningSimulator, name: str, feature: Undocumented, status: int, rows: int
) -> None:
    for number in range(3):
        simulator.simulator.plant_customer(display_name=f"C{number}", email=f"{number}@x", phone=f"{number}@x")
    await api.control("PATCH", "/settings", {"undocumented": {f"customers_{name}": feature.value}})
    reply = await api.get("/customers", **{name: "1@x"})
    assert reply.status_code == status
    assert len(reply.json().get("customers", [])) == rows


async def test_unknown_filters_are_ignored(api: Api, simulator: RunningSimulator) -> None:
    plant(simulator, 2)
    assert len(names(await api.get("/customers", display_name="C0000", cf_external_id="1"))) == 2


async def test_new_records_show_in_lists_only_after_the_lag(
    api: Api, simulator: RunningSimulator, clock: SimulatorClock
) -> None:
    simulator.settings.list_lag_seconds = 20
    simulator.simulator.plant_customer(display_name="Old")
    customer_id = await api.create("New", email="new@example.com")
    assert (await api.get(f"/customers/{customer_id}")).status_code == 200
    clock.advance(19)
    assert names(await api.get("/customers")) == ["Old"]
    assert names(await api.get("/customers", email="new@example.com")) == []
    clock.advance(1)
    assert names(await api.get("/customers")) == ["Old", "New"]
    assert names(await api.get("/customers", email="new@example.com")) == ["New"]


async def test_subscriptions_are_listed_by_customer_state_and_reference(api: Api, simulator: RunningSimulator) -> None:
    plant_one = simulator.simulator.plant_subscription
    plant_one(customer_id="1", reference_id="svc-1", status="live", auto_collect=True)
    plant_one(customer_id="1", reference_id="svc-1#2", status="future")
    plant_one(customer_id="2", reference_id="svc-2", status="cancelled", cancelled_at="2026-11-02")
    plant_one(customer_id="2", reference_id="svc-3", status="cancelled", cancelled_at="2026-10-31")

    async def references(**parameters: str) -> list[str]:
        reply = await api.get("/subscriptions", **parameters)
        return [row["reference_id"] for row in reply.json()["subscriptions"]]

    assert await references() == ["svc-1"]
    assert await references(filter_by="SubscriptionStatus.All", customer_id="1") == ["svc-1", "svc-1#2"]
    assert await references(filter_by="SubscriptionStatus.All", customer_id="3") == []
    assert await references(filter_by="SubscriptionStatus.All", reference_contains="svc-1") == [
        "svc-1",
        "svc-1#2",
    ]
    assert await references(filter_by="SubscriptionStatus.FUTURE") == ["svc-1#2"]
    assert await references(filter_by="SubscriptionStatus.CANCELLED_THIS_MONTH") == ["svc-2"]
    assert await references(filter_by="SubscriptionStatus.CANCELLED_LAST_MONTH") == ["svc-3"]
    assert await references(filter_by="SubscriptionMode.ONLINE") == ["svc-1"]
    assert len(await references(filter_by="SubscriptionMode.OFFLINE")) == 3
    unfiltered = await api.get("/subscriptions")
    assert unfiltered.json()["page_context"]["applied_filter"] == "SubscriptionStatus.LIVE"
    assert (await api.get("/subscriptions", filter_by="Odd")).status_code == 400


async def test_one_subscription_by_id(api: Api, simulator: RunningSimulator, code_of: CodeOf) -> None:
    subscription_id = simulator.simulator.plant_subscription(customer_id="1", reference_id="svc-1")
    reply = await api.get(f"/subscriptions/{subscription_id}")
    assert reply.json()["subscription"]["reference_id"] == "svc-1"
    assert code_of(await api.get("/subscriptions/1")) == (404, 1002)


async def test_transactions_are_listed_by_customer_and_type(api: Api, simulator: RunningSimulator) -> None:
    for customer_id, kind in (("1", "invoice"), ("1", "payment"), ("2", "invoice")):
        simulator.simulator.plant_transaction(customer_id=customer_id, type=kind, amount="20.50")
    everything = await api.get("/transactions", customer_id="1")
    assert [row["type"] for row in everything.json()["transactions"]] == ["invoice", "payment"]
    payments = await api.get("/transactions", customer_id="1", filter_by="TransactionType.PAYMENT")
    assert [row["type"] for row in payments.json()["transactions"]] == ["payment"]
    assert (await api.get("/transactions", filter_by="Odd")).status_code == 400
