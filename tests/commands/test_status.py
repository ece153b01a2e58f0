"""What ``status`` counts and shows."""

import shlex
import signal
import sys
from datetime import date
from typing import Any

import anyio
import pytest

from daemon.command_line import DONE, INTERRUPTED
from outbox.commands.status import StatusSettings, quota
from outbox.settings import load_settings
from tests.commands.conftest import Console, Host, ended
from tests.migration.migrated import DAEMON, OPERATOR

pytestmark = pytest.mark.anyio

GRANT = """
    GRANT SELECT (id, account_number, account_type, zoho_billing_customer_id, zoho_sync_status, zoho_last_synced_at,
        zoho_last_sync_error) ON public.customers TO zoho_outbox_operator;
    DROP POLICY IF EXISTS zoho_outbox_operator_read ON public.customers;
    CREATE POLICY zoho_outbox_operator_read ON public.customers FOR SELECT TO zoho_outbox_operator USING (true);
"""


def standing(host: Host, number: str, phase: str, **more: Any) -> None:
    """Puts a captured customer into a phase, its entry admitted."""
    row = host.one("SELECT id FROM public.customers WHERE account_number = %s", [number])
    columns = {"entity_id": row["id"], "entity_type": "customer", "phase": phase, **more}
    names = ", ".join(columns)
    places = ", ".join(f"%({name})s" for name in columns)
    host.rows(f"INSERT INTO zoho_outbox_private.entity_state ({names}) VALUES ({places})", columns)
    host.rows(
        "UPDATE public.zoho_outbox SET admitted = true, revision = revision + 1 WHERE entity_id = %s", [row["id"]]
    )


async def test_each_row_counts_once_where_it_stands(bare_console: Console, host: Host) -> None:
    session = host.daemon_alive()
    for number in range(1, 9):
        host.customer(f"CT-{number}")
    host.customer("CT-9", account_type="internal_test")
    standing(host, "CT-2", "ready")
    standing(host, "CT-3", "scheduled")
    standing(host, "CT-4", "waiting", waits_for_type="customer", waits_for_id=session)
    lease = {"lease_token": session, "lease_session": session}
    standing(host, "CT-5", "leased", **lease)
    host.rows("UPDATE zoho_outbox_private.entity_state SET leased_at = now(), lease_until = now() + interval '1 hour'")
    standing(host, "CT-6", "dead")
    standing(host, "CT-7", "idle", zoho_id="46007", shown_status="synced")
    standing(host, "CT-8", "dead")
    host.rows("UPDATE public.customers SET first_name = 'Edited' WHERE account_number = 'CT-8'")
    standing(host, "CT-9", "idle", shown_status="skipped")

    said = await bare_console.type("status", "--json")
    assert (said.code, said.err) == (DONE, "")
    assert list(said.json["by_type"]) == ["customer", "subscription", "invoice", "payment"]
    assert said.json["by_type"]["customer"] == {
        "eligible": 8,
        "in_zoho": 0,
        "pending": 3,  # CT-1 is not admitted, CT-2 is due, CT-8 was edited after it died
        "waiting": 1,
        "processing": 1,
        "retrying": 1,
        "dead": 1,
        "skipped": 1,
    }
    (holding,) = said.json["leases"]
    assert (holding["named"], holding["host"], holding["pid"]) == ("customer CT-5", "billing-1", 4711)
    (daemon,) = said.json["sessions"]
    assert (daemon["kind"], daemon["alive"], daemon["listening"]) == ("daemon", True, True)

    plain = await bare_console.type("status")
    assert "customer CT-5 by billing-1, pid 4711, for " in plain.out
    assert "daemon on billing-1, pid 4711, version 0.1.0: listening, heartbeat " in plain.out


async def test_whatever_is_being_sent_is_named_as_people_know_it(bare_console: Console, host: Host) -> None:
    session = host.daemon_alive()
    customer = host.customer("CT-1")
    service = host.service(customer)
    ids = {"customer": customer, "subscription": service, "invoice": host.invoice(customer, "INV-1")}
    ids["payment"] = host.payment("NC-1", customer_id=customer)
    for entity_type, entity_id in ids.items():
        host.rows(
            """
            INSERT INTO zoho_outbox_private.entity_state
                (entity_type, entity_id, phase, lease_token, lease_session, leased_at, lease_until)
            VALUES (%s, %s, 'leased', %s, %s, now(), now() + interval '1 hour')
            """,
            [entity_type, entity_id, session, session],
        )
    said = await bare_console.type("status", "--json", role=OPERATOR)
    assert {holding["named"] for holding in said.json["leases"]} == {
        "customer CT-1",
        f"subscription {service}",
        "invoice INV-1",
        "payment NC-1",
    }


async def test_the_shape_of_its_json_is_stable(bare_console: Console) -> None:
    said = (await bare_console.type("status", "--json")).json
    assert {
        key: sorted(value) if isinstance(value, dict) else value for key, value in said.items() if key != "now"
    } == {
        "by_type": ["customer", "invoice", "payment", "subscription"],
        "backlog": ["entries", "oldest_seconds"],
        "quota": [
            "day",
            "day_limit",
            "in_flight",
            "left_bulk",
            "left_live",
            "minute_limit",
            "minute_tokens",
            "most_in_flight",
            "tokens_minted_24h",
            "used",
            "used_by_urgency",
        ],
        "organisation": [
            "id",
            "last_good_reply_at",
            "last_good_reply_seconds",
            "mode",
            "name",
            "since",
            "state",
            "until",
            "why",
        ],
        "database": [
            "accepted",
            "accepted_at",
            "accepted_by",
            "look_first_since",
            "look_first_why",
            "name",
            "stored_name",
        ],
        "sessions": [],
        "leases": [],
        "remarks": [],
    }


