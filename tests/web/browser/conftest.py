"""A person's browser before a real daemon with its simulator."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, Request, async_playwright

from outbox.simulator import LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from tests.acceptance.running import DaemonProcess, environment
from tests.host import databases
from tests.store.host import Host
from tests.web.browser.chromium import ARGUMENTS, CHROMIUM
from tests.web.browser.demo_day import free_port

TOKEN = "an-admin-token-of-a-browser-test-0123"
NAME = "Lerato Nkosi"


@dataclass
class Dashboard:
    """Where the pages are, and what else a test may touch."""

    url: str
    daemon: DaemonProcess
    zoho: RunningSimulator
    host: Host

    @property
    def overview(self) -> str:
        return f"{self.url}/admin/zoho-sync"


@dataclass
class Person:
    """A browser with one page; remembers what it asked for and what its console said."""

    page: Page
    asked: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    async def sign_in(self, dashboard: Dashboard, *, token: str = TOKEN) -> None:
        await self.page.goto(dashboard.overview)
        await self.page.get_by_label("Your name").fill(NAME)
        await self.page.get_by_label("Admin token").fill(token)
        await self.page.get_by_role("button", name="Sign in").click()

    def hosts(self) -> set[str]:
        return {urlsplit(url).netloc for url in self.asked if not url.startswith("data:")}


async def until_async(condition: Callable[[], Awaitable[bool]], *, seconds: float = 60.0) -> None:
    """Waits until it holds."""
    with anyio.fail_after(seconds):
        while not await condition():  # noqa: ASYNC110 - the condition is a question to a server
            await anyio.sleep(0.05)


@pytest.fixture
async def zoho() -> AsyncIterator[RunningSimulator]:
    async with running_simulator(SimulatorSettings(limits=LimitSettings.wide())) as running:
        yield running


@pytest.fixture
def host(migrated_database: databases.Database) -> Iterator[Host]:
    with Host(migrated_database) as host:
        yield host


@pytest.fixture
async def dashboard(
    migrated_database: databases.Database, zoho: RunningSimulator, host: Host, tmp_path: Path
) -> AsyncIterator[Dashboard]:
    port = free_port()
    environ = environment(
        migrated_database,
        zoho,
        OUTBOX_HTTP_LISTEN=f"127.0.0.1:{port}",
        OUTBOX_ADMIN_TOKEN=TOKEN,
        ZOHO_DAILY_REQUEST_LIMIT="1000",
    )
    with DaemonProcess(environ, tmp_path / "daemon.log") as daemon:
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient() as client:

            async def ready() -> bool:
                try:
                    return (await client.get(f"{url}/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await until_async(ready)
        yield Dashboard(url, daemon, zoho, host)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        yield browser
        await browser.close()


@asynccontextmanager
async def somebody(browser: Browser, **options: object) -> AsyncIterator[Person]:
    """A browser of its own: no cookies of others."""
    context: BrowserContext = await browser.new_context(**options)  # type: ignore[arg-type]
    page = await context.new_page()
    person = Person(page)

    def asked(request: Request) -> None:
        person.asked.append(request.url)

    page.on("request", asked)
    page.on("console", lambda message: person.console.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: person.console.append(f"error: {error}"))
    try:
        yield person
    finally:
        await context.close()


@pytest.fixture
async def person(chromium: Browser, dashboard: Dashboard) -> AsyncIterator[Person]:
    """Signed in."""
    async with somebody(chromium) as person:
        await person.sign_in(dashboard)
        await person.page.wait_for_url(dashboard.overview)
        yield person
