"""The shapes of ``--json``, as paths: ``leases[].named`` is text, ``by_type.<type>.dead`` an integer.

Read off the dataclasses that the commands print; what has no dataclass (``explain`` prints what SQL returns) is written
down here, and held to what the command really prints.
"""

import dataclasses
import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from outbox.commands.doctor.findings import Diagnosis
from outbox.commands.find import Finding
from outbox.commands.health.figures import Period
from outbox.commands.health.findings import Category
from outbox.commands.health.findings import Finding as HealthFinding
from outbox.commands.health.findings import State as HealthState
from outbox.commands.reconcile import Result
from outbox.commands.status import Status
from outbox.commands.undo.plan import Becomes

Paths = dict[str, str]
"""Word for each path: what stands there."""

ANY_OBJECT = "object"
"""Of its own shape: what is below is not told."""

_PLAIN: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "integer",
    float: "number",
    Decimal: "amount, as text",
    datetime: "moment (ISO 8601)",
    date: "date (ISO 8601)",
    UUID: "uuid",
}

_KEYS = {"EntityType": "type", "Category": "category", "str": "name"}
"""What stands for a key of a mapping."""


def paths_of(annotation: Any, at: str = "") -> Paths:
    """Every path of a type that ``asdict`` and JSON make of it."""
    return dict(_walk(annotation, at))


def _walk(annotation: Any, at: str, null: str = "") -> Iterator[tuple[str, str]]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in {Union, types.UnionType}:
        (rest,) = [each for each in arguments if each is not type(None)]
        yield from _walk(rest, at, " or null")
    elif dataclasses.is_dataclass(annotation):
        if null:
            yield at, f"{ANY_OBJECT}{null}"
        hints = get_type_hints(annotation)
        for field in dataclasses.fields(annotation):
            yield from _walk(hints[field.name], f"{at}.{field.name}" if at else field.name)
    elif origin in {tuple, list, Sequence}:
        yield from _walk(arguments[0], f"{at}[]")
    elif origin in {dict, Mapping}:
        yield from _walk(arguments[1], f"{at}.<{_KEYS[arguments[0].__name__]}>")
    elif isinstance(annotation, type) and issubclass(annotation, StrEnum):
        yield at, f"{', '.join(annotation)}{null}"
    elif isinstance(annotation, type) and issubclass(annotation, IntEnum):
        yield at, f"{', '.join(str(int(each)) for each in annotation)}{null}"
    else:
        yield at, f"{_PLAIN[annotation]}{null}"


def _status() -> Paths:
    return paths_of(Status)


def _find() -> Paths:
    return paths_of(Finding)


def _doctor() -> Paths:
    return paths_of(Diagnosis) | {"well": _PLAIN[bool]}


def _reconcile() -> Paths:
    amounts = dict.fromkeys(("months[].difference",), _PLAIN[Decimal])
    return paths_of(Result) | amounts | {"clean": _PLAIN[bool]}


def _health_check() -> Paths:
    states = ", ".join(HealthState)
    finding = paths_of(HealthFinding, "categories.<category>.findings[]")
    return {
        "state": states,
        "as_of": f"{_PLAIN[datetime]} or null",
        "categories.<category>.state": f"{states}; the categories are {', '.join(Category)}",
        **finding,
        "figures": f"{ANY_OBJECT} or null; with --detailed",
        **paths_of(Period, "figures.<period>"),
        "figures.<period>.types[].success_percent": f"{_PLAIN[float]} or null",
        "figures.<period>.could_not": "text; in place of the rest, where it could not be read; next_step beside it",
        "figures.<period>.next_step": "text",
        "figures.quota": "object: used and day_limit (null: none), or could_not; <period> is week or month",
    }


