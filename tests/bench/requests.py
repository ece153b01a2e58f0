"""How many requests a change costs, counted at the simulator: in production Zoho's quota is the wall.

One company is played through, with a real daemon and the real ``backfill`` command:

1. it is new and so is its Zoho organisation: customers, then services, then invoices with a payment each;
2. rows are written without anything new in them, and one row is edited twenty times in a row;
3. the installation is forgotten (no entry, no state, no Zoho id), and ``backfill`` meets everything in Zoho;
4. a second company meets customers that somebody else's integration made: another display name, the same e-mail.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import anyio.to_thread

from outbox.simulator import FaultKind, LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from tests.bench.draining import bench_server
from tests.bench.report import Fact, Report, at_most
from tests.bench.stage import AS_FAST_AS_IT_GOES, at_rest, conditions, run_command, say, settings_of
from tests.host.databases import Databases
from tests.host.shapes import SYNCED_TABLES, HostShape
from tests.limits.scene import rows_from_before
from tests.migration.migrated import DAEMON, migrated_template
from tests.plans.daemon_process import running_daemon
from tests.sending.billing import PLAN, ZOHO_IDS, Billing
from tests.store.host import Host

COUNT, QUICK_COUNT = 500, 60
"""Customers, services, and invoices with a payment."""

EDITS = 20
"""Of one row, in a burst."""

ALIKE = 5
"""Payments of one day and amount: no list of Zoho's shows more of a payment, so each of them may have to be read."""

LOOKUPS_WANTED = 0.02
"""For each customer that is there already."""

HOW_TO_READ = (
    "Requests per record, counted at the simulator. What is read once for all (who we are, taxes, plans, a page of 200 "
    "of a list) is told apart in a first sync; in an adoption it is shared out. Counts do not depend on the machine; "
    "the fast tests hold them too (tests/bench/test_requests.py)."
)

_FOR_ALL = frozenset({"GET /organizations", "GET /plans", "GET /settings/taxes"})
"""Read once, however many records there are."""

Asked = Counter[str]
"""Requests by method and template."""


def measure_requests(*, quick: bool = False) -> Report:
    """All of it, on a server of its own."""
    count = QUICK_COUNT if quick else COUNT
    with bench_server() as (server, databases):
        report = Report("API requests per change", HOW_TO_READ, conditions(server, records=count, edits=EDITS))
        report.facts += asyncio.run(_counted(databases, count))
    return report


async def _counted(databases: Databases, count: int) -> list[Fact]:
    async with company(databases) as (host, zoho):
        facts = await count_first_sync(host, zoho, count)
        facts += await count_edits(host, zoho)
        facts += await count_adoption(host, zoho, count)
    async with company(databases) as (host, zoho):
        return facts + await count_adoption_of_anothers(host, zoho, count)


@asynccontextmanager
async def company(databases: Databases) -> AsyncIterator[tuple[Host, RunningSimulator]]:
    """A migrated database without rows, and a Zoho without limits and without records."""
    with databases.fresh(migrated_template(HostShape())) as database, Host(database) as host:
        async with running_simulator(SimulatorSettings(limits=LimitSettings.wide(), journal_length=0)) as zoho:
            yield host, zoho


async def count_first_sync(host: Host, zoho: RunningSimulator, count: int) -> list[Fact]:
    """``count`` of each type, into an organisation that holds nothing; written while a daemon runs."""
    zoho.simulator.plant_plan(plan_code=PLAN, name="Fibre 50/50", recurring_price=Decimal("899.00"))
    billing = Billing(host)
    package = billing.package()
    async with running_daemon(host.database.dsn(DAEMON), zoho.environment):

        async def asked(what: str, write: Callable[[], Any]) -> tuple[Any, Asked]:
            say(what)
            with _asked(zoho) as of_it:
                written = await anyio.to_thread.run_sync(write)
                await at_rest(host)
            return written, of_it

        customers, for_customers = await asked("first sync: customers", lambda: host.add_customers(count))
        _, for_services = await asked(
            "first sync: services", lambda: [billing.service(customer, package) for customer in customers]
        )
        _, for_money = await asked(
            "first sync: invoices with their payment",
            lambda: [_paid(billing, customer, number) for number, customer in enumerate(customers)],
        )
    for_all = Counter(
        {route: n for route, n in (for_customers + for_services + for_money).items() if route in _FOR_ALL}
    )
    tokens = zoho.statistics.token_requests
    return [
        at_most("first sync: a customer", _own(for_customers) / count, 1.0),
        at_most("first sync: a service", _own(for_services) / count, 1.0),
        at_most("first sync: an invoice, opened, with its payment", _own(for_money) / count, 3.0),
        Fact("first sync: read for all of them", _named(for_all), "each once", set(for_all.values()) == {1}),
        at_most("first sync: access tokens", tokens, 1, form="{:.0f}"),
    ]


