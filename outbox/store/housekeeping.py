"""What keeps the tables small: finished entries, logs, counters, listings and comparisons go when their time is over.

A large past (a retention that was shortened, the first run beside an old log) is deleted by portions, between rounds of
maintenance: a million entries and their logs take more than a minute, and for so long no lease would be taken over,
and a backlog would go a third slower.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from outbox.clock import Clock
from outbox.database import Database
from outbox.store.statements import statement

BATCH = 1000

PORTION_SECONDS = 1.0
"""After which no further batch is begun: a tenth of a round of maintenance, some 100,000 rows."""


@dataclass
class Deleted:
    """Rows that went since the pruner began at the beginning."""

    entries: int = 0
    log_rows: int = 0


@dataclass
class Pruner:
    """Deletes in ordered batches, a short transaction each, and remembers where it was."""

    database: Database
    days: int
    clock: Clock
    batch: int = BATCH
    deleted: Deleted = field(default_factory=Deleted)
    _left: deque[Callable[[], Awaitable[bool]]] = field(default_factory=deque, init=False)
    """What is to be done yet; each says whether it is through."""
    _entry: int = 0
    """The last that was read."""
    _log: tuple[str, UUID] = ("-infinity", UUID(int=0))
    """The last row that was read. Nothing comes before it any more, so it is never read again."""

    async def portion(self) -> bool:
        """Batch after batch, for :data:`PORTION_SECONDS`. Whether all is through: the next portion begins anew."""
        if not self._left:
            self.deleted = Deleted()
            self._left.extend((self._entries, self._logs, self._counters, self._listings, self._reconciliations))
        until = self.clock.monotonic() + PORTION_SECONDS
        while self._left:
            if await self._left[0]():
                self._left.popleft()
            if self.clock.monotonic() >= until:
                break
        return not self._left

    async def _entries(self) -> bool:
        row = await self.database.row(
            statement("prune_entries"), {"after": self._entry, "batch": self.batch, "days": self.days}
        )
        if row is None or row["read_to"] is None:
            # From the beginning, the next time: entries are not finished in the order of their ids.
            self._entry = 0
            return True
        self._entry = row["read_to"]
        self.deleted.entries += row["deleted"]
        return False

    async def _logs(self) -> bool:
        after, after_id = self._log
        row = await self.database.row(
            statement("prune_logs"),
            {"after": after, "after_id": after_id, "batch": self.batch, "days": self.days},
        )
        if row is None:
            return True
        self._log = row["read_to"], row["read_to_id"]
        self.deleted.log_rows += row["deleted"]
        return False

    async def _counters(self) -> bool:
        await self.database.execute(statement("prune_counters"), {"days": self.days})
        return True

    async def _listings(self) -> bool:
        await self.database.execute(statement("prune_listings"))
        return True

    async def _reconciliations(self) -> bool:
        await self.database.execute(statement("reconcile_prune"), {"days": self.days})
        return True
