"""Invoices: drafted, sent, paid, made void and taken back, priced anew, of every shape that line items come in."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from outbox.vocabulary import EntityType
from tests.crash.applications import Applications, Connection
from tests.crash.customers import NEVER, newcomer
from tests.crash.editing import ask_again, change, insert, update, word
from tests.crash.services import today
from tests.crash.stage import Zoho
from tests.crash.workload import NOBODY, Books, Held, Known, Row, custom_field

CENT = Decimal("0.01")
TOLERANCE = Decimal("0.05")

CALLED = {
    "installation": "Installation Fee",
    "pro_rata": "Pro-Rata Service Fee",
    "equipment": "Equipment Charge",
    "adjustment": "Account Adjustment",
}
"""Types that the host's invoices are sent of, while Zoho bills; and what is said where no line says it."""

ISSUED = ("sent", "paid", "partial", "overdue")
ENDED = ("voided", "cancelled")

_ROWS = """
SELECT
    invoice.*,
    customer.account_type,
    customer.first_name,
    parent.usable_id AS customer_zoho_id
FROM public.customer_invoices AS invoice
JOIN public.customers AS customer ON customer.id = invoice.customer_id
LEFT JOIN zoho_outbox_private.entity_state AS parent
    ON parent.entity_id = invoice.customer_id AND parent.entity_type = 'customer'
"""


