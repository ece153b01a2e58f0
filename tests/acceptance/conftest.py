from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from outbox.simulator import LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from tests.acceptance.running import DaemonProcess, daemons
from tests.host import databases
from tests.store.host import Host


@pytest.fixture
def host(migrated_database: databases.Database) -> Iterator[Host]:
    with Host(migrated_database) as host:
        yield host


@pytest.fixture
async def zoho() -> AsyncIterator[RunningSimulator]:
    async with running_simulator(SimulatorSettings(limits=LimitSettings.wide())) as running:
        yield running


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[Callable[[Mapping[str, str]], DaemonProcess]]:
    with daemons(tmp_path) as start:
        yield start
