"""A plan as a subscription holds it: read from a body, priced, and written on invoices (sheet 2.3)."""

from collections.abc import Collection as Names
from decimal import Decimal
from typing import Any

from outbox.simulator.books import Books, Record
from outbox.simulator.calls import Call
from outbox.simulator.invoice_totals import Line, totals
from outbox.simulator.money import NOTHING, exact, sent_amount, sent_cents
from outbox.simulator.replies import bad_value
from outbox.simulator.settings import TaxSettings
from outbox.simulator.subscription_refusals import plan_inactive, plan_missing
from outbox.simulator.taxes import tax_of_line
from outbox.simulator.terms import Interval

_TEXTS = frozenset(
    {
        "plan_code",
        "plan_description",
        "tax_id",
        "setup_fee_tax_id",
        "tax_exemption_id",
        "tax_exemption_code",
        "tds_tax_id",
        "sat_item_key_code",
        "unitkey_code",
        "setup_fee_tax_exemption_id",
        "setup_fee_tax_exemption_code",
    }
)
_AMOUNTS = frozenset({"price", "setup_fee"})
_SWITCHES = frozenset({"exclude_trial", "exclude_setup_fee"})
_LEAST_BY_COUNT = {"billing_cycles": -1, "trial_days": 0}
_LISTS = frozenset({"tags", "item_custom_fields"})

CREATE_FIELDS = _TEXTS | _AMOUNTS | _SWITCHES | _LEAST_BY_COUNT.keys() | _LISTS | {"quantity"}
"""Keys of `plan` in create-a-subscription-request."""
UPDATE_FIELDS = CREATE_FIELDS - {"setup_fee_tax_id"}
"""Keys of `plan` in update-a-subscription-request."""

_KEPT_BY_UPDATE = ("price", "quantity", "setup_fee", "plan_description", "tax_id", "billing_cycles", "trial_days")


def read(call: Call, sent: object, known: Names[str], *, held: Record | None = None) -> tuple[Record, Record]:
    """The plan of the catalogue that a body names, and what a subscription holds of it.

    `held` is what the subscription holds already: its plan may have become inactive, and where
    ``keep_what_an_update_omits`` is set, what the body does not name stays as it is in `held`; else it is the
    catalogue's again. Raises Refusal 400/101002 for an unknown plan, 400/4 for a value that does not fit, 400
    for an inactive plan (a guess).
    """
    if not isinstance(sent, dict):
        raise bad_value("plan")
    call.note_unknown([f"plan.{key}" for key in sent if key not in known])
    given = {key: value for key, value in sent.items() if key in known}
    _check(given)
    plan = call.books.plans.get(given["plan_code"])
    if plan is None:
        raise plan_missing()
    stays = held is not None and held.get("plan_code") == plan["plan_code"]
    if plan["status"] != "active" and not stays:
        raise plan_inactive()
    if held is not None and stays and call.settings.subscriptions.keep_what_an_update_omits:
        given = {name: held[name] for name in _KEPT_BY_UPDATE if name in held} | given
    return plan, _subscribed(call.books, plan, given)


def subscription_fields(books: Books, plan: Record, subscribed: Record) -> Record:
    """What changes on a subscription with its plan, its sums among it."""
    product = books.products.get(plan["product_id"])
    product_name = "" if product is None else product["name"]
    return {
        "name": f"{product_name}-{plan['name']}" if product_name else plan["name"],
        "plan_name": plan["name"],
        "plan_code": plan["plan_code"],
        "product_id": plan["product_id"],
        "product_name": product_name,
        # Text in the specification, a number where it was recorded.
        "interval": str(plan["interval"]),
        "interval_unit": plan["interval_unit"],
        "plan": subscribed,
        **_sums(books, subscribed),
    }


def interval_of(subscription: Record) -> Interval:
    """How long its terms are. Raises ValueError for a planted one that says nonsense."""
    unit = subscription["interval_unit"]
    if unit not in ("months", "years"):
        raise ValueError(f"interval_unit {unit!r} is neither months nor years")
    count = int(subscription["interval"])
    if count < 1:
        raise ValueError(f"interval {count} is no number of {unit}")
    return Interval(count, unit)


def is_same_money(one: Record, other: Record) -> bool:
    """Whether two held plans cost the same for the same thing."""
    return all(one.get(name) == other.get(name) for name in ("plan_code", "price", "quantity", "tax_id"))


