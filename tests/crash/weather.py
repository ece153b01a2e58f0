"""What goes wrong, by the dice: processes, the database, the paths, Zoho.

All of it stays inside the proviso of failures.md: Zoho executes no request later than the recheck time after the
request's time-out. A path to Zoho that is frozen is therefore cut before it flows again, and Zoho's own delays are
short. One window cannot be closed by anybody: a replica that is stopped after it looked at its lease and before its
request leaves, for so long that another one has looked twice meanwhile. Stops are shorter than that, unless
:attr:`Climate.longest_stop` says otherwise.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from outbox.demo.postgres_server import PostgresServer
from tests.crash.stage import LEASE_SECONDS, RECHECK_SECONDS, REQUEST_SECONDS, Replica, Stage
from tests.faults.proxy import Direction, FaultProxy

LATEST_SECONDS = REQUEST_SECONDS + RECHECK_SECONDS
"""A request that is not done by then, counted from its departure, must never be done."""

TOKEN_FAULT_SECONDS = 90.0
"""Between faults that cost a token: Zoho allows ten in ten minutes, the daemons stop at eight."""

IMPATIENCE_SECONDS = 3.0

_BEFORE = ("server_error_before", "bad_gateway_before", "html_before", "truncated_json_before", "lost_then_not_done")
_AFTER = (
    "server_error_after",
    "bad_gateway_after",
    "html_after",
    "truncated_json_after",
    "done_then_lost",
    "done_then_cut",
)


@dataclass(frozen=True)
class Climate:
    """How bad it gets. Seconds throughout."""

    shortest_stop: float = LEASE_SECONDS + 0.5
    longest_stop: float = LEASE_SECONDS + 3.0
    between_process_faults: float = 12.0
    """Mean, for each replica: a start takes seconds on a busy machine, and one that never works proves nothing."""
    between_database_faults: float = 6.0
    between_network_faults: float = 5.0
    """Mean, for each replica."""
    between_zoho_faults: float = 2.0
    """Mean. Half of them stop all replicas for seconds: an invoice, its opening and its payment must fit in between."""


async def storm(stage: Stage, climate: Climate, new_dice: Callable[[str], Random]) -> None:
    """Rages until cancelled. Each cause has dice of its own, so that one does not disturb the other's."""
    async with asyncio.TaskGroup() as causes:
        causes.create_task(_database(stage, climate, new_dice("database")))
        causes.create_task(_zoho(stage, climate, new_dice("zoho")))
        causes.create_task(_impatience(stage))
        for replica in stage.replicas:
            name = f"replica {replica.number}"
            causes.create_task(_process(replica, climate, new_dice(f"{name} process")))
            causes.create_task(_network(stage, replica, climate, new_dice(f"{name} network")))


async def heal(stage: Stage) -> None:
    """Fair weather: every replica runs, every path is open, Zoho is well."""
    async with stage.postgres_busy:
        await asyncio.to_thread(stage.postgres.start)
    await stage.zoho.clear_faults()
    await stage.zoho.change_settings(list_lag_seconds=0)
    for replica in stage.replicas:
        replica.to_database.forward()
        replica.to_zoho.drop_connections()
        replica.to_zoho.forward()
        if not replica.runs:
            await replica.revive()
        if not replica.runs:
            await replica.start()
    await _shorten_waits(stage)


async def _process(replica: Replica, climate: Climate, dice: Random) -> None:
    while True:
        await asyncio.sleep(dice.expovariate(1 / climate.between_process_faults))
        fault = dice.choices(["kill", "stop", "terminate", "terminate twice"], weights=[5, 3, 2, 1])[0]
        seconds = dice.uniform(climate.shortest_stop, climate.longest_stop)
        absence = dice.choice([0.0, 0.0, 1.0, 3.0])
        async with replica.busy:
            await replica.revive()
            if fault == "stop":
                await replica.suspend(seconds)
                continue
            try:
                if fault == "kill":
                    await replica.kill()
                else:
                    await replica.terminate(twice=fault == "terminate twice")
                await asyncio.sleep(absence)
            finally:
                if not replica.runs:
                    await replica.start()