@dataclass
class InvoiceWorkload:
    """See :class:`tests.crash.workload.Workload`."""

    known: Known = field(default_factory=Known)
    entity_type: EntityType = EntityType.INVOICE
    collection: str = "invoices"
    record_id: str = "invoice_id"
    host_table: str = "customer_invoices"
    host_zoho_id: str = "zoho_billing_invoice_id"
    path: str = "/invoices"
    made_once: Mapping[str, str] = field(
        default_factory=lambda: {"External ID": "invoices", "invoice_number": "invoices"}
    )
    _born: int = 0

    async def set_up(self, applications: Applications, zoho: Zoho) -> None:
        """Nothing."""

    async def act(self, applications: Applications, dice: Random) -> None:
        """One act, by weight."""
        acts = {
            self._insert: 14,
            self._insert_with_customer: 4,
            self._insert_and_make_void: 3,
            self._issue: 12,
            self._edit_draft: 4,
            self._edit_text: 8,
            self._change_amounts: 5,
            self._mark_paid: 6,
            self._make_void: 7,
            self._take_void_back: 2,
            self._renumber: 3,
            self._spoil: 3,
            self._mend: 5,
            self._hold_row: 3,
            self._commit_late: 2,
            self._delete: 1,
            self._ask_again: 4,
            self._forget_record: 2,
        }
        (act,) = dice.choices(list(acts), weights=list(acts.values()))
        await act(applications, dice)

    async def settle_down(self, applications: Applications, dice: Random) -> None:
        """Drafts that payments wait for are sent, some of them."""
        for _ in range(5):
            await self._issue(applications, dice)

    async def make_amends(self, applications: Applications) -> None:
        """Nothing: what is dead would be dead in any order."""

    # Rows that come.

    async def _insert(self, applications: Applications, dice: Random) -> None:
        row = self._new(dice)

        async def work(connection: Connection) -> None:
            await insert(connection, self.host_table, row)

        await applications.transact(work)

    async def _insert_with_customer(self, applications: Applications, dice: Random) -> None:
        customer = newcomer(self.known, dice)
        row, seconds = self._new(dice, customer["id"]), dice.choice([0.0, 0.0, 2.0])

        async def work(connection: Connection) -> None:
            await insert(connection, "customers", customer)
            await insert(connection, self.host_table, row)
            await asyncio.sleep(seconds)

        await applications.transact(work)

    async def _insert_and_make_void(self, applications: Applications, dice: Random) -> None:
        """Drafted, sent and made void before anybody could look twice."""
        row, pause = {**self._new(dice), "status": "draft"}, dice.choice([0.0, 0.2, 0.6])

        async def work(connection: Connection) -> None:
            await insert(connection, self.host_table, row)

        await applications.transact(work)
        for status in ("sent", dice.choice(ENDED)):
            await asyncio.sleep(pause)
            await change(applications, self.host_table, row["id"], {"status": status})

    async def _commit_late(self, applications: Applications, dice: Random) -> None:
        rows, seconds = [self._new(dice) for _ in range(2)], dice.uniform(1.0, 5.0)

        async def work(connection: Connection) -> None:
            for row in sorted(rows, key=lambda row: row["customer_id"]):
                await insert(connection, self.host_table, row)
            await asyncio.sleep(seconds)

        await applications.transact(work)

    # Rows that change.

    async def _issue(self, applications: Applications, dice: Random) -> None:
        seed = dice.random()

        async def work(connection: Connection) -> None:
            cursor = await connection.execute(
                "SELECT id FROM public.customer_invoices WHERE status = 'draft' ORDER BY id"
            )
            drafts = await cursor.fetchall()
            if drafts:
                (victim,) = drafts[int(seed * len(drafts))]
                await update(connection, self.host_table, victim, {"status": "sent"}, ("draft",))

        await applications.transact(work)

    async def _edit_draft(self, applications: Applications, dice: Random) -> None:
        await self._price_anew(applications, dice, ("draft",))

    async def _edit_text(self, applications: Applications, dice: Random) -> None:
        due = today() + timedelta(days=dice.randint(1, 60))
        texts: list[Row] = [{"notes": word(dice)}, {"notes": None}, {"due_date": due}]
        await change(applications, self.host_table, self._some(dice), dice.choice(texts))

    async def _change_amounts(self, applications: Applications, dice: Random) -> None:
        """Refused by us where it is paid already."""
        await self._price_anew(applications, dice, ISSUED)

    async def _price_anew(self, applications: Applications, dice: Random, statuses: tuple[str, ...]) -> None:
        victim = self._some(dice)
        self.known.unsettled.add(victim)
        await change(applications, self.host_table, victim, money(dice), statuses)

    async def _mark_paid(self, applications: Applications, dice: Random) -> None:
        status = dice.choice(["paid", "partial", "overdue"])
        await change(applications, self.host_table, self._some(dice), {"status": status}, ISSUED)

    async def _make_void(self, applications: Applications, dice: Random) -> None:
        change_ = {"status": dice.choice(ENDED)}
        await change(applications, self.host_table, self._some(dice), change_, ("draft", *ISSUED))

    async def _take_void_back(self, applications: Applications, dice: Random) -> None:
        victim = self._some(dice)
        self.known.unsettled.add(victim)
        await change(applications, self.host_table, victim, {"status": "sent"}, ENDED)

    async def _renumber(self, applications: Applications, dice: Random) -> None:
        """The number is what a lost create is looked for by."""
        await change(applications, self.host_table, self._some(dice), {"invoice_number": self._number(dice)})

    async def _spoil(self, applications: Applications, dice: Random) -> None:
        """Lines that miss the total; nothing to pay."""
        victim = self._some(dice)
        self.known.unsettled.add(victim)
        lines = Jsonb([{"description": "Off", "quantity": 1, "unit_price": 1.0, "amount": 1.0}])
        nothing = {"total_amount": Decimal(0), "subtotal": Decimal(0), "tax_amount": Decimal(0), "line_items": None}
        wrong: list[Row] = [{"line_items": lines}, nothing]
        await change(applications, self.host_table, victim, dice.choice(wrong))

    async def _mend(self, applications: Applications, dice: Random) -> None:
        seed, amounts = dice.random(), money(dice)

        async def work(connection: Connection) -> None:
            cursor = await connection.execute(
                "SELECT id FROM public.customer_invoices WHERE zoho_sync_status = 'failed' ORDER BY id"
            )
            failed = await cursor.fetchall()
            if failed:
                (victim,) = failed[int(seed * len(failed))]
                self.known.unsettled.add(victim)
                await update(connection, self.host_table, victim, amounts)

        await applications.transact(work)

    async def _hold_row(self, applications: Applications, dice: Random) -> None:
        victim, notes, seconds = self._some(dice), word(dice), dice.uniform(0.5, 4.0)

        async def work(connection: Connection) -> None:
            await update(connection, self.host_table, victim, {"notes": notes})
            await asyncio.sleep(seconds)

        await applications.transact(work)

    async def _delete(self, applications: Applications, dice: Random) -> None:
        victim = self._some(dice)
        self.known.unsettled.add(victim)

        async def work(connection: Connection) -> None:
            await connection.execute("DELETE FROM public.customer_invoices WHERE id = %s", [victim])

        await applications.transact(work)

    # Requests by hand.

    async def _ask_again(self, applications: Applications, dice: Random) -> None:
        await ask_again(applications, self.host_table, [self._some(dice) for _ in range(dice.choice([1, 1, 5]))])

    async def _forget_record(self, applications: Applications, dice: Random) -> None:
        forgotten = {self.host_zoho_id: None, "notes": word(dice)}
        await change(applications, self.host_table, self._some(dice), forgotten)

    # The comparison.

    def rows_statement(self) -> LiteralString:
        """Every invoice, with its customer."""
        return _ROWS

    def expected(self, rows: Sequence[Row], books: Books) -> list[Held]:
        """decisions.md, Invoices."""
        records = {self.owner(record): record for record in books.collections[self.collection]}
        return [_held(row, records.get(str(row["id"]))) for row in rows]

    def amiss(self, rows: Sequence[Row], books: Books) -> Iterable[tuple[UUID | None, str]]:
        """Nothing is mailed, no number stands on two."""
        numbers = books.of(self.collection, "invoice_number")
        for number, records in numbers.items():
            if len(records) > 1:
                yield None, f"{len(records)} invoices have the number {number}"
        for record in books.collections[self.collection]:
            if record["is_emailed"]:
                yield UUID(self.owner(record) or str(NOBODY)), "was mailed"

    def current(self, records: Sequence[Row]) -> Row | None:
        """The one."""
        return records[0] if len(records) == 1 else None

    def shown(self, record: Row, books: Books) -> Mapping[str, Any]:
        """Its money as :func:`_figures` gives it."""
        state = record["status"] if record["status"] in ("draft", "void") else "open"
        return {
            **record,
            "External ID": custom_field(record, "External ID"),
            "state": state,
            "total": Decimal(str(record["total"])),
            "figures": _shown_figures(record),
        }

    def owner(self, record: Row) -> str | None:
        """Its External ID; Zoho's own have none."""
        return None if record["subscription_id"] else custom_field(record, "External ID")

    # Dice.

    def _some(self, dice: Random) -> UUID:
        return self.known.some(EntityType.INVOICE, dice)

    def _number(self, dice: Random) -> str:
        self._born += 1
        return f"CT-{self._born:05d}-{dice.randrange(10**6):06d}"

    def _new(self, dice: Random, customer_id: UUID | None = None) -> Row:
        kind = dice.choice([*CALLED, *CALLED, "recurring", "recurring", None, "surprise"])
        invoice_id = self.known.new_id(EntityType.INVOICE, dice)
        owner = self.known.owners.get(invoice_id)
        if customer_id is None:
            customer_id = owner or self._owner(dice)
        services = self.known.ids[EntityType.SUBSCRIPTION]
        amounts = money(dice)
        self.known.ids[EntityType.INVOICE].append(invoice_id)
        self.known.owners[invoice_id] = customer_id
        self.known.totals[invoice_id] = amounts["total_amount"]
        return {
            "id": invoice_id,
            "customer_id": customer_id,
            "invoice_number": self._number(dice),
            "invoice_date": today(),
            "due_date": today() + timedelta(days=dice.randint(0, 30)),
            "status": dice.choice(["draft", "draft", "sent", "sent", "sent", "overdue", "voided"]),
            "invoice_type": kind,
            # Of whichever service: that the host names another customer's is no reason for us to do so.
            "service_id": dice.choice(services[-20:]) if services and kind not in CALLED else None,
            "period_start": dice.choice([today(), None]),
            "notes": dice.choice([None, word(dice)]),
            **amounts,
        }

    def _owner(self, dice: Random) -> UUID:
        if self.known.tests and dice.random() < 0.04:
            return dice.choice(self.known.tests)
        return self.known.some(EntityType.CUSTOMER, dice)


