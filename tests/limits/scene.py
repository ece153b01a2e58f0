"""Three replicas, a backfill and an application, before a simulator with Zoho's own limits."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import anyio
import anyio.to_thread
from psycopg import sql

from outbox.simulator import RunningSimulator
from tests.acceptance.running import DaemonProcess, environment, until
from tests.store.host import Host

Start = Callable[[Mapping[str, str]], DaemonProcess]

AS_INSTALLED = {
    "ZOHO_MAX_CONCURRENCY": "4",
    "ZOHO_REQUEST_TIMEOUT_SECONDS": "30",
    "OUTBOX_LEASE_SECONDS": "120",
    "OUTBOX_AMBIGUOUS_RECHECK_SECONDS": "30",
    "OUTBOX_RETRY_BASE_SECONDS": "30",
    "OUTBOX_RETRY_MAX_SECONDS": "14400",
    "OUTBOX_POLL_SECONDS": "30",
}
"""What nobody changes."""

REPLICAS = 3

_FROM_BEFORE = """
ALTER TABLE public.customers DISABLE TRIGGER zoho_outbox_inserted;
INSERT INTO public.customers (first_name, last_name, email, phone, account_number)
SELECT 'Anna', 'Meadow' || number, 'anna' || number || '@example.com', '+27 21 555 0101', {prefix} || number
FROM generate_series(1, {count}) AS number;
ALTER TABLE public.customers ENABLE ALWAYS TRIGGER zoho_outbox_inserted;
"""

_BACKFILL = """
INSERT INTO public.zoho_outbox (entity_type, entity_id, change, origin, priority)
SELECT 'customer', customer.id, 'related', 'backfill', 30
FROM public.customers AS customer
WHERE customer.zoho_billing_customer_id IS NULL
"""


def rows_from_before(host: Host, count: int, prefix: str = "CT-OLD-") -> None:
    """Customers that no trigger captured."""
    host.interfere(sql.SQL(_FROM_BEFORE).format(prefix=sql.Literal(prefix), count=sql.Literal(count)))


_NO_LEASES = """
WITH left_alone AS (
    UPDATE zoho_outbox_private.entity_state AS state
    SET phase = 'ready', urgency = 15, lease_token = NULL, lease_until = NULL, lease_session = NULL, leased_at = NULL
    WHERE state.phase = 'leased'
    RETURNING state.entity_id
)
UPDATE public.zoho_outbox AS entry
SET status = 'pending', revision = entry.revision + 1
FROM left_alone
WHERE entry.entity_id = left_alone.entity_id
"""


def drop_leases(host: Host) -> None:
    """Of a population that no daemon made: taken over, each of its leases would be sent alone (failures.md, 15)."""
    host.interfere(_NO_LEASES)


def enqueue_backfill(host: Host) -> None:
    """What the command appends, without its listing: each row costs a look and a create."""
    host.interfere(_BACKFILL)


def backlog(host: Host) -> int:
    """Customers that are not in Zoho yet."""
    return int(host.value("SELECT count(*) FROM public.customers WHERE zoho_billing_customer_id IS NULL"))


def lines_of(daemons: list[DaemonProcess], *names: str) -> Counter[str]:
    """How often each event stands in all logs together."""
    return Counter(line["event"] for daemon in daemons for line in daemon.events() if line.get("event") in names)


async def replicas(
    host: Host, zoho: RunningSimulator, start: Start, changes: Mapping[str, str], *, count: int = REPLICAS
) -> list[DaemonProcess]:
    """Daemons that have verified the organisation."""
    daemons = [start(environment(host.database, zoho, **{**AS_INSTALLED, **changes})) for _ in range(count)]
    for daemon in daemons:
        await daemon.says("organisation.verified")
    return daemons


@contextmanager
def started(folder: Path) -> Iterator[Start]:
    """Daemons outside of a test."""
    processes: list[DaemonProcess] = []

    def start(environ: Mapping[str, str]) -> DaemonProcess:
        processes.append(DaemonProcess(environ, folder / f"daemon-{len(processes) + 1}.log"))
        return processes[-1]

    try:
        yield start
    finally:
        for process in processes:
            process.__exit__()


class Application:
    """Commits a customer now and then, and watches when Zoho has it."""

    def __init__(self, host: Host, zoho: RunningSimulator) -> None:
        self._host = host
        self._zoho = zoho
        self._number = 0
        self.seconds: list[float] = []
        """From commit to Zoho, of each that arrived."""

    async def commit_one(self) -> None:
        """A new customer; returns when Zoho has it."""
        self._number += 1
        customer = await anyio.to_thread.run_sync(self._host.add_customer, self._number)
        committed = time.monotonic()
        while not self._is_in_zoho(customer):  # noqa: ASYNC110 - the simulator has no event for it
            await asyncio.sleep(0.005)
        self.seconds.append(time.monotonic() - committed)

    def _is_in_zoho(self, customer: UUID) -> bool:
        created = self._zoho.statistics.creates.get("customers", {})
        return "External ID" in created and created["External ID"][str(customer)] > 0

    async def commit(self, every: float, seconds: float) -> None:
        """One every ``every`` seconds, for ``seconds``; each is waited for."""
        async with anyio.create_task_group() as tasks:
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                tasks.start_soon(self.commit_one)
                await asyncio.sleep(every)


async def backfill_runs(zoho: RunningSimulator, begun: int = 10) -> None:
    """The backlog moves."""
    await until(lambda: zoho.statistics.count_of_creates("customers") >= begun, what="the backfill moves")
