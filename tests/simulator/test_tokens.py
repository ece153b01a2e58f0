import pytest

from outbox.simulator import RunningSimulator, SimulatorSettings, TokenSettings
from outbox.simulator.clock import SimulatorClock

from .conftest import Api

pytestmark = pytest.mark.anyio

ACCESS_DENIED = {
    "error_description": "You have made too many requests continuously. Please try again after some time.",
    "error": "Access Denied",
    "status": "failure",
}


async def test_a_refresh_token_buys_an_hour_of_access(api: Api, simulator: RunningSimulator) -> None:
    reply = await api.mint()
    assert reply.status_code == 200
    body = reply.json()
    assert body.pop("access_token").startswith("1000.")
    assert body == {"api_domain": simulator.url, "token_type": "Bearer", "expires_in": 3600}


async def test_parameters_may_stand_in_the_query(api: Api, simulator: RunningSimulator) -> None:
    own = simulator.settings
    reply = await api.http.post(
        simulator.accounts_base_url + "/oauth/v2/token",
        params={
            "grant_type": "refresh_token",
            "refresh_token": own.refresh_token,
            "client_id": own.client_id,
            "client_secret": own.client_secret,
        },
    )
    assert reply.json()["access_token"]


async def test_the_configured_api_domain_is_named(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.api_domain = "https://www.zohoapis.eu"
    assert (await api.mint()).json()["api_domain"] == "https://www.zohoapis.eu"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"client_id": "1000.OTHER"}, "invalid_client"),
        ({"client_secret": "other"}, "invalid_client_secret"),
        ({"refresh_token": "1000.other"}, "invalid_code"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_refusals_have_status_200(api: Api, wrong: dict[str, str], error: str) -> None:
    reply = await api.mint(**wrong)
    assert (reply.status_code, reply.json()) == (200, {"error": error})


async def test_the_eleventh_token_in_ten_minutes_is_denied(
    api: Api, simulator: RunningSimulator, clock: SimulatorClock
) -> None:
    for _ in range(9):
        assert "access_token" in (await api.mint()).json()
    denied = await api.mint()
    assert (denied.status_code, denied.json()) == (400, ACCESS_DENIED)
    clock.advance(599)
    assert (await api.mint()).status_code == 400
    clock.advance(1)
    assert "access_token" in (await api.mint()).json()
    assert simulator.simulator.tokens.minted == 11
    assert simulator.simulator.tokens.throttled == 2


async def test_the_length_of_the_denial_can_be_set(
    api: Api, simulator: RunningSimulator, clock: SimulatorClock
) -> None:
    simulator.settings.tokens = TokenSettings(mints_per_window=1, window_seconds=60, block_seconds=3600)
    assert (await api.mint()).status_code == 400
    clock.advance(3599)
    assert (await api.mint()).status_code == 400
    clock.advance(1)
    assert (await api.mint()).status_code == 200


async def test_the_eleventh_live_token_kills_the_oldest(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.tokens = TokenSettings(mints_per_window=None)
    for _ in range(9):
        await api.mint()
    assert (await api.get("/customers")).status_code == 200
    await api.mint()
    assert (await api.get("/customers")).status_code == 401


async def test_a_token_dies_after_its_hour(api: Api, clock: SimulatorClock) -> None:
    clock.advance(3599)
    assert (await api.get("/customers")).status_code == 200
    clock.advance(1)
    reply = await api.get("/customers")
    assert (reply.status_code, reply.json()["code"]) == (401, 57)


async def test_a_revoked_refresh_token_takes_its_access_tokens_with_it(api: Api) -> None:
    own = api.simulator.settings.refresh_token
    assert (await api.control("DELETE", "/refresh-tokens", {"refresh_token": own})).status_code == 200
    assert (await api.get("/customers")).status_code == 401
    assert (await api.mint()).json() == {"error": "invalid_code"}


async def test_a_refresh_token_reaches_only_its_scopes(api: Api) -> None:
    await api.control(
        "POST",
        "/refresh-tokens",
        {"refresh_token": "1000.reader", "scopes": ["ZohoSubscriptions.customers.READ"]},
    )
    await api.sign_in(refresh_token="1000.reader")
    assert (await api.get("/customers")).status_code == 200
    refused = await api.post("/customers", {"display_name": "A"})
    assert (refused.status_code, refused.json()["code"]) == (401, 57)
    assert (await api.get("/organizations")).status_code == 401


async def test_expiring_all_tokens_by_hand(api: Api) -> None:
    assert (await api.control("POST", "/tokens/expire")).json() == {"expired": 1}
    assert (await api.get("/customers")).status_code == 401


def test_credentials_are_settings() -> None:
    own = SimulatorSettings(client_id="1000.MINE")
    assert own.client_id == "1000.MINE"
