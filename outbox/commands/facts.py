"""All that decides where a row stands, read in one go."""

import shlex
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from outbox.commands.failures import CommandFailed
from outbox.database import Row
from outbox.store.organisation import OrganisationNow, OrganisationStore
from outbox.store.readings import Readings, Unreadable
from outbox.vocabulary import Awaited, EntityType, EntryStatus, Outcome, Phase


@dataclass(frozen=True)
class HostRow:
    """The host row, as far as the sync shows itself in it."""

    known_as: str | None
    """Account number, invoice number or transaction id."""
    zoho_id: str | None
    sync_status: str | None
    last_synced_at: datetime | None
    last_sync_error: str | None


@dataclass(frozen=True)
class Holder:
    """The process that holds a lease; a session that is gone has no host."""

    session: UUID
    kind: str | None
    host: str | None
    pid: int | None

    def __str__(self) -> str:
        if self.host is None:
            return f"a process that is gone (session {self.session})"
        return f"the {self.kind} on {self.host}, pid {self.pid}"


@dataclass(frozen=True)
class State:
    """The entity's state row."""

    phase: Phase
    due_at: datetime
    attempts: int
    zoho_id: str | None
    sent_at: datetime | None
    fate_unknown_at: datetime | None
    host_deleted_at: datetime | None
    waits_for: tuple[Awaited, UUID] | None
    last_error: str | None
    shown_status: str | None
    write_back_due: datetime | None
    """Its status columns are still to be written: the row was locked."""
    id_not_written: bool
    leased_at: datetime | None
    lease_until: datetime | None
    lease_expired: bool
    holder: Holder | None

    @classmethod
    def from_row(cls, row: Row) -> "State":
        """From ``explain_state.sql``."""
        waits = row["waits_for_type"]
        return cls(
            phase=Phase(row["phase"]),
            due_at=row["due_at"],
            attempts=row["attempts"],
            zoho_id=row["zoho_id"],
            sent_at=row["sent_at"],
            fate_unknown_at=row["fate_unknown_at"],
            host_deleted_at=row["host_deleted_at"],
            waits_for=None if waits is None else (Awaited(waits), row["waits_for_id"]),
            last_error=row["last_error"],
            shown_status=row["shown_status"],
            write_back_due=row["write_back_due"],
            id_not_written=row["id_not_written"],
            leased_at=row["leased_at"],
            lease_until=row["lease_until"],
            lease_expired=row["lease_expired"],
            holder=None
            if row["lease_session"] is None
            else Holder(row["lease_session"], row["holder_kind"], row["holder_host"], row["holder_pid"]),
        )


@dataclass(frozen=True)
class Entry:
    """A row of ``zoho_outbox``."""

    id: int
    created_at: datetime
    change: str
    origin: str
    requested_by: str | None
    priority: int
    admitted: bool
    status: EntryStatus
    outcome: Outcome | None
    attempts: int
    next_attempt_at: datetime | None
    finished_at: datetime | None
    waiting_for: str | None
    last_error: str | None
    zoho_id: str | None

    @classmethod
    def from_row(cls, row: Row) -> "Entry":
        """From ``explain_entries.sql``."""
        outcome = row["outcome"]
        return cls(
            **{
                **row,
                "status": EntryStatus(row["status"]),
                "outcome": None if outcome is None else Outcome(outcome),
            }
        )


@dataclass(frozen=True)
class Attempt:
    """A row of ``zoho_sync_logs``."""

    created_at: datetime | None
    status: str
    attempt_number: int | None
    duration_ms: int | None
    api_calls: int | None
    zoho_code: int | None
    failure_class: str | None
    zoho_id: str | None
    outbox_id: int | None
    error_message: str | None


@dataclass(frozen=True)
class AwaitedRow:
    """What a row waits for, as far as this role may see it. A package has no phase: it is not sent."""

    awaited: Awaited
    id: UUID
    handle: str
    """What to type for ID."""
    exists: bool | None
    """Whether the host has it; None: it may not be read, or is a package."""
    phase: Phase | None
    """None: it was never captured."""
    zoho_id: str | None
    last_error: str | None


@dataclass(frozen=True)
class Facts:
    """One row's whole story, and what stops sending as a whole."""

    entity_type: EntityType
    entity_id: UUID
    now: datetime
    """By the database's clock."""
    host: HostRow | None
    """None: there is no such row, or it may not be read."""
    host_readable: bool
    state: State | None
    not_admitted: int
    """Entries that nobody has admitted yet."""
    entries: tuple[Entry, ...]
    attempts: tuple[Attempt, ...]
    organisation: OrganisationNow
    daemons: int
    """Daemons that were heard of within the last minute."""
    awaited: AwaitedRow | None
    """Where it waits: what for."""

    @property
    def handle(self) -> str:
        """What to type for ID."""
        return self.host.known_as if self.host is not None and self.host.known_as else str(self.entity_id)

    @property
    def named(self) -> str:
        """'customer CT-2025-00015'."""
        return f"{self.entity_type} {self.handle}"

    @property
    def typed(self) -> str:
        """TYPE and ID as a shell takes them."""
        return f"{self.entity_type} {shlex.quote(self.handle)}"


async def gather(
    readings: Readings, organisation: OrganisationStore, entity_type: EntityType, entity_id: UUID
) -> Facts:
    """Reads the facts. Raises :class:`CommandFailed` where nothing at all is known of the row."""
    host = await readings.host_row(entity_type, entity_id)
    state = await readings.state(entity_type, entity_id)
    entries = await readings.entries(entity_type, entity_id)
    if not host and state is None and not entries:
        raise CommandFailed(f"there is no {entity_type} {entity_id}, and there never was since installation: check it")
    known = None if state is None else State.from_row(state)
    return Facts(
        entity_type=entity_type,
        entity_id=entity_id,
        now=(await readings.installation())["now"],
        host=None if host is None or isinstance(host, Unreadable) else HostRow(**host),
        host_readable=not isinstance(host, Unreadable),
        state=known,
        not_admitted=(await readings.open_entries(entity_type, entity_id))["not_admitted"],
        entries=tuple(map(Entry.from_row, entries)),
        attempts=tuple(Attempt(**row) for row in await readings.attempts(entity_type, entity_id)),
        organisation=await organisation.now(),
        daemons=sum(row["alive"] and row["kind"] == "daemon" for row in await readings.sessions()),
        awaited=None if known is None or known.waits_for is None else await _awaited(readings, *known.waits_for),
    )


async def _awaited(readings: Readings, awaited: Awaited, awaited_id: UUID) -> AwaitedRow:
    if awaited is Awaited.PACKAGE:
        return AwaitedRow(awaited, awaited_id, str(awaited_id), None, None, None, None)
    entity_type = EntityType(awaited)
    host = await readings.host_row(entity_type, awaited_id)
    state = await readings.state(entity_type, awaited_id)
    known_as = None if host is None or isinstance(host, Unreadable) else host["known_as"]
    return AwaitedRow(
        awaited=awaited,
        id=awaited_id,
        handle=known_as or str(awaited_id),
        exists=None if isinstance(host, Unreadable) else host is not None,
        phase=None if state is None else Phase(state["phase"]),
        zoho_id=None if state is None else state["zoho_id"],
        last_error=None if state is None else state["last_error"],
    )
