"""``/metrics`` for Prometheus: each of them is described in deploy/docs/metrics.md, and a test holds the two equal.

Three kinds. What this process did comes from its :class:`~daemon.meter.Meter`, how it is doing from its loops: neither
asks anybody. What stands in the database is read at most every few seconds, however many ask, and never waited for
longer than :data:`PATIENCE_SECONDS`: where it cannot be read those metrics are absent, and ``zoho_outbox_database_up``
is 0. An old figure would look like a new one.

Each answer is made in a registry of its own: nothing is kept in prometheus_client's module.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from daemon.meter import DURATION_BOUNDS, RESULTS, Meter
from daemon.web.cached import Cached
from daemon.web.context import Context
from daemon.web.standing import StandingNow
from outbox import __version__
from outbox.commands.status import Quota, StatusSettings, quota
from outbox.database import DatabaseUnavailable
from outbox.settings import Settings
from outbox.store.api import ApiReadings, Vitals
from outbox.store.organisation import OrganisationNow, OrganisationStore
from outbox.store.readings import Readings
from outbox.vocabulary import EntityType, OrganisationState, Urgency

FRESH_SECONDS = 10.0
"""Between two readings of the single rows; the counts have their own pace (:mod:`daemon.web.standing`)."""

PATIENCE_SECONDS = 2.0
"""For the database, a scrape's usual time-out being 10 s."""

PREFIX = "zoho_outbox"


@dataclass(frozen=True)
class SharedState:
    """Single rows of the database: of all replicas together."""

    organisation: OrganisationNow
    quota: Quota
    vitals: Vitals
    last_good_reply_seconds: float | None


def routes(context: Context) -> list[BaseRoute]:
    """The one route."""
    settings, probing = context.settings, context.probing
    store = OrganisationStore(probing, settings.zoho_time_zone)
    given = {name: getattr(settings, name) for name in StatusSettings.model_fields}
    limits = StatusSettings.model_validate(given)

    async def read() -> SharedState:
        now = await store.now()
        readings = Readings(probing)
        installation = await readings.installation()
        good = now.last_good_reply_at
        return SharedState(
            organisation=now,
            quota=quota(await readings.budget(settings.zoho_time_zone), limits),
            vitals=await ApiReadings(probing).vitals(),
            last_good_reply_seconds=None if good is None else (installation["now"] - good).total_seconds(),
        )

    shared = Cached(read, context.clock, fresh_seconds=FRESH_SECONDS, stale_seconds=2 * FRESH_SECONDS)

    async def metrics(request: Request) -> Response:
        state, counts = None, None
        try:
            reading = await shared.now(patience=PATIENCE_SECONDS, first_patience=PATIENCE_SECONDS)
            state = reading.value if reading.trouble is None else None
        except DatabaseUnavailable:
            pass  # zoho_outbox_database_up says it.
        if state is not None:
            try:
                now = await context.standing.now(patience=0.0, first_patience=PATIENCE_SECONDS)
                counts = now if now.trouble is None else None
            except DatabaseUnavailable:
                pass  # Absent until they have been counted; zoho_outbox_counts_age_seconds is, too.
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families([*of_the_process(context), *of_the_database(settings, state, counts)]))
        ProcessCollector(registry=registry)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    return [Route("/metrics", metrics, methods=["GET"])]


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def of_the_process(context: Context) -> Iterator[Metric]:
    """What this process did since it started, and how it is doing."""
    liveness = context.liveness
    yield InfoMetricFamily(f"{PREFIX}_build", "Version of zoho-outbox.", value={"version": __version__})
    yield _gauge("started", "1: database and installation were found fit; 0: it waits for them.", liveness.started)
    yield _gauge("sending_enabled", "ENABLE_ZOHO_SYNC.", context.settings.enable_zoho_sync)
    yield _gauge("listening", "1: notifications arrive; 0: changes are found by polling.", liveness.listening)
    yield _gauge("draining", "1: it was told to stop and finishes what it holds.", liveness.draining)
    yield _gauge("entities_in_hand", "Rows that this process holds a lease on.", liveness.holds)
    yield _gauge("stalled_loops", "Loops that have not moved for too long.", len(liveness.stalled))
    idle = GaugeMetricFamily(f"{PREFIX}_loop_idle_seconds", "Since each loop last moved.", labels=["loop"])
    for loop, seconds in sorted(liveness.idle_seconds.items()):
        idle.add_metric([loop], seconds)
    yield idle
    yield from _counted(context.meter)


