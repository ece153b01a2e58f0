"""Failures of failures.md that take real processes, one at a time; the numbers are its numbers."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from outbox.logs import Event
from tests.crash import verdict
from tests.crash.customers import CustomerWorkload
from tests.crash.run import until_quiet
from tests.crash.stage import LEASE_SECONDS, Replica, Stage, stage

pytestmark = pytest.mark.anyio

CREATED = "POST /customers"
UPDATED = "PUT /customers/{customer_id}"
PATIENCE_SECONDS = 60.0


@pytest.fixture
async def scene() -> AsyncIterator[Stage]:
    async with stage(2) as opened:
        yield opened


async def test_1_a_create_that_zoho_did_before_the_daemon_was_killed_is_adopted(scene: Stage) -> None:
    first, second = scene.replicas
    await scene.zoho.plant({"kind": "held_after", "method": "POST", "path": "/customers"})
    await first.start()
    customer = await add_customer(scene)
    await until(lambda: fault_fired(scene))
    await first.kill()
    await second.start()
    await scene.zoho.clear_faults()
    await settled(scene)
    assert await requests(scene, CREATED) == 1
    assert "fate unknown, daemon died" in await errors_logged(scene, customer)


async def test_2_a_create_that_was_lost_with_its_daemon_is_made_once_by_the_next(scene: Stage) -> None:
    first, second = scene.replicas
    await scene.zoho.plant({"kind": "lost_then_not_done", "method": "POST", "path": "/customers", "seconds": 1.5})
    await first.start()
    await add_customer(scene)
    await until(lambda: fault_fired(scene))
    await first.kill()
    await second.start()
    await settled(scene)
    assert await requests(scene, CREATED) == 2
    assert sum((await scene.zoho.get("statistics"))["creates"]["customers"]["External ID"].values()) == 1


@pytest.mark.slow
async def test_4_a_daemon_stopped_before_its_request_leaves_lets_go_of_it(scene: Stage) -> None:
    first, second = scene.replicas
    await first.start()
    await until(lambda: said(first, Event.ORGANISATION_VERIFIED))
    async with await psycopg.AsyncConnection.connect(scene.database.superuser_dsn) as connection:
        # Permission is asked for after the claim and before the lease is looked at: here it waits.
        await connection.execute("SELECT FROM zoho_outbox_private.request_budget FOR UPDATE")
        await add_customer(scene)
        await until(lambda: daemon_waits_for_a_lock(scene))
        first.send(signal.SIGSTOP)
        await connection.rollback()
    await asyncio.sleep(LEASE_SECONDS)
    await second.start()
    await settled(scene)
    first.send(signal.SIGCONT)
    await until(lambda: said(first, Event.ACKNOWLEDGEMENT_REFUSED))
    await settled(scene)
    assert await requests(scene, CREATED) == 1


async def test_4_a_daemon_stopped_after_its_request_left_cannot_undo_a_newer_state(scene: Stage) -> None:
    first, second = scene.replicas
    await first.start()
    customer = await add_customer(scene)
    await settled(scene)
    await scene.zoho.plant({"kind": "slow_before", "method": "PUT", "seconds": 1.5})
    await rename(scene, customer, "Older")
    await until(lambda: fault_fired(scene))
    first.send(signal.SIGSTOP)
    await rename(scene, customer, "Newer")
    await second.start()
    await settled(scene)
    # As if another program had written what the stopped daemon's request held: the last word must be ours.
    first.send(signal.SIGCONT)
    await until(lambda: said(first, Event.ACKNOWLEDGEMENT_REFUSED))
    await settled(scene)
    assert await changes(scene, customer) == ["inserted", "updated", "updated", "resend"]


async def test_5_a_database_that_goes_away_stops_nobody_and_is_told_once(scene: Stage) -> None:
    first, _ = scene.replicas
    await first.start()
    customer = await add_customer(scene)
    await settled(scene)
    await asyncio.to_thread(scene.postgres.shut_down, "immediate")
    await until(lambda: said(first, Event.DATABASE_LOST))
    await asyncio.sleep(5)
    await asyncio.to_thread(scene.postgres.start)
    await until(lambda: said(first, Event.DATABASE_BACK))
    await rename(scene, customer, "Later")
    await settled(scene)
    assert first.runs
    assert len(told(first, Event.DATABASE_LOST)) == len(told(first, Event.DATABASE_BACK)) == 1


@pytest.mark.slow
async def test_6_a_reply_that_comes_while_the_database_is_frozen_is_not_lost(scene: Stage) -> None:
    first, _ = scene.replicas
    await scene.zoho.plant({"kind": "slow_after", "method": "POST", "path": "/customers", "seconds": 1.0})
    await first.start()
    customer = await add_customer(scene)
    await until(lambda: fault_fired(scene))
    first.to_database.freeze()
    await until(lambda: said(first, Event.DATABASE_LOST))
    first.to_database.forward()
    await settled(scene)
    assert await requests(scene, CREATED) == 1
    assert await changes(scene, customer) in (["inserted"], ["inserted", "resend"])


@pytest.mark.slow
async def test_6_a_daemon_that_froze_while_it_settled_holds_no_row_of_the_applications(scene: Stage) -> None:
    first, _ = scene.replicas
    await first.start()
    await until(lambda: said(first, Event.ORGANISATION_VERIFIED))
    # Slow enough to freeze on the way to a settlement, or on the way back.
    first.to_database.delay(0.3)
    customer = await add_customer(scene)
    await until(lambda: creates_reached(scene))
    first.to_database.freeze()
    async with await psycopg.AsyncConnection.connect(scene.database.dsn(), autocommit=True) as connection:
        await connection.execute(f"SET lock_timeout = '{PATIENCE_SECONDS:g}s'".encode())
        await connection.execute("UPDATE public.customers SET last_name = 'Mine' WHERE id = %s", [customer])
    first.to_database.forward()
    await settled(scene)


async def test_8_a_deletion_stays_one_when_its_insert_is_seen_after_it(scene: Stage) -> None:
    first, _ = scene.replicas
    customer = await add_customer(scene)
    async with await psycopg.AsyncConnection.connect(scene.database.superuser_dsn) as connection:
        # As a backlog does, of which the newest entries are taken first: the deletion comes before the insert.
        await connection.execute("SELECT FROM public.zoho_outbox WHERE change = 'inserted' FOR UPDATE")
        await scene.rows("DELETE FROM public.customers WHERE id = %s", [customer])
        await first.start()
        await until(lambda: said(first, Event.ENTRY_SKIPPED))
        await connection.rollback()
    await settled(scene)
    (state,) = await scene.rows("SELECT phase, last_error FROM zoho_outbox_private.entity_state")
    assert state == {"phase": "idle", "last_error": "host row deleted; it was never in Zoho"}


async def test_13_a_token_that_died_in_an_outage_is_replaced_by_the_one_request_that_asks_whether_it_is_over(
    scene: Stage,
) -> None:
    first, _ = scene.replicas
    await first.start()
    customer = await add_customer(scene)
    await settled(scene)
    await scene.rows(
        """
        UPDATE zoho_outbox_private.organisation
        SET broken_at = now(), broken_why = 'an outage', outages_in_a_row = 5, probes = 0, probe_at = now()
        """
    )
    await scene.zoho.expire_tokens()
    await rename(scene, customer, "Later")
    await settled(scene)


async def test_17_a_deletion_stays_one_when_it_is_replayed_before_a_daemon_has_seen_it(scene: Stage) -> None:
    first, second = scene.replicas
    await first.start()
    customer = await add_customer(scene)
    await settled(scene)
    await first.terminate()
    await scene.rows("DELETE FROM public.customers WHERE id = %s", [customer])
    await scene.rows("UPDATE public.zoho_outbox SET status = 'pending' WHERE NOT admitted")
    await second.start()
    await settled(scene)
    (state,) = await scene.rows("SELECT phase, last_error FROM zoho_outbox_private.entity_state")
    assert state["phase"] == "idle"
    assert state["last_error"].startswith("host row deleted")


async def test_17_an_id_cleared_by_hand_makes_no_second_record_while_lists_lag_behind(scene: Stage) -> None:
    first, _ = scene.replicas
    await scene.zoho.change_settings(list_lag_seconds=60)
    await first.start()
    customer = await add_customer(scene)
    await settled(scene)
    await scene.rows(
        "UPDATE public.customers SET zoho_billing_customer_id = NULL, last_name = 'Later' WHERE id = %s", [customer]
    )
    await settled(scene)
    assert await requests(scene, CREATED) == 1


async def test_18_a_daemon_told_to_stop_under_load_finishes_what_it_holds(scene: Stage) -> None:
    first, second = scene.replicas
    await scene.zoho.plant({"kind": "slow_after", "method": "POST", "times": None, "seconds": 0.5})
    await first.start()
    for _ in range(60):
        await add_customer(scene)
    await until(lambda: fault_fired(scene))
    await first.terminate()
    assert scene.tally.bad_ends == []
    (row,) = await scene.rows(
        """
        SELECT
            count(*) FILTER (WHERE phase = 'leased') AS leased,
            count(*) FILTER (WHERE phase = 'ready' AND attempts > 0) AS burned,
            count(*) FILTER (WHERE fate_unknown_at IS NOT NULL) AS unknown
        FROM zoho_outbox_private.entity_state
        """
    )
    assert row == {"leased": 0, "burned": 0, "unknown": 0}
    await second.start()
    await settled(scene)
    assert await requests(scene, CREATED) == 60


async def test_18_a_second_signal_ends_what_is_in_flight_and_the_next_daemon_looks_for_it(scene: Stage) -> None:
    first, second = scene.replicas
    await scene.zoho.plant({"kind": "slow_after", "method": "POST", "times": None, "seconds": 1.9})
    await first.start()
    for _ in range(20):
        await add_customer(scene)
    await until(lambda: fault_fired(scene))
    await first.terminate(twice=True)
    assert scene.tally.bad_ends == []
    await second.start()
    await settled(scene)


async def test_18_a_second_signal_to_a_daemon_that_is_leaving_changes_nothing(scene: Stage) -> None:
    first, _ = scene.replicas
    for pause in (0.05, 0.1, 0.2, 0.3):
        await first.start()
        await until(lambda: said(first, Event.ORGANISATION_VERIFIED))
        first.send(signal.SIGTERM)
        await asyncio.sleep(pause)
        first.send(signal.SIGTERM)
        assert await first.ended() == 0
        first.log_path.unlink()


async def test_23_a_clone_of_the_database_is_not_sent_from(scene: Stage) -> None:
    first, second = scene.replicas
    await first.start()
    await add_customer(scene)
    await settled(scene)
    await first.terminate()
    asked = (await scene.zoho.get("statistics"))["requests"]
    async with await psycopg.AsyncConnection.connect(scene.postgres.dsn(), autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE staging TEMPLATE {scene.database.name}".encode())
    async with await psycopg.AsyncConnection.connect(scene.postgres.dsn("staging"), autocommit=True) as connection:
        await connection.execute("UPDATE public.customers SET last_name = 'Clone'")
    second.use_database("staging")
    await second.start()
    assert await second.ended() == 2
    assert [line["reason"] for line in told(second, Event.DAEMON_REFUSED)]
    assert (await scene.zoho.get("statistics"))["requests"] == asked


# What the tests say.


async def add_customer(scene: Stage) -> UUID:
    customer = uuid4()
    await scene.rows(
        "INSERT INTO public.customers (id, first_name, last_name, email, phone) VALUES (%s, 'A', 'B', %s, '1')",
        [customer, f"{customer}@example.com"],
    )
    return customer


async def rename(scene: Stage, customer: UUID, name: str) -> None:
    await scene.rows("UPDATE public.customers SET last_name = %s WHERE id = %s", [name, customer])


async def until(condition: Callable[[], Awaitable[bool] | bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(0.02)


async def settled(scene: Stage) -> None:
    """Nothing is to be done any more, and both sides agree in everything."""
    await until_quiet(scene, PATIENCE_SECONDS)
    workload = CustomerWorkload()
    evidence = await verdict.gather(scene, workload)
    cases = verdict.judge(workload, evidence)
    entities = {case.entity_id for case in cases if case.entity_id is not None}
    stories = [verdict.story(scene, workload, evidence, entity_id) for entity_id in entities]
    assert not cases, "\n".join([*map(str, cases), *stories])


async def fault_fired(scene: Stage) -> bool:
    return any(fault["fired"] for fault in (await scene.zoho.get("faults"))["faults"])


async def daemon_waits_for_a_lock(scene: Stage) -> bool:
    return bool(
        await scene.rows(
            "SELECT FROM pg_stat_activity WHERE usename = 'zoho_outbox_daemon' AND wait_event_type = 'Lock'"
        )
    )


async def creates_reached(scene: Stage) -> bool:
    return await requests(scene, CREATED) >= 1


async def requests(scene: Stage, route: str) -> int:
    count: int = (await scene.zoho.get("statistics"))["by_route"].get(route, 0)
    return count


async def errors_logged(scene: Stage, customer: UUID) -> str:
    rows = await scene.rows("SELECT error_message FROM public.zoho_sync_logs WHERE entity_id = %s", [customer])
    return "\n".join(str(row["error_message"]) for row in rows)


async def changes(scene: Stage, customer: UUID) -> list[str]:
    rows = await scene.rows("SELECT change FROM public.zoho_outbox WHERE entity_id = %s ORDER BY id", [customer])
    return [row["change"] for row in rows]


def told(replica: Replica, event: Event) -> list[dict[str, Any]]:
    if not replica.log_path.exists():
        return []
    lines = [json.loads(line) for line in replica.log_path.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def said(replica: Replica, event: Event) -> bool:
    return bool(told(replica, event))
