"""The steps that bring a host database up to date: pure functions from what is there to the SQL that is due."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from psycopg import sql

from outbox.host_tables import ERROR, HOST_TABLES, READ_TABLES, STATUS, SYNCED_AT, Capture, HostTable
from outbox.migration.host_shape import LOG_TABLE, OUTBOX_TABLE, Check, HostDatabase, TableShape
from outbox.sql_files import sql_directory
from outbox.vocabulary import ZOHO_MODULES, EntityType, LogStatus, SyncStatus

ENTITY_TRIGGERS = frozenset(
    f"zoho_outbox_{event}" for event in ("inserted", "updated", "requested", "id_set", "deleted", "truncated")
)
GUARD_TRIGGERS = frozenset(f"zoho_outbox_guard_{event}" for event in ("update", "delete", "truncate"))
SERVICE_CUSTOMER_TRIGGERS = frozenset(f"zoho_outbox_customer_{event}" for event in ("inserted", "updated", "deleted"))

PUBLISHING_TRIGGERS = frozenset(f"zoho_outbox_published_{event}" for event in ("inserted", "updated"))

NEWER_INVOICE = "customer_invoice_id"
"""Of payment_transactions; hosts of November 2025 have ``invoice_id`` alone."""

LOG_COLUMNS = {
    "duration_ms": ("integer", "from reading the row to Zoho's last reply, in milliseconds"),
    "api_calls": ("integer", "requests to Zoho that this attempt made; NULL where the daemon died"),
    "outbox_id": ("bigint", "the newest entry of zoho_outbox that this attempt carried"),
    "failure_class": ("text", "transient, outage, throttled, auth, ambiguous or permanent"),
    "zoho_code": ("integer", "Zoho's own error code"),
}
"""What zoho_sync_logs gains: type and comment, by name."""

LOG_VOCABULARY = {
    "entity_type": ("quote", "contract", *EntityType),
    "zoho_entity_type": ("Estimates", "Deals", *ZOHO_MODULES.values()),
    "status": ("pending", *LogStatus),
}
"""Words that the CHECKs of zoho_sync_logs allow; the first ones are the host's own older rows."""

ANY_ATTEMPT = "attempt_number > 0"
"""Attempts are counted beyond three."""

STATUS_VOCABULARY = ("pending", "syncing", *SyncStatus)


@dataclass(frozen=True)
class Step:
    """One piece of SQL that is due, in a transaction of its own unless it builds an index concurrently."""

    name: str
    text: str
    number: int | None = None
    works_with: int | None = None
    concurrently: bool = False
    recorded: bool = True
    """False: the database itself shows whether it is done; nothing to remember."""

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def schema_number() -> int:
    """The number of the newest migration file: the schema this program was written for."""
    return max(step.number or 0 for step in numbered_steps())


def numbered_steps() -> list[Step]:
    """The files of ``sql/migrations``, in order."""
    steps = []
    for file in _files("migrations"):
        text = file.read_text(encoding="utf-8")
        works_with = re.match(r"-- works-with: (\d+)\n", text)
        if works_with is None:
            raise ValueError(f"sql/migrations/{file.name} does not begin with '-- works-with: N'")
        steps.append(Step(file.name, text, number=int(file.name[:4]), works_with=int(works_with[1])))
    return steps


def repeatable_steps() -> list[Step]:
    """The files of ``sql/repeatable``, in order."""
    return [Step(file.name, file.read_text(encoding="utf-8")) for file in _files("repeatable")]


def due_steps(host: HostDatabase, captures: Sequence[Capture]) -> list[Step]:
    """What ``migrate`` would run, in order; empty where the database is up to date."""
    due = [step for step in numbered_steps() if step.name not in host.applied]
    due.extend(_log_table_steps(host))
    *definitions, grants = repeatable_steps()
    due.extend(step for step in definitions if host.applied.get(step.name) != step.checksum or not _guarded(step, host))
    for table in HOST_TABLES.values():
        due.extend(_star_steps(host.tables[table.name], table, host.statuses_reset))
    for step in [*_access_steps(host, captures), *_capture_steps(host, captures)]:
        if host.applied.get(step.name) != step.checksum or not _present(step, host):
            due.append(step)
    due.extend(_index_steps(host))
    grants = _grants_step(host, grants)
    if due or host.applied.get(grants.name) != grants.checksum:
        due.append(grants)
    return due


