"""Payments: completed, refunded, told twice, linked later, named before what they pay, foreign and strange ones."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from random import Random
from typing import LiteralString
from uuid import UUID

from outbox.vocabulary import EntityType
from tests.crash.applications import Applications, Connection
from tests.crash.customers import NEVER, newcomer
from tests.crash.editing import ask_again, change, insert, update, word
from tests.crash.invoices import ENDED, is_recurring, money
from tests.crash.services import ZONE, today
from tests.crash.stage import Zoho
from tests.crash.workload import NOBODY, Books, Held, Known, Row, custom_field

MODES = {
    "card": "creditcard",
    "Credit Card": "creditcard",
    "eft": "banktransfer",
    "instant_eft": "banktransfer",
    "debit_order": "bankremittance",
    "cash": "cash",
    "voucher": "others",
    None: "others",
}

_ROWS = """
SELECT
    paid.*,
    customer.id AS found_customer_id,
    customer.account_type,
    customer.first_name,
    customer_state.usable_id AS customer_zoho_id,
    invoice.id AS found_invoice_id,
    invoice.invoice_type,
    invoice.status AS invoice_status,
    invoice.service_id,
    invoice.zoho_sync_status AS invoice_sync_status,
    invoice_state.usable_id AS invoice_zoho_id,
    service.status AS service_status,
    service_state.usable_id AS subscription_zoho_id
FROM (
    SELECT
        payment.*,
        COALESCE(payment.customer_invoice_id, payment.invoice_id) AS named_invoice_id,
        COALESCE(payment.customer_id, owned.customer_id) AS named_customer_id,
        owned.customer_id AS invoice_customer_id
    FROM public.payment_transactions AS payment
    LEFT JOIN public.customer_invoices AS owned
        ON owned.id = COALESCE(payment.customer_invoice_id, payment.invoice_id)
) AS paid
LEFT JOIN public.customers AS customer ON customer.id = paid.named_customer_id
LEFT JOIN public.customer_invoices AS invoice ON invoice.id = paid.named_invoice_id
LEFT JOIN public.customer_services AS service ON service.id = invoice.service_id
LEFT JOIN zoho_outbox_private.entity_state AS customer_state
    ON customer_state.entity_id = paid.named_customer_id AND customer_state.entity_type = 'customer'
LEFT JOIN zoho_outbox_private.entity_state AS invoice_state
    ON invoice_state.entity_id = paid.named_invoice_id AND invoice_state.entity_type = 'invoice'
LEFT JOIN zoho_outbox_private.entity_state AS service_state
    ON service_state.entity_id = invoice.service_id AND service_state.entity_type = 'subscription'
