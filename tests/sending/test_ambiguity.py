"""A write whose reply was lost: looked up before anything is created again (failures.md, 2 and 3)."""

from typing import Any
from uuid import UUID

import anyio
import pytest

from outbox.sending.attempt import Ended
from outbox.simulator import FaultKind, RunningSimulator
from outbox.simulator.settings import Undocumented
from tests.sending.conftest import (
    FIRST_LOOK_SECONDS,
    RECHECK_SECONDS,
    NewProcess,
    Process,
    creates_in,
    customers_in,
    requests_to,
    the_customer_in,
)
from tests.store.host import Host

pytestmark = pytest.mark.anyio

DONE = [
    FaultKind.DONE_THEN_LOST,
    FaultKind.DONE_THEN_CUT,
    FaultKind.SERVER_ERROR_AFTER,
    FaultKind.BAD_GATEWAY_AFTER,
    FaultKind.HTML_AFTER,
    FaultKind.TRUNCATED_JSON_AFTER,
]
NOT_DONE = [
    FaultKind.LOST_THEN_NOT_DONE,
    FaultKind.SERVER_ERROR_BEFORE,
    FaultKind.BAD_GATEWAY_BEFORE,
    FaultKind.HTML_BEFORE,
    FaultKind.TRUNCATED_JSON_BEFORE,
]


async def lose_the_create(
    host: Host, zoho: RunningSimulator, process: Process, kind: FaultKind = FaultKind.DONE_THEN_LOST, **columns: Any
) -> UUID:
    """A customer whose create left and whose reply never came."""
    zoho.faults.plant(kind, "POST", "/customers")
    customer = host.add_customer(**columns)
    await process.turn()
    state = host.state(customer)
    assert state["fate_unknown_at"] is not None
    assert (state["phase"], state["attempts"], state["intents"]) == ("scheduled", 1, 1)
    status, error = host.shown(customer)
    assert status == "retrying"
    assert error is not None
    assert error.startswith("fate unknown")
    return customer


@pytest.mark.parametrize("kind", DONE)
async def test_a_create_that_happened_is_found_and_adopted(
    host: Host, zoho: RunningSimulator, process: Process, kind: FaultKind
) -> None:
    customer = await lose_the_create(host, zoho, process, kind)
    assert await process.turn() == []
    await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
    assert creates_in(zoho) == 1
    assert host.shown(customer) == ("synced", None)
    assert host.customer(customer)["zoho_billing_customer_id"] == the_customer_in(zoho)["customer_id"]
    assert host.state(customer)["fate_unknown_at"] is None
    assert [row["status"] for row in host.logs(customer)] == ["retrying", "success"]


@pytest.mark.parametrize("kind", NOT_DONE)
async def test_a_create_that_did_not_happen_is_made_once_after_two_clean_looks(
    host: Host, zoho: RunningSimulator, process: Process, kind: FaultKind
) -> None:
    customer = await lose_the_create(host, zoho, process, kind)
    await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
    assert creates_in(zoho) == 0
    assert host.state(customer)["clean_look_at"] is not None
    assert await process.turn() == []
    await process.turn_later(customer, RECHECK_SECONDS + 1)
    assert creates_in(zoho) == 1
    assert host.shown(customer) == ("synced", None)
    assert requests_to(zoho) == ["POST /customers", "GET /customers", "GET /customers", "POST /customers"]
    assert host.state(customer)["fate_unknown_at"] is None


async def test_a_time_out_is_as_ambiguous_as_a_lost_connection(
    host: Host, zoho: RunningSimulator, new_process: NewProcess
) -> None:
    held = zoho.faults.plant("held_after", "POST", "/customers")
    customer = host.add_customer()
    async with new_process(ZOHO_REQUEST_TIMEOUT_SECONDS="0.2") as process:
        await process.turn()
        held.release()
        assert host.state(customer)["fate_unknown_at"] is not None
        await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
    assert creates_in(zoho) == 1
    assert host.shown(customer) == ("synced", None)


