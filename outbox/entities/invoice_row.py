"""What is read for an invoice: its row, its customer, and payments of it that wait for a subscription."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

import psycopg
from psycopg import sql

from outbox.database import Row
from outbox.entities.billing import ENDED
from outbox.entities.host_columns import optional_columns
from outbox.entities.text import clean

# line_items as text: psycopg would make floats of the numbers in it.
READ = """
SELECT
    invoice.id,
    invoice.customer_id,
    invoice.invoice_number,
    invoice.invoice_date,
    invoice.due_date,
    invoice.subtotal,
    invoice.tax_amount,
    invoice.total_amount,
    invoice.status,
    invoice.line_items::text AS line_items,
    {optional},
    invoice.zoho_billing_invoice_id,
    customer.account_number,
    customer.account_type,
    customer.account_status,
    parent.usable_id AS customer_zoho_id,
    parent.phase AS customer_phase
FROM public.customer_invoices AS invoice
LEFT JOIN public.customers AS customer ON customer.id = invoice.customer_id
LEFT JOIN zoho_outbox_private.entity_state AS parent
    ON parent.entity_id = invoice.customer_id AND parent.entity_type = 'customer'
WHERE invoice.id = ANY (%(ids)s)
"""

# Payments of these invoices that wait for the subscription of their service; of those that were made void here, also
# the ones that are being looked at and may be about to. From the few states that are so, each payment by its key.
READ_WAITING = """
SELECT
    payment.id,
    payment.named_invoice_id
FROM (
    SELECT state.entity_id, state.phase
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.phase = 'waiting'
        AND state.waits_for_id = ANY (%(services)s)
        AND state.waits_for_type = 'subscription'
        AND state.entity_type = 'payment'
    UNION ALL
    SELECT state.entity_id, state.phase
    FROM zoho_outbox_private.entity_state AS state
    WHERE state.phase = 'leased' AND state.entity_type = 'payment'
) AS looking
CROSS JOIN LATERAL (
    SELECT
        named.id,
        COALESCE(named.customer_invoice_id, named.invoice_id) AS named_invoice_id
    FROM (
        SELECT
            host.id,
            host.invoice_id,
            {columns}
        FROM public.payment_transactions AS host
        WHERE host.id = looking.entity_id
    ) AS named
) AS payment
WHERE payment.named_invoice_id = ANY (%(ids)s)
    AND (looking.phase = 'waiting' OR payment.named_invoice_id = ANY (%(ended)s))
"""

OPTIONAL = {"invoice_type": "text", "vat_rate": "numeric", "notes": "text", "service_id": "uuid"}
OPTIONAL_OF_PAYMENTS = {"customer_invoice_id": "uuid"}
"""Columns that came after November 2025."""

CALLED = {
    "installation": "Installation Fee",
    "pro_rata": "Pro-Rata Service Fee",
    "equipment": "Equipment Charge",
    "adjustment": "Account Adjustment",
}
"""What a line is called where it has no text, by kind of invoice (decisions.md, Invoices)."""
CALLED_OTHERWISE = "Service Fee"


@dataclass(frozen=True)
class InvoiceRow:
    """A row of ``customer_invoices``, with what hangs on its customer."""

    id: UUID
    customer_id: UUID
    invoice_number: str
    invoice_date: date
    due_date: date
    subtotal: Decimal
    tax_amount: Decimal | None
    total_amount: Decimal
    status: str
    line_items: str | None
    """JSON text."""
    invoice_type: str | None
    vat_rate: Decimal | None
    notes: str | None
    zoho_billing_invoice_id: str | None
    account_number: str | None
    account_type: str | None
    customer_zoho_id: str | None
    customer_phase: str | None
    account_status: str | None = None
    service_id: UUID | None = None
    waiting_payments: tuple[UUID, ...] = ()
    """Payments of it that wait, or may be about to wait, for the subscription of its service."""

    @property
    def number(self) -> str:
        """As Zoho is told it."""
        return clean(self.invoice_number)

    @property
    def kind(self) -> str:
        """invoice_type as it is compared; '' where there is none."""
        return clean(self.invoice_type).casefold()

    @property
    def called(self) -> str:
        """What a line without a text is."""
        return CALLED.get(self.kind, CALLED_OTHERWISE)


async def read_invoices(connection: psycopg.AsyncConnection[Row], ids: Sequence[UUID]) -> dict[UUID, InvoiceRow]:
    """Two statements for all ``ids``: which columns there are, and the rows; two more where they are for services."""
    optional = await optional_columns(connection, "customer_invoices", "invoice", OPTIONAL)
    statement = sql.SQL(READ).format(optional=optional)
    rows = await (await connection.execute(statement, {"ids": list(ids)}, prepare=True)).fetchall()
    waiting: dict[UUID, list[UUID]] = defaultdict(list)
    if services := [row["service_id"] for row in rows if row["service_id"] is not None]:
        columns = await optional_columns(connection, "payment_transactions", "host", OPTIONAL_OF_PAYMENTS)
        ended = [row["id"] for row in rows if row["status"] in ENDED]
        parameters = {"ids": list(ids), "services": services, "ended": ended}
        found = await connection.execute(sql.SQL(READ_WAITING).format(columns=columns), parameters)
        for payment in await found.fetchall():
            waiting[payment["named_invoice_id"]].append(payment["id"])
    return {row["id"]: InvoiceRow(**row, waiting_payments=tuple(waiting[row["id"]])) for row in rows}
