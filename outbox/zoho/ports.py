"""What the client asks of the outside, so that it knows no database.

Both ports are implemented in :mod:`outbox.store` on tables that all replicas and commands share: one token,
one budget. Tests implement them in memory.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

from outbox.vocabulary import OrganisationState, Urgency


class SendingStopped(Exception):  # noqa: N818 - a state, not a mistake
    """No request may leave: the organisation is not running, or the budget for this urgency is spent.

    ``until`` is when it is worth asking again (aware, database clock); None where a person must act first.
    ``is_told``: whoever found the reason logs it. Else who is sent away does, once for all replicas.
    """

    def __init__(self, state: OrganisationState, reason: str, until: datetime | None, *, is_told: bool = True) -> None:
        super().__init__(f"{state}: {reason}")
        self.state = state
        self.reason = reason
        self.until = until
        self.is_told = is_told


@dataclass
class Permit:
    """Permission for one request, and its place in flight.

    ``requests`` is what left under it: 0 where no token could be had or the lease was spent, and then minute and day
    get it back; 2 where a dead token was replaced and the request repeated, and then both are charged for it.
    """

    requests: int = 0


class Budget(Protocol):
    """Minute, day and concurrency, one for all replicas and commands."""

    def permit(self, urgency: Urgency) -> AbstractAsyncContextManager[Permit]:
        """Waits for a place in the minute and among the requests in flight, and holds it for the block.

        Entering raises :class:`SendingStopped` where waiting is pointless now: paused, throttled, broken,
        forbidden, or the day's share of this urgency is spent.
        """
        ...


@dataclass(frozen=True)
class StoredToken:
    """An access token that all replicas share. ``generation`` counts mints and names one safely."""

    secret: SecretStr
    generation: int
    seconds_left: float


@dataclass(frozen=True)
class TurnGranted:
    """The caller alone may mint now, until ``seconds`` have passed."""

    generation: int
    seconds: float


@dataclass(frozen=True)
class TurnTaken:
    """Somebody else is minting: read again in a moment."""


@dataclass(frozen=True)
class CoolingDown:
    """The accounts host throttled us, or our own limit of mints is reached: no mint before ``until``."""

    until: datetime
    reason: str
    is_told: bool = True
    """Whoever was refused by the accounts host has logged it; our own limit nobody has."""


class TokenVault(Protocol):
    """The shared access token, and whose turn it is to mint the next one."""

    async def read(self) -> StoredToken | None:
        """The stored token, also where it has expired (``seconds_left`` <= 0); None before the first mint."""
        ...

    async def take_turn(self, seen_generation: int) -> StoredToken | TurnGranted | TurnTaken | CoolingDown:
        """Asks to mint the successor of generation ``seen_generation`` (0 before the first).

        Where the stored generation is newer already, it is returned and nobody mints.
        """
        ...

    async def store(self, turn: TurnGranted, secret: SecretStr, lifetime_seconds: float) -> StoredToken:
        """Stores what was minted in this turn and ends the turn."""
        ...

    async def give_up(self, turn: TurnGranted, cooldown_seconds: float, reason: str) -> None:
        """Ends a turn without a token; nobody mints for ``cooldown_seconds`` (0: anybody may try at once)."""
        ...
