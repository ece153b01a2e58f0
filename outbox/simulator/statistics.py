"""What was asked of the simulator, counted for tests and for people."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from outbox.simulator.limits import MINUTE
from outbox.simulator.replies import Creation


@dataclass(slots=True)
class Statistics:
    """Counts since the start or the last reset. Requests to ``/_simulator`` are not counted."""

    requests: int = 0
    """API requests that arrived, refused ones included."""
    in_flight: int = 0
    """API requests being answered now."""
    most_in_flight: int = 0
    """High-water mark of `in_flight`."""
    most_in_a_minute: int = 0
    """Most API requests in any 60 s of the simulator's clock."""
    token_requests: int = 0
    """Requests to the token endpoint."""
    by_route: Counter[str] = field(default_factory=Counter)
    """By method and template: ``POST /customers``; ``GET (unknown)`` where there is no such route."""
    by_status: Counter[int] = field(default_factory=Counter)
    """By HTTP status of what was answered; 0 where the connection was broken instead."""
    refused: Counter[int] = field(default_factory=Counter)
    """429s by body code."""
    unauthorised: Counter[int] = field(default_factory=Counter)
    """401s by body code."""
    faults: Counter[str] = field(default_factory=Counter)
    """Faults that befell a request, by kind."""
    creates: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    """Records made, by collection, natural key (display_name, invoice_number, a payment's reference_number, a
    custom field) and value: each at most 1 is the promise. Counts what was
    done, whether or not the client learnt of it; planted records are not counted."""
    unknown_keys: dict[str, Counter[str]] = field(default_factory=dict)
    """Body keys that were ignored, by route."""
    _creates_by_collection: Counter[str] = field(default_factory=Counter)
    _arrivals: deque[float] = field(default_factory=deque)

    def arrived(self, now: float) -> None:
        """An API request came in."""
        self.requests += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self._arrivals.append(now)
        while self._arrivals[0] <= now - MINUTE:
            self._arrivals.popleft()
        self.most_in_a_minute = max(self.most_in_a_minute, len(self._arrivals))

    def answered(self, status: int, code: int | None) -> None:
        """An API request was answered; `status` 0: its connection was broken."""
        self.by_status[status] += 1
        if status == 429 and code is not None:
            self.refused[code] += 1
        elif status == 401 and code is not None:
            self.unauthorised[code] += 1

    def created(self, creation: Creation) -> None:
        """A record was made."""
        self._creates_by_collection[creation.collection] += 1
        by_key = self.creates.setdefault(creation.collection, {})
        for key, value in creation.keys.items():
            by_key.setdefault(key, Counter())[value] += 1
        if creation.also is not None:
            self.created(creation.also)

    def ignored(self, route: str, keys: list[str]) -> None:
        """Body keys that mean nothing to `route`."""
        self.unknown_keys.setdefault(route, Counter()).update(keys)

    def created_more_than_once(self, collection: str, key: str) -> dict[str, int]:
        """Values of a natural key that were created twice or oftener, with how often."""
        counts = self.creates.get(collection, {}).get(key, Counter())
        return {value: count for value, count in counts.items() if count > 1}

    def count_of_creates(self, collection: str) -> int:
        """Records of `collection` made by requests."""
        return self._creates_by_collection[collection]

    def summary(self) -> dict[str, Any]:
        """As ``GET /_simulator/statistics`` shows it."""
        return {
            "requests": self.requests,
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
            "most_in_a_minute": self.most_in_a_minute,
            "token_requests": self.token_requests,
            "by_route": dict(self.by_route),
            "by_status": {str(status): count for status, count in self.by_status.items()},
            "refused": {str(code): count for code, count in self.refused.items()},
            "unauthorised": {str(code): count for code, count in self.unauthorised.items()},
            "faults": dict(self.faults),
            "creates": {
                collection: {key: dict(counts) for key, counts in by_key.items()}
                for collection, by_key in self.creates.items()
            },
            "unknown_keys": {route: dict(counts) for route, counts in self.unknown_keys.items()},
        }
