"""What screens count as eligible is what the entities send."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from pydantic import SecretStr

from outbox.database import Database as Pool
from outbox.entities.catalogue import Plan, Tax
from outbox.entities.contract import AnyEntity, CannotMap, Terms
from outbox.entities.registry import ENTITIES
from outbox.host_tables import HOST_TABLES
from outbox.settings import OnSuspend, RecurringBilling
from outbox.store.readings import Readings, Unreadable
from outbox.vocabulary import EntityType
from tests.commands.conftest import Host
from tests.host.databases import Database
from tests.host.shapes import HostShape
from tests.migration.migrated import DAEMON
from tests.terms import TERMS

pytestmark = pytest.mark.anyio

KNOWN = replace(
    TERMS,
    taxes=(Tax("1", "VAT", Decimal(15)), Tax("2", "None", Decimal(0))),
    plans={"FIBRE-50": Plan("FIBRE-50", 1, "months", True)},
)

SERVICES = """
INSERT INTO public.customer_services
    (customer_id, package_name, service_type, monthly_price, status, zoho_subscription_id)
SELECT customer.id, 'Fibre', 'fibre', 799, status.word, zoho.id
FROM public.customers AS customer
CROSS JOIN unnest(ARRAY['pending', 'active', 'suspended', 'cancelled']) AS status (word)
CROSS JOIN unnest(ARRAY[NULL, ' ', '46']) AS zoho (id)
"""

INVOICES = """
INSERT INTO public.customer_invoices
    (customer_id, invoice_number, invoice_date, due_date, subtotal, tax_amount, total_amount, amount_due, status,
     zoho_billing_invoice_id)
SELECT customer.id, 'INV-' || gen_random_uuid(), '2026-01-05', '2026-01-12', 1000, 150, 1150, 1150, status.word, zoho.id
FROM public.customers AS customer
CROSS JOIN unnest(ARRAY['draft', 'sent', 'paid', 'partial', 'overdue', 'cancelled', 'voided']) AS status (word)
CROSS JOIN unnest(ARRAY[NULL, ' ', '46']) AS zoho (id)
"""

TYPES = (None, "recurring", " Pro_Rata\t", "equipment", "adjustment", "installation", "INSTALLATION", "refund", "")

TYPED_INVOICES = INVOICES.replace("zoho_billing_invoice_id)", "zoho_billing_invoice_id, invoice_type)").replace(
    "zoho.id\nFROM", "zoho.id, %(invoice_type)s\nFROM"
)

PAYMENTS = """
INSERT INTO public.payment_transactions
    (transaction_id, reference, provider, amount, status, customer_id, invoice_id, metadata, zoho_payment_id)
SELECT
    prefix.text || gen_random_uuid(), 'Ref', provider.word, 500, status.word, payer.customer_id, payer.invoice_id,
    metadata.said::jsonb, zoho.id
FROM (
    (SELECT customer.id AS customer_id, NULL::uuid AS invoice_id FROM public.customers AS customer)
    UNION ALL
    -- Whose it is says the invoice alone.
    (
        SELECT DISTINCT ON (invoice.customer_id) NULL::uuid, invoice.id
        FROM public.customer_invoices AS invoice
        ORDER BY invoice.customer_id, invoice.id
    )
    UNION ALL
    (SELECT gen_random_uuid(), gen_random_uuid())
    UNION ALL
    (SELECT NULL, NULL)
) AS payer
CROSS JOIN unnest(ARRAY['netcash', 'zoho_billing']) AS provider (word)
CROSS JOIN unnest(ARRAY['pending', 'completed', 'failed', 'refunded']) AS status (word)
CROSS JOIN unnest(ARRAY['NC-', 'PM-VAL-']) AS prefix (text)
CROSS JOIN unnest(ARRAY[NULL, '{"type": "subscription"}', '{"type": "payment_method_validation"}', '[]'])
    AS metadata (said)
CROSS JOIN unnest(ARRAY[NULL, '46']) AS zoho (id)
"""

NEWER_PAYMENTS = """
UPDATE public.payment_transactions
SET customer_invoice_id = invoice_id, invoice_id = gen_random_uuid()
WHERE invoice_id IS NOT NULL AND id < '80000000-0000-0000-0000-000000000000'
"""

PARENTS = """
INSERT INTO zoho_outbox_private.entity_state (entity_type, entity_id, phase, zoho_id)
SELECT 'customer', customer.id, 'idle', customer.id::text FROM public.customers AS customer
"""


@pytest.fixture
async def pool(migrated_database: Database) -> AsyncIterator[Pool]:
    opened = Pool(SecretStr(migrated_database.dsn(DAEMON)), application_name="test")
    yield opened
    await opened.close()


def is_to_be_there(entity: AnyEntity, row: Any, terms: Terms) -> bool:
    """Whether a row is sent; one that would be born ended is not."""
    if entity.ineligible(row, terms) is not None:
        return False
    if (entity.zoho_id(row) or "").strip():
        return True
    try:
        return entity.desired(row, terms).only_if_there is None
    except CannotMap:
        return True  # It dies of that, and is missed.


SHAPES = [HostShape(rows=True), HostShape(rows=True, columns="november_2025")]


@pytest.mark.parametrize("migrated_database", SHAPES, indirect=True, ids=["today", "november_2025"])
async def test_sql_and_the_entities_agree_on_who_is_eligible(pool: Pool, host: Host) -> None:
    columns = {row["column_name"] for row in host.rows("SELECT column_name FROM information_schema.columns")}
    host.rows(SERVICES)
    if "invoice_type" in columns:
        for invoice_type in TYPES:
            host.rows(TYPED_INVOICES, {"invoice_type": invoice_type})
    else:
        host.rows(INVOICES)
    host.rows(PAYMENTS)
    if "customer_invoice_id" in columns:
        host.rows(NEWER_PAYMENTS)
    host.rows(PARENTS)
    readings = Readings(pool)
    for entity_type, entity in ENTITIES.items():
        ids = [row["id"] for row in host.rows(f"SELECT id FROM public.{HOST_TABLES[entity_type].name}")]
        async with pool.connection() as connection:
            rows = await entity.read(connection, ids)
        assert len(rows) == len(ids)
        for billing, suspended in product(RecurringBilling, OnSuspend):
            terms = replace(KNOWN, recurring_billing=billing, on_suspend=suspended)
            sent = [row for row in rows.values() if is_to_be_there(entity, row, terms)]
            counted = await readings.eligible(entity_type, recurring_billing=billing, on_suspend=suspended)
            assert not isinstance(counted, Unreadable)
            assert counted == {
                "eligible": len(sent),
                "in_zoho": sum(bool((entity.zoho_id(row) or "").strip()) for row in sent),
            }, (entity_type, billing, suspended)


@pytest.mark.parametrize("entity_type", [kind for kind in EntityType if HOST_TABLES[kind].known_by is not None])
def test_what_people_know_a_row_by_is_read_and_shown_to_operators(entity_type: EntityType) -> None:
    table, capture = HOST_TABLES[entity_type], ENTITIES[entity_type].capture
    assert table.known_by in capture.shown_to_operators
    for column in filter(None, (table.known_by, table.also_known_by)):
        assert column in capture.reads[table.name]
