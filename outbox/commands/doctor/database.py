"""What doctor says of the database: pure functions from readings to findings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from outbox.commands.doctor.findings import Finding, failed, listed, ok, unknown, warning
from outbox.database import Row
from outbox.host_tables import ERROR, HOST_TABLES, READ_TABLES, STATUS, SYNCED_AT, Capture
from outbox.migration.host_shape import LOG_TABLE, OUTBOX_TABLE, HostDatabase, Ledger
from outbox.migration.steps import (
    ENTITY_TRIGGERS,
    GUARD_TRIGGERS,
    PUBLISHING_TRIGGERS,
    SERVICE_CUSTOMER_TRIGGERS,
)
from outbox.settings import LogPayloads, RecurringBilling, Settings
from outbox.store.doctor import Right
from outbox.store.organisation import OrganisationNow
from outbox.vocabulary import OrganisationState
from outbox.wording import age, count, moment

OLDEST_VERSION, NEWEST_VERSION = 15, 18
"""Of PostgreSQL, that the tests run on."""
SKEW_WARNING_SECONDS = 5.0
SKEW_FAILED_SECONDS = 300.0
"""Dates that are sent come from this machine's clock: near midnight they would be another day's for this long."""
DAEMON = "zoho_outbox_daemon"
PRIVATE = "zoho_outbox_private"
MOST_GRANTS = 6


def check_server(row: Row) -> Finding:
    """The version."""
    major = row["version_number"] // 10_000
    said = f"PostgreSQL {row['version']}, database {row['database_name']}"
    if major < OLDEST_VERSION:
        return failed("database", f"{said}: too old", f"upgrade to PostgreSQL {OLDEST_VERSION} or later")
    if major > NEWEST_VERSION:
        return warning(
            "database",
            f"{said}: newer than what this version was tested on ({OLDEST_VERSION} to {NEWEST_VERSION})",
            "look for a newer zoho-outbox",
        )
    return ok("database", said)


def check_role(row: Row) -> Finding:
    """Who the daemon would be."""
    role = row["role"]
    if row["is_daemon"] is None:
        return failed("role", f"role {role}: there is no role {DAEMON} in this cluster", "zoho-outbox migrate")
    if not row["is_daemon"]:
        return failed(
            "role",
            f"role {role} is neither {DAEMON} nor a member of it",
            f"set DATABASE_URL to a login as {DAEMON}, with a password that ALTER ROLE {DAEMON} PASSWORD '…' sets",
        )
    if row["is_superuser"]:
        return warning(
            "role",
            f"role {role} is a superuser: nothing limits what the daemon may do, and its rights cannot be proved",
            f"set DATABASE_URL to a login as {DAEMON}",
        )
    if not row["is_operator"]:
        return warning(
            "role",
            f"role {role} is no member of zoho_outbox_operator: it cannot pause, resume or replay for the dashboard",
            f"GRANT zoho_outbox_operator TO {DAEMON};",
        )
    return ok("role", role)


@dataclass(frozen=True)
class SchemaReading:
    """What migrate would say. ``unfit``: why no program may work with the database as it is."""

    host: HostDatabase
    unfit: str | None
    due: tuple[str, ...]

    @property
    def is_migrated(self) -> bool:
        """Our tables are there, though this role may perhaps not read them."""
        return self.host.ledger is not Ledger.ABSENT and not self.host.missing


def check_schema(reading: SchemaReading, program: int) -> Finding:
    """``program``: the schema number that this program was written for."""
    if reading.unfit is not None and reading.host.ledger is Ledger.UNREADABLE:
        return unknown("schema", "this role may not read what migrate has recorded", "see role and rights")
    if reading.unfit is not None:
        what, _, mend = reading.unfit.rpartition(": ")
        return failed("schema", what or reading.unfit, mend.removeprefix("run "))
    number = reading.host.schema_number
    if reading.due:
        return warning(
            "schema",
            f"number {number}; {count(len(reading.due), 'step of migrate is', 'steps of migrate are')} due: "
            f"{listed(reading.due)}",
            "zoho-outbox migrate",
        )
    if number > program:
        return ok("schema", f"number {number}, newer than this program's {program}, and works with it")
    return ok("schema", f"number {number}, nothing is due")


def wanted_rights(host: HostDatabase, captures: Sequence[Capture]) -> list[Right]:
    """What migrate grants the daemon on tables of ``public``, given the columns that are present."""
    wanted = []
    stars = {table.name: (table.zoho_id, STATUS, SYNCED_AT, ERROR) for table in HOST_TABLES.values()}
    for table, shape in host.tables.items():
        if table not in stars and table not in READ_TABLES:
            continue
        read = {"id", *stars.get(table, ()), *(name for each in captures for name in each.reads.get(table, ()))}
        wanted += [Right("public", table, name, "SELECT") for name in sorted(read) if name in shape.columns]
        wanted += [Right("public", table, name, "UPDATE") for name in stars.get(table, ())]
    wanted += [Right("public", OUTBOX_TABLE, "", each) for each in ("SELECT", "INSERT", "UPDATE", "DELETE")]
    wanted += [Right("public", LOG_TABLE, "", each) for each in ("SELECT", "INSERT", "DELETE")]
    return [*wanted, Right("public", "zoho_outbox_overview", "", "SELECT")]


def check_rights(missing: Sequence[Right], role: str) -> Finding:
    """``missing``: of those wanted, what the role has not got."""
    if not missing:
        return ok("rights", f"{role} may read and write what it needs, and nothing was found missing")
    columns: dict[tuple[str, str, str], list[str]] = {}
    for right in missing:
        columns.setdefault((right.schema, right.table, right.privilege), []).append(right.column)
    privileges: dict[tuple[str, str, str], list[str]] = {}
    for (schema, table, privilege), names in columns.items():
        privileges.setdefault((schema, table, ", ".join(names)), []).append(privilege)
    grants, lacking = [], []
    for (schema, table, of_columns), of_these in privileges.items():
        of = f" ({of_columns})" if of_columns else ""
        what = ", ".join(f"{privilege}{of}" for privilege in of_these)
        where = f"{schema}.{table}" if table else f"SCHEMA {schema}"
        grants.append(f"GRANT {what} ON {where} TO {DAEMON};")
        lacking.append(f"{what} on {where}")
    mend = " ".join(grants[:MOST_GRANTS])
    if len(grants) > MOST_GRANTS:
        mend += f" and {len(grants) - MOST_GRANTS} more: run doctor again after these"
    return failed("rights", f"{role} lacks {listed(lacking)}", f"as the owner: {mend}")


def policed_tables() -> dict[str, frozenset[str]]:
    """By table, the commands (as in pg_policy: r, w, a, d) for which the daemon needs to see every row."""
    return {
        **{table.name: frozenset("rw") for table in HOST_TABLES.values()},
        **{table: frozenset("r") for table in READ_TABLES},
        OUTBOX_TABLE: frozenset("rwad"),
        LOG_TABLE: frozenset("rad"),
    }


_COMMANDS = {"r": "SELECT", "w": "UPDATE", "a": "INSERT", "d": "DELETE"}


def check_policies(rows: Sequence[Row]) -> Iterator[Finding]:
    """Row level security that hides rows: without an error, so that they would look deleted, or agreed upon."""
    lacking, hiding = [], []
    for table, commands in policed_tables().items():
        of_table = [row for row in rows if row["table_name"] == table and row["active"]]
        if not of_table:
            continue
        for command in sorted(commands, key="rwad".index):
            applying = [row for row in of_table if row["policy"] is not None and row["command"] in (command, "*")]
            if not any(row["permissive"] and _lets_all(row, command) for row in applying):
                lacking.append(f"{_COMMANDS[command]} on {table}")
            hiding += [
                f"{row['policy']} on {table}"
                for row in applying
                if not row["permissive"] and not _lets_all(row, command)
            ]
    if lacking:
        yield failed(
            "policies",
            f"row level security hides rows, no policy lets {DAEMON} see all: {listed(lacking)}",
            "zoho-outbox migrate",
        )
    if hiding:
        names = list(dict.fromkeys(hiding))
        yield failed(
            "policies",
            f"restrictive policies of the host apply to {DAEMON} and may hide rows from it: {listed(names)}",
            f"ALTER POLICY … TO the host's own roles, so that it does not apply to {DAEMON}",
        )
    if not lacking and not hiding:
        secured = len({row["table_name"] for row in rows if row["active"]})
        yield ok("policies", f"row level security hides nothing ({count(secured, 'table has', 'tables have')} it)")


def _lets_all(row: Row, command: str) -> bool:
    conditions = {"r": ("sees",), "d": ("sees",), "a": ("may_write",), "w": ("sees", "may_write")}[command]
    # Without WITH CHECK the condition for seeing holds for writing, too.
    values = [row[name] if row[name] is not None else row["sees"] for name in conditions]
    return all(value is None or value == "true" for value in values)


def check_exposure(rows: Sequence[Row]) -> Finding:
    """What others may do with our objects: nothing (decisions.md, Rows and rights)."""
    if not rows:
        return ok("exposure", "nobody but our roles has a right on what migrate made")
    names = [f"{row['grantee']}: {row['privileges']} on {row['name']}" for row in rows]
    revokes = [f"REVOKE ALL ON {row['kind']} {row['name']} FROM {row['grantee']};" for row in rows]
    more = f" and {len(rows) - MOST_GRANTS} more: run doctor again after these" if len(rows) > MOST_GRANTS else ""
    return failed(
        "exposure",
        f"others have rights on what is ours: {listed(names)}",
        f"as the owner: {' '.join(revokes[:MOST_GRANTS])}{more}",
    )


def expected_triggers() -> dict[str, frozenset[str]]:
    """By table."""
    expected = {table.name: ENTITY_TRIGGERS for table in HOST_TABLES.values()}
    expected["customer_services"] |= SERVICE_CUSTOMER_TRIGGERS
    expected["customers"] |= {"zoho_outbox_became_real"}
    expected["product_integrations"] = PUBLISHING_TRIGGERS
    expected["service_packages"] = frozenset({"zoho_outbox_sku_updated"})
    expected[OUTBOX_TABLE] = GUARD_TRIGGERS
    return expected


def check_triggers(rows: Sequence[Row]) -> Iterator[Finding]:
    """Missing, disabled, or not for every session: changes made meanwhile are not captured."""
    standing = {(row["table_name"], row["name"]): row["enabled"] for row in rows}
    wanted = [(table, name) for table, names in expected_triggers().items() for name in sorted(names)]
    missing = [f"{name} on {table}" for table, name in wanted if (table, name) not in standing]
    disabled = [(table, name) for table, name in wanted if standing.get((table, name)) == "D"]
    partial = [(table, name) for table, name in wanted if standing.get((table, name)) in ("O", "R")]
    then = "then zoho-outbox find for each type, which names the rows that were changed and not captured"
    if missing:
        yield failed("triggers", f"missing: {listed(missing)}", f"zoho-outbox migrate; {then}")
    for rest, what in (
        (disabled, "disabled, changes are not captured"),
        (partial, "not ENABLE ALWAYS, a load in replica mode passes by them"),
    ):
        if rest:
            names = [f"{name} on {table}" for table, name in rest]
            yield failed("triggers", f"{what}: {listed(names)}", f"zoho-outbox migrate (or {_enable(rest)}); {then}")
    if not (missing or disabled or partial):
        yield ok("triggers", f"all {len(wanted)} are there and ENABLE ALWAYS")


def _enable(triggers: Sequence[tuple[str, str]]) -> str:
    told = [f"ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER {name};" for table, name in triggers[:MOST_GRANTS]]
    return " ".join(told) + (" …" if len(triggers) > MOST_GRANTS else "")


def check_log_table(installation: Row, settings: Settings | None) -> Finding:
    """A zoho_sync_logs that was there before keeps its grants, so no payload goes into it."""
    if installation["logs_are_ours"]:
        return ok("log_table", "zoho_sync_logs is ours")
    if settings is not None and settings.outbox_log_payloads is LogPayloads.NONE:
        return ok("log_table", "zoho_sync_logs was there before us; OUTBOX_LOG_PAYLOADS=none")
    return warning(
        "log_table",
        "zoho_sync_logs was there before us and keeps the grants that its owner gave it: no payload is stored in it, "
        "whatever OUTBOX_LOG_PAYLOADS says",
        "to keep payloads: rename the old table, then zoho-outbox migrate makes one of our own",
    )


def check_identity(installation: Row, settings: Settings | None) -> Iterator[Finding]:
    """A clone, a restored backup, another organisation (decisions.md, Rows and rights)."""
    here = (installation["system_identifier_here"], installation["database_name_here"])
    stored = (installation["system_identifier"], installation["database_name"])
    if stored[0] is None:
        yield ok("identity", "nothing was sent from this database yet; the first run stores which one it is")
        return
    if here != stored:
        yield failed(
            "identity",
            f"this database ({here[1]!r} in cluster {here[0]}) is a copy of the one that was installed ({stored[1]!r} "
            f"in cluster {stored[0]}), and must not send",
            "if it is to send from now on and the other never again: zoho-outbox doctor --accept-database",
        )
        return
    organisation = installation["zoho_organization_id"]
    if settings is not None and organisation != settings.zoho_billing_organization_id:
        yield failed(
            "identity",
            f"this database belongs to the Zoho organisation {organisation}, and ZOHO_BILLING_ORGANIZATION_ID is "
            f"{settings.zoho_billing_organization_id}",
            "correct the setting, or give the other organisation a database of its own",
        )
    elif installation["timeline"] != installation["timeline_here"]:
        yield warning(
            "identity",
            f"the database was restored or failed over (timeline {installation['timeline_here']}, was "
            f"{installation['timeline']}): every create looks in Zoho first from the next start on",
            "zoho-outbox reconcile; where it is clean, creates go without a look again",
        )
    elif installation["look_first_since"] is not None:
        yield warning(
            "identity",
            f"every create looks in Zoho first since {moment(installation['look_first_since'])}: "
            f"{installation['look_first_why']}",
            "zoho-outbox reconcile; where it is clean, creates go without a look again",
        )
    else:
        yield ok("identity", f"the one that was installed on {moment(installation['installed_at'])}")


def same_database(installation: Row) -> bool:
    """It is the one that sends, or none has sent yet."""
    return installation["system_identifier"] is None or (
        installation["system_identifier_here"],
        installation["database_name_here"],
    ) == (installation["system_identifier"], installation["database_name"])


def check_billing(billing: RecurringBilling, installation: Row, by_host: Row | None) -> Finding:
    """Who raises recurring invoices. ``by_host``: those that the host raised lately; None: the host is to."""
    stored = installation["recurring_billing"]
    if stored is not None and stored != billing:
        return failed(
            "billing",
            f"ZOHO_RECURRING_BILLING was {stored!r} at the first run and is {billing.value!r} now: recurring amounts "
            "would be billed twice, or not at all",
            "set it back; to change it for good: zoho-outbox doctor --accept-billing-mode",
        )
    if by_host is None:
        return ok("billing", "the host raises recurring invoices, and they are sent; subscriptions are not")
    if by_host["invoices"]:
        raised = count(by_host["invoices"], "recurring invoice", "recurring invoices")
        return warning(
            "billing",
            f"Zoho bills (ZOHO_RECURRING_BILLING=zoho), and the host raised {raised} in the last 35 days, too (newest "
            f"{by_host['newest']}: {by_host['example']}): customers may be billed twice",
            "stop the host's recurring billing, or set ZOHO_RECURRING_BILLING=host and see what "
            "zoho-outbox doctor --accept-billing-mode says",
        )
    return ok("billing", "Zoho bills; the host raised no recurring invoice in the last 35 days")


def check_replicas(sessions: Sequence[Row], recorded: Row, settings: Settings | None) -> Iterator[Finding]:
    """Daemons that run, and settings of theirs as far as they are recorded: two, with each request."""
    daemons = [session for session in sessions if session["kind"] == "daemon" and session["alive"]]
    versions = sorted({session["program_version"] for session in daemons})
    told = 0
    if len(versions) > 1:
        told += 1
        yield warning(
            "replicas", f"{len(daemons)} daemons run, of versions {', '.join(versions)}", "bring them to one version"
        )
    polling = [f"{each['host']} pid {each['pid']}" for each in daemons if not each["listening"]]
    if polling:
        told += 1
        yield warning("replicas", f"polls, because it hears no notification: {listed(polling)}", "see listen below")
    other = [] if settings is None else _other_settings(recorded, settings)
    if other:
        told += 1
        yield warning(
            "replicas",
            f"whoever asked for permission last has other settings than this command: {'; '.join(other)}",
            "give all replicas and commands the same settings",
        )
    if not told:
        runs = f"{count(len(daemons), 'daemon runs', 'daemons run')}" if daemons else "no daemon runs"
        yield ok(
            "replicas", f"{runs}; of their settings only time zone and daily limit are recorded, and do not differ"
        )


def _other_settings(recorded: Row, settings: Settings) -> list[str]:
    pairs = (
        ("ZOHO_TIME_ZONE", recorded["time_zone"], settings.zoho_time_zone),
        ("ZOHO_DAILY_REQUEST_LIMIT", recorded["day_limit"], settings.zoho_daily_request_limit),
    )
    return [f"{name} {theirs}, here {ours}" for name, theirs, ours in pairs if theirs is not None and theirs != ours]


def check_snapshots(rows: Sequence[Row]) -> Iterator[Finding]:
    """Old snapshots make every claim slower, and no vacuum helps (failures.md 10)."""
    holders = [row for row in rows if row["named"] is not None]
    for row in holders:
        since = f" for {age(row['seconds'])}" if row["seconds"] is not None else ""
        yield warning(
            "snapshots",
            f"{row['named']} has held back vacuum{since}: claims get slower",
            f"end it where it is not needed: {row['mend']}",
        )
    if not rows or rows[0]["sees_all"]:
        if not holders:
            yield ok("snapshots", "nothing holds back vacuum")
        return
    # Sending does not rest on it, and the right is not one that migrate may give.
    yield warning(
        "snapshots",
        "could not tell whether sessions of other roles hold back vacuum: this role does not see them",
        f"as superuser: GRANT pg_read_all_stats TO {DAEMON};",
    )


def check_clock(check: str, whose: str, difference: timedelta, doubt: timedelta) -> Finding:
    """``difference``: the other clock's reading less this machine's; ``doubt``: how far off that may be."""
    seconds = difference.total_seconds()
    apart = max(abs(seconds) - doubt.total_seconds(), 0.0)
    way = "ahead of" if seconds > 0 else "behind"
    if apart < SKEW_WARNING_SECONDS:
        return ok(check, f"{whose} clock and this machine's agree to {SKEW_WARNING_SECONDS:.0f} s")
    said = f"{whose} clock is {age(abs(seconds))} {way} this machine's: days near midnight are dated wrongly"
    mend = "let both follow a time server (timedatectl set-ntp true)"
    return failed(check, said, mend) if apart >= SKEW_FAILED_SECONDS else warning(check, said, mend)


def database_clock(before: datetime, now: datetime, after: datetime) -> Finding:
    """``now`` was read from the database between the two."""
    middle = before + (after - before) / 2
    return check_clock("database_clock", "the database's", now - middle, (after - before) / 2)


def check_sending(now: OrganisationNow) -> Finding:
    """What stops all sending at present."""
    why = now.why or "no reason was given"
    match now.state:
        case OrganisationState.RUNNING:
            return ok("sending", "nothing stops it")
        case OrganisationState.PAUSED:
            return warning("sending", why, "zoho-outbox resume")
        case OrganisationState.THROTTLED:
            return warning("sending", f"throttled until {moment(now.until)}: {why}", "it goes on by itself")
        case OrganisationState.BROKEN:
            return warning(
                "sending", f"Zoho is unwell, asked again at {moment(now.until)}: {why}", "it goes on by itself"
            )
        case OrganisationState.FORBIDDEN:
            return warning(
                "sending",
                f"refused since {moment(now.since)}: {why}",
                "see the checks of Zoho below; a daemon tries again within 15 minutes, or at its next start",
            )


def mapped_columns(captures: Sequence[Capture]) -> Mapping[str, frozenset[str]]:
    """By table, the columns whose change is captured."""
    mapped = {HOST_TABLES[each.entity_type].name: frozenset(each.mapped_columns) for each in captures}
    mapped["customer_services"] |= {"installation_address", "activation_date", "customer_id"}
    return {
        **mapped,
        "product_integrations": frozenset({"sync_status", "service_package_id"}),
        "service_packages": frozenset({"sku"}),
    }
