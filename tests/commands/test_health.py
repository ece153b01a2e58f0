"""What ``health-check`` finds: every threshold, just under and just over; and nothing where nothing is wrong."""

from collections.abc import Callable
from typing import Any

import pytest

from outbox.commands.health.findings import Check, CouldNot, Finding, HealthSettings, State
from outbox.commands.health.report import Report, check
from outbox.settings import load_settings
from tests.commands.conftest import Console
from tests.commands.health_planting import Installation
from tests.host.databases import Database
from tests.host.shapes import HostShape
from tests.migration.migrated import DAEMON, OPERATOR

pytestmark = pytest.mark.anyio

HOUR, DAY = 3600.0, 86400.0
NOBODY_ASKS = CouldNot("it is not asked in this test", "-")


@pytest.fixture
def installation(migrated_database: Database) -> Installation:
    return Installation(migrated_database).in_good_health()


async def health(database: Database, *, role: str | None = DAEMON, detailed: bool = False, **settings: str) -> Report:
    dsn = database.superuser_dsn if role is None else database.dsn(role)
    loaded = load_settings({"DATABASE_URL": dsn, **settings}, required=HealthSettings)
    return await check(loaded, NOBODY_ASKS, detailed=detailed, on_secret=lambda *_: None)


def found(report: Report) -> dict[Check, Finding]:
    """What is not healthy."""
    return {finding.check: finding for finding in report.verdict.findings if finding.state is not State.HEALTHY}


def states(report: Report) -> dict[Check, State]:
    return {name: finding.state for name, finding in found(report).items()}


async def test_an_installation_in_good_health_is_healthy_in_every_check(installation: Installation) -> None:
    report = await health(installation.database)
    assert found(report) == {}
    assert {finding.check for finding in report.verdict.findings} == set(Check)
    assert (report.verdict.state, report.exit_status) == (State.HEALTHY, 0)


@pytest.mark.parametrize("migrated_database", [HostShape(columns="november_2025")], indirect=True)
async def test_a_host_of_november_2025_is_judged_too(migrated_database: Database) -> None:
    installation = Installation(migrated_database).in_good_health()
    installation.dead(1, 60, entity_type="payment", logged=False)
    assert states(await health(migrated_database)) == {Check.DEAD: State.DEGRADED}


Plant = Callable[[Installation], Any]