def _paid(billing: Billing, customer: UUID, number: int) -> UUID:
    """An invoice and its payment; the payment."""
    amount = f"{1150 + number // ALIKE}.00"
    return billing.payment(customer, billing.invoice(customer, amount), amount)


async def count_edits(host: Host, zoho: RunningSimulator) -> list[Fact]:
    """Updates that Zoho need not know of, of every customer that is there; then bursts of edits of one row."""
    say("updates without a change, bursts of edits")
    rows = host.value("SELECT count(*) FROM public.customers")
    customer = host.value("SELECT id FROM public.customers LIMIT 1")
    async with running_daemon(host.database.dsn(DAEMON), zoho.environment):
        with _asked(zoho) as unmapped:
            host.execute("UPDATE public.customers SET phone = phone, updated_at = now()")
            await at_rest(host)
        captured = host.value("SELECT count(*) FROM public.zoho_outbox")
        with _asked(zoho) as without_change:
            # Captured, because account_status is mapped; but a suspended customer stays active in Zoho.
            host.execute("UPDATE public.customers SET account_status = 'suspended'")
            await at_rest(host)
        looked_at = host.value("SELECT count(*) FROM public.zoho_outbox") - captured
        if looked_at != rows:
            raise RuntimeError(f"{looked_at} of {rows} updates were captured: the figure would mean nothing")
        with _asked(zoho) as burst:
            with host.transaction() as connection:
                for number in range(EDITS):
                    host.change_customer(customer, connection=connection, phone=f"+27 21 555 1{number:03}")
            await at_rest(host)
        with _asked(zoho) as burst_in_flight:
            held = zoho.faults.plant(FaultKind.HELD_BEFORE, "PUT", "/customers/*")
            host.change_customer(customer, phone="+27 21 555 2000")
            await zoho.until(lambda statistics: statistics.in_flight == 1)
            for number in range(1, EDITS):
                host.change_customer(customer, phone=f"+27 21 555 2{number:03}")
            held.release()
            await at_rest(host)
    return [
        at_most("update that changes no value", _own(unmapped) / rows, 0),
        at_most("update that changes nothing for Zoho", _own(without_change) / rows, 0),
        at_most(f"{EDITS} edits of one row", _own(burst), 1, form="{:.0f}"),
        at_most(f"{EDITS} edits of one row, the first in flight", _own(burst_in_flight), 2, form="{:.0f}"),
    ]


async def count_adoption(host: Host, zoho: RunningSimulator, count: int) -> list[Fact]:
    """``backfill`` of a company whose records are all in Zoho, under our keys; nothing of them is known here."""
    say("adoption of everything by backfill")
    forget_installation(host)
    _no_daemon_is_left(host)
    with _asked(zoho) as asked:
        await run_command(settings_of(host.database, zoho, **AS_FAST_AS_IT_GOES), "backfill")
        await at_rest(host)
    _nothing_was_made_twice(zoho)
    facts = []
    for what, path, list_ in (
        ("customer", "/customers", "/customers"),
        ("service", "/subscriptions", "/subscriptions"),
        ("invoice", "/invoices", "/invoices"),
        (f"payment ({ALIKE} of each day and amount)", "/payments", "/transactions"),
    ):
        looks = sum(n for route, n in asked.items() if route.startswith((f"GET {path}", f"GET {list_}"))) / count
        writes = sum(n for route, n in asked.items() if path in route and not route.startswith("GET")) / count
        name = f"adoption: look-ups, {what}"
        is_customer = what == "customer"
        facts += [
            at_most(name, looks, LOOKUPS_WANTED, form="{:.3f}") if is_customer else Fact(name, f"{looks:.3f}"),
            at_most(f"adoption: writes, {what}", writes, 1.0),
        ]
    return facts


