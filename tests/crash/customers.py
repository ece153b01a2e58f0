"""Customers: inserted, edited, flipped, made impossible, deleted; one by one, in bulk, in slow transactions."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from outbox.vocabulary import EntityType
from tests.crash.applications import Applications, Connection
from tests.crash.editing import ask_those_again, word
from tests.crash.stage import Zoho
from tests.crash.workload import Books, Held, Known, Row, custom_field

_STATUSES = ("active", "active", "suspended", "cancelled", "pending")
_LONG = "Fellowship of Exceedingly Long Business Names and of Those Who Must Fit Them into a Hundred Characters"

_INSERT = """
INSERT INTO public.customers (id, first_name, last_name, email, phone, account_type, business_name, account_number,
                              account_status)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

_IN_ORDER, _LOCKED = "SELECT id FROM public.customers", "ORDER BY id FOR NO KEY UPDATE"
"""Applications lock rows in one order: a deadlock is then a daemon's doing."""

_ROWS = """
SELECT
    customer.*,
    (
        SELECT service.installation_address
        FROM public.customer_services AS service
        WHERE service.customer_id = customer.id
            AND service.activation_date IS NOT NULL
            AND btrim(service.installation_address) <> ''
        ORDER BY service.activation_date DESC
        LIMIT 1
    ) AS address
FROM public.customers AS customer
"""

ENDED = ("cancelled", "expired")
"""Of the states that the simulator's subscriptions come to: those that bill nobody."""

NEVER = "never-real"
"""First name of accounts that are internal_test from birth to the end: Zoho may not hear of them at all."""


