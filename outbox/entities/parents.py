"""Records that others hang on: what a child needs to know of its customer, its service, its invoice.

Where the parent's Zoho id is read matters: in the state row, where the wake-up of waiting children looks for it. The
host's column may be empty (not written back yet, or cleared by hand), and a child that went by it would be woken and
wait in a circle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from outbox.entities.contract import Prerequisite
from outbox.vocabulary import Awaited, EntityType, Phase


@dataclass(frozen=True)
class Parent:
    """A row that must be in Zoho before its child. ``named``: as people know it."""

    awaited: Awaited
    id: UUID
    named: str
    zoho_id: str | None
    """``entity_state.usable_id``: None also while the record is half made (an invoice that was not opened yet)."""
    phase: str | None
    """``entity_state.phase``; None: it was never captured."""
    exists: bool = True
    """False: the host has no such row (payments have no foreign keys)."""

    @property
    def is_dead(self) -> bool:
        """Its own sending has failed. Whoever waits for it must know, or would be woken to be told, for ever."""
        return self.phase == Phase.DEAD

    @property
    def is_due(self) -> bool:
        """A change of it is on its way, or is tried again."""
        return self.phase in (Phase.READY, Phase.LEASED, Phase.SCHEDULED)

    def at_rest(self) -> Prerequisite | None:
        """What a child waits for that would stand in the way of a change of its parent; None: none is due."""
        if self.zoho_id is None or not self.is_due:
            return None
        return Prerequisite(
            self.awaited, self.id, f"{self.named}, of which a change is due first", enqueue=False, rest=True
        )

    def prerequisite(self) -> Prerequisite | None:
        """What the child waits for; None: it need not."""
        if self.zoho_id is not None:
            return None
        if not self.exists:
            named = f"{self.named}, which does not exist here (yet): enter it, or correct the row that names it"
            return Prerequisite(self.awaited, self.id, named, dead=self.is_dead, enqueue=False)
        if self.is_dead:
            return Prerequisite(self.awaited, self.id, f"{self.named}, which failed: see its error", dead=True)
        return Prerequisite(self.awaited, self.id, self.named)


def closing(customer_id: UUID | None, account_status: str | None) -> Sequence[tuple[EntityType, UUID]]:
    """The customer of a service, invoice or payment, where the account is cancelled.

    It becomes inactive only without live subscription and balance (decisions.md, Customers), and it is often cancelled
    in the same hour as they are: each that is settled may have been the last.
    """
    if customer_id is None or account_status != "cancelled":
        return ()
    return ((EntityType.CUSTOMER, customer_id),)
