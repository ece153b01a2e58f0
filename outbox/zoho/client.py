"""The way of one request: permission, token, departure, exchange, classified answer (design.md item 6)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from urllib.parse import urlencode

import anyio
import structlog
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from outbox.clock import Clock
from outbox.logs import Event
from outbox.settings import Settings
from outbox.vocabulary import FailureClass, Urgency
from outbox.zoho.authorization import AccessToken, AccessTokens, TokenUnavailable
from outbox.zoho.call_log import CallLog, Exchange
from outbox.zoho.connection import Http, read_limited
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import (
    CallFailed,
    Failure,
    FailureKind,
    classify_reply,
    classify_transport,
    refused_again,
)
from outbox.zoho.json_text import JsonValue, encode_body
from outbox.zoho.ports import Budget

BeforeDeparture = Callable[[], Awaitable[None]]

ORGANISATION_HEADER = "X-com-zoho-subscriptions-organizationid"
LARGEST_REPLY_BYTES = 20_000_000
PAGE_SIZE = 200
"""Zoho's default and, as far as is known, its maximum (sheet 1.7)."""
MOST_PAGES = 2000
READ_ATTEMPTS = 3


class ZohoClient:
    """Sends one request at a time for its caller; any number of callers at once. Knows no entity."""

    def __init__(
        self,
        http: Http,
        tokens: AccessTokens,
        budget: Budget,
        settings: Settings,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """``http`` is made by :func:`outbox.zoho.connection.open_http` and closed by whoever made it."""
        self._http = http
        self._tokens = tokens
        self._budget = budget
        self._clock = clock
        self._sleep = sleep
        self._base_url = settings.zoho_api_base_url
        self._timeout = settings.zoho_request_timeout_seconds
        self._organisation = settings.zoho_billing_organization_id
        self._log = structlog.get_logger()

    def __repr__(self) -> str:
        return f"<ZohoClient {self._base_url} organisation={self._organisation}>"

    async def send(
        self,
        request: ApiRequest,
        *,
        urgency: Urgency,
        before_departure: BeforeDeparture | None = None,
        call_log: CallLog | None = None,
    ) -> ApiReply:
        """Sends a request and returns Zoho's good reply.

        ``before_departure`` runs when permission and token are in hand, immediately before the request
        leaves: the caller checks its lease and commits its intent there, and whatever it raises aborts with
        nothing sent. It runs again before each repetition (a refreshed token, a read tried again).
        ``call_log`` collects every exchange.

        Reads are tried up to 3 times on TRANSIENT and OUTAGE, each time with a permission of its own. Writes
        leave once, save for one repetition with a fresh token: a request that was refused for its token was
        not executed.

        Raises :class:`CallFailed` with the classified failure, :class:`SendingStopped` where no request may
        leave, ``UnsendableText`` or ``TypeError`` for a body that cannot be encoded (nothing is sent then).
        """
        content = encode_body(request.body) if request.body is not None else None
        if not request.is_read:
            return await self._with_fresh_token(request, content, urgency, before_departure, call_log)
        attempts = AsyncRetrying(
            stop=stop_after_attempt(READ_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.5, max=4),
            retry=retry_if_exception(_is_worth_another_read),
            sleep=self._sleep,
            reraise=True,
        )
        return await attempts(self._with_fresh_token, request, content, urgency, before_departure, call_log)

    async def pages(
        self,
        request: ApiRequest,
        *,
        urgency: Urgency,
        before_departure: BeforeDeparture | None = None,
        call_log: CallLog | None = None,
        per_page: int = PAGE_SIZE,
        most_pages: int = MOST_PAGES,
    ) -> AsyncIterator[ApiReply]:
        """Reads a list page by page (sheet 1.7) until ``page_context.has_more_page`` is false.

        Raises as :meth:`send` does; in addition :class:`CallFailed` of kind ENDLESS_LIST past ``most_pages``,
        and CONTRADICTORY where Zoho answers with another page than was asked for: taking it for the next one
        would skip rows.
        """
        for page in range(1, most_pages + 1):
            query = {**request.query, "page": str(page), "per_page": str(per_page)}
            reply = await self.send(
                replace(request, query=query),
                urgency=urgency,
                before_departure=before_departure,
                call_log=call_log,
            )
            context = _page_context(reply.body)
            answered = context.get("page")
            if answered is not None and str(answered) != str(page):
                raise CallFailed(_wrong_page(request, page, answered))
            yield reply
            if context.get("has_more_page") not in (True, "true"):
                return
        raise CallFailed(_endless(request, most_pages))

    async def _with_fresh_token(
        self,
        request: ApiRequest,
        content: bytes | None,
        urgency: Urgency,
        before_departure: BeforeDeparture | None,
        call_log: CallLog | None,
    ) -> ApiReply:
        result: ApiReply | Failure | None = None
        try:
            # A repetition with a fresh token goes under the same permission (which counts it): the single probe of an
            # outage would get no second one, the token would stay dead, and the outage would never end.
            async with self._budget.permit(urgency) as permit:
                token = await self._tokens.current()
                for repeated in (False, True):
                    if repeated:
                        token = await self._tokens.replace(token)
                    if before_departure is not None:
                        await before_departure()
                    permit.requests += 1
                    result = None
                    exchange = await self._exchange(request, content, token)
                    result = exchange.outcome
                    if call_log is not None:
                        call_log.exchanges.append(exchange)
                    if isinstance(result, ApiReply) or result.kind is not FailureKind.TOKEN_DEAD:
                        break
        except Exception as error:
            if result is None or (isinstance(result, Failure) and result.kind is FailureKind.TOKEN_DEAD):
                raise
            # Only giving the place back can have failed here (failures.md 6: an HTTP result in hand is not lost).
            # The place comes free when its lease in the database ends.
            self._log.warning(Event.PERMIT_NOT_RETURNED, error=type(error).__name__)
        match result:
            case ApiReply():
                return result
            case Failure(kind=FailureKind.TOKEN_DEAD):
                raise CallFailed(refused_again(result))
            case Failure():
                raise CallFailed(result)
            case None:
                raise AssertionError("unreachable: without a result the exception was raised above")

    async def _exchange(self, request: ApiRequest, content: bytes | None, token: AccessToken) -> Exchange:
        headers = {"Authorization": f"Zoho-oauthtoken {token.secret.get_secret_value()}"}
        if request.names_organisation:
            headers[ORGANISATION_HEADER] = self._organisation
        if content is not None:
            headers["Content-Type"] = "application/json;charset=UTF-8"
        url = f"{self._base_url}{request.path}"
        if request.query:
            url = f"{url}?{urlencode(request.query)}"
        started = self._clock.monotonic()
        outcome: ApiReply | Failure
        try:
            # The whole exchange, to the last byte of the reply: time-outs of single reads let a server that
            # sends a byte now and then hold a worker for ever.
            with anyio.fail_after(self._timeout):
                async with self._http.stream(request.method, url, content=content, headers=headers) as response:
                    body = await read_limited(response, LARGEST_REPLY_BYTES)
                    seconds = self._clock.monotonic() - started
                    outcome = classify_reply(request, response.status_code, response.headers, body, seconds)
        except Exception as error:
            # Everything, because the exceptions of httpx carry the request and with it the token: nothing of
            # theirs goes on from here, neither as cause nor as context.
            outcome = classify_transport(request, error)
        milliseconds = round((self._clock.monotonic() - started) * 1000)
        self._log.debug(
            Event.REQUEST_SENT,
            method=request.method,
            path=request.path,
            http_status=outcome.http_status,
            code=outcome.code,
            failure=outcome.kind if isinstance(outcome, Failure) else None,
            milliseconds=milliseconds,
        )
        return Exchange(request, outcome, milliseconds)


def _is_worth_another_read(error: BaseException) -> bool:
    if not isinstance(error, CallFailed) or isinstance(error, TokenUnavailable):
        return False  # without a token, the cooldown of the accounts host outlasts every short backoff
    return error.failure.failure_class in {FailureClass.TRANSIENT, FailureClass.OUTAGE}


def _page_context(body: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """An object; invoices.yml types it as an array of one (sheet 1.7), so both are read."""
    context = body.get("page_context")
    if isinstance(context, list) and context:
        context = context[0]
    return context if isinstance(context, Mapping) else {}


def _wrong_page(request: ApiRequest, asked: int, answered: object) -> Failure:
    return Failure(
        FailureClass.TRANSIENT,
        FailureKind.CONTRADICTORY,
        f"{request.path}: asked for page {asked}, Zoho answered with page {answered}",
        "The list is read again from its beginning.",
    )


def _endless(request: ApiRequest, most_pages: int) -> Failure:
    return Failure(
        FailureClass.PERMANENT,
        FailureKind.ENDLESS_LIST,
        f"{request.path}: more than {most_pages} pages",
        "Narrow the request, or see whether Zoho ignores its filter.",
    )
