"""What an unsuccessful exchange means: a pure reading of status, body code and exception (sheet section 3).

The body code decides, never the status alone (design.md item 8). Two questions settle the rest: may the
request have reached Zoho, and may it be repeated? A write that may have been done and may not be repeated is
*ambiguous*; the same silence on a read, PUT or DELETE is only a reason to try again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

import aiohttp
import httpx

from outbox.vocabulary import FailureClass
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.json_text import JsonValue, decode_text


class FailureKind(StrEnum):
    """What exactly went wrong. The class says what happens next, the kind what to look for."""

    NOT_FOUND = "not_found"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    CUSTOM_FIELD_UNKNOWN = "custom_field_unknown"
    UNKNOWN_URL = "unknown_url"
    TOO_LARGE = "too_large"
    ENDLESS_LIST = "endless_list"

    THROTTLED_BLOCKED = "throttled_blocked"
    THROTTLED_MINUTE = "throttled_minute"
    THROTTLED_DAY = "throttled_day"
    THROTTLED_CONCURRENCY = "throttled_concurrency"
    THROTTLED_UNKNOWN = "throttled_unknown"

    TOKEN_DEAD = "token_dead"  # noqa: S105
    SCOPE_OR_ORGANISATION = "scope_or_organisation"
    WRONG_ORGANISATION = "wrong_organisation"
    WRONG_REGION = "wrong_region"
    NO_AUTHENTICATION = "no_authentication"
    CREDENTIALS_REFUSED = "credentials_refused"

    SERVER_ERROR = "server_error"
    NOT_ZOHO = "not_zoho"
    CONTRADICTORY = "contradictory"
    UNREADABLE = "unreadable"
    UNREACHABLE = "unreachable"
    CONNECTION_LOST = "connection_lost"
    TRUNCATED = "truncated"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True)
class Failure:
    """One classified failure.

    ``http_status`` and ``code`` are None where no such thing arrived. ``message`` holds Zoho's own words,
    which may quote personal data (see ``outbox.masking.mask_message``), or ours where Zoho said nothing.
    ``retry_after_seconds`` is set for throttling where a wait is known. ``request_left`` is False only where
    no byte of the request can have reached Zoho. ``advice`` says what to do next.
    """

    failure_class: FailureClass
    kind: FailureKind
    message: str
    advice: str
    http_status: int | None = None
    code: int | None = None
    retry_after_seconds: float | None = None
    request_left: bool = True

    def __str__(self) -> str:
        where = " ".join(
            part
            for part in (
                f"HTTP {self.http_status}" if self.http_status is not None else "",
                f"code {self.code}" if self.code is not None else "",
            )
            if part
        )
        return f"{where}: {self.message}" if where else self.message


class CallFailed(Exception):  # noqa: N818 - it carries a classified failure, expected in the course of work
    """A call ended without success; ``failure`` says how. Holds no request, header or token."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class ReplyTooLarge(Exception):  # noqa: N818
    """A reply went past the size that the client reads."""


_HTML_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)

NOT_FOUND_CODES = frozenset({1002, 3004, 2006, 101002, 102001})
DUPLICATE_CODES = frozenset({1001, 3062})

BLOCKED_SECONDS = 3600.0
MINUTE_SECONDS = 60.0
CONCURRENCY_SECONDS = 10.0
_LONGEST_WAIT_SECONDS = 2 * 86400.0

_LOOK_UP_ADVICE = "The write may have been done: it is looked up by its key before anything is sent again."
_RETRY_ADVICE = "It is tried again by itself."
_TOO_LARGE_ADVICE = "The row makes a request that Zoho's servers refuse for its size: shorten its texts or lines."


def classify_reply(
    request: ApiRequest, http_status: int, headers: Mapping[str, str], content: bytes, seconds: float
) -> ApiReply | Failure:
    """Reads one whole reply. ``headers`` is a case-insensitive mapping; ``Retry-After`` is read from it."""
    envelope = _envelope(content)
    code = _code(envelope)
    message = _message(envelope)
    if envelope is not None and code == 0 and 200 <= http_status < 300:
        return ApiReply(http_status, 0, message, envelope, seconds)
    if code is None or envelope is None:
        failure = _without_code(request, http_status, headers, content, envelope)
    elif code == 0:
        failure = _unless_done(
            request,
            FailureKind.CONTRADICTORY,
            FailureClass.TRANSIENT,
            f"Zoho answered code 0 with HTTP {http_status}: {message}",
        )
    else:
        failure = _with_code(request, http_status, headers, code, message)
    return replace(failure, http_status=http_status, code=code)


