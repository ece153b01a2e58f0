"""What the last comparison with Zoho found, on its own page and on the rows'."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from daemon.web.application import build
from daemon.web.context import Context
from daemon.web.pages.comparison import MEANS, MEASURES
from outbox.reconciliation.differences import DifferenceKind
from outbox.reconciliation.sums import Measure
from outbox.settings import Settings
from outbox.store import dashboard
from outbox.vocabulary import EntityType
from tests.host import databases
from tests.store.conftest import new_settings
from tests.store.host import Host
from tests.web.conftest import TOKEN, browser, sign_in
from tests.web.pages.comparisons import Comparisons
from tests.web.pages.reading import OVERVIEW, link_called, read, rows_in, text_of
from tests.web.pages.stories import Stories

pytestmark = pytest.mark.anyio

PAGE = f"{OVERVIEW}/comparison"


@pytest.fixture
def comparisons(host: Host) -> Comparisons:
    return Comparisons(host)


def test_every_kind_and_every_measure_has_its_words() -> None:
    assert set(MEANS) == set(DifferenceKind)
    assert set(MEASURES) == set(Measure)


async def test_where_nothing_was_compared_it_says_how_to(client: httpx.AsyncClient) -> None:
    page = await read(client, "/comparison")
    assert "The two sides have not been compared yet." in page
    assert "zoho-outbox reconcile compares every record" in page
    assert "zoho-outbox-reconcile.timer" in page
    assert link_called((await client.get(OVERVIEW)).text, "Comparison") == PAGE


async def test_a_run_tells_when_by_whom_and_what_it_came_to(
    client: httpx.AsyncClient, comparisons: Comparisons
) -> None:
    run = comparisons.run(requests=1234, deep=True)
    comparisons.part(run, EntityType.CUSTOMER, agree=9876, listed=9877)
    page = await read(client, "/comparison")
    assert "Both sides agree Every record was compared, and nothing differs." in page
    assert "by nightly_role · ended" in page
    assert "1,234 requests to Zoho · every record was read whole" in page
    assert "Customers 9,876 agree Differ 0 Not compared 0 In Zoho’s list 9,877" in page


async def test_differences_stand_by_kind_with_the_row_what_is_said_and_who_mends_it(
    client: httpx.AsyncClient, comparisons: Comparisons
) -> None:
    run = comparisons.run()
    missing = comparisons.find(
        run, "missing_in_zoho", entity_type=EntityType.CUSTOMER, named="customer CT-1", said="not there", mend="enqueue"
    )
    again = comparisons.find(
        run, "missing_in_zoho", named="invoice INV-2", said="gone", mend="enqueue", enqueued_at="2020-03-04 10:00+00"
    )
    comparisons.find(run, "total", named="invoice INV-3")
    answer = await client.get(PAGE)
    page = text_of(answer.text)
    assert "3 differences Each stands below with what to do." in page
    assert "Missing in Zoho 2 They are here and belong into Zoho" in page
    assert "Customer CT-1 Not there Sending it again" in page
    assert "Invoice INV-2 Gone Sent again 4 Mar 2020 12:00" in page
    assert "Total differs 1" in page
    assert "Invoice INV-3 115.00 in Zoho, and 100.00 here A person" in page
    assert link_called(answer.text, "Customer CT-1") == f"{OVERVIEW}/customer/{missing}"
    assert link_called(answer.text, "Invoice INV-2") == f"{OVERVIEW}/invoice/{again}"
    assert "Duplicate in Zoho" not in page


async def test_a_row_that_was_not_compared_never_counts_as_agreeing(
    client: httpx.AsyncClient, comparisons: Comparisons
) -> None:
    run = comparisons.run()
    comparisons.find(run, None, finding="not_compared", named="invoice INV-9", said="it is being sent")
    comparisons.find(run, None, finding="remark", named="invoice INV-8", said="taxes are rounded by line")
    page = await read(client, "/comparison")
    assert "No difference found But 1 record was not compared: nobody can say whether they agree." in page
    assert "Both sides agree" not in page
    assert "Invoice INV-9 It is being sent" in page
    assert "As decided, and worth knowing 1" in page
    assert "Invoice INV-8 Taxes are rounded by line" in page


async def test_a_record_that_nobody_here_knows_links_into_zoho_alone(
    new_context: Callable[[Settings], Context],
    migrated_database: databases.Database,
    comparisons: Comparisons,
) -> None:
    run = comparisons.run()
    comparisons.find(run, "unknown_here", entity_id=None, zoho_id="46001", named="Zoho invoice INV-7 (46001)")
    real = new_settings(
        migrated_database,
        OUTBOX_ADMIN_TOKEN=TOKEN,
        ZOHO_REGION="eu",
        ZOHO_API_BASE_URL="https://www.zohoapis.eu/billing/v1",
        ZOHO_ACCOUNTS_BASE_URL="https://accounts.zoho.eu",
    )
    async with browser(build(new_context(real))) as person:
        await sign_in(person)
        page = (await person.get(PAGE)).text
    organisation = real.zoho_billing_organization_id
    assert f'href="https://billing.zoho.eu/app/{organisation}#/invoices/46001"' in page
    assert link_called(page, "Zoho invoice INV-7 (46001)") is None


async def test_without_a_real_zoho_nothing_links_into_it(client: httpx.AsyncClient, comparisons: Comparisons) -> None:
    run = comparisons.run()
    comparisons.find(run, "unknown_here", entity_id=None, zoho_id="46001", named="Zoho invoice INV-7 (46001)")
    page = await read(client, "/comparison")
    assert "Zoho invoice INV-7 (46001)" in page
    assert "Open in Zoho" not in page


async def test_a_run_that_goes_on_or_stopped_says_how_far_it_came(
    client: httpx.AsyncClient, comparisons: Comparisons
) -> None:
    run = comparisons.run(finished_at=None, going_until=datetime.now(UTC) + timedelta(minutes=5))
    comparisons.part(run, EntityType.SUBSCRIPTION, stage="compare", agree=7)
    comparisons.part(run, EntityType.INVOICE, stage="list", next_page=4, listed=600)
    comparisons.part(run, EntityType.PAYMENT, stage="list", next_page=1)
    page = await read(client, "/comparison")
    assert "Being compared now" in page
    assert "Subscriptions 7 agree Differ 0 Not compared 0 In Zoho’s list 0 Records are being compared." in page
    assert "In Zoho’s list 600 Zoho’s list is being read." in page
    assert "Payments 0 agree Differ 0 Not compared 0 In Zoho’s list 0 Not begun." in page
    assert "Both sides agree" not in page
    comparisons.stopped(run)
    page = await read(client, "/comparison")
    assert "Not finished" in page
    assert "The next zoho-outbox reconcile goes on where it stopped" in page


async def test_a_run_that_another_took_the_place_of_is_not_clean(
    client: httpx.AsyncClient, comparisons: Comparisons
) -> None:
    run = comparisons.run()
    comparisons.part(run, EntityType.PAYMENT, stage="compare")
    page = await read(client, "/comparison")
    assert "Ended early" in page
    assert "Both sides agree" not in page


async def test_a_run_over_some_types_says_which(client: httpx.AsyncClient, comparisons: Comparisons) -> None:
    comparisons.run(types=[EntityType.INVOICE, EntityType.PAYMENT])
    page = await read(client, "/comparison")
    assert "only invoices, payments" in page
    assert "Customers" not in page


async def test_no_kind_hides_another_however_many_there_are_of_it(
    client: httpx.AsyncClient, comparisons: Comparisons, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "MOST_OF_A_KIND", 5)
    run = comparisons.run()
    for number in range(8):
        comparisons.find(run, "fields", named=f"invoice INV-{number}")
    comparisons.find(run, "state", named="invoice INV-99")
    page = (await client.get(PAGE)).text
    assert len(rows_in(page, "finding")) == 6
    assert "Fields differ 8" in text_of(page)
    assert "3 more: zoho-outbox reconcile --csv compares again and lists all of them." in text_of(page)
    assert "Invoice INV-99" in page
    assert "more than a page can sort" not in page


async def test_what_is_not_even_sorted_is_not_passed_over_in_silence(
    client: httpx.AsyncClient, comparisons: Comparisons, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "MOST_FINDINGS", 4)
    run = comparisons.run()
    for number in range(6):
        comparisons.find(run, "fields", named=f"invoice INV-{number}")
    comparisons.find(run, "missing_in_zoho", entity_type=EntityType.PAYMENT, named="payment TX-1")
    page = await read(client, "/comparison")
    assert "7 differences" in page
    assert "Fields differ 4" in page
    assert "Payment TX-1" in page, "a flood of one type hides no other"
    assert "There is more than a page can sort" in page


async def test_sums_by_month_show_both_sides_and_why_they_differ(
    client: httpx.AsyncClient, comparisons: Comparisons
) -> None:
    run, month = comparisons.run(), date(2026, 10, 1)
    comparisons.sum(run, month, "invoiced", "1000000.00", "1000000.00")
    comparisons.sum(run, month, "invoiced", "115.00", "0", because="missing_in_zoho")
    comparisons.sum(run, month, "invoiced", "0", "230.50", because="raised_by_zoho", category="recurring")
    comparisons.sum(run, month, "paid", "500.00", "500.00", category="cash")
    page = text_of((await client.get(PAGE)).text)
    assert "October 2026 Invoiced 1,000,115.00 1,000,230.50 +115.50 Missing in Zoho −115.00" in page
    assert "Raised by Zoho’s subscriptions +230.50" in page
    assert "Installation: 1,000,115.00 here, 1,000,000.00 in Zoho" in page
    assert "Recurring: 0.00 here, 230.50 in Zoho" in page
    assert "Paid 500.00 500.00 –" in page


async def test_months_are_shown_by_the_year_newest_first(client: httpx.AsyncClient, comparisons: Comparisons) -> None:
    run = comparisons.run()
    months = [date(year, month, 1) for year in (2024, 2025, 2026) for month in range(1, 13)]
    for month in months:
        comparisons.sum(run, month, "paid", "1", "1")
    address: str | None = PAGE
    seen: list[list[str]] = []
    while address is not None:
        page = (await client.get(address)).text
        seen.append(rows_in(page, "month"))
        address = link_called(page, "Older months")
    assert seen == [[f"{year}-{month:02}" for month in range(12, 0, -1)] for year in (2026, 2025, 2024)]
    assert link_called(page, "Newest months") == f"{PAGE}#months"


async def test_comparisons_of_other_nights_can_be_read(client: httpx.AsyncClient, comparisons: Comparisons) -> None:
    old = comparisons.run(started_at="2020-03-04 10:00+00")
    comparisons.find(old, "total", named="invoice INV-OLD")
    new = comparisons.run()
    latest = (await client.get(PAGE)).text
    assert rows_in(latest, "run") == [str(new), str(old)]
    assert "INV-OLD" not in latest
    assert "4 March 2020, 12:00 1 difference" in text_of(latest)
    other = (await client.get(f"{PAGE}?run={old}")).text
    assert "INV-OLD" in other
    assert link_called(other, "The latest comparison") == PAGE
    for nothing in (str(uuid4()), "x", "'"):
        assert "There is no such comparison" in await read(client, f"/comparison?run={nothing}", status=404)


@pytest.mark.parametrize("before", ["x", "2026-13", "9999-12", "0001-01", "-01", "2026-11-11", "%00"])
async def test_a_month_that_nobody_made_is_answered_all_the_same(
    client: httpx.AsyncClient, comparisons: Comparisons, before: str
) -> None:
    run = comparisons.run()
    comparisons.sum(run, date(2026, 1, 1), "paid", "1", "1")
    await read(client, f"/comparison?before={before}")


async def test_words_of_a_finding_are_shown_as_text(client: httpx.AsyncClient, comparisons: Comparisons) -> None:
    run = comparisons.run()
    comparisons.find(run, "fields", named="invoice <b>1</b>", said="<script>alert(1)</script>")
    page = (await client.get(PAGE)).text
    assert "<script>alert" not in page
    assert "invoice <b>" not in page.lower()


async def test_a_rows_own_page_says_what_the_comparison_found(
    client: httpx.AsyncClient, comparisons: Comparisons, stories: Stories
) -> None:
    customer = stories.synced(business_name="Karoo Crust Bakery")
    assert "Compared with Zoho" not in await read(client, f"/customer/{customer}")
    run = comparisons.run()
    found: dict[str, Any] = {"entity_type": EntityType.CUSTOMER, "entity_id": customer}
    comparisons.find(run, "fields", **found, said="another e-mail", mend="enqueue")
    comparisons.find(run, "duplicate", **found, said="a second record: merge them")
    comparisons.find(run, None, finding="remark", **found, said="paid in part")
    answer = await client.get(f"{OVERVIEW}/customer/{customer}")
    page = text_of(answer.text)
    assert "Compared with Zoho Fields differ Another e-mail Found" in page
    assert "“Send again” mends it" in page
    assert "Duplicate in Zoho A second record: merge them Found" in page
    assert "a person must decide" in page
    assert "Equal, as decided Paid in part" in page
    assert link_called(answer.text, "The whole comparison") == PAGE
    comparisons.run()
    assert "Compared with Zoho" not in await read(client, f"/customer/{customer}"), "the latest one found nothing"


async def test_a_schema_of_before_says_what_to_run(client: httpx.AsyncClient, host: Host) -> None:
    host.interfere("DROP TABLE zoho_outbox_private.reconciliation CASCADE")
    page = await read(client, "/comparison", status=503)
    assert "run zoho-outbox migrate" in page
