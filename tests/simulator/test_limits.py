import anyio
import httpx
import pytest

from outbox.simulator import LimitSettings, RunningSimulator, SimulatorSettings
from outbox.simulator.clock import SimulatorClock

from .conftest import Api

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings() -> SimulatorSettings:
    return SimulatorSettings()


def code(reply: httpx.Response) -> int:
    body_code: int = reply.json()["code"]
    return body_code if reply.status_code == 429 else 0


async def test_the_hundred_and_first_request_of_a_minute_blocks_the_organisation(
    api: Api, simulator: RunningSimulator, clock: SimulatorClock
) -> None:
    assert {code(await api.get("/customers")) for _ in range(100)} == {0}
    refused = await api.get("/customers")
    assert (refused.status_code, refused.json()["code"]) == (429, 44)
    assert "retry-after" not in refused.headers
    clock.advance(59)
    assert code(await api.get("/customers")) == 44
    clock.advance(1)
    assert code(await api.get("/customers")) == 0
    assert simulator.statistics.refused == {44: 2}


async def test_the_window_rolls(api: Api, clock: SimulatorClock) -> None:
    for _ in range(50):
        await api.get("/customers")
    clock.advance(30)
    for _ in range(50):
        await api.get("/customers")
    clock.advance(30)
    assert {code(await api.get("/customers")) for _ in range(50)} == {0}
    assert code(await api.get("/customers")) == 44


async def test_form_43_names_the_hour_to_wait(api: Api, simulator: RunningSimulator, clock: SimulatorClock) -> None:
    simulator.settings.limits = LimitSettings(requests_per_minute=1, minute_code=43)
    await api.get("/customers")
    refused = await api.get("/customers")
    assert code(refused) == 43
    assert refused.headers["retry-after"] == "3600"
    clock.advance(3599)
    assert code(await api.get("/customers")) == 43
    clock.advance(1)
    assert code(await api.get("/customers")) == 0


async def test_the_days_quota_ends_at_the_organisations_midnight(
    api: Api, simulator: RunningSimulator, clock: SimulatorClock
) -> None:
    await api.control("POST", "/limits", {"used_today": 999})
    assert code(await api.get("/customers")) == 0
    refused = await api.get("/customers")
    assert code(refused) == 45
    assert refused.json()["message"].endswith("rate limit of 1000.")
    clock.advance(12 * 3600 - 1)
    await api.sign_in()
    assert code(await api.get("/customers")) == 45
    clock.advance(1)
    assert code(await api.get("/customers")) == 0
    assert simulator.simulator.limits.used_today == 1


async def test_the_sixth_request_in_flight_is_refused_at_once(api: Api, simulator: RunningSimulator) -> None:
    fault = simulator.faults.plant("held_after", "GET", times=None)
    replies: list[httpx.Response] = []

    async def ask() -> None:
        replies.append(await api.get("/customers"))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
        await simulator.until(lambda statistics: statistics.faults["held_after"] == 5)
        assert code(await api.get("/customers")) == 1070
        fault.release()
    assert [reply.status_code for reply in replies] == [200] * 5
    assert simulator.statistics.most_in_flight == 6
    assert simulator.statistics.in_flight == 0


async def test_refused_requests_do_nothing_and_use_nothing_up(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.limits = LimitSettings(requests_per_minute=1)
    await api.get("/customers")
    assert code(await api.post("/customers", {"display_name": "A"})) == 44
    assert len(simulator.simulator.books.customers) == 0
    assert simulator.simulator.limits.used_today == 1


async def test_a_block_can_be_set_and_lifted_by_hand(api: Api) -> None:
    await api.control("POST", "/limits", {"block": {"code": 43, "seconds": 120}})
    refused = await api.get("/customers")
    assert (code(refused), refused.headers["retry-after"]) == (43, "120")
    await api.control("DELETE", "/limits")
    assert code(await api.get("/customers")) == 0


async def test_wide_limits_refuse_nothing(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.limits = LimitSettings.wide()
    assert {code(await api.get("/customers")) for _ in range(150)} == {0}


async def test_no_header_tells_the_quota(api: Api) -> None:
    headers = (await api.get("/customers")).headers
    assert not [name for name in headers if "limit" in name or "retry" in name]
