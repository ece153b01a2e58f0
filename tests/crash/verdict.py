"""Both sides compared when all is quiet, and the story of everything that does not agree."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from outbox.vocabulary import EntityType
from tests.crash.stage import Stage
from tests.crash.workload import Books, Held, Row, Workload


class Kind(StrEnum):
    """What may be wrong with an entity."""

    LOST = "lost"
    """A committed change that Zoho has not and nobody will send: no record, or an entry with nothing scheduled."""
    DUPLICATED = "duplicated"
    """More than one create, or more than one record."""
    WRONG = "wrong"
    """A field, an id or a status that is not what it should be; a record that is nobody's."""
    UNLOGGED = "unlogged"
    """A request that no log row counts."""


@dataclass(frozen=True)
class Case:
    """One finding."""

    kind: Kind
    entity_type: EntityType
    entity_id: UUID | None
    what: str


@dataclass
class Evidence:
    """Everything there is to read, read once."""

    entries: dict[UUID, list[Row]] = field(default_factory=lambda: defaultdict(list))
    states: dict[UUID, Row] = field(default_factory=dict)
    logs: dict[UUID, list[Row]] = field(default_factory=lambda: defaultdict(list))
    hosts: dict[UUID, Row] = field(default_factory=dict)
    records: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    """By the host id that they carry."""
    journal: Sequence[Row] = ()
    books: Books = field(default_factory=lambda: Books({}, {}, {}))


async def read_books(stage: Stage) -> Books:
    """Zoho's side: the records, what is scheduled, what was made how often."""
    collections = await stage.zoho.get("books")
    scheduled = {}
    for record in collections["subscriptions"]:
        if record["end_of_term"]:
            path = f"/subscriptions/{record['subscription_id']}/scheduledchanges"
            if will_be := (await stage.zoho.read(path))["subscription"]:
                scheduled[record["subscription_id"]] = will_be
    return Books(collections, scheduled, (await stage.zoho.get("statistics"))["creates"])


async def gather(
    stage: Stage, workload: Workload, books: Books | None = None, journal: Sequence[Row] | None = None
) -> Evidence:
    """Reads both sides, Zoho's unless it is given."""
    kind = {"type": workload.entity_type}
    evidence = Evidence()
    evidence.books = books or await read_books(stage)
    evidence.journal = (await stage.zoho.get("requests"))["requests"] if journal is None else journal
    for row in await stage.rows("SELECT * FROM public.zoho_outbox WHERE entity_type = %(type)s ORDER BY id", kind):
        evidence.entries[row["entity_id"]].append(row)
    for row in await stage.rows("SELECT * FROM zoho_outbox_private.entity_state WHERE entity_type = %(type)s", kind):
        evidence.states[row["entity_id"]] = row
    for row in await stage.rows(
        "SELECT * FROM public.zoho_sync_logs WHERE entity_type = %(type)s ORDER BY created_at", kind
    ):
        evidence.logs[row["entity_id"]].append(row)
    for row in await stage.rows(workload.rows_statement()):
        evidence.hosts[row["id"]] = row
    for record in evidence.books.collections[workload.collection]:
        if (owner := workload.owner(record)) is not None:
            evidence.records[owner].append(record)
    return evidence


def judge(workload: Workload, evidence: Evidence) -> list[Case]:
    """Every case of one type."""
    return [
        Case(kind, workload.entity_type, entity_id, what)
        for findings in (
            _entries_at_rest(evidence),
            _at_most_once(workload, evidence),
            _nobodys_records(workload, evidence),
            _both_sides(workload, evidence),
            _amiss(workload, evidence),
            _every_request_logged(workload, evidence),
        )
        for kind, entity_id, what in findings
    ]


Finding = tuple[Kind, UUID | None, str]


