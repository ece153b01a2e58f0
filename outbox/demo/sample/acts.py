"""What may happen in the host's database, and what it has come to once all of it has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, assert_never
from uuid import UUID

from outbox.demo.sample.rows import Package, SentRow


@dataclass(frozen=True)
class Enter:
    """An application inserts rows, in one transaction."""

    rows: tuple[Package | SentRow, ...]


@dataclass(frozen=True)
class Edit:
    """An application updates a row."""

    row: SentRow
    """As it was entered."""
    fields: Mapping[str, Any]

    def columns(self) -> dict[str, Any]:
        """The columns that change, those that follow from a field included."""
        ((_, before),) = self.row.inserts()
        ((_, after),) = replace(self.row, **self.fields).inserts()
        return {name: value for name, value in after.items() if value != before[name]}


@dataclass(frozen=True)
class Publish:
    """Publishing a package to Zoho has come to its end: it is a plan there."""

    package: Package


@dataclass(frozen=True)
class SendAgain:
    """An operator's ``UPDATE … SET zoho_sync_status = 'pending'``."""

    row: SentRow


Step = Enter | Edit | Publish | SendAgain


@dataclass(frozen=True)
class Act:
    """Something that happens in the host's database; each step is a transaction of its own."""

    told: str
    """Who does what, for the screen."""
    steps: tuple[Step, ...]
    later: bool = False
    """In life days lie between this and the act before, and how the rows end depends on it: a payment that is refunded
    before it was sent never reaches Zoho. So it begins when everything has come to rest."""


def at_the_end(acts: Iterable[Act]) -> list[SentRow]:
    """The rows as the host has them once all ``acts`` are played."""
    rows: dict[UUID, SentRow] = {}
    for act in acts:
        for step in act.steps:
            match step:
                case Enter(entered):
                    rows.update({row.id: row for row in entered if not isinstance(row, Package)})
                case Edit(row, fields):
                    rows[row.id] = replace(rows[row.id], **fields)
                case Publish() | SendAgain():
                    pass
                case _:
                    assert_never(step)
    return list(rows.values())
