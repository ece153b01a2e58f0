"""Signing in with a name and the admin token, and signing out."""

from datetime import UTC

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from daemon.web.attempts import FailedAttempts
from daemon.web.authority import (
    PAGES,
    SIGN_IN,
    address_of,
    came_by_https,
    is_own_page,
    log_action,
    operator_name,
    operator_of,
)
from daemon.web.context import Context
from daemon.web.forms import form_of
from daemon.web.rendering import rendered
from daemon.web.sessions import COOKIE, SESSION_SECONDS, SessionSigner
from outbox.logs import Event

SIGN_OUT = f"{PAGES}/sign-out"


def routes(context: Context, signer: SessionSigner | None, failed: FailedAttempts) -> list[BaseRoute]:
    """The two pages. Without a token the gate has refused before."""
    trust_proxy = context.settings.outbox_http_trust_proxy

    async def show(request: Request) -> Response:
        return _page(request, wanted=_wanted(request.query_params.get("next", "")))

    async def sign_in(request: Request) -> Response:
        if signer is None:
            raise RuntimeError("the gate lets nobody through where there is no token")
        form = await form_of(request)
        wanted = _wanted(form.get("next", ""))
        address = address_of(request, trust_proxy=trust_proxy)
        wait = failed.seconds_to_wait(address)
        if wait:
            page = _page(request, wanted, f"Too many wrong tokens. Try again in {wait} s.", form.get("name", ""), 429)
            page.headers["retry-after"] = str(wait)
            return page
        if not signer.is_admin_token(form.get("token", "").strip()):
            failed.failed(address)
            structlog.get_logger().warning(Event.OPERATOR_REFUSED, address=address, way="sign-in page")
            return _page(request, wanted, "That is not the admin token.", form.get("name", ""), 403)
        name = operator_name(form.get("name", ""))
        if name is None:
            return _page(request, wanted, "Give your name: at most 64 characters.", status_code=422)
        _, cookie = signer.sign(name, context.clock.now(UTC).timestamp())
        structlog.get_logger().info(Event.OPERATOR_SIGNED_IN, operator=name, address=address)
        answer = RedirectResponse(wanted, 303)
        answer.set_cookie(
            COOKIE,
            cookie,
            max_age=SESSION_SECONDS,
            path="/",
            httponly=True,
            # Not strict: a link in an alert's mail must lead to the page and not to the sign-in. Nothing is changed
            # by a GET, and a POST from elsewhere carries neither this cookie nor the token.
            samesite="lax",
            secure=came_by_https(request, trust_proxy=trust_proxy),
        )
        return answer

    async def sign_out(request: Request) -> Response:
        log_action(operator_of(request), "sign out")
        answer = RedirectResponse(SIGN_IN, 303)
        answer.delete_cookie(
            COOKIE, path="/", httponly=True, samesite="lax", secure=came_by_https(request, trust_proxy=trust_proxy)
        )
        return answer

    return [
        Route(SIGN_IN, show, methods=["GET"]),
        Route(SIGN_IN, sign_in, methods=["POST"]),
        Route(SIGN_OUT, sign_out, methods=["POST"]),
    ]


def _wanted(target: str) -> str:
    return target if is_own_page(target) else PAGES


def _page(request: Request, wanted: str, trouble: str = "", name: str = "", status_code: int = 200) -> Response:
    return rendered(
        request, "sign_in.html", status_code=status_code, next=wanted, trouble=trouble, name=name, action=SIGN_IN
    )
