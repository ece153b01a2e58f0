"""Which endpoint answers, and which scope it needs (sheet 1.4, 2)."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from outbox.simulator import (
    customers,
    invoice_actions,
    invoices,
    organisations,
    payments,
    plans,
    products,
    refunds,
    subscribing,
    subscription_changes,
    subscriptions,
    taxes,
    transactions,
)
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
    Route("PUT", "/customers", "customers.UPDATE", customers.create_without_id),
    Route("GET", "/customers", "customers.READ", customers.list_all),
    Route("GET", "/customers/{customer_id}", "customers.READ", customers.read),
    Route("PUT", "/customers/{customer_id}", "customers.UPDATE", customers.update),
    Route("DELETE", "/customers/{customer_id}", "customers.DELETE", customers.delete),
    Route("GET", "/customers/reference/{reference_id}", "customers.READ", customers.read_by_crm_reference),
    Route("POST", "/customers/{customer_id}/markasactive", "customers.CREATE", customers.mark_as_active),
    Route("POST", "/customers/{customer_id}/markasinactive", "customers.CREATE", customers.mark_as_inactive),
    Route("POST", "/invoices", "invoices.CREATE", invoices.create),
    Route("GET", "/invoices", "invoices.READ", invoices.list_all),
    Route("GET", "/invoices/{invoice_id}", "invoices.READ", invoices.read),
    Route("PUT", "/invoices/{invoice_id}", "invoices.UPDATE", invoices.update),
    Route("DELETE", "/invoices/{invoice_id}", "invoices.DELETE", invoices.delete),
    Route("POST", "/invoices/{invoice_id}/converttoopen", "invoices.CREATE", invoice_actions.convert_to_open),
    Route("POST", "/invoices/{invoice_id}/void", "invoices.CREATE", invoice_actions.make_void),
    Route("POST", "/invoices/{invoice_id}/customfields", "invoices.CREATE", invoice_actions.set_custom_fields),
    Route("PUT", "/invoice/{invoice_id}/customfields", "invoices.UPDATE", invoice_actions.set_custom_fields_by_id),
    Route("GET", "/invoices/{invoice_id}/payments", "invoices.READ", invoice_actions.list_payments),
    Route("POST", "/payments", "payments.CREATE", payments.create),
    Route("GET", "/payments", "payments.READ", payments.list_all),
    Route("GET", "/payments/{payment_id}", "payments.READ", payments.read),
    Route("PUT", "/payments/{payment_id}", "payments.UPDATE", payments.update),
    Route("DELETE", "/payments/{payment_id}", "payments.DELETE", payments.delete),
    Route("POST", "/payments/{payment_id}/refunds", "payments.CREATE", refunds.create),
    Route("GET", "/creditnotes/refunds/{refund_id}", "creditnotes.READ", refunds.read),
    Route("GET", "/settings/taxes", "settings.READ", taxes.list_all),
    Route("GET", "/transactions", "customers.READ", transactions.list_all),
    Route("POST", "/products", "products.CREATE", products.create),
    Route("GET", "/products", "products.READ", products.list_all),
    Route("GET", "/products/{product_id}", "products.READ", products.read),
    Route("PUT", "/products/{product_id}", "products.UPDATE", products.update),
    Route("DELETE", "/products/{product_id}", "products.DELETE", products.delete),
    Route("POST", "/products/{product_id}/markasactive", "products.CREATE", products.mark_as_active),
    Route("POST", "/products/{product_id}/markasinactive", "products.CREATE", products.mark_as_inactive),
    Route("POST", "/plans", "plans.CREATE", plans.create),
    Route("GET", "/plans", "plans.READ", plans.list_all),
    Route("GET", "/plans/{plan_code}", "plans.READ", plans.read),
    Route("PUT", "/plans/{plan_code}", "plans.UPDATE", plans.update),
    Route("DELETE", "/plans/{plan_code}", "plans.DELETE", plans.delete),
    Route("POST", "/plans/{plan_code}/markasactive", "plans.CREATE", plans.mark_as_active),
    Route("POST", "/plans/{plan_code}/markasinactive", "plans.CREATE", plans.mark_as_inactive),
    Route("POST", "/subscriptions", "subscriptions.CREATE", subscribing.create),
    Route("GET", "/subscriptions", "subscriptions.READ", subscriptions.list_all),
    *(
        Route(method, f"/subscriptions/{{subscription_id}}{action}", f"subscriptions.{right}", endpoint)
        for method, action, right, endpoint in (
            ("GET", "", "READ", subscriptions.read),
            ("PUT", "", "UPDATE", subscription_changes.update),
            ("DELETE", "", "DELETE", subscriptions.delete),
            ("POST", "/cancel", "CREATE", subscription_changes.cancel),
            ("POST", "/reactivate", "CREATE", subscription_changes.reactivate),
            ("POST", "/postpone", "CREATE", subscription_changes.postpone),
            ("POST", "/reference", "CREATE", subscription_changes.set_reference),
            ("POST", "/customfields", "CREATE", subscription_changes.set_custom_fields),
            ("GET", "/scheduledchanges", "READ", subscription_changes.read_scheduled_change),
            ("GET", "/recentactivities", "READ", subscriptions.read_activities),
        )
    ),
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
