"""How often somebody may present a wrong token: a bucket for each address, and one for all together.

Bounded in memory: of the addresses, those that failed last are remembered. An IPv6 address counts as its /64, which is
what one connection is given. Only failures are counted, and both buckets are asked before the token is looked at: a
guess must not be answered more often than the buckets allow, right or wrong. That lets a stranger who reaches the port
keep others from signing in for seconds at a time; sessions that exist are not affected.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address

from outbox.clock import Clock

MOST_ADDRESSES = 1000

PER_ADDRESS, PER_ADDRESS_SECONDS = 5, 12.0
"""Failures at once, and seconds until another one is allowed: 5 a minute."""

OVERALL, OVERALL_SECONDS = 60, 1.0
"""Of all addresses together: 60 at once, then one a second."""


@dataclass
class _Bucket:
    burst: int
    seconds: float
    spent: float = 0.0
    at: float = -math.inf

    def seconds_until_free(self, now: float) -> float:
        self.spent = max(0.0, self.spent - (now - self.at) / self.seconds) if self.spent else 0.0
        self.at = now
        return max(0.0, (self.spent + 1 - self.burst) * self.seconds)


class FailedAttempts:
    """Failures so far."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._overall = _Bucket(OVERALL, OVERALL_SECONDS)
        self._by_address: OrderedDict[str, _Bucket] = OrderedDict()

    def seconds_to_wait(self, address: str) -> int:
        """0: this address may try; else after so many seconds, rounded up."""
        now = self._clock.monotonic()
        bucket = self._by_address.get(_network(address))
        own = bucket.seconds_until_free(now) if bucket is not None else 0.0
        return math.ceil(max(own, self._overall.seconds_until_free(now)))

    def failed(self, address: str) -> None:
        """One more failure of this address."""
        now = self._clock.monotonic()
        network = _network(address)
        bucket = self._by_address.pop(network, None) or _Bucket(PER_ADDRESS, PER_ADDRESS_SECONDS)
        self._by_address[network] = bucket
        while len(self._by_address) > MOST_ADDRESSES:
            self._by_address.popitem(last=False)
        for spent in (bucket, self._overall):
            spent.seconds_until_free(now)
            spent.spent += 1

    @property
    def remembered(self) -> int:
        """Addresses."""
        return len(self._by_address)


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or IPv6Network((parsed, 64), strict=False))
    return str(parsed)
