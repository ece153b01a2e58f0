"""Bars as geometry and as words."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from daemon.web.pages.charts import HEIGHT, HOURS, WIDTH, chart, next_hour

ZONE = ZoneInfo("Africa/Johannesburg")
END = datetime(2026, 3, 4, 9, tzinfo=ZONE)
KINDS = {"succeeded": "synced", "failed": "failed"}


def test_the_day_ends_with_the_present_hour() -> None:
    assert next_hour(datetime(2026, 3, 4, 6, 59, 59, tzinfo=UTC), ZONE) == END
    drawn = chart(END, {}, KINDS)
    assert (drawn.hours[0].label, drawn.hours[-1].label, len(drawn.hours)) == ("09:00", "08:00", HOURS)
    assert drawn.empty
    assert drawn.ticks == ["09:00", "15:00", "21:00", "03:00", "now"]


def test_an_hour_says_what_happened_in_it() -> None:
    drawn = chart(END, {END - timedelta(hours=1): {"succeeded": 1200, "failed": 1}}, KINDS)
    assert drawn.hours[-1].told == "08:00: 1,200 synced, 1 failed"
    assert drawn.hours[-2].told == "07:00: nothing"
    assert drawn.totals == {"succeeded": 1200, "failed": 1}
    assert drawn.most == 2000
    assert drawn.busiest is drawn.hours[-1]


@given(
    st.dictionaries(
        st.integers(1, HOURS),
        st.fixed_dictionaries({"succeeded": st.integers(0, 10**7), "failed": st.integers(0, 10**7)}),
    )
)
def test_every_count_that_is_not_nothing_is_drawn_inside_the_picture(counts: dict[int, dict[str, int]]) -> None:
    drawn = chart(END, {END - timedelta(hours=back): count for back, count in counts.items()}, KINDS)
    for hour in drawn.hours:
        assert {part.kind for part in hour.parts} == {kind for kind, count in hour.counts.items() if count}
        for part in hour.parts:
            assert part.height >= 3
            assert part.y >= 0
            assert 0 <= part.x <= WIDTH - part.width
        for lower, upper in zip(hour.parts, hour.parts[1:], strict=False):
            assert upper.y <= lower.y
    assert drawn.most >= max(sum(hour.counts.values()) for hour in drawn.hours)
    assert all(part.y + part.height <= Decimal(HEIGHT) + 3 for hour in drawn.hours for part in hour.parts)
