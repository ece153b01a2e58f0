"""Late status columns: all of them soon, and no round of maintenance is held up by them for long."""

import pytest

from daemon.maintenance import WRITE_BACK_SECONDS, WRITE_BACKS, write_back_late
from outbox.clock import ManualClock

pytestmark = pytest.mark.anyio


class Late:
    """Rows whose columns are to be written; each batch takes a while."""

    def __init__(self, rows: int, *, seconds: float) -> None:
        self.rows = rows
        self.clock = ManualClock()
        self._seconds = seconds

    async def write_back(self, batch: int) -> int:
        self.clock.advance(self._seconds)
        tried = min(batch, self.rows)
        self.rows -= tried
        return tried


@pytest.mark.parametrize("rows", [0, 1, WRITE_BACKS, 10 * WRITE_BACKS + 1])
async def test_all_are_written_in_one_round(rows: int) -> None:
    late = Late(rows, seconds=0.01)
    await write_back_late(late.write_back, late.clock)
    assert late.rows == 0


async def test_what_takes_too_long_is_left_for_the_next_round() -> None:
    late = Late(10 * WRITE_BACKS, seconds=WRITE_BACK_SECONDS / 2)
    await write_back_late(late.write_back, late.clock)
    assert late.rows == 8 * WRITE_BACKS
