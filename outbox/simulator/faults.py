"""Bad days by rule (sheet 6): which request, what happens to it, how often."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

TOKEN_PATH = "/oauth/v2/token"  # noqa: S105 - an address


class FaultKind(StrEnum):
    """What happens. "Done" means that the endpoint ran: the record is written, the token minted."""

    DONE_THEN_LOST = "done_then_lost"
    """Done, then the connection ends without a byte of reply."""
    DONE_THEN_CUT = "done_then_cut"
    """Done, then the connection ends in the middle of the reply's body."""
    LOST_THEN_NOT_DONE = "lost_then_not_done"
    """The request is read whole and the connection ends; nothing is done."""
    SLOW_BEFORE = "slow_before"
    """Done only after `seconds`, also when the client has left by then."""
    SLOW_AFTER = "slow_after"
    """Done at once, answered after `seconds`."""
    HELD_BEFORE = "held_before"
    """Waits, undone, until the fault is released; then done and answered."""
    HELD_AFTER = "held_after"
    """Done at once, answered when the fault is released."""
    SERVER_ERROR_BEFORE = "server_error_before"
    """500/1000, not done."""
    SERVER_ERROR_AFTER = "server_error_after"
    """Done, 500/1000."""
    BAD_GATEWAY_BEFORE = "bad_gateway_before"
    """502 in HTML, not done."""
    BAD_GATEWAY_AFTER = "bad_gateway_after"
    """Done, 502 in HTML."""
    HTML_BEFORE = "html_before"
    """An HTML page with status 200, not done."""
    HTML_AFTER = "html_after"
    """Done, an HTML page with status 200."""
    TRUNCATED_JSON_BEFORE = "truncated_json_before"
    """Status 200 with half a JSON text, not done."""
    TRUNCATED_JSON_AFTER = "truncated_json_after"
    """Done, status 200 with the first half of the JSON reply."""
    REFUSED_WITH_200 = "refused_with_200"
    """Status 200 whose body says `code` (not 0) and `message`; not done."""
    REFUSED = "refused"
    """`status` with `code` and `message`; not done."""
    RATE_LIMITED_43 = "rate_limited_43"
    """429/43 with Retry-After: `retry_after_seconds`; not done."""
    RATE_LIMITED_44 = "rate_limited_44"
    """429/44 without Retry-After; not done."""
    RATE_LIMITED_45 = "rate_limited_45"
    """429/45, the day's quota; not done."""
    RATE_LIMITED_1070 = "rate_limited_1070"
    """429/1070, concurrency; not done."""
    UNAUTHENTICATED_14 = "unauthenticated_14"
    """401/14; not done."""
    UNAUTHORISED_57 = "unauthorised_57"
    """401/57; not done."""
    FOREIGN_ORGANISATION = "foreign_organisation"
    """400/6041; not done."""
    ROW_REPEATED = "row_repeated"
    """A list's pages after the first begin one row early."""
    ROW_SKIPPED = "row_skipped"
    """A list's pages after the first begin one row late."""
    TOKEN_THROTTLED = "token_throttled"  # noqa: S105 - a word
    """The token endpoint's 400 "Access Denied"; nothing minted."""
    TOKEN_INVALID_CODE = "token_invalid_code"  # noqa: S105 - a word
    """200 ``{"error":"invalid_code"}``: a revoked refresh token."""
    TOKEN_INVALID_CLIENT = "token_invalid_client"  # noqa: S105 - a word
    """200 ``{"error":"invalid_client"}``."""
    TOKEN_INVALID_SECRET = "token_invalid_secret"  # noqa: S105 - a word
    """200 ``{"error":"invalid_client_secret"}``."""
    TOKEN_MISSING = "token_missing"  # noqa: S105 - a word
    """200 without an access_token and without an error."""


TOKEN_KINDS = frozenset(
    {
        FaultKind.TOKEN_THROTTLED,
        FaultKind.TOKEN_INVALID_CODE,
        FaultKind.TOKEN_INVALID_CLIENT,
        FaultKind.TOKEN_INVALID_SECRET,
        FaultKind.TOKEN_MISSING,
    }
)
_API_KINDS = frozenset(
    {
        FaultKind.ROW_REPEATED,
        FaultKind.ROW_SKIPPED,
        FaultKind.RATE_LIMITED_43,
        FaultKind.RATE_LIMITED_44,
        FaultKind.RATE_LIMITED_45,
        FaultKind.RATE_LIMITED_1070,
        FaultKind.UNAUTHENTICATED_14,
        FaultKind.UNAUTHORISED_57,
        FaultKind.FOREIGN_ORGANISATION,
    }
)
_WAITING_KINDS = frozenset({FaultKind.SLOW_BEFORE, FaultKind.SLOW_AFTER})


