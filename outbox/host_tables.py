"""The host's tables, as far as the project touches them: one place for their names.

Facts from the host's schema (today's and that of November 2025). Columns that may be absent are looked up, never
assumed: see :mod:`outbox.migration.steps`.
"""

from dataclasses import dataclass

from outbox.vocabulary import EntityType


@dataclass(frozen=True)
class HostTable:
    """A table of ``public`` whose rows are sent, and what the sync adds to it."""

    entity_type: EntityType
    name: str
    zoho_id: str
    """★ column of the Zoho id. The other three have the same name on all tables."""
    known_by: str | None = None
    """Unique column by which people know a row; None: they have only its id. Its entity shows it to operators."""
    also_known_by: str | None = None
    """Another column that people may have in hand, and that need not be unique."""


@dataclass(frozen=True)
class Capture:
    """What an entity's payload is made from: declared in the entity's own file, installed by ``migrate``."""

    entity_type: EntityType
    mapped_columns: tuple[str, ...]
    """A change of one of these is captured. Those that the host does not have are left out."""
    shown_to_operators: tuple[str, ...]
    """Columns by which people know a row, or which make it eligible; nothing personal."""
    reads: dict[str, tuple[str, ...]]
    """Columns read, by table; SELECT is granted on these alone."""
    concerns_zoho: str = ""
    """SQL on ``{row}``: an update is captured only where this holds before or after it (a draft that is edited, a
    payment on its way through its provider, cost nothing). Empty: always. Inserts are always captured: that they were
    is what lets a first create go without a look-up."""


STATUS, SYNCED_AT, ERROR = "zoho_sync_status", "zoho_last_synced_at", "zoho_last_sync_error"
"""★ columns that every table has."""

HOST_TABLES: dict[EntityType, HostTable] = {
    table.entity_type: table
    for table in (
        HostTable(EntityType.CUSTOMER, "customers", "zoho_billing_customer_id", "account_number"),
        HostTable(EntityType.SUBSCRIPTION, "customer_services", "zoho_subscription_id"),
        HostTable(EntityType.INVOICE, "customer_invoices", "zoho_billing_invoice_id", "invoice_number"),
        HostTable(EntityType.PAYMENT, "payment_transactions", "zoho_payment_id", "transaction_id", "reference"),
    )
}

READ_TABLES = ("service_packages", "product_integrations")
"""Tables that payloads are made from, and that are never written."""
