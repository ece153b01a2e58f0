"""The host's application as it bills: packages, services, invoices, payments. And Zoho's books, as tests read them."""

import json
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from outbox.clock import SystemClock
from outbox.simulator import RunningSimulator
from outbox.simulator.books import Record
from outbox.vocabulary import EntityType
from tests.store.host import Host, Row

TYPES = {
    "customers": EntityType.CUSTOMER,
    "customer_services": EntityType.SUBSCRIPTION,
    "customer_invoices": EntityType.INVOICE,
    "payment_transactions": EntityType.PAYMENT,
}
ZOHO_IDS = {
    "customers": "zoho_billing_customer_id",
    "customer_services": "zoho_subscription_id",
    "customer_invoices": "zoho_billing_invoice_id",
    "payment_transactions": "zoho_payment_id",
}

PLAN = "FIBRE-50"
FAR = date(2099, 1, 1)
"""Billed by the host up to here: what follows begins in the future, whenever a test runs."""
STANDARD_RATE = "4600000000000015"
"""The simulator's tax of 15 %."""


class Billing:
    """Rows of the tables beside ``customers``; knows to which table each of its rows belongs."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._tables: dict[UUID, str] = {}
        self._numbers = 0

    def package(self, *, sku: str | None = PLAN, publishing: str | None = "ok", error: str | None = None) -> UUID:
        """A package; ``publishing`` None: nobody tried to publish it."""
        package = self.add(
            "service_packages",
            name="Fibre 50/50",
            service_type="fibre",
            speed_down=50,
            speed_up=50,
            price=Decimal("899.00"),
            sku=sku,
        )
        if publishing is not None:
            self.publish(package, publishing, error)
        return package

    def publish(self, package: UUID, status: str = "ok", error: str | None = None) -> None:
        """What publishing a product to Zoho writes."""
        self._host.execute(
            """
            INSERT INTO public.product_integrations AS known (service_package_id, sync_status, last_sync_error)
            VALUES (%s, %s, %s)
            ON CONFLICT (service_package_id)
            DO UPDATE SET sync_status = EXCLUDED.sync_status, last_sync_error = EXCLUDED.last_sync_error
            """,
            [package, status, error],
        )

    def service(self, customer: UUID, package: UUID | None, **columns: Any) -> UUID:
        """An active service of R 799.00 a month that the host has billed up to :data:`FAR`, without an address."""
        values = {
            "package_name": "Fibre 50/50",
            "service_type": "fibre",
            "monthly_price": Decimal("799.00"),
            "status": "active",
            "billing_day": 15,
            "last_invoice_date": FAR,
            "customer_id": customer,
            "package_id": package,
        }
        return self.add("customer_services", **values | columns)

    def invoice(self, customer: UUID, total: str = "1150.00", **columns: Any) -> UUID:
        """An installation invoice that was issued, of one line whose price holds 15 % tax."""
        self._numbers += 1
        amount = Decimal(total)
        tax = (amount * 15 / 115).quantize(Decimal("0.01"))
        values = {
            "invoice_number": f"CT-INV-{self._numbers:05}",
            "invoice_date": date(2026, 3, 2),
            "due_date": date(2026, 3, 9),
            "subtotal": amount - tax,
            "tax_amount": tax,
            "total_amount": amount,
            "amount_due": amount,
            "status": "sent",
            "invoice_type": "installation",
            "line_items": lines(("Installation", 1, total)),
            "customer_id": customer,
        }
        return self.add("customer_invoices", **values | columns)

    def payment(
        self, customer: UUID | None, invoice: UUID | None = None, amount: str = "1150.00", **columns: Any
    ) -> UUID:
        """A completed payment by EFT."""
        self._numbers += 1
        values = {
            "transaction_id": f"NC-{self._numbers:05}",
            "reference": f"Order {self._numbers}",
            "provider": "netcash",
            "amount": Decimal(amount),
            "status": "completed",
            "payment_method": "eft",
            "initiated_at": datetime(2026, 3, 4, 21, 50, tzinfo=UTC),
            "completed_at": datetime(2026, 3, 4, 22, 5, tzinfo=UTC),
            "customer_id": customer,
            "customer_invoice_id": invoice,
        }
        return self.add("payment_transactions", **values | columns)

    def add(self, table: str, **columns: Any) -> UUID:
        """Inserts a row."""
        values = {"id": uuid4()} | columns
        self._host.execute(
            sql.SQL("INSERT INTO public.{} ({}) VALUES ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(sql.Placeholder() * len(values)),
            ),
            list(values.values()),
        )
        row: UUID = values["id"]
        self._tables[row] = table
        return row

    def change(self, row: UUID, **columns: Any) -> None:
        """UPDATE of those columns."""
        self._host.execute(
            sql.SQL("UPDATE public.{} SET {} WHERE id = %s").format(
                sql.Identifier(self.table(row)),
                sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns),
            ),
            [*columns.values(), row],
        )

    def table(self, row: UUID) -> str:
        """Of rows that were not made here: customers."""
        return self._tables.get(row, "customers")

    def entity_type(self, row: UUID) -> EntityType:
        """As which it travels."""
        return TYPES[self.table(row)]

    def row(self, row: UUID) -> Row:
        """The host row."""
        (found,) = self._host.rows(
            sql.SQL("SELECT * FROM public.{} WHERE id = %s").format(sql.Identifier(self.table(row))), [row]
        )
        return found

    def shown(self, row: UUID) -> tuple[str | None, str | None]:
        """Status and error of the host row."""
        # Not the whole row: it may hold what Python cannot.
        (found,) = self._host.rows(
            sql.SQL("SELECT zoho_sync_status, zoho_last_sync_error FROM public.{} WHERE id = %s").format(
                sql.Identifier(self.table(row))
            ),
            [row],
        )
        return found["zoho_sync_status"], found["zoho_last_sync_error"]

    def error(self, row: UUID) -> str:
        """What the host row says is wrong."""
        return str(self.shown(row)[1])

    def zoho_id(self, row: UUID) -> str | None:
        """What stands in the Zoho id column."""
        found: str | None = self.row(row)[ZOHO_IDS[self.table(row)]]
        return found

    def set_zoho_id(self, row: UUID, zoho_id: str | None) -> None:
        """By hand."""
        self.change(row, **{ZOHO_IDS[self.table(row)]: zoho_id})

    def from_before(self, *rows: UUID) -> None:
        """As if the rows had been there before the installation: no entry, no state row."""
        self._host.interfere("ALTER TABLE public.zoho_outbox DISABLE TRIGGER USER")
        self._host.interfere("DELETE FROM public.zoho_outbox WHERE entity_id = ANY (%s)", [list(rows)])
        self._host.interfere("ALTER TABLE public.zoho_outbox ENABLE TRIGGER USER")

    def replay(self, row: UUID) -> None:
        """An operator replays its last entry."""
        self._host.replay(self._host.entries(row)[-1]["id"])


def lines(*of: tuple[str, int, str]) -> str:
    """``line_items`` of text, quantity and unit price."""
    return json.dumps(
        [
            {"description": text, "quantity": quantity, "unit_price": price, "amount": str(quantity * Decimal(price))}
            for text, quantity, price in of
        ]
    )


class ZohosClock(SystemClock):
    """The day of the simulator, for a sender that lives in the same days as it."""

    def __init__(self, zoho: RunningSimulator) -> None:
        super().__init__()
        self._zoho = zoho

    def now(self, zone: tzinfo) -> datetime:
        return datetime.fromtimestamp(self._zoho.clock.now(), zone)


def until(zoho: RunningSimulator, day: date) -> None:
    """The simulator's time passes to noon of ``day``."""
    noon = datetime.combine(day, datetime.min.time(), zoho.simulator.books.zone) + timedelta(hours=12)
    zoho.clock.advance(noon.timestamp() - zoho.clock.now())
    zoho.simulator.bring_up_to_date()


def held(zoho: RunningSimulator, collection: str) -> list[Record]:
    """All that Zoho's books hold of a collection, oldest first, as of now."""
    records: list[Record] = zoho.simulator.holdings()[collection]
    return records


def only(zoho: RunningSimulator, collection: str) -> Record:
    """The only record of a collection."""
    (record,) = held(zoho, collection)
    return record


def record_of(zoho: RunningSimulator, collection: str, row: UUID) -> Record:
    """The record whose External ID is that row's."""
    (record,) = (record for record in held(zoho, collection) if external_id(record) == str(row))
    return record


def external_id(record: Record) -> str | None:
    """What stands in the custom field."""
    return {field["label"]: field["value"] for field in record["custom_fields"]}.get("External ID")


def routes(zoho: RunningSimulator) -> list[str]:
    """Every API request since :func:`forget_requests`, ids left out: ``POST /invoices/*/converttoopen``."""
    return [
        f"{line.method} {re.sub(r'/[0-9]{10,}', '/*', line.path.removeprefix('/billing/v1'))}"
        for line in zoho.simulator.journal
        if not line.path.startswith("/oauth")
    ]


def forget_requests(zoho: RunningSimulator) -> None:
    """What follows is counted alone."""
    zoho.simulator.journal.clear()
