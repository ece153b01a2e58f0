"""What is due on which day, so that no request has to look through every subscription."""

from heapq import heappop, heappush


class Diary:
    """One day for each key, as ISO dates."""

    def __init__(self) -> None:
        self._day_by_key: dict[str, str] = {}
        self._by_day: list[tuple[str, str]] = []

    def note(self, key: str, day: str) -> None:
        """`key` is due on `day`, and on no other; "": never."""
        if day:
            self._day_by_key[key] = day
            heappush(self._by_day, (day, key))
        else:
            self._day_by_key.pop(key, None)

    def take(self, today: str) -> str | None:
        """Take out the key that is due earliest, today or before; None: nothing is due."""
        while self._by_day and self._by_day[0][0] <= today:
            day, key = heappop(self._by_day)
            if self._day_by_key.get(key) == day:
                del self._day_by_key[key]
                return key
        return None
