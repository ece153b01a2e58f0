"""New schema with the old daemon, old schema with the new one, migrations at once (failures.md, 19): both work, or one
line says what to do."""

from collections.abc import Callable

import anyio
import pytest

from outbox.migration.steps import numbered_steps
from outbox.simulator import RunningSimulator
from tests.acceptance.running import DaemonProcess, environment, until
from tests.failures.console import typed
from tests.failures.rest import all_synced
from tests.host import databases
from tests.host.databases import MIGRATOR
from tests.store.host import Host

pytestmark = pytest.mark.anyio

_NEWER = """
INSERT INTO zoho_outbox_private.migration (name, number, works_with, checksum, program_version)
VALUES ('9001_future.sql', 9001, {works_with}, '', '9');
ALTER TABLE zoho_outbox_private.entity_state ADD COLUMN of_the_future text NOT NULL DEFAULT 'x';
ALTER TABLE public.zoho_outbox ADD COLUMN of_the_future text;
ALTER TABLE zoho_outbox_private.organisation ADD COLUMN of_the_future integer NOT NULL DEFAULT 1;
"""


async def test_a_daemon_goes_on_while_a_newer_schema_arrives_and_starts_with_it_too(
    host: Host, zoho: RunningSimulator, start_daemon: Callable[..., DaemonProcess]
) -> None:
    daemon = start_daemon(environment(host.database, zoho))
    await daemon.says("organisation.verified")
    host.interfere(_NEWER.format(works_with=1))
    host.add_customers(3)
    await all_synced(host)
    assert daemon.events("loop.failing") == []
    another = start_daemon(environment(host.database, zoho))
    await another.says("organisation.verified")
    host.add_customers(3, first=10)
    await all_synced(host)


async def test_a_schema_that_is_too_new_is_refused_in_one_line_and_never_sent_from(
    host: Host, zoho: RunningSimulator, start_daemon: Callable[..., DaemonProcess]
) -> None:
    host.interfere(_NEWER.format(works_with=9000))
    host.add_customer()
    daemon = start_daemon(environment(host.database, zoho))
    assert await daemon.ends() == 2
    (refused,) = daemon.events("daemon.refused")
    assert "install a newer zoho-outbox" in refused["reason"]
    assert zoho.statistics.requests == 0


async def test_a_schema_that_is_too_old_is_refused_with_the_command_to_run(
    host: Host, zoho: RunningSimulator, start_daemon: Callable[..., DaemonProcess]
) -> None:
    host.interfere("DELETE FROM zoho_outbox_private.migration WHERE name = %s", [numbered_steps()[-1].name])
    host.add_customer()
    daemon = start_daemon(environment(host.database, zoho))
    # Exit status 2: systemd does not start it again (deploy), so there is no crash loop.
    assert await daemon.ends() == 2
    (refused,) = daemon.events("daemon.refused")
    assert "run zoho-outbox migrate" in refused["reason"]
    assert zoho.statistics.requests == 0


async def test_two_migrations_at_once_under_a_daemon_at_work_disturb_nobody(
    host: Host,
    migrated_database: databases.Database,
    zoho: RunningSimulator,
    start_daemon: Callable[..., DaemonProcess],
) -> None:
    zoho.settings.latency_seconds = 0.02
    daemon = start_daemon(environment(host.database, zoho))
    await daemon.says("organisation.verified")
    host.add_customers(60)
    # Something to do for both: grants and functions are made again, capture triggers with them.
    host.interfere("UPDATE zoho_outbox_private.migration SET checksum = '' WHERE number IS NULL")
    ended: list[int] = []

    async def migrate() -> None:
        ended.append((await typed(migrated_database, "migrate", user=MIGRATOR)).code)

    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(migrate)
    assert ended == [0, 0]
    host.add_customers(5, first=200)
    await all_synced(host)
    await until(lambda: daemon.events("entry.sent"))
    assert daemon.alive
    assert daemon.events("loop.failing") == []
    assert zoho.statistics.count_of_creates("customers") == 65
