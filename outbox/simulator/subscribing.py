"""Creating a subscription: it bills at once, later, or for a past term, as its body says (sheet 2.3)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any

from outbox.simulator import custom_fields, customers, subscribed_plans
from outbox.simulator.books import Record
from outbox.simulator.calls import Call
from outbox.simulator.clock import zoho_date
from outbox.simulator.renewals import Charge, run_until
from outbox.simulator.replies import Creation, Reply, bad_value, customer_missing, success
from outbox.simulator.subscription_refusals import (
    addon_missing,
    customer_inactive,
    payment_method_missing,
    reference_taken,
)
from outbox.simulator.subscriptions import blank_subscription, keep, note_activity, shown
from outbox.simulator.terms import Course

_TEXTS = frozenset(
    {
        "payment_terms_label",
        "place_of_supply",
        "coupon_code",
        "reference_id",
        "salesperson_name",
        "template_id",
        "cfdi_usage",
        "card_id",
        "account_id",
    }
)
_SWITCHES = frozenset(
    {
        "add_to_unbilled_charges",
        "auto_collect",
        "create_backdated_invoice",
        "can_charge_setup_fee_immediately",
        "allow_partial_payments",
    }
)
_LISTS = frozenset({"custom_fields", "contactpersons", "addons", "payment_gateways"})

CREATE_FIELDS = (
    _TEXTS | _SWITCHES | _LISTS | {"customer", "customer_id", "payment_terms", "starts_at", "exchange_rate", "plan"}
)
"""Keys of create-a-subscription-request."""

SHOWN_AS_GIVEN = frozenset(
    {
        "payment_terms",
        "payment_terms_label",
        "place_of_supply",
        "reference_id",
        "salesperson_name",
        "exchange_rate",
        "payment_gateways",
        "can_charge_setup_fee_immediately",
    }
)


def create(call: Call) -> Reply:
    """``POST /subscriptions``: 201. Nothing makes it idempotent: reference_id may repeat (sheet 0.5).

    starts_at in the future: `future`, no invoice. Today or absent: `live` with an invoice, or `trial` where the
    plan has one. In the past: as if it had run since, without invoices before today, except one for the
    present term where create_backdated_invoice is set.
    """
    sent = call.body_object(CREATE_FIELDS)
    check(call, sent)
    if ("customer" in sent) == ("customer_id" in sent):
        raise bad_value("customer_id")
    old_customer = _old_customer(call, sent["customer_id"]) if "customer_id" in sent else None
    collects = collects_automatically(sent, default=call.settings.subscriptions.auto_collect_by_default)
    today = zoho_date(call.now, call.books.zone)
    start = sent_day("starts_at", sent.get("starts_at", today.isoformat()))
    plan, subscribed = subscribed_plans.read(call, sent.get("plan"), subscribed_plans.CREATE_FIELDS)
    reference = sent.get("reference_id", "")
    taken = reference and call.settings.subscriptions.unique_references
    if taken and any(call.books.subscriptions.having("reference_id", reference)):
        raise reference_taken()

    # The customer last: a refused subscription leaves no customer behind.
    customer = _new_customer(call, sent["customer"]) if old_customer is None else old_customer
    subscription = {
        **blank_subscription(call.books, call.now),
        **subscribed_plans.subscription_fields(call.books, plan, subscribed),
        "customer_id": customer["customer_id"],
        "status": "future",
        "next_billing_at": start.isoformat(),
        "auto_collect": collects,
        "payment_terms": customer["payment_terms"],
        "payment_terms_label": customer["payment_terms_label"],
        "contactpersons": sent.get("contactpersons") or [{"contactperson_id": customer["primary_contactperson_id"]}],
        "custom_fields": custom_fields.merged([], sent.get("custom_fields", []), call.settings),
        **{name: value for name, value in sent.items() if name in SHOWN_AS_GIVEN},
    }
    call.books.courses[subscription["subscription_id"]] = Course(start)
    note_activity(call.books, subscription, "Subscription created", call.now)
    subscription = run_until(call.books, subscription, today, _charges(subscription, sent, start, today), call.now)
    keep(call.books, subscription, call.now)
    made = Creation(
        "subscriptions", {"reference_id": subscription["reference_id"], **custom_fields.keys_of(subscription)}
    )
    return success(
        "Subscription has been created successfully.",
        {"subscription": shown(call.books, subscription)},
        status=HTTPStatus.CREATED,
        creation=made if old_customer is not None else replace(made, also=customers.creation_of(customer)),
    )


def check(call: Call, sent: dict[str, Any]) -> None:
    """Refuse what does not fit in a body without unknown keys, in the fields that create and update share.

    Raises Refusal 400/4, 400/120129 for a custom field, 400/102001 for an addon; there are no coupons here.
    """
    for name, value in sent.items():
        if name in _TEXTS and not isinstance(value, str):
            raise bad_value(name)
        if name in _SWITCHES and not isinstance(value, bool):
            raise bad_value(name)
        if name in _LISTS and (not isinstance(value, list) or not all(isinstance(row, dict) for row in value)):
            raise bad_value(name)
    terms = sent.get("payment_terms", 0)
    if isinstance(terms, bool) or not isinstance(terms, int):
        raise bad_value("payment_terms")
    for person in sent.get("contactpersons", []):
        if not isinstance(person.get("contactperson_id"), str):
            raise bad_value("contactpersons")
    if sent.get("coupon_code"):
        raise bad_value("coupon_code")
    if sent.get("addons"):
        raise addon_missing()
    custom_fields.check(call, sent.get("custom_fields", []))


def collects_automatically(sent: dict[str, Any], *, default: bool) -> bool:
    """Whether it charges a card. Raises Refusal 400 where it is to and no card or account is named."""
    collects: bool = sent.get("auto_collect", default)
    if collects and not (sent.get("card_id") or sent.get("account_id")):
        raise payment_method_missing()
    return collects


def sent_day(name: str, value: object) -> date:
    """A day as Zoho writes it. Raises Refusal 400/4."""
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        day = None
    if day is None or day.isoformat() != value:
        raise bad_value(name)
    return day


def _old_customer(call: Call, customer_id: object) -> Record:
    customer = call.books.customers.get(customer_id) if isinstance(customer_id, str) else None
    if customer is None:
        raise customer_missing()
    if customer["status"] != "active":
        raise customer_inactive()
    return customer


def _new_customer(call: Call, sent: object) -> Record:
    if not isinstance(sent, dict):
        raise bad_value("customer")
    call.note_unknown([f"customer.{key}" for key in sent if key not in customers.CREATE_FIELDS])
    return customers.add(call, {key: value for key, value in sent.items() if key in customers.CREATE_FIELDS})


def _charges(subscription: Record, sent: dict[str, Any], start: date, today: date) -> Callable[[date], Charge]:
    """What becomes of the terms up to today, by their first days.

    That a term of a backdated subscription which begins today is charged is a guess.
    """
    unbilled = sent.get("add_to_unbilled_charges", False)
    first_charged = today
    if unbilled or sent.get("create_backdated_invoice", False):
        anchor = start + timedelta(days=subscription["plan"]["trial_days"])
        interval = subscribed_plans.interval_of(subscription)
        if anchor <= today:
            first_charged = interval.after(anchor, interval.number_on(anchor, today))

    def charge(day: date) -> Charge:
        if day < first_charged:
            return Charge.NOTHING
        return Charge.UNBILLED if unbilled else Charge.INVOICE

    return charge
