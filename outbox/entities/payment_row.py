"""A payment as the host holds it, with its customer, its invoice, and the service that the invoice is for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import psycopg
from psycopg import sql

from outbox.database import Row
from outbox.entities.host_columns import optional_columns
from outbox.entities.parents import Parent
from outbox.entities.records import ZERO
from outbox.entities.text import clean
from outbox.vocabulary import Awaited

# A payment has no foreign keys: customer and invoice may be missing, or come later. What other payments of the same
# invoice took is known from the rows, so that no request asks for the balance. They are summed for all invoices of
# the claim at once: a sum for each would read the table as often, where the host has no index on
# COALESCE(customer_invoice_id, invoice_id). 100 of 200,000 payments: 195 ms without that index, 12 ms with it.
READ = """
WITH every_payment AS NOT MATERIALIZED (
    SELECT
        numbered.*,
        COALESCE(numbered.customer_invoice_id, numbered.older_invoice_id) AS invoice_id
    FROM (
        SELECT
            payment.id,
            payment.transaction_id,
            payment.reference,
            payment.provider,
            payment.amount,
            payment.currency,
            payment.status,
            payment.payment_method,
            payment.metadata ->> 'type' AS metadata_type,
            payment.initiated_at,
            payment.completed_at,
            payment.zoho_payment_id,
            payment.customer_id AS payer_id,
            payment.invoice_id AS older_invoice_id,
            {payment_columns}
        FROM public.payment_transactions AS payment
    ) AS numbered
),
wanted AS MATERIALIZED (
    SELECT every_payment.*
    FROM every_payment
    WHERE every_payment.id = ANY (%(ids)s)
),
beside AS MATERIALIZED (
    -- All payments of the same invoices. Materialized, so that nothing is looked up for any other payment.
    SELECT
        every_payment.id,
        every_payment.invoice_id,
        every_payment.amount,
        every_payment.provider,
        every_payment.status
    FROM every_payment
    WHERE every_payment.invoice_id IN (SELECT wanted.invoice_id FROM wanted)
),
taken AS (
    -- What Zoho applied already: payments that we sent, and those that were made at Zoho itself.
    -- A refund is a credit note in Zoho; whether the invoice can be paid again after it, Zoho alone knows.
    SELECT
        beside.invoice_id,
        sum(beside.amount) AS amount,
        bool_or(beside.status = 'refunded') AS refunded
    FROM beside
    WHERE (beside.provider = 'zoho_billing' AND beside.status IN ('completed', 'refunded'))
        -- A scalar for each: as a join it is planned to read all states.
        OR (
            SELECT state.zoho_id
            FROM zoho_outbox_private.entity_state AS state
            WHERE state.entity_id = beside.id AND state.entity_type = 'payment'
        ) IS NOT NULL
    GROUP BY beside.invoice_id
)
SELECT
    wanted.id,
    wanted.transaction_id,
    wanted.reference,
    wanted.provider,
    wanted.amount,
    wanted.currency,
    wanted.status,
    wanted.payment_method,
    wanted.metadata_type,
    wanted.initiated_at,
    wanted.completed_at,
    wanted.zoho_payment_id,
    COALESCE(wanted.payer_id, invoice.customer_id) AS customer_id,
    customer.id IS NOT NULL AS customer_exists,
    customer.account_number,
    customer.account_type,
    customer.account_status,
    customer_state.usable_id AS customer_zoho_id,
    customer_state.phase AS customer_phase,
    wanted.invoice_id,
    invoice.customer_id AS invoice_customer_id,
    invoice.invoice_number,
    invoice.invoice_date,
    invoice.total_amount AS invoice_total,
    invoice.status AS invoice_status,
    {invoice_columns},
    invoice_state.usable_id AS invoice_zoho_id,
    invoice_state.phase AS invoice_phase,
    -- Its own amount is no other's, where it is in Zoho itself.
    GREATEST(
        COALESCE(taken.amount, 0) - CASE WHEN own_state.zoho_id IS NULL THEN 0 ELSE wanted.amount END, 0
    ) AS taken_by_others,
    COALESCE(taken.refunded, false) AS refunded_beside
FROM wanted
LEFT JOIN public.customer_invoices AS invoice ON invoice.id = wanted.invoice_id
LEFT JOIN public.customers AS customer ON customer.id = COALESCE(wanted.payer_id, invoice.customer_id)
LEFT JOIN taken ON taken.invoice_id = wanted.invoice_id
LEFT JOIN zoho_outbox_private.entity_state AS own_state
    ON own_state.entity_id = wanted.id AND own_state.entity_type = 'payment'
LEFT JOIN zoho_outbox_private.entity_state AS customer_state
    ON customer_state.entity_id = COALESCE(wanted.payer_id, invoice.customer_id)
    AND customer_state.entity_type = 'customer'
LEFT JOIN zoho_outbox_private.entity_state AS invoice_state
    ON invoice_state.entity_id = wanted.invoice_id AND invoice_state.entity_type = 'invoice'
