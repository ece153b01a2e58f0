"""Coroutines that run from gate to gate, so that whoever tests decides how they interleave.

Code under test awaits :func:`pass_gate` at the points where another process could come in between. Outside of an
:class:`Actor`, and in an actor that is ``unhindered``, a gate is open.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

from pydantic import SecretStr

from outbox.database import Database
from outbox.database.access import Connection

GO = "go"

_ONE_EXAMPLE_SECONDS = 600.0
"""A transaction may stand open for as long as the example lasts; nothing in it may wait for that."""


@dataclass
class Gate:
    """Where an actor stands."""

    name: str
    what: Any
    opened: asyncio.Future[str]


_present: ContextVar["Actor | None"] = ContextVar("actor", default=None)


class Actor:
    """One coroutine on its way. Between two calls of a method here it does not move."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any],
        *,
        in_transactions: bool = False,
        unhindered: bool = False,
    ) -> None:
        self._loop = loop
        self._moved = asyncio.Event()
        self.in_transactions = in_transactions
        """Whether it stops within transactions too."""
        self.unhindered = unhindered
        self.gate: Gate | None = None
        self._task = loop.create_task(self._run(coroutine))
        self._wait()

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
        return self._task.done()

    def go(self, answer: str = GO) -> None:
        """On to its next gate, or to its end. What it raises is raised here."""
        assert self.gate is not None, "it is at its end"
        self.gate.opened.set_result(answer)
        self.gate = None
        self._wait()

    def finish(self, answer: str = GO) -> None:
        """To its end."""
        while not self.done:
            self.go(answer)

    def drop(self) -> None:
        """Its process died, or gave it up: whatever stands open is rolled back."""
        if not self.done:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._task)

    async def stand(self, name: str, what: Any) -> str:
        """Waits at a gate; what the way is opened with."""
        if self.unhindered:
            return GO
        self.gate = Gate(name, what, self._loop.create_future())
        self._moved.set()
        return await self.gate.opened

    async def _run(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        _present.set(self)
        try:
            await coroutine
        finally:
            self.gate = None
            self._moved.set()

    def _wait(self) -> None:
        self._loop.run_until_complete(self._moved.wait())
        self._moved.clear()
        # Once more round the loop: the task that ended is done only then.
        self._loop.run_until_complete(asyncio.sleep(0))
        if self._task.done() and not self._task.cancelled():
            self._task.result()


async def pass_gate(name: str, what: Any = None) -> str:
    """Stops here until the way is opened; what it is opened with."""
    actor = _present.get()
    return GO if actor is None else await actor.stand(name, what)


class GatedDatabase(Database):
    """A gate before each further statement of a transaction, and before its commit."""

    def __init__(self, dsn: str) -> None:
        super().__init__(SecretStr(dsn), application_name="zoho-outbox machine", connections=64)

    @asynccontextmanager
    async def transaction(self, *, seconds: float = _ONE_EXAMPLE_SECONDS) -> AsyncIterator[Connection]:
        """As in production, with gates in it for an actor that asked for them."""
        actor = _present.get()
        async with super().transaction(seconds=max(seconds, _ONE_EXAMPLE_SECONDS)) as connection:
            if actor is None or not actor.in_transactions:
                yield connection
                return
            yield cast(Connection, _Stepwise(connection))
            await pass_gate("commit")


class _Stepwise:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._first = True

    async def execute(self, *arguments: Any, **options: Any) -> Any:
        if not self._first:
            await pass_gate("next statement")
        self._first = False
        return await self._connection.execute(*arguments, **options)