def _grants_step(host: HostDatabase, grants: Step) -> Step:
    """Last, and again after anything else: a new object comes with whatever the host's default privileges grant.

    So its text names the state it was made for, and is due whenever that changed.
    """
    others = {name: checksum for name, checksum in host.applied.items() if name != grants.name}
    state = hashlib.sha256(repr(sorted(others.items())).encode()).hexdigest()
    return Step(grants.name, f"{grants.text}\n-- made for the state {state}\n")


def _files(folder: str) -> list[Traversable]:
    return sorted(
        (file for file in sql_directory().joinpath(folder).iterdir() if file.name.endswith(".sql")), key=_name
    )


def _name(file: Traversable) -> str:
    return file.name


def _template(name: str, values: Mapping[str, str]) -> str:
    text = sql_directory().joinpath("host").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], text)


def _identifier(name: str) -> str:
    return sql.Identifier(name).as_string(None)


def _text(value: str) -> str:
    return sql.Literal(value).as_string(None)


def _star_columns(table: HostTable) -> dict[str, tuple[str, str]]:
    return {
        table.zoho_id: (
            "text",
            "zoho-outbox: the record in Zoho Billing. Setting it by hand asks to adopt that record",
        ),
        STATUS: (
            "text DEFAULT 'pending'",
            "zoho-outbox: retrying, synced, failed or skipped; set it to pending to have the row sent again",
        ),
        SYNCED_AT: ("timestamptz", "zoho-outbox: when Zoho was last told"),
        ERROR: ("text", "zoho-outbox: what went wrong, or whom the row waits for"),
    }


def _star_steps(shape: TableShape, table: HostTable, reset: frozenset[str]) -> Iterator[Step]:
    # All columns of a table at once: each ALTER TABLE locks out everybody.
    yield from _added_columns(shape, _star_columns(table))
    if table.name not in reset:
        values = {"table": _identifier(table.name), "table_text": _text(table.name)}
        yield Step(f"host:{table.name}:left-over statuses", _template("reset_statuses", values), recorded=False)
    yield from _widened_checks(shape, STATUS, _in_list(STATUS, STATUS_VOCABULARY), STATUS_VOCABULARY)


def _added_columns(shape: TableShape, columns: Mapping[str, tuple[str, str]]) -> Iterator[Step]:
    missing = [
        _template(
            "add_column",
            {
                "table": _identifier(shape.name),
                "table_text": _text(shape.name),
                "column": _identifier(column),
                "column_text": _text(column),
                "definition": definition,
                "comment": _text(comment),
            },
        )
        for column, (definition, comment) in columns.items()
        if column not in shape.columns
    ]
    if missing:
        yield Step(f"host:{shape.name}:columns", "\n".join(missing), recorded=False)


def _widened_checks(shape: TableShape, column: str, condition: str, words: Sequence[str]) -> Iterator[Step]:
    """Lets ``condition`` in wherever a CHECK of ``column`` alone does not evidently admit ``words``.

    Without words, wherever the CHECK does not hold the condition itself.
    """

    def admits(check: Check) -> bool:
        return check.admits(words) if words else condition in check.condition

    refusing = [check for check in shape.checks if check.column == column and not admits(check)]
    if refusing:
        yield Step(
            f"host:{shape.name}:check:{column}",
            "\n".join(
                _template(
                    "widen_check",
                    {
                        "table": _identifier(shape.name),
                        "table_text": _text(shape.name),
                        "name": _identifier(check.name),
                        "name_text": _text(check.name),
                        "old_definition": _text(check.definition),
                        "old_condition": check.condition,
                        "condition": condition,
                    },
                )
                for check in refusing
            ),
            recorded=False,
        )


def _in_list(column: str, words: Sequence[str]) -> str:
    return f"{_identifier(column)} IN ({', '.join(map(_text, words))})"