async def _database(stage: Stage, climate: Climate, dice: Random) -> None:
    while True:
        await asyncio.sleep(dice.expovariate(1 / climate.between_database_faults))
        seconds = dice.choice([0.0, 0.0, 0.0, 1.0, 4.0])
        if dice.random() < 0.4:
            stage.tally.restarts += 1
            async with stage.postgres_busy:
                outage = asyncio.ensure_future(asyncio.to_thread(_outage, stage.postgres, seconds))
                try:
                    await asyncio.shield(outage)
                finally:
                    await outage
        else:
            share = dice.choice([0.3, 1.0])
            severed = await stage.rows(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE usename = 'zoho_outbox_daemon' AND pid %% 100 < %s
                """,
                [share * 100],
            )
            stage.tally.severed_backends += len(severed)


def _outage(postgres: PostgresServer, seconds: float) -> None:
    postgres.shut_down("immediate")
    time.sleep(seconds)
    postgres.start()


async def _network(stage: Stage, replica: Replica, climate: Climate, dice: Random) -> None:
    while True:
        await asyncio.sleep(dice.expovariate(1 / climate.between_network_faults))
        fault = dice.choice(["reset", "drop", "freeze", "delay", "cut", "cut"])
        to_zoho = dice.random() < 0.4
        direction: Direction = "to_client" if dice.random() < 0.6 else "to_server"
        count, share = dice.choice([0, 1, 100, 700, 3000]), dice.random()
        path = replica.to_zoho if to_zoho else replica.to_database
        stage.tally.network_faults += 1
        try:
            match fault:
                case "reset":
                    path.drop_connections()
                case "drop":
                    path.drop()
                    await asyncio.sleep(share * 3)
                case "freeze":
                    path.freeze()
                    # The database may swallow packets for longer than any call lasts; nothing waits at Zoho.
                    await asyncio.sleep(share * ((LATEST_SECONDS - 1) if to_zoho else 14.0))
                case "delay":
                    path.delay(share * 0.4)
                    await asyncio.sleep(3)
                case _:
                    path.cut_after(count, direction)
                    await asyncio.sleep(share * 2)
        finally:
            _reopen(path, cut=to_zoho and fault == "freeze")


def _reopen(path: FaultProxy, *, cut: bool) -> None:
    if cut:
        path.drop_connections()
    path.forward()


async def _zoho(stage: Stage, climate: Climate, dice: Random) -> None:
    zoho, loop = stage.zoho, asyncio.get_running_loop()
    token_fault_at = loop.time() + dice.uniform(0, 15)
    while True:
        await asyncio.sleep(dice.expovariate(1 / climate.between_zoho_faults))
        rule = _zoho_fault(dice)
        lag = dice.choice([0.0, 0.0, 0.0, 1.0, 3.0])
        how = dice.random()
        await zoho.plant(rule)
        await zoho.change_settings(list_lag_seconds=lag)
        if loop.time() >= token_fault_at:
            token_fault_at = loop.time() + TOKEN_FAULT_SECONDS
            if how < 0.5:
                await zoho.expire_tokens()
            else:
                await zoho.plant({"kind": "unauthorised_57", "method": "writes"})


def _zoho_fault(dice: Random) -> dict[str, Any]:
    method = dice.choice(["POST", "POST", "PUT", "writes", "GET", "*"])
    times = dice.choice([1, 1, 1, 2])
    reset, seconds, kind = dice.random() < 0.5, dice.random(), dice.random()
    rule: dict[str, Any] = {"method": method, "times": times}
    if kind < 0.30:
        return rule | {"kind": dice.choice(_BEFORE), "reset": reset}
    if kind < 0.70:
        # Cutting needs a body: a fault of the connection after the work was done is the worst there is.
        return rule | {"kind": dice.choice(_AFTER), "reset": reset}
    if kind < 0.80:
        return rule | {"kind": "slow_before", "seconds": 0.3 + seconds * (LATEST_SECONDS - 1.3)}
    if kind < 0.90:
        return rule | {"kind": "slow_after", "seconds": 0.3 + seconds * (LATEST_SECONDS - 0.3)}
    if kind < 0.97:
        return {"method": method, "kind": "rate_limited_43", "retry_after_seconds": 1 + int(seconds * 2)}
    return {"method": method, "kind": dice.choice(["rate_limited_44", "rate_limited_1070"])}


async def _impatience(stage: Stage) -> None:
    """Shortens the longest waits: an outage's probes come minutes apart in the end, and would fill the whole run."""
    while True:
        await asyncio.sleep(IMPATIENCE_SECONDS)
        await _shorten_waits(stage)


async def _shorten_waits(stage: Stage) -> None:
    await stage.rows(
        """
        UPDATE zoho_outbox_private.organisation
        SET
            probe_at = least(probe_at, clock_timestamp() + interval '3 seconds'),
            throttled_until = least(throttled_until, clock_timestamp() + interval '3 seconds')
        WHERE probe_at > clock_timestamp() + interval '3 seconds'
            OR throttled_until > clock_timestamp() + interval '3 seconds'
        """
    )