@dataclass
class CustomerWorkload:
    """See :class:`tests.crash.workload.Workload`."""

    known: Known = field(default_factory=Known)
    entity_type: EntityType = EntityType.CUSTOMER
    collection: str = "customers"
    record_id: str = "customer_id"
    host_table: str = "customers"
    host_zoho_id: str = "zoho_billing_customer_id"
    path: str = "/customers"
    made_once: Mapping[str, str] = field(default_factory=lambda: {"External ID": "customers"})
    _born: int = 0
    _days: int = 0

    async def set_up(self, applications: Applications, zoho: Zoho) -> None:
        """Nothing."""

    async def act(self, applications: Applications, dice: Random) -> None:
        """One act, by weight."""
        acts = {
            self._insert: 20,
            self._insert_many: 2,
            self._edit: 26,
            self._burst: 6,
            self._edit_many: 3,
            self._flip_account_type: 6,
            self._change_status: 6,
            self._spoil: 6,
            self._mend: 8,
            self._empty_mail: 3,
            self._move: 6,
            self._move_out: 2,
            self._renumber: 4,
            self._delete: 4,
            self._take_back: 4,
            self._commit_late: 3,
            self._hold_row: 3,
            self._ask_again: 5,
            self._forget_record: 2,
        }
        (act,) = dice.choices(list(acts), weights=list(acts.values()))
        await act(applications, dice)

    async def settle_down(self, applications: Applications, dice: Random) -> None:
        """A last edit of some, so that what was dead by accident of order shows; the empty e-mail is given away."""
        for _ in range(5):
            await self._edit(applications, dice)

    async def make_amends(self, applications: Applications) -> None:
        """A cancelled account stays active where it had a subscription or a balance, until it is looked at again."""
        await ask_those_again(applications, self.host_table, "account_status = 'cancelled'")

    # Rows that come.

    async def _insert(self, applications: Applications, dice: Random) -> None:
        row = self._new(dice)
        await applications.transact(lambda connection: _insert(connection, [row]))

    async def _insert_many(self, applications: Applications, dice: Random) -> None:
        rows = [self._new(dice) for _ in range(dice.randint(5, 40))]
        await applications.transact(lambda connection: _insert(connection, rows))

    async def _take_back(self, applications: Applications, dice: Random) -> None:
        row, victim, name = self._new(dice), self._some(dice), word(dice)

        async def work(connection: Connection) -> None:
            await _insert(connection, [row])
            await connection.execute("UPDATE public.customers SET last_name = %s WHERE id = %s", [name, victim])
            raise psycopg.Rollback

        await applications.transact(work)

    async def _commit_late(self, applications: Applications, dice: Random) -> None:
        """Takes its entries' ids now and commits when later ones were sent long ago."""
        rows, seconds = [self._new(dice) for _ in range(3)], dice.uniform(1.0, 6.0)

        async def work(connection: Connection) -> None:
            await _insert(connection, rows)
            await asyncio.sleep(seconds)

        await applications.transact(work)

    # Rows that change.

    async def _edit(self, applications: Applications, dice: Random) -> None:
        victim, column = self._some(dice), dice.choice(["first_name", "last_name", "phone", "business_name", "email"])
        text = dice.choice([word(dice), word(dice), word(dice), " "]) if column != "last_name" else word(dice)
        value = _mail(dice, self._born) if column == "email" else text
        await applications.transact(lambda connection: _update(connection, victim, {column: value}))

    async def _burst(self, applications: Applications, dice: Random) -> None:
        """Edits of one row in one go: the last one counts, whatever is in flight meanwhile."""
        victim, names = self._some(dice), [word(dice) for _ in range(dice.randint(3, 12))]
        for name in names:
            await applications.transact(partial(_rename, victim=victim, name=name))

    async def _edit_many(self, applications: Applications, dice: Random) -> None:
        victims, name = sorted({self._some(dice) for _ in range(20)}), word(dice)

        async def work(connection: Connection) -> None:
            for victim in victims:
                await _update(connection, victim, {"last_name": name})

        await applications.transact(work)

    async def _flip_account_type(self, applications: Applications, dice: Random) -> None:
        victim, kind = self._some(dice), dice.choice(["personal", "business", "internal_test"])
        await applications.transact(lambda connection: _update(connection, victim, {"account_type": kind}))

    async def _change_status(self, applications: Applications, dice: Random) -> None:
        victim, status = self._some(dice), dice.choice(_STATUSES)
        await applications.transact(lambda connection: _update(connection, victim, {"account_status": status}))

    async def _spoil(self, applications: Applications, dice: Random) -> None:
        """Zoho will refuse it: dead, until somebody mends it."""
        victim = self._some(dice)
        mail: dict[str, Any] = {"email": f"no address {dice.randrange(10**9)}"}
        change = dice.choice([mail, {"first_name": " ", "last_name": " ", "business_name": None}])
        await applications.transact(lambda connection: _update(connection, victim, change))

    async def _mend(self, applications: Applications, dice: Random) -> None:
        """Revives what is dead."""
        mail, name, seed = _mail(dice, self._born), word(dice), dice.random()

        async def work(connection: Connection) -> None:
            cursor = await connection.execute(
                "SELECT id FROM public.customers WHERE zoho_sync_status = 'failed' ORDER BY id"
            )
            failed = await cursor.fetchall()
            if failed:
                (victim,) = failed[int(seed * len(failed))]
                await _update(connection, victim, {"email": mail, "last_name": name})

        await applications.transact(work)

    async def _empty_mail(self, applications: Applications, dice: Random) -> None:
        """The column is unique, so one row at a time can be without."""
        victim, mail = self._some(dice), _mail(dice, self._born)

        async def work(connection: Connection) -> None:
            await connection.execute(f"{_IN_ORDER} WHERE email = '' OR id = %s {_LOCKED}".encode(), [victim])
            await connection.execute("UPDATE public.customers SET email = %s WHERE email = ''", [mail])
            await _update(connection, victim, {"email": ""})

        await applications.transact(work)

    async def _move(self, applications: Applications, dice: Random) -> None:
        """The address stands with the service that was activated last, in another table."""
        victim, self._days = self._some(dice), self._days + 1
        address, days = f"{self._days} Example {word(dice)} Street", self._days

        async def work(connection: Connection) -> None:
            await connection.execute(
                """
                INSERT INTO public.customer_services
                    (customer_id, package_name, service_type, monthly_price, status, installation_address,
                     activation_date)
                VALUES (%s, 'Fibre', 'fibre', 799, 'active', %s, date '2000-01-01' + %s)
                """,
                [victim, address, days],
            )

        await applications.transact(work)

    async def _move_out(self, applications: Applications, dice: Random) -> None:
        victim = self._some(dice)

        await applications.transact(partial(_delete_services, customer_id=victim))

    async def _renumber(self, applications: Applications, dice: Random) -> None:
        """The number stands in the display name, which a lost create is looked for by."""
        victim, number = self._some(dice), dice.choice([None, f"CT-R{dice.randrange(10**9):09d}"])
        await applications.transact(lambda connection: _update(connection, victim, {"account_number": number}))

    async def _hold_row(self, applications: Applications, dice: Random) -> None:
        """A row that is being synced stays locked for a while; its neighbours must not notice."""
        victim, name, seconds = self._some(dice), word(dice), dice.uniform(0.5, 5.0)

        async def work(connection: Connection) -> None:
            await _update(connection, victim, {"last_name": name})
            await asyncio.sleep(seconds)

        await applications.transact(work)

    # Rows that go.

    async def _delete(self, applications: Applications, dice: Random) -> None:
        victim = self._some(dice)

        async def work(connection: Connection) -> None:
            await _delete_services(connection, victim)
            await connection.execute("DELETE FROM public.customers WHERE id = %s", [victim])

        await applications.transact(work)

    # Requests by hand.

    async def _ask_again(self, applications: Applications, dice: Random) -> None:
        victims = [self._some(dice) for _ in range(dice.choice([1, 1, 5]))]

        async def work(connection: Connection) -> None:
            await connection.execute(f"{_IN_ORDER} WHERE id = ANY (%s) {_LOCKED}".encode(), [victims])
            await connection.execute(
                "UPDATE public.customers SET zoho_sync_status = 'pending' WHERE id = ANY (%s)", [victims]
            )

        await applications.transact(work)

    async def _forget_record(self, applications: Applications, dice: Random) -> None:
        """The id is cleared by hand, and the row edited: the record must be found again, not made twice."""
        victim, name = self._some(dice), word(dice)
        await applications.transact(
            lambda connection: _update(connection, victim, {"zoho_billing_customer_id": None, "last_name": name})
        )

    # The comparison.

    def rows_statement(self) -> LiteralString:
        """Every customer, with the address of the service activated last."""
        return _ROWS

    def expected(self, rows: Sequence[Row], books: Books) -> list[Held]:
        """decisions.md, Customers."""
        bound = _bound(books)
        return [_held(row, bound) for row in rows]

    def amiss(self, rows: Sequence[Row], books: Books) -> Iterable[tuple[UUID | None, str]]:
        """Nothing."""
        return ()

    def current(self, records: Sequence[Row]) -> Row | None:
        """The one."""
        return records[0] if len(records) == 1 else None

    def shown(self, record: Row, books: Books) -> Mapping[str, Any]:
        """Custom fields by their labels, the address by its lines."""
        fields = {"Account Number": ""} | {row["label"]: row["value"] for row in record["custom_fields"]}
        address = record["billing_address"]
        return {**record, **fields, "street": address["street"], "country": address["country"]}

    def owner(self, record: Row) -> str | None:
        """Its External ID."""
        return custom_field(record, "External ID")

    # Dice.

    def _some(self, dice: Random) -> UUID:
        return self.known.some(EntityType.CUSTOMER, dice)

    def _new(self, dice: Random) -> list[Any]:
        self._born += 1
        customer_id = self.known.new_id(EntityType.CUSTOMER, dice)
        number = f"CT-{self._born:06d}"
        if dice.random() < 0.05:
            # Not among the known ones: nobody edits it, so it stays what it is.
            self.known.tests.append(customer_id)
            return [customer_id, NEVER, "Test", _mail(dice, self._born), "1", "internal_test", None, number, "active"]
        self.known.ids[EntityType.CUSTOMER].append(customer_id)
        business = dice.choice([None, None, f"{word(dice)} Trading", f"{word(dice)} {_LONG}"])
        return [
            customer_id,
            word(dice),
            word(dice),
            _mail(dice, self._born),
            f"+27 21 {dice.randrange(10**7):07d}",
            dice.choice(["personal", "business"]),
            business,
            dice.choice([None, number, number, number]),
            dice.choice(_STATUSES),
        ]


