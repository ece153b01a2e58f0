"""Tokens: shared, minted in turn, seldom, and told apart when they are refused (sheet 1.2, 1.3)."""

import json
from datetime import UTC, timedelta

import anyio
import httpx
import pytest
from pydantic import SecretStr

from outbox.clock import ManualClock
from outbox.settings import Settings
from outbox.vocabulary import FailureClass, OrganisationState
from outbox.zoho.authorization import (
    AccessTokens,
    CredentialsProblem,
    CredentialsRefused,
    MintedToken,
    MintRefused,
    MintThrottled,
    MintUnavailable,
    classify_token_reply,
)
from outbox.zoho.failures import CallFailed, FailureKind
from outbox.zoho.ports import CoolingDown, SendingStopped, StoredToken, TurnGranted, TurnTaken

from .fakes import (
    CLIENT_SECRET,
    REFRESH_TOKEN,
    MemoryVault,
    Scripted,
    minted,
    no_sleep,
    ok,
    scripted_client,
    settings_for,
)

pytestmark = pytest.mark.anyio

THROTTLED = {
    "error_description": "You have made too many requests continuously. Please try again after some time.",
    "error": "Access Denied",
    "status": "failure",
}


def nothing_sent(request: httpx.Request) -> httpx.Response:
    return ok()


async def test_the_first_token_is_minted_stored_and_kept() -> None:
    async with scripted_client(nothing_sent) as it:
        first, second = await it.tokens.current(), await it.tokens.current()
    assert first is second
    assert it.script.mints == 1
    assert it.vault.token == first.secret
    assert first.generation == 1


async def test_a_stored_token_is_used_without_minting() -> None:
    async with scripted_client(nothing_sent) as it:
        it.vault.put("1000.stored", 3000)
        assert (await it.tokens.current()).secret.get_secret_value() == "1000.stored"
        assert it.script.mints == 0


async def test_a_day_of_work_mints_at_most_26_tokens() -> None:
    async with scripted_client(nothing_sent) as it:
        for _ in range(24 * 60):
            await it.tokens.current()
            it.clock.advance(60)
        assert it.script.mints <= 26


async def test_two_processes_mint_once() -> None:
    clock = ManualClock()
    vault, script, settings = MemoryVault(clock), Scripted(nothing_sent), settings_for()
    async with httpx.AsyncClient(transport=httpx.MockTransport(script)) as http:
        replicas = [AccessTokens(vault, http, settings, clock, sleep=no_sleep) for _ in range(2)]
        async with anyio.create_task_group() as group:
            for replica in replicas * 10:
                group.start_soon(replica.current)
        assert script.mints == 1


async def test_a_token_with_120_seconds_left_is_replaced() -> None:
    async with scripted_client(nothing_sent) as it:
        it.vault.put("1000.old", 120)
        assert (await it.tokens.current()).generation == 2
        assert it.script.mints == 1


async def test_a_token_that_is_born_short_is_not_minted_with_every_request() -> None:
    async with scripted_client(nothing_sent, [minted("1000.short", expires_in=60)]) as it:
        for _ in range(25):
            await it.tokens.current()
            it.clock.advance(1)
        assert it.script.mints == 1


async def test_a_refused_token_that_another_process_has_replaced_already_mints_nothing() -> None:
    async with scripted_client(nothing_sent) as it:
        it.vault.put("1000.dead", 3000)
        dead = await it.tokens.current()
        it.vault.put("1000.fresh", 3000)
        assert (await it.tokens.replace(dead)).secret.get_secret_value() == "1000.fresh"
        assert it.script.mints == 0


@pytest.mark.parametrize("status", [200, 400])
async def test_throttling_stops_sending_and_cools_everybody_down(status: int) -> None:
    async with scripted_client(nothing_sent, [httpx.Response(status, json=THROTTLED)]) as it:
        with pytest.raises(SendingStopped) as caught:
            await it.tokens.current()
        assert caught.value.state is OrganisationState.THROTTLED
        assert caught.value.until == it.clock.now(UTC) + timedelta(seconds=600)
        assert it.vault.given_up[0][0] == 600
        with pytest.raises(SendingStopped):
            await it.tokens.current()
        assert it.script.mints == 1, "nobody asks again during the cooldown"
        it.clock.advance(601)
        assert (await it.tokens.current()).generation == 1


