"""A full run with failures of every kind, and then a look into everything that it wrote.

Logs at their most talkative, what commands print, tables, pages, API, metrics, alerts, command lines of processes, and
the texts of errors that a database in trouble and a trigger of the host's produce on purpose.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import httpx
import pytest
from psycopg import sql

from outbox.demo.postgres_server import PostgresServer
from outbox.simulator import FaultKind, LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from tests.acceptance.conftest import start_daemon
from tests.acceptance.running import ROOT, DaemonProcess, environment, until
from tests.host.databases import Databases
from tests.host.shapes import HostShape
from tests.migration.migrated import DAEMON, migrated_template
from tests.secrets.planted import (
    ADMIN_TOKEN,
    ALERT_PATH,
    CLIENT_SECRET,
    DATABASE_PASSWORD,
    NAMES,
    PERSON,
    PERSONAL_COLUMNS,
    REFRESH_TOKEN,
    SECRET_COLUMNS,
    STREET,
    Leak,
    persons_in,
    secrets_in,
    tables_of,
    with_password,
)
from tests.sending.billing import PLAN, Billing
from tests.store.host import Host

__all__ = ["start_daemon"]

pytestmark = pytest.mark.anyio

PAGES = "/admin/zoho-sync"
API = "/api/admin/zoho-sync"


@pytest.fixture
async def zoho() -> AsyncIterator[RunningSimulator]:
    settings = SimulatorSettings(limits=LimitSettings.wide(), client_secret=CLIENT_SECRET, refresh_token=REFRESH_TOKEN)
    async with running_simulator(settings) as running:
        yield running


@pytest.fixture
def own_host(own_postgres: PostgresServer) -> Iterator[Host]:
    """On a server of its own, where the daemon's role gets a password."""
    database = Databases(own_postgres, "own").create(migrated_template(HostShape()))
    with Host(database) as host:
        host.interfere(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(DAEMON), sql.Literal(DATABASE_PASSWORD))
        )
        yield host


@dataclass
class Run:
    """Everything that a run wrote, by where."""

    host: Host
    zoho: RunningSimulator
    environ: dict[str, str]
    texts: dict[str, str] = field(default_factory=dict)
    signed_in: dict[str, str] = field(default_factory=dict)
    """Pages and API as an operator sees them: with what people call the row."""
    asked_for: dict[str, str] = field(default_factory=dict)
    """Output in which a person asked for the row's data: personal data is its purpose, secrets are not."""

    async def type(self, *words: str, shows_the_row: bool = False) -> str:
        """Runs a command and keeps what it printed."""
        done = await anyio.run_process(
            [sys.executable, "-m", "daemon", *words],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "NO_COLOR": "1", **self.environ},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            check=False,
        )
        output = done.stdout.decode()
        kept = self.asked_for if shows_the_row else self.texts
        kept[f"output of {' '.join(words)}"] = output
        return output

    async def get(self, address: str, *paths: str) -> None:
        """Fetches pages, signed in and not."""
        async with httpx.AsyncClient(base_url=address, trust_env=False, follow_redirects=True) as client:
            for signed_in in (False, True):
                headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "X-Operator": "finance"} if signed_in else {}
                for path in paths:
                    reply = await client.get(path, headers=headers)
                    kept = self.signed_in if signed_in else self.texts
                    who = "signed in" if signed_in else "by anybody"
                    kept[f"GET {path} {who}"] = f"{reply.status_code} {dict(reply.headers)} {reply.text}"

    def leaks(self) -> list[Leak]:
        """Whatever stands where it must not."""
        for_secrets = self.texts | self.signed_in | self.asked_for | tables_of(self.host, without=SECRET_COLUMNS)
        for_persons = self.texts | tables_of(self.host, without=PERSONAL_COLUMNS)
        return secrets_in(for_secrets) + persons_in(for_persons) + persons_in(self.signed_in, but=NAMES)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def plant_rows(host: Host, zoho: RunningSimulator) -> dict[str, UUID]:
    """A row of each type that is sent, and rows that come to every other end."""
    zoho.simulator.plant_plan(plan_code=PLAN, recurring_price="899.00")
    billing = Billing(host)
    customer = host.add_customer(1, **PERSON)
    service = billing.service(customer, billing.package(), installation_address=STREET)
    invoice = billing.invoice(customer)
    payment = billing.payment(customer, invoice)
    billing.invoice(customer, line_items='[{"description": "For Zelindra Quorvath", "amount": "many"}]')
    host.add_customer(2, **PERSON | {"email": "2.zelindra.quorvath@planted.example@"})
    host.add_customer(3, **PERSON | {"email": "3.zelindra.quorvath@planted.example", "account_type": "internal_test"})
    waiting = host.add_customer(4, **PERSON | {"email": "no address of Zelindra Quorvath"})
    billing.invoice(waiting)
    return {"customer": customer, "subscription": service, "invoice": invoice, "payment": payment}


