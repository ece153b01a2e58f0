"""Services: ordered, activated, priced anew, moved to other packages, cancelled, active again; packages that are
published late."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, LiteralString
from uuid import UUID
from zoneinfo import ZoneInfo

from outbox.vocabulary import EntityType
from tests.crash.applications import Applications, Connection
from tests.crash.customers import ENDED, NEVER, newcomer
from tests.crash.editing import ask_again, ask_those_again, change, insert, update
from tests.crash.stage import Zoho
from tests.crash.workload import Books, Held, Known, Row, custom_field

ZONE = ZoneInfo("Africa/Johannesburg")
"""ZOHO_TIME_ZONE, by default."""

PLANS = ("plan-a", "plan-b", "plan-c")
NO_PLAN = "plan-that-zoho-has-not"
BILLS = ("future", "live")
"""Of the states that the simulator's subscriptions come to: those that bill another term."""

_ROWS = """
SELECT
    service.*,
    customer.account_type,
    customer.first_name,
    parent.usable_id AS customer_zoho_id,
    package.id AS found_package_id,
    package.sku,
    integration.sync_status AS publishing
FROM public.customer_services AS service
JOIN public.customers AS customer ON customer.id = service.customer_id
LEFT JOIN public.service_packages AS package ON package.id = service.package_id
LEFT JOIN public.product_integrations AS integration ON integration.service_package_id = package.id
LEFT JOIN zoho_outbox_private.entity_state AS parent
    ON parent.entity_id = service.customer_id AND parent.entity_type = 'customer'
"""

_PUBLISH = """
INSERT INTO public.product_integrations (service_package_id, sync_status)
VALUES (%s, 'ok')
ON CONFLICT (service_package_id) DO UPDATE SET sync_status = 'ok', last_sync_error = NULL
"""


