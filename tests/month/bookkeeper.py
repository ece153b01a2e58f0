"""A bookkeeper of our own: reads the host's rows every time the daemon has, and says what Zoho's books must hold.

She knows decisions.md and nothing of the mapping: what it computes from a row, she writes down as it happens. Money is
compared to the cent, days to the day.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from tests.month.calendar_days import ZONE, billing_day_after, billing_day_from
from tests.month.ledger import NOTHING, Account, Contract, Debt, Issued, Raised, Receipt, State
from tests.store.host import Host, Row

WITHIN = Decimal("0.05")
"""As near as a host's recurring invoice must come to the one that Zoho raised (decisions.md, Payments)."""

SINGLE = frozenset({"installation", "pro_rata", "equipment", "adjustment"})
"""Types that no subscription bills (host-schema.md, customer_invoices)."""

MODES = {
    "card": "creditcard",
    "credit card": "creditcard",
    "eft": "banktransfer",
    "instant_eft": "banktransfer",
    "debit_order": "bankremittance",
    "cash": "cash",
}


@dataclass(frozen=True)
class Rows:
    """The host's tables at one moment, by id."""

    customers: dict[UUID, Row]
    services: dict[UUID, Row]
    invoices: dict[UUID, Row]
    payments: dict[UUID, Row]
    plans: dict[UUID, str]
    """sku of each package that is published."""

    @classmethod
    def of(cls, host: Host) -> "Rows":
        """Reads them."""
        return cls(
            {row["id"]: row for row in host.rows("SELECT * FROM public.customers ORDER BY created_at, id")},
            {row["id"]: row for row in host.rows("SELECT * FROM public.customer_services ORDER BY created_at, id")},
            {row["id"]: row for row in host.rows("SELECT * FROM public.customer_invoices ORDER BY created_at, id")},
            {row["id"]: row for row in host.rows("SELECT * FROM public.payment_transactions ORDER BY created_at, id")},
            {
                row["id"]: row["sku"]
                for row in host.rows(
                    """
                    SELECT package.id, package.sku
                    FROM public.service_packages AS package
                    JOIN public.product_integrations AS integration ON integration.service_package_id = package.id
                    WHERE integration.sync_status = 'ok' AND package.sku <> ''
                    """
                )
            },
        )


