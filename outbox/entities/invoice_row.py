"""What is read for an invoice: its row, its customer, and the Zoho ids of that customer's subscriptions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

import psycopg
from psycopg import sql

from outbox.database import Row
from outbox.entities.host_columns import optional_columns
from outbox.entities.text import clean

# line_items as text: psycopg would make floats of the numbers in it.
# Subscriptions: those that we know (entity_state), and those that an earlier integration noted in the host's column.
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
    parent.phase AS customer_phase,
    COALESCE(subscriptions.zoho_ids, '{{}}') AS subscription_ids
FROM public.customer_invoices AS invoice
LEFT JOIN public.customers AS customer ON customer.id = invoice.customer_id
LEFT JOIN zoho_outbox_private.entity_state AS parent
    ON parent.entity_id = invoice.customer_id AND parent.entity_type = 'customer'
LEFT JOIN (
    SELECT service.customer_id, array_agg(DISTINCT known.zoho_id) AS zoho_ids
    FROM public.customer_services AS service
    LEFT JOIN zoho_outbox_private.entity_state AS state
        ON state.entity_id = service.id AND state.entity_type = 'subscription'
    CROSS JOIN LATERAL (VALUES (state.zoho_id), (btrim(service.zoho_subscription_id))) AS known (zoho_id)
    WHERE known.zoho_id <> ''
        AND service.customer_id IN (
            SELECT wanted.customer_id FROM public.customer_invoices AS wanted WHERE wanted.id = ANY (%(ids)s)
        )
    GROUP BY service.customer_id
) AS subscriptions ON subscriptions.customer_id = invoice.customer_id
WHERE invoice.id = ANY (%(ids)s)
"""

OPTIONAL = {"invoice_type": "text", "vat_rate": "numeric", "notes": "text"}
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
    subscription_ids: Sequence[str]
    """In Zoho, of this customer."""
    account_status: str | None = None

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
    """Two statements for all ``ids``: which columns there are, and the rows."""
    optional = await optional_columns(connection, "customer_invoices", "invoice", OPTIONAL)
    statement = sql.SQL(READ).format(optional=optional)
    rows = await (await connection.execute(statement, {"ids": list(ids)})).fetchall()
    return {row["id"]: InvoiceRow(**row) for row in rows}