def classify_transport(request: ApiRequest, error: BaseException) -> Failure:
    """Reads an exception from the transport.

    The transport maps aiohttp's exceptions onto httpx's, and a server that hung up *after* it had the request
    (``ServerDisconnectedError``, a reset) arrives as ``httpx.ConnectTimeout``: a create would look as if it
    had never left. So aiohttp's own exception, the ``__cause__``, is asked first. Whatever is not known to
    happen before the first byte counts as sent.
    """
    cause = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else error
    if _before_the_first_byte(cause):
        return Failure(
            FailureClass.OUTAGE,
            FailureKind.UNREACHABLE,
            f"Zoho could not be reached ({_cause_name(cause)})",
            "Check name resolution, TLS and the proxy between this machine and Zoho. " + _RETRY_ADVICE,
            request_left=False,
        )
    if isinstance(cause, ReplyTooLarge):
        return _unless_done(request, FailureKind.TOO_LARGE, FailureClass.PERMANENT, str(cause))
    if isinstance(cause, TimeoutError | httpx.TimeoutException):
        kind, words = FailureKind.TIMED_OUT, "Zoho did not answer in time"
    elif isinstance(cause, aiohttp.ClientPayloadError | httpx.DecodingError):
        kind, words = FailureKind.TRUNCATED, "Zoho's reply broke off"
    else:
        kind, words = FailureKind.CONNECTION_LOST, "the connection was lost before the whole reply was here"
    return _unless_done(request, kind, FailureClass.TRANSIENT, f"{words} ({_cause_name(cause)})")


def _before_the_first_byte(error: BaseException) -> bool:
    if isinstance(error, aiohttp.ClientError):
        return isinstance(
            error,
            aiohttp.ClientConnectorError  # refused, DNS, TLS, certificate, proxy
            | aiohttp.ConnectionTimeoutError
            | aiohttp.ClientHttpProxyError
            | aiohttp.ServerFingerprintMismatch
            | aiohttp.InvalidURL,
        )
    return isinstance(
        error,
        httpx.ConnectError
        | httpx.ConnectTimeout
        | httpx.PoolTimeout
        | httpx.ProxyError
        | httpx.UnsupportedProtocol
        | httpx.InvalidURL,
    )


def _cause_name(error: BaseException) -> str:
    # The class alone: the text of a transport error may hold a URL with an e-mail address in its query.
    return type(error).__name__


def _unless_done(request: ApiRequest, kind: FailureKind, otherwise: FailureClass, message: str) -> Failure:
    """A failure that leaves open whether the request was done: ambiguous where that matters."""
    if request.may_be_repeated:
        return Failure(otherwise, kind, message, _RETRY_ADVICE)
    return Failure(FailureClass.AMBIGUOUS, kind, message, _LOOK_UP_ADVICE)


def _with_code(request: ApiRequest, http_status: int, headers: Mapping[str, str], code: int, message: str) -> Failure:
    if code in {43, 44, 45, 1070} or http_status == 429:
        return _throttled(headers, code, message)
    if http_status >= 500:
        return _unless_done(request, FailureKind.SERVER_ERROR, FailureClass.OUTAGE, message)
    authentication = _authentication(http_status, code, message)
    if authentication is not None:
        return authentication
    if code in NOT_FOUND_CODES:
        return _refused(FailureKind.NOT_FOUND, message, "It does not exist in Zoho (any more).")
    if code in DUPLICATE_CODES or "already exist" in message.casefold():
        return _refused(
            FailureKind.DUPLICATE, message, "Zoho holds a record with this name or number: it is looked up."
        )
    if code == 1000:
        # 1000 is "Internal error" except for items, where the text says "already exist".
        return _unless_done(request, FailureKind.SERVER_ERROR, FailureClass.OUTAGE, message)
    if code == 120129:
        return _refused(
            FailureKind.CUSTOM_FIELD_UNKNOWN,
            message,
            "Create the custom field in Zoho Billing (Settings), or set ZOHO_EXTERNAL_ID_FIELD /"
            " ZOHO_ACCOUNT_NUMBER_FIELD to its label or to 'none'.",
        )
    if code in {5, 37} or http_status == 405:
        return _refused(
            FailureKind.UNKNOWN_URL,
            message,
            "Zoho knows no such call: check ZOHO_API_BASE_URL, then report it.",
        )
    if http_status == 403:
        return Failure(FailureClass.AUTH, FailureKind.SCOPE_OR_ORGANISATION, message, SCOPE_ADVICE)
    return _refused(FailureKind.INVALID, message, "Correct the row as Zoho's words say; the edit sends it again.")


def _refused(kind: FailureKind, message: str, advice: str) -> Failure:
    return Failure(FailureClass.PERMANENT, kind, message, advice)


def _authentication(http_status: int, code: int, message: str) -> Failure | None:
    if code == 57 or (http_status == 401 and code != 14):
        kind, advice = FailureKind.TOKEN_DEAD, "The token is refreshed once."
    elif code == 14:
        kind, advice = FailureKind.NO_AUTHENTICATION, "The request had no usable token: report it."
    elif code == 6041:
        kind = FailureKind.WRONG_ORGANISATION
        advice = "Set ZOHO_BILLING_ORGANIZATION_ID to an organisation of the user who gave the refresh token."
    elif code == 9:
        kind = FailureKind.WRONG_REGION
        advice = "Set ZOHO_REGION to the data centre where the organisation lives."
    else:
        return None
    return Failure(FailureClass.AUTH, kind, message, advice)


