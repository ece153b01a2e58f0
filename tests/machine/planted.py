"""Bugs that the machine must find: the store, each time with one mistake in it."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from psycopg import sql

from outbox.sql_files import sql_directory
from outbox.store import protocol
from outbox.store.statements import statement, statement_for_host
from outbox.store.verdicts import Claim, Verdict
from tests.machine.ground import Ground
from tests.machine.machine import (
    CHILDREN,
    LATE_CREATES,
    LATE_UPDATES,
    LOST_CREATES,
    OPERATORS,
    OVERTAKEN,
    SKIPPED_CHILDREN,
    SKIPPED_IN_PARTS,
    USUAL,
    Leaning,
)
from tests.machine.world import SteppedStore

Reword = Callable[[str], str]


@dataclass(frozen=True)
class Plant:
    """One mistake: another store, or another text of a statement."""

    mistake: str
    shows: str
    """As what it must show."""
    store: type[SteppedStore] = SteppedStore
    file: str | None = None
    in_database: bool = False
    """The file is one of ``sql/repeatable``, not a statement of the store's."""
    reword: Reword = str
    leaning: Leaning = USUAL
    """Towards what it takes to notice."""

    @contextmanager
    def planted(self, ground: Ground) -> Iterator[type[SteppedStore]]:
        """The store to test, for the block; a mistake in the database stays there."""
        if self.in_database:
            ground.run_script(self._reworded(self._repeatable()))

        def mistaken(name: str, *without: str) -> Any:
            text = statement(name, *without)
            return self._reworded(text) if name == self.file else text

        def mistaken_for_host(name: str, host_table: str, zoho_id: str, *without: str) -> Any:
            if name != self.file:
                return statement_for_host(name, host_table, zoho_id, *without)
            text: Any = self._reworded(statement(name, *without))
            return sql.SQL(text).format(
                host_table=sql.Identifier("public", host_table), zoho_id=sql.Identifier(zoho_id)
            )

        with (
            patch.object(protocol, "statement", mistaken),
            patch.object(protocol, "statement_for_host", mistaken_for_host),
        ):
            yield self.store

    def _repeatable(self) -> str:
        return sql_directory().joinpath("repeatable", f"{self.file}.sql").read_text(encoding="utf-8")

    def _reworded(self, text: str) -> str:
        mistaken = self.reword(text)
        assert mistaken != text, f"{self.file}.sql no longer says what this mistake takes out of it"
        return mistaken


def _without(pattern: str, instead: str = "") -> Reword:
    return lambda text: re.sub(pattern, instead, text)


class _Forgetful(SteppedStore):
    async def _lease(self, *arguments: Any) -> list[Claim]:
        return [
            replace(claim, fate_unknown_seconds=None, intents=0, born_here=True)
            for claim in await super()._lease(*arguments)
        ]


class _OneLook(SteppedStore):
    async def _lease(self, *arguments: Any) -> list[Claim]:
        return [
            replace(claim, clean_look_seconds=None if claim.fate_unknown_seconds is None else 3600.0)
            for claim in await super()._lease(*arguments)
        ]


class _Silent(SteppedStore):
    async def _wake_after(self, accepted: Sequence[Verdict]) -> None:
        pass


PLANTS: dict[str, Plant] = {
    plant.mistake: plant
    for plant in (
        Plant(
            "settles by entity, whoever holds the lease",
            shows="Zoho holds|shows retrying|log rows|nothing scheduled|not leased|not in Zoho",
            file="settle_claims",
            reword=_without(r"AND state\.lease_token = verdict\.token"),
        ),
        Plant("creates again without looking", shows="created 2 times", store=_Forgetful, leaning=LOST_CREATES),
        Plant("forgets to wake the children", shows="asleep", store=_Silent, leaning=CHILDREN),
        Plant(
            "does not tell the children that their parent failed",
            shows="asleep, and does not say",
            file="wake_children",
            leaning=OPERATORS,
            reword=_without(r"OR \(parent\.phase = 'dead' AND NOT child\.waits_for_dead\)"),
        ),
        Plant(
            "does not tell the children that their parent came to rest without a record",
            shows="asleep although its parent came to rest",
            file="wake_children",
            leaning=CHILDREN,
            reword=_without(r"parent\.phase = 'idle'", "false"),
        ),
        Plant(
            "sends nothing again after a refused settlement",
            shows="Zoho holds",
            file="settle_claims",
            leaning=LATE_UPDATES,
            reword=_without(r"WHERE held\.token IS NULL AND", "WHERE false AND"),
        ),
        Plant("creates again after a single look", shows="created 2 times", store=_OneLook, leaning=LATE_CREATES),
        Plant(
            "leaves entries as processing when it takes over",
            shows="processing, and not leased",
            leaning=OVERTAKEN,
            file="reclaim_expired",
            reword=_without(r"SET status = 'pending', ", "SET "),
        ),
        Plant(
            "comes to rest after a skip although a newer entry is open",
            shows="open entry with nothing scheduled",
            leaning=SKIPPED_IN_PARTS,
            file="03_operator_functions",
            in_database=True,
            reword=_without(r"IF newer IS NOT NULL THEN", "IF false THEN"),
        ),
        Plant(
            "skips without telling the row",
            shows=r"was set aside .* and shows",
            leaning=OPERATORS,
            file="03_operator_functions",
            in_database=True,
            reword=_without(r",\s+write_back_due = moment"),
        ),
        Plant(
            "wakes children that an operator's transaction holds",
            shows="a wake-up waited for somebody: .*lock timeout",
            leaning=SKIPPED_CHILDREN,
            file="wake_children",
            reword=_without(r"FOR UPDATE OF child SKIP LOCKED", "FOR UPDATE OF child"),
        ),
    )
}