"""

# Few invoices have a service that matters here (recurring ones, while Zoho bills): a statement of its own.
READ_SERVICES = """
SELECT
    service.id AS service_id,
    service.package_name,
    service.status AS service_status,
    package.sku AS plan_code,
    state.usable_id AS subscription_zoho_id,
    state.phase AS subscription_phase,
    -- A create under '<id>#2': the service had another subscription before.
    COALESCE(array_to_string(state.intent_keys, ' ') LIKE '%%#%%', false) AS begun_anew
FROM public.customer_services AS service
LEFT JOIN public.service_packages AS package ON package.id = service.package_id
LEFT JOIN zoho_outbox_private.entity_state AS state
    ON state.entity_id = service.id AND state.entity_type = 'subscription'
WHERE service.id = ANY (%(ids)s)
"""

NEWER_PAYMENT_COLUMNS = {"customer_invoice_id": "uuid"}
NEWER_INVOICE_COLUMNS = {"invoice_type": "varchar", "service_id": "uuid", "period_start": "date"}
"""Columns that the host of November 2025 lacks."""

READS = {
    "payment_transactions": (
        "transaction_id",
        "reference",
        "provider",
        "amount",
        "currency",
        "status",
        "payment_method",
        "metadata",
        "initiated_at",
        "completed_at",
        "customer_id",
        "invoice_id",
        *NEWER_PAYMENT_COLUMNS,
    ),
    "customers": ("account_number", "account_type", "account_status"),
    "customer_invoices": (
        "customer_id",
        "invoice_number",
        "invoice_date",
        "total_amount",
        "status",
        *NEWER_INVOICE_COLUMNS,
    ),
    "customer_services": ("status", "package_id", "package_name"),
    "service_packages": ("sku",),
}
"""Every host column that the statements above touch, by table."""


@dataclass(frozen=True)
class Service:
    """The service of an invoice, whose subscription raises the recurring ones in Zoho."""

    service_id: UUID
    package_name: str
    service_status: str
    plan_code: str | None
    subscription_zoho_id: str | None
    subscription_phase: str | None
    begun_anew: bool = False
    """It had another subscription before this one, which raised invoices of its own."""

    @property
    def subscription(self) -> Parent:
        """Its subscription, as something to wait for."""
        named = f"the subscription of service {clean(self.package_name) or self.service_id}"
        return Parent(Awaited.SUBSCRIPTION, self.service_id, named, self.subscription_zoho_id, self.subscription_phase)


@dataclass(frozen=True)
class PaymentRow:
    """A row of ``payment_transactions``. ``customer_id`` is its own or its invoice's; ``invoice_id`` the newer or the
    older column's. What an invoice says is None where the host has no such row."""

    id: UUID
    transaction_id: str
    reference: str
    provider: str
    amount: Decimal
    currency: str
    status: str
    payment_method: str | None
    metadata_type: str | None
    initiated_at: datetime
    completed_at: datetime | None
    zoho_payment_id: str | None
    customer_id: UUID | None
    customer_exists: bool
    account_number: str | None
    account_type: str | None
    customer_zoho_id: str | None
    customer_phase: str | None
    invoice_id: UUID | None
    invoice_customer_id: UUID | None
    invoice_number: str | None
    invoice_date: date | None
    invoice_total: Decimal | None
    invoice_status: str | None
    invoice_type: str | None
    service_id: UUID | None
    period_start: date | None
    invoice_zoho_id: str | None
    invoice_phase: str | None
    taken_by_others: Decimal = ZERO
    """What other payments of the invoice that are in Zoho took of it, or more."""
    refunded_beside: bool = False
    """One of those was refunded: what is left to pay is asked of Zoho."""
    service: Service | None = None
    account_status: str | None = None

    @property
    def customer(self) -> Parent | None:
        """Who paid."""
        if self.customer_id is None:
            return None
        return Parent(
            Awaited.CUSTOMER,
            self.customer_id,
            f"customer {clean(self.account_number) or self.customer_id}",
            self.customer_zoho_id,
            self.customer_phase,
            exists=self.customer_exists,
        )

    @property
    def invoice(self) -> Parent | None:
        """What was paid."""
        if self.invoice_id is None:
            return None
        return Parent(
            Awaited.INVOICE,
            self.invoice_id,
            f"invoice {clean(self.invoice_number) or self.invoice_id}",
            self.invoice_zoho_id,
            self.invoice_phase,
            exists=self.invoice_number is not None,
        )


async def read_payments(connection: psycopg.AsyncConnection[Row], ids: Sequence[UUID]) -> dict[UUID, PaymentRow]:
    """The present rows, in at most four statements however many."""
    statement = sql.SQL(READ).format(
        payment_columns=await optional_columns(connection, "payment_transactions", "payment", NEWER_PAYMENT_COLUMNS),
        invoice_columns=await optional_columns(connection, "customer_invoices", "invoice", NEWER_INVOICE_COLUMNS),
    )
    rows = await (await connection.execute(statement, {"ids": list(ids)}, prepare=True)).fetchall()
    wanted = {row["service_id"] for row in rows if row["service_id"] is not None}
    services: dict[UUID, Service] = {}
    if wanted:
        found = await (await connection.execute(READ_SERVICES, {"ids": list(wanted)})).fetchall()
        services = {row["service_id"]: Service(**row) for row in found}
    return {row["id"]: PaymentRow(**row, service=services.get(row["service_id"])) for row in rows}
