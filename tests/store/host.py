"""The other side of a migrated database: what the host's application writes, and what the sync shows it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString, Self
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from tests.host.databases import MIGRATOR, Database
from tests.migration.migrated import OPERATOR

Row = dict[str, Any]
Parameters = Sequence[Any] | Mapping[str, Any]
Statement = LiteralString | sql.Composed
Connection = psycopg.Connection[Row]


class Host:
    """An application's connection in autocommit mode; a lock that it would wait for is an error after 5 s."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._connection = self.connect()
        self._superuser = psycopg.connect(database.superuser_dsn, autocommit=True, row_factory=dict_row)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._superuser.close()

    def connect(self, user: str = MIGRATOR, *, autocommit: bool = True) -> Connection:
        """Another connection; the caller closes it."""
        connection = psycopg.connect(self.database.dsn(user), autocommit=True, row_factory=dict_row)
        connection.execute("SET lock_timeout = '5s'")
        connection.autocommit = autocommit
        return connection

    @contextmanager
    def transaction(self, user: str = MIGRATOR) -> Iterator[Connection]:
        """A transaction that stays open for the block, then is committed, unless it was ended inside."""
        connection = self.connect(user, autocommit=False)
        try:
            yield connection
            connection.commit()
        finally:
            connection.close()

    @contextmanager
    def operator(self) -> Iterator[Connection]:
        """An operator's own statements, each committed at once."""
        connection = self.connect(OPERATOR)
        try:
            yield connection
        finally:
            connection.close()

    def execute(self, statement: Statement, parameters: Parameters = ()) -> None:
        """One statement, committed."""
        self._connection.execute(statement, parameters)

    def rows(self, statement: Statement, parameters: Parameters = ()) -> list[Row]:
        """What a superuser reads: private state included."""
        return self._superuser.execute(statement, parameters).fetchall()

    def value(self, statement: Statement, parameters: Parameters = ()) -> Any:
        """The one value of the one row."""
        (row,) = self.rows(statement, parameters)
        (value,) = row.values()
        return value

    def interfere(self, statement: Statement, parameters: Parameters = ()) -> int:
        """Changes private state as a superuser: time that passed, rows of types that are not sent yet."""
        return self._superuser.execute(statement, parameters).rowcount

    def add_customer(self, number: int = 1, *, connection: Connection | None = None, **columns: Any) -> UUID:
        """Inserts a customer, CT-2025-09001 and so on unless ``columns`` say otherwise."""
        values = customer_columns(number) | columns
        statement = sql.SQL("INSERT INTO public.customers ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(sql.Placeholder() * len(values))
        )
        (connection or self._connection).execute(statement, list(values.values()))
        customer_id: UUID = values["id"]
        return customer_id

    def add_customers(self, count: int, first: int = 1) -> list[UUID]:
        """Inserts ``count`` customers, a transaction each."""
        return [self.add_customer(number) for number in range(first, first + count)]

    def change_customer(self, customer_id: UUID, *, connection: Connection | None = None, **columns: Any) -> None:
        """UPDATE of those columns."""
        statement = sql.SQL("UPDATE public.customers SET {} WHERE id = %s").format(
            sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns)
        )
        (connection or self._connection).execute(statement, [*columns.values(), customer_id])

    def customer(self, customer_id: UUID) -> Row:
        """The host row."""
        (row,) = self.rows("SELECT * FROM public.customers WHERE id = %s", [customer_id])
        return row

    def shown(self, customer_id: UUID) -> tuple[str | None, str | None]:
        """Status and error of the host row."""
        row = self.customer(customer_id)
        return row["zoho_sync_status"], row["zoho_last_sync_error"]

    def entries(self, entity_id: UUID) -> list[Row]:
        """Its outbox entries, oldest first."""
        return self.rows("SELECT * FROM public.zoho_outbox WHERE entity_id = %s ORDER BY id", [entity_id])

    def entry(self, entity_id: UUID) -> Row:
        """Its only outbox entry."""
        (row,) = self.entries(entity_id)
        return row

    def statuses(self, entity_id: UUID) -> list[tuple[str, str | None]]:
        """Status and outcome of each of its entries, oldest first."""
        return [(row["status"], row["outcome"]) for row in self.entries(entity_id)]

    def state(self, entity_id: UUID) -> Row:
        """Its state row."""
        (row,) = self.rows("SELECT * FROM zoho_outbox_private.entity_state WHERE entity_id = %s", [entity_id])
        return row

    def logs(self, entity_id: UUID) -> list[Row]:
        """Its attempts, oldest first."""
        return self.rows("SELECT * FROM public.zoho_sync_logs WHERE entity_id = %s ORDER BY created_at", [entity_id])

    def replay(self, entry_id: int) -> None:
        """An operator sets an entry to pending."""
        with self.operator() as operator:
            operator.execute("UPDATE public.zoho_outbox SET status = 'pending' WHERE id = %s", [entry_id])

    def pass_time(self, entity_id: UUID, seconds: float) -> None:
        """As if ``seconds`` had passed since everything that is written on its state row."""
        self.interfere(
            """
            UPDATE zoho_outbox_private.entity_state
            SET due_at = due_at - make_interval(secs => %(seconds)s),
                lease_until = lease_until - make_interval(secs => %(seconds)s),
                leased_at = leased_at - make_interval(secs => %(seconds)s),
                fate_unknown_at = fate_unknown_at - make_interval(secs => %(seconds)s),
                clean_look_at = clean_look_at - make_interval(secs => %(seconds)s),
                write_back_due = write_back_due - make_interval(secs => %(seconds)s)
            WHERE entity_id = %(entity_id)s
            """,
            {"entity_id": entity_id, "seconds": seconds},
        )


def customer_columns(number: int) -> Row:
    """A plausible customer."""
    return {
        "id": uuid4(),
        "first_name": "Anna",
        "last_name": f"Meadow{number}",
        "email": f"anna.meadow{number}@example.com",
        "phone": "+27 21 555 0101",
        "account_number": f"CT-2025-{9000 + number:05}",
    }
