"""What moves, as anybody can see it in the database: read as the operator, who sees what a person would."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from outbox.demo.feed_statements import COUNTS, ENTRIES, HOST_ROWS, NOT_SYNCED, SENDS, UNSETTLED
from outbox.store.statements import statement
from outbox.vocabulary import Change, EntityType, EntryStatus, OrganisationState, Outcome

_ID_WINDOW = 500
"""Ids are not in commit order: an entry may appear below one that was seen already, but not far below."""


@dataclass(frozen=True)
class Event:
    """An outbox entry came to where it is worth a line."""

    entries: tuple[int, ...]
    """The entry; before it, those that one send carried with it."""
    entity_type: EntityType
    entity_id: UUID
    key: str
    """What people call the row: account number, invoice number, transaction id; a service by its customer's."""
    name: str
    """Of the customer; what was sold, raised or paid."""
    change: Change
    """Of the first entry."""
    status: EntryStatus
    outcome: Outcome | None
    requested_by: str | None
    request: str | None
    """The write that Zoho was sent, or the read where there was none: 'POST /customers'."""
    api_calls: int
    zoho_id: str | None
    milliseconds: int | None
    """From the application's transaction to the settled entry; None where a person lies in between."""
    reason: str | None
    """Why it is not done; of one that is, what is worth saying all the same."""
    again_at: datetime | None
    """Between attempts: when the next one is due."""


@dataclass(frozen=True)
class Unfinished:
    """A row that is not simply synced: waiting, skipped, dead, or still on its way."""

    entity_type: EntityType
    key: str
    name: str
    status: EntryStatus
    reason: str


@dataclass(frozen=True)
class HostRow:
    """A row as the host shows it after the daemon wrote back."""

    id: UUID
    zoho_id: str | None
    status: str | None
    synced_at: datetime | None
    error: str | None
    logged: int
    """Successful attempts in ``zoho_sync_logs``."""


class Feed:
    """Reads over one connection; remembers what it has told."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._cursor = connection.cursor(row_factory=dict_row)
        self._highest = 0
        self._open: set[int] = set()
        self._told: dict[int, tuple[str, object]] = {}

    def events(self) -> list[Event]:
        """What came about since the last call, in the order of the entries."""
        rows = self._cursor.execute(
            ENTRIES.encode(), {"after": self._highest - _ID_WINDOW, "open": list(self._open)}
        ).fetchall()
        fresh = list(self._fresh(rows))
        if not fresh:
            return []
        sends = {
            send["outbox_id"]: send
            for send in self._cursor.execute(SENDS, {"ids": [row["id"] for row in fresh]}).fetchall()
        }
        events = [_event(row, sends.get(row["id"]), again=row["id"] in self._told) for row in fresh]
        for row in fresh:
            self._told[row["id"]] = _telling(row)
        return _folded(events)

    def counts(self) -> dict[EntityType, dict[str, int]]:
        """Rows by where they stand: the open entry's status, else zoho_sync_status."""
        counts: dict[EntityType, dict[str, int]] = {entity_type: {} for entity_type in EntityType}
        for row in self._cursor.execute(COUNTS.encode()).fetchall():
            counts[EntityType(row["entity_type"])][str(row["standing"])] = row["count"]
        return counts

    def is_settled(self) -> bool:
        """Whether nothing is pending or processing."""
        row = self._cursor.execute(UNSETTLED.encode()).fetchone()
        return row is not None and not row["exists"]

    def stopped(self) -> str | None:
        """Why sending as a whole stands still: paused, throttled, an outage, a refusal. None: it does not."""
        row = self._cursor.execute(statement("read_organisation").encode()).fetchone()
        return None if row is None or row["state"] == OrganisationState.RUNNING else f"{row['state']}: {row['why']}"

    def not_synced(self) -> list[Unfinished]:
        """Every row whose latest entry is not done."""
        return [
            Unfinished(
                EntityType(row["entity_type"]), row["key"], row["name"], EntryStatus(row["status"]), row["reason"] or ""
            )
            for row in self._cursor.execute(NOT_SYNCED.encode()).fetchall()
        ]

    def host_rows(self) -> dict[UUID, HostRow]:
        """The rows of all four tables, by id."""
        return {row["id"]: HostRow(**row) for row in self._cursor.execute(HOST_ROWS.encode()).fetchall()}

    def _fresh(self, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            self._highest = max(self._highest, row["id"])
            if row["finished_at"] is None:
                self._open.add(row["id"])
            else:
                self._open.discard(row["id"])
            telling = _telling(row)
            if telling[0] and self._told.get(row["id"]) != telling:
                yield row


def _folded(events: list[Event]) -> list[Event]:
    """Superseded entries become part of the event that carried them, where both came about at once."""
    told: list[Event] = []
    carried: dict[UUID, list[Event]] = {}
    for event in events:
        before = carried.pop(event.entity_id, [])
        if event.outcome is Outcome.SUPERSEDED:
            carried[event.entity_id] = [*before, event]
        elif before:
            entries = tuple(entry for one in (*before, event) for entry in one.entries)
            told.append(replace(event, entries=entries, change=before[0].change))
        else:
            told.append(event)
    return told + [event for events_of_one in carried.values() for event in events_of_one]


def _telling(row: dict[str, Any]) -> tuple[str, object]:
    """What a line would be about; '' where there is nothing to tell yet. Told again when it differs."""
    status = EntryStatus(row["status"])
    match status:
        case EntryStatus.DONE | EntryStatus.SKIPPED | EntryStatus.DEAD:
            return status, row["revision"]
        case EntryStatus.WAITING:
            return status, row["waiting_for"]
        case EntryStatus.PENDING if row["last_error"] and row["next_attempt_at"]:
            return status, row["next_attempt_at"]
        case EntryStatus.PENDING | EntryStatus.PROCESSING:
            return "", None


def _event(row: dict[str, Any], send: dict[str, Any] | None, *, again: bool) -> Event:
    milliseconds: int | None = None
    if row["finished_at"] is not None and not again:
        milliseconds = round((row["finished_at"] - row["created_at"]).total_seconds() * 1000)
    elif send is not None:
        milliseconds = send["duration_ms"]
    request = None
    if send is not None and send["method"]:
        request = f"{send['method']} {send['path']}"
    return Event(
        entries=(row["id"],),
        entity_type=EntityType(row["entity_type"]),
        entity_id=row["entity_id"],
        key=row["key"],
        name=row["name"] or "",
        change=Change(row["change"]),
        status=EntryStatus(row["status"]),
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        requested_by=row["requested_by"],
        request=request,
        api_calls=0 if send is None else send["api_calls"] or 0,
        zoho_id=row["zoho_id"],
        milliseconds=milliseconds,
        reason=row["waiting_for"] or row["last_error"],
        again_at=row["next_attempt_at"] if row["status"] == EntryStatus.PENDING else None,
    )
