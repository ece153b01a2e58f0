"""Which processes live: however many died before them."""

import pytest

from outbox.database import Database
from outbox.store.readings import Readings
from tests.store.host import Host

pytestmark = pytest.mark.anyio

DEAD = 60
"""More than are listed."""


def add(host: Host, count: int, *, silent_seconds: float, kind: str = "daemon", draining: bool = False) -> None:
    host.interfere(
        """
        INSERT INTO zoho_outbox_private.session (id, kind, host, pid, program_version, started_at, seen_at, draining)
        SELECT gen_random_uuid(), %(kind)s, 'db1', number, '0.1.0', now() - interval '1 day',
            now() - make_interval(secs => %(silent)s), %(draining)s
        FROM generate_series(1, %(count)s) AS number
        """,
        {"count": count, "silent": silent_seconds, "kind": kind, "draining": draining},
    )


async def test_a_daemon_that_runs_is_seen_behind_a_night_of_killed_starts(host: Host, database: Database) -> None:
    add(host, DEAD, silent_seconds=3600)
    readings = Readings(database)
    assert not await readings.a_daemon_runs()
    add(host, 1, silent_seconds=5)
    assert await readings.a_daemon_runs()
    assert (await readings.sessions())[0]["alive"]


async def test_a_command_is_no_daemon_and_one_that_drains_sends_no_more(host: Host, database: Database) -> None:
    add(host, 1, silent_seconds=5, kind="command")
    add(host, 1, silent_seconds=5, draining=True)
    assert not await Readings(database).a_daemon_runs()