"""


@dataclass
class PaymentWorkload:
    """See :class:`tests.crash.workload.Workload`."""

    known: Known = field(default_factory=Known)
    entity_type: EntityType = EntityType.PAYMENT
    collection: str = "payments"
    record_id: str = "payment_id"
    host_table: str = "payment_transactions"
    host_zoho_id: str = "zoho_payment_id"
    path: str = "/payments"
    made_once: Mapping[str, str] = field(
        default_factory=lambda: {"External ID": "payments", "reference_number": "payments", "payment_id": "refunds"}
    )
    _born: int = 0
    _linked_later: set[UUID] = field(default_factory=set)
    """Invoices that were given to payments which may have been in Zoho already."""

    async def set_up(self, applications: Applications, zoho: Zoho) -> None:
        """Nothing."""

    async def act(self, applications: Applications, dice: Random) -> None:
        """One act, by weight."""
        acts = {
            self._insert: 14,
            self._insert_early: 5,
            self._insert_with_all: 4,
            self._pay_in_parts: 5,
            self._pay_recurring: 4,
            self._pay_slowly: 3,
            self._insert_twice: 4,
            self._complete: 10,
            self._complete_twice: 3,
            self._refund: 6,
            self._refund_at_once: 3,
            self._take_refund_back: 1,
            self._give_up: 2,
            self._link: 6,
            self._edit: 8,
            self._spoil: 3,
            self._mend: 4,
            self._hold_row: 3,
            self._delete: 1,
            self._ask_again: 4,
            self._forget_record: 2,
        }
        (act,) = dice.choices(list(acts), weights=list(acts.values()))
        await act(applications, dice)

    async def settle_down(self, applications: Applications, dice: Random) -> None:
        """The last refunds."""
        for _ in range(3):
            await self._refund(applications, dice)

    async def make_amends(self, applications: Applications) -> None:
        """Nothing: what is dead would be dead in any order."""

    # Rows that come.

    async def _insert(self, applications: Applications, dice: Random) -> None:
        await self._put(applications, self._new(dice))

    async def _insert_early(self, applications: Applications, dice: Random) -> None:
        """Before the invoice that it names, and perhaps before its customer: payments have no foreign keys."""
        customer_id = self.known.some(EntityType.CUSTOMER, dice)
        if dice.random() < 0.4:
            customer_id = self.known.promise(EntityType.CUSTOMER, dice)
        invoice_id = None
        if dice.random() < 0.8:
            invoice_id = self.known.promise(EntityType.INVOICE, dice)
            self.known.owners[invoice_id] = customer_id
        named = dice.choice([customer_id, None]) if invoice_id is not None else customer_id
        await self._put(applications, self._row(dice, named, invoice_id))

    async def _insert_with_all(self, applications: Applications, dice: Random) -> None:
        """Payment, customer and invoice in one transaction, the payment's entry first."""
        customer = newcomer(self.known, dice)
        invoice = self._invoice(dice, customer["id"])
        row, seconds = self._row(dice, None, invoice["id"]), dice.choice([0.0, 0.0, 2.0])

        async def work(connection: Connection) -> None:
            await insert(connection, self.host_table, row)
            await insert(connection, "customers", customer)
            await insert(connection, "customer_invoices", invoice)
            await asyncio.sleep(seconds)

        await applications.transact(work)

    async def _pay_in_parts(self, applications: Applications, dice: Random) -> None:
        """More than one payment on an invoice, together perhaps more than it comes to; at the same time."""
        owner = self.known.some(EntityType.CUSTOMER, dice)
        invoice = self._invoice(dice, owner)
        total = invoice["total_amount"]
        parts = [max(total * dice.randint(20, 80) / 100, Decimal(1)).quantize(Decimal("0.01")) for _ in range(3)]
        rows = [{**self._row(dice, owner, invoice["id"]), "amount": part, "status": "completed"} for part in parts]

        async def work(connection: Connection) -> None:
            await insert(connection, "customer_invoices", invoice)

        await applications.transact(work)
        await asyncio.gather(*(self._put(applications, row) for row in rows))

    async def _pay_recurring(self, applications: Applications, dice: Random) -> None:
        """The host's own recurring invoice of a service that Zoho bills, and its payment."""
        seed, later = dice.random(), dice.choice([0, 0, 0, 45])
        invoice, row = self._invoice(dice, NOBODY), self._row(dice, None, None)

        async def work(connection: Connection) -> None:
            cursor = await connection.execute(
                "SELECT id, customer_id, monthly_price FROM public.customer_services WHERE activation_date = %s"
                " AND monthly_price > 0 ORDER BY id",
                [today()],
            )
            billed = await cursor.fetchall()
            if billed:
                service_id, customer_id, price = billed[int(seed * len(billed))]
                day = today() + timedelta(days=later)
                recurring = {
                    **invoice,
                    "customer_id": customer_id,
                    "service_id": service_id,
                    "invoice_type": "recurring",
                    "total_amount": price,
                    "amount_due": price,
                    "subtotal": price,
                    "tax_amount": 0,
                    "line_items": None,
                    "status": "paid",
                    "period_start": day,
                }
                paying = {**row, "customer_id": customer_id, "customer_invoice_id": invoice["id"], "amount": price}
                await insert(connection, "customer_invoices", recurring)
                await insert(connection, self.host_table, paying)

        await applications.transact(work)

    async def _pay_slowly(self, applications: Applications, dice: Random) -> None:
        """Invoice and payment in transactions of their own, one of which is long: the payment is there first."""
        owner = self.known.some(EntityType.CUSTOMER, dice)
        invoice, seconds = self._invoice(dice, owner), dice.uniform(1.0, 4.0)
        row = self._row(dice, owner, invoice["id"])

        async def work(connection: Connection) -> None:
            await insert(connection, "customer_invoices", invoice)
            await asyncio.sleep(seconds)

        await asyncio.gather(applications.transact(work), self._put(applications, row))

    async def _insert_twice(self, applications: Applications, dice: Random) -> None:
        """The provider's webhook comes twice, at once: one wins, or the second says the same again."""
        row = self._new(dice)
        again = {**row, "id": UUID(int=dice.getrandbits(128), version=4)}
        first = self._put(applications, row)
        if dice.random() < 0.5:
            await asyncio.gather(first, self._put(applications, again))
            return
        await first
        await applications.transact(partial(_tell_again, transaction_id=row["transaction_id"]))

    # Rows that change.

    async def _complete(self, applications: Applications, dice: Random) -> None:
        await self._complete_some(applications, dice, 1)

    async def _complete_twice(self, applications: Applications, dice: Random) -> None:
        await self._complete_some(applications, dice, 2)

    async def _complete_some(self, applications: Applications, dice: Random, times: int) -> None:
        seed, moment = dice.random(), datetime.now(UTC)

        async def work(connection: Connection) -> None:
            cursor = await connection.execute(
                "SELECT id FROM public.payment_transactions WHERE status IN ('pending', 'processing') ORDER BY id"
            )
            open_ = await cursor.fetchall()
            if open_:
                (victim,) = open_[int(seed * len(open_))]
                done = {"status": "completed", "completed_at": moment}
                for _ in range(times):
                    await update(connection, self.host_table, victim, done, ("pending", "processing", "completed"))

        await applications.transact(work)

    async def _refund(self, applications: Applications, dice: Random) -> None:
        await change(applications, self.host_table, self._some(dice), {"status": "refunded"}, ("completed",))

    async def _refund_at_once(self, applications: Applications, dice: Random) -> None:
        """Completed, refunded, and touched again while that is on its way."""
        row, pause = {**self._new(dice), "status": "completed"}, dice.choice([0.0, 0.3, 1.0])
        await self._put(applications, row)
        await asyncio.sleep(pause)
        await change(applications, self.host_table, row["id"], {"status": "refunded"}, ("completed",))
        await asyncio.sleep(pause)
        await change(applications, self.host_table, row["id"], {"reference": word(dice)})

    async def _take_refund_back(self, applications: Applications, dice: Random) -> None:
        """Nobody can: dead, where Zoho has refunded it by then."""
        await change(applications, self.host_table, self._some(dice), {"status": "completed"}, ("refunded",))

    async def _give_up(self, applications: Applications, dice: Random) -> None:
        status = dice.choice(["failed", "cancelled", "expired"])
        known = ("pending", "processing")
        await change(applications, self.host_table, self._some(dice), {"status": status}, known)

    async def _link(self, applications: Applications, dice: Random) -> None:
        """A payment that named no invoice gets one of the same customer."""
        invoice_id = self.known.some(EntityType.INVOICE, dice)
        self._linked_later.add(invoice_id)
        owner = self.known.owners.get(invoice_id, NOBODY)

        async def work(connection: Connection) -> None:
            await connection.execute(
                """
                UPDATE public.payment_transactions
                SET customer_invoice_id = %(invoice)s
                WHERE id = (
                    SELECT payment.id
                    FROM public.payment_transactions AS payment
                    WHERE payment.customer_id = %(owner)s
                        AND payment.customer_invoice_id IS NULL
                        AND payment.invoice_id IS NULL
                        AND payment.provider <> 'zoho_billing'
                    ORDER BY payment.id
                    LIMIT 1
                )
                """,
                {"invoice": invoice_id, "owner": owner},
            )

        await applications.transact(work)

    async def _edit(self, applications: Applications, dice: Random) -> None:
        moment = datetime.now(UTC) - timedelta(days=dice.randint(0, 40))
        values: list[Row] = [
            {"payment_method": dice.choice(list(MODES))},
            {"reference": word(dice)},
            {"completed_at": moment},
        ]
        await change(applications, self.host_table, self._some(dice), dice.choice(values))

    async def _spoil(self, applications: Applications, dice: Random) -> None:
        """Another currency."""
        await change(applications, self.host_table, self._some(dice), {"currency": "USD"})

    async def _mend(self, applications: Applications, dice: Random) -> None:
        seed = dice.random()

        async def work(connection: Connection) -> None:
            cursor = await connection.execute(
                "SELECT id FROM public.payment_transactions WHERE zoho_sync_status = 'failed' ORDER BY id"
            )
            failed = await cursor.fetchall()
            if failed:
                (victim,) = failed[int(seed * len(failed))]
                await update(connection, self.host_table, victim, {"currency": "ZAR"})

        await applications.transact(work)

    async def _hold_row(self, applications: Applications, dice: Random) -> None:
        victim, reference, seconds = self._some(dice), word(dice), dice.uniform(0.5, 4.0)

        async def work(connection: Connection) -> None:
            await update(connection, self.host_table, victim, {"reference": reference})
            await asyncio.sleep(seconds)

        await applications.transact(work)

    async def _delete(self, applications: Applications, dice: Random) -> None:
        victim = self._some(dice)

        async def work(connection: Connection) -> None:
            cursor = await connection.execute(
                "SELECT COALESCE(customer_invoice_id, invoice_id) FROM public.payment_transactions WHERE id = %s"
                " FOR UPDATE",
                [victim],
            )
            for (invoice_id,) in await cursor.fetchall():
                self.known.unsettled.add(invoice_id)
            await connection.execute("DELETE FROM public.payment_transactions WHERE id = %s", [victim])

        await applications.transact(work)

    # Requests by hand.

    async def _ask_again(self, applications: Applications, dice: Random) -> None:
        await ask_again(applications, self.host_table, [self._some(dice) for _ in range(dice.choice([1, 1, 5]))])

    async def _forget_record(self, applications: Applications, dice: Random) -> None:
        forgotten = {self.host_zoho_id: None, "reference": word(dice)}
        await change(applications, self.host_table, self._some(dice), forgotten)

    # The comparison.

    def rows_statement(self) -> LiteralString:
        """Every payment, with its customer, its invoice and that one's service."""
        return _ROWS

    def expected(self, rows: Sequence[Row], books: Books) -> list[Held]:
        """decisions.md, Payments."""
        records = {self.owner(record): record for record in books.collections[self.collection]}
        return [_held(row, records.get(str(row["id"]))) for row in rows]

    def amiss(self, rows: Sequence[Row], books: Books) -> Iterable[tuple[UUID | None, str]]:
        """Refunds in full and once; applied to what they pay, and to nothing else; an invoice is paid by what was paid
        on it."""
        refunds = books.of("refunds", "payment_id")
        for record in books.collections[self.collection]:
            amounts = [_decimal(refund["amount"]) for refund in refunds.get(record["payment_id"], [])]
            if amounts not in ([], [_decimal(record["amount"])]):
                yield UUID(self.owner(record) or str(NOBODY)), f"was refunded {amounts} of {record['amount']}"
        ours = {record["payment_id"]: self.owner(record) for record in books.collections[self.collection]}
        hosts = {str(row["id"]): row for row in rows}
        raised: dict[str, set[str]] = {}
        subscriptions = {each["subscription_id"]: each for each in books.collections["subscriptions"]}
        paid: dict[UUID, Decimal] = {}
        untold = set(self.known.unsettled)
        for record in books.collections[self.collection]:
            row = hosts.get(ours[record["payment_id"]] or "")
            if row is None or row["named_invoice_id"] is None:
                continue
            named = row["named_invoice_id"]
            paid[named] = paid.get(named, Decimal(0)) + _decimal(record["amount"])
            if named in self._linked_later and (row["status"], row["zoho_sync_status"]) != ("completed", "synced"):
                # What is refunded, or dead, is not linked any more.
                untold.add(named)
        for invoice in books.collections["invoices"]:
            service = custom_field(invoice, "External ID")
            if invoice["subscription_id"]:
                service = custom_field(subscriptions[invoice["subscription_id"]], "External ID")
                raised.setdefault(service, set()).add(invoice["invoice_id"])
            elif invoice["status"] not in ("draft", "void") and UUID(service) not in untold:
                yield from _paid_amiss(invoice, UUID(service), paid.get(UUID(service), Decimal(0)))
        by_host = {custom_field(each, "External ID"): each["invoice_id"] for each in books.collections["invoices"]}
        for record in books.collections[self.collection]:
            row = hosts.get(ours[record["payment_id"]] or "")
            if row is None:
                continue
            allowed = {by_host.get(str(row["named_invoice_id"]))} | raised.get(str(row["service_id"]), set())
            for applied in record["invoices"]:
                if applied["invoice_id"] not in allowed:
                    yield row["id"], f"is applied to invoice {applied['invoice_id']}, which it does not pay"

    def current(self, records: Sequence[Row]) -> Row | None:
        """The one."""
        return records[0] if len(records) == 1 else None

    def shown(self, record: Row, books: Books) -> Mapping[str, object]:
        """With its External ID."""
        amounts = {name: _decimal(record[name]) for name in ("amount", "amount_refunded")}
        return {**record, **amounts, "External ID": custom_field(record, "External ID")}

    def owner(self, record: Row) -> str | None:
        """Its External ID."""
        return custom_field(record, "External ID")

    # Dice.

    def _some(self, dice: Random) -> UUID:
        return self.known.some(EntityType.PAYMENT, dice)

    async def _put(self, applications: Applications, row: Row) -> None:
        async def work(connection: Connection) -> None:
            await insert(connection, self.host_table, row)

        await applications.transact(work)

    def _new(self, dice: Random) -> Row:
        invoice_id: UUID | None = self.known.some(EntityType.INVOICE, dice)
        if dice.random() < 0.2 or invoice_id == NOBODY:
            invoice_id = None
        owner = self.known.owners.get(invoice_id) if invoice_id is not None else None
        if owner is None:
            owner = self.known.some(EntityType.CUSTOMER, dice)
        if dice.random() < 0.03:
            # Whose invoice it pays, and who paid it: two people.
            owner = self.known.some(EntityType.CUSTOMER, dice)
        row = self._row(dice, dice.choice([owner, owner, None]), invoice_id)
        if invoice_id in self.known.totals and dice.random() < 0.6:
            row["amount"] = max(self.known.totals[invoice_id], Decimal(1))
        return row

    def _row(self, dice: Random, customer_id: UUID | None, invoice_id: UUID | None) -> Row:
        self._born += 1
        payment_id = UUID(int=dice.getrandbits(128), version=4)
        self.known.ids[EntityType.PAYMENT].append(payment_id)
        status = dice.choice(["completed", "completed", "completed", "pending", "processing", "refunded"])
        moment = datetime.now(UTC) - timedelta(hours=dice.randint(0, 60))
        provider = dice.choice([*["netcash", "payfast", "paygate"] * 9, "zoho_billing"])
        if provider == "zoho_billing" and invoice_id is not None:
            # Zoho has it, and the simulator has not.
            self.known.unsettled.add(invoice_id)
        transaction = f"NC-{self._born}-{dice.randrange(10**9)}"
        return {
            "id": payment_id,
            "transaction_id": f"PM-VAL-{transaction}" if dice.random() < 0.02 else transaction,
            "reference": word(dice),
            "provider": provider,
            "amount": Decimal(dice.randint(100, 200000)) / 100,
            "status": status,
            "payment_method": dice.choice(list(MODES)),
            "customer_id": customer_id,
            dice.choice(["customer_invoice_id", "customer_invoice_id", "invoice_id"]): invoice_id,
            "initiated_at": moment,
            "completed_at": dice.choice([moment, None]) if status in ("completed", "refunded") else None,
        }

    def _invoice(self, dice: Random, customer_id: UUID) -> Row:
        """One that is sent, for payments that come with it."""
        self._born += 1
        invoice_id = UUID(int=dice.getrandbits(128), version=4)
        amounts = money(dice)
        self.known.ids[EntityType.INVOICE].append(invoice_id)
        self.known.owners[invoice_id] = customer_id
        return {
            "id": invoice_id,
            "customer_id": customer_id,
            "invoice_number": f"CT-P{self._born:05d}-{dice.randrange(10**6):06d}",
            "invoice_date": today(),
            "due_date": today(),
            "status": "sent",
            "invoice_type": "installation",
            **amounts,
        }


