"""Group commit: who shares a call, and what becomes of the others when one is cancelled or spoils it."""

from collections.abc import Sequence

import anyio
import pytest

from outbox.database import DatabaseUnavailable
from outbox.database.batching import Batched

pytestmark = pytest.mark.anyio


class Calls:
    """Answers with ten times what was asked, when it is let."""

    def __init__(self) -> None:
        self.made: list[list[int]] = []
        self.begun = anyio.Event()
        self.may_end = anyio.Event()
        self.away = False
        self.away_after_alone: int | None = None
        """The database goes away when this one was asked alone."""

    async def __call__(self, asked: Sequence[int]) -> list[int]:
        self.made.append(list(asked))
        self.begun.set()
        await self.may_end.wait()
        if self.away:
            raise DatabaseUnavailable("away")
        if 13 in asked:
            self.away = list(asked) == [self.away_after_alone]
            raise ValueError("13 cannot be answered")
        return [10 * number for number in asked]


async def settle() -> None:
    """Everybody who can move has moved."""
    await anyio.wait_all_tasks_blocked()


async def test_those_who_ask_while_a_call_is_under_way_share_the_next_and_each_gets_its_own_answer() -> None:
    calls = Calls()
    batched = Batched(calls)
    answers: dict[int, int] = {}

    async def one(number: int) -> None:
        answers[number] = await batched.ask(number)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one, 1)
        await calls.begun.wait()
        for number in (2, 3, 4):
            tasks.start_soon(one, number)
        await settle()
        assert calls.made == [[1]]
        calls.may_end.set()
    assert calls.made == [[1], [2, 3, 4]]
    assert answers == {1: 10, 2: 20, 3: 30, 4: 40}


async def test_no_call_is_larger_than_it_may_be() -> None:
    calls = Calls()
    batched = Batched(calls, most=2)
    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(batched.ask, number)
            await settle()
        calls.may_end.set()
    assert calls.made == [[0], [1, 2], [3, 4], [5]]


async def test_one_that_cannot_be_answered_does_not_spoil_the_others() -> None:
    calls = Calls()
    batched = Batched(calls)
    answers: dict[int, int | str] = {}

    async def one(number: int) -> None:
        try:
            answers[number] = await batched.ask(number)
        except ValueError as error:
            answers[number] = str(error)

    async with anyio.create_task_group() as tasks:
        for number in (1, 2, 13, 3):
            tasks.start_soon(one, number)
            await settle()
        calls.may_end.set()
    assert calls.made == [[1], [2, 13, 3], [2], [13], [3]]
    assert answers == {1: 10, 2: 20, 13: "13 cannot be answered", 3: 30}


async def test_where_the_database_is_away_all_are_told_by_one_call() -> None:
    calls = Calls()
    calls.away = True
    batched = Batched(calls)
    told = 0

    async def one(number: int) -> None:
        nonlocal told
        with pytest.raises(DatabaseUnavailable):
            await batched.ask(number)
        told += 1

    async with anyio.create_task_group() as tasks:
        for number in (1, 2, 3):
            tasks.start_soon(one, number)
            await settle()
        calls.may_end.set()
    assert calls.made == [[1], [2, 3]]
    assert told == 3


async def test_where_it_goes_away_while_each_is_asked_alone_the_rest_are_told_without_a_call() -> None:
    calls = Calls()
    batched = Batched(calls)
    told: list[int] = []

    async def one(number: int) -> None:
        try:
            await batched.ask(number)
        except DatabaseUnavailable:
            told.append(number)
        except ValueError:
            assert number == 13

    async with anyio.create_task_group() as tasks:
        for number in (1, 13, 2, 3):
            tasks.start_soon(one, number)
            await settle()
        calls.away_after_alone = 13
        calls.may_end.set()
    assert calls.made == [[1], [13, 2, 3], [13], [2]]
    assert told == [2, 3]


async def test_where_the_caller_is_cancelled_those_who_shared_its_call_ask_again() -> None:
    calls = Calls()
    batched = Batched(calls)
    answers: dict[int, int] = {}
    scopes: dict[int, anyio.CancelScope] = {}

    async def one(number: int) -> None:
        with anyio.CancelScope() as scopes[number]:
            answers[number] = await batched.ask(number)

    async with anyio.create_task_group() as tasks:
        for number in (1, 2, 3):
            tasks.start_soon(one, number)
            await settle()
        scopes[1].cancel()
        await settle()
        assert calls.made == [[1], [2, 3]]
        # 2 makes this call, for itself and 3.
        scopes[2].cancel()
        await settle()
        calls.may_end.set()
    assert calls.made == [[1], [2, 3], [3]]
    assert answers == {3: 30}


async def test_one_that_is_cancelled_while_it_waits_is_not_asked_for() -> None:
    calls = Calls()
    batched = Batched(calls)
    scope = anyio.CancelScope()

    async def cancelled() -> None:
        with scope:
            await batched.ask(2)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(batched.ask, 1)
        await settle()
        tasks.start_soon(cancelled)
        tasks.start_soon(batched.ask, 3)
        await settle()
        scope.cancel()
        await settle()
        calls.may_end.set()
    assert calls.made == [[1], [3]]
    calls.made.clear()
    assert await batched.ask(5) == 50
