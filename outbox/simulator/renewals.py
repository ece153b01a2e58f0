"""What time does to subscriptions: they start, renew with an invoice, change, end.

Nothing runs in the background. Before a request is carried out, every term that has ended by then is ended, in
the order of the days, as if it had been done at midnight of its day in the organisation's zone.
"""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from enum import Enum, auto
from typing import assert_never

from outbox.simulator.books import Books, Record
from outbox.simulator.clock import zoho_date, zoho_time
from outbox.simulator.invoices import raise_invoice
from outbox.simulator.subscribed_plans import interval_of, invoice_lines
from outbox.simulator.subscriptions import forget_scheduled_change, keep, note_activity, term_end
from outbox.simulator.terms import Course


class Charge(Enum):
    """What becomes of what a term costs."""

    INVOICE = auto()
    UNBILLED = auto()
    """Put aside, to be invoiced by a person later."""
    NOTHING = auto()
    """A term that was over, or was paid elsewhere, before the subscription was made."""


def bring_up_to_date(books: Books, now: float) -> None:
    """End every term that is over at `now` (epoch seconds)."""
    today = zoho_date(now, books.zone).isoformat()
    while (subscription_id := books.terms_due.take(today)) is not None:
        subscription = books.subscriptions.get(subscription_id)
        if subscription is not None:
            midnight = datetime.combine(date.fromisoformat(term_end(subscription)), time.min, books.zone)
            keep(books, end_term(books, subscription, _always_invoice, midnight.timestamp()))


def run_until(books: Books, subscription: Record, today: date, charge: Callable[[date], Charge], now: float) -> Record:
    """`subscription`, made `now`, after every term that is over `today`; `charge` says what becomes of a term
    by its first day."""
    while (end := term_end(subscription)) and end <= today.isoformat():
        subscription = end_term(books, subscription, charge, now)
    return subscription


def end_term(books: Books, subscription: Record, charge: Callable[[date], Charge], at: float) -> Record:
    """`subscription` after the day named by its term_end; `at`, in epoch seconds, is when that is written.

    Raises ValueError where nothing is due.
    """
    day = date.fromisoformat(term_end(subscription))
    subscription = {**subscription, "updated_time": zoho_time(at, books.zone)}
    match subscription["status"]:
        case "non_renewing":
            return cancelled(books, subscription, day, at)
        case "future":
            days = subscription["plan"].get("trial_days", 0)
            if days:
                return _on_trial(books, subscription, day, day + timedelta(days=days), at)
            return _first_term(books, subscription, day, charge(day), at)
        case "trial":
            return _first_term(books, subscription, day, charge(day), at)
        case _:
            return _next_term(books, subscription, day, charge, at)


def cancelled(books: Books, subscription: Record, day: date, at: float) -> Record:
    """`subscription` after it was cancelled on `day`; what was scheduled is dropped."""
    forget_scheduled_change(books, subscription["subscription_id"])
    note_activity(books, subscription, "Subscription cancelled", at)
    return {
        **subscription,
        "status": "cancelled",
        "cancelled_at": day.isoformat(),
        "next_billing_at": "",
        "end_of_term": False,
    }


def restarted(books: Books, subscription: Record, day: date, now: float) -> Record:
    """`subscription` with a new term from `day` on, after its interval changed, and an invoice for it."""
    course_of(books, subscription).anchor = day
    course_of(books, subscription).begun = 0
    return _begin(books, subscription, day, Charge.INVOICE, now)


def charged(books: Books, subscription: Record, charge: Charge, period: tuple[date, date], now: float) -> Record:
    """`subscription` after it was charged for `period`, its first day and the day after its last."""
    match charge:
        case Charge.NOTHING:
            return subscription
        case Charge.UNBILLED:
            return {**subscription, "unbilled_charge_id": books.next_id()}
        case Charge.INVOICE:
            return _invoiced(books, subscription, period, now)
        case _:
            assert_never(charge)


def next_billing_at(books: Books, subscription: Record) -> str:
    """When a running subscription is billed next; "" in the last of its billing cycles."""
    end: str = subscription["current_term_ends_at"]
    return "" if _is_last_cycle(books, subscription) else end


def course_of(books: Books, subscription: Record) -> Course:
    """Where `subscription` stands. A planted one stands where its dates say."""
    subscription_id = subscription["subscription_id"]
    course = books.courses.get(subscription_id)
    if course is None:
        course = books.courses[subscription_id] = _derived(subscription)
    return course