class FaultRule(BaseModel):
    """One rule. A request must match all of method, path and body; the first rule that fires decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind
    method: Literal["*", "GET", "POST", "PUT", "DELETE", "reads", "writes"] = "*"
    """"reads" is GET, "writes" is everything else."""
    path: str = "*"
    """A shell pattern on the path below the API root, such as ``/customers/*``. The token endpoint is matched
    by patterns that begin with ``/oauth`` alone, and a rule of a token kind has that path by default."""
    body_contains: str = ""
    """Text that the request's body must hold, such as a customer's External ID."""
    skip: NonNegativeInt = 0
    """Let this many matching requests pass first: the n-th occurrence is ``skip`` n - 1."""
    times: PositiveInt | None = 1
    """How often it fires before it is used up; None: for ever."""
    probability: float = Field(default=1.0, gt=0, le=1)
    """Chance of firing at each match, from the seeded dice."""
    seconds: NonNegativeFloat = 0.0
    """A pause in real time: before doing (slow_before), else before the reply or the end of the
    connection."""
    reset: bool = False
    """Connections end with RST instead of FIN."""
    retry_after_seconds: PositiveInt = 3600
    """Of rate_limited_43."""
    status: int = Field(default=400, ge=400, le=599)
    """Of refused."""
    code: int = 1000
    """Of refused and refused_with_200; not 0."""
    message: str = "Internal error"
    """Of refused and refused_with_200."""

    @model_validator(mode="before")
    @classmethod
    def _token_kinds_have_one_path(cls, given: Any) -> Any:
        if isinstance(given, dict) and "path" not in given and given.get("kind") in TOKEN_KINDS:
            return {**given, "path": TOKEN_PATH}
        return given

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.kind in _WAITING_KINDS and self.seconds == 0:
            raise ValueError(f"{self.kind} needs seconds")
        if self.code == 0:
            raise ValueError("code 0 is success")
        if self.kind in TOKEN_KINDS and not self.is_for_tokens:
            raise ValueError(f"{self.kind} happens at {TOKEN_PATH} alone")
        if self.kind in _API_KINDS and self.is_for_tokens:
            raise ValueError(f"{self.kind} does not happen at {TOKEN_PATH}")
        return self

    @property
    def is_for_tokens(self) -> bool:
        """Whether it concerns the token endpoint."""
        return self.path.startswith("/oauth")

    def matches(self, method: str, path: str, body: bytes) -> bool:
        """Whether a request is meant. `path` is below the API root, or :data:`TOKEN_PATH`."""
        if self.method == "reads":
            if method != "GET":
                return False
        elif self.method == "writes":
            if method == "GET":
                return False
        elif self.method not in {"*", method}:
            return False
        if self.is_for_tokens != (path == TOKEN_PATH) or not fnmatchcase(path, self.path):
            return False
        return self.body_contains.encode() in body


@dataclass(slots=True)
class Fault:
    """A planted rule and what became of it."""

    id: int
    rule: FaultRule
    matched: int = 0
    fired: int = 0
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_used_up(self) -> bool:
        """Whether it has fired as often as it may."""
        return self.rule.times is not None and self.fired >= self.rule.times

    def release(self) -> None:
        """Let held requests go on, now and later."""
        self._released.set()

    async def released(self) -> None:
        """Wait for :meth:`release`."""
        await self._released.wait()

    def summary(self) -> dict[str, Any]:
        """As ``GET /_simulator/faults`` shows it."""
        return {
            "id": self.id,
            "matched": self.matched,
            "fired": self.fired,
            "used_up": self.is_used_up,
            "rule": self.rule.model_dump(mode="json", exclude_defaults=True),
        }


class Faults:
    """The planted faults, asked in the order of planting."""

    def __init__(self, seed: int) -> None:
        self._faults: dict[int, Fault] = {}
        self._last_id = 0
        self._dice = Random(seed)  # noqa: S311 - reproducible, not secret

    def __iter__(self) -> Iterator[Fault]:
        return iter(list(self._faults.values()))

    def add(self, rule: FaultRule) -> Fault:
        """Plant `rule`."""
        self._last_id += 1
        fault = self._faults[self._last_id] = Fault(self._last_id, rule)
        return fault

    def plant(self, kind: FaultKind | str, method: str = "*", path: str | None = None, **details: Any) -> Fault:
        """Plant a rule from its fields. Raises pydantic.ValidationError, naming the field that does not
        fit."""
        fields = {"kind": kind, "method": method, **details}
        if path is not None:
            fields["path"] = path
        return self.add(FaultRule.model_validate(fields))

    def get(self, fault_id: int) -> Fault | None:
        """The fault of that id."""
        return self._faults.get(fault_id)

    def remove(self, fault_id: int) -> bool:
        """Take it out and release what it holds. False where there is none."""
        fault = self._faults.pop(fault_id, None)
        if fault is not None:
            fault.release()
        return fault is not None

    def clear(self) -> None:
        """Take all out and release what they hold."""
        for fault_id in list(self._faults):
            self.remove(fault_id)

    def choose(self, method: str, path: str, body: bytes) -> Fault | None:
        """The fault that befalls this request, counted, or None."""
        for fault in self._faults.values():
            rule = fault.rule
            if fault.is_used_up or not rule.matches(method, path, body):
                continue
            fault.matched += 1
            if fault.matched <= rule.skip:
                continue
            if rule.probability < 1 and self._dice.random() >= rule.probability:
                continue
            fault.fired += 1
            return fault
        return None