UNDER_AND_OVER: list[tuple[str, Plant, Plant, dict[Check, State]]] = [
    (
        "pending for an hour",
        lambda it: it.pending(2, HOUR - 60),
        lambda it: it.pending(2, HOUR + 1),
        {Check.PENDING: State.DEGRADED},
    ),
    (
        "never admitted for an hour",
        lambda it: it.never_admitted(2, HOUR - 60),
        lambda it: it.never_admitted(2, HOUR + 1),
        {Check.PENDING: State.DEGRADED},
    ),
    (
        "backfill aside",
        lambda it: (it.pending(2, 9 * DAY, urgency=30), it.never_admitted(2, 9 * DAY, origin="backfill", priority=30)),
        lambda it: it.pending(1, 9 * DAY, urgency=20),
        {Check.PENDING: State.DEGRADED},
    ),
    (
        "retrying for an hour",
        lambda it: it.retrying(2, HOUR - 60),
        lambda it: it.retrying(2, HOUR + 1),
        {Check.RETRYING: State.DEGRADED},
    ),
    (
        "processing for five minutes",
        lambda it: it.processing(2, 240),
        lambda it: it.processing(2, 301),
        {Check.PROCESSING: State.DEGRADED},
    ),
    (
        "five past due",
        lambda it: it.retrying(4, 120, next_in=-60),
        lambda it: it.retrying(5, 120, next_in=-60),
        {Check.PAST_DUE: State.DEGRADED},
    ),
    (
        "due this moment is not past due",
        lambda it: it.retrying(9, 120, next_in=-1),
        lambda it: it.retrying(9, 120, next_in=-31),
        {Check.PAST_DUE: State.DEGRADED},
    ),
    (
        "one dead",
        lambda it: it.retrying(1, 120),
        lambda it: it.dead(1, 60, logged=False),
        {Check.DEAD: State.DEGRADED},
    ),
    (
        "a failure older than seven days",
        lambda it: it.log("customer", it.take("customer", 1), "failed", 9 * DAY),
        lambda it: it.dead(1, 7 * DAY + 1),
        {Check.DEAD: State.DEGRADED, Check.OLD_FAILURES: State.DEGRADED},
    ),
    (
        "five failures in a day",
        lambda it: _failures(it, 4, DAY - 60),
        lambda it: _failures(it, 5, DAY - 60),
        {Check.DAY_FAILURES: State.UNHEALTHY, Check.WEEK_FAILURES: State.DEGRADED},
    ),
    (
        "five failures in a week",
        lambda it: _failures(it, 4, 2 * DAY),
        lambda it: _failures(it, 5, 2 * DAY),
        {Check.WEEK_FAILURES: State.DEGRADED},
    ),
    (
        "98 percent success in a week",
        # 99 of 101 are more than 98 percent, 49 of 50 are not.
        lambda it: _only_attempts(it, success=99, failed=2),
        lambda it: _only_attempts(it, success=98, failed=2),
        {Check.SUCCESS: State.DEGRADED},
    ),
    (
        "a mean of five seconds",
        lambda it: _only_attempts(it, success=2, failed=0, milliseconds=4999),
        lambda it: _only_attempts(it, success=2, failed=0, milliseconds=5000),
        {Check.MEAN_SEND: State.DEGRADED},
    ),
    (
        "any 429",
        lambda it: it.throttled(3, DAY + 60),
        lambda it: it.throttled(1, DAY - 60),
        {Check.THROTTLED: State.DEGRADED},
    ),
    (
        "95 percent of the eligible rows",
        # 24 rows: 23 are 95.8 percent, 22 are 91.7.
        lambda it: it.not_in_zoho("invoice", 1),
        lambda it: it.not_in_zoho("payment", 2),
        {Check.SYNCED: State.DEGRADED},
    ),
    (
        "a daemon silent for two minutes",
        lambda it: it.daemon_heard_of(110),
        lambda it: it.daemon_heard_of(121),
        {Check.DAEMON: State.UNHEALTHY},
    ),
    (
        "a daemon that drains",
        lambda it: it.daemon_heard_of(1),
        lambda it: it.daemon_heard_of(1, draining=True),
        {Check.DAEMON: State.UNHEALTHY},
    ),
    (
        "no daemon",
        lambda it: it.daemon_heard_of(1),
        lambda it: it.run("DELETE FROM zoho_outbox_private.session"),
        {Check.DAEMON: State.UNHEALTHY},
    ),
    (
        "forbidden",
        lambda it: it.run("UPDATE zoho_outbox_private.organisation SET paused_at = now(), paused_by = 'anna'"),
        lambda it: it.run("UPDATE zoho_outbox_private.organisation SET forbidden_at = now(), forbidden_why = 'scope'"),
        {Check.ORGANISATION: State.UNHEALTHY},
    ),
    (
        "broken behind a pause",
        lambda it: it.run("UPDATE zoho_outbox_private.organisation SET outages_in_a_row = 4"),
        lambda it: it.run(
            "UPDATE zoho_outbox_private.organisation SET broken_at = now(), broken_why = '502', paused_at = now()"
        ),
        {Check.ORGANISATION: State.UNHEALTHY},
    ),
    (
        "the last good reply an hour ago",
        lambda it: _last_reply(it, HOUR - 60),
        lambda it: _last_reply(it, HOUR + 1),
        {Check.REPLY: State.UNKNOWN},
    ),
]


def _failures(installation: Installation, count: int, seconds_ago: float) -> None:
    """Among so many successes that they are less than two percent."""
    installation.log("customer", installation.take("customer", count), "failed", seconds_ago)
    installation.log("customer", installation.take("customer", 1) * 400, "success", 2 * DAY)


def _only_attempts(installation: Installation, *, success: int, failed: int, milliseconds: int = 120) -> None:
    installation.run("DELETE FROM public.zoho_sync_logs")
    (customer,) = installation.take("customer", 1)
    installation.log("customer", [customer] * success, "success", 2 * DAY, milliseconds=milliseconds)
    installation.log("customer", [customer] * failed, "failed", 2 * DAY, milliseconds=999_999)


