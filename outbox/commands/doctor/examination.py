"""The order of doctor's checks, and what each rests on.

Readings are gathered here and handed to pure functions. A reading that cannot be had becomes a finding of its check:
"could not tell", with why; what rests on something that failed says "not checked" and is not tried. Each finding is
shown as soon as it is there.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC
from typing import TypeVar

import anyio
import psycopg

from outbox.clock import Clock
from outbox.commands.doctor import database as database_checks
from outbox.commands.doctor import zoho as zoho_checks
from outbox.commands.doctor.asking import Asking, open_asking
from outbox.commands.doctor.findings import (
    DATABASE_CHECKS,
    ZOHO_CHECKS,
    Diagnosis,
    Finding,
    Outcome,
    failed,
    not_checked,
    ok,
    unknown,
)
from outbox.commands.doctor.host_triggers import check_host_triggers
from outbox.commands.doctor.listening import check_listen, check_pooler, round_trip
from outbox.commands.doctor.settings import Given, check_settings
from outbox.commands.opening import APPLICATION_NAME, open_connection, open_database
from outbox.database import Database, DatabaseUnavailable, Row
from outbox.entities.catalogue import plans_of, taxes_of
from outbox.entities.registry import CAPTURES
from outbox.migration.fitness import Unfit, check_fitness
from outbox.migration.host_shape import read_host
from outbox.migration.steps import due_steps, schema_number
from outbox.sending.terms import SendingTerms
from outbox.settings import DatabaseSettings, RecurringBilling, Settings
from outbox.store.doctor import DoctorReadings
from outbox.store.organisation import OrganisationStore
from outbox.vocabulary import EntityType
from outbox.wording import count
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import Failure
from outbox.zoho.json_text import JsonValue
from outbox.zoho.organisations import LIST_ORGANISATIONS

T = TypeVar("T")

LIST_TAXES = ApiRequest("GET", "/settings/taxes")
LIST_PLANS = ApiRequest("GET", "/plans", {"filter_by": "PlanStatus.All"})
DEFAULT_SNAPSHOT_SECONDS: float = Settings.model_fields["health_snapshot_seconds"].default


async def diagnose(
    given: Given,
    *,
    clock: Clock,
    show: Callable[[Finding], None],
    stage: Callable[[str], None],
    on_secret: Callable[..., None],
) -> Diagnosis:
    """Makes every check. ``show`` gets each finding as it comes, ``stage`` what is begun that may take a while."""
    course = _Course(given, clock, show, stage, on_secret)
    course.tell(check_settings(given))
    try:
        async with open_database(given.base, connections=3, fit=False) as database:
            await course.examine(database)
    except DatabaseUnavailable as absent:
        course.tell_lost(str(absent))
    return Diagnosis(tuple(course.findings), course.requests, course.tokens_minted)


@dataclass
class _Course:
    """One diagnosis on its way."""

    given: Given
    clock: Clock
    show: Callable[[Finding], None]
    stage: Callable[[str], None]
    on_secret: Callable[..., None]
    findings: list[Finding] = field(default_factory=list)
    requests: int = 0
    tokens_minted: int = 0
    may_ask: bool = False
    """The role has its rights on token and budget."""

    def tell(self, findings: Finding | Iterable[Finding]) -> None:
        for finding in (findings,) if isinstance(findings, Finding) else findings:
            self.findings.append(finding)
            self.show(finding)

    def tell_not_checked(self, checks: Iterable[str], why: str) -> None:
        self.tell(not_checked(check, why) for check in checks if not self.was_told(check))

    def was_told(self, check: str) -> bool:
        return any(finding.check == check for finding in self.findings)

    def is_well(self, check: str) -> bool:
        outcomes = [finding.outcome for finding in self.findings if finding.check == check]
        return bool(outcomes) and all(outcome in (Outcome.OK, Outcome.WARNING) for outcome in outcomes)

    def tell_lost(self, why: str) -> None:
        """The database is away, from the beginning or in the middle."""
        mend = "check DATABASE_URL and the server"
        if not self.was_told("database"):
            self.tell(failed("database", f"cannot be reached: {why}", mend))
        else:
            first = next((check for check in (*DATABASE_CHECKS, *ZOHO_CHECKS) if not self.was_told(check)), "database")
            self.tell(unknown(first, f"the database went away: {why}", mend))
        self.tell_not_checked((*DATABASE_CHECKS, *ZOHO_CHECKS), "the database cannot be reached")

    async def reading(self, check: str, work: Awaitable[T]) -> T | None:
        """What ``work`` read; None: it could not, and the finding says why."""
        try:
            return await work
        except psycopg.errors.InsufficientPrivilege as error:
            self.tell(unknown(check, _first_line(error), "see role and rights; run doctor with the daemon's settings"))
        except psycopg.Error as error:
            self.tell(unknown(check, _first_line(error), "see schema"))
        return None

    async def examine(self, database: Database) -> None:
        """Everything but the settings."""
        readings = DoctorReadings(database)
        self.stage("the database")
        server = await readings.server()
        self.tell(database_checks.check_server(server))
        self.tell(database_checks.check_role(server))
        schema = await self.reading("schema", asyncio.to_thread(read_schema, self.given.base))
        if schema is not None:
            self.tell(database_checks.check_schema(schema, schema_number()))
        await self.of_the_catalogue(readings, server, schema)
        installation = await self.of_our_tables(readings, schema)
        await self.of_the_ways(database)
        await self.of_sending(database, schema)
        await self.of_zoho(database, readings, installation)

    async def of_the_catalogue(
        self, readings: DoctorReadings, server: Row, schema: database_checks.SchemaReading | None
    ) -> None:
        """What PostgreSQL's catalogue tells, which everybody may read."""
        mapped = database_checks.mapped_columns(CAPTURES)
        triggers = await self.reading("host_triggers", readings.before_triggers(sorted(mapped)))
        if schema is None or not schema.is_migrated:
            self.tell_not_checked(("rights", "policies", "exposure", "triggers"), "the database is not migrated")
        else:
            if self.is_well("role"):
                wanted = database_checks.wanted_rights(schema.host, CAPTURES)
                missing = await self.reading("rights", readings.missing_rights(wanted))
                if missing is not None:
                    self.tell(database_checks.check_rights(missing, server["role"]))
                    self.may_ask = all(right.schema != database_checks.PRIVATE for right in missing)
                policies = await self.reading("policies", readings.policies(sorted(database_checks.policed_tables())))
                if policies is not None:
                    self.tell(database_checks.check_policies(policies))
            self.tell_not_checked(("rights", "policies"), "it is another role's, see role")
            exposed = await self.reading("exposure", readings.exposed())
            if exposed is not None:
                self.tell(database_checks.check_exposure(exposed))
            ours = await self.reading("triggers", readings.triggers())
            if ours is not None:
                self.tell(database_checks.check_triggers(ours))
        if triggers is not None:
            self.tell(check_host_triggers(triggers, mapped))

    async def of_our_tables(self, readings: DoctorReadings, schema: database_checks.SchemaReading | None) -> Row | None:
        """What our own tables tell. Returns the row of ``read_installation.sql``."""
        given = self.given
        ours = ("log_table", "identity", "billing", "replicas")
        installation = None
        if schema is None or schema.unfit is not None:
            self.tell_not_checked(ours, "see schema")
        else:
            installation = await self.reading("identity", readings.installation())
        if installation is not None:
            self.tell(database_checks.check_log_table(installation, given.settings))
            self.tell(database_checks.check_identity(installation, given.settings))
            await self.of_billing(readings, installation)
            sessions = await self.reading("replicas", readings.sessions())
            recorded = None if sessions is None else await self.reading("replicas", readings.recorded_settings())
            if sessions is not None and recorded is not None:
                self.tell(database_checks.check_replicas(sessions, recorded, given.settings))
        self.tell_not_checked(ours, "the installation could not be read")
        older = DEFAULT_SNAPSHOT_SECONDS if given.settings is None else given.settings.health_snapshot_seconds
        snapshots = await self.reading("snapshots", readings.snapshots(older))
        if snapshots is not None:
            self.tell(database_checks.check_snapshots(snapshots))
        return installation

    async def of_billing(self, readings: DoctorReadings, installation: Row) -> None:
        """Who bills."""
        billing = self.given.base.zoho_recurring_billing
        by_host = None
        if billing is RecurringBilling.ZOHO:
            by_host = await self.reading("billing", readings.billed_by_host())
            if by_host is None:
                return
        self.tell(database_checks.check_billing(billing, installation, by_host))

    async def of_the_ways(self, database: Database) -> None:
        """Notifications and clocks."""
        base = self.given.base
        separate = base.database_listen_url.get_secret_value() != base.database_url.get_secret_value()
        self.stage("LISTEN, some seconds where nothing is heard")
        async with _opened(Database(base.database_listen_url, application_name=APPLICATION_NAME)) as listening:
            trip = await self.reading("listen", round_trip(listening, database))
        if trip is not None:
            self.tell(check_listen(trip, separate=separate))
        over_itself = None
        if separate:
            async with _opened(Database(base.database_url, application_name=APPLICATION_NAME)) as itself:
                over_itself = await self.reading("pooler", round_trip(itself, database))
        if over_itself is not None or not separate:
            self.tell(check_pooler(over_itself))
        before = self.clock.now(UTC)
        row = await self.reading("database_clock", DoctorReadings(database).clock())
        if row is not None:
            self.tell(database_checks.database_clock(before, row["now"], self.clock.now(UTC)))

    async def of_sending(self, database: Database, schema: database_checks.SchemaReading | None) -> None:
        """What stops all sending."""
        if schema is None or schema.unfit is not None:
            self.tell_not_checked(("sending",), "see schema")
            return
        store = OrganisationStore(database, self.given.base.zoho_time_zone)
        now = await self.reading("sending", store.now())
        if now is not None:
            self.tell(database_checks.check_sending(now))

    async def of_zoho(self, database: Database, readings: DoctorReadings, installation: Row | None) -> None:
        """Everything that is asked of Zoho, where it may be asked."""
        settings = self.given.settings
        if settings is None:
            lacking = ", ".join(problem.partition(":")[0] for problem in self.given.problems)
            self.tell_not_checked(ZOHO_CHECKS, f"settings are missing or wrong: {lacking}")
        elif installation is None:
            self.tell_not_checked(ZOHO_CHECKS, "token and budget stand in the database: see schema and role")
        elif not self.may_ask:
            self.tell_not_checked(ZOHO_CHECKS, "token and budget stand in the database: see role and rights")
        elif not database_checks.same_database(installation):
            self.tell_not_checked(ZOHO_CHECKS, "this database is a copy, from which nobody may ask: see identity")
        else:
            async with open_asking(settings, database, self.clock, self.on_secret) as asking:
                try:
                    await self.ask(asking, settings, readings)
                finally:
                    self.requests, self.tokens_minted = asking.requests, asking.tokens_minted

    async def ask(self, asking: Asking, settings: Settings, readings: DoctorReadings) -> None:
        """Credentials and organisation first; the rest in the organisation's name."""
        self.stage("Zoho: an access token, and the organisation")
        outcome = await asking.prove_credentials(readings)
        self.tell(zoho_checks.check_credentials(outcome, settings.zoho_region))
        organisations = await asking.ask(LIST_ORGANISATIONS)
        self.tell(zoho_checks.check_organisation(organisations, settings))
        rest = ("scopes", "taxes", "plans", "custom_fields")
        if isinstance(organisations, zoho_checks.Barred):
            self.tell_not_checked((*rest, "zoho_clock"), organisations.why)
            return
        if zoho_checks.is_ours(organisations, settings) and self.is_well("identity"):
            await self.ask_in_its_name(asking, settings, readings, organisations)
        self.tell_not_checked(rest, "the organisation is not the one that this database is sent to, see above")
        self.tell(zoho_checks.check_zoho_clock(asking.dates))

    async def ask_in_its_name(
        self, asking: Asking, settings: Settings, readings: DoctorReadings, organisations: zoho_checks.Answer
    ) -> None:
        """Scopes, taxes, plans, custom fields: one request each, and two more for what may be written."""
        billing = settings.zoho_recurring_billing
        kinds = zoho_checks.sent_types(billing)
        wanted = zoho_checks.all_scopes(billing)
        self.stage(f"Zoho: {count(len(wanted), 'scope', 'scopes')}, a request each within the budget")
        known = await self.reading("custom_fields", readings.known_records())
        answers: dict[str, zoho_checks.Answer] = {zoho_checks.scope("settings", "READ"): organisations}
        taxes, tax_rows = await asking.rows(LIST_TAXES, "taxes")
        plans: zoho_checks.Answer | None = None
        plan_rows: Sequence[Mapping[str, JsonValue]] = ()
        if billing is RecurringBilling.ZOHO:
            plans, plan_rows = await asking.rows(LIST_PLANS, "plans")
            answers[zoho_checks.scope("plans", "READ")] = plans
        records: dict[EntityType, zoho_checks.Answer] = {}
        for kind in kinds:
            row = (known or {}).get(kind)
            records[kind] = await asking.ask(zoho_checks.reading_request(kind, row["zoho_id"] if row else None))
            answers[zoho_checks.scope(zoho_checks.MODULES[kind], "READ")] = records[kind]
        for kind in kinds:
            requests = zoho_checks.writing_requests(kind, zoho_checks.labels_sent(kind, settings))
            for name, request in requests.items():
                answers[name] = await asking.ask(request)
        self.tell(zoho_checks.check_scopes(answers, wanted))
        await self.of_taxes(readings, settings, taxes, tax_rows)
        await self.of_plans(readings, settings, plans, plan_rows)
        if known is not None:
            await self.of_custom_fields(readings, settings, known, records, answers)

    async def of_taxes(
        self,
        readings: DoctorReadings,
        settings: Settings,
        answer: zoho_checks.Answer,
        rows: Sequence[Mapping[str, JsonValue]],
    ) -> None:
        """Whether each rate has a tax."""
        if not isinstance(answer, ApiReply):
            self.tell(_not_read("taxes", "Zoho's taxes", answer))
            return
        terms = SendingTerms.from_settings(settings, payloads_allowed=False).mapping
        terms = zoho_checks.with_taxes(terms, taxes_of(rows))
        rates = await self.reading(
            "taxes", readings.tax_rates(settings.zoho_recurring_billing, zoho_checks.listed_rates(terms))
        )
        if rates is not None:
            self.tell(zoho_checks.check_taxes(rates, terms))

    async def of_plans(
        self,
        readings: DoctorReadings,
        settings: Settings,
        answer: zoho_checks.Answer | None,
        rows: Sequence[Mapping[str, JsonValue]],
    ) -> None:
        """Whether each package is published, and Zoho has its plan."""
        if answer is None:
            self.tell(ok("plans", "none is needed: the host bills"))
            return
        packages = await self.reading("plans", readings.packages(settings.zoho_on_suspend))
        if packages is None:
            return
        is_read = isinstance(answer, ApiReply)
        self.tell(zoho_checks.check_plans(packages, plans_of(rows) if is_read else None))
        if not isinstance(answer, ApiReply):
            self.tell(_not_read("plans", "Zoho's plans", answer))

    async def of_custom_fields(
        self,
        readings: DoctorReadings,
        settings: Settings,
        known: Mapping[str, Row],
        records: Mapping[EntityType, zoho_checks.Answer],
        answers: Mapping[str, zoho_checks.Answer],
    ) -> None:
        """What records of ours show, and what Zoho refused."""
        refused = await self.reading("custom_fields", readings.refused_fields())
        if refused is None:
            return
        fields = [
            zoho_checks.field_reading(
                kind,
                known.get(kind),
                answer,
                refused.get(kind),
                answers.get(zoho_checks.scope(zoho_checks.MODULES[kind], "UPDATE")),
            )
            for kind, answer in records.items()
        ]
        self.tell(zoho_checks.check_custom_fields(fields, settings))


def read_schema(settings: DatabaseSettings) -> database_checks.SchemaReading:
    """What migrate would say. Raises ``psycopg.Error``."""
    with open_connection(settings) as connection:
        host = read_host(connection)
        try:
            check_fitness(connection, CAPTURES)
        except Unfit as refusal:
            return database_checks.SchemaReading(host, str(refusal), ())
    if host.schema_number > schema_number():
        return database_checks.SchemaReading(host, None, ())
    # A recorded step with the same text is due because somebody took out what it made: triggers and policies have
    # checks of their own.
    due = [step for step in due_steps(host, CAPTURES) if host.applied.get(step.name) != step.checksum]
    return database_checks.SchemaReading(host, None, tuple(step.name for step in due))


@asynccontextmanager
async def _opened(database: Database) -> AsyncIterator[Database]:
    try:
        yield database
    finally:
        with anyio.CancelScope(shield=True):
            await database.close()


def _not_read(check: str, what: str, answer: Failure | zoho_checks.Barred) -> Finding:
    match answer:
        case zoho_checks.Barred():
            return not_checked(check, answer.why)
        case Failure():
            return unknown(check, f"{what} could not be read: {answer}", "see scopes")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