@dataclass
class ServiceWorkload:
    """See :class:`tests.crash.workload.Workload`."""

    known: Known = field(default_factory=Known)
    entity_type: EntityType = EntityType.SUBSCRIPTION
    collection: str = "subscriptions"
    record_id: str = "subscription_id"
    host_table: str = "customer_services"
    host_zoho_id: str = "zoho_subscription_id"
    path: str = "/subscriptions"
    made_once: Mapping[str, str] = field(default_factory=lambda: {"reference_id": "subscriptions"})
    _began: date = field(default_factory=lambda: today())  # noqa: PLW0108 - defined below
    _unpublished: list[UUID] = field(default_factory=list)
    """Packages to publish one day; one of them never is."""
    _withdrawn: set[UUID] = field(default_factory=set)
    """Packages that were published and are not any more: nobody looks at their services for that."""

    async def set_up(self, applications: Applications, zoho: Zoho) -> None:
        """Plans in Zoho; packages that are published, without an sku, without a plan in Zoho, not published."""
        await zoho.put_records({"plans": [{"plan_code": code, "recurring_price": 500} for code in PLANS]})
        ready = [*PLANS, *PLANS, NO_PLAN]

        async def work(connection: Connection) -> None:
            for number, sku in enumerate([*ready, None, PLANS[0], PLANS[1], PLANS[2]]):
                package = UUID(int=number + 1)
                self.known.packages.append(package)
                await _insert_package(connection, package, sku)
                if number < len(ready):
                    await connection.execute(_PUBLISH, [package])
                else:
                    self._unpublished.append(package)

        await applications.transact(work)

    async def act(self, applications: Applications, dice: Random) -> None:
        """One act, by weight."""
        acts = {
            self._insert: 14,
            self._insert_with_customer: 5,
            self._activate: 8,
            self._change_price: 10,
            self._change_package: 7,
            self._cancel: 8,
            self._revive: 9,
            self._flicker: 5,
            self._suspend: 2,
            self._spoil: 3,
            self._mend: 5,
            self._publish: 3,
            self._publish_slowly: 1,
            self._unpublish: 1,
            self._offer: 1,
            self._hold_row: 3,
            self._commit_late: 2,
            self._delete: 1,
            self._ask_again: 4,
            self._forget_record: 2,
        }
        (act,) = dice.choices(list(acts), weights=list(acts.values()))
        await act(applications, dice)

    async def settle_down(self, applications: Applications, dice: Random) -> None:
        """Some packages are published after all: what waited for them goes."""
        await self._publish(applications, dice)
        for _ in range(3):
            await self._change_price(applications, dice)

    async def make_amends(self, applications: Applications) -> None:
        """Zoho takes no subscription for a customer who is inactive; that he is active again wakes nobody."""
        await ask_those_again(
            applications, self.host_table, "zoho_sync_status = 'failed' AND zoho_last_sync_error LIKE '%%inactive%%'"
        )

    # Rows that come.

    async def _insert(self, applications: Applications, dice: Random) -> None:
        owner = self._owner(dice)
        rows = [self._new(owner, dice) for _ in range(dice.choice([1, 1, 1, 2]))]

        async def work(connection: Connection) -> None:
            for row in rows:
                await insert(connection, self.host_table, row)

        await applications.transact(work)

    async def _insert_with_customer(self, applications: Applications, dice: Random) -> None:
        """Both in one transaction: whose entry is admitted first is anybody's guess."""
        customer = newcomer(self.known, dice)
        row, seconds = self._new(customer["id"], dice), dice.choice([0.0, 0.0, 2.0])

        async def work(connection: Connection) -> None:
            await insert(connection, "customers", customer)
            await insert(connection, self.host_table, row)
            await asyncio.sleep(seconds)

        await applications.transact(work)

    async def _commit_late(self, applications: Applications, dice: Random) -> None:
        rows, seconds = [self._new(self._owner(dice), dice) for _ in range(2)], dice.uniform(1.0, 5.0)

        async def work(connection: Connection) -> None:
            for row in sorted(rows, key=lambda row: row["customer_id"]):
                await insert(connection, self.host_table, row)
            await asyncio.sleep(seconds)

        await applications.transact(work)

    # Rows that change.

    async def _activate(self, applications: Applications, dice: Random) -> None:
        """What was ordered is switched on, and billed from then on."""
        seed, dates = dice.random(), _dates(dice)

        async def work(connection: Connection) -> None:
            cursor = await connection.execute(
                "SELECT id FROM public.customer_services WHERE status = 'pending' ORDER BY id"
            )
            ordered = await cursor.fetchall()
            if ordered:
                (victim,) = ordered[int(seed * len(ordered))]
                await update(connection, self.host_table, victim, {"status": "active", **dates}, ("pending",))

        await applications.transact(work)

    async def _change_price(self, applications: Applications, dice: Random) -> None:
        await change(applications, self.host_table, self._some(dice), {"monthly_price": _price(dice)})

    async def _change_package(self, applications: Applications, dice: Random) -> None:
        await change(applications, self.host_table, self._some(dice), {"package_id": self._package(dice)})

    async def _cancel(self, applications: Applications, dice: Random) -> None:
        victim = self._some(dice)
        await change(applications, self.host_table, victim, {"status": "cancelled"}, ("active", "suspended"))

    async def _revive(self, applications: Applications, dice: Random) -> None:
        await change(applications, self.host_table, self._some(dice), {"status": "active"}, ("cancelled", "suspended"))

    async def _flicker(self, applications: Applications, dice: Random) -> None:
        """Cancelled and active and cancelled, whatever is in flight meanwhile."""
        victim, pauses = self._some(dice), [dice.choice([0.0, 0.3, 1.0]) for _ in range(dice.randint(2, 4))]
        for number, pause in enumerate(pauses):
            status = "cancelled" if number % 2 == 0 else "active"
            known = ("active", "suspended", "cancelled")
            await change(applications, self.host_table, victim, {"status": status}, known)
            await asyncio.sleep(pause)

    async def _suspend(self, applications: Applications, dice: Random) -> None:
        await change(applications, self.host_table, self._some(dice), {"status": "suspended"}, ("active",))

    async def _spoil(self, applications: Applications, dice: Random) -> None:
        wrong: list[dict[str, Any]] = [{"monthly_price": Decimal("-1.00")}, {"package_id": None}]
        await change(applications, self.host_table, self._some(dice), dice.choice(wrong))

    async def _mend(self, applications: Applications, dice: Random) -> None:
        """Revives what is dead; one that has no day to begin on gets one."""
        seed, price, package = dice.random(), _price(dice), dice.choice(self.known.packages[: len(PLANS)])

        async def work(connection: Connection) -> None:
            cursor = await connection.execute(
                "SELECT id, activation_date, last_invoice_date FROM public.customer_services"
                " WHERE zoho_sync_status = 'failed' AND status <> 'pending' ORDER BY id"
            )
            failed = await cursor.fetchall()
            if failed:
                victim, *dates = failed[int(seed * len(failed))]
                began = {} if any(dates) else {"activation_date": today()}
                mended = {"monthly_price": price, "package_id": package, **began}
                await update(connection, self.host_table, victim, mended)

        await applications.transact(work)

    async def _hold_row(self, applications: Applications, dice: Random) -> None:
        victim, price, seconds = self._some(dice), _price(dice), dice.uniform(0.5, 4.0)

        async def work(connection: Connection) -> None:
            await update(connection, self.host_table, victim, {"monthly_price": price})
            await asyncio.sleep(seconds)

        await applications.transact(work)

    async def _delete(self, applications: Applications, dice: Random) -> None:
        victim = self._some(dice)

        async def work(connection: Connection) -> None:
            await connection.execute("DELETE FROM public.customer_services WHERE id = %s", [victim])

        await applications.transact(work)

    # Packages.

    async def _publish(self, applications: Applications, dice: Random) -> None:
        await self._publish_one(applications, dice, 0.0)

    async def _publish_slowly(self, applications: Applications, dice: Random) -> None:
        """Services begin to wait while it is under way."""
        await self._publish_one(applications, dice, dice.uniform(0.5, 4.0))

    async def _publish_one(self, applications: Applications, dice: Random, seconds: float) -> None:
        package, code = dice.choice(self._unpublished[:-1]), dice.choice(PLANS)

        async def work(connection: Connection) -> None:
            await connection.execute(
                "UPDATE public.service_packages SET sku = %s WHERE id = %s AND sku IS NULL", [code, package]
            )
            await connection.execute(_PUBLISH, [package])
            await asyncio.sleep(seconds)

        await applications.transact(work)

    async def _unpublish(self, applications: Applications, dice: Random) -> None:
        package = dice.choice(self._unpublished)
        self._withdrawn.add(package)

        async def work(connection: Connection) -> None:
            await connection.execute(
                "UPDATE public.product_integrations SET sync_status = 'failed', last_sync_error = 'refused'"
                " WHERE service_package_id = %s",
                [package],
            )

        await applications.transact(work)

    async def _offer(self, applications: Applications, dice: Random) -> None:
        """A new package, sold before it is published."""
        package, row = UUID(int=dice.getrandbits(128), version=4), self._new(self._owner(dice), dice)
        self.known.packages.append(package)
        self._unpublished.insert(0, package)

        async def work(connection: Connection) -> None:
            await _insert_package(connection, package, dice.choice([None, *PLANS]))
            await insert(connection, self.host_table, {**row, "package_id": package})

        await applications.transact(work)

    # Requests by hand.

    async def _ask_again(self, applications: Applications, dice: Random) -> None:
        await ask_again(applications, self.host_table, [self._some(dice) for _ in range(dice.choice([1, 1, 5]))])

    async def _forget_record(self, applications: Applications, dice: Random) -> None:
        forgotten = {self.host_zoho_id: None, "monthly_price": _price(dice)}
        await change(applications, self.host_table, self._some(dice), forgotten)

    # The comparison.

    def rows_statement(self) -> LiteralString:
        """Every service, with its customer and its package."""
        return _ROWS

    def expected(self, rows: Sequence[Row], books: Books) -> list[Held]:
        """decisions.md, Subscriptions."""
        inactive = {
            record["customer_id"] for record in books.collections["customers"] if record["status"] == "inactive"
        }
        records: dict[str, list[Row]] = {}
        for record in books.collections[self.collection]:
            records.setdefault(self.owner(record) or "", []).append(record)
        held = [_held(row, self.current(records.get(str(row["id"]), [])), inactive) for row in rows]
        return [Held.left(each.entity_id) if each.waits_for & self._withdrawn else each for each in held]

    def amiss(self, rows: Sequence[Row], books: Books) -> Iterable[tuple[UUID | None, str]]:
        """References in their order, first days, and who else still bills; invoices only for terms that have begun."""
        hosts = {str(row["id"]): row for row in rows}
        raised = books.of("invoices", "subscription_id")
        for record in books.collections[self.collection]:
            service = custom_field(record, "External ID")
            entity_id = UUID(service) if service else None
            row = hosts.get(service)
            generation = _generation(record)
            if generation is None:
                yield entity_id, f"the reference is {record['reference_id']!r}"
            elif row is not None and (began := _began_on(record)) and began not in self._first_days(row, generation):
                yield entity_id, f"{record['reference_id']} begins on {began}"
            invoices = raised.get(record["subscription_id"], [])
            if len(invoices) != (1 if record["activated_at"] else 0):
                yield entity_id, f"{record['reference_id']} is {record['status']} and raised {len(invoices)} invoices"

    def current(self, records: Sequence[Row]) -> Row | None:
        """The last of those that follow one another; None where an earlier one still bills."""
        in_order = sorted(records, key=lambda record: _generation(record) or 0)
        generations = [_generation(record) for record in in_order]
        if generations != list(range(1, len(records) + 1)):
            return None
        if any(record["status"] not in ENDED for record in in_order[:-1]):
            return None
        return in_order[-1] if in_order else None

    def shown(self, record: Row, books: Books) -> Mapping[str, Any]:
        """What it is to be from its next term on, and whether there is to be one."""
        will_be = books.scheduled.get(record["subscription_id"], record)
        return {
            **record,
            "plan_code": will_be["plan"]["plan_code"],
            "price": Decimal(str(will_be["plan"]["price"])),
            "quantity": Decimal(str(will_be["plan"]["quantity"])),
            "bills": record["status"] in BILLS,
            "External ID": custom_field(record, "External ID"),
        }

    def owner(self, record: Row) -> str | None:
        """Its External ID."""
        return custom_field(record, "External ID")

    def _first_days(self, row: Row, generation: int) -> set[str]:
        """On which it may begin, whichever day of the run it was created on."""
        days = set()
        for day in {self._began, today()}:
            days.add(_first_day(row, day))
            if generation > 1:
                days.add(_first_day(row, day, not_that_day=True))
        return {day.isoformat() for day in days if day is not None}

    # Dice.

    def _some(self, dice: Random) -> UUID:
        return self.known.some(EntityType.SUBSCRIPTION, dice)

    def _owner(self, dice: Random) -> UUID:
        if self.known.tests and dice.random() < 0.04:
            return dice.choice(self.known.tests)
        return self.known.some(EntityType.CUSTOMER, dice)

    def _package(self, dice: Random) -> UUID:
        """Mostly one that is published."""
        return dice.choice(self.known.packages[: 2 * len(PLANS)] * 3 + self.known.packages)

    def _new(self, customer_id: UUID, dice: Random) -> Row:
        service_id = self.known.new_id(EntityType.SUBSCRIPTION, dice)
        self.known.ids[EntityType.SUBSCRIPTION].append(service_id)
        status = dice.choice(["active", "active", "active", "pending", "cancelled"])
        return {
            "id": service_id,
            "customer_id": customer_id,
            "package_id": dice.choice([*[self._package(dice)] * 12, None]),
            "package_name": "Fibre",
            "service_type": "fibre",
            "monthly_price": _price(dice),
            "status": status,
            # Without an address: whose address a customer has is told by the services of another workload.
            **({} if status == "pending" else _dates(dice)),
        }