def _last_reply(installation: Installation, seconds_ago: float) -> None:
    installation.run(
        "UPDATE zoho_outbox_private.organisation SET last_good_reply_at = now() - make_interval(secs => %s)",
        [seconds_ago],
    )


@pytest.mark.parametrize(
    ("under", "over", "expected"), [case[1:] for case in UNDER_AND_OVER], ids=[case[0] for case in UNDER_AND_OVER]
)
async def test_a_threshold_is_crossed_just_over_it_and_not_just_under(
    new_migrated_database: Callable[[HostShape], Database], under: Plant, over: Plant, expected: dict[Check, State]
) -> None:
    for plant, wanted in ((under, {}), (over, expected)):
        installation = Installation(new_migrated_database(HostShape())).in_good_health()
        plant(installation)
        report = await health(installation.database)
        assert states(report) == wanted, report.as_text()


async def test_a_customer_is_affected_once_by_whatever_of_theirs_is_dead(installation: Installation) -> None:
    # All four services, invoices and payments; these are, by their invoices, of the same four customers.
    for entity_type in ("subscription", "invoice", "payment"):
        installation.dead(4, 60, entity_type=entity_type, logged=False)
    report = await health(installation.database)
    assert found(report)[Check.DEAD].count == 12
    affected = next(each for each in report.verdict.findings if each.check is Check.AFFECTED_CUSTOMERS)
    assert (affected.count, affected.state) == (4, State.HEALTHY)


@pytest.mark.parametrize(("dead", "expected"), [(10, State.HEALTHY), (11, State.UNHEALTHY)])
async def test_ten_customers_are_not_yet_too_many(installation: Installation, dead: int, expected: State) -> None:
    installation.dead(dead, 60, logged=False)
    report = await health(installation.database)
    affected = next(each for each in report.verdict.findings if each.check is Check.AFFECTED_CUSTOMERS)
    assert (affected.count, affected.state) == (dead, expected)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "ALTER TABLE public.customers DISABLE TRIGGER zoho_outbox_updated",
            "zoho_outbox_updated on customers is disabled",
        ),
        (
            "ALTER TABLE public.customer_invoices ENABLE TRIGGER zoho_outbox_inserted",
            "zoho_outbox_inserted on customer_invoices does not fire always",
        ),
        (
            "ALTER TABLE public.payment_transactions ENABLE REPLICA TRIGGER zoho_outbox_deleted",
            "zoho_outbox_deleted on payment_transactions does not fire always",
        ),
        (
            "DROP TRIGGER zoho_outbox_published_updated ON public.product_integrations",
            "zoho_outbox_published_updated on product_integrations is missing",
        ),
        (
            "DROP TRIGGER zoho_outbox_sku_updated ON public.service_packages",
            "zoho_outbox_sku_updated on service_packages",
        ),
        ("DROP TRIGGER zoho_outbox_became_real ON public.customers", "zoho_outbox_became_real on customers is missing"),
        (
            "ALTER TABLE public.zoho_outbox DISABLE TRIGGER zoho_outbox_guard_update",
            "zoho_outbox_guard_update on zoho_outbox is disabled",
        ),
    ],
)
async def test_a_trigger_that_is_not_in_force_is_named(installation: Installation, sql: str, said: str) -> None:
    installation.run(sql)
    report = await health(installation.database)
    assert states(report) == {Check.TRIGGERS: State.UNHEALTHY}
    finding = found(report)[Check.TRIGGERS]
    assert said in finding.what
    assert finding.count == 1
    assert "zoho-outbox migrate" in (finding.next_step or "")


async def test_a_trigger_of_the_same_name_that_calls_something_else_is_none(installation: Installation) -> None:
    installation.run(
        """
        CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        DROP TRIGGER zoho_outbox_inserted ON public.customers;
        CREATE TRIGGER zoho_outbox_inserted AFTER INSERT ON public.customers EXECUTE FUNCTION public.nothing();
        ALTER TABLE public.customers ENABLE ALWAYS TRIGGER zoho_outbox_inserted;
        """
    )
    assert states(await health(installation.database)) == {Check.TRIGGERS: State.UNHEALTHY}


