"""``explain``: one row's story, and the sentence that matters."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from outbox.commands.facts import Facts, gather
from outbox.commands.identify import resolve
from outbox.commands.opening import open_database
from outbox.commands.verdict import verdict
from outbox.commands.wording import columns, moment, one_line
from outbox.settings import DatabaseSettings
from outbox.store.organisation import OrganisationStore
from outbox.store.readings import MOST_ATTEMPTS, MOST_ENTRIES, Readings
from outbox.vocabulary import EntityType


@dataclass(frozen=True)
class Explanation:
    """The facts and the verdict on them."""

    facts: Facts
    verdict: str

    def as_json(self) -> dict[str, Any]:
        """Keys: entity_type, entity_id, named, verdict, row, state, awaited, entries, attempts.

        ``row`` (null: not there, or not to be read), ``state`` (null: never captured), ``awaited`` (null: it waits for
        nothing), and the items of ``entries`` and ``attempts`` have the attributes of the classes in
        :mod:`outbox.commands.facts` as keys.
        """
        facts = self.facts
        return {
            "entity_type": facts.entity_type,
            "entity_id": facts.entity_id,
            "named": facts.named,
            "verdict": self.verdict,
            "row": None if facts.host is None else asdict(facts.host),
            "state": None if facts.state is None else asdict(facts.state),
            "awaited": None if facts.awaited is None else asdict(facts.awaited),
            "entries": [asdict(entry) for entry in facts.entries],
            "attempts": [asdict(attempt) for attempt in facts.attempts],
        }

    def as_text(self) -> str:
        """For people: the verdict first, then what it rests on."""
        facts = self.facts
        lines = [f"{facts.named}  ({facts.entity_id})", f"  {self.verdict}", "", *_row(facts), *_state(facts)]
        lines += _section("entries, newest first", _entries(facts), len(facts.entries), MOST_ENTRIES)
        lines += _section("attempts, newest first", _attempts(facts), len(facts.attempts), MOST_ATTEMPTS)
        return "\n".join(lines)


async def explain(settings: DatabaseSettings, entity_type: EntityType, wanted: UUID | str) -> Explanation:
    """Reads the story. Raises :class:`outbox.commands.failures.CommandFailed` for a row that nobody knows."""
    async with open_database(settings) as database:
        readings = Readings(database)
        entity_id = await resolve(readings, entity_type, wanted)
        # The zone is for reports of throttling, which a reader never makes.
        organisation = OrganisationStore(database, "UTC")
        facts = await gather(readings, organisation, entity_type, entity_id)
    return Explanation(facts, verdict(facts))


def _row(facts: Facts) -> list[str]:
    host = facts.host
    if host is None:
        return ["row       not there" if facts.host_readable else "row       this role may not read it"]
    return [
        f"row       status {host.sync_status or '-'}, Zoho id {host.zoho_id or '-'}, "
        f"last synced {moment(host.last_synced_at)}",
        f"          error {one_line(host.last_sync_error)}",
    ]


def _state(facts: Facts) -> list[str]:
    state = facts.state
    if state is None:
        return ["state     none yet" if facts.not_admitted else "state     none: never captured"]
    return [f"state     {state.phase}, attempts {state.attempts}, Zoho id {state.zoho_id or '-'}"]


def _entries(facts: Facts) -> list[str]:
    return columns(
        ("id", "created", "change", "origin", "status", "outcome", "attempts", "what was said"),
        [
            (
                str(entry.id),
                moment(entry.created_at),
                entry.change,
                entry.origin + (f" ({entry.requested_by})" if entry.requested_by else ""),
                entry.status,
                entry.outcome or "-",
                str(entry.attempts),
                one_line(f"waiting for {entry.waiting_for}" if entry.waiting_for else entry.last_error),
            )
            for entry in facts.entries
        ],
        right=frozenset({"id", "attempts"}),
    )


def _attempts(facts: Facts) -> list[str]:
    return columns(
        ("ended", "status", "attempt", "ms", "requests", "code", "entry", "what was said"),
        [
            (
                moment(attempt.created_at),
                attempt.status,
                _number(attempt.attempt_number),
                _number(attempt.duration_ms),
                _number(attempt.api_calls),
                _number(attempt.zoho_code),
                _number(attempt.outbox_id),
                one_line(attempt.error_message),
            )
            for attempt in facts.attempts
        ],
        right=frozenset({"attempt", "ms", "requests", "code", "entry"}),
    )


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _section(title: str, table: Sequence[str], rows: int, most: int) -> list[str]:
    more = f" (the newest {most})" if rows == most else ""
    return ["", f"{title}{more}", *(f"  {line}" for line in (table if rows else ["none"]))]