def _paid_amiss(invoice: Row, invoice_id: UUID, brought: Decimal) -> Iterable[tuple[UUID | None, str]]:
    applied = sum((_decimal(row["amount"]) for row in invoice["payments"]), Decimal(0))
    if applied != min(_decimal(invoice["total"]), brought):
        yield None, f"invoice {invoice_id} of {invoice['total']} has {applied} on it, and {brought} was paid"


def _held(row: Row, record: Row | None) -> Held:
    payment_id: UUID = row["id"]
    if row["provider"] == "zoho_billing" or row["transaction_id"].startswith("PM-VAL-"):
        return Held.skipped(payment_id, 0)
    if row["account_type"] == "internal_test":
        return Held.skipped(payment_id, 0) if row["first_name"] == NEVER else Held.left(payment_id)
    if row["status"] not in ("completed", "refunded"):
        return Held.skipped(payment_id, 0)
    identity = {
        "amount": row["amount"],
        "reference_number": str(payment_id),
        "External ID": str(payment_id),
    }
    if row["status"] == "refunded":
        if record is None:
            return Held.skipped(payment_id, 0)
        return Held.sent(payment_id, {**identity, "amount_refunded": row["amount"]})
    if row["currency"] != "ZAR" or (_nobody_pays(row) and record is None):
        return Held.dead(payment_id)
    gone = row["named_invoice_id"] is not None and row["found_invoice_id"] is None and record is not None
    if gone or _nobody_pays(row):
        # A payment that was sent stays as it is when its invoice is deleted here.
        return Held.left(payment_id)
    awaited = list(_awaited(row))
    if _somebody_else_pays(row):
        # Whoever waits for the customer is not told that the invoice came, and is another's.
        return Held.left(payment_id) if awaited else Held.dead(payment_id)
    if awaited:
        # One that was sent before stays as it is until somebody touches it: its service was not to be in Zoho then.
        return Held.waiting(payment_id, awaited) if record is None else Held.left(payment_id)
    if record is not None and record["amount_refunded"]:
        return Held.dead(payment_id, 1)
    sent = {
        **identity,
        "amount_refunded": Decimal(0),
        "customer_id": row["customer_zoho_id"],
        "date": (row["completed_at"] or row["initiated_at"]).astimezone(ZONE).date().isoformat(),
        "payment_mode": MODES[row["payment_method"]],
        "description": f"Transaction {row['transaction_id']}, reference {row['reference']}",
    }
    return Held.sent(payment_id, sent)


