"""The API, as interface.md describes it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import anyio
import httpx
import pytest
import structlog.testing

from daemon.web import standing
from outbox.clock import ManualClock
from outbox.logs import Event
from outbox.store import api as api_store
from tests.store.host import Host

pytestmark = pytest.mark.anyio

STATUS = "/api/admin/zoho-sync/status"
LOGS = "/api/admin/zoho-sync/logs"
RETRY = "/api/admin/zoho-sync/retry"


def admitted(host: Host, customer_id: UUID, phase: str, status: str, *, error: str | None = None) -> None:
    """As if the daemon had brought the customer so far."""
    host.interfere(
        """
        INSERT INTO zoho_outbox_private.entity_state
            (entity_id, entity_type, phase, zoho_id, last_error, shown_status, lease_token, lease_until, leased_at,
            waits_for_type, waits_for_id)
        VALUES (
            %(id)s::uuid, 'customer', %(phase)s::text,
            CASE WHEN %(phase)s::text = 'idle' THEN %(id)s::uuid::text END,
            %(error)s::text,
            CASE WHEN %(status)s::text = 'skipped' THEN 'skipped' END,
            CASE WHEN %(phase)s::text = 'leased' THEN gen_random_uuid() END, clock_timestamp() + interval '1 minute',
            clock_timestamp(),
            CASE WHEN %(phase)s::text = 'waiting' THEN 'customer' END,
            CASE WHEN %(phase)s::text = 'waiting' THEN gen_random_uuid() END
        )
        """,
        {"id": customer_id, "phase": phase, "error": error, "status": status},
    )
    host.interfere(
        """
        UPDATE public.zoho_outbox
        SET admitted = true, revision = revision + 1, status = %(status)s::text, last_error = %(error)s::text,
            finished_at = CASE WHEN %(status)s::text IN ('done', 'skipped') THEN now() END
        WHERE entity_id = %(id)s::uuid
        """,
        {"id": customer_id, "status": status, "error": error},
    )


def attempt(
    host: Host, customer_id: UUID, status: str = "success", *, hours_ago: float = 1.0, entity_type: str = "customer"
) -> str:
    """A row of the log; its id."""
    return str(
        host.value(
            """
            INSERT INTO public.zoho_sync_logs
                (entity_type, entity_id, status, attempt_number, duration_ms, api_calls, outbox_id, error_message,
                failure_class, created_at)
            VALUES (%s, %s, %s, 1, 900, 2, 7, %s, %s, now() - make_interval(secs => %s))
            RETURNING id
            """,
            [
                entity_type,
                customer_id,
                status,
                None if status == "success" else "HTTP 400 code 1002: no; correct it",
                None if status == "success" else "permanent",
                hours_ago * 3600,
            ],
        )
    )


class TestStatus:
    async def test_an_empty_outbox_has_nothing_and_no_rate(self, api: httpx.AsyncClient) -> None:
        answer = (await api.get(STATUS)).json()
        assert answer["overall"] == dict.fromkeys(
            ("total", "synced", "pending", "waiting", "failed", "syncing", "retrying", "skipped"), 0
        )
        assert list(answer["by_type"]) == ["customer", "subscription", "invoice", "payment"]
        assert answer["health"] == {"success_rate": None, "failure_count": 0}
        assert answer["organisation"]["state"] == "running"
        assert answer["recent_failures_24h"] == []

    async def test_each_row_is_counted_where_it_stands(self, api: httpx.AsyncClient, host: Host) -> None:
        standings = {
            "idle": "done",
            "ready": "pending",
            "scheduled": "pending",
            "leased": "processing",
            "waiting": "waiting",
            "dead": "dead",
        }
        for number, (phase, status) in enumerate(standings.items()):
            admitted(host, host.add_customer(number), phase, status)
        fresh = host.add_customer(90)
        test_account = host.add_customer(91, account_type="internal_test")
        admitted(host, test_account, "idle", "skipped")
        done = host.value(
            "SELECT entity_id AS id FROM zoho_outbox_private.entity_state WHERE shown_status IS NULL AND phase = 'idle'"
        )
        host.interfere("UPDATE public.customers SET zoho_billing_customer_id = id::text WHERE id = %s", [done])
        assert host.statuses(fresh) == [("pending", None)]
        counts = (await api.get(STATUS)).json()["by_type"]["customer"]
        rates = {name: counts.pop(name) for name in ("success_rate", "oldest_seconds")}
        assert counts == {
            "total": 7,
            "synced": 1,
            "pending": 2,
            "waiting": 1,
            "failed": 1,
            "syncing": 1,
            "retrying": 1,
            "skipped": 1,
        }
        assert rates["success_rate"] is None
        assert rates["oldest_seconds"] >= 0

    async def test_rates_are_those_of_a_week_and_failures_those_of_a_day(
        self, api: httpx.AsyncClient, host: Host
    ) -> None:
        customer = host.add_customer(1, business_name="Meadow Bakery")
        for hours in (1, 2, 3):
            attempt(host, customer, hours_ago=hours)
        attempt(host, customer, "retrying")
        recent = attempt(host, customer, "failed", hours_ago=5)
        attempt(host, customer, "failed", hours_ago=30)
        attempt(host, customer, "failed", hours_ago=24 * 8)

        answer = (await api.get(STATUS)).json()
        assert answer["health"] == {"success_rate": 60.0, "failure_count": 1}
        assert answer["by_type"]["customer"]["success_rate"] == 60.0
        assert answer["by_type"]["invoice"]["success_rate"] is None
        (failure,) = answer["recent_failures_24h"]
        assert (failure["id"], failure["name"], failure["detail"]) == (recent, "Meadow Bakery", "CT-2025-09001")
        assert failure["error_message"] == "HTTP 400 code 1002: no; correct it"

    async def test_what_stops_sending_is_told(self, api: httpx.AsyncClient, host: Host) -> None:
        with host.operator() as operator:
            operator.execute("SELECT zoho_outbox_pause('month end')")
        organisation = (await api.get(STATUS)).json()["organisation"]
        assert organisation["state"] == "paused"
        assert "month end" in organisation["why"]

    async def test_counts_are_made_now_and_then_however_many_ask(
        self, api: httpx.AsyncClient, host: Host, clock: ManualClock
    ) -> None:
        first = (await api.get(STATUS)).json()
        host.add_customer(1)
        assert (await api.get(STATUS)).json() == first
        clock.advance(standing.FRESH_SECONDS)
        again = first
        with anyio.fail_after(30):
            while again["as_of"] == first["as_of"]:  # whoever asks is given the last one while the next is read
                again = (await api.get(STATUS)).json()
        assert again["overall"]["total"] == 1
        assert datetime.fromisoformat(again["as_of"]) > datetime.fromisoformat(first["as_of"])


class TestLogs:
    @pytest.fixture
    def customer(self, host: Host) -> UUID:
        return host.add_customer(1, business_name="Meadow Bakery")

    async def test_attempts_come_newest_first_with_the_name_of_the_row(
        self, api: httpx.AsyncClient, host: Host, customer: UUID
    ) -> None:
        ids = [attempt(host, customer, hours_ago=hours) for hours in (3, 1, 2)]
        answer = (await api.get(LOGS)).json()
        assert [item["id"] for item in answer["items"]] == [ids[1], ids[2], ids[0]]
        assert {key: answer[key] for key in ("total", "total_is_exact", "searched_to", "limit", "offset")} == {
            "total": 3,
            "total_is_exact": True,
            "searched_to": None,
            "limit": 50,
            "offset": 0,
        }
        item = answer["items"][0]
        assert (item["name"], item["detail"]) == ("Meadow Bakery", "CT-2025-09001")
        assert (item["duration_ms"], item["api_calls"], item["status"]) == (900, 2, "success")
        assert "request_payload" not in item

    async def test_an_invoice_is_called_by_its_number(self, api: httpx.AsyncClient, host: Host, customer: UUID) -> None:
        invoice = uuid4()
        host.interfere(
            """
            INSERT INTO public.customer_invoices
                (id, customer_id, invoice_number, invoice_date, due_date, subtotal, tax_amount, total_amount,
                amount_due, status, invoice_type)
            VALUES (%s, %s, 'INV-2026-00017', '2026-01-05', '2026-01-12', 100, 15, 115, 115, 'sent', 'installation')
            """,
            [invoice, customer],
        )
        attempt(host, invoice, entity_type="invoice")
        (item,) = (await api.get(LOGS)).json()["items"]
        assert (item["name"], item["detail"]) == ("INV-2026-00017", "Meadow Bakery")

    async def test_a_row_that_is_gone_and_one_of_the_hosts_own_have_no_name(
        self, api: httpx.AsyncClient, host: Host
    ) -> None:
        attempt(host, uuid4())
        attempt(host, uuid4(), entity_type="quote")
        assert [item["name"] for item in (await api.get(LOGS)).json()["items"]] == [None, None]

    async def test_filters_are_joined(self, api: httpx.AsyncClient, host: Host, customer: UUID) -> None:
        wanted = attempt(host, customer, "failed", hours_ago=2)
        attempt(host, customer, "success", hours_ago=2)
        attempt(host, customer, "failed", hours_ago=50)
        attempt(host, uuid4(), "failed", hours_ago=2, entity_type="payment")
        since = host.value("SELECT (now() - interval '1 day')::text AS at")
        answer = (await api.get(LOGS, params={"entity_type": "customer", "status": "failed", "since": since})).json()
        assert ([item["id"] for item in answer["items"]], answer["total"]) == ([wanted], 1)

    async def test_an_empty_filter_is_none(self, api: httpx.AsyncClient, host: Host, customer: UUID) -> None:
        attempt(host, customer)
        answer = await api.get(f"{LOGS}?entity_type=&status=&since=&limit=&offset=")
        assert (answer.status_code, answer.json()["total"]) == (200, 1)

    async def test_pages_follow_each_other(self, api: httpx.AsyncClient, host: Host, customer: UUID) -> None:
        ids = [attempt(host, customer, hours_ago=number) for number in range(5)]
        found = []
        for offset in (0, 2, 4, 6):
            page = (await api.get(LOGS, params={"limit": 2, "offset": offset})).json()
            assert (page["total"], page["limit"], page["offset"]) == (5, 2, offset)
            found += [item["id"] for item in page["items"]]
        assert found == ids

    async def test_two_hundred_are_the_most(self, api: httpx.AsyncClient, host: Host, customer: UUID) -> None:
        host.interfere(
            """
            INSERT INTO public.zoho_sync_logs (entity_type, entity_id, status)
            SELECT 'customer', %s, 'success' FROM generate_series(1, 230)
            """,
            [customer],
        )
        answer = (await api.get(LOGS, params={"limit": 1000})).json()
        assert (len(answer["items"]), answer["limit"], answer["total"]) == (200, 200, 230)

    async def test_beyond_its_window_a_count_says_that_it_is_none(
        self, api: httpx.AsyncClient, host: Host, customer: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api_store, "WINDOW", 3)
        newest = [attempt(host, customer, "success", hours_ago=number) for number in range(3)]
        failed = attempt(host, customer, "failed", hours_ago=4)
        page = (await api.get(LOGS)).json()
        assert ([item["id"] for item in page["items"]], page["total"], page["total_is_exact"]) == (newest, 3, False)
        nothing = (await api.get(LOGS, params={"status": "failed"})).json()
        assert (nothing["items"], nothing["total"], nothing["total_is_exact"]) == ([], 0, False)
        older = (await api.get(LOGS, params={"status": "failed", "until": nothing["searched_to"]})).json()
        assert ([item["id"] for item in older["items"]], older["total_is_exact"]) == ([failed], True)

    @pytest.mark.parametrize(
        "since",
        [
            "2026-01-15",
            "2026-01-15T00:00:00+02:00",
            "2026-01-15T00:00:00 02:00",
            "2026-01-14t22:00:00z",
            "2026-01-15 00:00",
            "2026-01-15 00:00:00.0+02",
        ],
    )
    async def test_moments_are_those_of_the_companys_time_zone_unless_they_say_otherwise(
        self, api: httpx.AsyncClient, host: Host, customer: UUID, since: str
    ) -> None:
        for moment in ("2026-01-14 23:59:59+02", "2026-01-15 00:00:00+02"):
            host.interfere(
                "INSERT INTO public.zoho_sync_logs (entity_type, entity_id, created_at) VALUES ('customer', %s, %s)",
                [customer, moment],
            )
        assert (await api.get(LOGS, params={"since": since})).json()["total"] == 1
        assert (await api.get(LOGS, params={"until": since})).json()["total"] == 1

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ("entity_type=customers", "entity_type: one of customer, subscription, invoice, payment"),
            ("status=done", "status: one of pending, success, failed, retrying"),
            ("since=yesterday", "since: a moment like"),
            ("since=2026-02-30", "since: a moment like"),
            ("limit=0", "limit: a whole number from 1"),
            ("limit=-1", "limit: a whole number from 1"),
            ("limit=ten", "limit: a whole number from 1"),
            ("offset=1.5", "offset: a whole number from 0"),
            ("limit=٣", "limit: a whole number from 1"),
            ("limit=1&limit=2", "limit: given twice"),
            ("entity=customer", "unknown parameter 'entity': it knows entity_type"),
        ],
    )
    async def test_what_makes_no_sense_is_refused_by_name(self, api: httpx.AsyncClient, query: str, said: str) -> None:
        answer = await api.get(f"{LOGS}?{query}")
        assert answer.status_code == 400
        assert said in answer.json()["error"]


@pytest.fixture
def acted() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as said:
        yield said


class TestRetry:
    async def test_a_dead_row_is_reopened_in_the_name_of_who_asks(
        self, api: httpx.AsyncClient, host: Host, acted: list[Any]
    ) -> None:
        customer = host.add_customer()
        admitted(host, customer, "dead", "dead", error="no e-mail")
        answer = await api.post(RETRY, json={"entity_type": "customer", "entity_id": str(customer)})
        entry = host.entry(customer)
        assert (answer.status_code, answer.json()) == (202, {"outbox_id": entry["id"], "status": "pending"})
        assert (entry["status"], entry["origin"], entry["requested_by"]) == ("pending", "operator", "Sipho Dlamini")
        assert [line for line in acted if line["event"] == Event.OPERATOR_ACTED] == [
            {
                "event": Event.OPERATOR_ACTED,
                "log_level": "info",
                "operator": "Sipho Dlamini",
                "action": "retry",
                "entity_type": "customer",
                "entity_id": str(customer),
                "outbox_id": entry["id"],
            }
        ]

    async def test_a_row_that_is_done_is_sent_again(self, api: httpx.AsyncClient, host: Host) -> None:
        customer = host.add_customer()
        admitted(host, customer, "idle", "done")
        answer = await api.post(RETRY, json={"entity_type": "customer", "entity_id": str(customer)})
        first, second = host.entries(customer)
        assert (answer.status_code, answer.json()["outbox_id"]) == (202, second["id"])
        assert (first["status"], second["status"]) == ("done", "pending")

    async def test_one_that_nobody_captured_is_not_there(self, api: httpx.AsyncClient, acted: list[Any]) -> None:
        answer = await api.post(RETRY, json={"entity_type": "invoice", "entity_id": str(uuid4())})
        assert answer.status_code == 404
        assert "nothing of it was ever captured" in answer.json()["error"]
        assert not [line for line in acted if line["event"] == Event.OPERATOR_ACTED]

    async def test_one_that_is_being_sent_is_left_alone(self, api: httpx.AsyncClient, host: Host) -> None:
        customer = host.add_customer()
        admitted(host, customer, "leased", "processing")
        answer = await api.post(RETRY, json={"entity_type": "customer", "entity_id": str(customer)})
        assert answer.status_code == 409
        assert host.statuses(customer) == [("processing", None)]

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "[]",
            "null",
            "{",
            '"customer"',
            '{"entity_type": "customer"}',
            '{"entity_type": "customers", "entity_id": "6e0a4f0e-0000-4000-8000-000000000000"}',
            '{"entity_type": ["customer"], "entity_id": "6e0a4f0e-0000-4000-8000-000000000000"}',
            '{"entity_type": "customer", "entity_id": 5}',
            '{"entity_type": "customer", "entity_id": "{6e0a4f0e-0000-4000-8000-000000000000}"}',
            '{"entity_type": "customer", "entity_id": "CT-2025-00001"}',
            '{"entity_type": "customer", "entity_id": "6e0a4f0e-0000-4000-8000-000000000000", "force": true}',
            "[" * 5000,
        ],
    )
    async def test_a_body_that_names_no_row_is_refused(self, api: httpx.AsyncClient, body: str) -> None:
        answer = await api.post(RETRY, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400
        assert answer.json()["error"]

    async def test_it_must_be_json(self, api: httpx.AsyncClient) -> None:
        assert (await api.post(RETRY, data={"entity_type": "customer"})).status_code == 415