async def test_a_create_that_happens_late_is_found_by_the_second_look(
    host: Host, zoho: RunningSimulator, new_process: NewProcess
) -> None:
    held = zoho.faults.plant("held_before", "POST", "/customers")
    customer = host.add_customer()
    async with new_process(ZOHO_REQUEST_TIMEOUT_SECONDS="0.2") as process:
        await process.turn()
        await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
        held.release()
        await zoho.until(lambda statistics: statistics.count_of_creates("customers") == 1)
        await process.turn_later(customer, RECHECK_SECONDS + 1)
    assert creates_in(zoho) == 1
    assert host.shown(customer) == ("synced", None)


async def test_a_list_that_lags_behind_is_looked_at_again(host: Host, zoho: RunningSimulator, process: Process) -> None:
    zoho.settings.list_lag_seconds = 20
    customer = await lose_the_create(host, zoho, process)
    await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
    assert host.shown(customer)[0] == "retrying"
    zoho.clock.advance(60)
    await process.turn_later(customer, RECHECK_SECONDS + 1)
    assert creates_in(zoho) == 1
    assert host.shown(customer) == ("synced", None)


@pytest.mark.parametrize("filter_", list(Undocumented))
async def test_it_is_found_whatever_the_email_filter_does(
    host: Host, zoho: RunningSimulator, process: Process, filter_: Undocumented
) -> None:
    for number in range(3):
        zoho.simulator.plant_customer(display_name=f"Somebody else {number}", email=f"else{number}@example.com")
    customer = await lose_the_create(host, zoho, process)
    zoho.settings.undocumented.customers_email = filter_
    await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
    await process.turn_later(customer, RECHECK_SECONDS + 1)
    assert creates_in(zoho) == 1
    assert host.shown(customer) == ("synced", None)


@pytest.mark.parametrize(
    "edit",
    [
        {"email": "new.address@example.com"},
        {"email": ""},
        {"first_name": "Marry", "last_name": "Newname"},
        {"business_name": "Newly Founded"},
        {"account_number": "CT-2025-77777"},
        {"account_number": None},
        {"account_number": "CT-2025-77777", "email": "new.address@example.com", "last_name": "Newname"},
    ],
    ids=lambda edit: "+".join(edit) + (" cleared" if not all(edit.values()) else ""),
)
async def test_it_is_found_although_the_row_was_edited_meanwhile(
    host: Host, zoho: RunningSimulator, process: Process, edit: dict[str, Any]
) -> None:
    customer = await lose_the_create(host, zoho, process)
    host.change_customer(customer, **edit)
    # The edit makes it due at once; the look is not taken before its time all the same.
    await process.turn()
    assert "GET /customers" not in requests_to(zoho)
    await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
    await process.turn_later(customer, RECHECK_SECONDS + 1)
    assert creates_in(zoho) == 1
    record = the_customer_in(zoho)
    row = host.customer(customer)
    if row["email"]:
        assert record["email"] == row["email"]
    assert row["account_number"] is None or record["display_name"].endswith(f"[{row['account_number']}]")
    assert host.shown(customer) == ("synced", None)