def is_recurring(row: Row) -> bool:
    """Whether Zoho raises it itself; what has no known type counts as such."""
    return row["invoice_type"] not in CALLED


def _held(row: Row, record: Row | None) -> Held:
    invoice_id: UUID = row["id"]
    if row["account_type"] == "internal_test":
        return Held.skipped(invoice_id, 0) if row["first_name"] == NEVER else Held.left(invoice_id)
    if is_recurring(row) or row["status"] == "draft":
        return Held.skipped(invoice_id, 0)
    if row["customer_zoho_id"] is None:
        return Held.waiting(invoice_id, [row["customer_id"]])
    identity = {"External ID": str(invoice_id), "customer_id": row["customer_zoho_id"]}
    if row["status"] in ENDED:
        return Held.skipped(invoice_id, 0) if record is None else Held.sent(invoice_id, identity | {"state": "void"})
    figures = _figures(row)
    if figures is None:
        return Held.dead(invoice_id)
    if record is not None and record["payments"] and _shown_figures(record) != figures:
        return Held.dead(invoice_id, 1)
    sent = identity | {
        "state": "open",
        "invoice_number": row["invoice_number"],
        "date": row["invoice_date"].isoformat(),
        "due_date": row["due_date"].isoformat(),
        "notes": row["notes"] or "",
        "total": row["total_amount"],
        "figures": figures,
    }
    return Held.sent(invoice_id, sent)


