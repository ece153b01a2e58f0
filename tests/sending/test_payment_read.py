"""What a payment's statement reads of the host, as the daemon, with the rights that its own file asks for."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from outbox.entities.customer import Customer
from outbox.entities.payment import Payment
from outbox.entities.payment_row import PaymentRow
from outbox.migration.runner import migrate
from tests.host.databases import MIGRATOR, Database
from tests.host.shapes import HostShape
from tests.migration.migrated import DAEMON
from tests.store.host import Host

pytestmark = pytest.mark.anyio

PAYMENT = Payment()
TODAY = HostShape(rows=True)
NOVEMBER = HostShape(columns="november_2025", rows=True)

CUSTOMER, ANOTHER_CUSTOMER = (UUID(f"00000000-0000-4000-8000-0000000c000{number}") for number in (1, 2))
SERVICE = UUID("00000000-0000-4000-8000-0000000a0001")
INVOICE, ANOTHER_INVOICE = (UUID(f"00000000-0000-4000-8000-0000000d000{number}") for number in (1, 2))
ON_INVOICE, WITHOUT_CUSTOMER, VALIDATION, _, MADE_AT_ZOHO = (
    UUID(f"00000000-0000-4000-8000-0000000b000{number}") for number in range(1, 6)
)

both_shapes = pytest.mark.parametrize("migrated_database", [TODAY, NOVEMBER], indirect=True, ids=["today", "2025"])
today = pytest.mark.parametrize("migrated_database", [TODAY], indirect=True, ids=["today"])


@pytest.fixture
def host(migrated_database: Database) -> Iterator[Host]:
    with psycopg.connect(migrated_database.dsn(MIGRATOR), autocommit=True) as connection:
        migrate(connection, (Customer().capture, PAYMENT.capture), lambda _: None)
    with Host(migrated_database) as host:
        yield host


async def read(host: Host, *ids: UUID) -> dict[UUID, PaymentRow]:
    dsn = host.database.dsn(DAEMON)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, row_factory=dict_row) as connection:
        return await PAYMENT.read(connection, ids)


async def read_one(host: Host, payment: UUID) -> PaymentRow:
    return (await read(host, payment))[payment]


def in_zoho(host: Host, entity_type: str, entity_id: UUID, zoho_id: str | None, phase: str = "idle") -> None:
    host.interfere(
        """
        INSERT INTO zoho_outbox_private.entity_state (entity_id, entity_type, phase, zoho_id)
        VALUES (%s, %s, %s, %s)
        ON CONFLICT (entity_id, entity_type) DO UPDATE SET zoho_id = EXCLUDED.zoho_id, phase = EXCLUDED.phase
        """,
        [entity_id, entity_type, phase, zoho_id],
    )


def add_payment(host: Host, **columns: Any) -> UUID:
    """A completed payment of 100.00."""
    payment = uuid4()
    values = {
        "id": payment,
        "transaction_id": f"NC-{payment}",
        "reference": "R",
        "provider": "netcash",
        "amount": Decimal("100.00"),
        "status": "completed",
    } | columns
    statement = sql.SQL("INSERT INTO public.payment_transactions ({}) VALUES ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(sql.Placeholder() * len(values))
    )
    host.execute(statement, list(values.values()))
    return payment


@both_shapes
async def test_customer_and_invoice_come_with_their_zoho_ids(host: Host) -> None:
    in_zoho(host, "customer", CUSTOMER, "c1")
    in_zoho(host, "invoice", INVOICE, None, "dead")
    row = await read_one(host, ON_INVOICE)
    assert (row.customer_id, row.account_number, row.customer_zoho_id) == (CUSTOMER, "CT-2025-00101", "c1")
    assert (row.invoice_id, row.invoice_number, row.invoice_total) == (INVOICE, "INV-2025-00001", Decimal("799.00"))
    assert (row.invoice_status, row.invoice_zoho_id, row.invoice_phase) == ("paid", None, "dead")
    assert (row.amount, row.payment_method, row.status) == (Decimal("799.00"), "eft", "completed")


@both_shapes
async def test_a_payment_without_a_customer_is_its_invoices(host: Host) -> None:
    row = await read_one(host, WITHOUT_CUSTOMER)
    assert row.customer_id == row.invoice_customer_id == ANOTHER_CUSTOMER
    assert row.customer_exists


@both_shapes
async def test_a_card_validation_is_known_by_its_metadata(host: Host) -> None:
    assert (await read_one(host, VALIDATION)).metadata_type == "payment_method_validation"
    assert (await read_one(host, ON_INVOICE)).metadata_type is None


@both_shapes
async def test_customer_and_invoice_may_not_exist(host: Host) -> None:
    payment = add_payment(host, customer_id=uuid4(), invoice_id=uuid4())
    row = await read_one(host, payment)
    assert row.customer is not None
    assert row.invoice is not None
    assert (row.customer.exists, row.invoice.exists) == (False, False)


@both_shapes
async def test_many_are_read_at_once_and_one_that_is_gone_is_missing(host: Host) -> None:
    assert set(await read(host, ON_INVOICE, WITHOUT_CUSTOMER, uuid4())) == {ON_INVOICE, WITHOUT_CUSTOMER}


@both_shapes
async def test_what_others_took_is_what_is_in_zoho_of_the_same_invoice(host: Host) -> None:
    first, second, waiting = (add_payment(host, invoice_id=INVOICE) for _ in range(3))
    elsewhere = add_payment(host, invoice_id=ANOTHER_INVOICE)
    for payment, zoho_id in ((first, "p1"), (second, "p2"), (elsewhere, "p3")):
        in_zoho(host, "payment", payment, zoho_id)
    in_zoho(host, "payment", waiting, None)
    add_payment(host, invoice_id=INVOICE, provider="zoho_billing", amount=Decimal("7.00"))
    add_payment(host, invoice_id=INVOICE, provider="zoho_billing", status="failed")
    rows = await read(host, ON_INVOICE, first, waiting, elsewhere, MADE_AT_ZOHO)
    assert {payment: row.taken_by_others for payment, row in rows.items()} == {
        ON_INVOICE: Decimal("207.00"),
        first: Decimal("107.00"),
        waiting: Decimal("207.00"),
        elsewhere: Decimal(0),
        MADE_AT_ZOHO: Decimal(0),
    }


@both_shapes
async def test_what_november_2025_lacks_is_empty_there(host: Host) -> None:
    row = await read_one(host, ON_INVOICE)
    known = (row.invoice_type, row.service_id, row.period_start)
    is_today = bool(host.rows("SELECT 1 FROM pg_attribute WHERE attname = 'invoice_type' AND NOT attisdropped"))
    assert known == (("recurring", SERVICE, date(2025, 11, 1)) if is_today else (None, None, None))


@today
async def test_the_newer_column_of_the_invoice_goes_before_the_older(host: Host) -> None:
    payment = add_payment(host, invoice_id=ANOTHER_INVOICE, customer_invoice_id=INVOICE)
    assert (await read_one(host, payment)).invoice_id == INVOICE
    in_zoho(host, "payment", payment, "p1")
    rows = await read(host, ON_INVOICE, WITHOUT_CUSTOMER)
    assert rows[ON_INVOICE].taken_by_others == Decimal("100.00")
    assert rows[WITHOUT_CUSTOMER].taken_by_others == 0


@today
async def test_a_host_without_the_newer_column_is_read_by_the_older(host: Host) -> None:
    # CASCADE takes the capture triggers along, which name the column.
    host.execute("ALTER TABLE public.payment_transactions DROP COLUMN IF EXISTS customer_invoice_id CASCADE")
    in_zoho(host, "payment", add_payment(host, invoice_id=INVOICE), "p1")
    row = await read_one(host, ON_INVOICE)
    assert (row.invoice_id, row.taken_by_others) == (INVOICE, Decimal("100.00"))


@today
async def test_the_service_of_an_invoice_comes_with_plan_and_subscription(host: Host) -> None:
    in_zoho(host, "subscription", SERVICE, "s1")
    service = (await read_one(host, ON_INVOICE)).service
    assert service is not None
    assert (service.service_status, service.plan_code, service.subscription_zoho_id) == ("active", "FIBRE-50", "s1")
    assert service.subscription.named == "the subscription of service Fibre 50/50"
