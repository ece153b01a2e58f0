"""``status``: counts per type and status, backlog, quota, what stops sending, who holds what."""

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from time import monotonic
from typing import Annotated, Any
from uuid import UUID

from outbox.commands.opening import open_database
from outbox.database import Database, Row
from outbox.entities.registry import ENTITIES
from outbox.host_tables import HOST_TABLES
from outbox.settings import AtLeastOne, Count, DatabaseSettings, OnSuspend, Percent, RecurringBilling, Settings
from outbox.store.budget import BURST
from outbox.store.organisation import OrganisationStore
from outbox.store.readings import Readings, Unreadable
from outbox.vocabulary import EntityType, EntryStatus, OrganisationState, Urgency

COSTLY_SHARE = 20
"""Counts that go through whole tables are read again after this many times what they took."""


class StatusSettings(DatabaseSettings):
    """The database, the limits that the quota is shown against, and what makes rows eligible. No credentials."""

    zoho_requests_per_minute: Count = Settings.model_fields["zoho_requests_per_minute"].default
    zoho_daily_request_limit: Count = Settings.model_fields["zoho_daily_request_limit"].default
    zoho_live_reserve_percent: Percent = Settings.model_fields["zoho_live_reserve_percent"].default
    zoho_max_concurrency: AtLeastOne = Settings.model_fields["zoho_max_concurrency"].default
    zoho_time_zone: Annotated[str, *Settings.model_fields["zoho_time_zone"].metadata] = Settings.model_fields[
        "zoho_time_zone"
    ].default
    zoho_recurring_billing: Annotated[RecurringBilling, *Settings.model_fields["zoho_recurring_billing"].metadata] = (
        Settings.model_fields["zoho_recurring_billing"].default
    )
    zoho_on_suspend: Annotated[OnSuspend, *Settings.model_fields["zoho_on_suspend"].metadata] = Settings.model_fields[
        "zoho_on_suspend"
    ].default


@dataclass(frozen=True)
class TypeCounts:
    """Of one type. ``eligible`` and ``in_zoho`` None: this role may not read what decides about them."""

    eligible: int | None
    in_zoho: int | None
    pending: int
    waiting: int
    processing: int
    retrying: int
    dead: int
    skipped: int


@dataclass(frozen=True)
class Backlog:
    """Entries that will be sent by themselves: pending, waiting, processing."""

    entries: int
    oldest_seconds: float | None


@dataclass(frozen=True)
class Quota:
    """Requests. A limit of 0 is none; what is left of none is None."""

    day: date
    used: int
    used_by_urgency: Mapping[str, int]
    day_limit: int
    left_live: int | None
    left_bulk: int | None
    """For backfill and reconciliation, which may not touch the reserve."""
    minute_limit: int
    minute_tokens: int | None
    """Requests that may leave at once, of a burst of 5."""
    in_flight: int
    most_in_flight: int
    tokens_minted_24h: int


@dataclass(frozen=True)
class OrganisationStatus:
    """What sending as a whole may do."""

    state: OrganisationState
    since: datetime | None
    until: datetime | None
    why: str | None
    last_good_reply_at: datetime | None
    last_good_reply_seconds: float | None
    id: str | None
    name: str | None
    mode: str | None


@dataclass(frozen=True)
class DatabaseStatus:
    """Which database this is. ``accepted`` False: a clone or a copy, which must not send; None: nothing sent yet."""

    name: str
    accepted: bool | None
    stored_name: str | None
    accepted_at: datetime | None
    accepted_by: str | None
    look_first_since: datetime | None
    look_first_why: str | None


@dataclass(frozen=True)
class SessionStatus:
    """A process that sends."""

    id: UUID
    kind: str
    host: str
    pid: int
    program_version: str
    started_at: datetime
    heartbeat_seconds: float
    alive: bool
    listening: bool
    draining: bool


@dataclass(frozen=True)
class LeaseStatus:
    """A row that is being sent."""

    entity_type: EntityType
    entity_id: UUID
    named: str
    session: UUID
    host: str | None
    pid: int | None
    held_seconds: float
    expired: bool


@dataclass(frozen=True)
class Status:
    """Everything ``status`` shows, as of ``now`` by the database's clock."""

    now: datetime
    by_type: Mapping[EntityType, TypeCounts]
    backlog: Backlog
    quota: Quota
    organisation: OrganisationStatus
    database: DatabaseStatus
    sessions: tuple[SessionStatus, ...]
    leases: tuple[LeaseStatus, ...]
    remarks: tuple[str, ...]
    """What could not be shown, and why."""

    def as_json(self) -> dict[str, Any]:
        """Nested as the attributes are."""
        return asdict(self)