Figures = tuple[bool, Decimal, tuple[tuple[Decimal, Decimal, str], ...]]
"""Whether prices hold the tax, the adjustment, and price, quantity and tax of each line."""

TAX_IDS = {Decimal(15): "4600000000000015", Decimal(0): "4600000000000017"}
"""Of the simulator."""


def _figures(row: Row) -> Figures | None:
    """What an invoice comes to by decisions.md; None: it cannot be sent."""
    total, subtotal = row["total_amount"], row["subtotal"]
    if total <= 0:
        return None
    lines = [_line(element) for element in row["line_items"] or []] or [(total, Decimal(1))]
    rate = row["vat_rate"]
    if rate is None:
        near = [each for each in TAX_IDS if abs(subtotal * each / 100 - row["tax_amount"]) <= CENT * len(lines)]
        (rate,) = near
    worth = sum((price * quantity for price, quantity in lines), Decimal(0))
    if abs(worth - total) <= TOLERANCE:
        inclusive, foretold = True, worth
    elif abs(worth - subtotal) <= TOLERANCE:
        inclusive, foretold = False, worth + sum(_cents(price * quantity * rate / 100) for price, quantity in lines)
    else:
        return None
    tax_id = TAX_IDS[rate]
    return inclusive, total - foretold, tuple((price, quantity, tax_id) for price, quantity in lines)


def _line(element: Row) -> tuple[Decimal, Decimal]:
    quantity = Decimal(str(element.get("quantity", 1)))
    if quantity != int(quantity):
        return Decimal(str(element["amount"])), Decimal(1)
    if "unit_price" in element:
        return Decimal(str(element["unit_price"])), quantity
    return Decimal(str(element["amount"])) / quantity, quantity


def _shown_figures(record: Row) -> Figures:
    lines = tuple(
        (Decimal(str(line["price"])), Decimal(str(line["quantity"])), line["tax_id"])
        for line in record["invoice_items"]
    )
    return record["is_inclusive_tax"], Decimal(str(record["adjustment"])), lines


def _cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, rounding=ROUND_HALF_UP)


def money(dice: Random) -> Row:
    """Amounts and lines of one of the shapes that are found."""
    shape = dice.choice(
        ["plain", "plain", "rounded", "no lines", "amounts alone", "fraction", "exclusive", "no rate", "zero rate"]
    )
    prices = [Decimal(dice.randint(100, 99900)) / 100 for _ in range(dice.randint(1, 3))]
    lines: list[Row] | None = [
        {"description": word(dice), "quantity": quantity, "unit_price": float(price), "amount": float(price * quantity)}
        for price, quantity in ((price, dice.choice([1, 1, 2, 3])) for price in prices)
    ]
    total = sum((Decimal(str(line["amount"])) for line in lines or []), Decimal(0))
    rate: Decimal | None = Decimal(15)
    subtotal = _cents(total / Decimal("1.15"))
    match shape:
        case "rounded":
            total += Decimal(dice.randint(-5, 5)) / 100
        case "no lines":
            lines = None
        case "amounts alone":
            lines = [{"amount": line["amount"]} for line in lines or []]
        case "fraction":
            lines = [{"description": "Hours", "quantity": 0.5, "amount": float(total)}]
        case "exclusive":
            subtotal = total
            total += sum(_cents(Decimal(str(line["amount"])) * 15 / 100) for line in lines or [])
        case "no rate":
            rate = None
        case "zero rate":
            rate, subtotal = Decimal(0), total
        case _:
            pass
    return {
        "subtotal": subtotal,
        "tax_amount": total - subtotal,
        "total_amount": total,
        "amount_due": total,
        "vat_rate": rate,
        "line_items": None if lines is None else Jsonb(lines),
    }
