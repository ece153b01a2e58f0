"""``sync TYPE ID --dry-run`` prints the exact request: what Zoho receives next is that, to the letter, of each type."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
import simplejson

from outbox.simulator import RunningSimulator
from outbox.vocabulary import EntityType
from tests.commands.conftest import Console, Host, bare_console, commands, console, host, zoho

__all__ = ["bare_console", "commands", "console", "host", "zoho"]

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Request:
    """A request that changes something, as it was printed or received."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


def printed(text: str) -> Request:
    """What stands after the line that says that it would be sent."""
    head, _, body = text.partition("would send\n\n")[2].partition("\n\n")
    method, _, url = head.strip().partition(" ")
    path, _, query = url.partition("?")
    decoded = simplejson.loads(body, use_decimal=True) if body.strip() else None
    return Request(method, path, dict(parse_qsl(query)), decoded)


def received(zoho: RunningSimulator) -> Iterator[Request]:
    """What changed something, in order."""
    base = zoho.api_base_url.removesuffix("/billing/v1")
    for line in zoho.simulator.journal:
        if line.method != "GET" and not line.path.startswith("/oauth"):
            body = simplejson.loads(line.body, use_decimal=True) if line.body else None
            yield Request(line.method, f"{base}{line.path}", dict(parse_qsl(line.query)), body)


STEPS: dict[EntityType, tuple[tuple[str | None, str], ...]] = {
    EntityType.CUSTOMER: (
        (None, "POST /customers"),
        ("UPDATE public.customers SET business_name = 'Zoë & Söhne 📡 שלום'", "PUT"),
        ("UPDATE public.customers SET account_status = 'cancelled'", "POST markasinactive"),
        ("UPDATE public.customers SET account_status = 'active'", "POST markasactive"),
    ),
    EntityType.SUBSCRIPTION: (
        (None, "POST /subscriptions"),
        ("UPDATE public.customer_services SET monthly_price = 849.05", "PUT"),
        ("UPDATE public.customer_services SET status = 'cancelled'", "POST cancel"),
        ("UPDATE public.customer_services SET status = 'active'", "POST /subscriptions"),
    ),
    EntityType.INVOICE: (
        (None, "POST /invoices"),
        ("UPDATE public.customer_invoices SET notes = E'Agreed\\nby telephone 📞'", "PUT"),
        ("UPDATE public.customer_invoices SET status = 'voided'", "POST void"),
        ("UPDATE public.customer_invoices SET status = 'sent'", "POST converttoopen"),
    ),
    EntityType.PAYMENT: (
        (None, "POST /payments"),
        ("UPDATE public.payment_transactions SET amount = 600.01, payment_method = 'cash'", "PUT"),
        ("UPDATE public.payment_transactions SET status = 'refunded'", "POST refunds"),
    ),
}


@pytest.mark.parametrize("entity_type", list(EntityType))
async def test_what_is_printed_is_what_zoho_receives(
    console: Console, host: Host, zoho: RunningSimulator, entity_type: EntityType
) -> None:
    zoho.simulator.plant_plan(plan_code="FIBRE-50", recurring_price=899)
    customer = host.customer("CT-1", first_name="Anna 🎉", last_name="O'Meadow \\ שלום")
    ids: dict[EntityType, UUID] = {EntityType.CUSTOMER: customer}
    if entity_type is EntityType.SUBSCRIPTION:
        ids[entity_type] = host.service(customer, last_invoice_date="2098-12-15", billing_day=15)
    if entity_type in (EntityType.INVOICE, EntityType.PAYMENT):
        thirds = '[{"description": "Router 📡", "unit_price": 383.33, "quantity": 3}]'
        invoice = ids[EntityType.INVOICE] = host.invoice(customer, "CT-INV-1", line_items=thirds, due_date="2099-01-01")
    if entity_type is EntityType.PAYMENT:
        ids[entity_type] = host.payment("NC-1", customer_id=customer, customer_invoice_id=invoice, amount="500.55")
    for before, entity_id in ids.items():
        if before is not entity_type:
            assert (await console.type("sync", before, str(entity_id))).code == 0
    words = ("sync", entity_type, str(ids[entity_type]))
    for statement, expected in STEPS[entity_type]:
        if statement is not None:
            host.rows(statement)
        already = len(list(received(zoho)))
        said = await console.type(*words, "--dry-run")
        assert (said.code, said.err) == (0, ""), said
        assert len(list(received(zoho))) == already, "a dry run changed something"
        told = printed(said.out)
        assert f"{told.method} {told.path.rpartition('/v1')[2]}".startswith(expected.partition(" ")[0])
        assert told.path.endswith(expected.partition(" ")[2])
        assert (await console.type(*words)).code == 0
        assert list(received(zoho))[already] == told, expected
        if told.body is not None:
            _refuse_floats(told.body)


def _refuse_floats(value: Any) -> None:
    match value:
        case dict():
            for inner in value.values():
                _refuse_floats(inner)
        case list():
            for inner in value:
                _refuse_floats(inner)
        case Decimal():
            assert value == value.quantize(Decimal("0.01"))
        case _:
            assert not isinstance(value, float)
            assert value is not None
