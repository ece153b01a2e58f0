"""One request to Zoho Billing and one good reply, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urlencode

import simplejson

from outbox.zoho.json_text import JsonValue, encode_body

Method = Literal["GET", "POST", "PUT", "DELETE"]

_PATH_SAFE = "/-._~%:@"


def path_segment(value: str) -> str:
    """``value`` quoted as one segment of a path: plan codes may hold blanks and slashes."""
    return quote(value, safe="")


@dataclass(frozen=True)
class ApiRequest:
    """A request below the API base, with nothing of a host, token or organisation in it.

    ``path`` begins with a slash and holds segments made by :func:`path_segment`. ``idempotent`` says whether
    doing it twice is the same as doing it once; where it is not given, everything but POST is. POST actions
    that set a state (``markasactive``) are idempotent, and their entity says so.
    """

    method: Method
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, JsonValue] | None = None
    idempotent: bool | None = None
    names_organisation: bool = True
    """False for the one request that lists organisations (sheet 2.0)."""

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or quote(self.path, safe=_PATH_SAFE) != self.path:
            raise ValueError(f"{self.path!r} is no quoted path; see path_segment")

    @property
    def may_be_repeated(self) -> bool:
        """Whether sending it again cannot do its work twice."""
        return self.method != "POST" if self.idempotent is None else self.idempotent

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing in Zoho."""
        return self.method == "GET"

    def describe(self, base_url: str) -> str:
        """The exact request as text for ``--dry-run``: method, URL, then the body with one key a line.

        It holds no header: token and organisation are the client's. Raises what ``encode_body`` raises.
        """
        url = f"{base_url}{self.path}" + (f"?{urlencode(self.query)}" if self.query else "")
        lines = [f"{self.method} {url}"]
        if self.body is not None:
            parsed = simplejson.loads(encode_body(self.body), use_decimal=True)
            lines += ["", simplejson.dumps(parsed, use_decimal=True, ensure_ascii=False, indent=2)]
        return "\n".join(lines)


@dataclass(frozen=True)
class ApiReply:
    """Zoho did it: HTTP 2xx and code 0. ``body`` is the whole envelope, ``seconds`` the duration."""

    http_status: int
    code: int
    message: str
    body: Mapping[str, JsonValue]
    seconds: float