def invoice_lines(books: Books, subscription: Record, *, with_setup_fee: bool) -> list[Record]:
    """The lines that a term of `subscription` puts on its invoice.

    One that was planted without a plan has a line over its amount.
    """
    plan = subscription["plan"]
    common = {
        "product_id": subscription["product_id"],
        "code": subscription["plan_code"],
        "tax_id": _existing_tax(books, plan.get("tax_id", "")),
    }
    lines = [
        {
            **common,
            "name": subscription["name"],
            "description": plan.get("plan_description", ""),
            "price": exact(plan.get("price", subscription["amount"])),
            "quantity": exact(plan.get("quantity", 1)),
        }
    ]
    setup_fee = exact(plan.get("setup_fee", 0))
    if with_setup_fee and setup_fee:
        fee = {"name": f"{subscription['name']} setup fee", "description": "Setup fee", "price": setup_fee}
        lines.append({**common, **fee, "quantity": Decimal(1)})
    return lines


def _check(given: dict[str, Any]) -> None:
    if not isinstance(given.get("plan_code"), str) or not given["plan_code"]:
        raise bad_value("plan_code")
    for name, value in given.items():
        if name in _TEXTS and not isinstance(value, str):
            raise bad_value(name)
        if name in _SWITCHES and not isinstance(value, bool):
            raise bad_value(name)
        if name in _LISTS and (not isinstance(value, list) or not all(isinstance(row, dict) for row in value)):
            raise bad_value(name)
        if name in _AMOUNTS and sent_cents(name, value) < 0:
            raise bad_value(name)
    for name, least in _LEAST_BY_COUNT.items():
        count = given.get(name, least)
        if isinstance(count, bool) or not isinstance(count, int) or count < least:
            raise bad_value(name)
    quantity = sent_amount("quantity", given.get("quantity", 1))
    if quantity != int(quantity) or quantity < 1:
        raise bad_value("quantity")


def _subscribed(books: Books, plan: Record, given: dict[str, Any]) -> Record:
    tax = tax_of_line(books, given.get("tax_id") or plan["tax_id"])
    price = exact(given.get("price", plan["recurring_price"]))
    quantity = int(given.get("quantity", 1))
    setup_fee = exact(given.get("setup_fee", plan["setup_fee"]))
    trial_days = 0 if given.get("exclude_trial", False) else plan["trial_period"]
    shown_tax = _shown_tax(tax)
    return {
        "plan_code": plan["plan_code"],
        "name": plan["name"],
        "description": given.get("plan_description", plan["description"]),
        "plan_description": given.get("plan_description", plan["description"]),
        "price": price,
        "quantity": quantity,
        "discount": 0,
        "total": price * quantity,
        "setup_fee": NOTHING if given.get("exclude_setup_fee", False) else setup_fee,
        **shown_tax,
        **{f"setup_fee_{name}": value for name, value in shown_tax.items()},
        # Days that are named count even where the trial is excluded, as the specification says.
        "trial_days": given.get("trial_days", trial_days),
        "billing_cycles": given.get("billing_cycles", plan["billing_cycles"]),
        "tags": given.get("tags", []),
        "item_custom_fields": given.get("item_custom_fields", []),
    }


def _sums(books: Books, subscribed: Record) -> Record:
    tax = tax_of_line(books, subscribed["tax_id"])
    line = Line(subscribed["price"], Decimal(subscribed["quantity"]), tax)
    sums = totals(books, [line], inclusive=books.settings.subscriptions.prices_include_tax)
    tax_id = "" if tax is None else tax.tax_id
    return {
        "sub_total": sums.sub_total,
        "amount": sums.total,
        "taxes": [{"tax_id": tax_id, "tax_name": name, "tax_amount": f"{amount:f}"} for name, amount in sums.taxes],
    }


def _shown_tax(tax: TaxSettings | None) -> Record:
    if tax is None:
        return {"tax_id": "", "tax_name": "", "tax_percentage": "", "tax_type": ""}
    return {
        "tax_id": tax.tax_id,
        "tax_name": tax.tax_name,
        "tax_percentage": tax.tax_percentage,
        "tax_type": tax.tax_type,
    }


def _existing_tax(books: Books, tax_id: str) -> str:
    """A tax may leave the settings while subscriptions hold it; a renewal has nobody to refuse to."""
    return tax_id if any(tax.tax_id == tax_id for tax in books.settings.taxes) else ""
