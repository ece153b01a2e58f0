"""The state row and the entries of a row, for commands that act on them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from outbox.database import Row
from outbox.vocabulary import Awaited, EntryStatus, Outcome, Phase


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
