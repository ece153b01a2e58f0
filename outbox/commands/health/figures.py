"""``health-check --detailed``: the figures of a week and of a month."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from outbox.commands.health.findings import CouldNot, HealthSettings
from outbox.commands.health.reading import AS_OPERATOR, reading
from outbox.database import Database
from outbox.store.health import HealthStore, Hour, TypeFigures, Volume
from outbox.store.readings import Readings
from outbox.wording import columns

PERIODS = {"week": 7, "month": 30}


@dataclass(frozen=True)
class Period:
    """What was sent in so many days, up to now."""

    days: int
    types: tuple[TypeFigures, ...]
    peak_hours: tuple[Hour, ...]
    """The busiest three of the day, in ZOHO_TIME_ZONE."""
    volume: Volume

    def as_json(self) -> dict[str, Any]:
        """``days``, ``types`` (a list; see :class:`outbox.store.health.TypeFigures`), ``peak_hours``, ``volume``."""
        return {**asdict(self), "types": [{**asdict(each), "success_percent": success(each)} for each in self.types]}


@dataclass(frozen=True)
class Figures:
    """Those of each period, or why they could not be read; and today's quota."""

    periods: dict[str, Period | CouldNot]
    used_today: int | CouldNot
    day_limit: int
    """0: none."""

    def as_json(self) -> dict[str, Any]:
        """``week`` and ``month`` (see :meth:`Period.as_json`), or {"could_not": why, "next_step": what}; ``quota``."""
        told = {
            name: _could_not(period) if isinstance(period, CouldNot) else period.as_json()
            for name, period in self.periods.items()
        }
        used = self.used_today
        quota = _could_not(used) if isinstance(used, CouldNot) else {"used": used, "day_limit": self.day_limit or None}
        return {**told, "quota": quota}

    def as_lines(self, time_zone: str) -> Iterator[str]:
        """For people."""
        for name, period in self.periods.items():
            if isinstance(period, CouldNot):
                yield f"last {name}: could not tell: {period.why}. {period.next_step}"
                continue
            yield f"last {name} ({period.days} days)"
            yield from (f"  {line}" for line in _table(period.types))
            hours = ", ".join(f"{hour.hour:02}:00 ({hour.attempts})" for hour in period.peak_hours)
            yield f"  peak hours ({time_zone}): {hours or 'none'}"
            yield f"  {_volume(period.volume)}"
            yield ""
        if isinstance(self.used_today, CouldNot):
            yield f"quota: could not tell: {self.used_today.why}. {self.used_today.next_step}"
        elif self.day_limit:
            percent = 100 * self.used_today / self.day_limit
            yield f"quota today: {self.used_today} of {self.day_limit} requests ({percent:.0f} %)"
        else:
            yield f"quota today: {self.used_today} requests, without a limit"


def success(figures: TypeFigures) -> float | None:
    """Percent of what ended; None: nothing did."""
    ended = figures.success + figures.failed
    return round(100 * figures.success / ended, 1) if ended else None


def _could_not(reason: CouldNot) -> dict[str, str]:
    return {"could_not": reason.why, "next_step": reason.next_step}


HEADINGS = (
    "type",
    "attempts",
    "success",
    "failed",
    "retrying",
    "rate",
    "requests",
    "mean",
    "p50",
    "p95",
    "p99",
    "longest",
)


def _table(types: tuple[TypeFigures, ...]) -> list[str]:
    if not types:
        return ["nothing was sent"]
    rows = [
        (
            each.entity_type,
            str(each.attempts),
            str(each.success),
            str(each.failed),
            str(each.retrying),
            "-" if (percent := success(each)) is None else f"{percent} %",
            str(each.api_calls),
            *(
                _milliseconds(value)
                for value in (each.mean_ms, each.median_ms, each.p95_ms, each.p99_ms, each.longest_ms)
            ),
        )
        for each in types
    ]
    return columns(HEADINGS, rows, right=frozenset(HEADINGS[1:]))


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def _volume(volume: Volume) -> str:
    peak = f", {volume.peak_requests} on {volume.peak_day}" if volume.peak_day is not None else ""
    share = volume.most_of_limit_percent
    near = f" ({share:g} % of the day's limit at most)" if share is not None else ""
    return f"requests: {volume.requests}{peak}{near}; rate-limit hits: {volume.rate_limit_hits}"


async def figures(database: Database, settings: HealthSettings) -> Figures:
    """Reads them: the log's newest 50,000 rows of each period."""
    store, readings = HealthStore(database), Readings(database)
    zone = settings.zoho_time_zone

    async def period(days: int) -> Period:
        return Period(
            days,
            tuple(await store.figures(days)),
            tuple(await store.peak_hours(days, zone)),
            await store.volume(days, zone),
        )

    async def used() -> int:
        return int((await readings.budget(zone))["requests"])

    periods: dict[str, Period | CouldNot] = {}
    for name, days in PERIODS.items():
        periods[name] = await reading(lambda days=days: period(days), AS_OPERATOR)  # type: ignore[misc]
    return Figures(periods, await reading(used, AS_OPERATOR), settings.zoho_daily_request_limit)
