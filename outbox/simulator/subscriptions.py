"""Subscriptions as they are held, shown, listed and deleted (sheet 2.3).

Creating one is in :mod:`outbox.simulator.subscribing`, changing one in
:mod:`outbox.simulator.subscription_changes`, what time does to them in :mod:`outbox.simulator.renewals`.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from outbox.simulator import custom_fields
from outbox.simulator.books import Books, Record
from outbox.simulator.calls import Call
from outbox.simulator.clock import zoho_date, zoho_time
from outbox.simulator.paging import list_reply
from outbox.simulator.replies import Reply, bad_parameter, subscription_missing, success
from outbox.simulator.subscribed_plans import interval_of

ENDED = frozenset({"cancelled", "cancelled_from_dunning", "expired", "trial_expired", "creation_failed"})
"""States from which a subscription bills nobody any more."""

MOVED_BY_TIME = frozenset({"future", "trial", "live", "active", "dunning", "past_due", "unpaid", "non_renewing"})
"""States in which a term ends. A paused one, which a person may plant, stays as it is (a guess)."""

STATUSES_BY_FILTER: dict[str, frozenset[str] | None] = {
    "SubscriptionStatus.All": None,
    "SubscriptionStatus.ACTIVE": frozenset({"live", "trial", "dunning", "past_due", "unpaid", "non_renewing"}),
    "SubscriptionStatus.LIVE": frozenset({"live"}),
    "SubscriptionStatus.FUTURE": frozenset({"future"}),
    "SubscriptionStatus.TRIAL": frozenset({"trial"}),
    "SubscriptionStatus.PAST_DUE": frozenset({"dunning", "past_due"}),
    "SubscriptionStatus.UNPAID": frozenset({"unpaid"}),
    "SubscriptionStatus.NON_RENEWING": frozenset({"non_renewing"}),
    "SubscriptionStatus.CANCELLED_FROM_DUNNING": frozenset({"cancelled_from_dunning"}),
    "SubscriptionStatus.CANCELLED": frozenset({"cancelled"}),
    "SubscriptionStatus.EXPIRED": frozenset({"expired"}),
    "SubscriptionStatus.TRIAL_EXPIRED": frozenset({"trial_expired"}),
    "SubscriptionStatus.CANCELLED_LAST_MONTH": frozenset({"cancelled"}),
    "SubscriptionStatus.CANCELLED_THIS_MONTH": frozenset({"cancelled"}),
    "SubscriptionMode.ONLINE": None,
    "SubscriptionMode.OFFLINE": None,
}
"""The documented filters by the states they show (ACTIVE and PAST_DUE are guesses); None: every state."""

DEFAULT_FILTER = "SubscriptionStatus.LIVE"
"""What an unfiltered list was recorded to apply (sheet 0.5)."""

DEFAULTS: Record = {
    "subscription_number": "",
    "customer_id": "",
    "customer_name": "",
    "email": "",
    "name": "",
    "plan_name": "",
    "plan_code": "",
    "product_id": "",
    "product_name": "",
    "status": "live",
    "source": "api",
    "sub_total": 0,
    "amount": 0,
    "created_at": "",
    "activated_at": "",
    "trial_starts_at": "",
    "trial_ends_at": "",
    "cancelled_at": "",
    "current_term_starts_at": "",
    "current_term_ends_at": "",
    "last_billing_at": "",
    "next_billing_at": "",
    "expires_at": "",
    "interval": "1",
    "interval_unit": "months",
    "auto_collect": False,
    "reference_id": "",
    "salesperson_id": "",
    "salesperson_name": "",
    "place_of_supply": "",
    "child_invoice_id": "",
    "unbilled_charge_id": "",
    "end_of_term": False,
    "plan": {},
    "addons": [],
    "taxes": [],
    "payment_terms": 0,
    "payment_terms_label": "Due On Receipt",
    "can_add_bank_account": False,
    "can_charge_setup_fee_immediately": False,
    "exchange_rate": 1,
    "contactpersons": [],
    "notes": [],
    "payment_gateways": [],
    "custom_fields": [],
}
"""A subscription's fields with "" for what is absent."""

