"""What each reply and each exception means (sheet section 3)."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import httpx
import pytest

from outbox.vocabulary import FailureClass
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import Failure, FailureKind, classify_reply, classify_transport, refused_again

CREATE = ApiRequest("POST", "/customers", body={"display_name": "A"})
ACTION = ApiRequest("POST", "/customers/1/markasactive", idempotent=True)
UPDATE = ApiRequest("PUT", "/customers/1", body={"display_name": "A"})
DELETE = ApiRequest("DELETE", "/customers/1")
READ = ApiRequest("GET", "/customers/1")
ALL = [CREATE, ACTION, UPDATE, DELETE, READ]

HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"


def reading(request: ApiRequest, status: int, body: object, retry_after: str | None = None) -> ApiReply | Failure:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = httpx.Headers({"retry-after": retry_after} if retry_after is not None else {})
    return classify_reply(request, status, headers, content, 0.5)


def failing(request: ApiRequest, status: int, body: object, retry_after: str | None = None) -> Failure:
    outcome = reading(request, status, body, retry_after)
    assert isinstance(outcome, Failure)
    return outcome


def envelope(code: object, message: str = "refused") -> dict[str, object]:
    return {"code": code, "message": message}


@pytest.mark.parametrize("request_", ALL, ids=lambda request: request.method)
@pytest.mark.parametrize("status", [200, 201])
def test_code_0_with_2xx_alone_is_success(request_: ApiRequest, status: int) -> None:
    outcome = reading(request_, status, {"code": 0, "message": "success", "customer": {"customer_id": "1"}})
    assert isinstance(outcome, ApiReply)
    assert outcome.body["customer"] == {"customer_id": "1"}
    assert (outcome.http_status, outcome.code, outcome.message, outcome.seconds) == (
        status,
        0,
        "success",
        0.5,
    )


@pytest.mark.parametrize(
    ("status", "code", "kind", "failure_class"),
    [
        (404, 1002, FailureKind.NOT_FOUND, FailureClass.PERMANENT),
        (400, 3004, FailureKind.NOT_FOUND, FailureClass.PERMANENT),
        (400, 2006, FailureKind.NOT_FOUND, FailureClass.PERMANENT),
        (400, 101002, FailureKind.NOT_FOUND, FailureClass.PERMANENT),
        (400, 102001, FailureKind.NOT_FOUND, FailureClass.PERMANENT),
        (200, 1002, FailureKind.NOT_FOUND, FailureClass.PERMANENT),
        (403, 1002, FailureKind.NOT_FOUND, FailureClass.PERMANENT),
        (400, 1001, FailureKind.DUPLICATE, FailureClass.PERMANENT),
        (400, 3062, FailureKind.DUPLICATE, FailureClass.PERMANENT),
        (400, 120129, FailureKind.CUSTOM_FIELD_UNKNOWN, FailureClass.PERMANENT),
        (400, 4, FailureKind.INVALID, FailureClass.PERMANENT),
        (200, 4, FailureKind.INVALID, FailureClass.PERMANENT),
        (404, 5, FailureKind.UNKNOWN_URL, FailureClass.PERMANENT),
        (405, 37, FailureKind.UNKNOWN_URL, FailureClass.PERMANENT),
        (401, 57, FailureKind.TOKEN_DEAD, FailureClass.AUTH),
        (400, 57, FailureKind.TOKEN_DEAD, FailureClass.AUTH),
        (401, 14, FailureKind.NO_AUTHENTICATION, FailureClass.AUTH),
        (400, 6041, FailureKind.WRONG_ORGANISATION, FailureClass.AUTH),
        (400, 9, FailureKind.WRONG_REGION, FailureClass.AUTH),
        (403, 99, FailureKind.SCOPE_OR_ORGANISATION, FailureClass.AUTH),
    ],
)
@pytest.mark.parametrize("request_", [CREATE, READ], ids=["create", "read"])
def test_the_body_code_decides(
    request_: ApiRequest, status: int, code: int, kind: FailureKind, failure_class: FailureClass
) -> None:
    failure = failing(request_, status, envelope(code))
    assert (failure.kind, failure.failure_class) == (kind, failure_class)
    assert (failure.http_status, failure.code, failure.message) == (status, code, "refused")
    assert failure.request_left
    assert failure.advice


def test_a_code_in_quotes_is_the_same_code() -> None:
    assert failing(READ, 400, envelope("3004")).kind is FailureKind.NOT_FOUND


def test_already_exists_is_a_duplicate_under_any_code() -> None:
    assert failing(CREATE, 400, envelope(77, "The item name Already Exists")).kind is FailureKind.DUPLICATE
    assert failing(CREATE, 400, envelope(1000, "The item name already exist")).kind is FailureKind.DUPLICATE


@pytest.mark.parametrize(
    ("code", "retry_after", "kind", "seconds"),
    [
        (43, "3600", FailureKind.THROTTLED_BLOCKED, 3600),
        (43, None, FailureKind.THROTTLED_BLOCKED, 3600),
        (43, "120", FailureKind.THROTTLED_BLOCKED, 120),
        (44, None, FailureKind.THROTTLED_MINUTE, 60),
        (44, "5", FailureKind.THROTTLED_MINUTE, 60),
        (44, "90", FailureKind.THROTTLED_MINUTE, 90),
        (45, None, FailureKind.THROTTLED_DAY, None),
        (45, "7200", FailureKind.THROTTLED_DAY, 7200),
        (1070, None, FailureKind.THROTTLED_CONCURRENCY, 10),
        (99, None, FailureKind.THROTTLED_UNKNOWN, 60),
        (99, "7", FailureKind.THROTTLED_UNKNOWN, 7),
        (99, "soon", FailureKind.THROTTLED_UNKNOWN, 60),
        (99, "-5", FailureKind.THROTTLED_UNKNOWN, 60),
        (99, "99999999999", FailureKind.THROTTLED_UNKNOWN, 172800),
    ],
)
@pytest.mark.parametrize("request_", [CREATE, READ], ids=["create", "read"])
def test_429_is_throttling_with_its_wait(
    request_: ApiRequest, code: int, retry_after: str | None, kind: FailureKind, seconds: float | None
) -> None:
    failure = failing(request_, 429, envelope(code), retry_after)
    assert failure.failure_class is FailureClass.THROTTLED
    assert (failure.kind, failure.retry_after_seconds) == (kind, seconds)


def test_a_retry_after_that_names_a_moment_is_read() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    seconds = failing(READ, 429, envelope(43), moment).retry_after_seconds
    assert seconds is not None
    assert 500 < seconds <= 600


def test_429_without_an_envelope_is_throttling() -> None:
    failure = failing(CREATE, 429, HTML)
    assert (failure.failure_class, failure.retry_after_seconds) == (FailureClass.THROTTLED, 60)


@pytest.mark.parametrize("code", [43, 44, 45, 1070])
def test_throttling_is_known_by_its_code_whatever_the_status(code: int) -> None:
    assert failing(CREATE, 400, envelope(code)).failure_class is FailureClass.THROTTLED


IN_DOUBT = {
    "500 internal error": (500, envelope(1000, "Internal error")),
    "500 with another code": (500, envelope(1002)),
    "502 HTML": (502, HTML),
    "503 empty": (503, b""),
    "200 HTML": (200, HTML),
    "200 empty": (200, b""),
    "201 truncated": (201, b'{"code":0,"message":"succ'),
    "200 a list": (200, b"[]"),
    "200 without code": (200, {"message": "success"}),
    "200 code true": (200, envelope(True)),
    "200 code null": (200, envelope(None)),
    "200 NaN": (200, b'{"code": NaN}'),
    "200 a number without end": (200, b'{"code": 0, "x": 1e9999999999999999999999}'),
    "200 brackets without end": (200, b"[" * 100_000),
    "200 not UTF-8": (200, b'{"code":0,"message":"\xff"}'),
    "400 internal error": (400, envelope(1000, "Internal error")),
    "400 with code 0": (400, envelope(0, "success")),
    "408": (408, b""),
}


@pytest.mark.parametrize("case", IN_DOUBT)
def test_what_leaves_a_create_in_doubt_is_ambiguous_and_the_rest_tries_again(case: str) -> None:
    status, body = IN_DOUBT[case]
    assert failing(CREATE, status, body).failure_class is FailureClass.AMBIGUOUS
    for request in (ACTION, UPDATE, DELETE, READ):
        assert failing(request, status, body).failure_class in {FailureClass.OUTAGE, FailureClass.TRANSIENT}


def test_5xx_and_html_feed_the_breaker() -> None:
    for status, body in ((500, envelope(1000)), (502, HTML), (200, HTML), (503, b"")):
        assert failing(UPDATE, status, body).failure_class is FailureClass.OUTAGE


@pytest.mark.parametrize("request_", ALL, ids=lambda request: request.method)
def test_4xx_without_an_envelope_is_never_ambiguous(request_: ApiRequest) -> None:
    assert failing(request_, 403, HTML).failure_class is FailureClass.OUTAGE
    assert failing(request_, 404, HTML).failure_class is FailureClass.OUTAGE
    assert failing(request_, 400, HTML).failure_class is FailureClass.TRANSIENT
    assert failing(request_, 302, b"").failure_class is FailureClass.OUTAGE


@pytest.mark.parametrize("status", [413, 414, 431])
def test_a_request_that_is_too_large_is_permanent(status: int) -> None:
    failure = failing(CREATE, status, HTML)
    assert (failure.failure_class, failure.kind) == (FailureClass.PERMANENT, FailureKind.TOO_LARGE)


def test_401_without_an_envelope_is_a_dead_token() -> None:
    assert failing(CREATE, 401, b"").kind is FailureKind.TOKEN_DEAD


def test_a_cut_reply_is_not_quoted() -> None:
    failure = failing(READ, 200, b'{"code":0,"customer":{"display_name":"Thandi Nkosi"')
    assert "Thandi" not in str(failure)


def test_a_web_page_is_named_by_its_title() -> None:
    assert "502 Bad Gateway" in failing(READ, 502, HTML).message


def test_a_fresh_token_that_is_refused_points_at_scope_and_organisation() -> None:
    failure = refused_again(failing(READ, 401, envelope(57)))
    assert failure.kind is FailureKind.SCOPE_OR_ORGANISATION
    assert "ZOHO_BILLING_ORGANIZATION_ID" in failure.advice


def mapped(error: httpx.HTTPError, cause: aiohttp.ClientError) -> httpx.HTTPError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        mapped(httpx.ConnectTimeout("x"), aiohttp.ServerDisconnectedError()),
        mapped(httpx.ConnectTimeout("x"), aiohttp.ClientOSError(104, "reset")),
        mapped(httpx.ConnectTimeout("x"), aiohttp.ClientConnectionError("closed")),
        mapped(httpx.ReadTimeout("x"), aiohttp.SocketTimeoutError("x")),
        mapped(httpx.ReadError("x"), aiohttp.ClientPayloadError("x")),
        httpx.RemoteProtocolError("x"),
        httpx.ReadTimeout("x"),
        httpx.WriteError("x"),
        TimeoutError(),
        RuntimeError("something new"),
    ],
    ids=lambda error: f"{type(error).__name__} of {type(error.__cause__).__name__}",
)
def test_whatever_may_have_left_is_ambiguous_for_a_create(error: Exception) -> None:
    failure = classify_transport(CREATE, error)
    assert (failure.failure_class, failure.request_left) == (FailureClass.AMBIGUOUS, True)
    assert classify_transport(UPDATE, error).failure_class is FailureClass.TRANSIENT


@pytest.mark.parametrize(
    "error",
    [
        mapped(httpx.ConnectTimeout("x"), aiohttp.ConnectionTimeoutError("x")),
        httpx.ConnectError("x"),
        httpx.ConnectTimeout("x"),
        httpx.PoolTimeout("x"),
        httpx.ProxyError("x"),
        httpx.UnsupportedProtocol("x"),
    ],
    ids=lambda error: f"{type(error).__name__} of {type(error.__cause__).__name__}",
)
def test_what_never_left_is_an_outage(error: Exception) -> None:
    failure = classify_transport(CREATE, error)
    assert (failure.failure_class, failure.request_left) == (FailureClass.OUTAGE, False)
