"""The month played: the company's acts on a real database, the daemon's turns, Zoho's days, the bookkeeper's eyes."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from enum import StrEnum
from random import Random
from uuid import UUID

from outbox.assembly import CONNECTIONS, Engine, open_engine
from outbox.clock import ManualClock, SystemClock
from outbox.database import Database
from outbox.simulator import LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from outbox.simulator.clock import SimulatorClock
from outbox.simulator.settings import TokenSettings, Undocumented, UndocumentedSettings
from outbox.vocabulary import Change, EntityType, Origin, Urgency
from tests.host import databases
from tests.migration.migrated import migrate_as_migrator, prepare_logins
from tests.month.audit import Books
from tests.month.bookkeeper import Bookkeeper, Rows
from tests.month.calendar_days import DAY, ZONE, moment
from tests.month.people import Office, People
from tests.month.the_days import after_the_takeover, before, in_zoho_before
from tests.sending.conftest import Process, settings_for
from tests.store.host import Host

INSTALLED = moment("2028-02-13 05:00")
"""The company as it is before."""
TAKEN_OVER = moment("2028-02-14 09:00")
"""When everything from before is brought to Zoho."""
JOB_AT = time(5, 0)
"""When the host's billing job runs."""

PATIENCE_SECONDS = 20_000.0
"""What passes for whoever waits to be tried again: longer than any pause."""

MOST_ROUNDS = 12

PRESENT = 0.4
"""How often a daemon that is away now and then is there."""


class Filters(StrEnum):
    """What Zoho does with parameters and addresses that it does not document (sheet 6)."""

    ON = "on"
    REFUSED = "refused"
    IGNORED = "ignored"

    @property
    def settings(self) -> UndocumentedSettings:
        """Of the simulator."""
        match self:
            case Filters.ON:
                kind = address = Undocumented.ON
            case Filters.IGNORED:
                kind = address = Undocumented.IGNORED
            case Filters.REFUSED:
                kind, address = Undocumented.BAD_REQUEST, Undocumented.NOT_FOUND
        return UndocumentedSettings(
            customers_email=kind,
            customers_phone=kind,
            plans_code=kind,
            cancel_at_end_in_body=kind,
            invoices_number=kind,
            invoice_payments=address,
            payments_list=address,
            payments_reference=kind,
        )