LIST_FIELDS = (
    "subscription_id",
    "subscription_number",
    "customer_id",
    "customer_name",
    "email",
    "name",
    "plan_name",
    "plan_code",
    "product_id",
    "product_name",
    "status",
    "sub_total",
    "amount",
    "created_at",
    "activated_at",
    "trial_starts_at",
    "trial_ends_at",
    "cancelled_at",
    "current_term_starts_at",
    "current_term_ends_at",
    "last_billing_at",
    "next_billing_at",
    "expires_at",
    "interval",
    "interval_unit",
    "auto_collect",
    "created_time",
    "updated_time",
    "reference_id",
    "salesperson_id",
    "salesperson_name",
    "currency_code",
    "currency_symbol",
    "custom_fields",
)
"""What a list row keeps: our key and the custom fields are in it, plan and customer objects are not."""

_CUSTOMER_FIELDS = (
    "customer_id",
    "display_name",
    "salutation",
    "company_name",
    "first_name",
    "last_name",
    "email",
    "website",
    "zcrm_account_id",
    "zcrm_contact_id",
    "billing_address",
    "shipping_address",
    "payment_terms",
    "payment_terms_label",
)


def has_living_subscription(books: Books, customer_id: str) -> bool:
    """Whether the customer has a subscription that bills now or will."""
    return any(row["status"] not in ENDED for row in books.subscriptions.having("customer_id", customer_id))


def blank_subscription(books: Books, now: float) -> Record:
    """A subscription to nothing, for nobody, with an id and a number."""
    organisation = books.organisation
    time = zoho_time(now, books.zone)
    return {
        "subscription_id": books.next_id(),
        **DEFAULTS,
        "subscription_number": f"SUB-{books.next_number('subscriptions'):05}",
        "created_at": zoho_date(now, books.zone).isoformat(),
        "currency_code": organisation.currency_code,
        "currency_symbol": organisation.currency_symbol,
        "created_time": time,
        "updated_time": time,
    }


def existing(call: Call) -> Record:
    """The subscription that the address names. Raises Refusal 404/1002."""
    subscription = call.books.subscriptions.get(call.arguments["subscription_id"])
    if subscription is None:
        raise subscription_missing()
    return subscription


def keep(books: Books, subscription: Record, created_at: float | None = None) -> None:
    """Add or replace a subscription, and note when its term ends. Every writer goes through here.

    Raises ValueError where it renews and a date or the interval of it is none: only a planted one can be so.
    """
    end = term_end(subscription)
    if end:
        interval_of(subscription)
        for day in filter(None, (end, subscription["current_term_starts_at"])):
            if date.fromisoformat(day).isoformat() != day:
                raise ValueError(f"{day} is no day as Zoho writes it: yyyy-mm-dd")
    books.subscriptions.put(subscription, created_at)
    books.terms_due.note(subscription["subscription_id"], end)


def term_end(subscription: Record) -> str:
    """The day on which time does something to it next; "": never."""
    if subscription["status"] not in MOVED_BY_TIME:
        return ""
    end: str = subscription["next_billing_at"] or subscription["current_term_ends_at"]
    return end


def note_activity(books: Books, subscription: Record, what: str, at: float) -> None:
    """A line for recentactivities."""
    activity_id = books.next_id()
    books.activities.put(
        {
            "activity_id": activity_id,
            "subscription_id": subscription["subscription_id"],
            "description": what,
            "activity_time": zoho_time(at, books.zone),
            "commented_by": "Zoho Billing",
        }
    )


def forget_scheduled_change(books: Books, subscription_id: str) -> None:
    """Drop what was to change at the end of the term, if there is such a thing."""
    books.scheduled_changes.remove(subscription_id)


