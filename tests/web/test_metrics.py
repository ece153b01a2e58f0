"""``/metrics``, and that its documentation and the alert rules speak of what is there."""

import re
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from daemon.meter import DURATION_BOUNDS, RESULTS, Meter, result_of
from daemon.web.application import build
from daemon.web.context import Context
from outbox.clock import ManualClock
from outbox.database import DatabaseUnavailable
from outbox.settings import Settings
from outbox.vocabulary import EntityType, Urgency
from tests.host import databases
from tests.store.conftest import new_settings
from tests.store.host import Host
from tests.web.attempts import ended
from tests.web.conftest import KnownLiveness, browser

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"

asynchronous = pytest.mark.anyio

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scrape(client: httpx.AsyncClient) -> Samples:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"zoho_outbox_{name}", tuple(sorted(labels.items()))]


def names(samples: Samples) -> set[str]:
    return {name for name, _ in samples}


@asynchronous
class TestWhatTheProcessDid:
    async def test_each_verdict_is_counted_once(self, stranger: httpx.AsyncClient, meter: Meter) -> None:
        for verdict in ("sent", "unchanged", "skipped", "waiting", "dead", "retried", "returned"):
            done = ended(verdict, EntityType.INVOICE)
            assert result_of(done.verdict) == verdict
            meter.settled(done)
        meter.refused(ended("sent", EntityType.INVOICE))
        samples = await scrape(stranger)
        assert [value(samples, "attempts_total", type="invoice", result=result) for result in RESULTS] == [1] * len(
            RESULTS
        )
        assert sum(value(samples, "attempts_total", type="customer", result=result) for result in RESULTS) == 0

    async def test_claims_takeovers_and_requests_move(self, stranger: httpx.AsyncClient, meter: Meter) -> None:
        done = ended("sent", EntityType.PAYMENT, api_calls=3, urgency=Urgency.BACKFILL)
        meter.claimed([done.verdict.claim])
        meter.settled(done)
        meter.took_over(EntityType.PAYMENT)
        samples = await scrape(stranger)
        assert value(samples, "claims_total", type="payment") == 1
        assert value(samples, "lease_takeovers_total", type="payment") == 1
        assert value(samples, "attempt_requests_total", urgency="backfill") == 3
        assert value(samples, "attempt_requests_total", urgency="live") == 0

    async def test_durations_are_those_of_attempts_that_asked_zoho(
        self, stranger: httpx.AsyncClient, meter: Meter
    ) -> None:
        meter.settled(ended("unchanged", EntityType.CUSTOMER, api_calls=0, milliseconds=5))
        for milliseconds in (100, 900, 7000, 500_000):
            meter.settled(ended("sent", EntityType.CUSTOMER, milliseconds=milliseconds))
        samples = await scrape(stranger)

        def bucket(bound: str) -> float:
            return value(samples, "attempt_duration_seconds_bucket", type="customer", le=bound)

        assert [bucket(bound) for bound in ("0.1", "0.5", "1.0", "5.0", "10.0", "120.0", "+Inf")] == [
            1,
            1,
            2,
            2,
            3,
            3,
            4,
        ]
        assert value(samples, "attempt_duration_seconds_count", type="customer") == 4
        assert value(samples, "attempt_duration_seconds_sum", type="customer") == pytest.approx(508)
        assert len(DURATION_BOUNDS) == 12

    async def test_totals_that_were_shown_are_compared(self, stranger: httpx.AsyncClient, meter: Meter) -> None:
        for off_by in ("0.00", "0", "0.03", "17.50", None):
            meter.settled(ended("sent", EntityType.INVOICE, off_by=off_by))
        samples = await scrape(stranger)
        assert value(samples, "verified_totals_total", type="invoice", verdict="matched") == 2
        assert value(samples, "verified_totals_total", type="invoice", verdict="off") == 2


