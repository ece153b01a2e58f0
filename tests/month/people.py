"""The company: who does what in the host's tables, as its applications write them.

Naledi sells, Petrus installs, Rina keeps the accounts, Sibusiso answers the telephone; Netcash reports payments, and a
job bills at five in the morning. Nobody here knows anything of Zoho.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from tests.month.calendar_days import DAY, ZONE, billing_day_after, billing_day_from, last_of_month_from
from tests.store.host import Host, Row

CENT = Decimal("0.01")
STANDARD_RATE = Decimal("15.00")


def cents(amount: Decimal) -> Decimal:
    """Rounded to a cent, half away from zero, as the host rounds."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def line(text: str, price: str | Decimal, quantity: int | str = 1, *, old: bool = False) -> Row:
    """A line as the host writes it; ``old``: as it wrote them in 2025, without quantity and unit_price."""
    amount = cents(Decimal(price) * Decimal(quantity))
    if old:
        return {"description": text, "amount": str(amount)}
    return {
        "description": text,
        "quantity": quantity if isinstance(quantity, int) else float(quantity),
        "unit_price": str(price),
        "amount": str(amount),
    }


@dataclass
class Office:
    """The tables, the time, and what people call the rows in them."""

    host: Host
    now: datetime
    rows: dict[str, UUID] = field(default_factory=dict)
    """By name of customer, service or package, invoice number, transaction id: none of them is used twice."""
    tables: dict[str, str] = field(default_factory=dict)
    """By name, too."""

    @property
    def today(self) -> date:
        return self.now.astimezone(ZONE).date()

    def add(self, name: str, table: str, /, **columns: Any) -> UUID:
        if name in self.rows:
            raise ValueError(f"{name} is there already")
        stamps = {} if table == "service_packages" else {"created_at": self.now}
        values = {"id": uuid4(), **stamps, **columns}
        self.host.execute(
            sql.SQL("INSERT INTO public.{} ({}) VALUES ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(sql.Placeholder() * len(values)),
            ),
            list(values.values()),
        )
        self.rows[name], self.tables[name] = values["id"], table
        return self.rows[name]

    def change(self, name: str, /, **columns: Any) -> None:
        self.host.execute(
            sql.SQL("UPDATE public.{} SET {} WHERE id = %s").format(
                sql.Identifier(self.tables[name]),
                sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(column)) for column in columns),
            ),
            [*columns.values(), self.rows[name]],
        )

    def row(self, name: str) -> Row:
        (row,) = self.host.rows(
            sql.SQL("SELECT * FROM public.{} WHERE id = %s").format(sql.Identifier(self.tables[name])),
            [self.rows[name]],
        )
        return row

    def of(self, table: str) -> dict[str, Row]:
        """Every row of a table, by name."""
        return {name: self.row(name) for name, kept_in in self.tables.items() if kept_in == table}

    def name_of(self, row: UUID | None) -> str | None:
        """What people call a row."""
        return next((name for name, known in self.rows.items() if known == row), None)


@dataclass
class Products:
    """The catalogue."""

    office: Office

    def package(self, name: str, sku: str, price: str, *, published: bool = True) -> None:
        """A package of the catalogue."""
        self.office.add(
            name,
            "service_packages",
            name=name,
            service_type="fibre",
            speed_down=50,
            speed_up=50,
            price=Decimal(price),
            sku=sku,
        )
        self._publish(name, "ok" if published else "pending")

    def publishes(self, name: str) -> None:
        """What publishing a product to Zoho writes."""
        self._publish(name, "ok")

    def _publish(self, name: str, status: str) -> None:
        self.office.host.execute(
            """
            INSERT INTO public.product_integrations AS known (service_package_id, sync_status)
            VALUES (%s, %s)
            ON CONFLICT (service_package_id) DO UPDATE SET sync_status = EXCLUDED.sync_status
            """,
            [self.office.rows[name], status],
        )


@dataclass
class Sales:
    """Naledi."""

    office: Office

    def signs_up(self, name: str, first_name: str, last_name: str, **columns: Any) -> None:
        """A customer; their number is the next one."""
        number = 1 + sum(table == "customers" for table in self.office.tables.values())
        values = {
            "first_name": first_name,
            "last_name": last_name,
            "email": f"{name}@example.com",
            "phone": f"+27 21 555 {number:04}",
            "account_number": f"CT-2028-{number:05}",
        }
        self.office.add(name, "customers", **values | columns)

    def sells(
        self,
        service: str,
        customer: str,
        package: str | None,
        address: str,
        *,
        price: str | None = None,
        **columns: Any,
    ) -> None:
        """A service that is to be installed; without a package: one that came in by an order form."""
        sold = None if package is None else self.office.row(package)
        values = {
            "customer_id": self.office.rows[customer],
            "package_id": None if sold is None else sold["id"],
            "package_name": "Ordered by form" if sold is None else sold["name"],
            "service_type": "fibre",
            "monthly_price": Decimal(price) if price is not None else (sold or {})["price"],
            "status": "pending",
            "installation_address": address,
        }
        self.office.add(service, "customer_services", **values | columns)

    def moves(self, service: str, package: str, *, price: str | None = None) -> None:
        """Up or down to another package."""
        sold = self.office.row(package)
        self.office.change(
            service,
            package_id=sold["id"],
            package_name=sold["name"],
            monthly_price=sold["price"] if price is None else Decimal(price),
        )

    def agrees_on_price(self, service: str, price: str) -> None:
        """A price of their own."""
        self.office.change(service, monthly_price=Decimal(price))


