"""Custom fields as ``[{label, value}]``, on every module that has them (sheet 1.7)."""

from typing import Any

from outbox.simulator.books import Record
from outbox.simulator.calls import Call
from outbox.simulator.replies import bad_value, unknown_custom_field
from outbox.simulator.settings import SimulatorSettings

LONGEST_VALUE = 255
"""Of a text field (sheet 1.7)."""
FIRST_FIELD_ID = 4_600_000_000_000_300

_KNOWN_KEYS = frozenset({"label", "value", "index", "data_type"})


def check(call: Call, rows: object, longest: int | None = LONGEST_VALUE) -> None:
    """Refuse rows that do not fit, 400/4, or whose label the organisation has not, 400/120129; count unknown
    keys."""
    if not isinstance(rows, list):
        raise bad_value("custom_fields")
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("label"), str):
            raise bad_value("custom_fields")
        if row["label"] not in call.settings.custom_field_labels:
            raise unknown_custom_field(row["label"])
        value = row.get("value")
        if not isinstance(value, str) or (longest is not None and len(value) > longest):
            raise bad_value(row["label"])
        call.note_unknown([f"custom_fields.{key}" for key in row if key not in _KNOWN_KEYS])


def merged(held: list[dict[str, Any]], sent: list[dict[str, Any]], settings: SimulatorSettings) -> list[dict[str, Any]]:
    """The fields in their read shape after `sent` was written over `held`; one that is not sent stays, one
    that is empty is not shown."""
    values = {row["label"]: row["value"] for row in held}
    values.update({row["label"]: row["value"] for row in sent})
    return [
        {"index": index, "label": label, "value": values[label], "data_type": "text"}
        for index, label in enumerate(settings.custom_field_labels, start=1)
        if values.get(label, "") != ""
    ]


def keys_of(record: Record) -> dict[str, str]:
    """The values by which a record would be found again, by label."""
    return {row["label"]: row["value"] for row in record["custom_fields"]}


def field_id(index: int) -> int:
    """The id of the organisation's custom field number `index`."""
    return FIRST_FIELD_ID + index


def label_of(customfield_id: int, settings: SimulatorSettings) -> str | None:
    """The label of the custom field of that id, if there is one."""
    index = customfield_id - FIRST_FIELD_ID
    labels = settings.custom_field_labels
    return labels[index - 1] if 1 <= index <= len(labels) else None


def whole_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of :func:`merged` with what the richer replies add (sheet 1.7)."""
    return {
        **row,
        "customfield_id": field_id(row["index"]),
        "placeholder": "cf_" + "_".join(row["label"].lower().split()),
        "is_active": True,
        "is_mandatory": False,
        "is_custom_field": True,
        "max_length": LONGEST_VALUE,
        "help_text": "",
    }
