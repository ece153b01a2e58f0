"""Runs of reconcile as they stand in the database."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from outbox.vocabulary import EntityType
from tests.store.host import Host


class Comparisons:
    """Writes what a run would have written."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def run(self, *, types: Iterable[EntityType] = tuple(EntityType), **columns: Any) -> UUID:
        """A run that came to its end, unless ``columns`` say otherwise; its parts are done."""
        run = uuid4()
        given = {
            "id": run,
            "deep": False,
            "entity_types": list(types),
            "started_by": "nightly_role",
            "finished_at": datetime.now(UTC),
            "requests": 321,
            **columns,
        }
        self._insert("reconciliation", given)
        for entity_type in given["entity_types"]:
            part = {"run": run, "entity_type": entity_type, "stage": "done", "next_page": 2}
            self._insert("reconciliation_part", part)
        return run

    def stopped(self, run: UUID) -> None:
        """Nobody works on it any more."""
        self._host.interfere(
            "UPDATE zoho_outbox_private.reconciliation SET going_until = '-infinity' WHERE id = %s", [run]
        )

    def part(self, run: UUID, entity_type: EntityType, **columns: Any) -> None:
        """Changes a part."""
        assignments = ", ".join(f"{name} = %({name})s" for name in columns)
        self._host.interfere(
            f"UPDATE zoho_outbox_private.reconciliation_part SET {assignments} "
            "WHERE run = %(run)s AND entity_type = %(entity_type)s",
            {**columns, "run": run, "entity_type": entity_type},
        )

    def find(
        self,
        run: UUID,
        kind: str | None,
        *,
        finding: str = "difference",
        entity_type: EntityType = EntityType.INVOICE,
        **columns: Any,
    ) -> UUID | None:
        """A finding, counted in its part; returns the row that it names."""
        given = {
            "run": run,
            "entity_type": entity_type,
            "entity_id": uuid4(),
            "named": f"{entity_type} INV-2026-00001",
            "finding": finding,
            "kind": kind,
            "said": "115.00 in Zoho, and 100.00 here",
            "mend": "person" if kind else None,
            **columns,
        }
        self._insert("reconciliation_finding", given)
        counter = {"difference": "differ", "not_compared": "not_compared"}.get(finding)
        if counter is not None:
            self._host.interfere(
                f"UPDATE zoho_outbox_private.reconciliation_part SET {counter} = {counter} + 1 "
                "WHERE run = %s AND entity_type = %s",
                [run, entity_type],
            )
        found: UUID | None = given["entity_id"]
        return found

    def sum(
        self,
        run: UUID,
        month: date,
        measure: str,
        ours: str,
        theirs: str,
        *,
        because: str = "agrees",
        category: str = "installation",
    ) -> None:
        """Both sides' sum."""
        self._insert(
            "reconciliation_sum",
            {
                "run": run,
                "month": month,
                "measure": measure,
                "category": category,
                "because": because,
                "records": 1,
                "ours": Decimal(ours),
                "theirs": Decimal(theirs),
            },
        )

    def _insert(self, table: str, columns: dict[str, Any]) -> None:
        names, places = ", ".join(columns), ", ".join(f"%({name})s" for name in columns)
        self._host.interfere(
            f"INSERT INTO zoho_outbox_private.{table} ({names}) VALUES ({places})",
            columns,
        )