@asynchronous
class TestHowItIsDoing:
    async def test_loops_listener_and_drain_are_shown(
        self, stranger: httpx.AsyncClient, liveness: KnownLiveness
    ) -> None:
        liveness.stalled, liveness.listening, liveness.draining, liveness.holds = ["dispatcher"], False, True, 3
        samples = await scrape(stranger)
        assert value(samples, "stalled_loops") == 1
        assert value(samples, "listening") == 0
        assert value(samples, "draining") == 1
        assert value(samples, "entities_in_hand") == 3
        assert value(samples, "loop_idle_seconds", loop="dispatcher") == 1.5

    async def test_memory_and_files_of_the_process_are_too(self, stranger: httpx.AsyncClient) -> None:
        assert "process_resident_memory_bytes" in names(await scrape(stranger))

    async def test_openmetrics_is_given_to_whoever_asks(self, stranger: httpx.AsyncClient) -> None:
        answer = await stranger.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert answer.text.endswith("# EOF\n")


@asynchronous
class TestWhatStandsInTheDatabase:
    async def test_entries_and_their_age(self, stranger: httpx.AsyncClient, host: Host) -> None:
        for number in range(3):
            host.add_customer(number)
        host.interfere("UPDATE public.zoho_outbox SET created_at = now() - interval '2 hours', revision = revision + 1")
        samples = await scrape(stranger)
        assert value(samples, "database_up") == 1
        assert value(samples, "entries", type="customer", status="pending") == 3
        assert value(samples, "entries", type="invoice", status="dead") == 0
        assert value(samples, "oldest_entry_age_seconds", type="customer", status="pending") == pytest.approx(
            7200, abs=600
        )
        assert value(samples, "eligible_rows", type="customer") == 3
        assert value(samples, "rows", type="customer", standing="pending") == 3

    async def test_quota_by_class_tokens_and_the_organisations_state(
        self, stranger: httpx.AsyncClient, host: Host
    ) -> None:
        host.interfere(
            """
            WITH today AS (SELECT (clock_timestamp() AT TIME ZONE 'Africa/Johannesburg')::date AS day),
            total AS (UPDATE zoho_outbox_private.request_budget SET day = (SELECT day FROM today), requests = 140)
            INSERT INTO zoho_outbox_private.day_budget (day, urgency, requests)
            SELECT day, 10, 100 FROM today UNION ALL SELECT day, 30, 40 FROM today
            """
        )
        host.interfere("UPDATE zoho_outbox_private.access_token SET generation = 7")
        with host.operator() as operator:
            operator.execute("SELECT zoho_outbox_pause('month end')")
        samples = await scrape(stranger)
        assert value(samples, "requests_today", urgency="live") == 100
        assert value(samples, "requests_today", urgency="backfill") == 40
        assert value(samples, "requests_day_limit") == 1000
        assert value(samples, "requests_left_today", **{"for": "live"}) == 860
        assert value(samples, "requests_left_today", **{"for": "bulk"}) == 560
        assert value(samples, "tokens_minted_total") == 7
        assert value(samples, "organisation_state", state="paused") == 1
        assert value(samples, "organisation_state", state="running") == 0

    async def test_however_many_scrape_it_is_read_now_and_then(
        self, stranger: httpx.AsyncClient, host: Host, clock: ManualClock
    ) -> None:
        assert value(await scrape(stranger), "entries", type="customer", status="pending") == 0
        host.add_customer()
        host.interfere("UPDATE zoho_outbox_private.access_token SET generation = 9")
        samples = await scrape(stranger)
        assert value(samples, "entries", type="customer", status="pending") == 0
        assert value(samples, "tokens_minted_total") == 0
        clock.advance(11)
        await scrape(stranger)  # this one begins to count, and does not wait for it
        await stranger.get("/readyz")
        samples = await scrape(stranger)
        assert value(samples, "tokens_minted_total") == 9

    async def test_where_the_database_is_away_that_is_all_that_is_said_of_it(
        self, new_context: Callable[[Settings], Context], migrated_database: databases.Database
    ) -> None:
        away = new_settings(migrated_database, DATABASE_URL="postgresql://nobody@127.0.0.1:9/x")
        async with browser(build(new_context(away))) as client:
            samples = await scrape(client)
        assert value(samples, "database_up") == 0
        assert value(samples, "claims_total", type="customer") == 0
        assert not names(samples) & {"zoho_outbox_entries", "zoho_outbox_tokens_minted_total", "zoho_outbox_daemons"}

    async def test_a_database_that_goes_away_takes_its_figures_with_it(
        self, stranger: httpx.AsyncClient, context: Context, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "zoho_outbox_entries" in names(await scrape(stranger))

        async def gone(*_: object, **__: object) -> list[Any]:
            raise DatabaseUnavailable("connection refused")

        monkeypatch.setattr(context.probing, "row", gone)
        clock.advance(11)
        samples = await scrape(stranger)
        assert value(samples, "database_up") == 0
        assert "zoho_outbox_entries" not in names(samples)

    async def test_nobody_is_named(self, stranger: httpx.AsyncClient, host: Host) -> None:
        customer = host.add_customer(1, business_name="Meadow Bakery", email="meadow@example.com")
        text = (await stranger.get("/metrics")).text
        for personal in ("Meadow", "example.com", "CT-2025", str(customer)):
            assert personal not in text


def documented() -> dict[str, tuple[str, set[str]]]:
    """Kind and labels by name, of the tables in deploy/docs/metrics.md."""
    text = (DEPLOY / "docs" / "metrics.md").read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and (name := re.fullmatch(r"`(zoho_outbox_\w+)`", cells[0])):
            found[name[1]] = cells[1], {label for label in re.split(r",\s*", cells[2]) if label}
            assert cells[4], f"{name[1]} has no meaning"
    return found


@asynchronous
async def test_every_metric_is_documented_with_its_kind_and_labels_and_no_other_is(
    stranger: httpx.AsyncClient, host: Host
) -> None:
    host.interfere("UPDATE zoho_outbox_private.organisation SET last_good_reply_at = now()")
    text = (await stranger.get("/metrics")).text
    found: dict[str, tuple[str, set[str]]] = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith("zoho_outbox_"):
            assert family.documentation
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            found[name] = family.type, labels
    assert found == documented()


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


class TestAlerts:
    def test_each_speaks_of_metrics_that_there_are(self) -> None:
        known = set(documented()) | {"up"}
        for name, (kind, _) in documented().items():
            if kind == "histogram":
                known |= {f"{name}_{part}" for part in ("sum", "count", "bucket")}
        for rule in rules():
            asked = set(re.findall(r"\bzoho_outbox_\w+|\bup\b", rule["expr"]))
            assert asked, rule["alert"]
            assert asked <= known, rule["alert"]

    def test_each_says_how_bad_it_is_and_what_to_do(self) -> None:
        assert len({rule["alert"] for rule in rules()}) == len(rules())
        for rule in rules():
            assert rule["labels"]["severity"] in {"info", "warning", "critical"}, rule["alert"]
            assert rule["annotations"]["summary"], rule["alert"]
            assert rule["annotations"]["description"].endswith("."), rule["alert"]

    def test_results_in_them_are_results_that_there_are(self) -> None:
        for rule in rules():
            for words in re.findall(r'result=~"([^"]+)"', rule["expr"]):
                assert set(words.split("|")) <= set(RESULTS), rule["alert"]

    @pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
    def test_promtool_accepts_them_and_they_fire(self) -> None:
        promtool = partial(subprocess.run, check=False, capture_output=True, text=True)
        checked = promtool(["promtool", "check", "rules", str(ALERTS)])
        assert checked.returncode == 0, checked.stdout + checked.stderr
        cases = Path(__file__).parent / "alerts_test.yml"
        tried = promtool(["promtool", "test", "rules", cases.name], cwd=cases.parent)
        assert tried.returncode == 0, tried.stdout + tried.stderr
