"""Subscriptions, as far as a customer's life needs them: lists and the question whether one lives (sheet
2.3)."""

from collections.abc import Iterator
from datetime import timedelta

from outbox.simulator.books import Books, Record
from outbox.simulator.calls import Call
from outbox.simulator.clock import zoho_date
from outbox.simulator.paging import list_reply
from outbox.simulator.replies import Reply, bad_parameter, subscription_missing, success

ENDED = frozenset({"cancelled", "cancelled_from_dunning", "expired", "trial_expired", "creation_failed"})
"""States from which a subscription bills nobody any more."""

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
    "customer_id": "",
    "customer_name": "",
    "email": "",
    "name": "",
    "plan_name": "",
    "plan_code": "",
    "status": "live",
    "amount": 0,
    "activated_at": "",
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
    "custom_fields": [],
}
"""A subscription's fields with "" for what is absent."""


def has_living_subscription(books: Books, customer_id: str) -> bool:
    """Whether the customer has a subscription that bills now or will."""
    return any(row["status"] not in ENDED for row in books.subscriptions.having("customer_id", customer_id))


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
        thin=dict,
        report_name="All Subscriptions",
        applied_filter=wanted,
    )


def read(call: Call) -> Reply:
    """``GET /subscriptions/{subscription_id}``: 200, or 404/1002."""
    subscription = call.books.subscriptions.get(call.arguments["subscription_id"])
    if subscription is None:
        raise subscription_missing()
    return success("success", {"subscription": subscription})


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