async def test_an_old_token_carries_on_while_no_new_one_is_to_be_had() -> None:
    async with scripted_client(nothing_sent, [httpx.Response(400, json=THROTTLED)]) as it:
        it.vault.put("1000.old", 100)
        for _ in range(60):
            assert (await it.tokens.current()).secret.get_secret_value() == "1000.old"
            it.clock.advance(1)
        assert it.script.mints == 1
        it.clock.advance(30)
        with pytest.raises(SendingStopped):
            await it.tokens.current()


@pytest.mark.parametrize(
    ("error", "problem", "names"),
    [
        ("invalid_code", CredentialsProblem.INVALID_CODE, "ZOHO_REFRESH_TOKEN"),
        ("invalid_client", CredentialsProblem.INVALID_CLIENT, "ZOHO_REGION"),
        ("invalid_client_secret", CredentialsProblem.INVALID_CLIENT_SECRET, "ZOHO_CLIENT_SECRET"),
        ("unheard_of", CredentialsProblem.OTHER, "ZOHO_CLIENT_ID"),
    ],
)
async def test_each_refusal_names_its_mend_and_asks_no_more(
    error: str, problem: CredentialsProblem, names: str
) -> None:
    async with scripted_client(nothing_sent, [httpx.Response(200, json={"error": error})]) as it:
        with pytest.raises(CredentialsRefused) as caught:
            await it.tokens.current()
        assert caught.value.problem is problem
        assert names in caught.value.advice
        assert caught.value.failure.failure_class is FailureClass.AUTH
        assert not caught.value.failure.request_left
        for _ in range(2):
            # Nobody is asked: no news, and no refusal of what another process may have mended.
            with pytest.raises(SendingStopped, match=names) as stopped:
                await it.tokens.current()
            assert stopped.value.until is not None
        assert it.script.mints == 1
        it.clock.advance(121)
        assert (await it.tokens.current()).generation == 1


@pytest.mark.parametrize(
    "reply",
    [httpx.Response(503, text="<html>down</html>"), httpx.Response(200, text="<html>down</html>")],
    ids=["503", "HTML"],
)
async def test_an_unwell_accounts_host_is_an_outage_with_a_short_cooldown(reply: httpx.Response) -> None:
    async with scripted_client(nothing_sent, [reply]) as it:
        with pytest.raises(CallFailed) as caught:
            await it.tokens.current()
        failure = caught.value.failure
        assert (failure.failure_class, failure.request_left) == (FailureClass.OUTAGE, False)
        assert it.vault.given_up[0][0] == 10


