"""The way of one request through permission, token, departure and answer."""

import traceback

import anyio
import httpx
import pytest

from outbox.vocabulary import FailureClass, OrganisationState, Urgency
from outbox.zoho.authorization import TokenUnavailable
from outbox.zoho.call_log import CallLog
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import UnsendableText
from outbox.zoho.ports import SendingStopped

from .fakes import CLIENT_SECRET, REFRESH_TOKEN, ok, paused, refusal, scripted_client

pytestmark = pytest.mark.anyio

CREATE = ApiRequest("POST", "/customers", body={"display_name": "A"})
READ = ApiRequest("GET", "/customers/1")


class LeaseLostError(Exception):
    pass


async def test_permission_then_token_then_departure_then_the_request() -> None:
    order: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        order.append("request")
        return ok()

    async with scripted_client(answer) as it:

        async def depart() -> None:
            order.append(f"departure with {it.budget.held} permission and {it.script.mints} token")

        await it.client.send(CREATE, urgency=Urgency.LIVE, before_departure=depart)
    assert order == ["departure with 1 permission and 1 token", "request"]
    assert it.budget.permitted == [Urgency.LIVE]
    assert it.budget.held == 0


async def test_whatever_the_departure_raises_aborts_with_nothing_sent() -> None:
    async def depart() -> None:
        raise LeaseLostError

    async with scripted_client(lambda request: ok()) as it:
        with pytest.raises(LeaseLostError):
            await it.client.send(CREATE, urgency=Urgency.LIVE, before_departure=depart)
        assert it.script.requests == []
        assert it.budget.held == 0


async def test_without_permission_nothing_leaves_and_no_token_is_minted() -> None:
    async with scripted_client(lambda request: ok()) as it:
        it.budget.stopped = paused()
        with pytest.raises(SendingStopped) as caught:
            await it.client.send(READ, urgency=Urgency.BACKFILL)
        assert caught.value.state is OrganisationState.PAUSED
        assert (it.script.requests, it.script.mints) == ([], 0)


async def test_a_body_that_cannot_be_encoded_asks_for_no_permission() -> None:
    async with scripted_client(lambda request: ok()) as it:
        with pytest.raises(UnsendableText):
            await it.client.send(ApiRequest("POST", "/customers", body={"notes": "\x00"}), urgency=Urgency.LIVE)
        assert it.budget.permitted == []


async def test_a_request_carries_token_organisation_and_body() -> None:
    async with scripted_client(lambda request: ok(customer={"customer_id": "1"})) as it:
        reply = await it.client.send(CREATE, urgency=Urgency.LIVE)
        token = await it.tokens.current()
    (request,) = it.script.requests
    assert str(request.url) == "https://www.zohoapis.com/billing/v1/customers"
    assert request.headers["Authorization"] == f"Zoho-oauthtoken {token.secret.get_secret_value()}"
    assert request.headers["X-com-zoho-subscriptions-organizationid"] == "60001234567"
    assert request.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert request.content == b'{"display_name":"A"}'
    assert reply.body["customer"] == {"customer_id": "1"}


async def test_a_dead_token_is_replaced_once_under_a_permission_that_counts_both_requests() -> None:
    replies = [refusal(401, 57), ok()]
    log = CallLog()
    async with scripted_client(lambda request: replies.pop(0)) as it:
        it.vault.put("1000.deaddeaddeaddeaddead.deaddeaddeaddeaddead", 3000)
        reply = await it.client.send(CREATE, urgency=Urgency.LIVE, call_log=log)
    assert reply.code == 0
    assert it.script.mints == 1
    # One, because the single probe of an outage gets no second: its token would stay dead for ever.
    assert len(it.budget.permitted) == 1
    assert [permit.requests for permit in it.budget.given] == [2]
    assert log.api_calls == 2
    first, second = (request.headers["Authorization"] for request in it.script.requests)
    assert first != second


async def test_a_fresh_token_that_is_refused_too_ends_it() -> None:
    async with scripted_client(lambda request: refusal(401, 57)) as it:
        with pytest.raises(CallFailed) as caught:
            await it.client.send(READ, urgency=Urgency.LIVE)
    failure = caught.value.failure
    assert (failure.failure_class, failure.kind) == (FailureClass.AUTH, FailureKind.SCOPE_OR_ORGANISATION)
    assert len(it.script.requests) == 2, "a refusal of rights is not tried again"


async def test_many_senders_with_one_dead_token_mint_once() -> None:
    dead = "1000.deaddeaddeaddeaddead.deaddeaddeaddeaddead"

    def answer(request: httpx.Request) -> httpx.Response:
        return refusal(401, 57) if dead in request.headers["Authorization"] else ok()

    async with scripted_client(answer) as it:
        it.vault.put(dead, 3000)

        async def one() -> None:
            await it.client.send(CREATE, urgency=Urgency.LIVE)

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one)
        assert it.script.mints == 1


@pytest.mark.parametrize("status", [500, 502])
async def test_a_read_is_tried_three_times_each_with_permission(status: int) -> None:
    log = CallLog()
    async with scripted_client(lambda request: refusal(status, 1000)) as it:
        with pytest.raises(CallFailed) as caught:
            await it.client.send(READ, urgency=Urgency.LIVE, call_log=log)
    assert caught.value.failure.failure_class is FailureClass.OUTAGE
    assert len(it.script.requests) == len(it.budget.permitted) == log.api_calls == 3


