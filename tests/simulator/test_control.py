from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.application import Application
from outbox.simulator.clock import SimulatorClock
from outbox.simulator.control import control_application

from .conftest import Api

pytestmark = pytest.mark.anyio


async def test_statistics_count_what_was_asked(api: Api, clock: SimulatorClock) -> None:
    await api.create("A", custom_fields=[{"label": "External ID", "value": "1"}])
    await api.create("A", custom_fields=[{"label": "External ID", "value": "1"}])
    clock.advance(61)
    await api.get("/customers")
    await api.get("/nowhere")
    statistics = (await api.control("GET", "/statistics")).json()
    assert statistics == {
        "requests": 4,
        "in_flight": 0,
        "most_in_flight": 1,
        "most_in_a_minute": 2,
        "token_requests": 1,
        "by_route": {"POST /customers": 2, "GET /customers": 1, "GET (unknown)": 1},
        "by_status": {"201": 2, "200": 1, "404": 1},
        "refused": {},
        "unauthorised": {},
        "faults": {},
        "creates": {"customers": {"display_name": {"A": 2}, "External ID": {"1": 2}}},
        "unknown_keys": {},
        "tokens_minted": 1,
        "tokens_throttled": 0,
        "used_today": 3,
        "blocked_for_seconds": 0.0,
        "faults_waiting": 0,
    }


async def test_repeated_creates_are_named(api: Api, simulator: RunningSimulator) -> None:
    for name in ("A", "B", "A"):
        await api.create(name)
    assert simulator.statistics.created_more_than_once("customers", "display_name") == {"A": 2}
    assert simulator.statistics.count_of_creates("customers") == 3


async def test_planted_records_look_created_and_are_counted_nowhere(api: Api) -> None:
    reply = await api.control(
        "POST",
        "/records",
        {
            "customers": [
                {
                    "display_name": "There before",
                    "email": "before@example.com",
                    "status": "inactive",
                    "unused_credits": 12.5,
                    "billing_address": {"street": "1 Long Road"},
                    "custom_fields": [{"label": "External ID", "value": "6f1f"}],
                }
            ],
            "subscriptions": [{"customer_id": "1", "status": "live"}],
            "transactions": [{"customer_id": "1", "type": "payment", "amount": "20.50"}],
        },
    )
    assert reply.status_code == 201
    (customer_id,) = reply.json()["customers"]
    customer = (await api.get(f"/customers/{customer_id}")).json()["customer"]
    assert (customer["status"], customer["unused_credits"]) == ("inactive", 12.5)
    assert customer["billing_address"]["street"] == "1 Long Road"
    assert customer["billing_address"]["city"] == ""
    assert customer["custom_fields"][0] == {
        "index": 1,
        "label": "External ID",
        "value": "6f1f",
        "data_type": "text",
    }
    books = (await api.control("GET", "/books")).json()
    assert books["customers"] == [customer]
    assert [len(books[name]) for name in ("subscriptions", "transactions")] == [1, 1]
    assert (await api.control("GET", "/statistics")).json()["creates"] == {}


@pytest.mark.parametrize(
    "records",
    [
        {"customers": [{"email": "a@example.com"}]},
        {"customers": [{"display_name": "A", "shoe_size": 44}]},
        {"customers": [{"display_name": "A", "custom_fields": [{"label": "Shoe Size", "value": "44"}]}]},
        {"customers": {"display_name": "A"}},
        {"subscriptions": [{"display_name": "A"}]},
        {"transactions": [{"transaction_id": "1", "shoe_size": 44}]},
        {"estimates": []},
        [],
    ],
)
async def test_records_that_cannot_exist_are_refused(api: Api, records: Any) -> None:
    reply = await api.control("POST", "/records", records)
    assert reply.status_code == 400
    assert reply.json()["error"]


async def test_a_record_changed_or_deleted_by_hand(api: Api) -> None:
    customer_id = await api.create("A", custom_fields=[{"label": "External ID", "value": "1"}])
    where = f"/records/customers/{customer_id}"
    edited = await api.control(
        "PATCH", where, {"display_name": "Edited", "custom_fields": [{"label": "External ID", "value": "2"}]}
    )
    assert edited.status_code == 200
    customer = (await api.get(f"/customers/{customer_id}")).json()["customer"]
    assert (customer["display_name"], customer["custom_fields"][0]["value"]) == ("Edited", "2")
    assert (await api.control("DELETE", where)).status_code == 200
    assert (await api.control("DELETE", where)).status_code == 404
    assert (await api.control("PATCH", where, {})).status_code == 404
    assert (await api.control("DELETE", "/records/estimates/1")).status_code == 404
    assert (await api.get(f"/customers/{customer_id}")).status_code == 400


