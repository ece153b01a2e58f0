"""What health is judged by: each reading one bounded statement. Judges nothing and writes nothing.

Counts come from state rows, entries and eligible rows, never from the ★ default (interface.md). Every statement goes
by an index that holds only what it asks for (what is ready, scheduled, leased, dead, not admitted), or by the log's
index on created_at; each stops at a bound, so a million finished entries cost nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import psycopg

from outbox.database import Database, Row
from outbox.host_tables import HOST_TABLES
from outbox.store.readings import LONG_SECONDS, Readings, Unreadable
from outbox.store.statements import statement
from outbox.vocabulary import EntityType

MOST = 10_000
"""Entities that are counted of one kind; beyond it, it says 10,000 or more."""

MOST_ATTEMPTS = 50_000
"""Log rows that are read at most, the newest: at the default limit of a day, seven weeks of them."""

GUARDED_TABLES = ("zoho_outbox", "zoho_sync_logs", *(table.name for table in HOST_TABLES.values()))
"""Tables of ``public`` whose rows row level security may hide."""


@dataclass(frozen=True)
class Base:
    """The database, as it answers."""

    now: datetime
    database_name: str
    role: str
    notification_queue: float
    """Share of PostgreSQL's notification queue that is in use, 0 to 1."""


@dataclass(frozen=True)
class Beyond:
    """Entities beyond a threshold, and the one that is furthest beyond."""

    entities: int
    example: str | None = None
    """As people know it: 'customer CT-2025-00015'."""
    since: datetime | None = None

    @property
    def counted(self) -> str:
        """The number; '10,000 or more' where counting stopped."""
        return f"{MOST:,} or more" if self.entities >= MOST else str(self.entities)


@dataclass(frozen=True)
class Attempts:
    """How attempts ended."""

    attempts: int
    complete: bool
    """False: there were more than are read; ``since`` says how far back they go."""
    since: datetime | None
    week_successes: int
    week_failures: int
    day_failures: int
    mean_seconds: float | None
    """Of attempts that sent something, from reading the row to Zoho's last reply; None: there was none."""
    example: str | None
    """The row that failed last."""


@dataclass(frozen=True)
class Throttling:
    """Refusals of Zoho's because of its limits, on the days whose last one is within 24 hours."""

    hits: int
    last_at: datetime | None = None
    last_why: str | None = None


@dataclass(frozen=True)
class Stops:
    """What stops sending, each reason by itself."""

    now: datetime
    paused_at: datetime | None = None
    paused_by: str | None = None
    paused_why: str | None = None
    throttled_at: datetime | None = None
    throttled_until: datetime | None = None
    throttled_why: str | None = None
    forbidden_at: datetime | None = None
    forbidden_why: str | None = None
    broken_at: datetime | None = None
    broken_why: str | None = None
    last_good_reply_at: datetime | None = None


@dataclass(frozen=True)
class Daemon:
    """A daemon's session."""

    host: str
    pid: int
    draining: bool
    silent_seconds: float


@dataclass(frozen=True)
class Trigger:
    """A trigger of ours that is there."""

    table_name: str
    name: str
    always: bool
    disabled: bool


@dataclass(frozen=True)
class Holder:
    """Who keeps vacuum from its work. ``since`` None: this role may not see it."""

    kind: str
    pid: int | None
    user_name: str | None
    application_name: str | None
    gid: str | None
    """Of a prepared transaction."""
    xmin: str | None
    since: datetime | None
    seconds: float | None


@dataclass(frozen=True)
class Synced:
    """Rows of a type that are to be in Zoho, and those that are."""

    entity_type: EntityType
    eligible: int
    in_zoho: int


@dataclass(frozen=True)
class TypeFigures:
    """How a type's attempts of a period ended. Durations in milliseconds, of those that sent something."""

    entity_type: EntityType
    attempts: int
    success: int
    failed: int
    retrying: int
    api_calls: int
    mean_ms: float | None
    median_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    longest_ms: int | None


@dataclass(frozen=True)
class Hour:
    """An hour of the day in ZOHO_TIME_ZONE."""

    hour: int
    attempts: int


@dataclass(frozen=True)
class Volume:
    """Requests of a period."""

    requests: int
    peak_day: date | None
    peak_requests: int | None
    most_of_limit_percent: float | None
    """Of the day's limit, on the day that came nearest to it; None: no limit, or nothing sent."""
    rate_limit_hits: int


class HiddenRows(Exception):  # noqa: N818 - a reason why something cannot be told
    """Row level security hides a table's rows from this role; ``tables`` names them."""

    def __init__(self, tables: Sequence[str]) -> None:
        self.tables = tuple(tables)
        super().__init__(f"row level security hides the rows of {', '.join(f'public.{name}' for name in tables)}")


