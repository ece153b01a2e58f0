"""The shared budget: minute, day with its reserve, places in flight, and what stops everybody."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import anyio
import pytest

from outbox.database import Database
from outbox.store.budget import BURST, SharedBudget
from outbox.store.statements import statement
from outbox.vocabulary import FailureClass, OrganisationState, Urgency
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.ports import SendingStopped
from tests.store.conftest import new_settings
from tests.store.host import Host, Row

pytestmark = pytest.mark.anyio

UNLIMITED = {"ZOHO_REQUESTS_PER_MINUTE": "0", "ZOHO_DAILY_REQUEST_LIMIT": "0"}
NewBudget = Callable[..., SharedBudget]


@pytest.fixture
def new_budget(host: Host, database: Database) -> NewBudget:
    """The budget as another process sees it."""
    return lambda **changes: SharedBudget(database, new_settings(host.database, **(UNLIMITED | changes)), uuid4())


@pytest.fixture
async def holding() -> AsyncIterator[AsyncExitStack]:
    """Permits that are held until the test ends."""
    async with AsyncExitStack() as stack:
        yield stack


async def take(budget: SharedBudget, urgency: Urgency = Urgency.LIVE) -> None:
    """One request that ends at once."""
    async with budget.permit(urgency) as permit:
        permit.requests = 1


def wanted(host: Host) -> int | None:
    """The urgency of the most urgent who said that it waits."""
    urgency: int | None = host.value("SELECT wanted_urgency FROM zoho_outbox_private.request_budget")
    return urgency


async def ask(database: Database, **changes: object) -> Row:
    """One question to the statement itself, without waiting. ``seconds_apart`` 3600: time does not matter."""
    parameters: Row = {
        "day_limit": 0,
        "reserve_percent": 30,
        "max_concurrency": 50,
        "time_zone": "Africa/Johannesburg",
        "seconds_apart": 0.0,
        "burst": BURST,
        "hold_seconds": 45.0,
        "session": uuid4(),
        "urgency": 10,
        "may_use_reserve": True,
        "permits": [uuid4()],
        **changes,
    }
    await database.execute(statement("open_slots"), parameters)
    row = await database.row(statement("take_permit"), parameters)
    assert row is not None
    return row


class TestMinute:
    async def test_a_burst_of_five_and_then_the_rate(self, database: Database) -> None:
        granted = [(await ask(database, seconds_apart=3600.0))["granted"] for _ in range(BURST + 2)]
        assert granted == [True] * BURST + [False] * 2

    async def test_it_says_when_the_next_token_comes(self, database: Database) -> None:
        for _ in range(BURST):
            await ask(database, seconds_apart=3600.0)
        seconds = (await ask(database, seconds_apart=3600.0))["seconds_to_token"]
        assert 3500 < seconds <= 3600

    async def test_time_refills_the_bucket_and_no_more_than_the_bucket(self, host: Host, database: Database) -> None:
        for _ in range(BURST):
            await ask(database, seconds_apart=3600.0)
        host.interfere("UPDATE zoho_outbox_private.request_budget SET next_free_at = next_free_at - interval '2 hours'")
        granted = [(await ask(database, seconds_apart=3600.0))["granted"] for _ in range(4)]
        assert granted == [True, True, False, False]
        host.interfere("UPDATE zoho_outbox_private.request_budget SET next_free_at = now() - interval '9 days'")
        granted = [(await ask(database, seconds_apart=3600.0))["granted"] for _ in range(BURST + 1)]
        assert granted == [True] * BURST + [False]

    async def test_a_clock_that_was_put_back_holds_nobody_up(self, host: Host, database: Database) -> None:
        host.interfere(
            "UPDATE zoho_outbox_private.request_budget SET next_free_at = clock_timestamp() + interval '9 days'"
        )
        granted = [(await ask(database, seconds_apart=3600.0, max_concurrency=4))["granted"] for _ in range(3)]
        assert granted == [True, False, False]

    @pytest.mark.parametrize("per_minute", [7, 60, 95, 100, 900, 1234])
    async def test_no_rate_is_stuck_after_a_clock_was_put_back(
        self, host: Host, database: Database, per_minute: int
    ) -> None:
        # Where the seconds between requests are no round number of microseconds, the one token was lost in rounding.
        host.interfere(
            "UPDATE zoho_outbox_private.request_budget SET next_free_at = clock_timestamp() + interval '1 hour'"
        )
        assert (await ask(database, seconds_apart=60 / per_minute))["granted"] == 1

    async def test_twenty_at_once_are_not_granted_more_than_the_bucket_holds(self, database: Database) -> None:
        answers: list[Row] = []

        async def one() -> None:
            answers.append(await ask(database, seconds_apart=3600.0))

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(one)
        assert sum(answer["granted"] for answer in answers) == BURST

    async def test_a_waiter_gets_the_next_token(self, new_budget: NewBudget, host: Host) -> None:
        budget = new_budget(ZOHO_REQUESTS_PER_MINUTE="600")
        with anyio.fail_after(20):
            for _ in range(BURST + 2):
                await take(budget)
        assert host.value("SELECT requests FROM zoho_outbox_private.request_budget") == BURST + 2


class TestDay:
    async def test_backfill_stops_at_the_reserve_and_live_changes_at_the_limit(self, new_budget: NewBudget) -> None:
        budget = new_budget(ZOHO_DAILY_REQUEST_LIMIT="10", ZOHO_LIVE_RESERVE_PERCENT="30")
        for _ in range(7):
            await take(budget, Urgency.BACKFILL)
        for urgency in (Urgency.BACKFILL, Urgency.RECONCILE):
            with pytest.raises(SendingStopped, match="kept for live changes") as stopped:
                await take(budget, urgency)
            assert stopped.value.state is OrganisationState.THROTTLED
        for urgency in (Urgency.LIVE, Urgency.BULK, Urgency.RETRY):
            await take(budget, urgency)
        with pytest.raises(SendingStopped, match="quota is used up") as stopped:
            await take(budget, Urgency.LIVE)
        until = stopped.value.until
        assert until is not None
        midnight = until.astimezone(ZoneInfo("Africa/Johannesburg"))
        assert (midnight.hour, midnight.minute) == (0, 0)
        assert timedelta(0) < until - datetime.now(UTC) <= timedelta(days=1)

    async def test_replicas_in_different_time_zones_share_one_day(self, database: Database) -> None:
        # A day apart at every moment.
        granted = 0
        for time_zone in ("Etc/GMT-14", "Etc/GMT+10") * 4:
            granted += (await ask(database, time_zone=time_zone, day_limit=5))["granted"]
        assert granted == 5

    async def test_yesterdays_requests_do_not_count(self, host: Host, new_budget: NewBudget) -> None:
        budget = new_budget(ZOHO_DAILY_REQUEST_LIMIT="2")
        await take(budget)
        await take(budget)
        host.interfere("UPDATE zoho_outbox_private.request_budget SET day = day - 1")
        await take(budget)
        assert host.value("SELECT requests FROM zoho_outbox_private.request_budget") == 1

    async def test_the_day_is_that_of_the_time_zone(self, host: Host, database: Database) -> None:
        now = datetime.now(UTC)
        for zone in ("Pacific/Kiritimati", "Etc/GMT+12", "Africa/Johannesburg"):
            host.interfere("UPDATE zoho_outbox_private.request_budget SET day = '2026-01-01'")
            await ask(database, time_zone=zone)
            day = host.value("SELECT day FROM zoho_outbox_private.request_budget")
            near = {(now + timedelta(minutes=m)).astimezone(ZoneInfo(zone)).date() for m in (0, 1)}
            assert day in near

    async def test_requests_are_counted_by_urgency(self, host: Host, new_budget: NewBudget) -> None:
        budget = new_budget()
        for urgency in (Urgency.LIVE, Urgency.LIVE, Urgency.BACKFILL):
            await take(budget, urgency)
        rows = host.rows("SELECT urgency, requests FROM zoho_outbox_private.day_budget ORDER BY urgency")
        assert [(row["urgency"], row["requests"]) for row in rows] == [(10, 2), (30, 1)]

    async def test_a_refused_request_costs_nothing(self, host: Host, new_budget: NewBudget) -> None:
        host.interfere("UPDATE zoho_outbox_private.organisation SET paused_at = now(), paused_by = 'x'")
        with pytest.raises(SendingStopped):
            await take(new_budget())
        assert host.value("SELECT requests FROM zoho_outbox_private.request_budget") == 0
        assert host.rows("SELECT FROM zoho_outbox_private.request_slot WHERE busy_until > now()") == []


class TestPlaces:
    async def test_the_places_are_shared_by_two_processes(
        self, host: Host, new_budget: NewBudget, holding: AsyncExitStack
    ) -> None:
        first, second = (new_budget(ZOHO_MAX_CONCURRENCY="2") for _ in range(2))
        await holding.enter_async_context(first.permit(Urgency.LIVE))
        release = AsyncExitStack()
        await release.enter_async_context(second.permit(Urgency.LIVE))
        entered = anyio.Event()

        async def wait() -> None:
            async with second.permit(Urgency.LIVE) as permit:
                permit.requests = 1
                entered.set()

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                assert not entered.is_set()
                await release.aclose()
                await entered.wait()
        busy = host.value("SELECT count(*) FROM zoho_outbox_private.request_slot WHERE permit IS NOT NULL")
        assert busy == 1

    async def test_twenty_at_once_never_hold_more_places_than_there_are(self, new_budget: NewBudget) -> None:
        budgets = [new_budget(ZOHO_MAX_CONCURRENCY="3") for _ in range(4)]
        now = most = done = 0
        full = anyio.Event()

        async def one(budget: SharedBudget) -> None:
            nonlocal now, most, done
            async with budget.permit(Urgency.LIVE) as permit:
                permit.requests = 1
                now += 1
                most = max(most, now)
                if now == 3:
                    full.set()
                # The first wait for each other: that all places can be held at once is no matter of luck.
                await full.wait()
                await anyio.sleep(0.01)
                now -= 1
                done += 1

        with anyio.fail_after(100):
            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(one, budgets[number % 4])
        assert (most, done) == (3, 20)

    async def test_a_place_that_is_never_given_back_comes_free_by_itself(self, host: Host, database: Database) -> None:
        lost = uuid4()
        assert (await ask(database, max_concurrency=1, permits=[lost]))["granted"]
        assert not (await ask(database, max_concurrency=1))["granted"]
        host.interfere("UPDATE zoho_outbox_private.request_slot SET busy_until = now() - interval '1 second'")
        assert (await ask(database, max_concurrency=1))["granted"]
        # The one who lost it comes back late: it frees nothing that another holds.
        await database.execute(statement("return_permit"), {"permits": [lost]})
        assert not (await ask(database, max_concurrency=1))["granted"]

    async def test_a_cancelled_holder_gives_its_place_back(self, host: Host, new_budget: NewBudget) -> None:
        budget = new_budget()
        async with anyio.create_task_group() as tasks:

            async def hold() -> None:
                async with budget.permit(Urgency.LIVE) as permit:
                    permit.requests = 1
                    tasks.cancel_scope.cancel()
                    await anyio.sleep_forever()

            tasks.start_soon(hold)
        assert host.rows("SELECT FROM zoho_outbox_private.request_slot WHERE permit IS NOT NULL") == []

    async def test_fewer_places_than_before_are_heeded(self, database: Database) -> None:
        for _ in range(2):
            await ask(database, max_concurrency=5)
        assert not (await ask(database, max_concurrency=2))["granted"]


class TestLine:
    async def test_a_live_change_overtakes_a_backfill_that_waits(self, new_budget: NewBudget) -> None:
        budget = new_budget(ZOHO_MAX_CONCURRENCY="1")
        order: list[Urgency] = []

        async def one(urgency: Urgency) -> None:
            async with budget.permit(urgency) as permit:
                permit.requests = 1
                order.append(urgency)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks, budget.permit(Urgency.LIVE):
                for urgency in (Urgency.BACKFILL, Urgency.RECONCILE, Urgency.RETRY, Urgency.LIVE):
                    tasks.start_soon(one, urgency)
                    await anyio.wait_all_tasks_blocked()
        assert order == [Urgency.LIVE, Urgency.RETRY, Urgency.BACKFILL, Urgency.RECONCILE]

    async def test_a_live_change_overtakes_the_backfill_of_another_process(
        self, host: Host, new_budget: NewBudget, holding: AsyncExitStack
    ) -> None:
        backfilling, live = (new_budget(ZOHO_MAX_CONCURRENCY="1") for _ in range(2))
        order: list[Urgency] = []

        async def one(budget: SharedBudget, urgency: Urgency) -> None:
            async with budget.permit(urgency) as permit:
                permit.requests = 1
                order.append(urgency)

        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks, backfilling.permit(Urgency.BACKFILL) as first:
                first.requests = 1
                tasks.start_soon(one, live, Urgency.LIVE)
                while wanted(host) != Urgency.LIVE:  # noqa: ASYNC110 - the condition is a question to a database
                    await anyio.sleep(0.01)
                for _ in range(3):
                    tasks.start_soon(one, backfilling, Urgency.BACKFILL)
        assert order == [Urgency.LIVE] + [Urgency.BACKFILL] * 3
        assert wanted(host) is None

    async def test_the_word_of_a_waiter_that_died_lapses(self, host: Host, database: Database) -> None:
        lost, other = uuid4(), uuid4()
        assert (await ask(database, max_concurrency=1, session=other))["granted"]
        assert not (await ask(database, max_concurrency=1, session=lost, urgency=10))["granted"]
        host.interfere("UPDATE zoho_outbox_private.request_slot SET busy_until = now() - interval '1 second'")
        assert not (await ask(database, max_concurrency=1, session=other, urgency=30))["granted"]
        for lapsed in ("now() - interval '1 second'", "now() + interval '1 hour'"):
            # An hour ahead: the wall clock was put back since.
            host.interfere(
                f"UPDATE zoho_outbox_private.request_budget SET wanted_urgency = 10, wanted_until = {lapsed}"
            )
            assert (await ask(database, max_concurrency=1, session=other, urgency=30))["granted"]
            host.interfere("UPDATE zoho_outbox_private.request_slot SET busy_until = now() - interval '1 second'")
            host.interfere("UPDATE zoho_outbox_private.request_budget SET wanted_by = gen_random_uuid()")

    async def test_equally_urgent_processes_do_not_hold_each_other_up(self, host: Host, database: Database) -> None:
        first, second = uuid4(), uuid4()
        assert (await ask(database, max_concurrency=1, session=first, urgency=30))["granted"]
        assert not (await ask(database, max_concurrency=1, session=first, urgency=30))["granted"]
        host.interfere("UPDATE zoho_outbox_private.request_slot SET busy_until = now() - interval '1 second'")
        assert (await ask(database, max_concurrency=1, session=second, urgency=30))["granted"]

    async def test_a_waiter_that_is_cancelled_leaves_the_line(self, new_budget: NewBudget) -> None:
        budget = new_budget(ZOHO_MAX_CONCURRENCY="1")
        with anyio.fail_after(20):
            async with budget.permit(Urgency.LIVE) as permit:
                permit.requests = 1
                with anyio.move_on_after(0.05):
                    await take(budget)
            await take(budget, Urgency.RECONCILE)

    async def test_a_process_that_stops_sends_its_waiters_away(self, new_budget: NewBudget) -> None:
        budget = new_budget(ZOHO_MAX_CONCURRENCY="1")
        refused: list[str] = []

        async def one() -> None:
            try:
                await take(budget)
            except SendingStopped as stopped:
                refused.append(stopped.reason)

        with anyio.fail_after(20):
            async with budget.permit(Urgency.LIVE), anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(one)
                await anyio.wait_all_tasks_blocked()
                budget.stop()
        assert refused == ["this process is stopping"] * 3


class TestStopped:
    @pytest.mark.parametrize(
        ("columns", "state", "words"),
        [
            (
                "paused_at = now(), paused_by = 'finance', paused_why = 'month end'",
                OrganisationState.PAUSED,
                "paused by finance: month end",
            ),
            (
                "throttled_until = now() + interval '1 hour', throttled_why = 'code 44'",
                OrganisationState.THROTTLED,
                "code 44",
            ),
            (
                "broken_at = now(), probe_at = now() + interval '1 hour', broken_why = 'HTTP 500'",
                OrganisationState.BROKEN,
                "HTTP 500",
            ),
            (
                "forbidden_at = now(), probe_at = now() + interval '1 hour', forbidden_why = 'code 57'",
                OrganisationState.FORBIDDEN,
                "code 57",
            ),
        ],
        ids=["paused", "throttled", "broken", "forbidden"],
    )
    async def test_whoever_asks_is_told_why_and_until_when(
        self, host: Host, new_budget: NewBudget, columns: str, state: OrganisationState, words: str
    ) -> None:
        host.interfere(f"UPDATE zoho_outbox_private.organisation SET {columns}")
        with pytest.raises(SendingStopped) as stopped:
            await take(new_budget())
        assert (stopped.value.state, stopped.value.reason) == (state, words)
        assert (stopped.value.until is None) == (state is OrganisationState.PAUSED)

    async def test_who_waits_already_is_sent_away_too(self, host: Host, new_budget: NewBudget) -> None:
        budget = new_budget(ZOHO_MAX_CONCURRENCY="1")
        stopped: list[SendingStopped] = []

        async def wait() -> None:
            try:
                await take(budget)
            except SendingStopped as stop:
                stopped.append(stop)

        with anyio.fail_after(20):
            async with budget.permit(Urgency.LIVE), anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                host.interfere("UPDATE zoho_outbox_private.organisation SET paused_at = now(), paused_by = 'x'")
        assert stopped[0].state is OrganisationState.PAUSED

    async def test_a_throttle_that_is_over_stops_nobody(self, host: Host, new_budget: NewBudget) -> None:
        host.interfere("UPDATE zoho_outbox_private.organisation SET throttled_until = now() - interval '1 second'")
        await take(new_budget())

    @pytest.mark.parametrize("state", ["broken", "forbidden"])
    async def test_a_single_probe_is_let_through(self, host: Host, database: Database, state: str) -> None:
        host.interfere(
            f"UPDATE zoho_outbox_private.organisation SET {state}_at = now(), probe_at = now(), {state}_why = 'x'"
        )
        answers: list[Row] = []

        async def one() -> None:
            answers.append(await ask(database))

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(one)
        assert sum(answer["granted"] for answer in answers) == 1
        assert {answer["stopped"] for answer in answers if not answer["granted"]} == {state}

    async def test_a_probe_that_asked_nobody_is_left_to_somebody_else(self, host: Host, new_budget: NewBudget) -> None:
        host.interfere(
            "UPDATE zoho_outbox_private.organisation SET forbidden_at = now(), probe_at = now(), forbidden_why = 'x'"
        )
        mended, stale = new_budget(), new_budget()
        with pytest.raises(LookupError):
            async with stale.permit(Urgency.LIVE):
                raise LookupError("no token may be asked for yet")
        async with mended.permit(Urgency.LIVE) as permit:
            permit.requests = 1
        with pytest.raises(SendingStopped):
            await take(mended)

    async def test_a_probe_whose_token_was_asked_for_in_vain_is_spent(self, host: Host, new_budget: NewBudget) -> None:
        host.interfere("UPDATE zoho_outbox_private.organisation SET broken_at = now(), probe_at = now()")
        budget = new_budget()
        failure = Failure(FailureClass.OUTAGE, FailureKind.UNREACHABLE, "down", "wait", request_left=False)
        with pytest.raises(CallFailed):
            async with budget.permit(Urgency.LIVE):
                raise CallFailed(failure)
        with pytest.raises(SendingStopped):
            await take(budget)

    async def test_the_pause_between_probes_grows_to_five_minutes(self, host: Host, database: Database) -> None:
        host.interfere("UPDATE zoho_outbox_private.organisation SET broken_at = now(), broken_why = 'x'")
        pauses = []
        for _ in range(8):
            host.interfere("UPDATE zoho_outbox_private.organisation SET probe_at = now()")
            assert (await ask(database))["granted"]
            pauses.append(
                round(host.value("SELECT EXTRACT(EPOCH FROM probe_at - now()) FROM zoho_outbox_private.organisation"))
            )
        assert pauses == sorted(pauses)
        assert pauses[0] == 10
        assert pauses[-1] == 300

    async def test_a_clock_that_is_put_back_after_an_outage_leaves_one_place(
        self, host: Host, database: Database
    ) -> None:
        host.interfere(
            "UPDATE zoho_outbox_private.organisation SET recovered_at = clock_timestamp() + interval '1 hour'"
        )
        assert (await ask(database))["granted"]

    async def test_after_an_outage_the_places_grow_from_one(self, host: Host, database: Database) -> None:
        async def places() -> int:
            granted = 0
            while (await ask(database, max_concurrency=4))["granted"]:
                granted += 1
            host.interfere("UPDATE zoho_outbox_private.request_slot SET busy_until = '-infinity', permit = NULL")
            return granted

        grown = []
        for seconds in (0, 6, 11, 3600):
            host.interfere(
                "UPDATE zoho_outbox_private.organisation"
                " SET recovered_at = clock_timestamp() - make_interval(secs => %s)",
                [seconds],
            )
            grown.append(await places())
        assert grown == [1, 2, 3, 4]