async def test_faults_are_planted_shown_and_removed(api: Api) -> None:
    rule = {"kind": "server_error_before", "method": "GET", "times": 2}
    planted = await api.control("POST", "/faults", [rule, {"kind": "token_throttled"}])
    assert planted.status_code == 201
    first, second = planted.json()["faults"]
    await api.get("/customers")
    assert (await api.control("GET", "/faults")).json()["faults"][0] == {
        "id": first["id"],
        "matched": 1,
        "fired": 1,
        "used_up": False,
        "rule": rule,
    }
    assert (await api.control("DELETE", f"/faults/{first['id']}")).status_code == 200
    assert (await api.control("DELETE", f"/faults/{first['id']}")).status_code == 404
    assert (await api.control("POST", "/faults/99/release")).status_code == 404
    assert [fault["id"] for fault in (await api.control("GET", "/faults")).json()["faults"]] == [second["id"]]
    await api.control("DELETE", "/faults")
    assert (await api.control("GET", "/faults")).json() == {"faults": []}


async def test_a_wrong_rule_plants_nothing(api: Api) -> None:
    reply = await api.control("POST", "/faults", [{"kind": "refused"}, {"kind": "slow_after"}])
    assert reply.status_code == 400
    assert "needs seconds" in reply.json()["error"]
    assert (await api.control("GET", "/faults")).json() == {"faults": []}


async def test_settings_change_while_running(api: Api, simulator: RunningSimulator) -> None:
    changed = await api.control(
        "PATCH", "/settings", {"custom_field_labels": ["Shoe Size"], "limits": {"requests_per_day": 5}}
    )
    assert changed.status_code == 200
    assert (await api.control("GET", "/settings")).json() == changed.json()
    assert simulator.settings.limits.requests_per_day == 5
    assert simulator.settings.limits.requests_per_minute is None
    assert await api.create("A", custom_fields=[{"label": "Shoe Size", "value": "44"}])


@pytest.mark.parametrize(
    "changes", [{"limits": {"requests_per_week": 5}}, {"latency_seconds": -1}, {"client_id": "1000.X"}, []]
)
async def test_a_wrong_setting_changes_nothing(api: Api, changes: Any) -> None:
    before = (await api.control("GET", "/settings")).json()
    reply = await api.control("PATCH", "/settings", changes)
    assert reply.status_code == 400
    assert (await api.control("GET", "/settings")).json() == before


async def test_reset_is_a_new_start(api: Api, simulator: RunningSimulator) -> None:
    await api.create("A")
    simulator.faults.plant("server_error_before")
    simulator.settings.latency_seconds = 30
    assert (await api.control("POST", "/reset")).status_code == 200
    assert simulator.settings.latency_seconds == 0
    assert (await api.get("/customers")).status_code == 401
    await api.sign_in()
    assert (await api.get("/customers")).json()["customers"] == []
    assert simulator.statistics.requests == 2


async def test_the_journal_shows_what_was_sent_and_no_secret(api: Api, simulator: RunningSimulator) -> None:
    simulator.faults.plant("done_then_cut", "POST")
    with pytest.raises(Exception, match="peer closed connection"):
        await api.create("A")
    await api.get("/customers", filter_by="Status.All")
    lines = (await api.control("GET", "/requests?path=*/customers")).json()["requests"]
    shown = [(line["method"], line["query"], line["body"], line["status"], line["fault"]) for line in lines]
    assert shown == [
        ("POST", "", '{"display_name":"A"}', 0, "done_then_cut"),
        ("GET", "filter_by=Status.All", "", 200, ""),
    ]
    everything = (await api.control("GET", "/requests")).text
    assert simulator.settings.refresh_token not in everything
    assert simulator.settings.client_secret not in everything
    assert api.headers["Authorization"].split()[1] not in everything


async def test_the_clock_can_be_advanced(api: Api, clock: SimulatorClock) -> None:
    before = clock.now()
    assert (await api.control("POST", "/clock", {"advance_seconds": 3600})).json() == {"now": before + 3600}
    assert (await api.get("/customers")).status_code == 401
    assert (await api.control("POST", "/clock", {"advance_seconds": -1})).status_code == 400


async def test_replies_say_what_time_it_is_unless_they_are_not_to(
    api: Api, simulator: RunningSimulator, clock: SimulatorClock
) -> None:
    before = parsedate_to_datetime((await api.get("/customers")).headers["Date"])
    clock.advance(3600)
    for reply in (await api.get("/customers"), await api.mint()):
        later = parsedate_to_datetime(reply.headers["Date"])
        assert timedelta(seconds=3600) <= later - before < timedelta(seconds=4200)
    simulator.settings.date_header = False
    assert "Date" not in (await api.get("/customers")).headers


async def test_unknown_controls_are_404(api: Api) -> None:
    assert (await api.control("GET", "/nothing")).status_code == 404
    assert (await api.control("PUT", "/settings", {})).status_code == 405


@pytest.mark.parametrize(("host", "status"), [("192.0.2.7", 403), ("127.0.0.1", 200), ("::1", 200), ("", 403)])
async def test_only_the_loopback_controls(simulator: RunningSimulator, host: str, status: int) -> None:
    application = Application(simulator.simulator, control_application(simulator.simulator))
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    for method, path in (("GET", "/_simulator/statistics"), ("POST", "/_simulator/reset")):
        sent.clear()
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [],
            "client": (host, 5000),
        }
        await application(scope, receive, send)
        assert sent[0]["status"] == status
