from collections.abc import Iterator

import pytest
import structlog

from tests.host.databases import Databases
from tests.machine.ground import Ground, open_ground


@pytest.fixture
def ground(databases: Databases) -> Iterator[Ground]:
    # Thousands of lines about what fails here on purpose.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        with open_ground(databases) as ground:
            yield ground
    finally:
        structlog.reset_defaults()
