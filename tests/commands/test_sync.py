"""``sync`` as a person types it, alone and beside others."""

import signal
from uuid import uuid4

import anyio
import pytest

from daemon.command_line import DONE, FAILED, INTERRUPTED
from outbox.simulator import FaultKind, RunningSimulator
from outbox.vocabulary import EntityType
from tests.commands.conftest import Console, Host, Said, ended, until
from tests.migration.migrated import OPERATOR

pytestmark = pytest.mark.anyio

STATE = "SELECT * FROM zoho_outbox_private.entity_state WHERE entity_id = %s"
ENTRIES = "SELECT * FROM public.zoho_outbox WHERE entity_id = %s ORDER BY id"


def sends(zoho: RunningSimulator) -> int:
    """Requests about customers, reads and writes."""
    return sum(count for route, count in zoho.statistics.by_route.items() if "/customers" in route)


async def test_a_captured_row_is_created_with_one_request(console: Console, host: Host, zoho: RunningSimulator) -> None:
    entity_id = host.customer("CT-1")
    said = await console.type("sync", "customer", "CT-1")
    assert (said.code, said.err) == (DONE, "")
    assert said.out.startswith("customer CT-1: sent, Zoho has it as 46")
    assert "(1 request, " in said.out
    assert sends(zoho) == 1
    row = host.one("SELECT * FROM public.customers WHERE id = %s", [entity_id])
    assert row["zoho_sync_status"] == "synced"
    assert row["zoho_billing_customer_id"] in said.out
    (entry,) = host.rows(ENTRIES, [entity_id])
    assert (entry["status"], entry["outcome"], entry["origin"]) == ("done", "sent", "trigger")
    assert host.rows("SELECT * FROM zoho_outbox_private.session") == []