def today() -> date:
    """In ZOHO_TIME_ZONE."""
    return datetime.now(ZONE).date()


def _held(row: Row, record: Row | None, inactive: set[str]) -> Held:
    service_id: UUID = row["id"]
    if row["account_type"] == "internal_test":
        return Held.skipped(service_id, 0) if row["first_name"] == NEVER else Held.left(service_id)
    if row["status"] == "pending":
        return Held.skipped(service_id)
    if row["status"] == "cancelled":
        if record is None:
            return Held.skipped(service_id, 0)
        return Held.sent(service_id, {"bills": False, "External ID": str(service_id)})
    if row["customer_zoho_id"] is None:
        return Held.waiting(service_id, [row["customer_id"]])
    if row["package_id"] is not None and (row["publishing"] != "ok" or not (row["sku"] or "").strip()):
        return Held.waiting(service_id, [row["package_id"]])
    if row["package_id"] is None or row["monthly_price"] < 0 or row["sku"] == NO_PLAN:
        return Held.dead(service_id)
    living = record is not None and record["status"] not in ENDED
    if not living and (row["customer_zoho_id"] in inactive or _first_day(row, today()) is None):
        return Held.dead(service_id)
    sent = {
        "customer_id": row["customer_zoho_id"],
        "plan_code": row["sku"],
        "price": row["monthly_price"],
        "quantity": Decimal(1),
        "auto_collect": False,
        "bills": True,
        "External ID": str(service_id),
    }
    return Held.sent(service_id, sent)


