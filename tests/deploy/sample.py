"""A migrated database as an operator finds it: rows in Zoho, dead, waiting and skipped, made by the real commands."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.acceptance.running import QUICK, ROOT
from tests.host.databases import Database, Databases, DatabaseTemplate
from tests.host.shapes import HostShape
from tests.migration.migrated import DAEMON, migrated_template

PROGRAM = (sys.executable, "-m", "daemon")

MORE_ROWS = """
INSERT INTO public.customer_invoices
    (customer_id, invoice_number, invoice_date, due_date, subtotal, tax_amount, total_amount, amount_due, status,
     invoice_type, line_items)
SELECT id, 'INV-2025-00010', '2025-11-10', '2025-11-17', 1000.00, 150.00, 1150.00, 1150.00, 'sent', 'installation',
    '[{"description": "Installation", "quantity": 1, "unit_price": 1150.00, "amount": 1150.00}]'
FROM public.customers
WHERE account_number = 'CT-2025-00104';

INSERT INTO public.payment_transactions
    (transaction_id, reference, provider, amount, status, payment_method, customer_id, invoice_id, completed_at)
SELECT 'NC-0010', invoice_number, 'netcash', 1150.00, 'completed', 'eft', customer_id, id, '2025-11-11 10:00+02'
FROM public.customer_invoices
WHERE invoice_number = 'INV-2025-00010';

INSERT INTO public.customer_invoices
    (customer_id, invoice_number, invoice_date, due_date, subtotal, tax_amount, total_amount, amount_due, status,
     invoice_type, line_items)
SELECT id, 'INV-2025-00011', '2025-11-10', '2025-11-17', 1000.00, 150.00, 1150.00, 1150.00, 'sent', 'equipment',
    '[{"description": "Router", "quantity": 1, "unit_price": 900.00, "amount": 900.00}]'
FROM public.customers
WHERE account_number = 'CT-2025-00101';

UPDATE public.payment_transactions SET zoho_sync_status = 'pending' WHERE transaction_id = 'PM-VAL-0003';
"""
"""A customer without an e-mail, whom Zoho refuses (``--email-required``), with an invoice and a payment that wait; an
invoice whose lines do not come to its total; and a payment that is none."""

AFTERWARDS = """
UPDATE public.customers SET phone = '+27 21 555 0199' WHERE account_number = 'CT-2025-00102';
"""
"""A change that nobody has sent yet."""

A_DAEMON = """
INSERT INTO zoho_outbox_private.session (id, kind, host, pid, program_version, listening)
VALUES (gen_random_uuid(), 'daemon', 'billing-1', 4711, '0.1.0', true);
"""


def _build(database: Database) -> None:
    with psycopg.connect(database.dsn()) as connection:
        connection.execute(MORE_ROWS.encode())
    with _simulator() as zoho:
        environ = {"PATH": os.environ["PATH"], "DATABASE_URL": database.dsn(DAEMON), **QUICK, **zoho}
        done = subprocess.run(
            [*PROGRAM, "backfill"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=100
        )
    if done.returncode != 1 or "CT-2025-00104" not in done.stdout:
        said = f"{done.stdout}{done.stderr}"
        raise AssertionError(f"backfill was to end with one dead customer: {done.returncode}\n{said}")
    with psycopg.connect(database.dsn()) as connection:
        connection.execute(AFTERWARDS.encode())
    with psycopg.connect(database.superuser_dsn) as connection:
        connection.execute(A_DAEMON.encode())


@contextmanager
def _simulator() -> Iterator[dict[str, str]]:
    """The simulator as a process, and the settings that find it."""
    with subprocess.Popen(
        [*PROGRAM, "simulate-zoho", "--port", "0", "--wide-limits", "--email-required"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            found: dict[str, str] = {}
            while "ZOHO_BILLING_ORGANIZATION_ID" not in found and (line := process.stdout.readline()):
                name, equals, value = line.removeprefix("export ").strip().partition("=")
                if equals:
                    found[name] = value.strip("'")
            yield found
        finally:
            process.terminate()


SAMPLE = DatabaseTemplate("runbook_sample", _build, base=migrated_template(HostShape(rows=True)))


@contextmanager
def sample_database(databases: Databases) -> Iterator[Database]:
    """A copy of the sample, which takes itself for the database that was installed."""
    with databases.fresh(SAMPLE) as database:
        with psycopg.connect(database.superuser_dsn) as connection:
            connection.execute("UPDATE zoho_outbox_private.installation SET database_name = current_database()")
        yield database