async def test_a_read_without_a_token_is_not_tried_again() -> None:
    async with scripted_client(lambda request: ok(), [httpx.Response(503)]) as it:
        with pytest.raises(TokenUnavailable):
            await it.client.send(READ, urgency=Urgency.LIVE)
        assert (it.script.mints, it.script.requests) == (1, [])


async def test_a_read_that_goes_better_later_is_good() -> None:
    replies = [refusal(500, 1000), ok()]
    async with scripted_client(lambda request: replies.pop(0)) as it:
        assert isinstance(await it.client.send(READ, urgency=Urgency.LIVE), ApiReply)


@pytest.mark.parametrize("reply", [refusal(429, 43), refusal(400, 3004), refusal(403, 8)])
async def test_a_read_that_was_answered_is_not_tried_again(reply: httpx.Response) -> None:
    async with scripted_client(lambda request: reply) as it:
        with pytest.raises(CallFailed):
            await it.client.send(READ, urgency=Urgency.LIVE)
        assert len(it.script.requests) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_write_leaves_once(method: str) -> None:
    request = ApiRequest(method, "/customers/1")  # type: ignore[arg-type]
    async with scripted_client(lambda request: refusal(500, 1000)) as it:
        with pytest.raises(CallFailed):
            await it.client.send(request, urgency=Urgency.LIVE)
        assert len(it.script.requests) == 1


async def test_the_call_log_holds_requests_outcomes_and_no_calls_that_never_left() -> None:
    def unreachable(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    log = CallLog()
    async with scripted_client(unreachable) as it:
        with pytest.raises(CallFailed):
            await it.client.send(CREATE, urgency=Urgency.LIVE, call_log=log)
    (exchange,) = log.exchanges
    assert exchange.request is CREATE
    assert isinstance(exchange.outcome, Failure)
    assert log.api_calls == 0


async def test_a_result_in_hand_survives_a_permit_that_cannot_be_returned() -> None:
    async with scripted_client(lambda request: ok()) as it:
        it.budget.exit_fails = True
        assert (await it.client.send(CREATE, urgency=Urgency.LIVE)).code == 0


async def test_no_secret_stands_in_any_repr_or_exception() -> None:
    def leaky(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError(f"while sending {request.headers['Authorization']}", request=request)

    async with scripted_client(leaky) as it:
        with pytest.raises(CallFailed) as caught:
            await it.client.send(CREATE, urgency=Urgency.LIVE)
        token = (await it.tokens.current()).secret.get_secret_value()
        shown = [repr(it.client), repr(it.tokens), repr(await it.tokens.current()), repr(it.vault.token)]
    error: BaseException | None = caught.value
    while error is not None:
        assert not isinstance(error, httpx.HTTPError), "it carries the request, and with it the token"
        shown += [repr(error), str(error), *map(repr, error.args), *traceback.format_exception(error)]
        error = error.__cause__ or error.__context__
    for secret in (token, REFRESH_TOKEN, CLIENT_SECRET, "Zoho-oauthtoken 1000"):
        assert all(secret not in text for text in shown)


def page(number: int, more: object, **row: object) -> httpx.Response:
    return ok(customers=[{"customer_id": str(number)}], page_context={"page": number, "has_more_page": more})


async def test_pages_are_read_until_there_is_no_more() -> None:
    replies = [page(1, True), page(2, True), page(3, False)]
    request = ApiRequest("GET", "/customers", query={"filter_by": "Status.All"})
    async with scripted_client(lambda request: replies.pop(0)) as it:
        seen = [reply.body["customers"] async for reply in it.client.pages(request, urgency=Urgency.RECONCILE)]
    assert seen == [[{"customer_id": "1"}], [{"customer_id": "2"}], [{"customer_id": "3"}]]
    asked = [dict(request.url.params) for request in it.script.requests]
    assert asked == [{"filter_by": "Status.All", "page": str(n), "per_page": "200"} for n in (1, 2, 3)]


async def test_a_list_of_one_page_may_name_no_context_or_put_it_into_an_array() -> None:
    for reply in (ok(invoices=[]), ok(invoices=[], page_context=[{"page": 1, "has_more_page": False}])):
        async with scripted_client(lambda request, reply=reply: reply) as it:  # type: ignore[misc]
            pages = [one async for one in it.client.pages(READ, urgency=Urgency.LIVE)]
        assert len(pages) == 1


async def test_a_list_without_end_is_cut() -> None:
    def always_more(request: httpx.Request) -> httpx.Response:
        return page(int(request.url.params["page"]), True)

    async with scripted_client(always_more) as it:
        with pytest.raises(CallFailed) as caught:
            async for _ in it.client.pages(READ, urgency=Urgency.LIVE, most_pages=4):
                pass
    assert caught.value.failure.kind is FailureKind.ENDLESS_LIST
    assert len(it.script.requests) == 4


async def test_another_page_than_asked_for_is_refused() -> None:
    async with scripted_client(lambda request: page(1, True)) as it:
        with pytest.raises(CallFailed) as caught:
            async for _ in it.client.pages(READ, urgency=Urgency.LIVE):
                pass
    assert caught.value.failure.kind is FailureKind.CONTRADICTORY
