"""A month of a small company, in both billing modes, with undocumented filters on, refused and ignored."""

from collections.abc import Callable, Iterator

import anyio
import pytest
import structlog

from tests.host.databases import Databases
from tests.host.shapes import HostShape
from tests.month.closing import PROPERTY
from tests.month.planted import plants
from tests.month.play import Filters, play
from tests.month.report import close

COMBINATIONS = [
    pytest.param(mode, filters, marks=() if (mode, filters) == ("zoho", Filters.IGNORED) else pytest.mark.slow)
    for mode in ("zoho", "host")
    for filters in Filters
]


@pytest.fixture
def few_words() -> Iterator[None]:
    """Hundreds of requests, and failures on purpose."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        yield
    finally:
        structlog.reset_defaults()


@pytest.mark.usefixtures("few_words")
@pytest.mark.parametrize(("mode", "filters"), COMBINATIONS)
def test_both_sides_agree_to_the_cent_and_the_day_and_what_is_planted_is_noticed(
    databases: Databases, mode: str, filters: Filters, record_property: Callable[[str, object], None]
) -> None:
    played = anyio.run(play, databases, HostShape().template, mode, filters)
    report = close(played, mode, filters)
    record_property(PROPERTY, report.line)
    assert report.found == []
    # Told two minutes after Zoho's midnight: the service's entry says so, and so does the payment, which is credit.
    assert report.priced_otherwise == (["R-IMANI-LTE-0315 399.00, by Zoho 449.50"] if mode == "zoho" else [])
    # What the audits cannot see is not agreed.
    unnoticed = [name for name, books in plants(played.books, mode) if not close(played, mode, filters, books).found]
    assert unnoticed == []


@pytest.mark.slow
@pytest.mark.usefixtures("few_words")
@pytest.mark.parametrize("mode", ["zoho", "host"])
@pytest.mark.parametrize("seed", range(1, 4))
def test_both_sides_agree_when_the_daemon_is_away_more_often_than_it_is_there(
    databases: Databases, mode: str, seed: int
) -> None:
    played = anyio.run(play, databases, HostShape().template, mode, Filters.IGNORED, "", seed)
    assert close(played, mode, Filters.IGNORED).found == []
