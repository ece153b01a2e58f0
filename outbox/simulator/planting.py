"""Records that no request made: what a company had in Zoho before, and what a person does there by hand."""

from outbox.simulator import customers, subscriptions, transactions
from outbox.simulator.books import Books, Record
from outbox.simulator.clock import zoho_time
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
    _write(record, name, fields, settings)
    collection.put(record)
    return str(record[collection.id_field])


def edit(books: Books, settings: SimulatorSettings, name: str, record_id: str, fields: Record, *, now: float) -> bool:
    """Change a record by hand; False where there is none. Raises as :func:`plant` does."""
    collection = books.collections[name]
    old = collection.get(record_id)
    if old is None:
        return False
    _check_names(old, name, fields)
    changed = dict(old)
    _write(changed, name, {"updated_time": zoho_time(now, books.zone), **fields}, settings)
    changed[collection.id_field] = record_id
    collection.put(changed)
    return True


def _check_names(record: Record, name: str, fields: Record) -> None:
    known = set(record) | (customers.CREATE_FIELDS if name == "customers" else set())
    if unknown := sorted(set(fields) - known):
        raise ValueError(f"not a field of {name}: {', '.join(unknown)}")


def _blank(books: Books, name: str, now: float) -> Record:
    if name == "customers":
        return customers.blank_customer(books, now)
    defaults = subscriptions.DEFAULTS if name == "subscriptions" else transactions.DEFAULTS
    time = zoho_time(now, books.zone)
    return {
        books.collections[name].id_field: books.next_id(),
        **defaults,
        "created_time": time,
        "updated_time": time,
    }


def _write(record: Record, name: str, fields: Record, settings: SimulatorSettings) -> None:
    labels = {row["label"] for row in fields.get("custom_fields", [])}
    if unknown := sorted(labels - set(settings.custom_field_labels)):
        raise ValueError(f"not a custom field of the organisation: {', '.join(unknown)}")
    if name == "customers":
        customers.write(record, fields, settings)
        fields = {key: value for key, value in fields.items() if key not in customers.SHAPED_FIELDS}
    record.update(fields)
