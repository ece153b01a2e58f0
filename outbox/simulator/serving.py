"""A simulator on a loopback port, in this process."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from uvicorn.config import Config
from uvicorn.server import ServerState

from outbox.simulator.application import API_ROOT, Application
from outbox.simulator.clock import SimulatorClock
from outbox.simulator.connections import ConnectionProtocol
from outbox.simulator.control import control_application
from outbox.simulator.faults import Faults
from outbox.simulator.settings import SimulatorSettings
from outbox.simulator.state import Simulator
from outbox.simulator.statistics import Statistics

LOOPBACK = "127.0.0.1"
LOOK_AGAIN_SECONDS = 0.005


class RunningSimulator:
    """A simulator that accepts requests. For use from the event loop it runs in."""

    def __init__(self, simulator: Simulator, port: int) -> None:
        self.simulator = simulator
        """The state: planting, editing, tokens, limits, journal, clock."""
        self.url = f"http://{LOOPBACK}:{port}"

    @property
    def accounts_base_url(self) -> str:
        """For ZOHO_ACCOUNTS_BASE_URL."""
        return self.url

    @property
    def api_base_url(self) -> str:
        """For ZOHO_API_BASE_URL."""
        return self.url + API_ROOT

    @property
    def organisation(self) -> str:
        """The organisation's id."""
        return self.settings.organisation.organization_id

    @property
    def settings(self) -> SimulatorSettings:
        """The live settings: an assignment takes effect at once."""
        return self.simulator.settings

    @property
    def faults(self) -> Faults:
        """Where faults are planted."""
        return self.simulator.faults

    @property
    def statistics(self) -> Statistics:
        """What was asked so far."""
        return self.simulator.statistics

    @property
    def clock(self) -> SimulatorClock:
        """The simulator's time."""
        return self.simulator.clock

    @property
    def environment(self) -> dict[str, str]:
        """The settings with which zoho-outbox finds this simulator."""
        return environment(self.url, self.settings)

    async def until(self, condition: Callable[[Statistics], bool], *, seconds: float = 30.0) -> None:
        """Wait until `condition` holds of the statistics. Raises TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds):
            while not condition(self.statistics):  # noqa: ASYNC110 - the condition is the caller's
                await asyncio.sleep(LOOK_AGAIN_SECONDS)


def environment(url: str, settings: SimulatorSettings) -> dict[str, str]:
    """Environment variables with which zoho-outbox finds the simulator at `url`; the credentials are
    invented."""
    return {
        "ZOHO_API_BASE_URL": url + API_ROOT,
        "ZOHO_ACCOUNTS_BASE_URL": url,
        "ZOHO_CLIENT_ID": settings.client_id,
        "ZOHO_CLIENT_SECRET": settings.client_secret,
        "ZOHO_REFRESH_TOKEN": settings.refresh_token,
        "ZOHO_BILLING_ORGANIZATION_ID": settings.organisation.organization_id,
    }


def bound_socket(port: int) -> socket.socket:
    """A listening socket on the loopback; port 0 takes any free one. Raises OSError where the port is in
    use."""
    # With the protocol left 0, asyncio does not set TCP_NODELAY, and every reply waits 40 ms for an
    # acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


@asynccontextmanager
async def running_simulator(
    settings: SimulatorSettings | None = None,
    *,
    port: int = 0,
    clock: SimulatorClock | None = None,
) -> AsyncIterator[RunningSimulator]:
    """Serve a simulator until the block ends; requests still waiting then are ended.

    `settings` are copied: strict limits by default. Raises OSError where the port is in use.
    """
    own_settings = SimulatorSettings() if settings is None else settings.model_copy(deep=True)
    simulator = Simulator(own_settings, clock)
    async with _served(simulator, bound_socket(port)) as running:
        yield running


@asynccontextmanager
async def _served(simulator: Simulator, listener: socket.socket) -> AsyncIterator[RunningSimulator]:
    # uvicorn's protocol on a server of our own: uvicorn.Server takes over the process's signals, and looks at
    # its
    # connections every 100 ms, which a thousand tests would pay for.
    config = Config(
        Application(simulator, control_application(simulator)),
        http=ConnectionProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ConnectionProtocol(config, state, {}), sock=listener)
    try:
        yield RunningSimulator(simulator, listener.getsockname()[1])
    finally:
        server.close()
        simulator.close()
        for connection in list(state.connections):
            connection.transport.abort()
        # Every wait inside a request ends with simulator.close(), so the requests end by themselves:
        # cancelled ones
        # would be logged by uvicorn as errors.
        if state.tasks:
            await asyncio.wait(state.tasks)
        await server.wait_closed()