class CompanyClock(ManualClock):
    """The company's days for dates, the machine's seconds for leases, which the database counts too."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._machine = SystemClock()

    def monotonic(self) -> float:
        return self._machine.monotonic()


@dataclass(frozen=True)
class Played:
    """Both sides at the end."""

    book: Bookkeeper
    rows: Rows
    books: Books
    made_twice: list[str]
    requests: int
    days: int
    moments: int
    names: dict[UUID, str]
    """What people call the rows."""


class Month:
    """One run of the script."""

    def __init__(self, people: People, zoho: RunningSimulator, clock: CompanyClock, book: Bookkeeper) -> None:
        self._people = people
        self._zoho = zoho
        self._clock = clock
        self._book = book
        self._host = people.office.host
        self._process: Process | None = None
        self.moments = 0

    async def play(self, process: Process, until: datetime | None, dice: Random | None) -> None:
        """From the takeover on, to the end or to ``until``; with ``dice``, the daemon is away now and then."""
        self._process = process
        await self._take_over(process.engine)
        story = after_the_takeover(self._people, self._zoho)
        # The lines below a yield run when the next one is asked for: by then its moment must have come.
        now = next(story)
        while until is None or now.at <= until:
            for morning in self._mornings(now.at):
                self.move(morning)
                self._people.job.runs()
                if dice is None or dice.random() < PRESENT:
                    await self._round()
            self.move(now.at)
            following = next(story, None)
            self.moments += 1
            if following is None:
                await self._round()
                return
            if now.seen or (not now.away and (dice is None or dice.random() < PRESENT)):
                await self._round()
            now = following

    def _mornings(self, until: datetime) -> Iterator[datetime]:
        here = self._clock.now(ZONE)
        morning = datetime.combine(here.date(), JOB_AT, ZONE)
        while morning < until:
            if morning > here:
                yield morning
            morning += DAY

    def move(self, to: datetime) -> None:
        """Both clocks, in step."""
        seconds = (to - self._clock.now(UTC)).total_seconds()
        self._clock.advance(seconds)
        self._zoho.clock.advance(seconds)
        self._people.office.now = to

    async def _take_over(self, engine: Engine) -> None:
        rows = Rows.of(self._host)
        for entity_type, table in (
            (EntityType.CUSTOMER, rows.customers),
            (EntityType.SUBSCRIPTION, rows.services),
            (EntityType.INVOICE, rows.invoices),
            (EntityType.PAYMENT, rows.payments),
        ):
            await engine.store.enqueue(
                [(entity_type, row) for row in table],
                change=Change.RELATED,
                origin=Origin.BACKFILL,
                urgency=Urgency.BACKFILL,
            )
            await self._send()
        self._book.reads(Rows.of(self._host), self._clock.now(ZONE).date(), taking_over=True)

    async def _round(self) -> None:
        await self._send()
        self._book.reads(Rows.of(self._host), self._clock.now(ZONE).date())

    async def _send(self) -> None:
        """Turns until nothing is left to do, whoever waits to be tried again included."""
        if self._process is None:
            raise RuntimeError("the month is not being played")
        for _ in range(MOST_ROUNDS):
            await self._process.turns_until_quiet()
            later = self._host.rows("SELECT entity_id FROM zoho_outbox_private.entity_state WHERE phase = 'scheduled'")
            if not later:
                return
            for row in later:
                self._host.pass_time(row["entity_id"], PATIENCE_SECONDS)
        raise AssertionError(
            f"still being tried again after {MOST_ROUNDS} rounds: "
            + str(
                self._host.rows(
                    "SELECT entity_type, last_error FROM zoho_outbox_private.entity_state WHERE phase = 'scheduled'"
                )
            )
        )


async def play(
    databases_: databases.Databases,
    template: databases.DatabaseTemplate,
    mode: str,
    filters: Filters,
    until: str = "",
    away: int | None = None,
) -> Played:
    """Plays it in a database of its own. ``mode``: ZOHO_RECURRING_BILLING; ``until``: a moment, or the end.
    ``away``: seed of the dice by which the daemon is away more often than it is there."""
    start = INSTALLED
    settings = SimulatorSettings(
        limits=LimitSettings.wide(),
        tokens=TokenSettings(lifetime_seconds=400 * 86_400.0),
        refuse_unknown_keys=True,
        undocumented=filters.settings,
    )
    simulated = SimulatorClock(start=start.timestamp(), running=False)
    async with running_simulator(settings, clock=simulated) as zoho:
        with databases_.fresh(template) as database:
            office = _company(database, start, zoho)
            with Host(database) as host:
                office.host = host
                return await _played(office, zoho, mode, until, away)


async def _played(office: Office, zoho: RunningSimulator, mode: str, until: str, away: int | None) -> Played:
    # Migrated by the machine's clock, in the company's story on its Sunday.
    office.host.interfere("UPDATE zoho_outbox_private.installation SET installed_at = %s", [INSTALLED])
    people, clock = People.of(office), CompanyClock(office.now)
    book = Bookkeeper(zoho_bills=mode == "zoho")
    month = Month(people, zoho, clock, book)
    month.move(TAKEN_OVER)
    async with _process(office.host, zoho, mode, clock) as process:
        await month.play(process, moment(until) if until else None, None if away is None else Random(away))
    return Played(
        book,
        Rows.of(office.host),
        _books(office.host, zoho),
        _made_twice(zoho),
        zoho.statistics.requests,
        (clock.now(ZONE).date() - TAKEN_OVER.date()).days + 1,
        month.moments,
        {row: name for name, row in office.rows.items()},
    )


def _company(database: databases.Database, start: datetime, zoho: RunningSimulator) -> Office:
    """The company as it is when zoho-outbox is installed."""
    with Host(database) as host:
        office = Office(host, start)
        people = People.of(office)
        before(people)
        people.job.runs()
        in_zoho_before(people, zoho)
    migrate_as_migrator(database)
    prepare_logins(database)
    return office


@asynccontextmanager
async def _process(host: Host, zoho: RunningSimulator, mode: str, clock: CompanyClock) -> AsyncIterator[Process]:
    settings = settings_for(host, zoho, ZOHO_RECURRING_BILLING=mode, OUTBOX_LOG_PAYLOADS="none")
    database = Database(settings.database_url, application_name="zoho-outbox month", connections=CONNECTIONS)
    try:
        async with open_engine(settings, database, kind="daemon", on_secret=lambda *_: None) as engine:
            process = Process(engine, host, [])
            process.sender = replace(engine.sender, clock=clock)
            yield process
    finally:
        await database.close()


def _books(host: Host, zoho: RunningSimulator) -> Books:
    held = zoho.simulator.holdings()
    scheduled = {record["subscription_id"]: record for record in zoho.simulator.books.scheduled_changes}
    notes: dict[UUID, str] = {}
    for row in host.rows("SELECT entity_id, last_error FROM public.zoho_outbox ORDER BY id"):
        if row["last_error"]:
            notes[row["entity_id"]] = f"{notes.get(row['entity_id'], '')}; {row['last_error']}"
    return Books(held, scheduled, notes)


def _made_twice(zoho: RunningSimulator) -> list[str]:
    """Natural keys under which requests made more than one record."""
    return [
        f"{collection} {key} {value}: created {count} times"
        for collection, key in (
            ("customers", "display_name"),
            ("invoices", "invoice_number"),
            ("payments", "reference_number"),
            ("subscriptions", "reference_id"),
        )
        for value, count in zoho.statistics.created_more_than_once(collection, key).items()
    ]
