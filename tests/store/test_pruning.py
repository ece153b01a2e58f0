"""Pruning: what goes when its retention is over, what stays for ever, and that it holds nothing else up."""

from collections.abc import Callable

import pytest

from outbox.clock import ManualClock
from outbox.database import Database
from outbox.store.housekeeping import PORTION_SECONDS, Pruner
from tests.store.host import Host

pytestmark = pytest.mark.anyio

DAYS = 90
OLD, YOUNG = DAYS + 1, DAYS - 1
"""Days ago."""


@pytest.fixture
def new_pruner(database: Database, clock: ManualClock) -> Callable[[], Pruner]:
    """Makes the pruners of as many processes as a test needs."""
    return lambda: Pruner(database, DAYS, clock, batch=10)


@pytest.fixture
def pruner(new_pruner: Callable[[], Pruner]) -> Pruner:
    return new_pruner()


class SlowClock(ManualClock):
    """A portion's time is over whenever somebody looks a second time."""

    def monotonic(self) -> float:
        self.advance(PORTION_SECONDS)
        return super().monotonic()


def add_entries(host: Host, count: int, days: int, *, finished: int | None = None, status: str = "done") -> None:
    """As many entries that were made ``days`` ago, and finished then, or ``finished`` days ago."""
    host.interfere(
        """
        INSERT INTO public.zoho_outbox (entity_type, entity_id, status, outcome, admitted, created_at, finished_at)
        SELECT 'customer', gen_random_uuid(), %(status)s, CASE WHEN %(is_finished)s THEN 'sent' END, true,
            now() - make_interval(days => %(days)s),
            CASE WHEN %(is_finished)s THEN now() - make_interval(days => %(finished)s) END
        FROM generate_series(1, %(count)s)
        """,
        {
            "count": count,
            "days": days,
            "finished": days if finished is None else finished,
            "status": status,
            "is_finished": status in ("done", "skipped"),
        },
    )


def add_logs(host: Host, count: int, days: int, *, ours: bool = True, status: str = "success") -> None:
    """As many log rows of one moment, of ours or of whoever wrote this table before us."""
    host.interfere(
        """
        INSERT INTO public.zoho_sync_logs (
            entity_type, entity_id, zoho_entity_type, status, created_at, outbox_id, failure_class
        )
        SELECT 'customer', gen_random_uuid(), 'Contacts', %(status)s, now() - make_interval(days => %(days)s),
            CASE WHEN %(ours)s AND %(status)s = 'success' THEN number END,
            CASE WHEN %(ours)s AND %(status)s <> 'success' THEN 'permanent' END
        FROM generate_series(1, %(count)s) AS number
        """,
        {"count": count, "days": days, "ours": ours, "status": status},
    )


def entries(host: Host) -> int:
    return int(host.value("SELECT count(*) FROM public.zoho_outbox"))


def logs(host: Host) -> int:
    return int(host.value("SELECT count(*) FROM public.zoho_sync_logs"))


async def test_finished_entries_and_log_rows_go_when_they_are_past_the_retention(host: Host, pruner: Pruner) -> None:
    add_entries(host, 25, OLD)
    add_entries(host, 3, OLD, status="skipped")
    add_entries(host, 4, YOUNG)
    add_logs(host, 25, OLD)
    add_logs(host, 3, OLD, status="failed")
    add_logs(host, 4, YOUNG)
    assert await pruner.portion()
    assert (entries(host), logs(host)) == (4, 4)
    assert (pruner.deleted.entries, pruner.deleted.log_rows) == (28, 28)


@pytest.mark.parametrize("status", ["pending", "waiting", "processing", "dead"])
async def test_what_is_not_finished_stays_however_old_it_is(host: Host, pruner: Pruner, status: str) -> None:
    add_entries(host, 12, OLD * 10, status=status)
    add_entries(host, 1, OLD)
    assert await pruner.portion()
    assert host.rows("SELECT DISTINCT status FROM public.zoho_outbox") == [{"status": status}]
    assert entries(host) == 12


