"""Nothing is lost, made twice or wrong, whatever happens to processes, database, paths and Zoho."""

import io

import pytest

from tests.crash.run import Report, run

pytestmark = pytest.mark.anyio


async def test_nothing_is_lost_made_twice_or_wrong_in_a_short_storm() -> None:
    await weather_the_storm(seconds=12, seed=1, replicas=2)


@pytest.mark.slow
@pytest.mark.timeout(420)
@pytest.mark.parametrize("seed", [2, 3])
async def test_nothing_is_lost_made_twice_or_wrong_in_a_long_storm(seed: int) -> None:
    report = await weather_the_storm(seconds=90, seed=seed, replicas=3)
    assert {collection for collection, count in report.made.items() if count > 0} >= {
        "customers",
        "subscriptions",
        "invoices",
        "payments",
    }


async def weather_the_storm(*, seconds: float, seed: int, replicas: int) -> Report:
    errors = io.StringIO()
    report = await run(seconds=seconds, seed=seed, replicas=replicas, errors=errors)
    assert report.good, f"{report.line()}\n{errors.getvalue()}"
    # A storm in which nothing happened proves nothing.
    assert report.entities > 0
    assert report.requests > 0
    assert report.zoho_faults > 0
    assert report.tally.kills + report.tally.stops + report.tally.terminations > 0
    return report
