"""``health-check`` as a person types it: exit status, JSON, the request that it spends, the report by mail."""

from collections.abc import Iterator

import pytest

from daemon.command_line import DONE, FAILED, WRONG_USE
from outbox.commands.health.findings import CATEGORIES
from outbox.commands.health.report import COULD_NOT_TELL
from outbox.simulator import RunningSimulator
from tests.commands.alert_receiving import MailBox, mail_server
from tests.commands.conftest import Console, type_command
from tests.commands.health_planting import Installation
from tests.commands.test_command_line import NOWHERE
from tests.host.databases import Database

pytestmark = pytest.mark.anyio

COULD_NOT_ASK = "UPDATE zoho_outbox_private.organisation SET last_good_reply_at = now() - interval '2 hours'"


@pytest.fixture
def installation(migrated_database: Database) -> Installation:
    return Installation(migrated_database).in_good_health()


@pytest.fixture
def mailbox() -> Iterator[MailBox]:
    with mail_server() as box:
        yield box


async def test_healthy_and_degraded_are_0_and_unhealthy_is_1(bare_console: Console, installation: Installation) -> None:
    said = await bare_console.type("health-check")
    assert (said.code, said.err) == (DONE, "")
    assert said.out.startswith("HEALTHY  database ")
    installation.dead(1, 60, logged=False)
    said = await bare_console.type("health-check")
    assert (said.code, said.out.split()[0]) == (DONE, "DEGRADED")
    installation.run("DELETE FROM zoho_outbox_private.session")
    said = await bare_console.type("health-check")
    assert (said.code, said.out.split()[0]) == (FAILED, "UNHEALTHY")
    assert "no daemon: nobody sends" in said.out


async def test_the_shape_of_its_json_is_stable(bare_console: Console, installation: Installation) -> None:
    (dead,) = installation.dead(1, 60, logged=False)
    said = await bare_console.type("health-check", "--json")
    assert said.code == DONE
    report = said.json
    assert list(report) == ["state", "as_of", "categories", "figures"]
    assert (report["state"], report["figures"]) == ("degraded", None)
    assert list(report["categories"]) == ["database_status", "last_24_hours", "zoho_connectivity", "data_integrity"]
    for name, category in report["categories"].items():
        assert list(category) == ["state", "findings"]
        checks = {finding["check"] for finding in category["findings"]}
        assert checks == {
            str(check) for category_, listed in CATEGORIES.items() if category_ == name for check in listed
        }
        for finding in category["findings"]:
            assert list(finding) == ["check", "state", "what", "count", "example", "next_step"]
    worst_first = report["categories"]["data_integrity"]["findings"][0]
    assert worst_first["check"] == "dead"
    assert worst_first["state"] == "degraded"
    assert worst_first["count"] == 1
    assert worst_first["example"] == installation.named("customer", dead)


def test_a_database_that_is_away_is_unhealthy_and_the_rest_could_not_be_told() -> None:
    said = type_command("health-check", "--json", DATABASE_URL=NOWHERE)
    assert (said.code, said.err) == (FAILED, "")
    report = said.json
    assert (report["state"], report["as_of"]) == ("unhealthy", None)
    findings = [finding for category in report["categories"].values() for finding in category["findings"]]
    assert [finding["check"] for finding in findings if finding["state"] == "unhealthy"] == ["database"]
    assert {finding["state"] for finding in findings} == {"unhealthy", "unknown"}


async def test_a_malformed_threshold_is_wrong_use(bare_console: Console) -> None:
    said = await bare_console.type("health-check", HEALTH_PENDING_SECONDS="soon", HEALTH_SYNCED_PERCENT="101")
    assert (said.code, said.out) == (WRONG_USE, "")
    assert [line.partition(":")[0] for line in said.err.splitlines()] == [
        "HEALTH_PENDING_SECONDS",
        "HEALTH_SYNCED_PERCENT",
    ]


async def test_where_nothing_was_heard_for_an_hour_and_nobody_can_ask_it_could_not_tell(
    bare_console: Console, installation: Installation
) -> None:
    installation.run(COULD_NOT_ASK)
    said = await bare_console.type("health-check")
    assert said.code == COULD_NOT_TELL
    assert said.out.startswith("UNKNOWN  ")
    assert "a request to it needs every setting (ZOHO_CLIENT_ID: required, and not set)" in said.out
    assert "ZOHO_OUTBOX_ENV_FILE" in said.out


async def test_a_request_is_spent_only_where_the_last_good_reply_is_over_an_hour_old_or_for_details(
    console: Console, zoho: RunningSimulator, installation: Installation
) -> None:
    async def calls() -> int:
        return int(
            installation.run("SELECT COALESCE(sum(requests), 0) AS n FROM zoho_outbox_private.day_budget")[0]["n"]
        )

    said = await console.type("health-check")
    assert (said.code, await calls()) == (DONE, 0)
    installation.run(COULD_NOT_ASK)
    said = await console.type("health-check", HEALTH_REPLY_AGE_SECONDS="8000")
    assert (said.code, await calls()) == (DONE, 0)
    said = await console.type("health-check")
    assert (said.code, said.err, await calls()) == (DONE, "", 1), said.out
    assert "Zoho answered just now" in said.out
    said = await console.type("health-check")
    assert (said.code, await calls()) == (DONE, 1)
    said = await console.type("health-check", "--detailed")
    assert (said.code, await calls()) == (DONE, 2)


async def test_no_request_leaves_while_sending_is_paused_and_a_pause_is_healthy(
    console: Console, installation: Installation
) -> None:
    installation.run(COULD_NOT_ASK)
    installation.run("UPDATE zoho_outbox_private.organisation SET paused_at = now(), paused_by = 'anna'")
    said = await console.type("health-check")
    assert (said.code, said.out.split()[0]) == (DONE, "HEALTHY")
    assert "no request may leave while the organisation is paused: paused by anna" in said.out


