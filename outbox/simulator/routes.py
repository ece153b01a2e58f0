"""Which endpoint answers, and which scope it needs (sheet 1.4, 2)."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from outbox.simulator import customers, organisations, subscriptions, transactions
from outbox.simulator.calls import Call
from outbox.simulator.replies import Reply, unknown_address, wrong_method

Endpoint = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `scope` is the part after ``ZohoSubscriptions.``."""

    method: str
    template: str
    scope: str
    endpoint: Endpoint


ORGANISATIONS = "/organizations"
"""The one path that needs no organisation."""

ROUTES: tuple[Route, ...] = (
    Route("GET", ORGANISATIONS, "settings.READ", organisations.list_all),
    Route("POST", "/customers", "customers.CREATE", customers.create),
    Route("GET", "/customers", "customers.READ", customers.list_all),
    Route("GET", "/customers/{customer_id}", "customers.READ", customers.read),
    Route("PUT", "/customers/{customer_id}", "customers.UPDATE", customers.update),
    Route("DELETE", "/customers/{customer_id}", "customers.DELETE", customers.delete),
    Route("GET", "/customers/reference/{reference_id}", "customers.READ", customers.read_by_crm_reference),
    Route("POST", "/customers/{customer_id}/markasactive", "customers.CREATE", customers.mark_as_active),
    Route("POST", "/customers/{customer_id}/markasinactive", "customers.CREATE", customers.mark_as_inactive),
    Route("GET", "/transactions", "customers.READ", transactions.list_all),
    Route("GET", "/subscriptions", "subscriptions.READ", subscriptions.list_all),
    Route("GET", "/subscriptions/{subscription_id}", "subscriptions.READ", subscriptions.read),
)


class RouteTable:
    """Finds the route of a path. Segments are compared one by one: an id may hold an encoded slash."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._by_length: dict[int, list[tuple[tuple[str, ...], Route]]] = {}
        for route in routes:
            segments = tuple(route.template.strip("/").split("/"))
            self._by_length.setdefault(len(segments), []).append((segments, route))

    def find(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]]:
        """The route and the values of its names. Raises Refusal 404/5 or 405/37.

        `raw_path` is below the API root and still percent-encoded.
        """
        given = raw_path.strip("/").split("/")
        known_path = False
        for segments, route in self._by_length.get(len(given), ()):
            arguments = _arguments(segments, given)
            if arguments is None:
                continue
            if route.method == method:
                return route, arguments
            known_path = True
        raise wrong_method() if known_path else unknown_address()


def _arguments(segments: tuple[str, ...], given: list[str]) -> dict[str, str] | None:
    arguments: dict[str, str] = {}
    for segment, text in zip(segments, given, strict=True):
        if segment.startswith("{"):
            arguments[segment[1:-1]] = unquote(text)
        elif segment != text:
            return None
    return arguments
