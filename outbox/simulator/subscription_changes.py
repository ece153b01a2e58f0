"""Changing, cancelling and postponing subscriptions, and what is scheduled (sheet 2.3)."""

from datetime import date

from outbox.simulator import custom_fields, subscribed_plans
from outbox.simulator.books import Record
from outbox.simulator.calls import Call
from outbox.simulator.clock import zoho_date, zoho_time
from outbox.simulator.renewals import Charge, cancelled, charged, course_of, next_billing_at, restarted
from outbox.simulator.replies import (
    Reply,
    bad_parameter,
    bad_value,
    customer_missing,
    from_json,
    success,
    unknown_address,
)
from outbox.simulator.settings import Undocumented
from outbox.simulator.subscribing import CREATE_FIELDS, SHOWN_AS_GIVEN, check, collects_automatically, sent_day
from outbox.simulator.subscription_refusals import (
    already_cancelled,
    cannot_be_postponed,
    not_non_renewing,
    nothing_scheduled,
    subscription_ended,
)
from outbox.simulator.subscriptions import ENDED, existing, forget_scheduled_change, keep, note_activity, shown

UPDATE_FIELDS = (
    CREATE_FIELDS - {"customer", "add_to_unbilled_charges", "create_backdated_invoice", "starts_at", "place_of_supply"}
) | {"end_of_term", "salesperson_id"}
"""Keys of update-a-subscription-request."""

_SCHEDULED_FIELDS = (
    "name",
    "plan_name",
    "plan_code",
    "product_id",
    "product_name",
    "interval",
    "interval_unit",
    "plan",
    "sub_total",
    "amount",
    "taxes",
)

_NOT_STARTED = frozenset({"future", "trial"})


def update(call: Call) -> Reply:
    """``PUT /subscriptions/{subscription_id}``: 200.

    A change of plan, price, quantity or tax is made at once, with a new invoice over the whole of it (recorded
    for a quantity; that it is not pro rata is a guess), or with end_of_term at the end of the term. What has
    not started is changed without an invoice, and at once also with end_of_term: no term runs that could end
    (a guess). A change at once drops what was scheduled, and a second schedule replaces the first (guesses).
    """
    books = call.books
    old = existing(call)
    sent = call.body_object(UPDATE_FIELDS)
    check(call, sent)
    if not isinstance(sent.get("end_of_term", False), bool):
        raise bad_value("end_of_term")
    if not isinstance(sent.get("salesperson_id", ""), str):
        raise bad_value("salesperson_id")
    if "customer_id" not in sent:
        raise bad_value("customer_id")
    if sent["customer_id"] != old["customer_id"]:
        raise customer_missing()
    if old["status"] in ENDED:
        raise subscription_ended()
    collects = collects_automatically(sent, default=False) if "auto_collect" in sent else old["auto_collect"]
    plan, subscribed = subscribed_plans.read(call, sent.get("plan"), subscribed_plans.UPDATE_FIELDS, held=old["plan"])
    changes = subscribed_plans.subscription_fields(books, plan, subscribed)
    subscription = {
        **old,
        **{name: value for name, value in sent.items() if name in SHOWN_AS_GIVEN | {"salesperson_id"}},
        "auto_collect": collects,
        "contactpersons": sent.get("contactpersons") or old["contactpersons"],
        "custom_fields": custom_fields.merged(old["custom_fields"], sent.get("custom_fields", []), call.settings),
        "updated_time": zoho_time(call.now, books.zone),
    }
    if sent.get("end_of_term", False) and old["status"] not in _NOT_STARTED:
        books.scheduled_changes.put({"subscription_id": old["subscription_id"], **changes})
        note_activity(books, old, "Change scheduled for the end of the term", call.now)
        subscription["end_of_term"] = True
    else:
        subscription = _changed_now(call, subscription, changes)
    keep(books, subscription)
    return success("Subscription has been updated successfully.", {"subscription": shown(books, subscription)})


def cancel(call: Call) -> Reply:
    """``POST /subscriptions/{subscription_id}/cancel?cancel_at_end=``: 200.

    At the end: `non_renewing` until the term ends; at once: `cancelled`. One that has not started is cancelled
    at once, whatever is asked (a guess): it has no term.
    """
    books = call.books
    old = existing(call)
    at_end = _at_end(call)
    if old["status"] in ENDED or (old["status"] == "non_renewing" and at_end):
        if call.settings.subscriptions.refuse_second_cancel:
            raise already_cancelled()
        subscription = old
    elif at_end and old["status"] != "future":
        subscription = {**old, "status": "non_renewing", "next_billing_at": ""}
        note_activity(books, old, "Cancellation scheduled for the end of the term", call.now)
    else:
        subscription = cancelled(books, old, zoho_date(call.now, books.zone), call.now)
    if subscription is not old:
        subscription["updated_time"] = zoho_time(call.now, books.zone)
        keep(books, subscription)
    message = (
        "Your subscription will be canceled at the end of this term."
        if subscription["status"] == "non_renewing"
        else "Your subscription has been canceled."
    )
    return success(message, {"subscription": shown(books, subscription)})


def reactivate(call: Call) -> Reply:
    """``POST /subscriptions/{subscription_id}/reactivate``: 200, from `non_renewing` alone."""
    old = existing(call)
    if old["status"] != "non_renewing":
        raise not_non_renewing()
    status = "live" if old["activated_at"] else "trial"
    note_activity(call.books, old, "Subscription reactivated", call.now)
    return _changed(
        call,
        {**old, "status": status, "next_billing_at": next_billing_at(call.books, old)},
        "Subscription has been reactivated successfully.",
    )