async def test_with_the_days_quota_used_up_it_is_degraded_and_not_untold(
    console: Console, installation: Installation
) -> None:
    said = await console.type("health-check", "--detailed")
    assert (said.code, said.out.split()[0]) == (DONE, "HEALTHY")
    installation.run(COULD_NOT_ASK)
    said = await console.type("health-check", ZOHO_DAILY_REQUEST_LIMIT="1")
    assert (said.code, said.out.split()[0]) == (DONE, "DEGRADED")
    assert "no request may leave while the organisation is throttled: the day's quota is used up" in said.out


async def test_asking_before_the_first_run_does_not_store_which_database_this_is(
    console: Console, zoho: RunningSimulator, installation: Installation
) -> None:
    stored = "SELECT system_identifier, zoho_organization_id FROM zoho_outbox_private.installation"
    before = installation.run(stored)
    assert before == [{"system_identifier": None, "zoho_organization_id": None}]
    said = await console.type("health-check", "--detailed")
    assert "Zoho answered just now" in said.out
    assert installation.run(stored) == before


async def test_of_another_database_than_was_installed_zoho_is_not_asked(
    console: Console, zoho: RunningSimulator, installation: Installation
) -> None:
    installation.run("UPDATE zoho_outbox_private.installation SET system_identifier = '1', database_name = 'another'")
    installation.run(COULD_NOT_ASK)
    said = await console.type("health-check")
    assert said.code == COULD_NOT_TELL
    assert "is not the one that was installed" in said.out
    assert zoho.statistics.requests == 0


async def test_an_organisation_that_is_not_ours_is_unhealthy(console: Console, installation: Installation) -> None:
    installation.run(COULD_NOT_ASK)
    installation.run("UPDATE zoho_outbox_private.installation SET zoho_organization_id = NULL")
    said = await console.type("health-check", ZOHO_CURRENCY="EUR")
    assert said.code == FAILED
    assert "Zoho was asked and failed: Organisation " in said.out


async def test_details_are_the_figures_of_a_week_and_a_month(console: Console, installation: Installation) -> None:
    installation.run("DELETE FROM public.zoho_sync_logs")
    for milliseconds in (100, 200, 300, 400):
        ids = installation.take("customer", 1)
        installation.log("customer", ids, "success", 86400, milliseconds=milliseconds)
    installation.log("customer", ids, "failed", 86400)
    installation.log("customer", ids, "retrying", 86400)
    installation.log("invoice", installation.take("invoice", 1), "success", 20 * 86400)
    installation.run(
        """
        INSERT INTO zoho_outbox_private.day_budget (day, urgency, requests, day_limit)
        VALUES (current_date - 2, 10, 700, 1000), (current_date - 2, 30, 100, 1000), (current_date - 20, 10, 5, 1000)
        """
    )
    installation.throttled(3, 2 * 86400)
    said = await console.type("health-check", "--detailed", "--json", ZOHO_TIME_ZONE="UTC")
    figures = said.json["figures"]
    assert list(figures) == ["week", "month", "quota"]
    week, month = figures["week"], figures["month"]
    (customers,) = week["types"]
    assert customers == {
        "entity_type": "customer",
        "attempts": 6,
        "success": 4,
        "failed": 1,
        "retrying": 1,
        "api_calls": 6,
        "mean_ms": 250,
        "median_ms": 250,
        "p95_ms": 385,
        "p99_ms": 397,
        "longest_ms": 400,
        "success_percent": 80,
    }
    assert [each["entity_type"] for each in month["types"]] == ["customer", "invoice"]
    assert sum(hour["attempts"] for hour in week["peak_hours"]) == 6
    assert week["volume"]["peak_requests"] == 800
    assert week["volume"]["most_of_limit_percent"] == 80
    assert week["volume"]["rate_limit_hits"] == 3
    assert month["volume"]["requests"] - week["volume"]["requests"] == 5
    assert figures["quota"]["day_limit"] == 1000

    text = (await console.type("health-check", "--detailed", ZOHO_TIME_ZONE="UTC")).out
    assert "last week (7 days)" in text
    assert "80.0 %" in text
    assert "peak hours (UTC): " in text
    assert "800 on " in text
    assert "(80 % of the day's limit at most); rate-limit hits: 3" in text
    assert "quota today: " in text


async def test_the_report_goes_by_mail_where_it_is_asked_for(
    bare_console: Console, installation: Installation, mailbox: MailBox
) -> None:
    installation.dead(2, 60, logged=False)
    said = await bare_console.type("health-check", "--email", ALERT_URLS=mailbox.url)
    assert (said.code, said.err) == (DONE, "")
    (mail,) = mailbox.mails
    assert mail["Subject"] == "zoho-outbox: degraded"
    assert "2 rows dead" in mailbox.text(0)
    assert "2 rows dead" in mailbox.html(0)


@pytest.mark.usefixtures("installation")
async def test_a_report_that_nobody_took_is_1_and_says_which(bare_console: Console) -> None:
    said = await bare_console.type("health-check", "--email", ALERT_URLS="json://127.0.0.1:1/secret-path")
    assert said.code == FAILED
    assert said.out.startswith("HEALTHY")
    assert said.err == (
        "receiver 1 (JSON at 127.0.0.1) did not take the report: check that entry of ALERT_URLS and the way there\n"
    )


async def test_mail_without_an_address_is_wrong_use(bare_console: Console) -> None:
    said = await bare_console.type("health-check", "--email")
    assert (said.code, said.out) == (WRONG_USE, "")
    assert said.err.startswith("ALERT_URLS is not set: ")