def _log_table_steps(host: HostDatabase) -> Iterator[Step]:
    shape = host.tables.get(LOG_TABLE)
    if shape is None:
        yield Step("host:zoho_sync_logs:create", _log_table(), recorded=False)
    else:
        yield from _added_columns(shape, LOG_COLUMNS)
        for column, words in LOG_VOCABULARY.items():
            yield from _widened_checks(shape, column, _in_list(column, words), words)
        yield from _widened_checks(shape, "attempt_number", ANY_ATTEMPT, ())
    access = Step("host:zoho_sync_logs:access", _template("sync_logs_access", {}))
    policies = {"zoho_outbox_daemon_all", "zoho_outbox_operator_read"}
    if host.applied.get(access.name) != access.checksum or shape is None or not policies <= shape.policies:
        yield access


def _log_table() -> str:
    checks = [
        f"CONSTRAINT {_identifier(f'{LOG_TABLE}_{column}_check')} CHECK ({_in_list(column, words)})"
        for column, words in LOG_VOCABULARY.items()
    ]
    return _template(
        "sync_logs_create",
        {
            "columns": ",\n    ".join(f"{_identifier(name)} {kind}" for name, (kind, _) in LOG_COLUMNS.items()),
            "checks": ",\n    ".join(checks),
            "comments": "\n".join(
                f"COMMENT ON COLUMN public.{LOG_TABLE}.{_identifier(name)} IS {_text(comment)};"
                for name, (_, comment) in LOG_COLUMNS.items()
            ),
        },
    )


def _access_steps(host: HostDatabase, captures: Sequence[Capture]) -> Iterator[Step]:
    stars = {table.name: {"id", *_star_columns(table)} for table in HOST_TABLES.values()}
    wanted: dict[str, set[str]] = {name: set(columns) for name, columns in stars.items()}
    for name in READ_TABLES:
        wanted[name] = {"id"}
    for capture in captures:
        for name, read in capture.reads.items():
            wanted[name].update(read)
    shown = {HOST_TABLES[capture.entity_type].name: capture.shown_to_operators for capture in captures}
    for name, columns in wanted.items():
        # ★ columns are there by the time this runs.
        present = [column for column in sorted(columns) if column in {*host.tables[name].columns, *stars.get(name, ())}]
        written = sorted(stars.get(name, set()) - {"id"})
        values = {"table": _identifier(name), "read_columns": ", ".join(map(_identifier, present))}
        if written:
            values["write"] = _template(
                "access_write", values | {"written_columns": ", ".join(map(_identifier, written))}
            )
            seen = [column for column in sorted({*stars[name], *shown.get(name, ())}) if column in present]
            values["write"] += "\n" + _template(
                "access_operator", values | {"shown_columns": ", ".join(map(_identifier, seen))}
            )
        yield Step(f"host:{name}:access", _template("access", {"write": "", **values}))


def _capture_steps(host: HostDatabase, captures: Sequence[Capture]) -> Iterator[Step]:
    for capture in captures:
        table = HOST_TABLES[capture.entity_type]
        mapped = [column for column in capture.mapped_columns if column in host.tables[table.name].columns]
        yield Step(
            f"host:{table.name}:capture",
            _template(
                "capture_entity",
                {
                    "table": _identifier(table.name),
                    "entity_type": _text(capture.entity_type),
                    "mapped_columns": ", ".join(map(_identifier, mapped)),
                    "old_columns": ", ".join(f"OLD.{_identifier(column)}" for column in mapped),
                    "new_columns": ", ".join(f"NEW.{_identifier(column)}" for column in mapped),
                    "zoho_id": _identifier(table.zoho_id),
                    "zoho_id_text": _text(table.zoho_id),
                    "concerns_zoho": _concerning(capture),
                },
            ),
        )
    if any(capture.entity_type is EntityType.CUSTOMER for capture in captures):
        yield Step("host:customer_services:capture customers", _template("capture_service_customers", {}))
    if any(capture.entity_type is EntityType.SUBSCRIPTION for capture in captures):
        yield Step("host:product_integrations:capture published", _template("capture_published", {}))
        yield Step("host:service_packages:capture sku", _template("capture_sku", {}))
    if len(captures) == len(EntityType):
        # payment_transactions has the newer of its two invoice columns or has it not.
        newer = NEWER_INVOICE in host.tables["payment_transactions"].columns
        invoice = f"COALESCE(payment.{NEWER_INVOICE}, payment.invoice_id)" if newer else "payment.invoice_id"
        dependents = _template("capture_customer_dependents", {"payment_invoice": invoice})
        yield Step("host:customers:capture dependents", dependents)