async def test_who_holds_an_old_snapshot_is_named(installation: Installation) -> None:
    with installation.old_snapshot() as holder:
        pid = holder.info.backend_pid
        young = await health(installation.database, role=None)
        assert states(young) == {}
        old = await health(installation.database, role=None, HEALTH_SNAPSHOT_SECONDS="0.001")
    assert states(old) == {Check.SNAPSHOT: State.DEGRADED}
    finding = found(old)[Check.SNAPSHOT]
    assert finding.example is not None
    assert finding.example.startswith(f"pid {pid}, user migrator (reporting), since 20")
    assert finding.next_step == f"SELECT pg_terminate_backend({pid}) ends it, if its owner agrees."


async def test_a_snapshot_of_unknown_age_could_not_be_told_and_says_what_to_grant(installation: Installation) -> None:
    with installation.old_snapshot():
        proved_young = await health(installation.database)
        report = await health(installation.database, HEALTH_SNAPSHOT_SECONDS="0.001")
    assert states(proved_young) == {}
    assert states(report) == {Check.SNAPSHOT: State.UNKNOWN}
    finding = found(report)[Check.SNAPSHOT]
    assert "(reporting) holds a snapshot, and this role may not see since when" in finding.what
    assert "GRANT pg_read_all_stats" in (finding.next_step or "")
    assert report.exit_status == 3


async def test_the_notification_queue_is_judged_by_how_full_it_is(installation: Installation) -> None:
    import psycopg  # noqa: PLC0415

    with psycopg.connect(installation.database.dsn(DAEMON)) as deaf:
        deaf.execute("LISTEN something")
        deaf.commit()
        deaf.execute("SELECT 1")  # In a transaction, so that it takes nothing from the queue.
        for _ in range(8):
            installation.run("SELECT pg_notify('something', repeat('a', 7900) || gen_random_uuid())")
        fine = await health(installation.database)
        full = await health(installation.database, HEALTH_NOTIFICATION_QUEUE_PERCENT="0")
    assert Check.NOTIFICATION_QUEUE not in states(fine)
    assert states(full)[Check.NOTIFICATION_QUEUE] is State.DEGRADED


async def test_a_finding_names_a_row_and_the_next_step(installation: Installation) -> None:
    installation.pending(1, 2 * HOUR)
    (oldest,) = installation.pending(1, 3 * HOUR, entity_type="invoice")
    report = await health(installation.database)
    finding = found(report)[Check.PENDING]
    named = installation.named("invoice", oldest)
    assert (finding.count, finding.example) == (2, named)
    assert f"zoho-outbox explain {named} tells about one." in (finding.next_step or "")
    text = report.as_text()
    assert text.startswith("DEGRADED  database ")
    assert "degraded   2 rows pending for more than 60 min, the oldest since 20" in text
    assert f"example: {named}" in text


NO_ORGANISATION = """
REVOKE SELECT ON zoho_outbox_private.organisation FROM zoho_outbox_daemon, zoho_outbox_operator
"""
NO_SESSIONS = "REVOKE SELECT ON zoho_outbox_private.session FROM zoho_outbox_daemon, zoho_outbox_operator"
NO_COLUMN = """
REVOKE SELECT (customer_id) ON public.customer_services FROM zoho_outbox_daemon, zoho_outbox_operator
"""
LOG_HIDDEN = """
DROP POLICY zoho_outbox_daemon_all ON public.zoho_sync_logs;
DROP POLICY zoho_outbox_operator_read ON public.zoho_sync_logs
"""
INVOICES_HIDDEN = """
DROP POLICY zoho_outbox_read ON public.customer_invoices;
DROP POLICY zoho_outbox_operator_read ON public.customer_invoices
"""


