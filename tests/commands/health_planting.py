"""An installation in good health, of any size, and faults that are planted in it one kind at a time.

Written by SQL and not by the protocol: the state rows, entries and log rows that the protocol would leave behind.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from tests.host.databases import Database

CUSTOMERS = """
INSERT INTO public.customers (first_name, last_name, email, phone, account_number, zoho_billing_customer_id)
SELECT 'Anna', 'Meadow', 'anna' || number || '@example.com', '+27 21 555 0101', 'CT-' || number,
    (46000000 + number)::text
FROM generate_series(1, %(customers)s) AS number
"""

SERVICES = """
INSERT INTO public.customer_services
    (customer_id, package_name, service_type, monthly_price, status, activation_date, zoho_subscription_id)
SELECT customer.id, 'Fibre 50/50', 'fibre', 799, 'active', '2026-01-01', (47000000 + row_number() OVER ())::text
FROM (SELECT id FROM public.customers ORDER BY account_number LIMIT %(services)s) AS customer
"""

INVOICES = """
INSERT INTO public.customer_invoices
    (customer_id, invoice_number, invoice_date, due_date, subtotal, tax_amount, total_amount, amount_due, status,
     invoice_type, zoho_billing_invoice_id)
SELECT customer.id, 'INV-' || row_number() OVER (), '2026-01-05', '2026-01-12', 1000, 150, 1150, 1150, 'sent',
    'installation', (48000000 + row_number() OVER ())::text
FROM (SELECT id FROM public.customers ORDER BY account_number LIMIT %(invoices)s) AS customer
"""

PAYMENTS = """
INSERT INTO public.payment_transactions
    (transaction_id, reference, provider, amount, status, completed_at, invoice_id, zoho_payment_id)
SELECT 'NC-' || row_number() OVER (), 'Ref', 'netcash', 500, 'completed', '2026-01-06 10:00+02', invoice.id,
    (49000000 + row_number() OVER ())::text
FROM (SELECT id FROM public.customer_invoices ORDER BY invoice_number LIMIT %(payments)s) AS invoice
"""

ADMITTED = """
UPDATE public.zoho_outbox
SET admitted = true, status = 'done', outcome = 'sent', attempts = 1, finished_at = now() - interval '8 days',
    revision = revision + 1
"""

STATES = """
INSERT INTO zoho_outbox_private.entity_state
    (entity_type, entity_id, phase, due_at, born_here, zoho_id, sent_hash, sent_at, intents, shown_status)
SELECT DISTINCT entry.entity_type::text, entry.entity_id, 'idle', now() - interval '8 days', true,
    md5(entry.entity_type || entry.entity_id), 'hash', now() - interval '8 days', 1, 'synced'
FROM public.zoho_outbox AS entry
"""

# Every fifth within the week, so that figures of a week and of a month differ.
LOGS = """
INSERT INTO public.zoho_sync_logs
    (entity_type, entity_id, status, attempt_number, duration_ms, api_calls, outbox_id, created_at)
SELECT entry.entity_type, entry.entity_id, 'success', 1, 120, 1, entry.id,
    now() - CASE WHEN entry.id %% 5 = 0 THEN interval '3 days' ELSE interval '20 days' END
