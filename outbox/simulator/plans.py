"""Plans: what subscriptions are to, by the code that we choose (sheet 2.2)."""

from collections.abc import Iterator
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from outbox.simulator import custom_fields
from outbox.simulator.books import Books, Record
from outbox.simulator.calls import Call
from outbox.simulator.clock import zoho_time
from outbox.simulator.invoice_refusals import product_missing
from outbox.simulator.money import sent_cents
from outbox.simulator.paging import list_reply
from outbox.simulator.products import blank_product
from outbox.simulator.replies import (
    Creation,
    Reply,
    bad_parameter,
    bad_value,
    success,
)
from outbox.simulator.subscription_refusals import plan_code_taken, plan_in_use, plan_missing
from outbox.simulator.taxes import tax_of_line
from outbox.simulator.undocumented import honoured

TEXT_FIELDS = frozenset(
    {
        "name",
        "unit",
        "setup_fee_account_id",
        "product_type",
        "hsn_or_sac",
        "sat_item_key_code",
        "unitkey_code",
        "tax_id",
        "tax_exemption_id",
        "tax_exemption_code",
        "description",
        "store_markup_description",
    }
)

_AMOUNTS = frozenset({"recurring_price", "setup_fee"})
_LEAST_BY_COUNT = {"interval": 1, "billing_cycles": -1, "trial_period": 0}
_LISTS = frozenset({"tags", "custom_fields", "item_tax_preferences"})

_IN_BOTH = (
    TEXT_FIELDS
    | _AMOUNTS
    | _LEAST_BY_COUNT.keys()
    | _LISTS
    | {"plan_code", "interval_unit", "is_taxable", "can_charge_setup_fee_immediately"}
)
CREATE_FIELDS = _IN_BOTH | {"product_id"}
"""Keys of create-a-plan-request."""
UPDATE_FIELDS = _IN_BOTH | {"addons"}
"""Keys of update-a-plan-request: a plan keeps its product."""

_REQUIRED = ("plan_code", "name", "recurring_price", "interval")

INTERVAL_UNITS = ("months", "years")

_STATUS_BY_FILTER = {"PlanStatus.All": None, "PlanStatus.ACTIVE": "active", "PlanStatus.INACTIVE": "inactive"}

_NOT_IN_ROWS = frozenset({"tags", "custom_fields", "account_id", "account_name", "url"})


def create(call: Call) -> Reply:
    """``POST /plans``: 201; a code that is taken is refused (code and text are guesses)."""
    sent = call.body_object(CREATE_FIELDS)
    _check(call, sent)
    if call.books.products.get(sent.get("product_id", "")) is None:
        raise product_missing()
    if call.books.plans.get(sent["plan_code"]) is not None:
        raise plan_code_taken()
    plan = blank_plan(call.books, call.now)
    _write(call, plan, sent)
    call.books.plans.put(plan, call.now)
    return success(
        "The plan has been added.",
        {"plan": plan},
        status=HTTPStatus.CREATED,
        creation=Creation("plans", {"plan_code": plan["plan_code"]}),
    )


def list_all(call: Call) -> Reply:
    """``GET /plans`` with filter_by and product_id; unfiltered it shows all (recorded)."""
    wanted = call.query.get("filter_by", "PlanStatus.All")
    if wanted not in _STATUS_BY_FILTER:
        raise bad_parameter("filter_by")
    plans = call.books.plans
    product_id = call.query.get("product_id")
    rows: Iterator[Record] = iter(plans if product_id is None else plans.having("product_id", product_id))
    status = _STATUS_BY_FILTER[wanted]
    if status is not None:
        rows = (row for row in rows if row["status"] == status)
    for plan_code in honoured(call, "plan_code", call.settings.undocumented.plans_code).values():
        found = plans.get(plan_code)
        rows = (row for row in rows if row is found)
    return list_reply(call, "plans", rows, of=plans, thin=_list_row, report_name="All Plans", applied_filter=wanted)


def read(call: Call) -> Reply:
    """``GET /plans/{plan_code}``: 200, or 400/101002. Codes are compared exactly (a guess)."""
    return success("success", {"plan": _existing(call)})


def update(call: Call) -> Reply:
    """``PUT /plans/{plan_code}``: 200. It wants the same key fields as a create (sheet 2.2).

    What is not sent stays, and another code is refused; both are guesses. Subscriptions keep their price.
    """
    old = _existing(call)
    sent = call.body_object(UPDATE_FIELDS)
    _check(call, sent)
    if sent["plan_code"] != old["plan_code"]:
        raise bad_value("plan_code")
    plan = dict(old)
    _write(call, plan, sent)
    plan["updated_time"] = zoho_time(call.now, call.books.zone)
    call.books.plans.put(plan)
    return success("The plan details has been updated.", {"plan": plan})