def postpone(call: Call) -> Reply:
    """``POST /subscriptions/{subscription_id}/postpone``: 200; the term grows, and the next ones are counted
    from its new end (a guess)."""
    old = existing(call)
    sent = call.body_object({"renewal_at"})
    day = sent_day("renewal_at", sent.get("renewal_at"))
    renewal = old["next_billing_at"]
    if not renewal or old["status"] == "future" or day.isoformat() <= renewal:
        raise cannot_be_postponed()
    course = course_of(call.books, old)
    course.anchor, course.begun = day, 0
    note_activity(call.books, old, "Renewal postponed", call.now)
    return _changed(
        call,
        {**old, "current_term_ends_at": day.isoformat(), "next_billing_at": day.isoformat()},
        "Billing date of the subscription has been changed.",
    )


def set_reference(call: Call) -> Reply:
    """``POST /subscriptions/{subscription_id}/reference``: 200; any text, also another's."""
    old = existing(call)
    sent = call.body_object({"reference_id"})
    if not isinstance(sent.get("reference_id"), str):
        raise bad_value("reference_id")
    return _changed(call, {**old, "reference_id": sent["reference_id"]}, "Subscription has been updated successfully.")


def set_custom_fields(call: Call) -> Reply:
    """``POST /subscriptions/{subscription_id}/customfields``: 200; `data` is the last field that was sent."""
    books = call.books
    old = existing(call)
    sent = call.body_object({"custom_fields"}).get("custom_fields")
    if not sent:
        raise bad_value("custom_fields")
    custom_fields.check(call, sent)
    fields = custom_fields.merged(old["custom_fields"], sent, call.settings)
    keep(books, {**old, "custom_fields": fields, "updated_time": zoho_time(call.now, books.zone)})
    last = sent[-1]
    labels = call.settings.custom_field_labels
    data = {
        "index": labels.index(last["label"]) + 1,
        "label": last["label"],
        "value": last["value"],
        "data_type": "text",
        "customfield_id": str(custom_fields.field_id(labels.index(last["label"]) + 1)),
    }
    return success("Custom Fields Updated Successfully.", {"data": data})


def read_scheduled_change(call: Call) -> Reply:
    """``GET /subscriptions/{subscription_id}/scheduledchanges``: 200 with the subscription as it will be.

    Where nothing is scheduled: an empty subscription, or 400, as `no_scheduled_changes` says.
    """
    subscription = existing(call)
    scheduled = call.books.scheduled_changes.get(subscription["subscription_id"])
    if scheduled is not None:
        will_be = {**subscription, **{name: scheduled[name] for name in _SCHEDULED_FIELDS}}
        return success("success", {"subscription": shown(call.books, will_be)})
    if call.settings.subscriptions.no_scheduled_changes == "refused":
        raise nothing_scheduled()
    return success("success", {"subscription": {}})


def _changed_now(call: Call, subscription: Record, changes: Record) -> Record:
    books = call.books
    changed = {**subscription, **changes, "end_of_term": False}
    forget_scheduled_change(books, subscription["subscription_id"])
    if subscription["status"] in _NOT_STARTED or subscribed_plans.is_same_money(subscription["plan"], changed["plan"]):
        return changed
    today = zoho_date(call.now, books.zone)
    note_activity(books, changed, "Plan changed", call.now)
    is_other_interval = subscribed_plans.interval_of(changed) != subscribed_plans.interval_of(subscription)
    if is_other_interval and subscription["status"] != "non_renewing":
        return restarted(books, changed, today, call.now)
    end = subscription["current_term_ends_at"]
    # One that was planted without dates has no term to charge for but the one that begins now.
    last = date.fromisoformat(end) if end else subscribed_plans.interval_of(changed).after(today, 1)
    period = (today, last)
    return charged(books, changed, Charge.INVOICE, period, call.now)


def _changed(call: Call, subscription: Record, message: str) -> Reply:
    subscription["updated_time"] = zoho_time(call.now, call.books.zone)
    keep(call.books, subscription)
    return success(message, {"subscription": shown(call.books, subscription)})


def _at_end(call: Call) -> bool:
    asked = call.query.get("cancel_at_end")
    if asked is not None:
        if asked not in {"true", "false"}:
            raise bad_parameter("cancel_at_end")
        return asked == "true"
    in_body = _at_end_in_body(call)
    return call.settings.subscriptions.cancel_at_end_by_default if in_body is None else in_body


def _at_end_in_body(call: Call) -> bool | None:
    try:
        body = from_json(call.body) if call.body else {}
    except ValueError:
        raise bad_value("JSONString") from None
    if not isinstance(body, dict) or "cancel_at_end" not in body:
        return None
    match call.settings.undocumented.cancel_at_end_in_body:
        case Undocumented.ON:
            if not isinstance(body["cancel_at_end"], bool):
                raise bad_value("cancel_at_end")
            return bool(body["cancel_at_end"])
        case Undocumented.IGNORED:
            call.note_unknown(["cancel_at_end"])
            return None
        case Undocumented.BAD_REQUEST:
            raise bad_value("cancel_at_end")
        case Undocumented.NOT_FOUND:
            raise unknown_address()
