"""An answer in place of the one that was asked for: JSON for programs, for people a small page with the way on.

It needs neither database nor session. A script of a page, which says that it is one, gets plain text: it must not take
this for the page that it asked for.
"""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from daemon.web.authority import API, PAGES, SAFE_METHODS, SIGN_IN, is_own_page
from daemon.web.rendering import rendered

NOT_NOW = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR})

IN_DOUBT = "Whether it was done is not known: look before you repeat it."


def refused(
    request: Request, status: int, message: str, headers: Mapping[str, str] | None = None, *, in_doubt: bool = False
) -> Response:
    """``in_doubt``: what was asked for had begun; a change may have been made."""
    path = request.url.path
    if path.startswith(f"{API}/"):
        return JSONResponse({"error": message}, status, headers)
    if not is_own_page(path) or request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        return PlainTextResponse(f"{message}\n", status, headers)
    is_change = request.method not in SAFE_METHODS
    address, way_on = _way_on(request, status, is_change=is_change)
    if status == HTTPStatus.UNAUTHORIZED:
        words = "Nothing was done. Sign in again, and repeat it."
    else:
        words = message if message.endswith(".") else f"{message}."
    page = rendered(
        request,
        "refused.html",
        status_code=status,
        title=_title(status, is_change=is_change and not in_doubt),
        message=words,
        hint=IN_DOUBT if is_change and in_doubt else "",
        address=address,
        way_on=way_on,
    )
    page.headers.update(headers or {})
    return page


def _title(status: int, *, is_change: bool) -> str:
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return "Your session has ended"
        case _ if is_change:
            return "This was not done"
        case HTTPStatus.SERVICE_UNAVAILABLE:
            return "Not to be had just now"
        case HTTPStatus.INTERNAL_SERVER_ERROR:
            return "Something went wrong"
        case _:
            return "This is refused"


def _way_on(request: Request, status: int, *, is_change: bool) -> tuple[str, str]:
    """An address of ours, and what its link is called."""
    here = quote(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
    before = _page_before(request)
    if status == HTTPStatus.UNAUTHORIZED:
        return f"{SIGN_IN}?next={quote(before if is_change else here, safe='')}", "Sign in again"
    if is_change:
        return before, "Back to the page"
    return (here, "Try again") if status in NOT_NOW else (PAGES, "To the overview")


def _page_before(request: Request) -> str:
    """The page whose button was pressed, as the browser says; the overview where it does not."""
    try:
        before = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return PAGES
    if before.netloc.lower() != request.headers.get("host", "").lower() or not is_own_page(before.path):
        return PAGES
    return before.path + (f"?{before.query}" if before.query else "")