def plant_faults(zoho: RunningSimulator) -> None:
    """One of each kind on the first requests of each type."""
    for path in ("/customers", "/invoices", "/payments", "/subscriptions"):
        for kind in (
            FaultKind.SERVER_ERROR_BEFORE,
            FaultKind.UNAUTHORISED_57,
            FaultKind.DONE_THEN_LOST,
            FaultKind.HTML_BEFORE,
        ):
            zoho.faults.plant(kind, "POST", path)
    zoho.faults.plant(FaultKind.RATE_LIMITED_43, "POST", "/payments", retry_after_seconds=1)


REFUSES_OUR_WRITE = """
CREATE FUNCTION public.host_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.zoho_sync_status = 'synced' AND NEW.account_number = 'CT-2025-09005' THEN
        RAISE EXCEPTION 'not today, %%', NEW.first_name || ' ' || NEW.last_name || ' ' || NEW.email;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER host_refuses BEFORE UPDATE ON public.customers FOR EACH ROW EXECUTE FUNCTION public.host_refuses();
"""


def come_to_an_end(host: Host) -> bool:
    """Nothing is on its way, save what waits between attempts for what it will not get."""
    return not host.rows(
        "SELECT FROM zoho_outbox_private.entity_state WHERE phase IN ('ready', 'leased', 'scheduled')"
        " UNION ALL SELECT FROM public.zoho_outbox WHERE NOT admitted"
    )


def command_line(process: int) -> str:
    """As anybody on the machine can read it."""
    return Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_no_secret_and_no_personal_data_stands_in_anything_that_a_full_run_wrote(
    own_host: Host, zoho: RunningSimulator, start_daemon: Callable[..., DaemonProcess]
) -> None:
    port = free_port()
    dsn = with_password(own_host.database.dsn(DAEMON))
    environ = environment(
        own_host.database,
        zoho,
        DATABASE_URL=dsn,
        LOG_LEVEL="debug",
        OUTBOX_HTTP_LISTEN=f"127.0.0.1:{port}",
        OUTBOX_ADMIN_TOKEN=ADMIN_TOKEN,
        ALERT_URLS=f"json://127.0.0.1:{free_port()}/{ALERT_PATH}",
    )
    run = Run(own_host, zoho, environ)
    own_host.interfere(REFUSES_OUR_WRITE)
    rows = plant_rows(own_host, zoho)
    own_host.add_customer(5, **PERSON | {"email": "5.zelindra.quorvath@planted.example"})
    plant_faults(zoho)
    daemons = [start_daemon(environ | ({} if first else {"OUTBOX_HTTP_LISTEN": ""})) for first in (True, False)]
    for daemon in daemons:
        await daemon.says("organisation.verified", seconds=90)

    def hurry() -> bool:
        own_host.interfere("UPDATE zoho_outbox_private.organisation SET probe_at = now() WHERE probe_at IS NOT NULL")
        return come_to_an_end(own_host)

    await until(hurry, seconds=150, what="every row comes to an end")
    # The database ends every connection; a daemon is killed with a row in hand; a row is damaged.
    own_host.interfere(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND pid <> pg_backend_pid()",
        [DAEMON],
    )
    held = zoho.faults.plant(FaultKind.HELD_AFTER, "PUT", "/customers/*")
    own_host.change_customer(rows["customer"], phone=PERSON["phone"] + "1")
    await zoho.until(lambda _: held.fired == 1, seconds=60)
    for session in own_host.rows("SELECT pid FROM zoho_outbox_private.session WHERE kind = 'daemon'"):
        run.texts[f"command line of process {session['pid']}"] = command_line(session["pid"])
    daemons[1].signal(signal.SIGKILL)
    held.release()
    own_host.add_customer(6, **PERSON | {"email": "6.zelindra.quorvath@planted.example"})
    await until(hurry, seconds=90, what="the rest comes to an end")

    await run.type("status")
    await run.type("status", "--json")
    for entity_type, row in rows.items():
        await run.type("explain", entity_type, str(row))
        await run.type("explain", entity_type, str(row), "--json")
        await run.type("sync", entity_type, str(row))
        await run.type("sync", entity_type, str(row), "--dry-run", "--force", shows_the_row=True)
    await run.type("find", "customers")
    await run.type("retry-failed", "--dry-run")
    await run.type("backfill", "--dry-run")
    for words in (("doctor",), ("health-check",), ("health-check", "--json"), ("alert-failed",)):
        await run.type(*words)
    address = f"http://127.0.0.1:{port}"
    pages = [PAGES, f"{PAGES}/failed", f"{PAGES}/work", f"{PAGES}/find", f"{PAGES}/find?q=CT-2025-09001"]
    pages += [f"{PAGES}/{entity_type}/{row}" for entity_type, row in rows.items()]
    await run.get(address, "/", "/metrics", "/healthz", "/readyz", *pages, f"{API}/status", f"{API}/logs")
    refused = {name: text[:200] for name, text in run.signed_in.items() if not text.startswith(("200", "503"))}
    assert refused == {}
    daemons[0].signal(signal.SIGTERM)
    await daemons[0].ends(seconds=90)
    for place, daemon in enumerate(daemons):
        run.texts[f"log of daemon {place + 1}"] = daemon.output
    run.texts["queries of all sessions"] = "\n".join(
        str(row) for row in own_host.rows("SELECT application_name, query FROM pg_stat_activity")
    )

    # There was something to find: all came about that was planted.
    log = run.texts["log of daemon 1"] + run.texts["log of daemon 2"]
    for event in ("entry.sent", "entry.dead", "entry.skipped", "entry.waiting", "entry.retried", "request.sent"):
        assert f'"{event}"' in log
    assert {"RaiseException", "fate unknown"} <= {word for word in ("RaiseException", "fate unknown") if word in log}
    assert run.leaks() == []


