"""Zoho ids that people set, correct and clear: whatever they do, each row has one record, and no money moves."""

from uuid import UUID

import pytest

from outbox.simulator import RunningSimulator
from tests.sending.billing import Billing, held
from tests.sending.conftest import Process

pytestmark = pytest.mark.anyio

COLLECTIONS = ("customers", "subscriptions", "invoices", "payments")


async def test_a_wrong_id_is_refused_a_corrected_one_and_a_cleared_one_come_to_the_same_record(
    billing: Billing, zoho: RunningSimulator, process: Process, customer: UUID, fibre: UUID
) -> None:
    invoice = billing.invoice(customer)
    rows = (billing.service(customer, fibre), invoice, billing.payment(customer, invoice, "500.00"))
    await process.turns_until_quiet()
    known = {row: billing.zoho_id(row) for row in rows}
    before = {name: held(zoho, name) for name in COLLECTIONS}
    for row in rows:
        billing.set_zoho_id(row, "4600000000099999")
    await process.turns_until_quiet()
    for row in rows:
        assert billing.shown(row)[0] == "failed"
        assert "Zoho has no" in billing.error(row)
        assert "correct or clear" in billing.error(row)
    for row in rows:
        billing.set_zoho_id(row, known[row])
    await process.turns_until_quiet()
    assert [billing.shown(row) for row in rows] == [("synced", None)] * 3
    for row in rows:
        billing.set_zoho_id(row, None)
        billing.change(row, zoho_sync_status="pending")
    await process.turns_until_quiet()
    assert {row: billing.zoho_id(row) for row in rows} == known
    assert [billing.shown(row) for row in rows] == [("synced", None)] * 3
    after = {name: held(zoho, name) for name in COLLECTIONS}
    assert {name: len(records) for name, records in after.items()} == dict.fromkeys(COLLECTIONS, 1)
    assert [money(record) for record in after["invoices"]] == [money(record) for record in before["invoices"]]
    assert after["payments"][0]["invoices"] == before["payments"][0]["invoices"]


def money(invoice: dict[str, object]) -> tuple[object, ...]:
    return invoice["total"], invoice["balance"], invoice["status"]
