"""What a handler may ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from daemon.meter import Meter
from daemon.web.connections import WebDatabase
from daemon.web.standing import Standing
from outbox.clock import Clock
from outbox.settings import Settings
from outbox.store.organisation import OrganisationStore


class Liveness(Protocol):
    """How the process is doing, as it knows without asking anybody."""

    @property
    def started(self) -> bool:
        """Whether database and installation were found fit; False while it waits for an absent database."""
        ...

    @property
    def stalled(self) -> list[str]:
        """Loops that have not moved for too long."""
        ...

    @property
    def database_lost(self) -> bool:
        """Whether a loop's last word was that the database is away."""
        ...

    @property
    def listening(self) -> bool:
        """Whether the last notification to ourselves came back; else changes are found by polling."""
        ...

    @property
    def draining(self) -> bool:
        """Whether it was told to stop."""
        ...

    @property
    def holds(self) -> int:
        """Entities in hand."""
        ...

    @property
    def idle_seconds(self) -> Mapping[str, float]:
        """Seconds since each loop last moved."""
        ...


@dataclass(frozen=True)
class Context:
    """Of one web application."""

    settings: Settings
    clock: Clock
    database: WebDatabase
    """For pages and API: few connections, short statements."""
    organisation: OrganisationStore
    """On the same connections."""
    standing: Standing
    """Counts over whole tables, read now and then for everybody."""
    probing: WebDatabase
    """For health and metrics, which must not wait for a page: one connection, and statements of two seconds."""
    liveness: Liveness
    meter: Meter
    """What this process did."""
