"""Zoho in trouble: throttles, refused credentials, outages. No attempt is burned where the row is not at fault."""

from collections.abc import Callable

import anyio
import pytest
from structlog.testing import capture_logs

from outbox.simulator import FaultKind, RunningSimulator
from outbox.vocabulary import EntityType, OrganisationState, Urgency
from outbox.zoho.exchange import ApiRequest
from tests.sending.conftest import NewProcess, Process, creates_in, requests_to, the_customer_in
from tests.store.host import Host

pytestmark = pytest.mark.anyio


def permits(host: Host) -> int:
    """Requests that the day's budget has been charged with."""
    return int(host.value("SELECT requests FROM zoho_outbox_private.request_budget"))


def let_probe(host: Host) -> None:
    host.interfere("UPDATE zoho_outbox_private.organisation SET probe_at = now(), throttled_until = now()")


class TestThrottled:
    @pytest.mark.parametrize(
        "kind",
        [
            FaultKind.RATE_LIMITED_43,
            FaultKind.RATE_LIMITED_44,
            FaultKind.RATE_LIMITED_45,
            FaultKind.RATE_LIMITED_1070,
        ],
    )
    async def test_nobody_sends_and_no_attempt_is_burned(
        self, host: Host, zoho: RunningSimulator, new_process: NewProcess, kind: FaultKind
    ) -> None:
        zoho.faults.plant(kind, "POST", "/customers")
        customer = host.add_customer(1)
        async with new_process() as process, new_process() as other:
            await process.turn()
            assert host.state(customer)["attempts"] == 0
            assert host.entry(customer)["attempts"] == 0
            assert (await other.engine.organisation.now()).state is OrganisationState.THROTTLED
            host.add_customer(2)
            for _ in range(2):
                await other.turn()
                await process.turn()
            assert requests_to(zoho) == ["POST /customers"]
            let_probe(host)
            await other.turns_until_quiet()
        assert creates_in(zoho) == 2
        assert host.shown(customer) == ("synced", None)
        assert host.state(customer)["fate_unknown_at"] is None

    async def test_it_lasts_as_long_as_retry_after_says(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        zoho.faults.plant(FaultKind.RATE_LIMITED_43, "POST", "/customers", retry_after_seconds=1234)
        host.add_customer()
        await process.turn()
        seconds = host.value(
            "SELECT EXTRACT(EPOCH FROM throttled_until - throttled_at) FROM zoho_outbox_private.organisation"
        )
        assert round(seconds) == 1234

    async def test_a_throttled_update_is_not_taken_for_done(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = host.add_customer(phone="1")
        await process.turn()
        zoho.faults.plant(FaultKind.RATE_LIMITED_44, "PUT", "/customers/*")
        host.change_customer(customer, phone="2")
        await process.turn()
        let_probe(host)
        await process.turns_until_quiet()
        assert the_customer_in(zoho)["phone"] == "2"


class TestCredentials:
    async def test_a_dead_token_is_replaced_once_and_the_request_repeated(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        zoho.faults.plant(FaultKind.UNAUTHORISED_57, "POST", "/customers")
        customer = host.add_customer()
        await process.turns_until_quiet()
        assert host.shown(customer) == ("synced", None)
        assert (creates_in(zoho), zoho.simulator.tokens.minted) == (1, 2)

    async def test_tokens_that_expire_are_replaced_once_for_all_processes(
        self, host: Host, zoho: RunningSimulator, new_process: NewProcess
    ) -> None:
        async with new_process() as first, new_process() as second:
            host.add_customer(1)
            await first.turn()
            zoho.simulator.tokens.expire_all()
            host.add_customers(8, first=2)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(first.turns_until_quiet)
                tasks.start_soon(second.turns_until_quiet)
        assert creates_in(zoho) == 9
        assert zoho.simulator.tokens.minted == 2

    @pytest.mark.parametrize(
        "plant",
        [
            lambda zoho: zoho.faults.plant(FaultKind.UNAUTHORISED_57, "POST", "/customers", times=None),
            lambda zoho: zoho.faults.plant(FaultKind.UNAUTHENTICATED_14, "POST", "/customers", times=None),
            lambda zoho: zoho.faults.plant(FaultKind.FOREIGN_ORGANISATION, "POST", "/customers", times=None),
            lambda zoho: zoho.faults.plant(FaultKind.TOKEN_INVALID_CODE, times=None),
            lambda zoho: zoho.faults.plant(FaultKind.TOKEN_INVALID_CLIENT, times=None),
            lambda zoho: zoho.faults.plant(FaultKind.TOKEN_INVALID_SECRET, times=None),
        ],
        ids=["57", "14", "6041", "invalid_code", "invalid_client", "invalid_client_secret"],
    )
    async def test_what_a_person_must_mend_parks_everything_and_is_said_once(
        self, host: Host, zoho: RunningSimulator, process: Process, plant: Callable[[RunningSimulator], object]
    ) -> None:
        plant(zoho)
        customers = host.add_customers(3)
        with capture_logs() as logs:
            await process.turn()
            await process.turn()
        assert [line["event"] for line in logs if line["event"] == "organisation.forbidden"] == [
            "organisation.forbidden"
        ]
        assert (await process.engine.organisation.now()).state is OrganisationState.FORBIDDEN
        for customer in customers:
            assert host.state(customer)["attempts"] == 0
            assert host.entry(customer)["status"] == "pending"
        before = len(requests_to(zoho))
        await process.turn()
        assert len(requests_to(zoho)) == before
        zoho.faults.clear()
        host.interfere("UPDATE zoho_outbox_private.access_token SET cooldown_until = NULL")
        await process.engine.organisation.probe_at_once()

    async def test_after_the_mend_a_new_process_goes_on_at_once(
        self, host: Host, zoho: RunningSimulator, new_process: NewProcess
    ) -> None:
        fault = zoho.faults.plant(FaultKind.UNAUTHORISED_57, "POST", "/customers", times=None)
        customer = host.add_customer()
        async with new_process() as process:
            await process.turn()
        zoho.faults.remove(fault.id)
        async with new_process() as process:
            await process.engine.organisation.probe_at_once()
            await process.turns_until_quiet()
            assert (await process.engine.organisation.now()).state is OrganisationState.RUNNING
        assert host.shown(customer) == ("synced", None)
        assert creates_in(zoho) == 1

    async def test_a_throttled_token_endpoint_is_left_alone_by_everybody_and_costs_no_budget(
        self, host: Host, zoho: RunningSimulator, new_process: NewProcess
    ) -> None:
        zoho.faults.plant(FaultKind.TOKEN_THROTTLED, times=None)
        customer = host.add_customer()
        async with new_process() as process, new_process() as other:
            for each in (process, other, process, other):
                (ended,) = await each.turn()
                assert ended.stopped is not None
                assert ended.stopped.until is not None
        assert zoho.statistics.token_requests == 1
        assert requests_to(zoho) == []
        assert host.state(customer)["attempts"] == 0
        assert permits(host) == 0


class TestOutage:
    async def test_five_failures_open_the_breaker_and_one_probe_ends_the_outage(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        fault = zoho.faults.plant(FaultKind.SERVER_ERROR_BEFORE, "POST", "/customers", times=None)
        customers = host.add_customers(8)
        with capture_logs() as logs:
            await process.turns_until_quiet()
        assert [line["event"] for line in logs if line["event"] == "organisation.broken"] == ["organisation.broken"]
        assert (await process.engine.organisation.now()).state is OrganisationState.BROKEN
        before = len(requests_to(zoho))
        assert before <= 8
        late = host.add_customer(9)
        for _ in range(3):
            await process.turn()
        assert len(requests_to(zoho)) == before
        assert host.state(late)["attempts"] == 0
        zoho.faults.remove(fault.id)
        let_probe(host)
        for _ in range(4):
            for customer in (*customers, late):
                host.pass_time(customer, 20_000)
            await process.turns_until_quiet()
        assert (await process.engine.organisation.now()).state is OrganisationState.RUNNING
        assert [host.shown(customer) for customer in (*customers, late)] == [("synced", None)] * 9
        assert creates_in(zoho) == 9

    async def test_a_probe_that_fails_keeps_it_closed_and_sends_one_request(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        zoho.faults.plant(FaultKind.BAD_GATEWAY_BEFORE, "POST", "/customers", times=None)
        host.add_customers(8)
        await process.turns_until_quiet()
        before = len(requests_to(zoho))
        waiting = host.add_customers(3, first=20)
        let_probe(host)
        await process.turns_until_quiet()
        assert len(requests_to(zoho)) == before + 1
        assert sum(host.state(customer)["attempts"] for customer in waiting) == 0

    async def test_zoho_that_cannot_be_reached_burns_no_attempt(
        self, host: Host, zoho: RunningSimulator, new_process: NewProcess
    ) -> None:
        customer = host.add_customer()
        async with new_process() as process:
            await process.engine.client.send(
                ApiRequest("GET", "/organizations", names_organisation=False), urgency=Urgency.LIVE
            )
        async with new_process(ZOHO_API_BASE_URL="http://127.0.0.1:9/billing/v1") as process:
            for _ in range(3):
                await process.turn_later(customer) if host.entry(customer)["admitted"] else await process.turn()
            assert host.state(customer)["attempts"] == 0
            # Nothing left, so nothing is in doubt.
            assert host.state(customer)["fate_unknown_at"] is None
            assert "could not be reached" in str(host.shown(customer)[1])

    async def test_a_row_that_always_fails_is_dead_after_its_attempts(
        self, host: Host, zoho: RunningSimulator, new_process: NewProcess
    ) -> None:
        zoho.faults.plant(FaultKind.REFUSED_WITH_200, "POST", "/customers", times=None, code=1000)
        customer = host.add_customer()
        async with new_process(OUTBOX_MAX_ATTEMPTS="3") as process:
            for _ in range(8):
                if host.shown(customer)[0] == "failed":
                    break
                if host.entry(customer)["admitted"]:
                    host.pass_time(customer, 20_000)
                    let_probe(host)
                await process.turn()
        assert host.shown(customer)[0] == "failed"
        assert host.state(customer)["attempts"] <= 3


class TestDatabase:
    async def test_a_row_of_bugs_does_not_stop_its_neighbours(
        self, host: Host, zoho: RunningSimulator, process: Process, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad, good = host.add_customers(2)
        entity = process.engine.entities[EntityType.CUSTOMER]
        named = type(entity).named

        def broken(self: object, row: object) -> str:
            if getattr(row, "id", None) == bad:
                raise ZeroDivisionError("a mistake of ours")
            return named(entity, row)

        monkeypatch.setattr(type(entity), "named", broken)
        await process.turn()
        assert host.shown(good) == ("synced", None)
        status, error = host.shown(bad)
        assert status == "retrying"
        assert error == "internal error (ZeroDivisionError): report it"
        assert host.state(bad)["attempts"] == 1