SCOPE_ADVICE = (
    "A fresh token is refused too: its refresh token lacks a ZohoSubscriptions scope, or its user is no"
    " member of ZOHO_BILLING_ORGANIZATION_ID. Scopes cannot be added: authorise again and set"
    " ZOHO_REFRESH_TOKEN."
)


def refused_again(failure: Failure) -> Failure:
    """A dead-token reply to a token that was minted just now: not the token but its rights (sheet 0.8)."""
    return replace(failure, kind=FailureKind.SCOPE_OR_ORGANISATION, advice=SCOPE_ADVICE)


def _throttled(headers: Mapping[str, str], code: int | None, message: str) -> Failure:
    asked = _retry_after(headers)
    wait: float | None
    match code:
        case 43:
            kind, wait = FailureKind.THROTTLED_BLOCKED, asked if asked is not None else BLOCKED_SECONDS
        case 44:
            kind, wait = FailureKind.THROTTLED_MINUTE, max(asked or 0.0, MINUTE_SECONDS)
        case 45:
            kind, wait = FailureKind.THROTTLED_DAY, asked
        case 1070:
            kind, wait = (
                FailureKind.THROTTLED_CONCURRENCY,
                asked if asked is not None else CONCURRENCY_SECONDS,
            )
        case _:
            kind, wait = FailureKind.THROTTLED_UNKNOWN, asked if asked is not None else MINUTE_SECONDS
    advice = (
        "The day's quota is used up: one request an hour asks whether it is open again. Raise the plan's"
        " limit, or lower ZOHO_DAILY_REQUEST_LIMIT to it."
        if kind is FailureKind.THROTTLED_DAY
        else "Sending waits by itself; where it happens often, lower ZOHO_REQUESTS_PER_MINUTE or"
        " ZOHO_MAX_CONCURRENCY, and see who else uses this organisation's API."
    )
    return Failure(FailureClass.THROTTLED, kind, message, advice, retry_after_seconds=wait)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_WAIT_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), _LONGEST_WAIT_SECONDS)


def _without_code(
    request: ApiRequest,
    http_status: int,
    headers: Mapping[str, str],
    content: bytes,
    envelope: Mapping[str, JsonValue] | None,
) -> Failure:
    words = f"HTTP {http_status} without Zoho's envelope: {_words(content, envelope)}"
    if http_status == 429:
        return _throttled(headers, None, words)
    if http_status == 401:
        return Failure(FailureClass.AUTH, FailureKind.TOKEN_DEAD, words, "The token is refreshed once.")
    if http_status >= 500:
        kind = FailureKind.NOT_ZOHO if _is_html(content) else FailureKind.SERVER_ERROR
        return _unless_done(request, kind, FailureClass.OUTAGE, words)
    if 200 <= http_status < 300:
        kind = FailureKind.NOT_ZOHO if _is_html(content) else FailureKind.UNREADABLE
        return _unless_done(request, kind, FailureClass.OUTAGE, words)
    if http_status == 408:
        return _unless_done(request, FailureKind.TIMED_OUT, FailureClass.TRANSIENT, words)
    if http_status in {413, 414, 431}:
        return _refused(FailureKind.TOO_LARGE, words, _TOO_LARGE_ADVICE)
    # Something between us and Zoho answered (a proxy, a firewall, a wrong address), or Zoho's front door did.
    # A 400 may be one row's own doing, so it burns that row's attempts and does not stop the organisation.
    own_doing = http_status in {400, 406, 415, 422}
    return Failure(
        FailureClass.TRANSIENT if own_doing else FailureClass.OUTAGE,
        FailureKind.NOT_ZOHO,
        words,
        "Check ZOHO_API_BASE_URL and what stands between this machine and Zoho. " + _RETRY_ADVICE,
    )


def _envelope(content: bytes) -> Mapping[str, JsonValue] | None:
    try:
        value = decode_text(content)
    except ValueError:
        return None
    return value if isinstance(value, Mapping) else None


def _code(envelope: Mapping[str, JsonValue] | None) -> int | None:
    code = envelope.get("code") if envelope is not None else None
    if isinstance(code, int) and not isinstance(code, bool):
        return code
    if isinstance(code, str) and code.isascii() and code.isdigit():
        return int(code)
    return None


def _message(envelope: Mapping[str, JsonValue] | None) -> str:
    message = envelope.get("message") if envelope is not None else None
    return message.strip() if isinstance(message, str) and message.strip() else "(no message)"


def _words(content: bytes, envelope: Mapping[str, JsonValue] | None) -> str:
    """What a body without a code says of itself. Never its text: a cut reply holds a customer's data."""
    if not content.strip():
        return "an empty reply"
    if envelope is not None:
        error = envelope.get("error")
        return f"JSON with the error {error!r}" if isinstance(error, str) else "JSON without a code"
    if not _is_html(content):
        return f"{len(content)} bytes that are not JSON"
    title = _HTML_TITLE.search(content)
    words = " ".join(title[1].decode("utf-8", "replace").split())[:100] if title is not None else ""
    return f"a web page titled {words!r}" if words else "a web page without a title"


def _is_html(content: bytes) -> bool:
    return content.lstrip()[:1] == b"<"
