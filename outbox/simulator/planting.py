"""Records that no request made: what a company had in Zoho before, and what a person does there by hand."""

from collections.abc import Callable

from outbox.simulator import customers, money_planting, plans, products, subscriptions, transactions
from outbox.simulator.books import Books, Record
from outbox.simulator.clock import zoho_time
from outbox.simulator.invoice_bodies import INVOICE_FIELDS
from outbox.simulator.invoice_records import blank_invoice
from outbox.simulator.payments import PAYMENT_FIELDS, blank_payment
from outbox.simulator.refunds import blank_refund
from outbox.simulator.settings import SimulatorSettings


def plant(books: Books, settings: SimulatorSettings, name: str, fields: Record, *, now: float) -> str:
    """Add a record to collection `name` with any fields of its read shape; returns its id.

    It is old enough to stand in every list. Custom fields are given as ``[{"label": …, "value": …}]``. Raises
    KeyError for an unknown collection, ValueError naming a field or label that does not exist, or a customer
    without display_name, or an id that is taken.
    """
    collection = books.collections[name]
    record = _blank(books, name, now)
    _check_names(record, name, fields)
    if name == "customers" and not fields.get("display_name"):
        raise ValueError("a customer needs a display_name")
    if str(fields.get(collection.id_field, "")) and collection.get(fields[collection.id_field]) is not None:
        raise ValueError(f"{collection.id_field} {fields[collection.id_field]} is taken")
    _put(books, settings, name, record, fields, now=now)
    return str({**record, **fields}[collection.id_field])


def edit(books: Books, settings: SimulatorSettings, name: str, record_id: str, fields: Record, *, now: float) -> bool:
    """Change a record by hand; False where there is none. Raises as :func:`plant` does."""
    collection = books.collections[name]
    old = collection.get(record_id)
    if old is None:
        return False
    _check_names(old, name, fields)
    changes = {"updated_time": zoho_time(now, books.zone), **fields, collection.id_field: record_id}
    _put(books, settings, name, old, changes, now=now)
    return True


def remove(books: Books, name: str, record_id: str, *, now: float) -> bool:
    """Delete a record by hand, as Zoho's pages do; False where there is none. Raises KeyError for an unknown
    collection."""
    match name:
        case "invoices":
            return money_planting.remove_invoice_by_hand(books, record_id)
        case "payments":
            return money_planting.remove_payment_by_hand(books, record_id, now)
        case "refunds":
            return money_planting.remove_refund_by_hand(books, record_id, now)
        case _:
            return books.collections[name].remove(record_id) is not None


def _check_names(record: Record, name: str, fields: Record) -> None:
    known = set(record) | _WRITTEN_FIELDS.get(name, frozenset())
    if unknown := sorted(set(fields) - known):
        raise ValueError(f"not a field of {name}: {', '.join(unknown)}")


def _blank(books: Books, name: str, now: float) -> Record:
    blank = _BLANKS.get(name)
    if blank is not None:
        return blank(books, now)
    defaults = _DEFAULTS[name]
    time = zoho_time(now, books.zone)
    return {
        books.collections[name].id_field: books.next_id(),
        **defaults,
        "created_time": time,
        "updated_time": time,
    }


def _put(books: Books, settings: SimulatorSettings, name: str, old: Record, fields: Record, *, now: float) -> None:
    labels = {row["label"] for row in fields.get("custom_fields", [])}
    if unknown := sorted(labels - set(settings.custom_field_labels)):
        raise ValueError(f"not a custom field of the organisation: {', '.join(unknown)}")
    match name:
        case "invoices":
            money_planting.put_invoice_by_hand(books, old, fields, now)
        case "payments":
            money_planting.put_payment_by_hand(books, old, fields, now)
        case "refunds":
            money_planting.put_refund_by_hand(books, old, fields, now)
        case "customers":
            record = dict(old)
            customers.write(record, fields, settings)
            record.update({key: value for key, value in fields.items() if key not in customers.SHAPED_FIELDS})
            books.customers.put(record)
        case "plans":
            plans.put_by_hand(books, {**old, **fields}, now)
        case "subscriptions":
            subscriptions.keep(books, {**old, **fields})
        case _:
            books.collections[name].put({**old, **fields})


_BLANKS: dict[str, Callable[[Books, float], Record]] = {
    "customers": customers.blank_customer,
    "products": products.blank_product,
    "plans": plans.blank_plan,
    "subscriptions": subscriptions.blank_subscription,
    "invoices": lambda books, now: {**blank_invoice(books, now), "status": "sent"},
    "payments": blank_payment,
    "refunds": blank_refund,
}
"""A record with nothing on it, by collection."""

_DEFAULTS: dict[str, Record] = {
    "transactions": transactions.DEFAULTS,
}
"""Fields of the records that have no blank of their own."""

_WRITTEN_FIELDS: dict[str, frozenset[str]] = {
    "customers": customers.CREATE_FIELDS,
    "invoices": INVOICE_FIELDS,
    "payments": PAYMENT_FIELDS,
}
"""Fields of the request bodies, which may be planted besides those that are read."""