class HealthStore:
    """One method a reading.

    All raise ``DatabaseUnavailable``, ``psycopg.Error`` where a right or a table is missing, and :class:`HiddenRows`
    in place of a count of rows that this role does not see.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._readings = Readings(database)
        self._hidden: frozenset[str] | None = None

    async def base(self) -> Base:
        """The database, as it answers. The first reading: without it there is no other."""
        return Base(**await self._one("health_database"))

    async def pending(self, seconds: float) -> Beyond:
        """Due for longer than ``seconds``, backfill aside."""
        return await self._beyond("health_pending", seconds, "zoho_outbox")

    async def retrying(self, seconds: float) -> Beyond:
        """Between attempts, the first of which is longer ago."""
        return await self._beyond("health_retrying", seconds, "zoho_outbox", "zoho_sync_logs")

    async def processing(self, seconds: float) -> Beyond:
        """Held for longer."""
        return await self._beyond("health_processing", seconds)

    async def past_due(self, seconds: float) -> Beyond:
        """The next attempt should have been made longer ago."""
        return await self._beyond("health_past_due", seconds)

    async def dead(self, seconds: float = 0.0) -> Beyond:
        """Dead for longer."""
        return await self._beyond("health_dead", seconds)

    async def affected_customers(self) -> Beyond:
        """Customers of whom something is dead."""
        await self._visible("customer_services", "customer_invoices", "payment_transactions")
        try:
            row = await self._one("health_affected", {"most": MOST})
        except psycopg.errors.UndefinedColumn:  # A host of November 2025.
            row = await self._one("health_affected", {"most": MOST}, without="newer columns")
        example = None if row["entity_id"] is None else await self._named(EntityType.CUSTOMER, row["entity_id"])
        return Beyond(row["entities"], example)

    async def attempts(self) -> Attempts:
        """How attempts of seven days and of one ended."""
        await self._visible("zoho_sync_logs")
        row = await self._one("health_attempts", {"most": MOST_ATTEMPTS})
        entity_type, entity_id = row.pop("entity_type"), row.pop("entity_id")
        example = None if entity_id is None else await self._named(EntityType(entity_type), entity_id)
        # The outer join gives one row of nothing where there is no attempt.
        attempts = 0 if row["since"] is None else row["attempts"]
        return Attempts(**row | {"attempts": attempts}, complete=attempts < MOST_ATTEMPTS, example=example)

    async def throttling(self) -> Throttling:
        """Refusals because of Zoho's limits."""
        return Throttling(**await self._one("health_throttled"))

    async def stops(self) -> Stops:
        """What stops sending."""
        return Stops(**await self._one("health_organisation"))

    async def daemons(self) -> list[Daemon]:
        """Sessions of daemons, the one heard of last first."""
        return [Daemon(**row) for row in await self._database.rows(statement("health_daemons"))]

    async def triggers(self) -> list[Trigger]:
        """Triggers of ours that are there."""
        return [Trigger(**row) for row in await self._database.rows(statement("health_triggers"))]

    async def holders(self, seconds: float) -> list[Holder]:
        """Who keeps vacuum from its work now, longest first; of unknown age, who may do so for ``seconds``."""
        rows = await self._database.rows(statement("health_snapshots"), {"seconds": seconds})
        return [Holder(**row) for row in rows]

    async def synced(self, *, recurring_billing: str, on_suspend: str) -> list[Synced]:
        """Eligible rows by type. ``recurring_billing``: for a database from which nothing was sent yet."""
        await self._visible(*(table.name for table in HOST_TABLES.values()))
        stored = await self._one("health_billing_mode")
        billing: str = stored["recurring_billing"] or recurring_billing
        found = []
        for entity_type in EntityType:
            row = await self._readings.eligible(entity_type, recurring_billing=billing, on_suspend=on_suspend)
            if isinstance(row, Unreadable):
                raise psycopg.errors.InsufficientPrivilege(
                    f"permission denied for what makes a row of {HOST_TABLES[entity_type].name} eligible"
                )
            found.append(Synced(entity_type, row["eligible"], row["in_zoho"]))
        return found

    async def figures(self, days: int) -> list[TypeFigures]:
        """How attempts of ``days`` days ended, by type, in their order of dependence."""
        await self._visible("zoho_sync_logs")
        parameters = {"days": days, "most": MOST_ATTEMPTS}
        rows = await self._database.rows(statement("health_figures"), parameters, seconds=LONG_SECONDS)
        by_type = {EntityType(row.pop("entity_type")): row for row in rows}
        return [
            TypeFigures(entity_type, **by_type[entity_type]) for entity_type in EntityType if entity_type in by_type
        ]

    async def peak_hours(self, days: int, time_zone: str) -> list[Hour]:
        """The three busiest hours of the day."""
        await self._visible("zoho_sync_logs")
        parameters = {"days": days, "most": MOST_ATTEMPTS, "time_zone": time_zone}
        rows = await self._database.rows(statement("health_hours"), parameters, seconds=LONG_SECONDS)
        return [Hour(**row) for row in rows]

    async def volume(self, days: int, time_zone: str) -> Volume:
        """Requests of ``days`` days."""
        return Volume(**await self._one("health_volume", {"days": days, "time_zone": time_zone}))

    async def _beyond(self, name: str, seconds: float, *tables: str) -> Beyond:
        await self._visible(*tables)
        row = await self._one(name, {"seconds": seconds, "most": MOST})
        if row["entity_id"] is None:
            return Beyond(row["entities"])
        named = await self._named(EntityType(row["entity_type"]), row["entity_id"])
        return Beyond(min(row["entities"], MOST), named, row["since"])

    async def _named(self, entity_type: EntityType, entity_id: UUID) -> str:
        """As people know it, as far as this role may read that."""
        names = await self._readings.names(entity_type, [entity_id])
        known = None if isinstance(names, Unreadable) else names.get(entity_id)
        return f"{entity_type} {known or entity_id}"

    async def _visible(self, *tables: str) -> None:
        if self._hidden is None:
            rows = await self._database.rows(statement("health_hidden"), {"tables": list(GUARDED_TABLES)})
            self._hidden = frozenset(row["table_name"] for row in rows)
        hidden = [table for table in tables if table in self._hidden]
        if hidden:
            raise HiddenRows(hidden)

    async def _one(self, name: str, parameters: dict[str, Any] | None = None, *, without: str | None = None) -> Row:
        query = statement(name) if without is None else statement(name, without)
        return await self._database.only_row(query, parameters, seconds=LONG_SECONDS)