def _entries_at_rest(evidence: Evidence) -> Iterable[Finding]:
    for entity_id, entries in evidence.entries.items():
        phase = evidence.states[entity_id]["phase"] if entity_id in evidence.states else None
        for entry in entries:
            # What nobody can do anything about but the prerequisite, or a person.
            at_rest = phase in ("dead", "waiting") and entry["status"] == phase
            if entry["finished_at"] is None and not at_rest:
                yield Kind.LOST, entity_id, f"entry {entry['id']} is {entry['status']}, its entity {phase}"
    for entity_id, state in evidence.states.items():
        phase, entries = state["phase"], evidence.entries[entity_id]
        if phase not in ("idle", "dead", "waiting"):
            yield Kind.LOST, entity_id, f"the entity is still {phase}"
        elif phase != "idle" and all(entry["status"] != phase for entry in entries):
            yield Kind.WRONG, entity_id, f"the entity is {phase}, and no entry says so"
        if phase == "waiting" and not any(entry["waiting_for"] for entry in entries):
            yield Kind.WRONG, entity_id, "the entity is waiting, and no entry says for whom"


def _at_most_once(workload: Workload, evidence: Evidence) -> Iterable[Finding]:
    for key, collection in workload.made_once.items():
        for value, count in evidence.books.creates.get(collection, {}).get(key, {}).items():
            if count > 1:
                yield Kind.DUPLICATED, _entity_of(value, workload, evidence), f"{key} {value} created {count} times"


def _entity_of(value: str, workload: Workload, evidence: Evidence) -> UUID | None:
    """The entity that a key belongs to, where the key says so or a record has it."""
    with suppress(ValueError):
        return UUID(value.partition("#")[0])
    for owner, records in evidence.records.items():
        if owner and any(record[workload.record_id] == value for record in records):
            return UUID(owner)
    return None


def _amiss(workload: Workload, evidence: Evidence) -> Iterable[Finding]:
    for entity_id, what in workload.amiss(list(evidence.hosts.values()), evidence.books):
        yield Kind.WRONG, entity_id, what


def _nobodys_records(workload: Workload, evidence: Evidence) -> Iterable[Finding]:
    for owner, records in evidence.records.items():
        if not owner:
            yield Kind.WRONG, None, f"{len(records)} records without an External ID"
            continue
        entity_id = UUID(owner)
        state = evidence.states.get(entity_id)
        was_deleted = state is not None and state["host_deleted_at"] is not None
        if entity_id not in evidence.hosts and not was_deleted:
            yield Kind.WRONG, entity_id, "a record of a row that never was committed"
        if workload.current(records) is None:
            yield Kind.DUPLICATED, entity_id, f"{len(records)} records"


def _both_sides(workload: Workload, evidence: Evidence) -> Iterable[Finding]:
    for held in workload.expected(list(evidence.hosts.values()), evidence.books):
        host, state = evidence.hosts[held.entity_id], evidence.states.get(held.entity_id)
        records = evidence.records.get(str(held.entity_id), [])
        if state is None:
            yield Kind.LOST, held.entity_id, "its insert was never admitted"
            continue
        if len(records) < held.records.start:
            yield Kind.LOST, held.entity_id, "no record in Zoho"
        elif not records and held.records.stop == 1:
            pass
        elif held.records.stop == 1:
            yield Kind.WRONG, held.entity_id, "was sent, though it never was eligible"
        for what in _differences(workload, held, host, state, records, evidence.books):
            yield Kind.WRONG, held.entity_id, what


def _differences(
    workload: Workload, held: Held, host: Row, state: Row, records: Sequence[Row], books: Books
) -> Iterable[str]:
    if held.phase is not None and state["phase"] != held.phase:
        yield f"the entity is {state['phase']} and should be {held.phase}"
    elif held.phase == "waiting" and state["waits_for_id"] not in held.waits_for:
        yield f"it waits for {state['waits_for_type']} {state['waits_for_id']} and should for {set(held.waits_for)}"
    if held.status is not None and host["zoho_sync_status"] != held.status:
        yield f"zoho_sync_status is {host['zoho_sync_status']!r} and should be {held.status!r}"
    if held.has_error is not None and (host["zoho_last_sync_error"] is not None) != held.has_error:
        yield f"zoho_last_sync_error is {host['zoho_last_sync_error']!r}"
    record = workload.current(records)
    if record is None:
        return
    shown = workload.shown(record, books)
    for name, value in held.fields.items():
        if shown.get(name) != value:
            yield f"{name} is {shown.get(name)!r} in Zoho and should be {value!r}"
    record_id = record[workload.record_id]
    # What is not to be sent (any more) need not know its record.
    known = {record_id} if held.records.start == 1 else {record_id, None}
    if host[workload.host_zoho_id] not in known or state["zoho_id"] not in known:
        yield (
            f"the record is {record_id}, {workload.host_zoho_id} says {host[workload.host_zoho_id]}, "
            f"the entity's state {state['zoho_id']}"
        )


