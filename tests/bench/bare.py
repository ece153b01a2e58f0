"""How far the bare libraries get: loops that do nothing but what no daemon can leave out.

``requests_per_second`` makes the drain's requests through an HTTP client and does nothing with the answers.
``claims_per_second`` claims rows of a plain queue table and completes them, a hundred at a time, one after the other.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import Any, Protocol

import httpx
import psycopg
import simplejson

from outbox.settings import Settings, load_settings
from outbox.simulator.application import API_ROOT
from outbox.zoho.connection import open_http
from tests.bench.draining import CONCURRENCY
from tests.bench.transport import JSON_TYPE, create_body, settings_for
from tests.host.databases import Database

BATCH = 100

_QUEUE = """
CREATE TABLE public.bare_queue (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payload uuid   NOT NULL DEFAULT gen_random_uuid(),
    status  text   NOT NULL DEFAULT 'pending'
);
CREATE INDEX bare_queue_pending ON public.bare_queue (id) WHERE status = 'pending';
INSERT INTO public.bare_queue (status) SELECT 'pending' FROM generate_series(1, {rows});
"""

_CLAIM = """
WITH due AS (
    SELECT queue.id
    FROM public.bare_queue AS queue
    WHERE queue.status = 'pending'
    ORDER BY queue.id
    LIMIT %s
    FOR UPDATE SKIP LOCKED
)
UPDATE public.bare_queue AS queue
SET status = 'running'
FROM due
WHERE queue.id = due.id
RETURNING queue.id, queue.payload
"""

_COMPLETE = "UPDATE public.bare_queue AS queue SET status = 'done' WHERE queue.id = ANY (%s)"


class Client(Protocol):
    """What the loop asks of an HTTP client: the daemon's own and httpx's both are one."""

    def stream(
        self, method: str, url: str, *, content: bytes, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[httpx.Response]:
        """One exchange."""
        ...


async def requests_per_second(
    opened: AbstractAsyncContextManager[Client], url: str, requests: int, concurrency: int
) -> float:
    """The drain's own POSTs, their replies read whole; ``concurrency`` loops share one client."""
    numbers = count(1)
    headers = {"Authorization": "Zoho-oauthtoken x", "Content-Type": JSON_TYPE}

    async def loop(client: Client) -> None:
        while (number := next(numbers)) <= requests:
            content = simplejson.dumps(create_body(number)).encode()
            async with client.stream("POST", f"{url}{API_ROOT}/customers", content=content, headers=headers) as reply:
                body = await reply.aread()
            assert reply.status_code == 201, body

    async with opened as client:
        began = time.monotonic()
        await asyncio.gather(*(loop(client) for _ in range(concurrency)))
        return requests / (time.monotonic() - began)


def daemons_client(url: str) -> AbstractAsyncContextManager[Client]:
    """The client object that the daemon opens for ``url``."""
    environ = {"DATABASE_URL": "postgresql://nowhere/nothing", "ZOHO_MAX_CONCURRENCY": str(CONCURRENCY)}
    return open_http(load_settings(environ | settings_for(url), required=Settings))


def claims_per_second(database: Database, rows: int) -> float:
    """Claim and complete in batches of 100 on one connection, without a handler: the floor of every queue in SQL."""
    with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
        connection.execute(_QUEUE.format(rows=rows).encode())
        connection.execute("VACUUM ANALYZE public.bare_queue")
        done = 0
        began = time.monotonic()
        while claimed := _claimed(connection):
            connection.execute(_COMPLETE, [claimed])
            done += len(claimed)
        seconds = time.monotonic() - began
    assert done == rows, f"{done} of {rows} rows were claimed"
    return rows / seconds


def _claimed(connection: psycopg.Connection[Any]) -> list[int]:
    return [number for number, _ in connection.execute(_CLAIM, [BATCH]).fetchall()]
