"""Commands as a person types them: a process of their own, against a migrated database and the simulator."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import psycopg
import pytest
import simplejson
from psycopg.rows import dict_row

from outbox.simulator import LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from tests.commands.prestarted import Prestarted, prestarted
from tests.host.databases import Database
from tests.migration.migrated import DAEMON

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-W", "error", "-m", "daemon")


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return simplejson.loads(self.out, use_decimal=True)


def environment(**settings: str) -> dict[str, str]:
    """Nothing of this machine's own settings: what a shell has, and ``settings``."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **settings}


def type_command(*words: str, **settings: str) -> Said:
    """Runs a command that needs nobody else in this process."""
    done = subprocess.run(
        [*COMMAND, *words], cwd=ROOT, env=environment(**settings), capture_output=True, text=True, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


class Console:
    """A shell with the settings of one database and one simulator."""

    def __init__(self, database: Database, zoho: Mapping[str, str], commands: Prestarted) -> None:
        self._database = database
        self._zoho = dict(zoho)
        self._commands = commands

    def settings(self, role: str, **more: str) -> dict[str, str]:
        return environment(
            **self._zoho,
            DATABASE_URL=self._database.dsn(role),
            ZOHO_REQUESTS_PER_MINUTE="0",
            **more,
        )

    async def type(self, *words: str, role: str = DAEMON, **more: str) -> Said:
        """Runs a command to its end, while the simulator goes on answering."""
        code, out, err = await anyio.to_thread.run_sync(self._commands.run, words, self.settings(role, **more))
        return Said(code, out.decode(), err.decode())

    def start(self, *words: str, role: str = DAEMON, **more: str) -> subprocess.Popen[str]:
        """Starts a command; the caller ends it."""
        return subprocess.Popen(
            [*COMMAND, *words],
            cwd=ROOT,
            env=self.settings(role, **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def interruptible(self, *words: str, role: str = DAEMON, **more: str) -> Iterator[subprocess.Popen[str]]:
        """A command that a test interrupts; killed where the test forgot."""
        with self.start(*words, role=role, **more) as process:
            try:
                yield process
            finally:
                process.kill()


async def ended(process: subprocess.Popen[str], number: signal.Signals | None = None) -> Said:
    """Waits for a process, after a signal if one is given; the simulator goes on answering."""
    if number is not None:
        process.send_signal(number)
    out, err = await anyio.to_thread.run_sync(process.communicate)
    return Said(process.returncode, out, err)


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition; fails after 30 s."""
    with anyio.fail_after(30):
        while not condition():  # noqa: ASYNC110 - the condition is the caller's
            await anyio.sleep(0.02)


class Host:
    """The host's application, and a look into the tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def customer(self, number: str, **columns: str | None) -> UUID:
        """A new customer with the account number."""
        values: dict[str, str | None] = {
            "first_name": "Anna",
            "last_name": "Meadow",
            "email": f"{number}@example.com".lower(),
            "phone": "+27 21 555 0101",
            "account_number": number,
        }
        return self._insert("customers", values | columns)

    def service(self, customer_id: UUID, *, package_id: UUID | None = None, **columns: Any) -> UUID:
        """A new active service, of a package that is published unless another one is given."""
        values = {
            "customer_id": customer_id,
            "package_id": package_id or self.package("FIBRE-50"),
            "package_name": "Fibre 50/50",
            "service_type": "fibre",
            "monthly_price": "799.00",
            "status": "active",
            "billing_day": 1,
            "activation_date": "2026-01-01",
        }
        return self._insert("customer_services", values | columns)

    def package(self, sku: str, *, published: str = "ok") -> UUID:
        """A new package; ``published`` is what product_integrations says of it."""
        package_id = self._insert(
            "service_packages",
            {
                "name": f"Package {sku}",
                "service_type": "fibre",
                "speed_down": 50,
                "speed_up": 50,
                "price": "799.00",
                "sku": sku,
            },
        )
        self._insert("product_integrations", {"service_package_id": package_id, "sync_status": published})
        return package_id

    def invoice(self, customer_id: UUID, number: str, **columns: Any) -> UUID:
        """A new invoice over an installation, which the host bills itself."""
        values = {
            "customer_id": customer_id,
            "invoice_number": number,
            "invoice_date": "2026-01-05",
            "due_date": "2026-01-12",
            "subtotal": "1000.00",
            "tax_amount": "150.00",
            "total_amount": "1150.00",
            "amount_due": "1150.00",
            "status": "sent",
            "invoice_type": "installation",
        }
        return self._insert("customer_invoices", values | columns)

    def payment(self, transaction: str, **columns: Any) -> UUID:
        """A new completed payment."""
        values = {
            "transaction_id": transaction,
            "reference": f"Ref {transaction}",
            "provider": "netcash",
            "amount": "500.00",
            "status": "completed",
            "completed_at": "2026-01-06 10:00+02",
        }
        return self._insert("payment_transactions", values | columns)

    def _insert(self, table: str, values: Mapping[str, Any]) -> UUID:
        names = ", ".join(values)
        places = ", ".join(f"%({name})s" for name in values)
        row = self.one(f"INSERT INTO public.{table} ({names}) VALUES ({places}) RETURNING id", values)
        found = row["id"]
        assert isinstance(found, UUID)
        return found

    def rows(self, query: str, parameters: Any = None) -> list[dict[str, Any]]:
        with psycopg.connect(self._database.superuser_dsn, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def one(self, query: str, parameters: Any = None) -> dict[str, Any]:
        (row,) = self.rows(query, parameters)
        return row

    def forget_captures(self) -> None:
        """As if the rows had been there before the installation."""
        self.rows("ALTER TABLE public.zoho_outbox DISABLE TRIGGER zoho_outbox_guard_delete")
        self.rows("DELETE FROM public.zoho_outbox")
        self.rows("ALTER TABLE public.zoho_outbox ENABLE ALWAYS TRIGGER zoho_outbox_guard_delete")

    def daemon_alive(self) -> UUID:
        """A session of a daemon on another machine, heard of just now."""
        row = self.one(
            """
            INSERT INTO zoho_outbox_private.session (id, kind, host, pid, program_version, listening)
            VALUES (gen_random_uuid(), 'daemon', 'billing-1', 4711, '0.1.0', true)
            RETURNING id
            """
        )
        found = row["id"]
        assert isinstance(found, UUID)
        return found


@pytest.fixture
def host(migrated_database: Database) -> Host:
    return Host(migrated_database)


@pytest.fixture
async def zoho() -> AsyncIterator[RunningSimulator]:
    async with running_simulator(SimulatorSettings(limits=LimitSettings.wide())) as running:
        yield running


@pytest.fixture(scope="session")
def commands() -> Iterator[Prestarted]:
    # Not below pytest's own folders: the address of a socket has 107 characters at most.
    with tempfile.TemporaryDirectory() as folder, prestarted(Path(folder)) as running:
        yield running


@pytest.fixture
def at_once(commands: Prestarted) -> Callable[..., Said]:
    """:func:`type_command` without the wait for the imports."""

    def run(*words: str, **settings: str) -> Said:
        code, out, err = commands.run(words, environment(**settings))
        return Said(code, out.decode(), err.decode())

    return run


@pytest.fixture
def console(migrated_database: Database, zoho: RunningSimulator, commands: Prestarted) -> Console:
    return Console(migrated_database, zoho.environment, commands)


@pytest.fixture
def bare_console(migrated_database: Database, commands: Prestarted) -> Console:
    """Without a word about Zoho."""
    return Console(migrated_database, {}, commands)
