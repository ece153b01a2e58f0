"""Pages over a database that holds something of every kind."""

from datetime import UTC, datetime

import pytest

from daemon.web.pages import figures
from outbox.clock import ManualClock
from tests.store.host import Host
from tests.web.pages.stories import Stories


@pytest.fixture
def clock() -> ManualClock:
    """Begins now: the database's own clock tells when things happened."""
    return ManualClock(datetime.now(UTC))


@pytest.fixture(autouse=True)
def figures_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is; a page itself shows older ones after a moment."""
    monkeypatch.setattr(figures, "PATIENCE_SECONDS", 30.0)


@pytest.fixture
def stories(host: Host) -> Stories:
    """Puts rows where a test wants them."""
    return Stories(host)
