"""Bars by the hour, as geometry for an inline SVG and as words for who does not see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

HOURS = 24
WIDTH, HEIGHT = 480, 96
"""Of the drawing; it is stretched to the place it has, and its labels stand outside."""
GAP = 4

SMALLEST = Decimal(3)
"""Height of a part that is there but hardly: one failure beside thousands must be seen."""


@dataclass(frozen=True)
class Part:
    """One rectangle. ``kind`` names its colour in the style sheet."""

    kind: str
    x: int
    y: Decimal
    width: int
    height: Decimal


@dataclass(frozen=True)
class Hour:
    """One hour's bar."""

    begins: datetime
    label: str
    counts: Mapping[str, int]
    parts: Sequence[Part]
    told: str


@dataclass(frozen=True)
class Chart:
    """Twenty-four bars."""

    hours: Sequence[Hour]
    most: int
    """What the full height stands for."""
    totals: Mapping[str, int]
    ticks: Sequence[str]
    """Labels below, spread evenly."""
    busiest: Hour | None

    width = WIDTH
    height = HEIGHT

    @property
    def empty(self) -> bool:
        """Nothing happened."""
        return self.busiest is None


def next_hour(now: datetime, zone: ZoneInfo) -> datetime:
    """The full hour that ends the chart."""
    local = now.astimezone(zone)
    return local.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def chart(end: datetime, counts: Mapping[datetime, Mapping[str, int]], kinds: Mapping[str, str]) -> Chart:
    """Bars of the 24 hours before ``end``. ``counts`` by the hour's beginning; ``kinds``: its parts from below."""
    begins = [end - timedelta(hours=back) for back in range(HOURS, 0, -1)]
    by_hour = [{kind: counts.get(hour, {}).get(kind, 0) for kind in kinds} for hour in begins]
    most = _round_up(max(sum(hour.values()) for hour in by_hour))
    hours = [
        Hour(
            begins=begin,
            label=f"{begin.astimezone(end.tzinfo):%H:%M}",
            counts=hour,
            parts=_parts(place, hour, most),
            told=f"{begin.astimezone(end.tzinfo):%H:%M}: "
            + (", ".join(f"{count:,} {kinds[kind]}" for kind, count in hour.items() if count) or "nothing"),
        )
        for place, (begin, hour) in enumerate(zip(begins, by_hour, strict=True))
    ]
    busiest = max(hours, key=lambda hour: sum(hour.counts.values()))
    return Chart(
        hours=hours,
        most=most,
        totals={kind: sum(hour[kind] for hour in by_hour) for kind in kinds},
        ticks=[hours[place].label for place in range(0, HOURS, 6)] + ["now"],
        busiest=busiest if sum(busiest.counts.values()) else None,
    )


def _parts(place: int, counts: Mapping[str, int], most: int) -> list[Part]:
    step = WIDTH // HOURS
    parts: list[Part] = []
    top = Decimal(HEIGHT)
    for kind, count in counts.items():
        if not count:
            continue
        height = max((Decimal(HEIGHT * count) / most).quantize(Decimal("0.01")), SMALLEST)
        top = max(top - height, Decimal(0))
        parts.append(Part(kind, place * step + GAP // 2, top, step - GAP, height))
    return parts


def _round_up(number: int) -> int:
    """To 10, 20, 50, 100 …: a scale that people read without counting."""
    scale = 10
    while True:
        for step in (1, 2, 5):
            if number <= step * scale:
                return step * scale
        scale *= 10