async def test_it_says_what_stops_sending_and_that_nobody_runs(bare_console: Console, host: Host) -> None:
    host.rows("SELECT public.zoho_outbox_pause('month end')")
    said = await bare_console.type("status")
    assert said.code == DONE
    assert "organisation    PAUSED since " in said.out
    assert ": by postgres: month end; no reply from Zoho yet\n" in said.out
    assert "none: nobody sends; start the daemon" in said.out


async def test_a_copy_of_the_database_is_named_and_can_be_accepted(bare_console: Console, host: Host) -> None:
    host.rows("UPDATE zoho_outbox_private.installation SET system_identifier = '1', database_name = 'production'")
    said = await bare_console.type("status")
    assert "NOT the one that was installed (production)" in said.out
    accepted = await bare_console.type("doctor", "--accept-database")
    assert accepted.code == DONE
    assert accepted.out.startswith("accepted: ")
    after = await bare_console.type("status")
    assert "the one that sends, accepted " in after.out
    assert f" by {DAEMON}; every create looks first since " in after.out
    again = await bare_console.type("doctor", "--accept-database")
    assert (again.code, again.out.partition(":")[0]) == (DONE, "nothing to accept")


async def test_an_operator_sees_all_but_the_rows_of_a_host_table_it_may_not_read(
    bare_console: Console, host: Host
) -> None:
    host.customer("CT-1")
    host.rows("REVOKE ALL ON public.customers FROM zoho_outbox_operator")
    host.rows(
        "REVOKE ALL (id, account_number, account_type, zoho_billing_customer_id) ON public.customers "
        "FROM zoho_outbox_operator"
    )
    said = await bare_console.type("status", "--json", role=OPERATOR)
    assert said.code == DONE
    assert (said.json["by_type"]["customer"]["eligible"], said.json["by_type"]["customer"]["pending"]) == (None, 1)
    assert said.err.startswith(f"role {OPERATOR} may not read what makes rows of public.customers, ")
    assert len(said.err.splitlines()) == 1
    plain = (await bare_console.type("status", role=OPERATOR)).out.splitlines()
    (customers,) = [line.split() for line in plain if line.startswith("customer ")]
    assert customers[:4] == ["customer", "-", "-", "1"]


async def test_an_operator_who_may_read_the_status_columns_sees_all(bare_console: Console, host: Host) -> None:
    host.customer("CT-1")
    host.rows(GRANT)
    said = await bare_console.type("status", "--json", role=OPERATOR)
    assert said.code == DONE
    by_type = said.json["by_type"]
    assert [by_type[kind]["eligible"] for kind in by_type] == [1, 0, 0, None]
    # Whether a payment is a card validation stands in a column that may hold anything: not shown to operators.
    (remark,) = said.json["remarks"]
    assert "rows of public.payment_transactions eligible" in remark


async def test_watch_goes_on_until_ctrl_c_and_ends_quietly(bare_console: Console) -> None:
    with bare_console.interruptible("status", "--watch", "--json") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        second = process.stdout.readline()
        said = await ended(process, signal.SIGINT)
    assert first.startswith('{"now"')
    assert second.startswith('{"now"')
    assert (said.code, said.err) == (INTERRUPTED, "")


async def test_on_a_terminal_it_is_a_table(bare_console: Console) -> None:
    script = ["script", "--quiet", "--return", "--command"]
    settings = bare_console.settings(DAEMON, TERM="xterm", COLUMNS="160")
    command = shlex.join([sys.executable, "-m", "daemon", "status"])
    done = await anyio.run_process([*script, command, "/dev/null"], env=settings, check=False)
    assert done.returncode == DONE
    assert "┃" in done.stdout.decode()
    assert "eligible" in done.stdout.decode()


BUDGET = {"day": date(2026, 1, 15), "requests": 0, "by_urgency": {}, "seconds_ahead": 0.0, "in_flight": 0}


def settings(**more: str) -> StatusSettings:
    return load_settings({"DATABASE_URL": "dbname=x", **more}, required=StatusSettings)


def test_the_reserve_is_left_for_live_changes_alone() -> None:
    row = {**BUDGET, "requests": 650, "by_urgency": {"10": 50, "30": 600}, "tokens_minted": 2}
    found = quota(row, settings())
    assert (found.left_live, found.left_bulk) == (350, 50)
    assert found.used_by_urgency == {"live": 50, "backfill": 600}
    spent = quota({**row, "requests": 1200}, settings())
    assert (spent.left_live, spent.left_bulk) == (0, 0)


def test_no_limit_leaves_no_figure() -> None:
    none = settings(ZOHO_DAILY_REQUEST_LIMIT="0", ZOHO_REQUESTS_PER_MINUTE="0")
    found = quota({**BUDGET, "tokens_minted": 0}, none)
    assert (found.left_live, found.left_bulk, found.minute_tokens) == (None, None, None)


@pytest.mark.parametrize(("ahead", "tokens"), [(0.0, 5), (0.4, 4), (1.0, 4), (3.2, 1), (4.0, 1), (5.0, 0), (60.0, 0)])
def test_the_bucket_of_the_minute_holds_five(ahead: float, tokens: int) -> None:
    found = quota({**BUDGET, "seconds_ahead": ahead, "tokens_minted": 0}, settings())
    assert found.minute_tokens == tokens
