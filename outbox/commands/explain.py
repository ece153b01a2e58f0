"""``explain``: why a row is where it is, and what to do next.

The sentence stands in SQL (``zoho_explain``, ``sql/repeatable/05_explain.sql``); this prints it. Added on top is what
the database cannot know: whether the row is one that is sent at all, by its columns and the settings of this process.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import simplejson
from pydantic import Field

from outbox.clock import SystemClock
from outbox.commands.failures import CommandFailed
from outbox.commands.identify import resolve
from outbox.commands.opening import open_database
from outbox.database import Database, DatabaseUnavailable
from outbox.entities.contract import Terms
from outbox.entities.registry import ENTITIES
from outbox.sending.present_row import Undecodable, read_row
from outbox.settings import DatabaseSettings, OnSuspend, RecurringBilling, Settings
from outbox.store.readings import Readings
from outbox.vocabulary import EntityType
from outbox.wording import columns, moment, one_line
from outbox.zoho.regions import Region, is_loopback_url, web_base

MOST_ENTRIES = 20
MOST_ATTEMPTS = 50
"""As many as ``zoho_explain`` returns."""


class ExplainSettings(DatabaseSettings):
    """The database, where Zoho's pages are, and what makes rows eligible. No credentials."""

    zoho_region: Annotated[Region, *Settings.model_fields["zoho_region"].metadata] = Settings.model_fields[
        "zoho_region"
    ].default
    zoho_api_base_url: Annotated[str, *Settings.model_fields["zoho_api_base_url"].metadata] | None = Field(default=None)
    zoho_time_zone: Annotated[str, *Settings.model_fields["zoho_time_zone"].metadata] = Settings.model_fields[
        "zoho_time_zone"
    ].default
    zoho_currency: str = Settings.model_fields["zoho_currency"].default
    zoho_recurring_billing: Annotated[RecurringBilling, *Settings.model_fields["zoho_recurring_billing"].metadata] = (
        Settings.model_fields["zoho_recurring_billing"].default
    )
    zoho_on_suspend: Annotated[OnSuspend, *Settings.model_fields["zoho_on_suspend"].metadata] = Settings.model_fields[
        "zoho_on_suspend"
    ].default


@dataclass(frozen=True)
class Explanation:
    """What ``zoho_explain`` told, and what this process adds."""

    told: Mapping[str, Any]
    zoho_url: str | None
    """The record in Zoho's own pages; None: it is not there, or Zoho is a simulator."""
    not_eligible: str | None
    """Why the row as it stands is none that is sent; None: it is one, or this role may not read what decides."""

    def as_json(self) -> dict[str, Any]:
        """The keys of ``zoho_explain``, and ``zoho_url`` and ``not_eligible``.

        type, id, named, zoho_id, zoho_path, zoho_organization_id; where (idle, ready, scheduled, leased, waiting, dead,
        never_captured), why, next; row (null: not there, or not to be read; row_is_there tells which), state (null:
        never captured), not_admitted, awaited (null: it waits for nothing), organisation (what stops sending, or
        running), reconciled (what the latest comparison said of it), entries and attempts, newest first, of an
        attempt: id, at, status, number, entry, duration_ms, api_calls, zoho_id, zoho_code, failure_class, error,
        request, response. Moments are ISO 8601 texts.
        """
        return {**self.told, "zoho_url": self.zoho_url, "not_eligible": self.not_eligible}

    def as_json_text(self) -> str:
        """The same as text: numbers of payloads stay as they were written."""
        return str(simplejson.dumps(self.as_json(), use_decimal=True, ensure_ascii=False, indent=2))

    def as_text(self) -> str:
        """For people: the sentence first, then what it rests on."""
        told = self.told
        lines = [f"{told['named']}  ({told['id']})", f"  {told['why']}", f"  next: {told['next']}"]
        if self.not_eligible is not None:
            lines.append(f"  not eligible, by its columns and the settings here: {self.not_eligible}")
        if self.zoho_url is not None:
            lines.append(f"  in Zoho: {self.zoho_url}")
        lines += ["", *_row(told), *_state(told)]
        lines += [f"reconciled  {_moment(each['found_at'])}: {one_line(each['said'])}" for each in told["reconciled"]]
        lines += _section("entries, newest first", _entries(told["entries"]), len(told["entries"]), MOST_ENTRIES)
        lines += _section("attempts, newest first", _attempts(told["attempts"]), len(told["attempts"]), MOST_ATTEMPTS)
        return "\n".join(lines)


