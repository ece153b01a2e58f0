"""deploy/docs/mapping.md says what the code does: no column and no field is missing in it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outbox.entities.contract import AnyEntity, Terms
from outbox.entities.customer import CustomerRow
from outbox.entities.registry import ENTITIES
from outbox.vocabulary import EntityType
from tests.documents.mapping import PAGE, Section, page, section
from tests.terms import TERMS
from tests.unit.entities import invoices, payments, subscriptions
from tests.unit.entities.simulated import SimulatedZoho, at_once

TODAY = date(2026, 11, 20)
PRICE = Decimal("799.00")

LAST_TO_COME = {
    EntityType.CUSTOMER: {"billing_address", "custom_fields"},
    EntityType.SUBSCRIPTION: {"starts_at", "end_of_term", "reference_id", "auto_collect"},
    EntityType.INVOICE: {"adjustment_description", "description", "notes"},
    EntityType.PAYMENT: {"amount_applied", "payment_mode", "description"},
}
"""Keys that only some bodies have: where they are not collected, others may be missing, too."""


def test_it_is_made_from_the_heads_of_the_entities_as_they_are() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.documents.mapping"


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=lambda entity: entity.entity_type)
def test_every_captured_column_stands_in_it(entity: AnyEntity) -> None:
    known = words(section(entity))
    assert [column for column in entity.capture.mapped_columns if column not in known] == []


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=lambda entity: entity.entity_type)
def test_each_column_that_it_names_is_read(entity: AnyEntity) -> None:
    own = {"id", *(column for columns in entity.capture.reads.values() for column in columns)}
    named = {name for row in section(entity).columns for name in re.findall(r"\w+", row[0]) if "(" not in row[0]}
    assert named - own == set()


@pytest.mark.parametrize("entity_type", EntityType)
def test_every_key_of_a_body_stands_in_it(entity_type: EntityType) -> None:
    keys = {key for body in bodies(entity_type) for key in keys_of(body)}
    assert keys >= LAST_TO_COME[entity_type]
    assert sorted(keys - words(section(ENTITIES[entity_type]))) == []


def words(of: Section) -> set[str]:
    return set(re.findall(r"\w+", "\n".join(of.lines())))


def keys_of(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for key, inner in value.items():
                yield key
                yield from keys_of(inner)
        case list():
            for inner in value:
                yield from keys_of(inner)
        case _:
            pass


def bodies(entity_type: EntityType) -> list[Any]:
    """Every body that rows with everything in them lead to: created, changed, ended."""
    zoho = SimulatedZoho()
    zoho.simulator.plant_plan(plan_code="FIB-100", recurring_price=PRICE)
    customer = zoho.simulator.plant_customer(display_name="Anna Meadow", email="anna@example.com")
    match entity_type:
        case EntityType.CUSTOMER:
            row: Any = CustomerRow(
                id=UUID(int=1),
                first_name="Anna",
                last_name="Meadow",
                email="anna@example.com",
                phone="+27 21 555 0101",
                account_type="business",
                business_name="Quarry",
                account_number="CT-1",
                account_status="active",
                zoho_billing_customer_id=None,
                installation_address="1 Street",
            )
            create(zoho, row, TERMS)
        case EntityType.SUBSCRIPTION:
            row = subscriptions.service(customer_zoho_id=customer)
            create(zoho, row, subscriptions.TERMS)
            unmarked = zoho.simulator.plant_subscription(
                customer_id=customer,
                plan_code="FIB-100",
                plan={"plan_code": "FIB-100", "price": PRICE, "quantity": 1},
                amount=PRICE,
                status="live",
                auto_collect=True,
            )
            dearer = replace(row, monthly_price=Decimal("849.00"))
            write(zoho, dearer, unmarked, subscriptions.TERMS)
        case EntityType.INVOICE:
            row = invoices.row(
                customer_zoho_id=customer,
                notes="Agreed",
                line_items=f'[{{"description": "{"x" * 200}", "unit_price": 1724.98}}]',
            )
            write(zoho, row, create(zoho, row, invoices.TERMS), invoices.TERMS)
        case EntityType.PAYMENT:
            open_one = zoho.simulator.plant_invoice(customer_id=customer, total=PRICE)
            row = payments.paying(customer_zoho_id=customer, invoice_zoho_id=open_one)
            payment = create(zoho, row, payments.TERMS)
            write(zoho, row, payment, payments.TERMS)
            write(zoho, replace(row, status="refunded"), payment, payments.TERMS)
    return [body for _, body in zoho.bodies]


def create(zoho: SimulatedZoho, row: Any, terms: Terms) -> str:
    entity = entity_of(row)
    terms = of_simulator(terms)
    desired = at_once(entity.prepare(zoho, row, entity.desired(row, terms), terms))
    return entity.created(zoho.send(entity.create(desired))).zoho_id


def write(zoho: SimulatedZoho, row: Any, zoho_id: str, terms: Terms) -> None:
    entity = entity_of(row)
    terms = of_simulator(terms)
    desired = entity.desired(row, terms)
    at_once(entity.update(zoho, row, zoho_id, desired, terms, was="?", found=None, write_content=True))


def of_simulator(terms: Terms) -> Terms:
    return replace(terms, today=TODAY, tax_ids={Decimal(15): "4600000000000015"})


def entity_of(row: Any) -> AnyEntity:
    named = type(row).__name__.removesuffix("Row").casefold()
    return ENTITIES[EntityType({"service": "subscription"}.get(named, named))]
