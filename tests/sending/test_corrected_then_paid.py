"""An invoice that is corrected and then paid, both while the daemon was away."""

from decimal import Decimal
from uuid import UUID

import pytest

from outbox.simulator import FaultKind, RunningSimulator
from tests.sending.billing import Billing, lines, only
from tests.sending.conftest import Process

pytestmark = pytest.mark.anyio


async def test_the_correction_reaches_zoho_before_the_payment_that_would_forbid_it(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID
) -> None:
    invoice = billing.invoice(customer, "8990.00")
    await process.turns_until_quiet()
    billing.change(
        invoice,
        total_amount=Decimal("899.00"),
        subtotal=Decimal("781.74"),
        tax_amount=Decimal("117.26"),
        amount_due=Decimal("899.00"),
        line_items=lines(("Installation", 1, "899.00")),
    )
    billing.payment(customer, invoice, "899.00")
    # The two leave side by side. Whichever Zoho answers first, the correction must not be lost.
    zoho.faults.plant(FaultKind.SLOW_BEFORE, "GET", "/invoices/*", seconds=0.5)
    await process.turns_until_quiet()
    assert billing.shown(invoice) == ("synced", None)
    record = only(zoho, "invoices")
    assert (record["total"], record["balance"]) == (Decimal("899.00"), 0)
