"""What ``doctor --probe`` found out, for those who send. (What doctor stores: :mod:`outbox.store.doctor`.)"""

from dataclasses import dataclass

from outbox.database import Database
from outbox.store.statements import statement


@dataclass(frozen=True)
class RecentAnswers:
    """Answers of one organisation; another's are never read."""

    database: Database
    organization_id: str

    async def read(self, oldest_seconds: float) -> dict[str, str]:
        """Answers by question, but those that are older. Raises ``DatabaseUnavailable``."""
        parameters = {"organization_id": self.organization_id, "oldest_seconds": oldest_seconds}
        rows = await self.database.rows(statement("read_probe_answers"), parameters)
        return {row["question"]: row["answer"] for row in rows}