@dataclass
class Bookkeeper:
    """Her books. ``zoho_bills``: ZOHO_RECURRING_BILLING is zoho."""

    zoho_bills: bool
    accounts: dict[UUID, Account] = field(default_factory=dict)
    contracts: dict[UUID, list[Contract]] = field(default_factory=dict)
    """By service, the oldest first."""
    issued: dict[UUID, Issued] = field(default_factory=dict)
    receipts: dict[UUID, Receipt] = field(default_factory=dict)
    refused: set[UUID] = field(default_factory=set)
    """Rows that must say 'failed'."""
    active: dict[UUID, set[date]] = field(default_factory=dict)
    """By service, the days on which somebody must pay for it."""
    today: date = date.min
    taken_over_on: date = date.min

    def reads(self, rows: Rows, today: date, *, taking_over: bool = False) -> None:
        """What the daemon has seen by now. ``taking_over``: by a backfill, which raises no invoice in Zoho."""
        self.today = today
        if taking_over:
            self.taken_over_on = today
        self.refused.clear()
        for contract in self._every_contract():
            contract.pass_time(today)
        for row in rows.customers.values():
            self._customer(row, rows)
        for row in rows.services.values():
            self._service(row, rows, taking_over)
        for row in rows.invoices.values():
            self._invoice(row, rows)
        for row in rows.payments.values():
            self._payment(row, rows)

    # What the records are.

    @property
    def debts(self) -> Iterator[Debt]:
        yield from self.issued.values()
        for contract in self._every_contract():
            yield from contract.raised

    def owes(self, customer: UUID) -> Decimal:
        """What a customer has still to pay."""
        return sum((debt.balance for debt in self.debts if debt.customer == customer), NOTHING)

    def has_paid_too_much(self, customer: UUID) -> Decimal:
        """What of a customer's payments stands on no invoice and was not paid back."""
        return sum((self.credit(key) for key, each in self.receipts.items() if each.customer == customer), NOTHING)

    def credit(self, payment: UUID) -> Decimal:
        """What of a payment stands on no invoice."""
        receipt = self.receipts[payment]
        return NOTHING if receipt.refunded else receipt.amount - sum(self.applied(payment).values(), NOTHING)

    def applied(self, payment: UUID) -> dict[int, Decimal]:
        """What of a payment stands on which invoice, by the identity of the debt."""
        return {id(debt): debt.applied[payment] for debt in self.debts if payment in debt.applied}

    def _every_contract(self) -> Iterator[Contract]:
        for contracts in self.contracts.values():
            yield from contracts

    # decisions.md, Customers.

    def _is_real(self, customer: UUID | None, rows: Rows) -> bool:
        return customer in rows.customers and rows.customers[customer]["account_type"] != "internal_test"

    def _customer(self, row: Row, rows: Rows) -> None:
        if not self._is_real(row["id"], rows):
            return
        installed = [
            service
            for service in rows.services.values()
            if service["customer_id"] == row["id"] and service["activation_date"] and service["installation_address"]
        ]
        newest = max(installed, key=lambda service: service["activation_date"], default=None)
        self.accounts[row["id"]] = Account(row, "" if newest is None else newest["installation_address"])

    # decisions.md, Subscriptions.

    def _service(self, row: Row, rows: Rows, taking_over: bool) -> None:
        if not self._is_real(row["customer_id"], rows):
            return
        if row["status"] in ("active", "suspended"):
            self.active.setdefault(row["id"], set()).add(self.today)
        if not self.zoho_bills or row["status"] == "pending":
            return
        contracts = self.contracts.get(row["id"], [])
        if row["status"] == "cancelled":
            for contract in contracts[-1:]:
                contract.cancel()
            return
        if row["package_id"] is None:
            self.refused.add(row["id"])
            return
        plan = rows.plans.get(row["package_id"])
        if plan is None:
            return
        if contracts and contracts[-1].state is not State.CANCELLED:
            contracts[-1].wish(plan, row["monthly_price"])
            return
        begins = self._begins(row, bills_today=not taking_over and not contracts)
        contract = Contract(
            row["id"], len(contracts) + 1, row["customer_id"], plan, row["monthly_price"], begins, self.today
        )
        contract.pass_time(self.today)
        self.contracts.setdefault(row["id"], []).append(contract)

    def _begins(self, row: Row, *, bills_today: bool) -> date:
        billed_until, billing_day = row["last_invoice_date"], row["billing_day"]
        day = (
            billing_day_from(row["activation_date"], billing_day)
            if billed_until is None
            else billing_day_after(billed_until, billing_day)
        )
        if day > self.today or (day == self.today and bills_today):
            return day
        return billing_day_after(self.today, billing_day)

    # decisions.md, Who bills and Invoices.

    def is_raised_by_zoho(self, invoice: Row) -> bool:
        """Whether a host's invoice is not sent because Zoho bills."""
        return self.zoho_bills and invoice["invoice_type"] not in SINGLE

    def _invoice(self, row: Row, rows: Rows) -> None:
        if not self._is_real(row["customer_id"], rows) or self.is_raised_by_zoho(row) or row["status"] == "draft":
            return
        known = self.issued.get(row["id"])
        if row["status"] in ("voided", "cancelled"):
            if known is not None:
                known.void, known.applied = True, {}
            return
        money = (row["customer_id"], row["total_amount"], json.dumps(row["line_items"]))
        if row["total_amount"] <= 0 or not _adds_up(row):
            self.refused.add(row["id"])
            return
        if known is not None and known.applied and known.money != money:
            self.refused.add(row["id"])
            return
        self.issued[row["id"]] = Issued(
            customer=row["customer_id"],
            day=row["invoice_date"],
            due=row["due_date"],
            total=row["total_amount"],
            tax=row["tax_amount"],
            applied={} if known is None else known.applied,
            number=row["invoice_number"].strip(),
            money=money,
            lines=max(len(row["line_items"] or ()), 1),
        )

    # decisions.md, Payments.

    def _payment(self, row: Row, rows: Rows) -> None:
        invoice = rows.invoices.get(row["customer_invoice_id"] or row["invoice_id"])
        customer = row["customer_id"] or (invoice or {}).get("customer_id")
        if row["provider"] == "zoho_billing" or row["transaction_id"].startswith("PM-VAL-"):
            return
        known = self.receipts.get(row["id"])
        if row["status"] == "refunded" and known is not None:
            known.refunded = True
        if row["status"] != "completed" or (customer is not None and not self._is_real(customer, rows)):
            return
        if customer is None or row["currency"] != "ZAR" or (invoice or row)["customer_id"] not in (None, customer):
            self.refused.add(row["id"])
            return
        if customer not in self.accounts:
            return
        debt, waits = self._paid_by(row, invoice, rows)
        if waits:
            return
        link = (row["amount"], None if invoice is None else invoice["id"])
        paid_at: datetime = row["completed_at"] or row["initiated_at"]
        if known is None or known.link != link:
            for each in self.debts:
                each.applied.pop(row["id"], None)
            if debt is not None and debt.balance > 0:
                debt.applied[row["id"]] = min(row["amount"], debt.balance)
        mode = MODES.get(row["payment_method"] or "", "others")
        self.receipts[row["id"]] = Receipt(customer, paid_at.astimezone(ZONE).date(), row["amount"], mode, link)

    def _paid_by(self, row: Row, invoice: Row | None, rows: Rows) -> tuple[Debt | None, bool]:
        """The debt that a payment is applied to, and whether it waits for one."""
        if invoice is None:
            return None, False
        if invoice["id"] in self.issued:
            debt = self.issued[invoice["id"]]
            return (None if debt.void else debt), False
        if invoice["status"] in ("voided", "cancelled"):
            return None, False
        if not self.is_raised_by_zoho(invoice):
            return None, True
        if invoice["service_id"] is None:
            return None, False
        contracts = self.contracts.get(invoice["service_id"])
        if contracts is None:
            # A subscription that will come is waited for.
            return None, rows.services[invoice["service_id"]]["status"] in ("active", "suspended")
        day = invoice["period_start"] or invoice["invoice_date"]
        raised = [debt for contract in contracts for debt in contract.raised if _is_for(debt, day, invoice)]
        owed = [debt for debt in raised if debt.balance > 0]
        return next(iter(reversed(owed or raised)), None), False


def _is_for(debt: Raised, day: date, invoice: Row) -> bool:
    holds_day = debt.day <= day < billing_day_after(debt.day, debt.day.day)
    off: Decimal = abs(debt.total - invoice["total_amount"])
    return holds_day and off <= WITHIN and debt.customer == invoice["customer_id"]


def _adds_up(row: Row) -> bool:
    """Whether the lines come to the total or to the subtotal, within five cents."""
    if not row["line_items"]:
        return True
    total = sum((_amount_of(line) for line in row["line_items"]), NOTHING)
    off: Decimal = min(abs(total - row["total_amount"]), abs(total - row["subtotal"]))
    return off <= WITHIN


def _amount_of(line: Row) -> Decimal:
    if "unit_price" in line:
        return Decimal(str(line["unit_price"])) * Decimal(str(line.get("quantity", 1)))
    return Decimal(str(line["amount"]))