class StatusReader:
    """Reads one status after another; what goes through whole tables only now and then."""

    def __init__(self, database: Database, settings: StatusSettings) -> None:
        self._readings = Readings(database)
        self._settings = settings
        # The zone is for reports of throttling, which a reader never makes.
        self._organisation = OrganisationStore(database, settings.zoho_time_zone)
        self._counts: dict[EntityType, TypeCounts] = {}
        self._backlog = Backlog(0, None)
        self._remarks: tuple[str, ...] = ()
        self._costly_again_at = -math.inf

    async def read(self) -> Status:
        """The present status."""
        installation = await self._readings.installation()
        if monotonic() >= self._costly_again_at:
            started = monotonic()
            await self._count(installation["recurring_billing"] or self._settings.zoho_recurring_billing)
            self._costly_again_at = monotonic() + COSTLY_SHARE * (monotonic() - started)
        return Status(
            now=installation["now"],
            by_type=self._counts,
            backlog=self._backlog,
            quota=quota(await self._readings.budget(self._settings.zoho_time_zone), self._settings),
            organisation=await self._organisation_status(installation),
            database=_database_status(installation),
            sessions=tuple(SessionStatus(**row) for row in await self._readings.sessions()),
            leases=await self._leases(),
            remarks=self._remarks,
        )

    async def _count(self, recurring_billing: str) -> None:
        """``recurring_billing`` is that of the first run, where there was one: daemons refuse any other."""
        standing: dict[EntityType, dict[str, int]] = {entity_type: {} for entity_type in ENTITIES}
        for row in await self._readings.standing():
            standing.setdefault(EntityType(row["entity_type"]), {})[row["standing"]] = row["entities"]
        unreadable = []
        for entity_type, counts in standing.items():
            of_rows = await self._readings.eligible(
                entity_type, recurring_billing=recurring_billing, on_suspend=self._settings.zoho_on_suspend
            )
            if isinstance(of_rows, Unreadable):
                unreadable.append(f"public.{HOST_TABLES[entity_type].name}")
            known = None if isinstance(of_rows, Unreadable) else of_rows
            self._counts[entity_type] = TypeCounts(
                eligible=None if known is None else known["eligible"],
                in_zoho=None if known is None else known["in_zoho"],
                pending=counts.get("pending", 0),
                waiting=counts.get("waiting", 0),
                processing=counts.get("processing", 0),
                retrying=counts.get("retrying", 0),
                dead=counts.get("dead", 0),
                skipped=counts.get("skipped", 0),
            )
        self._remarks = ()
        if unreadable:
            self._remarks = (
                f"role {await self._readings.role()} may not read what makes rows of {', '.join(unreadable)} eligible: "
                "they are not counted; the daemon's role can, and the owner of the tables grants what operators may "
                "see with zoho-outbox migrate",
            )
        open_rows = [row for row in await self._readings.backlog() if row["status"] != EntryStatus.DEAD]
        self._backlog = Backlog(
            entries=sum(row["entries"] for row in open_rows),
            oldest_seconds=max((row["oldest_seconds"] for row in open_rows), default=None),
        )

    async def _organisation_status(self, installation: Row) -> OrganisationStatus:
        now = await self._organisation.now()
        good = now.last_good_reply_at
        return OrganisationStatus(
            state=now.state,
            since=now.since,
            until=now.until,
            why=now.why,
            last_good_reply_at=good,
            last_good_reply_seconds=None if good is None else (installation["now"] - good).total_seconds(),
            id=installation["organization_id"],
            name=installation["organisation_name"],
            mode=installation["organisation_mode"],
        )

    async def _leases(self) -> tuple[LeaseStatus, ...]:
        rows = await self._readings.leases()
        names: dict[tuple[EntityType, UUID], str] = {}
        for entity_type in {EntityType(row["entity_type"]) for row in rows}:
            ids = [row["entity_id"] for row in rows if row["entity_type"] == entity_type]
            found = await self._readings.names(entity_type, ids)
            if not isinstance(found, Unreadable):
                names |= {(entity_type, entity_id): name for entity_id, name in found.items()}
        return tuple(
            LeaseStatus(
                **{**row, "entity_type": EntityType(row["entity_type"])},
                named=f"{row['entity_type']} {names.get((row['entity_type'], row['entity_id']), row['entity_id'])}",
            )
            for row in rows
        )


@asynccontextmanager
async def open_status(settings: StatusSettings) -> AsyncIterator[StatusReader]:
    """A reader on a database that is fit for it."""
    async with open_database(settings) as database:
        yield StatusReader(database, settings)


def quota(row: Row, settings: StatusSettings) -> Quota:
    """The row of ``status_budget.sql`` against the limits of the settings."""
    limit, used = settings.zoho_daily_request_limit, int(row["requests"])
    unreserved = math.floor(limit * (100 - settings.zoho_live_reserve_percent) / 100)
    rate = settings.zoho_requests_per_minute
    ahead = math.ceil(round(row["seconds_ahead"] * rate / 60, 6)) if rate else 0
    names = {str(int(urgency)): urgency.name.lower() for urgency in Urgency}
    return Quota(
        day=row["day"],
        used=used,
        used_by_urgency={names.get(number, number): count for number, count in row["by_urgency"].items()},
        day_limit=limit,
        left_live=max(limit - used, 0) if limit else None,
        left_bulk=max(unreserved - used, 0) if limit else None,
        minute_limit=rate,
        minute_tokens=min(max(BURST - ahead, 0), BURST) if rate else None,
        in_flight=row["in_flight"],
        most_in_flight=settings.zoho_max_concurrency,
        tokens_minted_24h=row["tokens_minted"],
    )


def _database_status(row: Row) -> DatabaseStatus:
    look_first_since, why = row["look_first_since"], row["look_first_why"]
    if row["stored"] and row["same"] and not row["same_timeline"] and look_first_since is None:
        look_first_since, why = row["now"], "the database was restored or failed over (another timeline)"
    return DatabaseStatus(
        name=row["database_name"],
        accepted=bool(row["same"]) if row["stored"] else None,
        stored_name=row["stored_name"],
        accepted_at=row["accepted_at"],
        accepted_by=row["accepted_by"],
        look_first_since=look_first_since,
        look_first_why=why,
    )
