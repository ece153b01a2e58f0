"""In-memory ports and a raw server, for tests of the client without a database and without a simulator."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, timedelta

import httpx
from pydantic import SecretStr

from outbox.clock import ManualClock
from outbox.settings import Settings, load_settings
from outbox.vocabulary import OrganisationState, Urgency
from outbox.zoho.authorization import AccessTokens
from outbox.zoho.client import ZohoClient
from outbox.zoho.ports import CoolingDown, Permit, SendingStopped, StoredToken, TurnGranted, TurnTaken

REFRESH_TOKEN = "1000.refreshrefreshrefresh.0123456789"
CLIENT_SECRET = "the-client-secret-of-the-test"

MINIMAL = {
    "DATABASE_URL": "postgresql://daemon:db-password@localhost/host",
    "ZOHO_CLIENT_ID": "1000.CLIENT",
    "ZOHO_CLIENT_SECRET": CLIENT_SECRET,
    "ZOHO_REFRESH_TOKEN": REFRESH_TOKEN,
    "ZOHO_BILLING_ORGANIZATION_ID": "60001234567",
}


def settings_for(**changes: str) -> Settings:
    return load_settings({**MINIMAL, **changes}, required=Settings)


@dataclass
class MemoryVault:
    """A vault whose token ages with the manual clock."""

    clock: ManualClock
    token: SecretStr | None = None
    generation: int = 0
    ends_at: float = 0.0
    minting: bool = False
    cooling_until: float = 0.0
    cooldown_reason: str = ""
    given_up: list[tuple[float, str]] = field(default_factory=list)
    store_fails: bool = False
    turns: int = 0

    def put(self, secret: str, seconds_left: float) -> None:
        self.token, self.generation = SecretStr(secret), self.generation + 1
        self.ends_at = self.clock.monotonic() + seconds_left

    async def read(self) -> StoredToken | None:
        if self.token is None:
            return None
        return StoredToken(self.token, self.generation, self.ends_at - self.clock.monotonic())

    async def take_turn(self, seen_generation: int) -> StoredToken | TurnGranted | TurnTaken | CoolingDown:
        self.turns += 1
        stored = await self.read()
        if stored is not None and stored.generation > seen_generation:
            return stored
        remaining = self.cooling_until - self.clock.monotonic()
        if remaining > 0:
            return CoolingDown(self.clock.now(UTC) + timedelta(seconds=remaining), self.cooldown_reason)
        if self.minting:
            return TurnTaken()
        self.minting = True
        return TurnGranted(self.generation + 1, 60.0)

    async def store(self, turn: TurnGranted, secret: SecretStr, lifetime_seconds: float) -> StoredToken:
        if self.store_fails:
            raise OSError("the database is gone")
        self.minting = False
        self.token, self.generation = secret, turn.generation
        self.ends_at = self.clock.monotonic() + lifetime_seconds
        return StoredToken(secret, self.generation, lifetime_seconds)

    async def give_up(self, turn: TurnGranted, cooldown_seconds: float, reason: str) -> None:
        self.minting = False
        self.given_up.append((cooldown_seconds, reason))
        self.cooling_until = self.clock.monotonic() + cooldown_seconds
        self.cooldown_reason = reason


@dataclass
class MemoryBudget:
    """Counts permissions and those that are held."""

    permitted: list[Urgency] = field(default_factory=list)
    given: list[Permit] = field(default_factory=list)
    held: int = 0
    stopped: SendingStopped | None = None
    exit_fails: bool = False

    @asynccontextmanager
    async def permit(self, urgency: Urgency) -> AsyncIterator[Permit]:
        if self.stopped is not None:
            raise self.stopped
        self.permitted.append(urgency)
        self.held += 1
        try:
            self.given.append(Permit())
            yield self.given[-1]
        finally:
            self.held -= 1
        if self.exit_fails:
            raise OSError("the database is gone")


def paused() -> SendingStopped:
    return SendingStopped(OrganisationState.PAUSED, "by an operator", None)


async def no_sleep(seconds: float) -> None:
    """Lets other tasks run, and no time pass."""
    await asyncio.sleep(0)


Handler = Callable[[httpx.Request], httpx.Response]


class Scripted:
    """A mock transport: answers the token endpoint with ``tokens`` in turn, the API with ``handler``."""

    def __init__(self, handler: Handler, tokens: list[httpx.Response] | None = None) -> None:
        self.handler = handler
        self.tokens = tokens if tokens is not None else []
        self.mints = 0
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/v2/token":
            self.mints += 1
            return self.tokens.pop(0) if self.tokens else minted(f"1000.aaaaaaaaaaaaaaaaaaaa.{self.mints:020d}")
        self.requests.append(request)
        return self.handler(request)


def minted(secret: str, **more: object) -> httpx.Response:
    return httpx.Response(
        200,
        json={
            "access_token": secret,
            "api_domain": "https://www.zohoapis.com",
            "token_type": "Bearer",
            "expires_in": 3600,
            **more,
        },
    )


def ok(**body: object) -> httpx.Response:
    return httpx.Response(200, json={"code": 0, "message": "success", **body})


def refusal(status: int, code: int, message: str = "refused", **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "message": message}, headers=headers)


@dataclass
class Client:
    """A client with everything it stands on within reach."""

    client: ZohoClient
    tokens: AccessTokens
    vault: MemoryVault
    budget: MemoryBudget
    clock: ManualClock
    script: Scripted


@asynccontextmanager
async def scripted_client(handler: Handler, tokens: list[httpx.Response] | None = None) -> AsyncIterator[Client]:
    clock = ManualClock()
    vault, budget, script = MemoryVault(clock), MemoryBudget(), Scripted(handler, tokens)
    settings = settings_for()
    async with httpx.AsyncClient(transport=httpx.MockTransport(script)) as http:
        access = AccessTokens(vault, http, settings, clock, sleep=no_sleep)
        client = ZohoClient(http, access, budget, settings, clock, sleep=no_sleep)
        yield Client(client, access, vault, budget, clock, script)


Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """Where a raw server listens, and the heads of the requests that reached it."""

    port: int
    heads: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Reads one request with its body and returns its head."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            await reader.readexactly(int(value))
    return head


@asynccontextmanager
async def raw_server(converse: Callable[[RawServer], Conversation]) -> AsyncIterator[RawServer]:
    """A TCP server on loopback that speaks as the test wants."""
    found = RawServer(0)
    tasks: set[asyncio.Task[None]] = set()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await converse(found)(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def http_reply(body: bytes, *, status: str = "200 OK", headers: Mapping[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
