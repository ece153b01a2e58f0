"""The ``zoho-outbox`` command: parses, configures, prints. What a command does stands in ``outbox.commands``.

Results go to stdout, diagnostics to stderr, one line each. Exit status: 0 done, 1 something failed or the database or
Zoho could not be reached, 2 wrong use, 130 interrupted, 141 whoever read the output went away. Where an exception
becomes one of these is :func:`_ending`, and nowhere else.

Everything but typer is imported inside the commands: ``--help`` must not wait for a database driver.
"""
# ruff: noqa: PLC0415

import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from outbox.vocabulary import EntityType

if TYPE_CHECKING:
    from outbox.logs import Redactor
    from outbox.settings import DatabaseSettings, Settings

DONE, FAILED, WRONG_USE, INTERRUPTED, NOBODY_READS = 0, 1, 2, 130, 141

WATCH_SECONDS = 2.0

T = TypeVar("T")
Kind = TypeVar("Kind", bound="DatabaseSettings")

app = typer.Typer(
    name="zoho-outbox",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Type = Annotated[EntityType, typer.Argument(metavar="TYPE", help="customer, subscription, invoice or payment")]
Id = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="the row's uuid; or a customer's account number, an invoice's number, a payment's transaction id",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> NoReturn:
    """Entry point of the console script."""
    sys.exit(_ending(lambda: app(standalone_mode=False, prog_name="zoho-outbox")))


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Carries changes of CircleTel's PostgreSQL into Zoho Billing.

    Settings come from the environment, or from the file named by ZOHO_OUTBOX_ENV_FILE; DATABASE_URL is the first one.
    Exit status: 0 done, 1 something failed or could not be reached, 2 wrong use.
    """
    if version:
        from outbox import __version__

        _print(f"zoho-outbox {__version__}")
        raise typer.Exit(DONE)
    if context.invoked_subcommand is None:
        _report(context.get_help())
        raise typer.Exit(WRONG_USE)


@app.command()
def run() -> int:
    """The daemon: listens, claims, syncs, until SIGTERM.

    SIGTERM and SIGINT drain: what is in flight is finished, then exit 0. Waits for an absent database.
    """
    import anyio

    from daemon import process
    from outbox.logs import Redactor, configure_logging
    from outbox.settings import Settings, load_settings

    settings = load_settings(required=Settings)
    redactor = Redactor(settings.secret_values())
    configure_logging(level=settings.log_level, log_format=settings.log_format, stream=sys.stdout, redactor=redactor)
    return anyio.run(process.run, settings, redactor.register)


class MigrateAction(StrEnum):
    """What ``migrate`` does other than migrating."""

    ROLLBACK = "rollback"


@app.command()
def migrate(
    action: Annotated[
        MigrateAction | None, typer.Argument(metavar="[rollback]", help="Take out what was added, and nothing else.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if something is due.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Change nothing; print the SQL that would run.")] = False,
    drop_zoho_ids: Annotated[
        bool,
        typer.Option("--drop-zoho-ids", help="rollback: also drop Zoho ids, after writing them to a CSV file here."),
    ] = False,
) -> int:
    """Brings the database up to date.

    Safe to run twice, at the same time, and under load.

    Needs a role that owns the host's tables and may create roles (Supabase: postgres).
    """
    from outbox.commands import migrate as command
    from outbox.commands.failures import WrongUse

    if sum((check, plan, action is not None)) > 1:
        raise WrongUse("choose one of --check, --plan and rollback")
    if drop_zoho_ids and action is None:
        raise WrongUse("--drop-zoho-ids goes with rollback: zoho-outbox migrate rollback --drop-zoho-ids")
    settings = _database_settings()
    if plan:
        _print(command.as_sql(command.due(settings)))
        return DONE
    if check:
        due = command.due(settings)
        _print("\n".join(f"due: {step.name}" for step in due) or "the database is up to date")
        return FAILED if due else DONE
    if action is MigrateAction.ROLLBACK:
        removed = command.rollback(settings, drop_zoho_ids=drop_zoho_ids, report=_report)
        _print("removed what zoho-outbox added" if removed else "there was nothing to remove")
        return DONE
    steps = command.migrate(settings, _report)
    _print(f"migrated: {len(steps)} steps" if steps else "the database is up to date")
    return DONE


@app.command()
def status(
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every 2 seconds until Ctrl-C.")] = False,
    as_json: Json = False,
) -> int:
    """What is the matter: counts, backlog, quota, who sends.

    Counts per type and status, age of the backlog, quota used and left, what stops sending, and who holds what.
    """
    from outbox.commands.status import StatusSettings, open_status
    from outbox.settings import load_settings

    settings = load_settings(required=StatusSettings)

    async def work() -> int:
        import anyio

        async with open_status(settings) as reader:
            now = await reader.read()
            for remark in now.remarks:
                _report(remark)
            with _display(watch=watch, as_json=as_json) as show:
                show(now)
                while watch:
                    await anyio.sleep(WATCH_SECONDS)
                    show(await reader.read())
        return DONE

    return _run(work)


@app.command()
def explain(entity_type: Type, row_id: Id, as_json: Json = False) -> int:
    """Why a row is where it is, and what to do next.

    Shows the row, its entries and every attempt.
    """
    from outbox.commands import explain as command
    from outbox.commands.identify import parse_id
    from outbox.settings import load_settings

    wanted = parse_id(entity_type, row_id)
    settings = load_settings(required=command.ExplainSettings)

    async def work() -> int:
        explanation = await command.explain(settings, entity_type, wanted)
        _print(explanation.as_json_text() if as_json else explanation.as_text())
        return DONE

    return _run(work)


@app.command()
def find(
    entity_type: Type,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, an object a line.")] = False,
) -> int:
    """Eligible rows that Zoho does not hold as they stand.

    One line and one reason each: never captured, pending, retrying, waiting, dead, changed since, and so on.
    Reads the database alone; what was changed in Zoho is found by reconcile. Exit 0, found or not.
    """
    from outbox.commands.find import open_finder
    from outbox.wording import count

    settings, _ = _settings()

    async def work() -> int:
        found = 0
        async with open_finder(settings) as finder:
            async for finding in finder.findings(entity_type):
                found += 1
                _print(_json(finding.as_json(), indent=None) if as_json else finding.as_text())
        _report(f"{found} of {count(finder.eligible, 'eligible row', 'eligible rows')}")
        if finder.not_compared:
            _report(
                f"{count(finder.not_compared, 'row', 'rows')} in Zoho not compared: Zoho's taxes or plans were not "
                "read yet, which the first sending does"
            )
        return DONE

    return _run(work)


@app.command("retry-failed")
def retry_failed(
    entity: Annotated[
        EntityType | None,
        typer.Option("--entity", metavar="TYPE", help="Only customer, subscription, invoice or payment."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; print what failed, and why.")] = False,
) -> int:
    """Tries again what is dead, and now what is to be tried later.

    Reopens the entries and follows them to their rest. With a running daemon or alone. Exit status 1 where something is
    dead at its end.
    """
    from daemon import following

    types = tuple(EntityType) if entity is None else (entity,)
    if dry_run:
        asked = _database_settings()

        async def tell() -> int:
            _print(await following.what_failed(asked, types))
            return DONE

        return _run(tell)
    settings, redactor = _settings()
    return _run(lambda: following.retry_failed(settings, types, show=_print, on_secret=redactor.register))


@app.command()
def sync(
    entity_type: Type,
    row_id: Id,
    force: Annotated[bool, typer.Option("--force", help="Send although nothing changed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the exact request that would be sent.")] = False,
) -> int:
    """Sends one row now.

    Works beside a running daemon and without one. Exit 0 where Zoho holds the row as it stands.

    --dry-run writes nothing but the token and the budget, and sends nothing but reads.
    """
    from outbox.assembly import CONNECTIONS, open_engine
    from outbox.commands import dry_run as trying
    from outbox.commands import sync as command
    from outbox.commands.identify import parse_id, resolve
    from outbox.commands.opening import open_database
    from outbox.store.readings import Readings

    wanted = parse_id(entity_type, row_id)
    settings, redactor = _settings()

    async def work() -> int:
        async with open_database(settings, connections=CONNECTIONS) as database:
            entity_id = await resolve(Readings(database), entity_type, wanted)
            if dry_run:
                tried = await trying.dry_run(
                    database, settings, entity_type, entity_id, force=force, on_secret=redactor.register
                )
                _print(tried.as_text(settings.zoho_api_base_url))
                return DONE if tried.would_hold else FAILED
            async with open_engine(settings, database, kind="command", on_secret=redactor.register) as engine:
                result = await command.sync(engine, entity_type, entity_id, force=force, say=_report)
        _print(result.said)
        return DONE if result.in_zoho else FAILED

    return _run(work)


@app.command()
def pause(
    why: Annotated[
        str | None, typer.Option("--why", metavar="TEXT", help="The reason; status and logs show it.")
    ] = None,
) -> int:
    """Stops sending for every replica at once.

    What is in flight is finished; changes are still captured, and wait.
    """
    from outbox.commands import pause as command

    settings = _database_settings()

    async def work() -> int:
        _print(await command.pause(settings, why))
        return DONE

    return _run(work)


@app.command()
def resume() -> int:
    """Ends a pause.

    What was enqueued meanwhile is sent in its order.
    """
    from outbox.commands import pause as command

    settings = _database_settings()

    async def work() -> int:
        _print(await command.resume(settings))
        return DONE

    return _run(work)


@app.command("health-check")
def health_check(
    detailed: Annotated[
        bool, typer.Option("--detailed", help="Ask Zoho too, and show the figures of a week and a month.")
    ] = False,
    email: Annotated[bool, typer.Option("--email", help="Also send the report to ALERT_URLS.")] = False,
    as_json: Json = False,
) -> int:
    """Whether all is well: database, last 24 hours, Zoho, data.

    Exit status: 0 healthy or degraded, 1 unhealthy, 2 wrong use, 3 could not tell. Every threshold is a setting of its
    own, HEALTH_*. A request to Zoho is spent only where the last good reply is over an hour old, or with --detailed.
    """
    from outbox.commands.health import report as command
    from outbox.commands.health.findings import CouldNot, HealthSettings
    from outbox.settings import Settings, SettingsError, load_settings

    settings = load_settings(required=HealthSettings)
    sending: Settings | CouldNot
    try:
        sending = load_settings(required=Settings)
    except SettingsError as lacking:
        why = f"a request to it needs every setting ({lacking.problems[0]})"
        sending = CouldNot(why, "Run it with the daemon's settings: ZOHO_OUTBOX_ENV_FILE names their file.")
    redactor = _quiet(settings if isinstance(sending, CouldNot) else sending)
    if email:
        from outbox.commands.alert.receivers import receivers, tell

        # Before anything else: an address that cannot be used is wrong use.
        to = receivers(settings.alert_urls)

    async def work() -> int:
        report = await command.check(settings, sending, detailed=detailed, on_secret=redactor.register)
        _print(_json(report.as_json()) if as_json else report.as_text())
        if not email:
            return report.exit_status
        message = report.as_message()
        missed = [receiver.shown for receiver in to if not await tell(receiver, message)]
        for shown in missed:
            _report(f"{shown} did not take the report: check that entry of ALERT_URLS and the way there")
        return FAILED if missed else report.exit_status

    return _run(work)


@app.command("alert-failed")
def alert_failed(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell nobody; print what would be told, and to whom.")
    ] = False,
) -> int:
    """Tells ALERT_URLS what has failed since the last alert, and what has recovered.

    Grouped by cause: how many, an example, the fix. Nothing twice. Exit status 1 where a receiver did not take it; it
    is told the next time.
    """
    from outbox.commands.alert import telling as command
    from outbox.commands.alert.receivers import receivers
    from outbox.commands.health.findings import HealthSettings
    from outbox.settings import load_settings

    settings = load_settings(required=HealthSettings)
    _quiet(settings)
    to = receivers(settings.alert_urls)

    async def work() -> int:
        done = await command.alert(settings, to, dry_run=dry_run, show=_print, report=_report)
        return DONE if done else FAILED

    return _run(work)


@app.command()
def doctor(
    accept_database: Annotated[
        bool,
        typer.Option(
            "--accept-database", help="This database sends from now on, in place of the one it was copied from."
        ),
    ] = False,
    accept_billing_mode: Annotated[
        bool,
        typer.Option(
            "--accept-billing-mode",
            help="ZOHO_RECURRING_BILLING as it is set now; lists what that bills twice or leaves unbilled.",
        ),
    ] = False,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Try what nobody knows of Zoho's API, in an organisation that says mode=test, and remember it.",
        ),
    ] = False,
    as_json: Json = False,
) -> int:
    """Checks settings, database and Zoho, one line each with the mend.

    Writes nothing but token and budget. Exit 0 all well (warnings may be), 1 something failed or could not be checked.

    With --accept-database, --accept-billing-mode or --probe nothing is checked: the first two end a refusal to start.
    """
    from outbox.commands.doctor import accepting as command
    from outbox.commands.failures import WrongUse

    if sum((accept_database, accept_billing_mode, probe)) > 1:
        raise WrongUse("choose one of --accept-database, --accept-billing-mode and --probe")
    if as_json and (accept_database or accept_billing_mode):
        raise WrongUse("--json goes with doctor alone and with --probe; what is accepted is told in words")
    if probe:
        return _probe(as_json=as_json)
    if not (accept_database or accept_billing_mode):
        return _diagnose(as_json=as_json)
    if accept_billing_mode:
        from outbox.commands.billing_mode import BillingSettings
        from outbox.settings import load_settings

        billing = load_settings(required=BillingSettings)

        async def accept() -> int:
            _print(await command.accept_billing_mode(billing))
            return DONE

        return _run(accept)
    settings = _database_settings()

    async def work() -> int:
        _print(await command.accept_database(settings))
        return DONE

    return _run(work)


def _probe(*, as_json: bool) -> int:
    """``doctor --probe``."""
    import anyio

    from outbox.clock import SystemClock
    from outbox.commands.doctor.probing import probe
    from outbox.commands.doctor.questions import ProbeAnswer

    settings, redactor = _settings()

    def show(answer: ProbeAnswer) -> None:
        if not as_json:
            _print(redactor.text(f"{answer.answer:<10}  {answer.question:<26}  {answer.said}"))
            sys.stdout.flush()

    async def work() -> int:
        probed = await probe(settings, clock=SystemClock(), sleep=anyio.sleep, show=show, on_secret=redactor.register)
        _print(_json(probed.as_json()) if as_json else redactor.text(probed.summary()))
        return DONE if probed.well else FAILED

    return _run(work)


def _diagnose(*, as_json: bool) -> int:
    """``doctor`` without options."""
    import io

    from outbox.clock import SystemClock
    from outbox.commands.doctor.examination import diagnose
    from outbox.commands.doctor.findings import Finding
    from outbox.commands.doctor.settings import gather
    from outbox.logs import Redactor, configure_logging
    from outbox.settings import LogLevel

    given = gather()
    redactor = Redactor(given.secret_values())
    # What a log would say of a refused token the findings say, with the mend.
    log = sys.stderr if given.base.log_level is LogLevel.DEBUG else io.StringIO()
    configure_logging(level=given.base.log_level, log_format=given.base.log_format, stream=log, redactor=redactor)

    def show(finding: Finding) -> None:
        if not as_json:
            _print(finding.redacted(redactor.text).as_text())
            sys.stdout.flush()

    async def work() -> int:
        diagnosis = await diagnose(
            given,
            clock=SystemClock(),
            show=show,
            stage=lambda what: _report(f"checking {what} …"),
            on_secret=redactor.register,
        )
        _print(_json(diagnosis.redacted(redactor.text).as_json()) if as_json else diagnosis.summary())
        return DONE if diagnosis.well else FAILED

    return _run(work)


class UndocumentedFilters(StrEnum):
    """What Zoho's undocumented filters do in the simulator."""

    ON = "on"
    IGNORED = "ignored"
    BAD_REQUEST = "bad_request"
    NOT_FOUND = "not_found"


class BackfillTypes(StrEnum):
    """What ``backfill`` takes up."""

    ALL = "all"
    CUSTOMERS = "customers"
    SUBSCRIPTIONS = "subscriptions"
    INVOICES = "invoices"
    PAYMENTS = "payments"


@app.command()
def backfill(  # noqa: PLR0917 - options, which nobody gives by position
    types: Annotated[
        BackfillTypes,
        typer.Argument(metavar="[TYPES]", help="all, customers, subscriptions, invoices or payments"),
    ] = BackfillTypes.ALL,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; print rows, requests and minutes.")
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, max=10_000, help="Rows enqueued in one transaction.")] = 100,
    skip_customers: Annotated[bool, typer.Option("--skip-customers", help="Leave customers out.")] = False,
    skip_subscriptions: Annotated[bool, typer.Option("--skip-subscriptions", help="Leave subscriptions out.")] = False,
    skip_invoices: Annotated[bool, typer.Option("--skip-invoices", help="Leave invoices out.")] = False,
    skip_payments: Annotated[bool, typer.Option("--skip-payments", help="Leave payments out.")] = False,
    undo: Annotated[
        bool,
        typer.Option("--undo", help="Print what taking the first backfill out of Zoho again would do; change nothing."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --undo, while sending is paused: do it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --undo: print JSON.")] = False,
) -> int:
    """Brings rows to Zoho that have no Zoho id, whatever their status.

    Customers first, then what hangs on them; each type is followed to its rest. With a running daemon or alone. May be
    interrupted and begun again: nothing is sent twice. Exit status 1 where something is dead at its end.

    With --undo --yes what backfills created is taken out of Zoho again, payments first, and the rows forget it; what
    was there before is let go. Exit status 1 where something had to be left.
    """
    from outbox.commands.failures import WrongUse

    if undo:
        if (
            types is not BackfillTypes.ALL
            or dry_run
            or any((skip_customers, skip_subscriptions, skip_invoices, skip_payments))
        ):
            raise WrongUse("--undo concerns everything that backfills created: give it alone, or with --yes and --json")
        return _undo(yes=yes, as_json=as_json)
    if yes or as_json:
        raise WrongUse("--yes and --json go with --undo: zoho-outbox backfill --undo --yes")
    skipped = {
        EntityType.CUSTOMER: skip_customers,
        EntityType.SUBSCRIPTION: skip_subscriptions,
        EntityType.INVOICE: skip_invoices,
        EntityType.PAYMENT: skip_payments,
    }
    asked = [kind for kind in EntityType if types is BackfillTypes.ALL or types == f"{kind}s"]
    chosen = tuple(kind for kind in asked if not skipped[kind])
    if not chosen:
        raise WrongUse(f"nothing is left to do: {types} was asked for, and --skip leaves it out")
    from daemon import following

    settings, redactor = _settings()
    return _run(
        lambda: following.backfill(
            settings, chosen, batch_size=batch_size, dry_run=dry_run, show=_print, on_secret=redactor.register
        )
    )


def _undo(*, yes: bool, as_json: bool) -> int:
    """``backfill --undo``."""
    from outbox.commands.undo import removal as command

    if not yes:
        asked = _database_settings()

        async def tell() -> int:
            plan = await command.plan_undo(asked)
            _print(_json(plan.as_json()) if as_json else plan.as_text())
            if plan.has_work and not as_json:
                _print(plan.next_step)
            return DONE

        return _run(tell)
    settings, redactor = _settings()

    def show(done: Any) -> None:
        _report(redactor.text(f"{done.item.named}: {done.what}"))

    async def work() -> int:
        async with command.open_undo(settings, on_secret=redactor.register) as undo:
            if not as_json:
                _print(undo.plan.as_text())
            undone = await undo.run(show)
        if as_json:
            _print(_json({"plan": undo.plan.as_json(), **undone.as_json()}))
        else:
            _print(redactor.text("\n" + undone.as_text()))
        return FAILED if undone.failed else DONE

    return _run(work)


@app.command()
def reconcile(
    entity_type: Annotated[
        EntityType | None,
        typer.Argument(metavar="[TYPE]", help="customer, subscription, invoice or payment; all where none is named"),
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read every record whole: a request each.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Have rows sent again where that is safe; what needs a person is named.")
    ] = False,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a line for each finding.")] = False,
) -> int:
    """Compares the database with Zoho and names every difference by kind.

    Reads Zoho's lists, and single records where a list shows a difference, at the lowest urgency. Stopped by the day's
    limit or by Ctrl-C, it goes on when it is called again. Exit status 1 where anything differs or was not compared.
    """
    from outbox.assembly import CONNECTIONS, open_engine
    from outbox.commands import reconcile as command
    from outbox.commands.failures import WrongUse
    from outbox.commands.opening import open_database

    if as_json and as_csv:
        raise WrongUse("choose one of --json and --csv")
    settings, redactor = _settings()
    types = tuple(EntityType) if entity_type is None else (entity_type,)
    told = ""

    def show(progress: Any) -> None:
        nonlocal told
        part = progress.part
        words = f"{part.entity_type}s: {part.stage}"
        if words != told:
            told = words
            _report(f"{words} ({progress.requests} requests so far)")

    async def work() -> int:
        async with (
            open_database(settings, connections=CONNECTIONS) as database,
            open_engine(settings, database, kind="command", on_secret=redactor.register) as engine,
        ):
            result = await command.reconcile(engine, types, deep=deep, fix=fix, say=_report, show=show)
        if as_csv:
            _print(result.as_csv().rstrip())
        else:
            _print(_json(result.as_json()) if as_json else result.as_text())
        if result.stopped is not None and (as_csv or as_json):
            _report(f"not finished: {result.stopped}")
        return DONE if result.is_clean else FAILED

    return _run(work)


@app.command("simulate-zoho")
def simulate_zoho(  # noqa: PLR0917 - options, which nobody gives by position
    port: Annotated[int, typer.Option(min=0, max=65535, help="On the loopback; 0 takes any free one.")] = 8026,
    latency_ms: Annotated[int, typer.Option(min=0, max=600_000, help="Time before each API reply.")] = 0,
    wide_limits: Annotated[
        bool, typer.Option("--wide-limits", help="No limit at all, for rehearsals in bulk.")
    ] = False,
    requests_per_minute: Annotated[int, typer.Option(min=0, help="0: no limit.")] = 100,
    requests_per_day: Annotated[int, typer.Option(min=0, help="0: no limit.")] = 1000,
    concurrent_requests: Annotated[int, typer.Option(min=0, help="0: no limit.")] = 5,
    list_lag_seconds: Annotated[float, typer.Option(min=0, help="How long lists do not show a new record.")] = 0.0,
    currency: Annotated[str, typer.Option(help="Of the organisation.")] = "ZAR",
    refuse_duplicate_names: Annotated[
        bool, typer.Option("--refuse-duplicate-names", help="A preference in Zoho.")
    ] = False,
    email_required: Annotated[
        bool, typer.Option("--email-required", help="Refuse customers without an e-mail.")
    ] = False,
    undocumented: Annotated[
        UndocumentedFilters, typer.Option(help="What filters do that Zoho does not document.")
    ] = UndocumentedFilters.ON,
) -> int:
    """The bundled Zoho Billing simulator alone.

    Prints the settings that point zoho-outbox at it, and serves until Ctrl-C.
    """
    from outbox.commands.simulate import simulator_settings
    from outbox.simulator import command

    settings = simulator_settings(
        latency_milliseconds=latency_ms,
        list_lag_seconds=list_lag_seconds,
        wide_limits=wide_limits,
        requests_per_minute=requests_per_minute,
        requests_per_day=requests_per_day,
        concurrent_requests=concurrent_requests,
        currency=currency,
        refuse_duplicate_names=refuse_duplicate_names,
        email_required=email_required,
        undocumented=undocumented,
    )
    return command.run(port, settings, _print)


@app.command()
def demo(
    leave: Annotated[
        bool, typer.Option("--exit", help="End when nothing is pending any more, with a summary.")
    ] = False,
    real_limits: Annotated[bool, typer.Option("--real-limits", help="With the limits of Zoho's free plan.")] = False,
) -> int:
    """The whole system at once, with nothing to configure.

    PostgreSQL, sample data, simulator and daemon in one process tree; runs until Ctrl-C.
    """
    from daemon import demonstration

    return demonstration.demo(exit_when_done=leave, real_limits=real_limits)


# Settings, logs, output.


def _database_settings() -> "DatabaseSettings":
    from outbox.settings import DatabaseSettings, load_settings

    return load_settings(required=DatabaseSettings)


def _settings() -> "tuple[Settings, Redactor]":
    """Everything that sending needs. What is logged goes to stderr; changes of state only where they are asked for."""
    from outbox.settings import Settings, load_settings

    settings = load_settings(required=Settings)
    return settings, _quiet(settings)


def _quiet(settings: "DatabaseSettings") -> "Redactor":
    """Logs go to stderr, changes of state only where they are asked for."""
    from outbox.logs import Redactor, configure_logging
    from outbox.settings import LogFormat, LogLevel

    redactor = Redactor(settings.secret_values())
    level = LogLevel.WARNING if settings.log_level is LogLevel.INFO else settings.log_level
    log_format = settings.log_format or LogFormat.CONSOLE
    configure_logging(level=level, log_format=log_format, stream=sys.stderr, redactor=redactor)
    return redactor


def _run(work: Callable[[], Awaitable[int]]) -> int:
    import anyio

    return anyio.run(work)


def _report(line: str) -> None:
    typer.echo(line, err=True)


class NobodyReads(Exception):  # noqa: N818 - an end
    """Whoever read the output went away. Of our own, because typer makes exit status 1 of a BrokenPipeError."""


def _print(text: str) -> None:
    try:
        typer.echo(text)
    except BrokenPipeError:
        raise NobodyReads from None


def _json(value: Any, *, indent: int | None = 2) -> str:
    import json
    from datetime import date
    from uuid import UUID

    def plain(item: object) -> str:
        match item:
            case date():  # and datetime, which is one
                return item.isoformat()
            case UUID():
                return str(item)
            case _:
                raise TypeError(f"{type(item).__name__} has no form in JSON")

    return json.dumps(value, default=plain, ensure_ascii=False, indent=indent)


class _display:  # noqa: N801 - used as a function
    """Where one status after another is shown: in place on a terminal, one below the other elsewhere."""

    def __init__(self, *, watch: bool, as_json: bool) -> None:
        self._watch = watch
        self._as_json = as_json
        self._live: Any = None

    def __enter__(self) -> Callable[[Any], None]:
        if self._as_json:
            return self._show_json
        from outbox.commands import status_screen

        if not sys.stdout.isatty():
            return self._below(status_screen.plain)
        from rich.console import Console

        console = Console(highlight=False)
        if not self._watch:
            return lambda now: console.print(status_screen.screen(now))
        from rich.live import Live

        live = Live(console=console, auto_refresh=False, screen=False)
        live.start()
        self._live = live
        return lambda now: live.update(status_screen.screen(now), refresh=True)

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _show_json(self, now: Any) -> None:
        _print(_json(now.as_json(), indent=None if self._watch else 2))

    @staticmethod
    def _below(plain: Callable[[Any], str]) -> Callable[[Any], None]:
        shown = 0

        def show(now: Any) -> None:
            nonlocal shown
            _print(("\n" if shown else "") + plain(now))
            shown += 1

        return show


# The one place where exceptions become exit statuses.


def _ending(work: Callable[[], Any]) -> int:
    code: object
    try:
        code = work()
        sys.stdout.flush()
    except (BrokenPipeError, NobodyReads):
        _abandon_stdout()
        return NOBODY_READS
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        # A reader that is gone cannot be told; the status still can.
        status, lines = _told(error)
        with suppress(BrokenPipeError):
            for line in lines:
                _report(line)
        return status
    return code if isinstance(code, int) else DONE  # Help that was asked for returns nothing.


def _told(error: Exception) -> tuple[int, list[str]]:
    """Exit status and what to say. Raises ``error`` itself where it is a mistake of ours."""
    if callable(format_message := getattr(error, "format_message", None)):
        # A mistake in the command's arguments. typer names no base class of those that all its versions have.
        path = getattr(getattr(error, "ctx", None), "command_path", "zoho-outbox")
        text = " ".join(format_message().replace("Value error, ", "").split()).rstrip(".")
        return WRONG_USE, [f"{path}: {text} (see {path} --help)"]

    import psycopg

    from outbox.commands.failures import CommandFailed, WrongUse
    from outbox.database import DatabaseUnavailable
    from outbox.database.access import is_unavailability
    from outbox.migration.fitness import Unfit
    from outbox.migration.rollback import RollbackRefused
    from outbox.migration.runner import MigrationRefused
    from outbox.settings import SettingsError
    from outbox.store.installation import WrongDatabase

    match error:
        case SettingsError():
            return WRONG_USE, list(error.problems)
        case WrongUse():
            return WRONG_USE, [str(error)]
        case CommandFailed() | MigrationRefused() | RollbackRefused() | Unfit() | WrongDatabase():
            return FAILED, [" ".join(str(error).split())]
        case DatabaseUnavailable():
            return FAILED, [f"the database cannot be reached: {error}; check DATABASE_URL and the server"]
        case psycopg.errors.InsufficientPrivilege():
            return FAILED, [
                f"the role in DATABASE_URL lacks a right ({_first_line(error)}): status, explain, pause and resume "
                "need a member of zoho_outbox_operator, sync and doctor zoho_outbox_daemon, as do find, backfill and "
                "retry-failed, migrate the owner of the host's tables"
            ]
        case (
            psycopg.errors.UndefinedFunction()
            | psycopg.errors.UndefinedTable()
            | psycopg.errors.UndefinedColumn()
            | psycopg.errors.InvalidSchemaName()
        ):
            return FAILED, [f"the database is not migrated ({_first_line(error)}): run zoho-outbox migrate"]
        case psycopg.Error() if is_unavailability(error):
            return FAILED, [f"the database cannot be reached: {_first_line(error)}; check DATABASE_URL and the server"]
        case psycopg.OperationalError():
            return FAILED, [f"the database refuses: {_first_line(error)}"]
        case _:
            raise error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _abandon_stdout() -> None:
    """Python flushes stdout once more at its end: that must not fail again."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