def _derived(subscription: Record) -> Course:
    due = term_end(subscription)
    if not due:
        # Planted without dates: it renews never, and is anchored anew where something gives it a term.
        return Course(date.min, owes_setup_fee=False)
    end = date.fromisoformat(due)
    start = subscription["current_term_starts_at"]
    if start and interval_of(subscription).after(date.fromisoformat(start), 1) == end:
        return Course(date.fromisoformat(start), begun=1, cycles=1, owes_setup_fee=False)
    return Course(end, owes_setup_fee=subscription["status"] in {"future", "trial"})


def _on_trial(books: Books, subscription: Record, day: date, end: date, at: float) -> Record:
    note_activity(books, subscription, "Trial started", at)
    return {
        **subscription,
        "status": "trial",
        "trial_starts_at": day.isoformat(),
        "trial_ends_at": end.isoformat(),
        "current_term_starts_at": day.isoformat(),
        "current_term_ends_at": end.isoformat(),
        "next_billing_at": end.isoformat(),
    }


def _first_term(books: Books, subscription: Record, day: date, charge: Charge, at: float) -> Record:
    course = course_of(books, subscription)
    course.anchor, course.begun = day, 0
    note_activity(books, subscription, "Subscription activated", at)
    live = {**subscription, "status": "live", "activated_at": day.isoformat()}
    return _begin(books, live, day, charge, at)


def _next_term(books: Books, subscription: Record, day: date, charge: Callable[[date], Charge], at: float) -> Record:
    if _is_last_cycle(books, subscription):
        note_activity(books, subscription, "Subscription expired", at)
        forget_scheduled_change(books, subscription["subscription_id"])
        return {**subscription, "status": "expired", "next_billing_at": "", "end_of_term": False}
    scheduled = books.scheduled_changes.get(subscription["subscription_id"])
    if scheduled is not None:
        changed = {**subscription, **scheduled, "end_of_term": False}
        forget_scheduled_change(books, subscription["subscription_id"])
        note_activity(books, subscription, "Scheduled change made", at)
        if interval_of(changed) != interval_of(subscription):
            course = course_of(books, subscription)
            course.anchor, course.begun = day, 0
        subscription = changed
    return _begin(books, subscription, day, charge(day), at)


def _begin(books: Books, subscription: Record, day: date, charge: Charge, now: float) -> Record:
    course = course_of(books, subscription)
    course.begun += 1
    course.cycles += 1
    interval = interval_of(subscription)
    end = interval.after(course.anchor, course.begun)
    begun = {**subscription, "current_term_starts_at": day.isoformat(), "current_term_ends_at": end.isoformat()}
    begun["next_billing_at"] = next_billing_at(books, begun)
    cycles = subscription["plan"].get("billing_cycles", -1)
    if cycles > 0:
        begun["expires_at"] = interval.after(course.anchor, course.begun + cycles - course.cycles).isoformat()
    return charged(books, begun, charge, (day, end), now)


def _is_last_cycle(books: Books, subscription: Record) -> bool:
    cycles: int = subscription["plan"].get("billing_cycles", -1)
    return 0 < cycles <= course_of(books, subscription).cycles


def _invoiced(books: Books, subscription: Record, period: tuple[date, date], now: float) -> Record:
    customer = books.customers.get(subscription["customer_id"])
    if customer is None:
        # Planted with a customer that is not there: nobody to send an invoice to.
        return subscription
    course = course_of(books, subscription)
    start, end = period
    invoice = raise_invoice(
        books,
        customer,
        invoice_lines(books, subscription, with_setup_fee=course.owes_setup_fee),
        on=start,
        due=start + timedelta(days=subscription["payment_terms"]),
        now=now,
        subscription_id=subscription["subscription_id"],
        period=(start.isoformat(), (end - timedelta(days=1)).isoformat()),
        inclusive=books.settings.subscriptions.prices_include_tax,
    )
    course.owes_setup_fee = False
    note_activity(books, subscription, f"Invoice created - {invoice['invoice_number']}", now)
    return {**subscription, "child_invoice_id": invoice["invoice_id"], "last_billing_at": start.isoformat()}


def _always_invoice(_day: date) -> Charge:
    return Charge.INVOICE