async def test_what_was_finished_lately_stays_however_long_it_took(host: Host, pruner: Pruner) -> None:
    add_entries(host, 1, OLD, finished=YOUNG)
    assert await pruner.portion()
    assert entries(host) == 1


async def test_log_rows_of_another_integration_stay_and_are_read_past_once(host: Host, pruner: Pruner) -> None:
    add_logs(host, 25, OLD * 2, ours=False)
    host.interfere(
        """
        INSERT INTO public.zoho_sync_logs (entity_type, entity_id, zoho_entity_type, status, created_at)
        VALUES ('customer', gen_random_uuid(), 'Contacts', 'success', '-infinity'),
            ('customer', gen_random_uuid(), 'Contacts', 'success', '0044-03-15 BC')
        """
    )
    add_logs(host, 1, OLD)
    assert await pruner.portion()
    assert (logs(host), pruner.deleted.log_rows) == (27, 1)
    host.interfere("UPDATE public.zoho_sync_logs SET outbox_id = 1 WHERE created_at < now() - interval '1000 years'")
    add_logs(host, 1, OLD)
    assert await pruner.portion()
    assert (logs(host), pruner.deleted.log_rows) == (27, 1), "what was read before is not read again"


async def test_an_entry_that_is_finished_late_goes_with_a_later_pruning(host: Host, pruner: Pruner) -> None:
    add_entries(host, 15, OLD)
    assert await pruner.portion()
    assert entries(host) == 0
    host.interfere(
        """
        INSERT INTO public.zoho_outbox (id, entity_type, entity_id, status, outcome, admitted, created_at, finished_at)
        OVERRIDING SYSTEM VALUE
        SELECT 1, 'customer', gen_random_uuid(), 'done', 'sent', true, long_ago, long_ago
        FROM (SELECT now() - make_interval(days => %s) AS long_ago) AS moment
        """,
        [OLD],
    )
    assert await pruner.portion()
    assert entries(host) == 0


async def test_a_large_past_goes_by_portions(host: Host, database: Database) -> None:
    """Between them maintenance does what else it is there for: leases are taken over, waiting entries are woken."""
    add_entries(host, 25, OLD)
    add_logs(host, 25, OLD)
    pruner = Pruner(database, DAYS, SlowClock(), batch=10)
    assert not await pruner.portion()
    assert (entries(host), logs(host)) == (15, 25)
    portions = 1
    while not await pruner.portion():
        portions += 1
        assert portions < 20
    assert (entries(host), logs(host)) == (0, 0)
    assert portions > 6
    assert (pruner.deleted.entries, pruner.deleted.log_rows) == (25, 25)


async def test_while_one_process_prunes_the_others_leave_it_to_that_one(host: Host, pruner: Pruner) -> None:
    add_entries(host, 5, OLD)
    add_logs(host, 5, OLD)
    with host.transaction() as another:
        another.execute("SELECT pg_advisory_xact_lock(1517249391)")
        assert await pruner.portion()
        assert (entries(host), logs(host)) == (5, 5)
    assert await pruner.portion()
    assert (entries(host), logs(host)) == (0, 0)


async def test_processes_that_were_killed_are_forgotten_after_a_day(host: Host, pruner: Pruner) -> None:
    host.interfere(
        """
        INSERT INTO zoho_outbox_private.session (id, kind, host, pid, program_version, seen_at)
        VALUES (gen_random_uuid(), 'daemon', 'db1', 1, '0.1.0', now() - interval '25 hours'),
            (gen_random_uuid(), 'daemon', 'db1', 2, '0.1.0', now() - interval '23 hours')
        """
    )
    assert await pruner.portion()
    assert host.rows("SELECT pid FROM zoho_outbox_private.session") == [{"pid": 2}]