async def explain(settings: ExplainSettings, entity_type: EntityType, wanted: UUID | str) -> Explanation:
    """Reads the story. Raises :class:`outbox.commands.failures.CommandFailed` for a row that nobody knows."""
    async with open_database(settings) as database:
        readings = Readings(database)
        entity_id = await resolve(readings, entity_type, wanted)
        try:
            told = await readings.explained(entity_type, entity_id)
        except psycopg.errors.NoDataFound as unknown:
            raise CommandFailed(f"{unknown.diag.message_primary}: check it") from None
        not_eligible = await _not_eligible(database, settings, entity_type, entity_id)
    if not_eligible is not None and not_eligible in told["why"]:
        not_eligible = None
    return Explanation(told, _zoho_url(settings, told), not_eligible)


async def _not_eligible(
    database: Database, settings: ExplainSettings, entity_type: EntityType, entity_id: UUID
) -> str | None:
    entity = ENTITIES[entity_type]
    zone = ZoneInfo(settings.zoho_time_zone)
    terms = Terms(
        settings.zoho_currency,
        None,
        None,
        zone=zone,
        today=SystemClock().now(zone).date(),
        recurring_billing=settings.zoho_recurring_billing,
        on_suspend=settings.zoho_on_suspend,
    )
    # An operator may not read what decides: names and addresses stand beside it. A column that the daemon may not read
    # yet is told as unavailability; the story was read all the same.
    with suppress(psycopg.errors.InsufficientPrivilege, DatabaseUnavailable):
        row = await read_row(database, entity, entity_id)
        if row is not None and not isinstance(row, Undecodable):
            return entity.ineligible(row, terms)
    return None


def _zoho_url(settings: ExplainSettings, told: Mapping[str, Any]) -> str | None:
    path, organisation = told["zoho_path"], told["zoho_organization_id"]
    if not path or not organisation:
        return None
    if settings.zoho_api_base_url is not None and is_loopback_url(settings.zoho_api_base_url):
        return None
    return f"{web_base(settings.zoho_region)}/app/{organisation}{path}"


def _row(told: Mapping[str, Any]) -> list[str]:
    row = told["row"]
    if row is None:
        return ["row       zoho_outbox_owner may not read it" if told["row_is_there"] else "row       not there"]
    return [
        f"row       status {row['sync_status'] or '-'}, Zoho id {row['zoho_id'] or '-'}, "
        f"last synced {_moment(row['last_synced_at'])}",
        f"          error {one_line(row['last_sync_error'])}",
    ]


def _state(told: Mapping[str, Any]) -> list[str]:
    state = told["state"]
    if state is None:
        return ["state     none yet" if told["not_admitted"] else "state     none: never captured"]
    return [f"state     {state['phase']}, attempts {state['attempts']}, Zoho id {state['zoho_id'] or '-'}"]


def _entries(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    return columns(
        ("id", "created", "change", "origin", "status", "outcome", "attempts", "what was said"),
        [
            (
                str(entry["id"]),
                _moment(entry["created_at"]),
                entry["change"],
                entry["origin"] + (f" ({entry['requested_by']})" if entry["requested_by"] else ""),
                entry["status"],
                entry["outcome"] or "-",
                str(entry["attempts"]),
                one_line(f"waiting for {entry['waiting_for']}" if entry["waiting_for"] else entry["last_error"]),
            )
            for entry in entries
        ],
        right=frozenset({"id", "attempts"}),
    )


def _attempts(attempts: Sequence[Mapping[str, Any]]) -> list[str]:
    return columns(
        ("ended", "status", "attempt", "ms", "requests", "code", "entry", "what was said"),
        [
            (
                _moment(attempt["at"]),
                attempt["status"],
                _number(attempt["number"]),
                _number(attempt["duration_ms"]),
                _number(attempt["api_calls"]),
                _number(attempt["zoho_code"]),
                _number(attempt["entry"]),
                one_line(attempt["error"]),
            )
            for attempt in attempts
        ],
        right=frozenset({"attempt", "ms", "requests", "code", "entry"}),
    )


def _moment(text: str | None) -> str:
    return moment(None if text is None else datetime.fromisoformat(text))


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _section(title: str, table: Sequence[str], rows: int, most: int) -> list[str]:
    more = f" (the newest {most})" if rows == most else ""
    return ["", f"{title}{more}", *(f"  {line}" for line in (table if rows else ["none"]))]