async def test_an_account_number_that_came_after_the_lost_create_is_no_obstacle(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = await lose_the_create(host, zoho, process, account_number=None)
    host.change_customer(customer, account_number="CT-2025-77777")
    await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
    assert creates_in(zoho) == 1
    assert the_customer_in(zoho)["display_name"].endswith("[CT-2025-77777]")


async def test_a_lost_create_of_a_customer_without_an_email_is_found(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = await lose_the_create(host, zoho, process, email="")
    await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
    assert creates_in(zoho) == 1
    assert host.shown(customer) == ("synced", None)


async def test_a_namesake_with_the_same_email_is_not_taken_for_the_lost_create(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    zoho.simulator.plant_customer(
        display_name="Anna Meadow1 [CT-2025-00001]", email="anna.meadow1@example.com", first_name="Anna"
    )
    customer = await lose_the_create(host, zoho, process, FaultKind.LOST_THEN_NOT_DONE)
    await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
    await process.turn_later(customer, RECHECK_SECONDS + 1)
    assert creates_in(zoho) == 1
    assert host.customer(customer)["zoho_billing_customer_id"] == customers_in(zoho)[1]["customer_id"]


async def test_two_that_could_be_it_are_left_to_a_person(host: Host, zoho: RunningSimulator, process: Process) -> None:
    customer = await lose_the_create(host, zoho, process)
    twin = zoho.simulator.plant_customer(display_name=the_customer_in(zoho)["display_name"])
    zoho.simulator.edit("customers", twin, {"email": host.customer(customer)["email"]})
    await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
    status, error = host.shown(customer)
    assert status == "failed"
    assert error is not None
    assert all(record["customer_id"] in error for record in customers_in(zoho))
    # One is removed there, and the entry is replayed.
    zoho.simulator.remove("customers", twin)
    host.replay(host.entries(customer)[-1]["id"])
    await process.turn()
    assert host.shown(customer) == ("synced", None)
    assert creates_in(zoho) == 1


async def test_a_second_lost_create_begins_the_looks_anew(host: Host, zoho: RunningSimulator, process: Process) -> None:
    customer = await lose_the_create(host, zoho, process, FaultKind.LOST_THEN_NOT_DONE)
    await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
    zoho.faults.plant(FaultKind.DONE_THEN_LOST, "POST", "/customers")
    await process.turn_later(customer, RECHECK_SECONDS + 1)
    assert creates_in(zoho) == 1
    await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
    assert creates_in(zoho) == 1
    assert host.shown(customer) == ("synced", None)


async def test_the_looks_do_not_burn_attempts(host: Host, zoho: RunningSimulator, process: Process) -> None:
    customer = await lose_the_create(host, zoho, process, FaultKind.LOST_THEN_NOT_DONE)
    await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
    assert host.state(customer)["attempts"] == 1


async def test_a_look_that_fails_leaves_the_fate_unknown(host: Host, zoho: RunningSimulator, process: Process) -> None:
    customer = await lose_the_create(host, zoho, process)
    # Twice: the first refusal could be of the undocumented filter.
    zoho.faults.plant(FaultKind.REFUSED, "GET", "/customers", status=400, code=9999, message="no", times=2)
    await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
    assert host.state(customer)["fate_unknown_at"] is not None
    host.replay(host.entries(customer)[-1]["id"])
    await process.turn()
    assert creates_in(zoho) == 1


@pytest.mark.parametrize("kind", [*DONE, *NOT_DONE])
async def test_an_update_whose_reply_was_lost_is_sent_again(
    host: Host, zoho: RunningSimulator, process: Process, kind: FaultKind
) -> None:
    customer = host.add_customer(phone="1")
    await process.turn()
    host.change_customer(customer, phone="2")
    zoho.faults.plant(kind, "PUT", "/customers/*")
    await process.turn()
    assert host.shown(customer)[0] == "retrying"
    await process.turn_later(customer)
    assert the_customer_in(zoho)["phone"] == "2"
    assert host.shown(customer) == ("synced", None)


async def test_an_update_that_may_have_happened_is_undone_when_the_row_goes_back(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = host.add_customer(phone="1")
    await process.turn()
    host.change_customer(customer, phone="2")
    zoho.faults.plant(FaultKind.DONE_THEN_LOST, "PUT", "/customers/*")
    await process.turn()
    host.change_customer(customer, phone="1")
    await process.turn()
    assert the_customer_in(zoho)["phone"] == "1"


async def test_a_half_done_update_is_undone_when_the_row_goes_back(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    customer = host.add_customer(phone="1")
    await process.turn()
    host.change_customer(customer, account_status="cancelled")
    await process.turn()
    assert the_customer_in(zoho)["status"] == "inactive"
    host.change_customer(customer, account_status="active", phone="2")
    held = zoho.faults.plant(FaultKind.HELD_AFTER, "POST", "*/markasactive")
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(process.turn)
            await zoho.until(lambda _: held.fired == 1)
            with host.operator() as operator:
                operator.execute("SELECT zoho_outbox_pause('now')")
            held.release()
    assert the_customer_in(zoho)["status"] == "active"
    host.change_customer(customer, account_status="cancelled", phone="1")
    with host.operator() as operator:
        operator.execute("SELECT zoho_outbox_resume()")
    await process.turns_until_quiet()
    assert the_customer_in(zoho)["status"] == "inactive"


async def test_an_attempt_that_is_interrupted_says_that_it_sent_something(
    host: Host, zoho: RunningSimulator, process: Process
) -> None:
    held = zoho.faults.plant(FaultKind.HELD_AFTER, "POST", "/customers")
    customer = host.add_customer()
    store = process.engine.store
    await store.admit(100)
    (claim,) = await store.claim(10, 40)
    entity = process.engine.entities[claim.entity_type]
    async with process.engine.database.connection() as connection:
        rows = await entity.read(connection, [customer])
    ended: list[Ended] = []
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:

            async def attempt() -> None:
                await process.engine.sender.attempt(entity, claim, rows[customer], ended.append)

            tasks.start_soon(attempt)
            await zoho.until(lambda _: held.fired == 1)
            tasks.cancel_scope.cancel()
    held.release()
    (interrupted,) = ended
    # Without a call in its log row, a refused acknowledgement would not be followed by a resend.
    assert interrupted.verdict.log is not None
    assert interrupted.verdict.log.api_calls == 1
    await store.settle([interrupted.verdict])
    state = host.state(customer)
    assert (state["attempts"], state["fate_unknown_at"] is not None) == (0, True)
    await process.turn_later(customer, FIRST_LOOK_SECONDS + 1)
    assert creates_in(zoho) == 1
    assert host.shown(customer) == ("synced", None)


async def test_a_spent_lease_sends_nothing(host: Host, zoho: RunningSimulator, process: Process) -> None:
    customer = host.add_customer()
    store = process.engine.store
    await store.admit(100)
    (claim,) = await store.claim(10, 40)
    claim.lease.good_until = process.engine.clock.monotonic() + 1.0
    entity = process.engine.entities[claim.entity_type]
    async with process.engine.database.connection() as connection:
        rows = await entity.read(connection, [customer])
    ended = await process.engine.sender.attempt(entity, claim, rows[customer], lambda _: None)
    assert requests_to(zoho) == []
    await store.settle([ended.verdict])
    assert host.state(customer)["attempts"] == 0
    await process.turn()
    assert creates_in(zoho) == 0, "not in the same breath"
    await process.turn_later(customer, 5)
    assert creates_in(zoho) == 1


async def test_a_process_that_slept_past_its_lease_does_not_win(
    host: Host, zoho: RunningSimulator, new_process: NewProcess
) -> None:
    async with new_process() as sleeper, new_process() as successor:
        customer = host.add_customer(phone="1")
        await sleeper.turn()
        host.change_customer(customer, phone="2")
        held = zoho.faults.plant(FaultKind.HELD_BEFORE, "PUT", "/customers/*")
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(sleeper.turn)
                await zoho.until(lambda _: held.fired == 1)
                host.change_customer(customer, phone="3")
                host.pass_time(customer, 1000)
                await successor.engine.store.reclaim()
                await successor.turn()
                assert the_customer_in(zoho)["phone"] == "3"
                held.release()
        # The old request overwrote the new one; its refused acknowledgement brings the row again.
        assert the_customer_in(zoho)["phone"] == "2"
        await successor.turns_until_quiet()
        assert the_customer_in(zoho)["phone"] == "3"
        assert host.shown(customer) == ("synced", None)