async def test_a_row_in_sync_is_answered_and_nothing_is_written(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    entity_id = host.customer("CT-1")
    await console.type("sync", "customer", "CT-1")
    before = host.rows(ENTRIES, [entity_id]), zoho.statistics.requests
    said = await console.type("sync", "customer", str(entity_id))
    assert said.code == DONE
    assert said.out.startswith("customer CT-1: unchanged, nothing sent: Zoho customer 46")
    assert (host.rows(ENTRIES, [entity_id]), zoho.statistics.requests) == before


async def test_force_sends_although_nothing_changed(console: Console, host: Host, zoho: RunningSimulator) -> None:
    entity_id = host.customer("CT-1")
    await console.type("sync", "customer", "CT-1")
    said = await console.type("sync", "customer", "CT-1", "--force")
    assert said.code == DONE
    assert zoho.statistics.by_route["PUT /customers/{customer_id}"] == 1
    entry = host.rows(ENTRIES, [entity_id])[-1]
    assert (entry["origin"], entry["requested_by"], entry["outcome"]) == ("operator", "zoho_outbox_daemon", "sent")


async def test_a_row_from_before_the_installation_is_looked_for_before_it_is_created(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    host.customer("CT-1")
    host.forget_captures()
    said = await console.type("sync", "customer", "CT-1")
    assert said.code == DONE
    assert zoho.statistics.by_route["GET /customers"] == 1
    assert zoho.statistics.by_route["POST /customers"] == 1


async def test_a_row_that_is_not_eligible_is_said_to_be_skipped(console: Console, host: Host) -> None:
    host.customer("CT-1", account_type="internal_test")
    said = await console.type("sync", "customer", "CT-1")
    assert (said.code, said.out) == (FAILED, "customer CT-1: skipped, internal_test account: never sent to Zoho\n")
    again = await console.type("sync", "customer", "CT-1")
    assert (again.code, again.out) == (said.code, said.out)


async def test_a_refusal_is_dead_and_a_further_sync_begins_anew(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    zoho.settings.customers.email_required = True
    entity_id = host.customer("CT-1", email="")
    said = await console.type("sync", "customer", "CT-1")
    assert said.code == FAILED
    assert said.out.startswith("customer CT-1: dead, ")
    assert host.one(STATE, [entity_id])["phase"] == "dead"
    zoho.settings.customers.email_required = False
    again = await console.type("sync", "customer", "CT-1")
    assert again.code == DONE, again
    assert zoho.statistics.count_of_creates("customers") == 1


async def test_a_failure_that_may_pass_says_when_it_is_tried_again(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    entity_id = host.customer("CT-1")
    host.forget_captures()
    zoho.faults.plant(FaultKind.BAD_GATEWAY_BEFORE, "GET", "/customers", times=3)
    said = await console.type("sync", "customer", "CT-1")
    assert said.code == FAILED
    assert "not done; HTTP 502" in said.out
    assert "; it is tried again at 20" in said.out
    assert host.one(STATE, [entity_id])["phase"] == "scheduled"
    assert (await console.type("sync", "customer", "CT-1")).code == DONE


async def test_a_throttle_is_named_and_leaves_the_entry_enqueued(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    host.customer("CT-1")
    zoho.faults.plant(FaultKind.RATE_LIMITED_44, "POST", "/customers")
    said = await console.type("sync", "customer", "CT-1")
    assert said.code == FAILED
    assert "not done; HTTP 429 code 44" in said.out
    assert "; it stays enqueued" in said.out
    again = await console.type("sync", "customer", "CT-1")
    assert again.code == FAILED
    assert "not sent, sending is throttled since " in again.out
    assert "; it stays enqueued and is sent when sending goes on" in again.out
    assert zoho.statistics.by_route["POST /customers"] == 1


async def test_a_create_of_unknown_fate_is_not_sent_again_at_once(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    entity_id = host.customer("CT-1")
    zoho.faults.plant(FaultKind.DONE_THEN_LOST, "POST", "/customers")
    first = await console.type("sync", "customer", "CT-1")
    assert first.code == FAILED
    assert "fate unknown, looking again in 10 s" in first.out
    # However slow the machine is: the ten seconds are not over yet.
    host.rows(
        "UPDATE zoho_outbox_private.entity_state SET fate_unknown_at = fate_unknown_at + interval '1 hour' "
        "WHERE entity_id = %s",
        [entity_id],
    )
    second = await console.type("sync", "customer", "CT-1")
    assert second.code == FAILED
    assert "fate unknown" in second.out
    assert zoho.statistics.count_of_creates("customers") == 1
    # Time passes.
    host.rows(
        "UPDATE zoho_outbox_private.entity_state SET fate_unknown_at = fate_unknown_at - interval '2 hours' "
        "WHERE entity_id = %s",
        [entity_id],
    )
    third = await console.type("sync", "customer", "CT-1")
    assert third.code == DONE
    assert "adopted Zoho customer" in third.out
    assert zoho.statistics.count_of_creates("customers") == 1


async def test_a_pause_is_named_and_leaves_the_entry_enqueued(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    entity_id = host.customer("CT-1")
    host.forget_captures()
    host.rows("SELECT public.zoho_outbox_pause('month end')")
    said = await console.type("sync", "customer", "CT-1")
    assert said.code == FAILED
    assert "sending is paused since " in said.out
    assert "(paused by postgres: month end); it stays enqueued and is sent when sending goes on" in said.out
    (entry,) = host.rows(ENTRIES, [entity_id])
    assert (entry["status"], entry["origin"]) == ("pending", "operator")
    again = await console.type("sync", "customer", "CT-1")
    assert again.out == said.out
    assert len(host.rows(ENTRIES, [entity_id])) == 1
    assert zoho.statistics.requests == 0


async def test_switched_off_by_the_settings_nothing_is_enqueued(console: Console, host: Host) -> None:
    entity_id = host.customer("CT-1")
    host.forget_captures()
    said = await console.type("sync", "customer", "CT-1", ENABLE_ZOHO_SYNC="false")
    assert (said.code, said.out) == (FAILED, "")
    assert said.err.startswith("ENABLE_ZOHO_SYNC is false")
    assert host.rows(ENTRIES, [entity_id]) == []


async def test_two_at_once_send_once_and_both_say_so(console: Console, host: Host, zoho: RunningSimulator) -> None:
    host.customer("CT-1")
    held = zoho.faults.plant(FaultKind.HELD_BEFORE, "POST", "/customers")
    said: list[Said] = []

    async def one() -> None:
        said.append(await console.type("sync", "customer", "CT-1"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        await zoho.until(lambda asked: asked.faults[FaultKind.HELD_BEFORE] == 1)
        with console.interruptible("sync", "customer", "CT-1") as second:
            assert second.stderr is not None
            line = await anyio.to_thread.run_sync(second.stderr.readline)
            assert line.startswith("customer CT-1 is being sent by the command on ")
            held.release()
            follower = await ended(second)
    (first,) = said
    assert first.code == follower.code == DONE
    assert first.out.partition(" (")[0] == follower.out.strip()
    assert zoho.statistics.count_of_creates("customers") == 1


async def test_beside_a_daemon_each_row_is_created_once(console: Console, host: Host, zoho: RunningSimulator) -> None:
    with console.interruptible("run") as daemon:
        await until(lambda: bool(host.rows("SELECT id FROM zoho_outbox_private.session")))
        for number in range(5):
            host.customer(f"CT-{number}")
        said = await console.type("sync", "customer", "CT-4")
        assert said.code == DONE, said
        await until(lambda: host.one("SELECT count(*) AS n FROM customers WHERE zoho_sync_status = 'synced'")["n"] == 5)
        assert (await ended(daemon, signal.SIGTERM)).code == DONE
    assert zoho.statistics.count_of_creates("customers") == 5
    assert zoho.statistics.created_more_than_once("customers", "External ID") == {}


async def test_a_lease_whose_holder_died_is_taken_over(console: Console, host: Host, zoho: RunningSimulator) -> None:
    entity_id = host.customer("CT-1")
    zoho.faults.plant(FaultKind.HELD_BEFORE, "POST", "/customers")
    with console.interruptible("sync", "customer", "CT-1") as process:
        await zoho.until(lambda asked: asked.faults[FaultKind.HELD_BEFORE] == 1)
        process.kill()
        await ended(process)
    assert host.one(STATE, [entity_id])["phase"] == "leased"
    host.rows(
        "UPDATE zoho_outbox_private.entity_state SET lease_until = now(), fate_unknown_at = now() - '1 h'::interval"
    )
    host.rows("UPDATE zoho_outbox_private.entity_state SET clean_look_at = now() - '30 min'::interval")
    said = await console.type("sync", "customer", "CT-1")
    assert said.code == DONE, said
    logged = host.one("SELECT error_message FROM public.zoho_sync_logs WHERE status = 'retrying'")
    assert logged["error_message"].startswith("fate unknown, daemon died")


async def test_ctrl_c_ends_it_quietly_and_records_what_is_known(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    entity_id = host.customer("CT-1")
    zoho.faults.plant(FaultKind.HELD_AFTER, "POST", "/customers")
    with console.interruptible("sync", "customer", "CT-1") as process:
        await zoho.until(lambda asked: asked.faults[FaultKind.HELD_AFTER] == 1)
        said = await ended(process, signal.SIGINT)
    assert (said.code, said.out, said.err) == (INTERRUPTED, "", "")
    state = host.one(STATE, [entity_id])
    assert state["lease_token"] is None
    assert state["fate_unknown_at"] is not None
    assert host.rows("SELECT * FROM zoho_outbox_private.session") == []


async def test_a_clone_of_the_database_is_refused(console: Console, host: Host, zoho: RunningSimulator) -> None:
    host.customer("CT-1")
    host.rows("UPDATE zoho_outbox_private.installation SET system_identifier = '1', database_name = 'production'")
    for words in (["sync", "customer", "CT-1"], ["sync", "customer", "CT-1", "--dry-run"]):
        said = await console.type(*words)
        assert (said.code, said.out) == (FAILED, "")
        assert "zoho-outbox doctor --accept-database" in said.err
        assert len(said.err.splitlines()) == 1
    assert zoho.statistics.requests == 0


async def test_a_foreign_organisation_is_refused_before_anything_is_sent(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    entity_id = host.customer("CT-1")
    said = await console.type("sync", "customer", "CT-1", ZOHO_CURRENCY="EUR")
    assert said.code == FAILED
    assert "ZOHO_CURRENCY is EUR" in said.out
    assert sends(zoho) == 0
    (entry,) = host.rows(ENTRIES, [entity_id])
    assert entry["status"] == "pending"


async def test_an_operator_is_told_which_role_sends(console: Console, host: Host) -> None:
    entity_id = host.customer("CT-1")
    said = await console.type("sync", "customer", str(entity_id), role=OPERATOR)
    assert (said.code, said.out) == (FAILED, "")
    assert "sync and doctor zoho_outbox_daemon" in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("words", [["sync"], ["sync", "--dry-run"]])
@pytest.mark.parametrize("entity_type", list(EntityType))
async def test_unknown_rows_are_refused_by_name(console: Console, entity_type: EntityType, words: list[str]) -> None:
    command, *options = words
    unknown = uuid4()
    said = await console.type(command, entity_type, str(unknown), *options)
    assert (said.code, said.out, said.err) == (FAILED, "", f"there is no {entity_type} {unknown}: check it\n")


async def test_a_child_says_whom_it_waits_for_and_is_sent_once_that_is_in_zoho(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    customer = host.customer("CT-1")
    payment = host.payment("NC-1", customer_id=customer)
    said = await console.type("sync", "payment", "NC-1")
    waiting = "waiting for customer CT-1; it is sent by itself as soon as that is in Zoho"
    assert (said.code, said.out) == (FAILED, f"payment NC-1: {waiting}\n")
    assert zoho.statistics.count_of_creates("payments") == 0
    tried = await console.type("sync", "payment", "NC-1", "--dry-run")
    assert (tried.code, tried.out) == (FAILED, "payment NC-1: nothing would be sent, waiting for customer CT-1\n")
    assert (await console.type("sync", "customer", "CT-1")).code == DONE
    assert host.one(STATE, [payment])["phase"] == "ready"
    sent = await console.type("sync", "payment", "NC-1")
    assert sent.code == DONE, sent
    assert sent.out.startswith("payment NC-1: sent, Zoho has it as 46")
    assert (await console.type("sync", "payment", "NC-1")).out.startswith("payment NC-1: unchanged, nothing sent: ")
    assert zoho.statistics.count_of_creates("payments") == 1


async def test_nothing_personal_and_no_secret_stands_on_stderr(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    host.customer("CT-1", first_name="Leopoldine", email="leopoldine@example.com")
    zoho.faults.plant(FaultKind.SERVER_ERROR_BEFORE, "POST", "/customers")
    said = await console.type("sync", "customer", "CT-1", LOG_LEVEL="debug")
    assert "request.sent" in said.err
    assert "eopoldine" not in said.err
    assert zoho.settings.client_secret not in said.err
    assert zoho.settings.refresh_token not in said.err