def _counted(meter: Meter) -> Iterator[Metric]:
    claims = CounterMetricFamily(f"{PREFIX}_claims", "Rows claimed to be sent.", labels=["type"])
    takeovers = CounterMetricFamily(
        f"{PREFIX}_lease_takeovers", "Leases of dead or stuck processes taken over.", labels=["type"]
    )
    attempts = CounterMetricFamily(f"{PREFIX}_attempts", "Attempts by how they ended.", labels=["type", "result"])
    totals = CounterMetricFamily(
        f"{PREFIX}_verified_totals", "Zoho's total against the row's, where Zoho showed it.", labels=["type", "verdict"]
    )
    durations = HistogramMetricFamily(
        f"{PREFIX}_attempt_duration_seconds",
        "Attempts that asked Zoho, from reading the row to Zoho's last reply.",
        labels=["type"],
    )
    for entity_type in EntityType:
        claims.add_metric([entity_type], meter.claims[entity_type])
        takeovers.add_metric([entity_type], meter.takeovers[entity_type])
        for result in RESULTS:
            attempts.add_metric([entity_type, result], meter.results[entity_type, result])
        for matched, verdict in ((True, "matched"), (False, "off")):
            totals.add_metric([entity_type, verdict], meter.verified_totals[entity_type, matched])
        taken = meter.durations[entity_type]
        buckets, up_to_here = [], 0
        for bound, count in zip((*map(str, DURATION_BOUNDS), "+Inf"), taken.counts, strict=True):
            up_to_here += count
            buckets.append((bound, float(up_to_here)))
        durations.add_metric([entity_type], buckets, taken.sum_seconds)
    requests = CounterMetricFamily(
        f"{PREFIX}_attempt_requests", "Requests to Zoho made by attempts, by what they were for.", labels=["urgency"]
    )
    for urgency in Urgency:
        requests.add_metric([urgency.name.lower()], meter.api_calls[urgency.name.lower()])
    yield from (claims, attempts, durations, requests, totals, takeovers)


def of_the_database(settings: Settings, state: SharedState | None, counts: StandingNow | None) -> Iterator[Metric]:
    """What stands in the database, of all replicas together; what could not be read is absent."""
    yield _gauge("database_up", "1: the database answered within the last seconds.", state is not None)
    if state is not None:
        yield from _shared(settings, state)
    if counts is not None:
        yield from _counts(counts)


def _shared(settings: Settings, state: SharedState) -> Iterator[Metric]:
    present = GaugeMetricFamily(
        f"{PREFIX}_organisation_state", "1 for what sending as a whole may do now.", labels=["state"]
    )
    for word in OrganisationState:
        present.add_metric([word], word is state.organisation.state)
    yield present
    if state.last_good_reply_seconds is not None:
        yield _gauge("last_good_reply_age_seconds", "Since Zoho last answered well.", state.last_good_reply_seconds)
    used = GaugeMetricFamily(
        f"{PREFIX}_requests_today", "Requests to Zoho of this day of ZOHO_TIME_ZONE.", labels=["urgency"]
    )
    for urgency in Urgency:
        used.add_metric([urgency.name.lower()], state.quota.used_by_urgency.get(urgency.name.lower(), 0))
    yield used
    yield _gauge("requests_day_limit", "ZOHO_DAILY_REQUEST_LIMIT; 0: none.", settings.zoho_daily_request_limit)
    left = GaugeMetricFamily(
        f"{PREFIX}_requests_left_today",
        "Requests that may still be made today; absent without a limit.",
        labels=["for"],
    )
    for whom, count in (("live", state.quota.left_live), ("bulk", state.quota.left_bulk)):
        if count is not None:
            left.add_metric([whom], count)
    yield left
    yield _gauge("requests_in_flight", "Requests to Zoho that are under way.", state.quota.in_flight)
    minted = CounterMetricFamily(f"{PREFIX}_tokens_minted", "Access tokens minted since the installation.")
    minted.add_metric([], state.vitals.tokens_minted)
    yield minted
    yield _gauge("daemons", "Daemons that were heard of within the last minute.", state.vitals.daemons)


def _counts(counts: StandingNow) -> Iterator[Metric]:
    yield _gauge("counts_age_seconds", "Age of the counts below.", counts.age_seconds)
    entries = GaugeMetricFamily(
        f"{PREFIX}_entries", "Unfinished entries of zoho_outbox, and dead ones.", labels=["type", "status"]
    )
    oldest = GaugeMetricFamily(
        f"{PREFIX}_oldest_entry_age_seconds", "Age of the oldest of them.", labels=["type", "status"]
    )
    found = {(row["entity_type"], row["status"]): row for row in counts.entries}
    for entity_type in EntityType:
        for status in ("pending", "waiting", "processing", "dead"):
            row = found.get((entity_type, status))
            entries.add_metric([entity_type, status], 0 if row is None else row["entries"])
            oldest.add_metric([entity_type, status], 0 if row is None else max(row["oldest_seconds"], 0))
    eligible = GaugeMetricFamily(f"{PREFIX}_eligible_rows", "Rows that are to be in Zoho.", labels=["type"])
    in_zoho = GaugeMetricFamily(f"{PREFIX}_rows_in_zoho", "Those of them that are.", labels=["type"])
    standing = GaugeMetricFamily(
        f"{PREFIX}_rows", "Rows by where they stand on their way.", labels=["type", "standing"]
    )
    for entity_type, of_type in counts.status.by_type.items():
        if of_type.eligible is not None and of_type.in_zoho is not None:
            eligible.add_metric([entity_type], of_type.eligible)
            in_zoho.add_metric([entity_type], of_type.in_zoho)
        for word in ("pending", "waiting", "processing", "retrying", "dead", "skipped"):
            standing.add_metric([entity_type, word], getattr(of_type, word))
    yield from (entries, oldest, eligible, in_zoho, standing)
