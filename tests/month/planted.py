"""What may be wrong in Zoho's books: planted there, one at a time, for the bookkeeper to find."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tests.month.audit import Books

Record = dict[str, Any]
Held = dict[str, list[Record]]
CENT = Decimal("0.01")


def _first(records: list[Record], wanted: Callable[[Record], bool] = lambda _: True) -> Record:
    return next(record for record in records if wanted(record))


def _issued(held: Held) -> Record:
    """An invoice of the host's, unpaid or not."""
    return _first(held["invoices"], lambda each: bool(each["custom_fields"]) and each["status"] != "void")


def _twice(records: list[Record], record: Record, id_field: str, **changes: Any) -> None:
    records.append({**record, id_field: f"{record[id_field]}9", **changes})


def _a_day_later(record: Record, name: str) -> None:
    record[name] = (date.fromisoformat(record[name]) + timedelta(days=1)).isoformat()


def a_cent_on_an_invoice(held: Held) -> None:
    invoice = _issued(held)
    invoice["total"] = Decimal(str(invoice["total"])) + CENT


def a_cent_on_a_balance(held: Held) -> None:
    invoice = _issued(held)
    invoice["balance"] = Decimal(str(invoice["balance"])) - CENT


def five_cents_of_tax(held: Held) -> None:
    invoice = _issued(held)
    invoice["tax_total"] = Decimal(str(invoice["tax_total"])) + 5 * CENT


def a_day_on_an_invoice(held: Held) -> None:
    _a_day_later(_issued(held), "date")


def a_day_on_what_is_due(held: Held) -> None:
    _a_day_later(_issued(held), "due_date")


def a_day_on_a_payment(held: Held) -> None:
    _a_day_later(held["payments"][-1], "date")


def a_cent_on_a_payment(held: Held) -> None:
    held["payments"][-1]["amount"] += CENT


def a_doubled_payment(held: Held) -> None:
    _twice(held["payments"], held["payments"][-1], "payment_id")


def a_payment_of_nobody(held: Held) -> None:
    _twice(held["payments"], held["payments"][-1], "payment_id", custom_fields=[])


def a_payment_on_another_invoice(held: Held) -> None:
    paid = _first(held["invoices"], lambda each: len(each["payments"]) == 1)
    other = _first(held["invoices"], lambda each: not each["payments"] and each["status"] != "void")
    other["payments"], paid["payments"] = paid["payments"], []


def a_payment_that_was_taken_off(held: Held) -> None:
    _first(held["payments"], lambda each: bool(each["invoices"]))["invoices"] = []


def a_lost_payment(held: Held) -> None:
    held["payments"].pop()


def a_lost_refund(held: Held) -> None:
    held["refunds"].pop()


def a_second_refund(held: Held) -> None:
    _twice(held["refunds"], held["refunds"][-1], "refund_id")


def a_lost_invoice(held: Held) -> None:
    held["invoices"].remove(_issued(held))


def an_invoice_that_is_not_void(held: Held) -> None:
    _first(held["invoices"], lambda each: each["status"] == "void")["status"] = "sent"


def an_invoice_of_another_customer(held: Held) -> None:
    invoice = _issued(held)
    invoice["customer_id"] = _first(held["customers"], lambda each: each["customer_id"] != invoice["customer_id"])[
        "customer_id"
    ]


def a_second_customer(held: Held) -> None:
    _twice(held["customers"], held["customers"][0], "customer_id")


def a_customer_with_credit(held: Held) -> None:
    held["customers"][0]["unused_credits"] += CENT


def an_active_customer_who_left(held: Held) -> None:
    _first(held["customers"], lambda each: each["status"] == "inactive")["status"] = "active"


# Where Zoho bills.


def _live(held: Held) -> Record:
    return _first(held["subscriptions"], lambda each: each["status"] == "live")


def _raised(held: Held) -> Record:
    return _first(held["invoices"], lambda each: bool(each["subscription_id"]))


def a_live_subscription_of_a_cancelled_service(held: Held) -> None:
    gone = _first(held["subscriptions"], lambda each: each["status"] == "cancelled")
    gone["status"] = "live"


def a_second_subscription(held: Held) -> None:
    _twice(held["subscriptions"], _live(held), "subscription_id")


def a_subscription_of_nobody(held: Held) -> None:
    _twice(held["subscriptions"], _live(held), "subscription_id", reference_id="by hand")


def a_lost_subscription(held: Held) -> None:
    held["subscriptions"].remove(_live(held))


def a_cent_on_a_price(held: Held) -> None:
    subscription = _live(held)
    subscription["plan"]["price"] += CENT


def a_day_on_the_next_bill(held: Held) -> None:
    _a_day_later(_live(held), "next_billing_at")


def another_plan(held: Held) -> None:
    _live(held)["plan_code"] = "FIBRE-1000"


def a_month_billed_twice(held: Held) -> None:
    _twice(held["invoices"], _raised(held), "invoice_id", invoice_number="INV-999999")


def a_month_that_was_not_billed(held: Held) -> None:
    held["invoices"].remove(_raised(held))


def an_invoice_raised_for_a_cent_less(held: Held) -> None:
    invoice = _raised(held)
    invoice["total"] = Decimal(str(invoice["total"])) - CENT


ALWAYS: tuple[Callable[[Held], None], ...] = (
    a_cent_on_an_invoice,
    a_cent_on_a_balance,
    five_cents_of_tax,
    a_day_on_an_invoice,
    a_day_on_what_is_due,
    a_day_on_a_payment,
    a_cent_on_a_payment,
    a_doubled_payment,
    a_payment_of_nobody,
    a_payment_on_another_invoice,
    a_payment_that_was_taken_off,
    a_lost_payment,
    a_lost_refund,
    a_second_refund,
    a_lost_invoice,
    an_invoice_that_is_not_void,
    an_invoice_of_another_customer,
    a_second_customer,
    a_customer_with_credit,
    an_active_customer_who_left,
)
WHERE_ZOHO_BILLS: tuple[Callable[[Held], None], ...] = (
    a_live_subscription_of_a_cancelled_service,
    a_second_subscription,
    a_subscription_of_nobody,
    a_lost_subscription,
    a_cent_on_a_price,
    a_day_on_the_next_bill,
    another_plan,
    a_month_billed_twice,
    a_month_that_was_not_billed,
    an_invoice_raised_for_a_cent_less,
)


def plants(books: Books, mode: str) -> Iterator[tuple[str, Books]]:
    """Books with one thing wrong each, by its name."""
    for plant in (*ALWAYS, *(WHERE_ZOHO_BILLS if mode == "zoho" else ())):
        held: Held = copy.deepcopy(dict(books.held))
        plant(held)
        yield plant.__name__, replace(books, held=held)
    yield from _scheduled(books, mode)
    if mode == "zoho":
        for told in ("nobody billed", "only the host billed", "before it was told of"):
            silent = {row: note.replace(told, "") for row, note in books.notes.items()}
            yield f"nobody is told: {told}", replace(books, notes=silent)


def _scheduled(books: Books, mode: str) -> Iterator[tuple[str, Books]]:
    if mode == "zoho":
        scheduled: Mapping[str, Any] = copy.deepcopy(dict(books.scheduled))
        for record in scheduled.values():
            record["plan"]["price"] += CENT
        yield "a cent on what a month is to cost", replace(books, scheduled=scheduled)
        yield "a price that was not scheduled", replace(books, scheduled={})
