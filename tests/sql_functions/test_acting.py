"""Who acts: session_user, or whom a session of the daemon's names (decisions.md, Rows and rights)."""

from typing import LiteralString

import psycopg
import pytest

from outbox.store.protocol import OutboxStore
from tests.migration.migrated import DAEMON, OPERATOR
from tests.store.conftest import claim_one
from tests.store.host import Connection, Host
from tests.store.test_operator_functions import done

pytestmark = pytest.mark.anyio

NAME: LiteralString = "SELECT set_config('zoho_outbox.operator', %s, true)"
PAUSED_BY: LiteralString = "SELECT paused_by FROM zoho_outbox_private.organisation"


def pause_as(connection: Connection, named: str | None) -> None:
    with connection.transaction():
        if named is not None:
            connection.execute(NAME, [named])
        connection.execute("SELECT public.zoho_outbox_pause('month end')")


@pytest.mark.parametrize(
    ("login", "named", "recorded"),
    [
        (OPERATOR, None, OPERATOR),
        (OPERATOR, "alice", OPERATOR),
        (DAEMON, None, DAEMON),
        (DAEMON, "alice", "alice"),
        (DAEMON, "  alice van Wyk ", "alice van Wyk"),
        (DAEMON, "   ", DAEMON),
        (DAEMON, "x" * 500, "x" * 100),
    ],
)
def test_the_daemon_s_sessions_alone_are_believed_whom_they_name(
    host: Host, login: str, named: str | None, recorded: str
) -> None:
    with host.connect(login) as connection:
        pause_as(connection, named)
    assert host.value(PAUSED_BY) == recorded


def test_a_name_lasts_for_its_transaction(host: Host) -> None:
    with host.connect(DAEMON) as connection:
        pause_as(connection, "alice")
        connection.execute("SELECT public.zoho_outbox_resume()")
        pause_as(connection, None)
    assert host.value(PAUSED_BY) == DAEMON


def test_in_a_copy_without_the_daemon_s_role_the_host_s_own_update_goes_through(host: Host) -> None:
    # Roles belong to the cluster, which other tests share: the name is one that is not there, in a transaction.
    source = host.value("SELECT pg_get_functiondef('zoho_outbox_private.acting()'::regprocedure)")
    customer = host.add_customer()
    with psycopg.connect(host.database.superuser_dsn) as connection:
        connection.execute(source.replace("'zoho_outbox_daemon'", "'zoho_outbox_nobody'").encode())
        connection.execute("UPDATE public.customers SET zoho_sync_status = 'pending' WHERE id = %s", [customer])
        asked = connection.execute("SELECT zoho_outbox_private.acting(), session_user::text").fetchone()
        connection.rollback()
    assert asked is not None
    assert asked[0] == asked[1]


def test_who_ended_a_pause_is_recorded_with_when(host: Host) -> None:
    with host.operator() as operator:
        pause_as(operator, None)
        operator.execute("SELECT public.zoho_outbox_resume()")
    (row,) = host.rows("SELECT resumed_by, resumed_at, paused_at FROM zoho_outbox_private.organisation")
    assert (row["resumed_by"], row["paused_at"]) == (OPERATOR, None)
    assert row["resumed_at"] is not None


async def test_replay_skip_guard_and_request_record_who_acts(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await store.settle([done(await claim_one(store))])
    entry = host.entry(customer)["id"]
    acts: dict[LiteralString, list[object]] = {
        "SELECT * FROM public.zoho_outbox_replay(%s)": [entry],
        "UPDATE public.zoho_outbox SET status = 'pending' WHERE id = %s": [entry],
    }
    for number, (act, parameters) in enumerate(acts.items()):
        with host.connect(DAEMON) as connection, connection.transaction():
            connection.execute(NAME, [f"alice {number}"])
            connection.execute(act, parameters)
        assert host.entry(customer)["requested_by"] == f"alice {number}"
        assert host.entry(customer)["requested_at"] > host.entry(customer)["created_at"]
    with host.connect(DAEMON) as connection, connection.transaction():
        connection.execute(NAME, ["bob"])
        connection.execute("UPDATE public.customers SET zoho_sync_status = 'pending' WHERE id = %s", [customer])
    assert host.entries(customer)[-1]["requested_by"] == "bob"


def test_nobody_may_ask_the_private_function_itself(host: Host) -> None:
    with host.operator() as operator, pytest.raises(psycopg.errors.InsufficientPrivilege):
        operator.execute("SELECT zoho_outbox_private.acting()")