def _every_request_logged(workload: Workload, evidence: Evidence) -> Iterable[Finding]:
    """What can be asserted: of an entity whose every attempt could count its requests, no write that reached Zoho is
    uncounted.

    An attempt that died with its daemon, or was cut short by a second signal, has a row without a count, which may
    stand for any number. Reads of lists belong to no entity. Requests that never reached Zoho are in the logs alone,
    so the logs may say more.
    """
    owners = {record[workload.record_id]: owner for owner, records in evidence.records.items() for record in records}
    arrived = Counter[str]()
    for line in evidence.journal:
        if line["method"] != "GET" and (owner := _owner_of(line, workload, owners)):
            arrived[owner] += 1
    for owner, count in arrived.items():
        logs = evidence.logs[UUID(owner)]
        counts = [row["api_calls"] for row in logs]
        if not logs:
            yield Kind.UNLOGGED, UUID(owner), f"{count} writes arrived, and there is no log row"
        elif None not in counts and sum(counts) < count:
            yield Kind.UNLOGGED, UUID(owner), f"{count} writes arrived, the log rows count {sum(counts)} requests"


def _owner_of(line: Row, workload: Workload, owners: Mapping[str, str]) -> str | None:
    tail = unquote(line["path"]).partition(f"{workload.path}/")[2]
    if tail:
        return owners.get(tail.partition("/")[0])
    if not line["path"].endswith(workload.path):
        return None
    try:
        fields = json.loads(line["body"])["custom_fields"]
    except (ValueError, KeyError, TypeError):
        return None
    return next((field["value"] for field in fields if field["label"] == "External ID"), None)


def mistakes(stage: Stage) -> Counter[str]:
    """What the replicas logged as errors, which by the log's own words are mistakes of ours; by event and last line."""
    found = Counter[str]()
    for replica in stage.replicas:
        for text in replica.log_path.read_text(errors="replace").splitlines() if replica.log_path.exists() else []:
            try:
                line = json.loads(text)
            except ValueError:
                # Half a line was the last word of a killed replica; anything else comes from Python itself.
                if not text.startswith("{"):
                    found[text] += 1
                continue
            if line["level"] == "error":
                # An exception group is drawn in a box: its last line says nothing.
                said = str(line.get("exception") or line.get("reason") or "").splitlines()
                last_words = next((words for words in reversed(said) if any(map(str.isalpha, words))), "")
                found[f"{line['event']} {line.get('loop', '')}: {last_words.strip(' |')}"] += 1
    return found


_HIDDEN = {"request_payload", "response_payload"}


def story(stage: Stage, workload: Workload, evidence: Evidence, entity_id: UUID) -> str:
    """Everything that is known of one entity: row, state, entries, log rows, requests, lines of the replicas' logs."""
    records = evidence.records.get(str(entity_id), [])
    zoho_ids = {record[workload.record_id] for record in records}
    names = [str(entity_id), *zoho_ids]
    parts = [f"--- {workload.entity_type} {entity_id}"]
    for title, rows in (
        ("host row", [evidence.hosts.get(entity_id, {})]),
        ("state", [evidence.states.get(entity_id, {})]),
        ("entry", evidence.entries.get(entity_id, [])),
        ("log row", evidence.logs.get(entity_id, [])),
        ("record", records),
    ):
        parts += _abridged([f"{title}: {_line(row)}" for row in rows])
    parts += _abridged(
        [
            f"request: {_line(line)}"
            for line in evidence.journal
            if any(name in line["path"] or name in line["body"] for name in names)
        ]
    )
    for replica in stage.replicas:
        lines = replica.log_path.read_text(errors="replace").splitlines() if replica.log_path.exists() else []
        parts += _abridged([f"replica {replica.number}: {line}" for line in lines if str(entity_id) in line])
    return "\n".join(parts)


def _abridged(lines: Sequence[str]) -> list[str]:
    """The first and the last of what would be too long: an entity that is tried for ever fills pages."""
    if len(lines) <= 40:
        return list(lines)
    return [*lines[:20], f"... {len(lines) - 40} lines ...", *lines[-20:]]


def _line(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in row.items() if value is not None and name not in _HIDDEN)