FROM public.zoho_outbox AS entry
"""

TABLES = {
    "customer": "customers",
    "subscription": "customer_services",
    "invoice": "customer_invoices",
    "payment": "payment_transactions",
}
ZOHO_IDS = {
    "customer": "zoho_billing_customer_id",
    "subscription": "zoho_subscription_id",
    "invoice": "zoho_billing_invoice_id",
    "payment": "zoho_payment_id",
}


@dataclass
class Installation:
    """A database of the host in use, seen by a superuser."""

    database: Database
    _taken: set[UUID] = field(default_factory=set)

    def run(self, query: str, parameters: Any = None) -> list[dict[str, Any]]:
        with psycopg.connect(self.database.superuser_dsn, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def in_good_health(
        self, customers: int = 12, services: int = 4, invoices: int = 4, payments: int = 4
    ) -> "Installation":
        sizes = {"customers": customers, "services": services, "invoices": invoices, "payments": payments}
        newer = self.run("SELECT column_name FROM information_schema.columns WHERE column_name = 'invoice_type'")
        invoice_script = INVOICES if newer else INVOICES.replace("invoice_type, ", "").replace("'installation', ", "")
        with psycopg.connect(self.database.superuser_dsn) as connection:
            for script in (CUSTOMERS, SERVICES, invoice_script, PAYMENTS):
                connection.execute(script.encode(), sizes)
            for script in (ADMITTED, STATES, LOGS):
                connection.execute(script.replace("%%", "%").encode())
        self.daemon_heard_of(5)
        self.run("UPDATE zoho_outbox_private.organisation SET last_good_reply_at = now() - interval '5 minutes'")
        return self

    def daemon_heard_of(self, seconds_ago: float, *, draining: bool = False) -> None:
        self.run("DELETE FROM zoho_outbox_private.session")
        self.run(
            """
            INSERT INTO zoho_outbox_private.session (id, kind, host, pid, program_version, seen_at, draining)
            VALUES (%s, 'daemon', 'billing-1', 4711, '0.1.0', now() - make_interval(secs => %s), %s)
            """,
            [uuid4(), seconds_ago, draining],
        )

    def take(self, entity_type: str, count: int) -> list[UUID]:
        """Rows that nothing was planted on yet, in the order of their ids."""
        rows = self.run(
            f"SELECT id FROM public.{TABLES[entity_type]} WHERE NOT id = ANY (%s) ORDER BY id LIMIT %s",
            [list(self._taken), count],
        )
        assert len(rows) == count
        ids = [row["id"] for row in rows]
        self._taken.update(ids)
        return ids

    def named(self, entity_type: str, entity_id: UUID) -> str:
        columns = {"customer": "account_number", "invoice": "invoice_number", "payment": "transaction_id"}
        column = columns.get(entity_type)
        if column is None:
            return f"{entity_type} {entity_id}"
        (row,) = self.run(f"SELECT {column} AS name FROM public.{TABLES[entity_type]} WHERE id = %s", [entity_id])
        return f"{entity_type} {row['name']}"

    def stand(self, entity_type: str, ids: list[UUID], phase: str, seconds_ago: float, **columns: Any) -> None:
        """Puts entities into a phase, due (or at rest) since then."""
        values = {"phase": phase, **columns}
        assignments = ", ".join(f"{name} = %({name})s" for name in values)
        self.run(
            f"""
            UPDATE zoho_outbox_private.entity_state
            SET due_at = clock_timestamp() - make_interval(secs => %(seconds_ago)s), {assignments}
            WHERE entity_id = ANY (%(ids)s) AND entity_type = %(entity_type)s
            """,
            {**values, "seconds_ago": seconds_ago, "ids": ids, "entity_type": entity_type},
        )

    def log(
        self,
        entity_type: str,
        ids: list[UUID],
        status: str,
        seconds_ago: float,
        *,
        attempt: int = 1,
        milliseconds: int = 120,
    ) -> None:
        """An attempt of each that ended then."""
        self.run(
            """
            INSERT INTO public.zoho_sync_logs
                (entity_type, entity_id, status, attempt_number, duration_ms, api_calls, outbox_id, created_at)
            SELECT %s, entity.id, %s, %s, %s, 1, 1, clock_timestamp() - make_interval(secs => %s)
            FROM unnest(%s::uuid[]) AS entity (id)
            """,
            [entity_type, status, attempt, milliseconds, seconds_ago, ids],
        )

    # Faults, one kind each. Each returns the rows it took.

    def pending(
        self, count: int, seconds_ago: float, *, entity_type: str = "customer", urgency: int = 10
    ) -> list[UUID]:
        ids = self.take(entity_type, count)
        self.stand(entity_type, ids, "ready", seconds_ago, urgency=urgency)
        return ids

    def never_admitted(
        self, count: int, seconds_ago: float, *, origin: str = "trigger", priority: int = 10
    ) -> list[UUID]:
        ids = self.take("customer", count)
        self.run(
            """
            INSERT INTO public.zoho_outbox (entity_type, entity_id, created_at, origin, priority)
            SELECT 'customer', entity.id, clock_timestamp() - make_interval(secs => %s), %s, %s
            FROM unnest(%s::uuid[]) AS entity (id)
            """,
            [seconds_ago, origin, priority, ids],
        )
        return ids

    def retrying(self, count: int, seconds_ago: float, *, next_in: float = 600.0) -> list[UUID]:
        ids = self.take("customer", count)
        self.stand("customer", ids, "scheduled", -next_in, urgency=20, attempts=3, last_error="Zoho is unwell")
        self.log("customer", ids, "retrying", seconds_ago, attempt=1)
        self.log("customer", ids, "retrying", min(seconds_ago, 60.0), attempt=2)
        return ids

    def processing(self, count: int, seconds_ago: float) -> list[UUID]:
        ids = self.take("customer", count)
        for entity_id in ids:
            self.stand("customer", [entity_id], "leased", 0, lease_token=uuid4(), lease_session=uuid4())
        self.run(
            """
            UPDATE zoho_outbox_private.entity_state
            SET leased_at = clock_timestamp() - make_interval(secs => %s), lease_until = now() + interval '1 minute'
            WHERE entity_id = ANY (%s)
            """,
            [seconds_ago, ids],
        )
        return ids

    def dead(
        self,
        count: int,
        seconds_ago: float,
        *,
        entity_type: str = "customer",
        reason: str = "e-mail is missing",
        logged: bool = True,
    ) -> list[UUID]:
        ids = self.take(entity_type, count)
        self.stand(entity_type, ids, "dead", seconds_ago, last_error=reason)
        if logged:
            self.log(entity_type, ids, "failed", seconds_ago)
        return ids

    def not_in_zoho(self, entity_type: str, count: int) -> list[UUID]:
        ids = self.take(entity_type, count)
        self.run(f"UPDATE public.{TABLES[entity_type]} SET {ZOHO_IDS[entity_type]} = NULL WHERE id = ANY (%s)", [ids])
        return ids

    def throttled(self, hits: int, seconds_ago: float) -> None:
        self.run(
            """
            INSERT INTO zoho_outbox_private.rate_limit_day (day, hits, last_at, last_why)
            SELECT last.at::date, %s, last.at, 'HTTP 429 code 44: too many requests'
            FROM (SELECT clock_timestamp() - make_interval(secs => %s) AS at) AS last
            """,
            [hits, seconds_ago],
        )

    def _wait_for_whoever_is_older(self) -> None:
        """Transactions of other tests' databases, begun before now: a snapshot is as old as they are."""
        deadline = time.monotonic() + 60
        with psycopg.connect(self.database.superuser_dsn, autocommit=True) as connection:
            (here,) = connection.execute("SELECT pg_current_xact_id()::text").fetchone() or ("",)
            still = "SELECT pg_snapshot_xmin(pg_current_snapshot()) < %s::xid8"
            while connection.execute(still, [here]).fetchone() == (True,):
                if time.monotonic() > deadline:
                    raise TimeoutError("a transaction of another database has been open for a minute")
                time.sleep(0.05)

    @contextmanager
    def old_snapshot(self, application: str = "reporting") -> Iterator[psycopg.Connection[Any]]:
        """Somebody's open transaction, of the host's owner."""
        with psycopg.connect(self.database.dsn(), application_name=application) as connection:
            self._wait_for_whoever_is_older()
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute("SELECT count(*) FROM pg_class")
            yield connection
            connection.rollback()