def _first_day(row: Row, on: date, *, not_that_day: bool = False) -> date | None:
    """The first billing day that nobody billed, and never a past one: counted as one counts on a calendar."""
    if row["last_invoice_date"] is not None:
        day: date = row["last_invoice_date"] + timedelta(days=1)
    elif row["activation_date"] is not None:
        day = row["activation_date"]
    else:
        return None
    day = _next(day, row["billing_day"])
    if day < on or (day == on and not_that_day):
        # What was missed is made up for by hand: it goes on after that day.
        day = _next(on + timedelta(days=1), row["billing_day"])
    return day


def _next(day: date, billing_day: int) -> date:
    while day.day != billing_day:
        day += timedelta(days=1)
    return day


def _began_on(record: Row) -> str:
    """'' of one that was cancelled before it began."""
    return str(record["activated_at"] or record["next_billing_at"])


def _generation(record: Row) -> int | None:
    service, _, number = record["reference_id"].partition("#")
    if service != custom_field(record, "External ID"):
        return None
    return int(number) if number else 1


def _price(dice: Random) -> Decimal:
    return Decimal(dice.randint(9900, 199900)) / 100


def _dates(dice: Random) -> Row:
    """When it was activated, last invoiced, and on which day of the month it is billed."""
    now, day = today(), dice.randint(1, 28)
    kind = dice.choice(["today", "today", "today", "past", "invoiced", "invoiced ahead", "undated"])
    match kind:
        case "today":
            return {"billing_day": min(now.day, 28), "activation_date": now}
        case "past":
            return {"billing_day": day, "activation_date": now - timedelta(days=dice.randint(1, 400))}
        case "invoiced":
            last = now - timedelta(days=dice.randint(0, 60))
            return {"billing_day": day, "activation_date": last - timedelta(days=30), "last_invoice_date": last}
        case "invoiced ahead":
            return {"billing_day": day, "last_invoice_date": now + timedelta(days=dice.randint(1, 40))}
        case _:
            return {"billing_day": day}


async def _insert_package(connection: Connection, package: UUID, sku: str | None) -> None:
    row = {
        "id": package,
        "name": f"Fibre {package.hex[-4:]}",
        "service_type": "fibre",
        "speed_down": 100,
        "speed_up": 50,
        "price": Decimal("500.00"),
        "sku": sku,
    }
    await insert(connection, "service_packages", row)
