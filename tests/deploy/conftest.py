from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import host, start_daemon, zoho
from tests.deploy.manager import Manager

__all__ = ["host", "start_daemon", "zoho"]


@pytest.fixture
def manager() -> Iterator[Manager]:
    with Manager() as manager:
        yield manager