def shown(books: Books, subscription: Record) -> Record:
    """As GET shows it: with its customer as it is now. One that bills no more has no next_billing_at
    (recorded for a cancelled one)."""
    customer = books.customers.get(subscription["customer_id"])
    found = dict(subscription)
    if not found["next_billing_at"] and found["status"] in ENDED | {"non_renewing"}:
        del found["next_billing_at"]
    if customer is None:
        return found
    return {
        **found,
        "customer_name": customer["display_name"],
        "email": customer["email"],
        "customer": {name: customer[name] for name in _CUSTOMER_FIELDS},
        "contactpersons": [_contact_person(customer, row) for row in subscription["contactpersons"]],
    }


def list_all(call: Call) -> Reply:
    """``GET /subscriptions`` with filter_by, customer_id and reference_contains; unfiltered it shows the live
    ones."""
    wanted = call.query.get("filter_by", DEFAULT_FILTER)
    if wanted not in STATUSES_BY_FILTER:
        raise bad_parameter("filter_by")
    subscriptions = call.books.subscriptions
    customer_id = call.query.get("customer_id")
    rows: Iterator[Record] = iter(
        subscriptions if customer_id is None else subscriptions.having("customer_id", customer_id)
    )
    part = call.query.get("reference_contains")
    if part is not None:
        rows = (row for row in rows if part in row["reference_id"])
    rows = (row for row in rows if _accepted(call, wanted, row))
    return list_reply(
        call,
        "subscriptions",
        rows,
        of=subscriptions,
        thin=lambda row: _list_row(call.books, row),
        report_name="All Subscriptions",
        applied_filter=wanted,
    )


def read(call: Call) -> Reply:
    """``GET /subscriptions/{subscription_id}``: 200, or 404/1002."""
    return success("success", {"subscription": shown(call.books, existing(call))})


def read_activities(call: Call) -> Reply:
    """``GET /subscriptions/{subscription_id}/recentactivities``: newest first (a guess)."""
    found = call.books.activities.having("subscription_id", existing(call)["subscription_id"])
    return success(
        "success",
        {
            "activities": [
                {name: value for name, value in row.items() if name != "subscription_id"} for row in reversed(found)
            ]
        },
    )


def delete(call: Call) -> Reply:
    """``DELETE /subscriptions/{subscription_id}``: 200, a second time 404/1002; its invoices stay (a guess)."""
    books = call.books
    subscription_id = existing(call)["subscription_id"]
    for activity in books.activities.having("subscription_id", subscription_id):
        books.activities.remove(activity["activity_id"])
    forget_scheduled_change(books, subscription_id)
    books.courses.pop(subscription_id, None)
    books.subscriptions.remove(subscription_id)
    return success("The subscription has been deleted.")


def _contact_person(customer: Record, row: dict[str, Any]) -> Record:
    if row["contactperson_id"] != customer["primary_contactperson_id"]:
        return row
    return {
        **row,
        "email": customer["email"],
        "phone": customer["phone"],
        "mobile": customer["mobile"],
        "zcrm_contact_id": customer["zcrm_contact_id"],
    }


def _list_row(books: Books, subscription: Record) -> Record:
    found = shown(books, subscription)
    row = {name: found[name] for name in LIST_FIELDS if name in found}
    fields = [custom_fields.whole_row(field) for field in found["custom_fields"]]
    row["custom_field_hash"] = {field["placeholder"]: field["value"] for field in fields}
    return row


def _accepted(call: Call, wanted: str, row: Record) -> bool:
    statuses = STATUSES_BY_FILTER[wanted]
    if statuses is not None and row["status"] not in statuses:
        return False
    today = zoho_date(call.now, call.books.zone)
    match wanted:
        case "SubscriptionMode.ONLINE":
            return bool(row["auto_collect"])
        case "SubscriptionMode.OFFLINE":
            return not row["auto_collect"]
        case "SubscriptionStatus.CANCELLED_THIS_MONTH":
            return str(row["cancelled_at"])[:7] == f"{today:%Y-%m}"
        case "SubscriptionStatus.CANCELLED_LAST_MONTH":
            return str(row["cancelled_at"])[:7] == f"{today.replace(day=1) - timedelta(days=1):%Y-%m}"
        case _:
            return True
