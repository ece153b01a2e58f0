"""The statement that reads services, run with the daemon's rights on a migrated host."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from outbox.entities.registry import CAPTURES
from outbox.entities.service_row import ServiceRow
from outbox.entities.subscription import Subscription
from outbox.migration.runner import migrate
from tests.host.databases import MIGRATOR, Database
from tests.host.shapes import HostShape
from tests.migration.migrated import DAEMON, prepare_logins

pytestmark = pytest.mark.anyio

SHAPES = [HostShape(rows=True), HostShape(columns="november_2025", rows=True)]

PUBLISHED, WITHOUT_PACKAGE, NOT_PUBLISHED, PENDING, CANCELLED = (
    UUID(f"00000000-0000-4000-8000-0000000a000{number}") for number in range(1, 6)
)


async def rows_of(database: Database) -> dict[UUID, ServiceRow]:
    captures = [capture for capture in CAPTURES if capture.entity_type is not Subscription.entity_type]
    with psycopg.connect(database.dsn(MIGRATOR), autocommit=True) as migrator:
        migrate(migrator, [*captures, Subscription.capture], lambda _: None)
    prepare_logins(database)
    with psycopg.connect(database.superuser_dsn, autocommit=True) as superuser:
        superuser.execute(
            """
            INSERT INTO zoho_outbox_private.entity_state (entity_id, entity_type, phase, zoho_id)
            VALUES
                ('00000000-0000-4000-8000-0000000c0001', 'customer', 'idle', '9001'),
                ('00000000-0000-4000-8000-0000000c0003', 'customer', 'dead', NULL),
                ('00000000-0000-4000-8000-0000000c0001', 'payment', 'idle', '1')
            """
        )
    async with await psycopg.AsyncConnection.connect(database.dsn(DAEMON), row_factory=dict_row) as daemon:
        asked = [PUBLISHED, WITHOUT_PACKAGE, NOT_PUBLISHED, PENDING, CANCELLED, UUID(int=1)]
        return await Subscription().read(daemon, asked)


@pytest.mark.parametrize("shape", SHAPES, ids=["today", "November 2025"])
async def test_services_are_read_with_customer_package_and_what_was_published(
    new_host_database: Callable[[HostShape], Database], shape: HostShape
) -> None:
    rows = await rows_of(new_host_database(shape))
    assert set(rows) == {PUBLISHED, WITHOUT_PACKAGE, NOT_PUBLISHED, PENDING, CANCELLED}
    assert rows[PUBLISHED].installed_at is not None
    assert replace(rows[PUBLISHED], installed_at=None) == ServiceRow(
        id=PUBLISHED,
        customer_id=UUID("00000000-0000-4000-8000-0000000c0001"),
        package_id=UUID("00000000-0000-4000-8000-0000000e0001"),
        package_name="Fibre 50/50",
        monthly_price=Decimal("799.00"),
        status="active",
        billing_day=1,
        activation_date=date(2025, 10, 12),
        last_invoice_date=date(2025, 11, 1),
        zoho_subscription_id=None,
        account_type="personal",
        account_number="CT-2025-00101",
        package_exists=True,
        published_name="Fibre 50/50",
        sku="FIBRE-50",
        publishing="ok",
        publishing_error=None,
        customer_zoho_id="9001",
        customer_phase="idle",
        account_status="active",
    )
    without = rows[WITHOUT_PACKAGE]
    assert (without.package_id, without.package_exists, without.sku, without.publishing) == (None, False, None, None)
    assert (without.customer_zoho_id, without.customer_phase) == (None, None)
    failed = rows[NOT_PUBLISHED]
    assert (failed.publishing, failed.publishing_error, failed.customer_phase) == (
        "failed",
        "Product not found",
        "dead",
    )