def _bound(books: Books) -> set[str]:
    """External IDs of customers that live or owe: Zoho keeps them active whatever the account says."""
    living = {each["customer_id"] for each in books.collections["subscriptions"] if each["status"] not in ENDED}
    sums = ("outstanding_receivable_amount", "outstanding", "unused_credits")
    return {
        custom_field(record, "External ID")
        for record in books.collections["customers"]
        if record["customer_id"] in living or any(Decimal(str(record.get(name) or 0)) for name in sums)
    }


def _held(row: Row, bound: set[str]) -> Held:
    customer_id: UUID = row["id"]
    if row["account_type"] == "internal_test":
        return Held.skipped(customer_id, 0 if row["first_name"] == NEVER else 1)
    person = f"{row['first_name'].strip()} {row['last_name'].strip()}".strip()
    name = (row["business_name"] or "").strip() or person
    mail = row["email"].strip()
    if not name or (mail and "@" not in mail):
        return Held.dead(customer_id)
    key = row["account_number"] or str(customer_id)
    sent = {
        "display_name": f"{name[: 100 - len(key) - 3].rstrip()} [{key}]",
        "first_name": row["first_name"].strip(),
        "last_name": row["last_name"].strip(),
        "company_name": (row["business_name"] or "").strip(),
        "email": mail,
        "phone": row["phone"].strip(),
        "External ID": str(customer_id),
        "Account Number": row["account_number"] or "",
        "street": row["address"] or "",
        "country": "South Africa" if row["address"] else "",
        "status": "inactive" if row["account_status"] == "cancelled" else "active",
    }
    if not mail:
        # The key is left out, so Zoho keeps what it had.
        del sent["email"]
    if str(customer_id) in bound and row["account_status"] == "cancelled":
        # Active since it lived, or inactive since before it owed.
        del sent["status"]
    return Held.sent(customer_id, sent)


