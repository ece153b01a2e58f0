"""The guards against floats, put to the test: a float planted into the code as it is, or into a row, is noticed.

Lint (tests/unit/test_no_float_touches_an_amount.py) reads every module; the bodies refuse floats when they are encoded.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import outbox.entities
from outbox.entities.contract import AnyEntity
from outbox.entities.invoice import Invoice
from outbox.entities.payment import Payment
from outbox.entities.subscription import Subscription
from outbox.zoho.json_text import encode_body
from tests.unit.entities import invoices, payments, subscriptions
from tests.unit.entities.test_contract_by_property import Stage, no_floats
from tests.unit.test_no_float_touches_an_amount import faults

ENTITIES = Path(outbox.entities.__file__).parent

PLANTS: tuple[tuple[str, str], ...] = (
    (r'Decimal\("([0-9.]+)"\)', r"float(\1)"),
    (r'Decimal\("([0-9]*\.[0-9]+)"\)', r"\1"),
    (r"-> Decimal\b", "-> float"),
    (r": Decimal\b", ": float"),
    (r"cents\(([a-z_]+)\)", r"round(\1, 2)"),
    (r"decode_text\(", "__import__('json').loads(float)("),
)


def planted() -> Iterator[Any]:
    for path in sorted(ENTITIES.glob("*.py")):
        source = path.read_text(encoding="utf-8")
        for pattern, float_in_its_place in PLANTS:
            for place, match in enumerate(re.finditer(pattern, source)):
                there = match.expand(float_in_its_place)
                spoilt = source[: match.start()] + there + source[match.end() :]
                yield pytest.param(spoilt, id=f"{path.name} {place} {there}")


def test_one_planted_anywhere_in_the_entities_is_seen() -> None:
    plants = list(planted())
    assert len(plants) > 50, "the patterns find nothing any more"
    assert [plant.id for plant in plants if faults(plant.values[0], entities=True) == []] == []


@pytest.mark.parametrize(
    ("entity", "row", "column"),
    [
        (Subscription(), subscriptions.ROW, "monthly_price"),
        (Invoice(), invoices.row(), "total_amount"),
        (Invoice(), invoices.row(line_items=None), "total_amount"),
        (Invoice(), invoices.row(), "subtotal"),
        (Invoice(), invoices.row(), "tax_amount"),
        (Invoice(), invoices.row(vat_rate=Decimal("15.00")), "vat_rate"),
        (Payment(), payments.paying(), "amount"),
        (Payment(), payments.paying(), "invoice_total"),
        (Payment(), payments.paying(), "taken_by_others"),
    ],
)
def test_one_in_a_row_never_becomes_a_request(entity: AnyEntity, row: Any, column: str) -> None:
    stage = Stage()
    terms = replace(stage.terms, plans=None)
    spoilt = replace(row, **{column: float(getattr(row, column))})
    with no_floats(), pytest.raises((TypeError, AttributeError, ValueError, ArithmeticError)):
        encode_body(entity.create(entity.desired(spoilt, terms)).body or {})
    sound = entity.desired(row, terms)
    assert encode_body(sound.content)
