"""What keeps the tables small: finished entries, logs and counters past the retention."""

from dataclasses import dataclass

from outbox.database import Database
from outbox.store.statements import statement

BATCH = 1000


@dataclass
class Pruner:
    """Deletes in ordered batches, a short transaction each, and remembers where it was."""

    database: Database
    days: int
    _after: int = 0

    async def prune_entries(self) -> int | None:
        """One batch of entries; how many went. None: everything has been read, begin again another day."""
        row = await self.database.row(
            statement("prune_entries"), {"after": self._after, "batch": BATCH, "days": self.days}
        )
        if row is None or row["read_to"] is None:
            self._after = 0
            return None
        self._after = row["read_to"]
        return int(row["deleted"])

    async def prune_logs(self) -> int:
        """One batch of log rows; how many went."""
        return await self.database.execute(statement("prune_logs"), {"batch": BATCH, "days": self.days})

    async def prune_counters(self) -> None:
        """Days and mints."""
        await self.database.execute(statement("prune_counters"), {"days": self.days})

    async def prune_listings(self) -> None:
        """Listings of Zoho's records that look-ups no longer go by."""
        await self.database.execute(statement("prune_listings"))

    async def prune_reconciliations(self) -> None:
        """Runs past the retention with what they found, the latest one excepted."""
        await self.database.execute(statement("reconcile_prune"), {"days": self.days})