def newcomer(known: Known, dice: Random) -> Row:
    """A customer who comes together with what he bought."""
    customer_id = known.new_id(EntityType.CUSTOMER, dice)
    known.ids[EntityType.CUSTOMER].append(customer_id)
    return {
        "id": customer_id,
        "first_name": word(dice),
        "last_name": word(dice),
        "email": f"n{dice.getrandbits(60)}@example.com",
        "phone": f"+27 21 {dice.randrange(10**7):07d}",
        "account_type": dice.choice(["personal", "personal", "personal", "internal_test"]),
    }


async def _insert(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(_INSERT, rows)


async def _update(connection: Connection, customer_id: UUID, change: Mapping[str, Any]) -> None:
    columns = ", ".join(f"{name} = %s" for name in change)
    await connection.execute(
        f"UPDATE public.customers SET {columns} WHERE id = %s".encode(), [*change.values(), customer_id]
    )


async def _delete_services(connection: Connection, customer_id: UUID) -> None:
    await connection.execute(
        "SELECT FROM public.customer_services WHERE customer_id = %s ORDER BY id FOR UPDATE", [customer_id]
    )
    await connection.execute("DELETE FROM public.customer_services WHERE customer_id = %s", [customer_id])


async def _rename(connection: Connection, *, victim: UUID, name: str) -> None:
    await _update(connection, victim, {"last_name": name})


def _mail(dice: Random, born: int) -> str:
    return f"c{born}.{dice.randrange(10**9)}@example.com"
