"""What another ZOHO_RECURRING_BILLING would bill twice, or leave unbilled (decisions.md, Who bills).

Told from the host's rows and from what was sent, without asking Zoho. A line for each service and invoice: they are
looked at one by one, by whoever decides.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import assert_never
from zoneinfo import ZoneInfo

from outbox.commands.status import StatusSettings
from outbox.database import Database, Row
from outbox.entities.contract import CannotMap, Terms
from outbox.entities.service_row import ServiceRow
from outbox.entities.subscription import Subscription
from outbox.settings import RecurringBilling
from outbox.store.readings import Readings
from outbox.wording import one_line

BillingSettings = StatusSettings
"""The database, and what decides who is billed by whom. No credentials."""


async def consequences(database: Database, settings: BillingSettings) -> list[str]:
    """Lines of text; none where nothing is billed twice or left unbilled."""
    readings = Readings(database)
    services, invoices = await readings.billed_services(), await readings.recurring_invoices()
    match settings.zoho_recurring_billing:
        case RecurringBilling.HOST:
            return _by_host(services, invoices)
        case RecurringBilling.ZOHO:
            return _by_zoho(invoices, await _without_subscription(database, services, settings))
        case _:
            assert_never(settings.zoho_recurring_billing)


def _by_host(services: Sequence[Row], invoices: Sequence[Row]) -> list[str]:
    missing = [invoice for invoice in invoices if not invoice["in_zoho"]]
    both = [each for each in missing if each["subscription_id"] is not None and each["since_installation"]]
    return [
        *_section(
            "billed twice: Zoho goes on billing these services until somebody cancels their subscriptions in Zoho",
            [
                f"{_service(service)}: Zoho subscription {service['subscription_id']}"
                for service in services
                if service["subscription_id"] is not None
            ],
        ),
        *_section(
            "billed twice, if they are sent now (by a backfill, or an edit): Zoho raised invoices of its own for their "
            "services; compare the periods, and make void what is there twice",
            [f"{_invoice(invoice)}: Zoho subscription {invoice['subscription_id']}" for invoice in both],
        ),
        *_section(
            "unbilled in Zoho until zoho-outbox backfill invoices: recurring invoices that were not sent while Zoho "
            "billed",
            [_invoice(invoice) for invoice in missing if invoice not in both],
        ),
    ]


def _by_zoho(invoices: Sequence[Row], without_subscription: Sequence[str]) -> list[str]:
    return [
        *_section(
            "billed twice, if the host goes on raising recurring invoices: it raised these in the last 35 days",
            [_invoice(invoice) for invoice in invoices if invoice["raised_lately"]],
        ),
        *_section(
            "unbilled until zoho-outbox backfill subscriptions: services that Zoho does not bill yet, and whose "
            "recurring invoices are not sent any more",
            without_subscription,
        ),
    ]


async def _without_subscription(database: Database, services: Sequence[Row], settings: BillingSettings) -> list[str]:
    """Services that Zoho is to bill and does not, each with when it would begin, or why it cannot."""
    entity = Subscription()
    zone = ZoneInfo(settings.zoho_time_zone)
    terms = Terms(
        "",
        None,
        None,
        zone=zone,
        today=datetime.now(zone).date(),
        recurring_billing=RecurringBilling.ZOHO,
        on_suspend=settings.zoho_on_suspend,
        in_backfill=True,
    )
    missing = [service for service in services if service["subscription_id"] is None]
    async with database.connection() as connection:
        rows = await entity.read(connection, [service["id"] for service in missing])
    return [f"{_service(service)}: {_beginning(entity, rows.get(service['id']), terms)}" for service in missing]


def _beginning(entity: Subscription, row: ServiceRow | None, terms: Terms) -> str:
    if row is None:
        return "its row cannot be read"
    if (reason := entity.ineligible(row, terms)) is not None:
        return reason
    waits = [prerequisite.named for prerequisite in entity.prerequisites(row, terms)]
    if waits:
        return one_line(f"waits for {waits[0]}")
    try:
        desired = entity.desired(row, terms)
    except CannotMap as finding:
        return one_line(str(finding))
    if desired.only_if_there is not None:
        return desired.only_if_there
    begins = desired.at_creation.get("starts_at")
    return f"begins on {begins}" + (f"; {desired.note}" if desired.note else "") if begins else "no day is known"


def _section(head: str, lines: Iterable[str]) -> list[str]:
    told = [f"  {line}" for line in lines]
    return [f"{head}:", *told] if told else []


def _service(service: Row) -> str:
    customer = service["account_number"] or service["customer_id"]
    name = one_line(service["package_name"]) or service["id"]
    return f"{name} of customer {customer}, {service['monthly_price']} a month, {service['status']}"


def _invoice(invoice: Row) -> str:
    customer = invoice["account_number"] or invoice["customer_id"]
    return (
        f"invoice {one_line(invoice['invoice_number'])} of {invoice['invoice_date']} of customer {customer}, "
        f"{invoice['total_amount']}"
    )