def delete(call: Call) -> Reply:
    """``DELETE /plans/{plan_code}``: 200; refused while a subscription is to it, as the specification says."""
    plan_code = _existing(call)["plan_code"]
    if call.books.subscriptions.having("plan_code", plan_code):
        raise plan_in_use()
    call.books.plans.remove(plan_code)
    return success("The plan has been deleted.")


def mark_as_active(call: Call) -> Reply:
    """``POST /plans/{plan_code}/markasactive``: 200."""
    _set_status(call, "active")
    return success("The plan has been marked as active.")


def mark_as_inactive(call: Call) -> Reply:
    """``POST /plans/{plan_code}/markasinactive``: 200; its subscriptions go on (a guess)."""
    _set_status(call, "inactive")
    return success("The plan has been marked as inactive.")


def blank_plan(books: Books, now: float) -> Record:
    """A plan with nothing on it, as the create reply was recorded."""
    time = zoho_time(now, books.zone)
    return {
        "plan_code": "",
        "name": "",
        "description": "",
        "store_markup_description": "",
        "status": "active",
        "product_id": "",
        "account_id": f"{books.organisation.organization_id}00388",
        "account_name": "Sales",
        "tax_id": "",
        "tax_name": "",
        "tax_percentage": 0,
        "tax_type": "",
        "trial_period": 0,
        "setup_fee": 0,
        "setup_fee_account_id": "",
        "setup_fee_account_name": "",
        "recurring_price": 0,
        "unit": "",
        "interval": 1,
        "interval_unit": "months",
        "billing_cycles": -1,
        "product_type": "service",
        "hsn_or_sac": "",
        "sat_item_key_code": "",
        "unitkey_code": "",
        "item_tax_preferences": [],
        "can_charge_setup_fee_immediately": False,
        "tags": [],
        "custom_fields": [],
        "addons": [],
        "url": "",
        "created_time": time,
        "updated_time": time,
    }


def put_by_hand(books: Books, plan: Record, now: float) -> None:
    """Keep a plan as it stands; one without a product gets the first, made where there is none.

    Raises ValueError where it has no code.
    """
    if not plan["plan_code"]:
        raise ValueError("a plan needs a plan_code")
    if not plan["product_id"]:
        product = next(iter(books.products), None)
        if product is None:
            product = {**blank_product(books, now), "name": "Services"}
            books.products.put(product)
        plan = {**plan, "product_id": product["product_id"]}
    books.plans.put({**plan, "name": plan["name"] or plan["plan_code"]})


def _existing(call: Call) -> Record:
    plan = call.books.plans.get(call.arguments["plan_code"])
    if plan is None:
        raise plan_missing()
    return plan


def _list_row(plan: Record) -> Record:
    return {name: value for name, value in plan.items() if name not in _NOT_IN_ROWS}


def _check(call: Call, sent: dict[str, Any]) -> None:
    for name in _REQUIRED:
        if name not in sent:
            raise bad_value(name)
    for name, value in sent.items():
        if not _fits(name, value):
            raise bad_value(name)
    tax_of_line(call.books, sent.get("tax_id", ""))
    custom_fields.check(call, sent.get("custom_fields", []))


def _fits(name: str, value: object) -> bool:
    if name in {"plan_code", "name"}:
        return isinstance(value, str) and value.strip() != ""
    if name in TEXT_FIELDS or name == "product_id":
        return isinstance(value, str)
    if name in _LISTS:
        return isinstance(value, list) and all(isinstance(row, dict) for row in value)
    if name in _AMOUNTS:
        return sent_cents(name, value) >= 0
    if name in _LEAST_BY_COUNT:
        return isinstance(value, int) and not isinstance(value, bool) and value >= _LEAST_BY_COUNT[name]
    if name == "interval_unit":
        return value in INTERVAL_UNITS
    if name == "is_taxable":
        return isinstance(value, bool | str)
    return name == "addons" or isinstance(value, bool)


def _write(call: Call, plan: Record, sent: dict[str, Any]) -> None:
    """Put the fields of a checked body into `plan`. Addons are not kept: there are none here."""
    plan.update({name: value for name, value in sent.items() if name not in {"custom_fields", "tags", "addons"}})
    for name in _AMOUNTS & sent.keys():
        plan[name] = Decimal(sent[name])
    if "tags" in sent:
        plan["tags"] = [{**tag, "is_tag_mandatory": "false"} for tag in sent["tags"]]
    if "custom_fields" in sent:
        plan["custom_fields"] = custom_fields.merged(plan["custom_fields"], sent["custom_fields"], call.settings)
    if sent.get("tax_id"):
        tax = tax_of_line(call.books, sent["tax_id"])
        if tax is not None:
            plan.update(tax_name=tax.tax_name, tax_percentage=tax.tax_percentage, tax_type=tax.tax_type)


def _set_status(call: Call, status: str) -> None:
    plan = _existing(call)
    call.books.plans.put({**plan, "status": status, "updated_time": zoho_time(call.now, call.books.zone)})