def _nobody_pays(row: Row) -> bool:
    """Where the invoice is not there, it may still come, and with it the customer."""
    if row["named_customer_id"] is not None:
        return False
    return row["named_invoice_id"] is None or row["invoice_zoho_id"] is not None


def _somebody_else_pays(row: Row) -> bool:
    return row["invoice_customer_id"] is not None and row["invoice_customer_id"] != row["named_customer_id"]


def _awaited(row: Row) -> Iterable[UUID]:
    """What is not in Zoho and must be, before the payment."""
    if row["named_customer_id"] is not None and row["customer_zoho_id"] is None:
        yield row["named_customer_id"]
    if row["named_invoice_id"] is None or row["invoice_zoho_id"] is not None:
        return
    if row["found_invoice_id"] is None:
        yield row["named_invoice_id"]
    elif row["invoice_status"] in ENDED:
        return
    elif not is_recurring(row):
        yield row["named_invoice_id"]
    elif row["service_status"] in ("active", "suspended") and row["subscription_zoho_id"] is None:
        yield row["service_id"]


def _decimal(value: object) -> Decimal:
    return Decimal(str(value))


async def _tell_again(connection: Connection, *, transaction_id: str) -> None:
    await connection.execute(
        "UPDATE public.payment_transactions SET status = 'completed', completed_at = COALESCE(completed_at, now())"
        " WHERE transaction_id = %s AND status IN ('pending', 'processing', 'completed')",
        [transaction_id],
    )
