"""The statement that reads invoices, as the daemon may run it, on the host of today and that of November 2025."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from outbox.entities.customer import Customer
from outbox.entities.invoice import Invoice
from outbox.entities.invoice_row import InvoiceRow
from outbox.migration.runner import migrate
from tests.host.databases import MIGRATOR, Database, Databases, DatabaseTemplate
from tests.host.shapes import HostShape
from tests.migration.migrated import DAEMON, migrated_template

pytestmark = pytest.mark.anyio

PAID, SENT, VOIDED, DRAFT = (UUID(f"00000000-0000-4000-8000-0000000d000{number}") for number in (1, 2, 3, 4))
ANNA, BEN = (UUID(f"00000000-0000-4000-8000-0000000c000{number}") for number in (1, 2))


def _with_invoices(columns: str) -> DatabaseTemplate:
    shape = HostShape(columns="today" if columns == "today" else "november_2025", rows=True)

    def build(database: Database) -> None:
        with psycopg.connect(database.dsn(MIGRATOR), autocommit=True) as connection:
            migrate(connection, (Customer.capture, Invoice.capture), lambda _: None)

    return DatabaseTemplate(f"invoices_{columns}", build, base=migrated_template(shape))


@pytest.fixture
def database(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Database]:
    with databases.fresh(_with_invoices(request.param)) as database:
        yield database


async def read(database: Database, *ids: UUID) -> dict[UUID, InvoiceRow]:
    async with await psycopg.AsyncConnection.connect(
        database.dsn(DAEMON), row_factory=dict_row, autocommit=True
    ) as connection:
        return await Invoice().read(connection, ids)


def known_in_zoho(database: Database, entity_type: str, entity_id: UUID, zoho_id: str | None, phase: str) -> None:
    with psycopg.connect(database.superuser_dsn) as connection:
        connection.execute(
            """
            INSERT INTO zoho_outbox_private.entity_state (entity_id, entity_type, zoho_id, phase)
            VALUES (%s, %s, %s, %s)
            ON CONFLICT (entity_id, entity_type) DO UPDATE SET zoho_id = EXCLUDED.zoho_id, phase = EXCLUDED.phase
            """,
            (entity_id, entity_type, zoho_id, phase),
        )


@pytest.mark.parametrize("database", ["today", "november_2025"], indirect=True)
async def test_every_invoice_is_read_with_its_customer(database: Database) -> None:
    known_in_zoho(database, "customer", ANNA, "46", "idle")
    known_in_zoho(database, "customer", BEN, None, "dead")
    rows = await read(database, PAID, SENT, VOIDED, DRAFT)
    assert set(rows) == {PAID, SENT, VOIDED, DRAFT}
    paid, sent = rows[PAID], rows[SENT]
    assert (paid.customer_id, paid.customer_zoho_id, paid.customer_phase) == (ANNA, "46", "idle")
    assert (sent.customer_id, sent.customer_zoho_id, sent.customer_phase) == (BEN, None, "dead")
    assert (paid.invoice_number, paid.invoice_date, paid.due_date) == (
        "INV-2025-00001",
        date(2025, 11, 1),
        date(2025, 11, 8),
    )
    assert (paid.subtotal, paid.tax_amount, paid.total_amount) == (
        Decimal("694.78"),
        Decimal("104.22"),
        Decimal("799.00"),
    )
    assert (paid.account_number, paid.account_type, paid.status) == ("CT-2025-00101", "personal", "paid")
    assert rows[VOIDED].line_items is None
    assert rows[DRAFT].line_items == "[]"


@pytest.mark.parametrize("database", ["today"], indirect=True)
async def test_the_newer_columns_are_read_where_they_are(database: Database) -> None:
    rows = await read(database, SENT)
    assert (rows[SENT].invoice_type, rows[SENT].vat_rate, rows[SENT].notes) == (
        "installation",
        Decimal("15.00"),
        "Agreed by telephone",
    )


@pytest.mark.parametrize("database", ["november_2025"], indirect=True)
async def test_the_newer_columns_are_nothing_where_they_are_not(database: Database) -> None:
    rows = await read(database, SENT)
    assert (rows[SENT].invoice_type, rows[SENT].vat_rate, rows[SENT].notes) == (None, None, None)


@pytest.mark.parametrize("database", ["today"], indirect=True)
async def test_no_amount_in_the_lines_passes_through_a_float(database: Database) -> None:
    with psycopg.connect(database.superuser_dsn) as connection:
        connection.execute(
            "UPDATE public.customer_invoices SET line_items = %s WHERE id = %s",
            ('[{"amount": 0.10000000000000000001}]', SENT),
        )
    assert "0.10000000000000000001" in ((await read(database, SENT))[SENT].line_items or "")


@pytest.mark.parametrize("database", ["today"], indirect=True)
async def test_a_draft_that_is_edited_costs_nothing_and_one_that_is_issued_is_captured(database: Database) -> None:
    with psycopg.connect(database.superuser_dsn) as connection:
        connection.execute("UPDATE public.customer_invoices SET notes = 'x' WHERE id = %s", (DRAFT,))
        assert _captured(connection, DRAFT) == []
        connection.execute("UPDATE public.customer_invoices SET status = 'sent' WHERE id = %s", (DRAFT,))
        assert _captured(connection, DRAFT) == ["updated"]


def _captured(connection: psycopg.Connection[tuple[str]], invoice: UUID) -> list[str]:
    rows = connection.execute(
        "SELECT change FROM public.zoho_outbox WHERE entity_type = 'invoice' AND entity_id = %s ORDER BY id", (invoice,)
    )
    return [change for (change,) in rows]