async def count_adoption_of_anothers(host: Host, zoho: RunningSimulator, count: int) -> list[Fact]:
    """``backfill`` of customers that stand in Zoho under their e-mail and name, without our key."""
    say("adoption of customers that another integration made")
    rows_from_before(host, count)
    for row in host.rows("SELECT first_name, last_name, email FROM public.customers"):
        zoho.simulator.plant_customer(display_name=f"{row['first_name']} {row['last_name']}", email=row["email"])
    with _asked(zoho) as asked:
        await run_command(settings_of(host.database, zoho, **AS_FAST_AS_IT_GOES), "backfill", "customers")
        await at_rest(host)
    _nothing_was_made_twice(zoho)
    looks = sum(n for route, n in asked.items() if route.startswith("GET /customers"))
    writes = sum(n for route, n in asked.items() if not route.startswith("GET"))
    return [
        Fact("adoption: look-ups, customer of another integration", f"{looks / count:.3f}"),
        at_most("adoption: writes, customer of another integration", writes / count, 1.0),
    ]


def forget_installation(host: Host) -> None:
    """As if the rows had been there before the installation: no entry, no state, no Zoho id."""
    enabled = {"O": "ENABLE", "A": "ENABLE ALWAYS", "D": "DISABLE", "R": "ENABLE REPLICA"}
    triggers = host.rows(
        """
        SELECT format('%%I.%%I', namespace.nspname, relation.relname) AS "table", quote_ident(trigger.tgname) AS name,
            trigger.tgenabled::text AS enabled
        FROM pg_trigger AS trigger
        JOIN pg_class AS relation ON relation.oid = trigger.tgrelid
        JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
        WHERE NOT trigger.tgisinternal AND relation.relname = ANY (%s)
        """,
        [[*SYNCED_TABLES, "zoho_outbox"]],
    )
    statements = [f"ALTER TABLE {row['table']} DISABLE TRIGGER {row['name']}" for row in triggers]
    statements += [f"UPDATE public.{table} SET {column} = NULL" for table, column in ZOHO_IDS.items()]
    statements += [
        "DELETE FROM public.zoho_outbox",
        *(f"TRUNCATE zoho_outbox_private.{name} CASCADE" for name in ("entity_state", "catalogue", "listing")),
    ]
    statements += [f"ALTER TABLE {row['table']} {enabled[row['enabled']]} TRIGGER {row['name']}" for row in triggers]
    with host.transaction("postgres") as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _no_daemon_is_left(host: Host) -> None:
    """A command sends where no daemon does."""
    if host.rows("SELECT FROM zoho_outbox_private.session"):
        raise RuntimeError("a daemon left its session behind: the backfill would wait for it")


@contextmanager
def _asked(zoho: RunningSimulator) -> Iterator[Asked]:
    """What the block asks of Zoho; filled at its end."""
    before, asked = Counter(zoho.statistics.by_route), Asked()
    yield asked
    asked.update(zoho.statistics.by_route - before)


def _own(asked: Asked) -> int:
    """Requests that somebody's record cost."""
    return sum(n for route, n in asked.items() if route not in _FOR_ALL)


def _named(asked: Asked) -> str:
    return ", ".join(f"{route} {n}" for route, n in sorted(asked.items()))


def _nothing_was_made_twice(zoho: RunningSimulator) -> None:
    for collection in ("customers", "subscriptions", "invoices", "payments"):
        if twice := zoho.statistics.created_more_than_once(collection, "External ID"):
            raise RuntimeError(f"{len(twice)} {collection} were created twice: {next(iter(twice))}")