@pytest.mark.parametrize(
    ("taken", "unknown"),
    [
        (NO_ORGANISATION, {Check.ORGANISATION, Check.REPLY}),
        (NO_SESSIONS, {Check.DAEMON, Check.SNAPSHOT}),
        (NO_COLUMN, {Check.SYNCED, Check.AFFECTED_CUSTOMERS}),
        (LOG_HIDDEN, {Check.RETRYING, Check.DAY_FAILURES, Check.WEEK_FAILURES, Check.SUCCESS, Check.MEAN_SEND}),
        (INVOICES_HIDDEN, {Check.SYNCED, Check.AFFECTED_CUSTOMERS}),
    ],
    ids=["no right on the organisation", "none on sessions", "none on a column", "the log hidden", "invoices hidden"],
)
async def test_what_may_not_be_read_could_not_be_told_and_is_never_healthy(
    installation: Installation, taken: str, unknown: set[Check]
) -> None:
    # The faults are there, and unseen.
    installation.dead(1, 60, entity_type="invoice", logged=False)
    installation.run(taken)
    report = await health(installation.database)
    told = states(report)
    assert {name for name, state in told.items() if state is State.UNKNOWN} == unknown
    assert (report.verdict.state, report.exit_status) == (State.UNKNOWN, 3)
    for name in unknown:
        finding = found(report)[name]
        assert finding.what.startswith("could not tell: ")
        assert finding.next_step


async def test_an_operator_is_told_what_his_role_may_see_and_what_not(installation: Installation) -> None:
    report = await health(installation.database, role=OPERATOR)
    assert set(states(report).values()) <= {State.UNKNOWN}
    assert {Check.PENDING, Check.DEAD, Check.TRIGGERS, Check.DAEMON}.isdisjoint(states(report))


async def test_an_unmigrated_database_is_unhealthy_and_says_so_check_by_check(host_database: Database) -> None:
    report = await health(host_database, role=None)
    assert states(report)[Check.TRIGGERS] is State.UNHEALTHY
    assert states(report)[Check.PENDING] is State.UNKNOWN
    assert found(report)[Check.PENDING].next_step == "Run zoho-outbox migrate."
    assert report.exit_status == 1


async def test_a_dead_replica_beside_a_living_one_is_nothing(installation: Installation) -> None:
    installation.run(
        """
        INSERT INTO zoho_outbox_private.session (id, kind, host, pid, program_version, seen_at)
        VALUES (gen_random_uuid(), 'daemon', 'billing-2', 17, '0.1.0', now() - interval '5 hours')
        """
    )
    assert states(await health(installation.database)) == {}


async def test_an_entry_that_was_replayed_just_now_is_not_old(installation: Installation) -> None:
    ids = installation.dead(3, 9 * DAY, logged=False)
    installation.run(
        """
        INSERT INTO public.zoho_outbox (entity_type, entity_id, status, admitted, revision, created_at)
        SELECT 'customer', entity.id, 'dead', true, 3, now() - interval '9 days' FROM unnest(%s) AS entity (id)
        """,
        [ids],
    )
    installation.run(
        "UPDATE public.zoho_outbox SET status = 'pending' WHERE entity_id = ANY (%s) AND status = 'dead'", [ids]
    )
    assert Check.PENDING not in states(await health(installation.database))


async def test_an_entry_that_was_replayed_long_ago_and_not_admitted_since_is_pending(
    installation: Installation,
) -> None:
    ids = installation.dead(1, 9 * DAY, logged=False)
    installation.run(
        """
        INSERT INTO public.zoho_outbox (entity_type, entity_id, revision, created_at, requested_at)
        SELECT 'customer', entity.id, 4, now() - interval '9 days', now() - interval '2 hours'
        FROM unnest(%s) AS entity (id)
        """,
        [ids],
    )
    pending = found(await health(installation.database))[Check.PENDING]
    assert pending.count == 1


async def test_rows_of_the_former_integration_are_no_failures_of_ours(installation: Installation) -> None:
    ids = installation.take("customer", 9)
    installation.log("customer", ids, "failed", 60)
    installation.run("UPDATE public.zoho_sync_logs SET outbox_id = NULL WHERE status = 'failed'")
    assert states(await health(installation.database)) == {}


