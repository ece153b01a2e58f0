"""What came of an action, carried over the redirect after it: shown once, on the page that follows.

A cookie and not the address: a link must not be able to put words into the dashboard, and a reload must not repeat
them. It is shown as text and needs no signature; who can write this host's cookies can do worse.
"""

import base64
import binascii
import json
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from daemon.web.pages.wording import BASE

COOKIE = "zoho_outbox_said"
SECONDS = 60
LONGEST = 900
"""Characters of a text: a cookie holds 4 kB, and base64 of JSON takes up to eight bytes for one."""


@dataclass(frozen=True)
class Said:
    """A message. ``done`` False: it was refused."""

    done: bool
    words: str
    hint: str = ""


def answered(said: Said, address: str) -> Response:
    """The redirect after a change: a reload repeats nothing."""
    response = RedirectResponse(address, 303)
    payload = json.dumps([said.done, _short(said.words), _short(said.hint)])
    response.set_cookie(
        COOKIE,
        base64.urlsafe_b64encode(payload.encode()).decode(),
        max_age=SECONDS,
        path=BASE,
        httponly=True,
        samesite="strict",
    )
    return response


def said_before(request: Request) -> Said | None:
    """What is to be shown now. A refresh by the script leaves it to the page that a person opens."""
    cookie = request.cookies.get(COOKIE)
    if not cookie or request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        return None
    try:
        done, words, hint = json.loads(base64.urlsafe_b64decode(cookie))
        return Said(bool(done), str(words), str(hint))
    except (binascii.Error, ValueError, TypeError):
        return None


def forget(response: Response) -> None:
    """It was shown."""
    response.delete_cookie(COOKIE, path=BASE, httponly=True, samesite="strict")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST // 2 else f"{text[: LONGEST // 2]}…"
