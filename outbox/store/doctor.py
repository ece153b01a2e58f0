"""What doctor reads of the database. Writes nothing but one cooldown (:meth:`DoctorReadings.lift_refusal`).

Each method is one statement. All raise :class:`outbox.database.DatabaseUnavailable`, and ``psycopg.Error`` where the
role may not or the schema is another one: the caller says which check cannot be made for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import psycopg

from outbox.database import Database, Row
from outbox.store.readings import LONG_SECONDS
from outbox.store.statements import statement

MOST_FIGURES = 1000
"""Sets of figures of invoices whose tax is looked at one by one."""


@dataclass(frozen=True)
class Right:
    """A right that the daemon needs. No table: one on the schema; no column: one on the whole table."""

    schema: str
    table: str
    column: str
    privilege: str


class DoctorReadings:
    """Read-only statements on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def server(self) -> Row:
        """version, version_number, database_name, role, is_superuser, is_daemon, is_operator (None: no such role)."""
        return await self._database.only_row(statement("doctor_server"))

    async def clock(self) -> Row:
        """now."""
        return await self._database.only_row(statement("doctor_clock"))

    async def missing_rights(self, wanted: Sequence[Right]) -> list[Right]:
        """Those of ``wanted``, and of the rights on our own private schema, that the role has not got."""
        rows = await self._database.rows(
            statement("doctor_rights"),
            {
                "schemas": [right.schema for right in wanted],
                "tables": [right.table for right in wanted],
                "columns": [right.column for right in wanted],
                "privileges": [right.privilege for right in wanted],
            },
        )
        return [Right(row["schema_name"], row["table_name"], row["column_name"], row["privilege"]) for row in rows]

    async def policies(self, tables: Sequence[str]) -> list[Row]:
        """table_name, active, policy, command, permissive, sees, may_write."""
        return await self._database.rows(statement("doctor_policies"), {"tables": list(tables)})

    async def exposed(self) -> list[Row]:
        """kind, name, grantee, privileges."""
        return await self._database.rows(statement("doctor_exposed"))

    async def triggers(self) -> list[Row]:
        """table_name, name, enabled."""
        return await self._database.rows(statement("doctor_triggers"))

    async def before_triggers(self, tables: Sequence[str]) -> list[Row]:
        """table_name, name, function, language, source, arguments."""
        return await self._database.rows(statement("doctor_before_triggers"), {"tables": list(tables)})

    async def installation(self) -> Row:
        """Which database this is, beside which one the first run stored; whether zoho_sync_logs is ours."""
        return await self._database.only_row(statement("read_installation"))

    async def sessions(self) -> list[Row]:
        """Processes that send."""
        return await self._database.rows(statement("status_sessions"))

    async def recorded_settings(self) -> Row:
        """time_zone, day_limit of whoever asked for permission last; None: not recorded."""
        return await self._database.only_row(statement("doctor_recorded_settings"))

    async def snapshots(self, older_than_seconds: float) -> list[Row]:
        """named, mend, seconds (all None: there is none); sees_all."""
        return await self._database.rows(statement("doctor_snapshots"), {"older_than_seconds": older_than_seconds})

    async def billed_by_host(self) -> Row:
        """invoices, newest, example: recurring ones of the last 35 days."""
        row = await self._newer_or_older("doctor_billed_by_host", {})
        return row[0]

    async def tax_rates(self, recurring_billing: str, listed: Sequence[Decimal]) -> list[Row]:
        """vat_rate, invoices, example, subtotal, tax_amount, total_amount, lines; at most :data:`MOST_FIGURES`."""
        parameters = {"recurring_billing": recurring_billing, "listed": list(listed), "most": MOST_FIGURES}
        return await self._newer_or_older("doctor_tax_rates", parameters)

    async def packages(self, on_suspend: str) -> list[Row]:
        """package_id, named, package_exists, sku, publishing, publishing_error, services."""
        return await self._database.rows(statement("doctor_packages"), {"on_suspend": on_suspend}, seconds=LONG_SECONDS)

    async def known_records(self) -> dict[str, Row]:
        """By entity type: zoho_id, has_account_number."""
        rows = await self._database.rows(statement("doctor_known_records"), seconds=LONG_SECONDS)
        return {row["entity_type"]: row for row in rows}

    async def refused_fields(self) -> dict[str, Row]:
        """By entity type: created_at."""
        rows = await self._database.rows(statement("doctor_refused_fields"), seconds=LONG_SECONDS)
        return {row["entity_type"]: row for row in rows}

    async def lift_refusal(self) -> None:
        """Lets the accounts host be asked at once though it refused a moment ago."""
        await self._database.execute(statement("doctor_lift_refusal"))

    async def _newer_or_older(self, name: str, parameters: dict[str, object]) -> list[Row]:
        try:
            return await self._database.rows(statement(name), parameters, seconds=LONG_SECONDS)
        except psycopg.errors.UndefinedColumn:  # A host of November 2025.
            return await self._database.rows(statement(name, "newer columns"), parameters, seconds=LONG_SECONDS)


async def place(connection: psycopg.AsyncConnection[Row]) -> Row | None:
    """database_name, system_identifier: where a connection leads."""
    return await (await connection.execute(statement("doctor_place"))).fetchone()


class ProbeAnswers:
    """What ``doctor --probe`` found out, by organisation."""

    def __init__(self, database: Database, organization_id: str) -> None:
        self._database = database
        self._organization_id = organization_id

    async def store(self, question: str, answer: str, said: str) -> None:
        """Takes the place of an earlier answer."""
        await self._database.execute(
            statement("doctor_store_answer"),
            {"organization_id": self._organization_id, "question": question, "answer": answer, "said": said},
        )

    async def read(self) -> dict[str, Row]:
        """By question: answer, said, answered_at."""
        rows = await self._database.rows(statement("doctor_read_answers"), {"organization_id": self._organization_id})
        return {row["question"]: row for row in rows}