async def test_two_hundred_planted_faults_of_every_kind_in_ten_thousand_rows_are_found_and_nothing_else(
    migrated_database: Database, bare_console: Console
) -> None:
    it = Installation(migrated_database).in_good_health(4000, 2000, 2000, 2000)
    assert (await bare_console.type("health-check")).out.startswith("HEALTHY")
    pending = it.pending(21, 3 * HOUR) + it.pending(7, 2 * HOUR, entity_type="payment")
    unadmitted = it.never_admitted(14, 2 * HOUR)
    retrying = it.retrying(28, 5 * HOUR)
    late = it.retrying(35, 600, next_in=-300)
    held = it.processing(14, 900)
    dead = it.dead(28, HOUR, reason="e-mail is missing")
    dead += it.dead(21, 2 * HOUR, entity_type="invoice", reason="no tax of 14 percent")
    old = it.dead(21, 10 * DAY, entity_type="subscription", reason="no plan FIBRE-50")
    missing = it.not_in_zoho("invoice", 21)
    slow = it.take("customer", 2)
    it.log("customer", slow, "success", DAY, milliseconds=100_000_000)
    it.throttled(7, HOUR)
    it.run("DROP TRIGGER zoho_outbox_updated ON public.customers")
    it.run("ALTER TABLE public.payment_transactions DISABLE TRIGGER zoho_outbox_inserted")
    it.run("ALTER TABLE public.customer_invoices ENABLE TRIGGER zoho_outbox_deleted")
    it.daemon_heard_of(900)
    it.run("UPDATE zoho_outbox_private.organisation SET forbidden_at = now(), forbidden_why = 'the scope is missing'")
    _last_reply(it, 2 * HOUR)
    rows = [*pending, *unadmitted, *retrying, *late, *held, *dead, *old, *missing, *slow]
    assert len(rows) + len(("daemon", "organisation", "reply", "snapshot")) + 3 + 7 >= 200

    with it.old_snapshot():
        said = await bare_console.type(
            "health-check",
            "--json",
            role="postgres",
            HEALTH_SNAPSHOT_SECONDS="0.001",
            HEALTH_SYNCED_PERCENT="100",
            HEALTH_SUCCESS_PERCENT="99",
        )
    assert said.code == 1
    wrong = {
        finding["check"]: (finding["state"], finding["count"])
        for category in said.json["categories"].values()
        for finding in category["findings"]
        if finding["state"] != "healthy"
    }
    (whose,) = it.run(
        """
        SELECT count(*) AS customers
        FROM (
            SELECT unnest(%(ids)s) INTERSECT SELECT id FROM public.customers
            UNION SELECT customer_id FROM public.customer_services WHERE id = ANY (%(ids)s)
            UNION SELECT customer_id FROM public.customer_invoices WHERE id = ANY (%(ids)s)
        ) AS affected
        """,
        {"ids": dead + old},
    )
    assert wrong == {
        "pending": ("degraded", len(pending) + len(unadmitted)),
        "retrying": ("degraded", len(retrying)),
        "past_due": ("degraded", len(late)),
        "processing": ("degraded", len(held)),
        "dead": ("degraded", len(dead) + len(old)),
        "old_failures": ("degraded", len(old)),
        "affected_customers": ("unhealthy", whose["customers"]),
        "day_failures": ("unhealthy", len(dead)),
        "week_failures": ("degraded", len(dead)),
        "success": ("degraded", len(dead)),
        "mean_send": ("degraded", None),
        "throttled": ("degraded", 7),
        "synced": ("degraded", len(missing)),
        "triggers": ("unhealthy", 3),
        "daemon": ("unhealthy", 0),
        "organisation": ("unhealthy", None),
        "reply": ("unknown", None),
        "snapshot": ("degraded", 1),
    }

    said = await bare_console.type("alert-failed", "--dry-run", ALERT_URLS="json://127.0.0.1:1/nobody")
    assert (said.code, said.err) == (0, "")
    told = [line for line in said.out.splitlines() if line.startswith("- ")]
    assert [line.partition(": ")[0] for line in told] == [
        "- 3 triggers",
        "- forbidden",
        "- no daemon",
        "- 28 customers",
        "- 21 subscriptions",
        "- 21 invoices",
    ]
