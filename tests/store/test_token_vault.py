"""The token vault: one turn at a time over all processes, a cooldown for everybody, eight mints in ten minutes."""

from collections.abc import Callable
from uuid import uuid4

import anyio
import pytest
from pydantic import SecretStr

from outbox.database import Database
from outbox.store.access_token import MOST_MINTS, DatabaseTokenVault
from outbox.zoho.ports import CoolingDown, StoredToken, TurnGranted, TurnTaken
from tests.store.host import Host

pytestmark = pytest.mark.anyio

NewVault = Callable[[], DatabaseTokenVault]


@pytest.fixture
def new_vault(database: Database) -> NewVault:
    """The vault as another process sees it."""
    return lambda: DatabaseTokenVault(database, uuid4())


async def granted(vault: DatabaseTokenVault, seen: int = 0) -> TurnGranted:
    turn = await vault.take_turn(seen)
    assert isinstance(turn, TurnGranted)
    return turn


async def test_there_is_no_token_before_the_first_mint(new_vault: NewVault) -> None:
    assert await new_vault().read() is None


async def test_what_one_process_minted_all_others_use(new_vault: NewVault) -> None:
    first, second = new_vault(), new_vault()
    turn = await granted(first)
    stored = await first.store(turn, SecretStr("1000.aaa"), 3600)
    assert stored.generation == 1
    seen = await second.read()
    assert isinstance(seen, StoredToken)
    assert (seen.secret.get_secret_value(), seen.generation) == ("1000.aaa", 1)
    assert 3500 < seen.seconds_left <= 3600
    newer = await second.take_turn(0)
    assert isinstance(newer, StoredToken)
    assert newer.generation == 1


async def test_only_one_of_many_is_given_the_turn(new_vault: NewVault) -> None:
    answers: list[object] = []

    async def one() -> None:
        answers.append(await new_vault().take_turn(0))

    async with anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(one)
    assert sum(isinstance(answer, TurnGranted) for answer in answers) == 1
    assert sum(isinstance(answer, TurnTaken) for answer in answers) == 11


async def test_the_turn_of_a_process_that_died_ends_by_itself_and_its_late_token_is_dropped(
    host: Host, new_vault: NewVault
) -> None:
    slow, quick = new_vault(), new_vault()
    slow_turn = await granted(slow)
    assert isinstance(await quick.take_turn(0), TurnTaken)
    host.interfere("UPDATE zoho_outbox_private.access_token SET turn_until = now()")
    await quick.store(await granted(quick), SecretStr("1000.quick"), 3600)
    await slow.store(slow_turn, SecretStr("1000.slow"), 3600)
    stored = await new_vault().read()
    assert stored is not None
    assert (stored.secret.get_secret_value(), stored.generation) == ("1000.quick", 1)


async def test_a_cooldown_holds_for_everybody_and_survives_a_restart(host: Host, new_vault: NewVault) -> None:
    vault = new_vault()
    await vault.give_up(await granted(vault), 600, "token endpoint throttled")
    for _ in range(2):
        answer = await new_vault().take_turn(0)
        assert isinstance(answer, CoolingDown)
        assert answer.reason == "token endpoint throttled"
    host.interfere("UPDATE zoho_outbox_private.access_token SET cooldown_until = now()")
    assert isinstance(await new_vault().take_turn(0), TurnGranted)


async def test_giving_up_without_a_cooldown_lets_the_next_try_at_once(new_vault: NewVault) -> None:
    vault = new_vault()
    await vault.give_up(await granted(vault), 0, "changed its mind")
    assert isinstance(await new_vault().take_turn(0), TurnGranted)


async def test_who_lost_its_turn_cannot_put_a_cooldown_on_the_others(host: Host, new_vault: NewVault) -> None:
    slow, quick = new_vault(), new_vault()
    turn = await granted(slow)
    host.interfere("UPDATE zoho_outbox_private.access_token SET turn_until = now()")
    await granted(quick)
    await slow.give_up(turn, 600, "too late")
    assert host.value("SELECT cooldown_until FROM zoho_outbox_private.access_token") is None


async def test_after_eight_mints_in_ten_minutes_nobody_mints(host: Host, new_vault: NewVault) -> None:
    for generation in range(MOST_MINTS):
        vault = new_vault()
        await vault.store(await granted(vault, generation), SecretStr("1000.x"), 3600)
    answer = await new_vault().take_turn(MOST_MINTS)
    assert isinstance(answer, CoolingDown)
    assert "Zoho allows 10" in answer.reason
    oldest = host.value("SELECT min(minted_at) + interval '10 minutes' FROM zoho_outbox_private.token_mint")
    assert answer.until == oldest
    host.interfere("UPDATE zoho_outbox_private.token_mint SET minted_at = minted_at - interval '10 minutes'")
    assert isinstance(await new_vault().take_turn(MOST_MINTS), TurnGranted)


async def test_the_secret_is_in_no_repr(new_vault: NewVault) -> None:
    vault = new_vault()
    stored = await vault.store(await granted(vault), SecretStr("1000.very-secret"), 3600)
    assert "very-secret" not in f"{stored!r} {vault!r}"