@dataclass
class Technician:
    """Petrus."""

    office: Office

    def activates(self, service: str, billing_day: int) -> None:
        """It works from today on."""
        today = self.office.today
        self.office.change(service, status="active", activation_date=today, billing_day=billing_day)


@dataclass
class Support:
    """Sibusiso."""

    office: Office

    def suspends(self, service: str) -> None:
        self.office.change(service, status="suspended")

    def resumes(self, service: str) -> None:
        self.office.change(service, status="active")

    def cancels(self, service: str) -> None:
        self.office.change(service, status="cancelled", active=False, cancelled_at=self.office.now)

    def takes_back(self, service: str) -> None:
        """Cancelled and active again."""
        self.office.change(service, status="active", active=True, cancelled_at=None)

    def closes_account(self, customer: str) -> None:
        self.office.change(customer, account_status="cancelled")

    def corrects_customer(self, customer: str, **columns: Any) -> None:
        self.office.change(customer, **columns)

    def moves_house(self, service: str, address: str) -> None:
        self.office.change(service, installation_address=address)

    def asks_again(self, name: str) -> None:
        """An operator's UPDATE."""
        self.office.change(name, zoho_sync_status="pending")


@dataclass
class Accounts:
    """Rina."""

    office: Office

    def issues(
        self,
        number: str,
        customer: str,
        lines: Sequence[Row] | None,
        *,
        kind: str | None = "installation",
        rate: Decimal = STANDARD_RATE,
        exclusive: bool = False,
        due_in: int = 7,
        **columns: Any,
    ) -> None:
        """An invoice. ``lines`` hold the tax unless ``exclusive``; None: the row says its total and no lines."""
        given = columns.pop("total_amount", None)
        amounts = sum((Decimal(each["amount"]) for each in lines or ()), Decimal(0)) if given is None else given
        if exclusive:
            subtotal, total = amounts, cents(amounts * (1 + rate / 100))
        else:
            total, subtotal = amounts, cents(amounts / (1 + rate / 100))
        today = columns.pop("invoice_date", self.office.today)
        values = {
            "customer_id": self.office.rows[customer],
            "invoice_number": number,
            "invoice_date": today,
            "due_date": today + timedelta(days=due_in),
            "subtotal": subtotal,
            "tax_amount": total - subtotal,
            "total_amount": total,
            "amount_due": total,
            "status": "sent",
            "invoice_type": kind,
            "vat_rate": rate,
            "line_items": None if lines is None else json.dumps(lines),
        }
        self.office.add(number.strip(), "customer_invoices", **values | columns)

    def bills_first_days(self, number: str, service: str) -> None:
        """Pro rata, from today to the first billing day: as many days as the month has that they fall in."""
        row, today = self.office.row(service), self.office.today
        first = billing_day_from(today, row["billing_day"])
        if first == today:
            return
        month = first - billing_day_before(first)
        share = cents(row["monthly_price"] * (first - today).days / month.days)
        self.issues(
            number,
            self.office.name_of(row["customer_id"]) or "",
            [line(f"{row['package_name']}, {today} to {first - DAY}", share)],
            kind="pro_rata",
            service_id=row["id"],
            period_start=today,
            period_end=first - DAY,
        )

    def corrects(self, number: str, lines: Sequence[Row], **columns: Any) -> None:
        """Other lines, and what they come to."""
        total = sum((Decimal(each["amount"]) for each in lines), Decimal(0))
        subtotal = cents(total / (1 + STANDARD_RATE / 100))
        values = {
            "line_items": json.dumps(lines),
            "total_amount": total,
            "subtotal": subtotal,
            "tax_amount": total - subtotal,
            "amount_due": total - self.office.row(number)["amount_paid"],
        }
        self.office.change(number, **values | columns)

    def changes(self, number: str, **columns: Any) -> None:
        """Anything of an invoice."""
        self.office.change(number, **columns)

    def releases(self, number: str) -> None:
        """A draft is sent to the customer."""
        self.office.change(number, status="sent")

    def deletes(self, number: str) -> None:
        """The row is gone."""
        self.office.host.execute("DELETE FROM public.customer_invoices WHERE id = %s", [self.office.rows[number]])

    def voids(self, number: str, reason: str) -> None:
        self.office.change(number, status="voided", voided_at=self.office.now, void_reason=reason)