async def test_an_accounts_host_that_cannot_be_reached_leaks_nothing() -> None:
    def unreachable(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(request.content.decode(), request=request)

    clock = ManualClock()
    async with httpx.AsyncClient(transport=httpx.MockTransport(unreachable)) as http:
        tokens = AccessTokens(MemoryVault(clock), http, settings_for(), clock, sleep=no_sleep)
        with pytest.raises(CallFailed) as caught:
            await tokens.current()
    assert caught.value.failure.kind is FailureKind.UNREACHABLE
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    for secret in (REFRESH_TOKEN, CLIENT_SECRET):
        assert secret not in str(caught.value)


async def test_a_token_of_another_data_centre_is_refused_with_the_right_region() -> None:
    reply = minted("1000.eu", api_domain="https://www.zohoapis.eu")
    async with scripted_client(nothing_sent, [reply]) as it:
        with pytest.raises(CredentialsRefused) as caught:
            await it.tokens.current()
        assert caught.value.problem is CredentialsProblem.WRONG_REGION
        assert "ZOHO_REGION=eu" in caught.value.advice
        for host in ("www.zohoapis.eu", "www.zohoapis.com"):
            assert host in str(caught.value)
        assert it.vault.token is None, "a token of the wrong data centre is not shared"


async def test_a_simulator_on_loopback_may_name_any_data_centre() -> None:
    clock = ManualClock()
    settings = settings_for(
        ZOHO_API_BASE_URL="http://127.0.0.1:1/billing/v1", ZOHO_ACCOUNTS_BASE_URL="http://127.0.0.1:1"
    )
    async with httpx.AsyncClient(transport=httpx.MockTransport(Scripted(nothing_sent))) as http:
        assert (await AccessTokens(MemoryVault(clock), http, settings, clock).current()).generation == 1


async def test_a_token_that_cannot_be_stored_is_used_and_not_minted_again() -> None:
    async with scripted_client(nothing_sent) as it:
        it.vault.store_fails = True
        first = await it.tokens.current()
        assert await it.tokens.current() is first
        assert it.script.mints == 1


async def test_each_token_is_announced_for_redaction() -> None:
    clock, announced = ManualClock(), list[str]()
    async with httpx.AsyncClient(transport=httpx.MockTransport(Scripted(nothing_sent))) as http:
        tokens = AccessTokens(MemoryVault(clock), http, settings_for(), clock, on_secret=announced.append)
        secret = (await tokens.current()).secret.get_secret_value()
    assert secret in announced


class TurnVault(MemoryVault):
    """Somebody else holds the turn for ``polls`` polls; then ``becomes`` is the answer."""

    polls = 3
    becomes: StoredToken | CoolingDown | None = None

    async def take_turn(self, seen_generation: int) -> StoredToken | TurnGranted | TurnTaken | CoolingDown:
        self.polls -= 1
        if self.polls >= 0 or self.becomes is None:
            self.clock.advance(1)
            return TurnTaken()
        return self.becomes


def tokens_of(vault: MemoryVault, http: httpx.AsyncClient, settings: Settings) -> AccessTokens:
    return AccessTokens(vault, http, settings, vault.clock, sleep=no_sleep)


async def test_while_another_mints_one_waits_and_takes_what_it_minted() -> None:
    vault = TurnVault(ManualClock())
    vault.becomes = StoredToken(SecretStr("1000.theirs"), 7, 3600)
    async with httpx.AsyncClient(transport=httpx.MockTransport(nothing_sent)) as http:
        token = await tokens_of(vault, http, settings_for()).current()
    assert (token.secret.get_secret_value(), token.generation) == ("1000.theirs", 7)


async def test_waiting_for_anothers_mint_is_bounded() -> None:
    vault = TurnVault(ManualClock())
    async with httpx.AsyncClient(transport=httpx.MockTransport(nothing_sent)) as http:
        with pytest.raises(CallFailed) as caught:
            await tokens_of(vault, http, settings_for()).current()
    assert caught.value.failure.failure_class is FailureClass.OUTAGE
    assert not caught.value.failure.request_left


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"access_token": "1000.x", "expires_in": 3600}, MintedToken),
        (200, {"access_token": ""}, MintRefused),
        (200, {"access_token": None}, MintRefused),
        (400, {"access_token": "1000.x"}, MintRefused),
        (200, THROTTLED, MintThrottled),
        (400, THROTTLED, MintThrottled),
        (429, {}, MintThrottled),
        (429, None, MintThrottled),
        (200, {"error": "invalid_code"}, MintRefused),
        (500, {"error": "invalid_code"}, MintUnavailable),
        (200, {"error": "general_error"}, MintUnavailable),
        (502, None, MintUnavailable),
        (200, None, MintUnavailable),
    ],
)
def test_a_reply_is_a_token_only_with_200_and_a_token(status: int, body: object, expected: type[object]) -> None:
    content = b"<html>" if body is None else json.dumps(body).encode()
    assert isinstance(classify_token_reply(status, content), expected)
