"""The first page: counts, states, charts, recent activity."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from daemon.web.application import build
from daemon.web.context import Context
from daemon.web.pages import figures
from daemon.web.standing import StandingNow
from outbox import __version__
from outbox.database import DatabaseUnavailable
from outbox.settings import Settings
from outbox.store import dashboard
from tests.host import databases
from tests.host.shapes import HostShape
from tests.store.conftest import new_settings
from tests.store.host import Host
from tests.web.conftest import TOKEN, KnownLiveness, browser, sign_in
from tests.web.pages.reading import OVERVIEW, link_called, read, rows_in, text_of
from tests.web.pages.stories import Stories

pytestmark = pytest.mark.anyio

SHAPES = pytest.mark.parametrize(
    "migrated_database",
    [HostShape(rows=True), HostShape(columns="november_2025", rows=True, sync_logs=True)],
    ids=["today", "november 2025"],
    indirect=True,
)

CUSTOMER, SERVICE, INVOICE, PAYMENT = (UUID(f"00000000-0000-4000-8000-0000000{kind}0001") for kind in "cadb")
"""Of tests/host/rows.sql."""


async def test_an_installation_without_rows_says_what_will_be_seen(client: httpx.AsyncClient) -> None:
    page = await read(client)
    assert "No attempt has been made yet." in page
    assert "No attempt was made in the last 24 hours." in page
    assert "Running Changes are sent to Zoho as they happen." in page


async def test_rows_of_every_standing_are_counted(client: httpx.AsyncClient, stories: Stories) -> None:
    parent, _ = stories.dead()
    stories.synced()
    stories.synced()
    stories.waiting(parent)
    page = await read(client)
    assert "Total 4 records for Zoho" in page
    assert "Synced 2 50.0 % are in Zoho" in page
    assert "Waiting 1 for another record" in page
    assert "Failed 1 need a person" in page
    assert "Customers 2 of 3 in Zoho Success, 7 days 66.6 % of 3" in page
    assert "Invoices 0 of 1 in Zoho Success, 7 days –" in page


async def test_the_backlogs_age_is_that_of_the_oldest_unsent_change(
    client: httpx.AsyncClient, stories: Stories
) -> None:
    customer = stories.customer()
    stories.host.interfere(
        "UPDATE public.zoho_outbox SET created_at = now() - interval '3 hours', revision = revision + 1 "
        "WHERE entity_id = %s",
        [customer],
    )
    assert "Oldest unsent 3 h Pending 1" in await read(client)


@SHAPES
async def test_rows_are_called_what_people_call_them(client: httpx.AsyncClient, stories: Stories) -> None:
    for entity_type, entity_id in (
        ("customer", CUSTOMER),
        ("subscription", SERVICE),
        ("invoice", INVOICE),
        ("payment", PAYMENT),
    ):
        stories.attempt(entity_id, entity_type=entity_type)
    page = (await client.get(OVERVIEW)).text
    words = text_of(page)
    assert "Customer Anna Meadow CT-2025-00101" in words
    assert "Subscription Fibre 50/50 Anna Meadow, CT-2025-00101" in words
    assert "Invoice INV-2025-00001 Anna Meadow" in words
    assert "Payment NC-0001 ZAR 799.00, Anna Meadow" in words
    assert not any(str(entity_id) in words for entity_id in (CUSTOMER, SERVICE, INVOICE, PAYMENT))


async def test_a_row_that_is_gone_is_shown_by_its_id(client: httpx.AsyncClient, stories: Stories) -> None:
    gone = uuid4()
    stories.attempt(gone)
    assert f"{gone} the row is gone" in await read(client)


async def test_activity_is_filtered_by_type_result_and_time(client: httpx.AsyncClient, stories: Stories) -> None:
    customer = stories.synced()
    host = stories.host
    host.interfere("DELETE FROM public.zoho_sync_logs")
    ago = {hours: datetime.now(UTC) - timedelta(hours=hours) for hours in (0, 3, 30, 300)}
    logs = {
        ("customer", status, hours): str(stories.attempt(customer, status, created_at=ago[hours]))
        for status in ("success", "failed", "retrying")
        for hours in ago
    }
    logs["payment", "failed", 3] = str(stories.attempt(uuid4(), "failed", "payment", created_at=ago[3]))

    async def found(query: str) -> set[str]:
        return set(rows_in((await client.get(f"{OVERVIEW}?{query}")).text))

    def expected(**wanted: object) -> set[str]:
        return {
            log
            for (entity_type, status, hours), log in logs.items()
            if wanted.get("type", entity_type) == entity_type
            and wanted.get("status", status) == status
            and hours <= int(str(wanted.get("hours", 1000)))
        }

    assert await found("") == expected()
    assert await found("type=customer") == expected(type="customer")
    assert await found("status=retrying") == expected(status="retrying")
    assert await found("within=hour") == expected(hours=1)
    assert await found("within=week&status=failed") == expected(hours=168, status="failed")
    assert await found("type=payment&status=failed&within=day") == {logs["payment", "failed", 3]}
    assert await found("type=payment&status=success") == set()
    assert await found("type=estimate&status=strange&within=century&before=never") == expected()


async def test_what_was_asked_for_stays_chosen_and_travels_along(client: httpx.AsyncClient, stories: Stories) -> None:
    customer = stories.synced()
    for _ in range(30):
        stories.attempt(customer, "failed")
    page = (await client.get(f"{OVERVIEW}?type=customer&status=failed&within=day")).text
    assert '<option value="customer" selected>' in page
    assert '<option value="failed" selected>' in page
    assert '<option value="day" selected>' in page
    older = link_called(page, "Older")
    assert older is not None
    assert older.startswith(f"{OVERVIEW}?type=customer&status=failed&within=day&before=")


async def test_pages_show_each_attempt_once_also_where_many_have_one_moment(
    client: httpx.AsyncClient, stories: Stories
) -> None:
    customer, moment = stories.synced(), datetime.now(UTC)
    stories.host.interfere("DELETE FROM public.zoho_sync_logs")
    made = {str(stories.attempt(customer, created_at=moment - timedelta(seconds=number // 40))) for number in range(90)}
    address: str | None = OVERVIEW
    seen: list[str] = []
    while address is not None:
        page = (await client.get(address.partition("#")[0])).text
        seen += rows_in(page)
        address = link_called(page, "Older")
    assert len(seen) == len(set(seen))
    assert set(seen) == made


async def test_a_rare_failure_is_looked_for_in_bounded_steps_that_say_how_far_they_went(
    client: httpx.AsyncClient, stories: Stories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "WINDOW", 20)
    customer, moment = stories.synced(), datetime.now(UTC)
    rare = str(stories.attempt(customer, "failed", created_at=moment - timedelta(hours=2)))
    for number in range(70):
        stories.attempt(customer, created_at=moment - timedelta(minutes=number))
    address: str | None = f"{OVERVIEW}?status=failed"
    steps = 0
    page = ""
    while address is not None and rare not in page:
        page = (await client.get(address.partition("#")[0])).text
        if rare not in page:
            steps += 1
            assert "Nothing of this kind back to" in page
            address = link_called(page, "Search further back")
    assert rare in page
    assert steps == 3


async def test_other_programs_older_rows_of_the_log_are_left_out(client: httpx.AsyncClient, stories: Stories) -> None:
    quote = stories.attempt(uuid4(), "success", "quote", zoho_entity_type="Estimates", failure_class=None)
    page = (await client.get(OVERVIEW)).text
    assert str(quote) not in page
    assert "0 synced" in text_of(page) or "No attempt was made" in text_of(page)


async def test_charts_are_told_in_words_and_as_a_table(client: httpx.AsyncClient, stories: Stories) -> None:
    customer = stories.synced()
    stories.attempt(customer, "failed", api_calls=3)
    stories.attempt(customer, "retrying", created_at=datetime.now(UTC) - timedelta(hours=5), api_calls=2)
    stories.attempt(customer, created_at=datetime.now(UTC) - timedelta(hours=30))
    page = (await client.get(OVERVIEW)).text
    assert "Attempts by hour over the last 24 hours: 1 synced, 1 to be retried, 1 failed. Most at" in page
    assert "Requests to Zoho by hour over the last 24 hours: 6 in all." in page
    assert "Hour from Synced To be retried Failed" in text_of(page)


async def test_figures_that_take_long_are_not_waited_for(
    client: httpx.AsyncClient, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "PATIENCE_SECONDS", 0.01)
    counting = asyncio.Event()

    async def slow(**patience: float) -> StandingNow:
        with suppress(TimeoutError):
            await asyncio.wait_for(counting.wait(), patience["first_patience"])
        raise DatabaseUnavailable("it is being read for the first time")

    monkeypatch.setattr(context.standing, "now", slow)
    page = await read(client)
    assert "The records are being counted. This page shows them with its next refresh." in page
    assert "Running" in page


async def test_the_days_quota_is_told(client: httpx.AsyncClient, host: Host) -> None:
    host.interfere(
        """
        UPDATE zoho_outbox_private.request_budget
        SET day = (now() AT TIME ZONE 'Africa/Johannesburg')::date, requests = 400
        """
    )
    host.interfere(
        "INSERT INTO zoho_outbox_private.day_budget (day, urgency, requests) "
        "VALUES ((now() AT TIME ZONE 'Africa/Johannesburg')::date, 10, 390), "
        "((now() AT TIME ZONE 'Africa/Johannesburg')::date, 30, 10)"
    )
    page = await read(client)
    assert "400 of 1,000 today 600 left, 300 of them for backfill" in page
    assert "Today: 390 live, 10 backfill" in page


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            "paused_at = now(), paused_by = 'Sipho Dlamini', paused_why = 'month end'",
            "Paused Paused by Sipho Dlamini: month end (since",
        ),
        (
            "forbidden_at = now(), forbidden_why = 'the refresh token was revoked', probe_at = now()",
            "the refresh token was revoked A person must act.",
        ),
        (
            "throttled_at = now(), throttled_until = now() + interval '10 minutes', throttled_why = 'code 44'",
            "Zoho asked for a pause: code 44 Nothing needs to be done.",
        ),
        (
            "broken_at = now(), broken_why = 'HTTP 502', probe_at = now() + interval '1 minute'",
            "HTTP 502 Nothing needs to be done. Zoho is tried again at",
        ),
    ],
    ids=["paused", "forbidden", "throttled", "broken"],
)
async def test_what_stops_sending_is_said_with_since_when_and_why(
    client: httpx.AsyncClient, host: Host, columns: str, said: str
) -> None:
    host.interfere(f"UPDATE zoho_outbox_private.organisation SET {columns}")
    page = (await client.get(OVERVIEW)).text
    assert said in text_of(page)
    assert ("Resume sending" in page) == ("paused" in columns)
    assert ("Pause sending" in page) != ("paused" in columns)


async def test_a_daemon_that_was_told_to_send_nothing_says_so(
    new_context: Callable[[Settings], Context], migrated_database: databases.Database
) -> None:
    context = new_context(new_settings(migrated_database, OUTBOX_ADMIN_TOKEN=TOKEN, ENABLE_ZOHO_SYNC="false"))
    async with browser(build(context)) as client:
        await sign_in(client)
        assert "Switched off This daemon was started with ENABLE_ZOHO_SYNC=false" in await read(client)


async def test_a_loop_that_stands_still_is_named(client: httpx.AsyncClient, liveness: KnownLiveness) -> None:
    liveness.stalled = ["dispatcher"]
    assert "This daemon stands still: dispatcher." in await read(client)


async def test_a_name_with_markup_in_it_is_shown_as_text(client: httpx.AsyncClient, stories: Stories) -> None:
    name = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    stories.synced(business_name=name)
    page = (await client.get(OVERVIEW)).text
    assert name in text_of(page)
    assert "<script>alert" not in page
    assert "<img" not in page


async def test_nothing_but_own_files_is_asked_for_and_no_script_or_style_stands_in_a_page(
    client: httpx.AsyncClient, stories: Stories
) -> None:
    customer, _ = stories.dead()
    for address in ("", "/failed", "/work", "/comparison", f"/customer/{customer}", "/find?q=x"):
        page = (await client.get(OVERVIEW + address)).text
        assert page.count("<script") == 1
        assert f'<script src="/admin/zoho-sync/static/refresh.js?v={__version__}" defer></script>' in page
        assert "<style" not in page
        assert " style=" not in page
        assert " onclick=" not in page
        assert "http://" not in page.replace("http://127.0.0.1", "")
        assert "https://" not in page
    for name in ("dashboard.css", "refresh.js", "icon.svg"):
        answer = await client.get(f"{OVERVIEW}/static/{name}")
        assert answer.status_code == 200
        assert "https://" not in answer.text
        assert "@import" not in answer.text


ODD = ("", "x", "'", "%00", "%FF", "_", "9" * 30, "-1", "0001-01-01T00:00:00+23:59_" + "0" * 32, "a_b_c_d", "1_2_3_4")


@pytest.mark.parametrize("address", ["?before=", "?type=", "?within=", "/work?after=", "/work?captured=", "/find?q="])
async def test_an_address_that_nobody_made_is_answered_all_the_same(client: httpx.AsyncClient, address: str) -> None:
    for odd in ODD:
        answer = await client.get(f"{OVERVIEW}{address}{odd}")
        assert answer.status_code in {200, 404}, (address, odd, answer.text)


async def test_a_page_that_is_not_there_leads_back(client: httpx.AsyncClient) -> None:
    for address in ("/elsewhere", "/a/b/c/d", "/customer", "/failed/a/b"):
        page = await read(client, address, status=404)
        assert "There is no such page. To the overview" in page


async def test_a_database_that_lacks_our_newer_functions_says_what_to_run(
    client: httpx.AsyncClient, host: Host
) -> None:
    host.interfere("DROP FUNCTION public.zoho_explain(text, uuid)")
    answer = await client.get(f"{OVERVIEW}/customer/{uuid4()}")
    assert answer.status_code == 503
    assert "does not exist: run zoho-outbox migrate" in answer.text