class TestALeakIsNoticed:
    """Of what was looked for above, each kind is found where it stands."""

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            (f"postgresql://daemon:{DATABASE_PASSWORD}@host/db", "database password"),
            ("Authorization: Zoho-oauthtoken 1000.0123456789abcdef0123.0123456789abcdef0123", "access token"),
            (f"refresh_token={REFRESH_TOKEN}", "refresh token"),
            (f"json://127.0.0.1/{ALERT_PATH}", "alert address"),
        ],
    )
    def test_a_secret(self, text: str, what: str) -> None:
        assert secrets_in({"here": text, "there": "nothing"}) == [Leak("here", what)]

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("GET /customers?email=zelindra.quorvath%40planted.example", "e-mail"),
            ("sent to 77 WYRMWOOD CRESCENT", "street"),
            ('{"phone": "+27319876543"}', "phone without blanks"),
        ],
    )
    def test_personal_data(self, text: str, what: str) -> None:
        assert Leak("here", what) in persons_in({"here": text})

    async def test_a_row_of_any_table(self, migrated_host: Host) -> None:
        assert persons_in(tables_of(migrated_host, without=PERSONAL_COLUMNS)) == []
        migrated_host.interfere(
            "INSERT INTO public.zoho_sync_logs (entity_type, entity_id, zoho_entity_type, status, attempt_number,"
            " error_message) VALUES ('customer', gen_random_uuid(), 'Contacts', 'failed', 1, %s)",
            [f"refused: {PERSON['email']}"],
        )
        migrated_host.interfere(
            "UPDATE zoho_outbox_private.organisation SET broken_why = %s", [f"Bearer {CLIENT_SECRET}"]
        )
        tables = tables_of(migrated_host, without=set())
        assert Leak("table public.zoho_sync_logs", "e-mail") in persons_in(tables)
        assert secrets_in(tables) == [Leak("table zoho_outbox_private.organisation", "client secret")]


@pytest.fixture
def migrated_host(migrated_database: Any) -> Iterator[Host]:
    with Host(migrated_database) as host:
        yield host