def _explain() -> Paths:
    text, moment, number = _PLAIN[str], _PLAIN[datetime], _PLAIN[int]
    attempt = {
        "id": _PLAIN[UUID], "at": moment, "status": "success, failed, retrying", "number": f"{number} or null",
        "entry": f"{number} or null", "duration_ms": f"{number} or null", "api_calls": f"{number} or null",
        "zoho_id": f"{text} or null", "zoho_code": f"{number} or null", "failure_class": f"{text} or null",
        "error": f"{text} or null", "request": f"{ANY_OBJECT} or null", "response": f"{ANY_OBJECT} or null",
    }  # fmt: skip
    return {
        "type": "customer, subscription, invoice, payment",
        "id": _PLAIN[UUID],
        "named": text,
        "zoho_id": f"{text} or null",
        "zoho_path": f"{text} or null",
        "zoho_url": f"{text} or null",
        "zoho_organization_id": f"{text} or null",
        "where": "idle, ready, scheduled, leased, waiting, dead, never_captured",
        "why": f"{text}, one sentence",
        "next": f"{text}, one sentence",
        "not_eligible": f"{text} or null",
        "row_is_there": f"{_PLAIN[bool]} or null",
        "row": f"{ANY_OBJECT} or null: the status columns",
        "state": f"{ANY_OBJECT} or null: never captured",
        "not_admitted": number,
        "awaited": f"{ANY_OBJECT} or null: it waits for nothing",
        "organisation": f"{ANY_OBJECT}: what stops sending, or running",
        "reconciled[].finding": f"{text}; of the newest run over this type",
        "reconciled[].kind": f"{text} or null",
        "reconciled[].said": text,
        "reconciled[].mend": f"{text} or null",
        "reconciled[].found_at": moment,
        "reconciled[].enqueued_at": f"{moment} or null",
        "entries[]": f"{ANY_OBJECT}, newest first",
        **{f"attempts[].{name}": word for name, word in attempt.items()},
    }


def _backfill() -> Paths:
    text, number = _PLAIN[str], _PLAIN[int]
    return {
        "counts.<type>.<name>": f"{number}; of those that become: {', '.join(Becomes)}",
        "records[].type": "customer, subscription, invoice, payment",
        "records[].id": _PLAIN[UUID],
        "records[].named": text,
        "records[].zoho_id": f"{text} or null",
        "records[].becomes": ", ".join(Becomes),
        "records[].why": text,
        "requests": f"{number}, about",
        "paused": _PLAIN[bool],
        "barred[]": f"{text}; what must be settled first",
    }


SHAPES = {
    "backfill": _backfill,
    "doctor": _doctor,
    "explain": _explain,
    "find": _find,
    "health-check": _health_check,
    "reconcile": _reconcile,
    "status": _status,
}
"""By command. ``find`` prints an object a line, the others one; ``backfill`` with ``--undo`` (with ``--yes`` this is
``plan``, beside ``done`` and ``stopped``)."""


def paths_in(value: Any, at: str = "") -> Iterator[str]:
    """Paths of a JSON value, keys of mappings as they are."""
    match value:
        case dict():
            for key, item in value.items():
                yield from paths_in(item, f"{at}.{key}" if at else key)
            if not value:
                yield at
        case list():
            for item in value:
                yield from paths_in(item, f"{at}[]")
        case _:
            yield at


def untold(value: Any, told: Paths) -> list[str]:
    """Paths of a JSON value that are not told."""
    return sorted(
        {path for path in paths_in(value) if not any(_covers(known, word, path) for known, word in told.items())}
    )


def _covers(known: str, word: str, path: str) -> bool:
    known_parts, parts = known.split("."), path.split(".")
    deeper = len(parts) > len(known_parts) and ANY_OBJECT in word
    if len(parts) != len(known_parts) and not deeper:
        # An object or a list that is null or empty.
        if len(parts) >= len(known_parts):
            return False
        known_parts = known_parts[: len(parts)]
        known_parts[-1] = known_parts[-1].removesuffix("[]") if not parts[-1].endswith("[]") else known_parts[-1]
    return all(
        each == part or (each.startswith("<") and part.isidentifier())
        for each, part in zip(known_parts, parts, strict=False)
    )
