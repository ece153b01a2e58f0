"""What the subscription tests ask for again and again."""

from datetime import date, datetime, timedelta
from typing import Any

from outbox.simulator import RunningSimulator

from .conftest import Api

DAY = 86_400.0
PRICE = 799
KEY = "svc-1"


async def ready(api: Api, simulator: RunningSimulator, **plan: Any) -> str:
    """A plan home-50 at PRICE a month and a customer; returns the customer's id."""
    simulator.simulator.plant_plan(
        **{"plan_code": "home-50", "name": "Home 50", "recurring_price": PRICE, **plan},
    )
    return await api.create("Vlei Bakery", email="vlei@example.com")


def body(customer_id: str, **changes: Any) -> dict[str, Any]:
    """The body that the project's client sends; what is in `plan` is added to the plan."""
    plan = {"plan_code": "home-50", **changes.pop("plan", {})}
    least = {"customer_id": customer_id, "auto_collect": False, "reference_id": KEY}
    return {**least, **changes, "plan": plan}


async def subscribe(api: Api, customer_id: str, **changes: Any) -> dict[str, Any]:
    """Create one; returns it as the reply shows it."""
    reply = await api.post("/subscriptions", body(customer_id, **changes))
    assert reply.status_code == 201, reply.text
    subscription: dict[str, Any] = reply.json()["subscription"]
    return subscription


async def read(api: Api, subscription: dict[str, Any]) -> dict[str, Any]:
    """It, as it is now."""
    reply = await api.get(f"/subscriptions/{subscription['subscription_id']}")
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()["subscription"]
    return found


def invoices(simulator: RunningSimulator) -> list[dict[str, Any]]:
    """Every invoice, oldest first, as the books hold it."""
    simulator.simulator.bring_up_to_date()
    return list(simulator.simulator.books.invoices)


def invoice_days(simulator: RunningSimulator) -> list[str]:
    """Dates of every invoice."""
    return [invoice["date"] for invoice in invoices(simulator)]


async def until(api: Api, simulator: RunningSimulator, day: str) -> None:
    """Time passes to noon of `day` in the organisation's zone, and the token is renewed."""
    zone = simulator.simulator.books.zone
    moment = datetime.combine(date.fromisoformat(day), datetime.min.time(), zone) + timedelta(hours=12)
    simulator.clock.advance(moment.timestamp() - simulator.clock.now())
    await api.sign_in()
