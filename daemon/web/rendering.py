"""Templates, and what each of them is given."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from daemon.web.authority import csrf_token, signed_in
from outbox import __version__

TEMPLATES = Path(__file__).parent / "templates"


@cache
def templates() -> Environment:
    """The environment: everything is escaped, an unknown name is an error."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def rendered(request: Request, template: str, *, status_code: int = 200, **values: Any) -> HTMLResponse:
    """A page. Templates get ``operator`` (name or None), ``csrf_token`` (text) and ``version`` besides ``values``."""
    operator = signed_in(request)
    given = {
        "operator": operator.name if operator else None,
        "csrf_token": csrf_token(request),
        "version": __version__,
    }
    return HTMLResponse(templates().get_template(template).render(given | values), status_code)