def _concerning(capture: Capture) -> str:
    """The end of the update trigger's condition."""
    if not capture.concerns_zoho:
        return ""
    before, after = (capture.concerns_zoho.format(row=row) for row in ("OLD", "NEW"))
    return f" AND ({before} OR {after})"


def _guarded(step: Step, host: HostDatabase) -> bool:
    """Whether the triggers that ``step`` made on zoho_outbox are there still."""
    outbox = host.tables.get(OUTBOX_TABLE)
    return step.name != "02_guards.sql" or outbox is None or outbox.always_triggers >= GUARD_TRIGGERS


def _present(step: Step, host: HostDatabase) -> bool:
    """Whether what a recorded host step made is still there: triggers and policies can be dropped by others."""
    _, table, what = step.name.split(":", 2)
    shape = host.tables[table]
    match what:
        case "capture":
            return shape.always_triggers >= ENTITY_TRIGGERS
        case "capture customers":
            return shape.always_triggers >= SERVICE_CUSTOMER_TRIGGERS
        case "capture dependents":
            return "zoho_outbox_became_real" in shape.always_triggers
        case "capture published":
            return shape.always_triggers >= PUBLISHING_TRIGGERS
        case "capture sku":
            return "zoho_outbox_sku_updated" in shape.always_triggers
        case _:
            stars = {host_table.name for host_table in HOST_TABLES.values()}
            expected = (
                {"zoho_outbox_read", "zoho_outbox_write", "zoho_outbox_operator_read"}
                if table in stars
                else {"zoho_outbox_read"}
            )
            return shape.policies >= expected


@dataclass(frozen=True)
class Index:
    """An index that the sync adds to a table of the host."""

    name: str
    table: str
    key: str
    """SQL: columns, or an expression."""
    condition: str = ""
    column: str = ""
    """Only where the table has this column."""
    without_column: str = ""
    """Only where it has not."""


def host_indexes() -> list[Index]:
    """By Zoho id on the synced tables; payments by their invoice; by entity and by age on the log."""
    return [
        *(
            Index(
                f"zoho_outbox_{table.name}_zoho_id",
                table.name,
                _identifier(table.zoho_id),
                f" WHERE {_identifier(table.zoho_id)} IS NOT NULL",
            )
            for table in HOST_TABLES.values()
        ),
        # What other payments took of an invoice: 100 of 200,000 payments were read in 195 ms without it, in 12 with it.
        Index(
            "zoho_outbox_payments_invoice",
            "payment_transactions",
            f"(COALESCE({NEWER_INVOICE}, invoice_id))",
            f" WHERE COALESCE({NEWER_INVOICE}, invoice_id) IS NOT NULL",
            column=NEWER_INVOICE,
        ),
        Index(
            "zoho_outbox_payments_older_invoice",
            "payment_transactions",
            "invoice_id",
            " WHERE invoice_id IS NOT NULL",
            without_column=NEWER_INVOICE,
        ),
        Index("zoho_outbox_logs_entity", LOG_TABLE, "entity_id, created_at"),
        Index("zoho_outbox_logs_created_at", LOG_TABLE, "created_at"),
    ]


def _index_steps(host: HostDatabase) -> Iterator[Step]:
    for index in host_indexes():
        shape = host.tables.get(index.table)
        if shape is not None and index.name in shape.indexes:
            continue
        columns = () if shape is None else shape.columns
        if (index.column and index.column not in columns) or (index.without_column and index.without_column in columns):
            continue
        # A CREATE INDEX CONCURRENTLY that was interrupted leaves an invalid index of the same name behind.
        invalid = shape is not None and index.name in shape.invalid_indexes
        drop = f"DROP INDEX CONCURRENTLY IF EXISTS public.{_identifier(index.name)};\n" if invalid else ""
        yield Step(
            f"host:{index.table}:index:{index.name}",
            drop
            + _template(
                "add_index",
                {
                    "name": _identifier(index.name),
                    "table": _identifier(index.table),
                    "key": index.key,
                    "condition": index.condition,
                },
            ),
            concurrently=True,
            recorded=False,
        )
