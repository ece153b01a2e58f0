"""The quotas of one organisation: per minute, per day, in flight (sheet 3)."""

from collections import deque
from datetime import date
from math import ceil
from typing import Literal
from zoneinfo import ZoneInfo

from outbox.simulator.clock import zoho_date
from outbox.simulator.replies import (
    Refusal,
    blocked_for_security,
    day_used_up,
    organisation_blocked,
    too_many_in_process,
)
from outbox.simulator.settings import SimulatorSettings

MINUTE = 60.0
DEFAULT_BLOCK_SECONDS: dict[int, float] = {43: 3600.0, 44: 60.0}
"""Recorded for 43; for 44 the documentation asks for a minute."""


class Limits:
    """Admits a request or raises the 429 it deserves. Refused requests use up nothing (a guess)."""

    def __init__(self, settings: SimulatorSettings, zone: ZoneInfo) -> None:
        self._settings = settings
        self._zone = zone
        self._admitted: deque[float] = deque()
        self._day: date | None = None
        self.used_today = 0
        """Requests admitted in the organisation's present day."""
        self.blocked_until = 0.0
        """Epoch seconds; while it is ahead every request is refused."""
        self._block_code: Literal[43, 44] = 44

    def admit(self, now: float, in_flight: int) -> None:
        """Count one request; `in_flight` includes it. Raises Refusal 429 with code 43, 44, 45 or 1070."""
        limits = self._settings.limits
        if now < self.blocked_until:
            raise self._block_refusal(now)
        today = zoho_date(now, self._zone)
        if today != self._day:
            self._day, self.used_today = today, 0
        if limits.requests_per_day is not None and self.used_today >= limits.requests_per_day:
            raise day_used_up(limits.requests_per_day)
        if limits.concurrent_requests is not None and in_flight > limits.concurrent_requests:
            raise too_many_in_process()
        if limits.requests_per_minute is not None:
            while self._admitted and self._admitted[0] <= now - MINUTE:
                self._admitted.popleft()
            if len(self._admitted) >= limits.requests_per_minute:
                seconds = limits.minute_block_seconds or DEFAULT_BLOCK_SECONDS[limits.minute_code]
                self.block(limits.minute_code, seconds, now)
                raise self._block_refusal(now)
            self._admitted.append(now)
        self.used_today += 1

    def block(self, code: Literal[43, 44], seconds: float, now: float) -> None:
        """Refuse everything for `seconds` from `now`."""
        self._block_code = code
        self.blocked_until = now + seconds

    def use_today(self, requests: int, now: float) -> None:
        """Pretend that the organisation has made `requests` today."""
        self._day, self.used_today = zoho_date(now, self._zone), requests

    def lift(self) -> None:
        """Forget block, minute and day."""
        self._admitted.clear()
        self.blocked_until = 0.0
        self.used_today = 0

    def _block_refusal(self, now: float) -> Refusal:
        if self._block_code == 43:
            return blocked_for_security(ceil(self.blocked_until - now))
        return organisation_blocked()