@dataclass
class Netcash:
    """The payment provider's reports, and the card terminal."""

    office: Office

    def reports(
        self,
        transaction: str,
        customer: str | None,
        amount: str,
        invoice: str | None = None,
        *,
        by: str = "eft",
        older: bool = False,
        **columns: Any,
    ) -> None:
        """A payment that is through. ``older``: the column that invoices were linked by in 2025."""
        values = {
            "transaction_id": transaction,
            "reference": f"{customer or 'unknown'} {self.office.today:%B}",
            "provider": "netcash",
            "amount": Decimal(amount),
            "status": "completed",
            "payment_method": by,
            "initiated_at": self.office.now - timedelta(minutes=3),
            "completed_at": self.office.now,
            "customer_id": None if customer is None else self.office.rows[customer],
            "invoice_id" if older else "customer_invoice_id": None if invoice is None else self.office.rows[invoice],
        }
        self.office.add(transaction, "payment_transactions", **values | columns)
        self.settles(invoice)

    def reports_again(self, transaction: str) -> None:
        """The provider's webhook comes twice."""
        self.office.host.execute(
            """
            INSERT INTO public.payment_transactions (transaction_id, reference, provider, amount, status)
            SELECT transaction_id, reference, provider, amount, status
            FROM public.payment_transactions
            WHERE transaction_id = %(transaction)s
            ON CONFLICT (transaction_id) DO UPDATE SET status = EXCLUDED.status
            """,
            {"transaction": transaction},
        )

    def completes(self, transaction: str) -> None:
        """What was under way is through."""
        self.office.change(transaction, status="completed", completed_at=self.office.now)
        paid = self.office.row(transaction)["customer_invoice_id"]
        self.settles(self.office.name_of(paid))

    def corrects(self, transaction: str, **columns: Any) -> None:
        """Another amount, customer or invoice than was reported."""
        self.office.change(transaction, **columns)

    def refunds(self, transaction: str) -> None:
        self.office.change(transaction, status="refunded")

    def collects(self, services: Sequence[str], month: date) -> None:
        """Debit orders over the recurring invoices of a month."""
        for service in services:
            number = recurring_number(service, month)
            invoice = self.office.row(number)
            self.reports(f"DO-{number}", None, str(invoice["total_amount"]), number, by="debit_order")

    def settles(self, invoice: str | None) -> None:
        """What the host's application writes on an invoice that is paid."""
        if invoice is None:
            return
        self.office.host.execute(
            """
            UPDATE public.customer_invoices AS invoice
            SET amount_paid = paid.amount,
                amount_due = invoice.total_amount - paid.amount,
                status = CASE
                    WHEN invoice.status IN ('draft', 'voided', 'cancelled') THEN invoice.status
                    WHEN paid.amount >= invoice.total_amount THEN 'paid'
                    ELSE 'partial'
                END,
                paid_at = %(now)s
            FROM (
                SELECT COALESCE(sum(payment.amount), 0) AS amount
                FROM public.payment_transactions AS payment
                WHERE COALESCE(payment.customer_invoice_id, payment.invoice_id) = %(invoice)s
                    AND payment.status = 'completed'
            ) AS paid
            WHERE invoice.id = %(invoice)s AND paid.amount > 0
            """,
            {"invoice": self.office.rows[invoice], "now": self.office.now},
        )


@dataclass
class NightlyJob:
    """Recurring invoices at five in the morning, whoever bills the customers in the end; overdue ones are marked."""

    office: Office

    def runs(self) -> None:
        """Bills every month that has begun and that it has not billed yet."""
        for name, service in self.office.of("customer_services").items():
            self._bill(name, service)
        self.office.host.execute(
            "UPDATE public.customer_invoices SET status = 'overdue' WHERE status = 'sent' AND due_date < %(today)s",
            {"today": self.office.today},
        )

    def _bill(self, name: str, service: Row) -> None:
        if service["status"] not in ("active", "suspended") or service["billing_day"] is None:
            return
        last, begun = service["last_invoice_date"], service["activation_date"]
        day = (
            billing_day_after(last, service["billing_day"]) if last else billing_day_from(begun, service["billing_day"])
        )
        customer = self.office.name_of(service["customer_id"]) or ""
        while day <= self.office.today:
            Accounts(self.office).issues(
                recurring_number(name, day),
                customer,
                [line(f"{service['package_name']} {day:%B}", service["monthly_price"])],
                kind="recurring",
                service_id=service["id"],
                invoice_date=day,
                period_start=day,
                period_end=last_of_month_from(day),
            )
            self.office.change(name, last_invoice_date=day)
            day = billing_day_after(day, service["billing_day"])


def recurring_number(service: str, day: date) -> str:
    """R-ANNA-0301."""
    return f"R-{service.upper()}-{day:%m%d}"


def billing_day_before(day: date) -> date:
    """The same day of the month before."""
    before = day - DAY
    while before.day != day.day:
        before -= DAY
    return before


@dataclass(frozen=True)
class People:
    """Everybody, at one office."""

    office: Office
    products: Products
    naledi: Sales
    petrus: Technician
    rina: Accounts
    sibusiso: Support
    netcash: Netcash
    job: NightlyJob

    @classmethod
    def of(cls, office: Office) -> "People":
        """Staffs it."""
        return cls(
            office,
            Products(office),
            Sales(office),
            Technician(office),
            Accounts(office),
            Support(office),
            Netcash(office),
            NightlyJob(office),
        )
