"""A service with its customer and its package: the row, and what of it a subscription is made from.

Functions raise :class:`~outbox.entities.contract.CannotMap` where the row lacks what they are asked for, and say what
to do about it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import psycopg
from psycopg import sql

from outbox.database import Row
from outbox.entities.billing import ISSUED, ONE_OFF_TYPES
from outbox.entities.billing_days import DAY, Start, first_due, first_on_or_after, first_start, next_start
from outbox.entities.catalogue import CatalogueKind, Plan
from outbox.entities.contract import CannotMap, Prerequisite, Terms
from outbox.entities.host_columns import optional_columns
from outbox.entities.parents import Parent
from outbox.entities.text import clean
from outbox.vocabulary import Awaited

# A customer that cannot be read hides its services, too: whether it is an internal_test account must be known.
READ = """
SELECT
    service.id,
    service.customer_id,
    service.package_id,
    service.package_name,
    service.monthly_price,
    service.status,
    service.billing_day,
    service.activation_date,
    service.last_invoice_date,
    service.zoho_subscription_id,
    customer.account_type,
    customer.account_status,
    customer.account_number,
    package.id IS NOT NULL AS package_exists,
    package.name AS published_name,
    package.sku,
    integration.sync_status AS publishing,
    integration.last_sync_error AS publishing_error,
    parent.usable_id AS customer_zoho_id,
    parent.phase AS customer_phase,
    own.sent_at IS NULL AS never_sent,
    installation.installed_at
FROM public.customer_services AS service
CROSS JOIN zoho_outbox_private.installation AS installation
JOIN public.customers AS customer ON customer.id = service.customer_id
LEFT JOIN public.service_packages AS package ON package.id = service.package_id
LEFT JOIN public.product_integrations AS integration ON integration.service_package_id = package.id
LEFT JOIN zoho_outbox_private.entity_state AS parent
    ON parent.entity_id = service.customer_id AND parent.entity_type = 'customer'
LEFT JOIN zoho_outbox_private.entity_state AS own
    ON own.entity_id = service.id AND own.entity_type = 'subscription'
WHERE service.id = ANY (%(ids)s)
"""

# Months that the host alone has billed: its recurring invoices that are not in Zoho. Asked for few services: those that
# never had a subscription and that the host has billed since the installation, because something kept them waiting.
READ_BILLED_BY_HOST = """
SELECT
    invoice.service_id,
    invoice.invoice_number AS number,
    COALESCE(invoice.period_start, invoice.invoice_date) AS day
FROM (
    SELECT
        host.id,
        host.invoice_number,
        host.invoice_date,
        host.status,
        host.zoho_billing_invoice_id,
        {columns}
    FROM public.customer_invoices AS host
) AS invoice
LEFT JOIN zoho_outbox_private.entity_state AS state
    ON state.entity_id = invoice.id AND state.entity_type = 'invoice'
WHERE invoice.service_id = ANY (%(ids)s)
    AND invoice.status = ANY (%(issued)s)
    AND lower(btrim(COALESCE(invoice.invoice_type, ''))) <> ALL (%(one_off)s)
    AND COALESCE(state.zoho_id, btrim(invoice.zoho_billing_invoice_id), '') = ''
ORDER BY day, number
"""

NEWER_INVOICE_COLUMNS = {"service_id": "uuid", "invoice_type": "text", "period_start": "date"}
"""Columns that the host of November 2025 lacks: there no invoice names its service."""

READS_OF_INVOICES = ("invoice_number", "invoice_date", "status", *NEWER_INVOICE_COLUMNS)
"""What READ_BILLED_BY_HOST reads beside the star columns."""

LONGEST_REASON = 200
"""Of a publishing error, in a text for operators."""

MOST_NUMBERS = 6
"""Of invoices, in a text for operators."""


@dataclass(frozen=True)
class HostInvoice:
    """A recurring invoice of the host's that is not in Zoho. ``day``: the first of what it is for."""

    number: str
    day: date


@dataclass(frozen=True)
class ServiceRow:
    """A row of ``customer_services``, with what its subscription is made from."""

    id: UUID
    customer_id: UUID
    package_id: UUID | None
    package_name: str
    monthly_price: Decimal
    status: str
    billing_day: int | None
    activation_date: date | None
    last_invoice_date: date | None
    zoho_subscription_id: str | None
    account_type: str
    account_number: str | None
    package_exists: bool
    published_name: str | None
    sku: str | None
    publishing: str | None
    """``product_integrations.sync_status``; None: it has no row for the package."""
    publishing_error: str | None
    customer_zoho_id: str | None
    customer_phase: str | None
    account_status: str | None = None
    never_sent: bool = True
    """No subscription of it was ever in Zoho."""
    installed_at: datetime | None = None
    """When zoho-outbox was: what the host billed before is its own."""
    billed_by_host: tuple[HostInvoice, ...] = ()
    """By day; only of one that was never sent."""

    @property
    def customer(self) -> Parent:
        """Whose service it is."""
        named = f"customer {clean(self.account_number) or self.customer_id}"
        return Parent(Awaited.CUSTOMER, self.customer_id, named, self.customer_zoho_id, self.customer_phase)

    @property
    def plan_code(self) -> str:
        """'' where the package has none."""
        return clean(self.sku)

    @property
    def package(self) -> str:
        """The package as people know it."""
        return clean(self.published_name) or clean(self.package_name)


async def read_services(connection: psycopg.AsyncConnection[Row], ids: Sequence[UUID]) -> dict[UUID, ServiceRow]:
    """The present rows: one statement for all ``ids``, and two more where the host alone has billed one meanwhile."""
    rows = await (await connection.execute(READ, {"ids": list(ids)}, prepare=True)).fetchall()
    waited = [row["id"] for row in rows if row["never_sent"] and _was_billed_since(row)]
    billed: dict[UUID, list[HostInvoice]] = defaultdict(list)
    if waited:
        columns = await optional_columns(connection, "customer_invoices", "host", NEWER_INVOICE_COLUMNS)
        parameters = {"ids": waited, "issued": sorted(ISSUED), "one_off": sorted(ONE_OFF_TYPES)}
        statement = sql.SQL(READ_BILLED_BY_HOST).format(columns=columns)
        for row in await (await connection.execute(statement, parameters)).fetchall():
            billed[row["service_id"]].append(HostInvoice(row["number"], row["day"]))
    return {row["id"]: ServiceRow(**row, billed_by_host=tuple(billed[row["id"]])) for row in rows}


def _was_billed_since(row: Row) -> bool:
    # A day early, for zones: the days of the invoices themselves are compared in the company's (untold_before).
    billed: date | None = row["last_invoice_date"]
    return billed is not None and billed >= row["installed_at"].date() - DAY


def publishing_of(row: ServiceRow) -> Prerequisite | None:
    """What the service waits for where its package is not published. Without a package there is nothing to wait for:
    :func:`plan_code_of` says so.
    """
    if row.package_id is None:
        return None
    lacks: list[str] = []
    if not row.package_exists:
        lacks = ["service_packages has no such row: correct package_id"]
    elif row.publishing is None:
        lacks = ["product_integrations has no row for it: publish it"]
    elif row.publishing != "ok":
        error = clean(row.publishing_error)[:LONGEST_REASON]
        because = f" ({error})" if error else ""
        lacks = [f"its product_integrations.sync_status is {row.publishing!r}{because}: publish it"]
    if row.package_exists and not row.plan_code:
        lacks.append("its service_packages.sku is empty: set it to the plan_code")
    if not lacks:
        return None
    known_as = row.package if row.package_exists else row.package_id
    named = f"package {known_as} to be published to Zoho ({'; '.join(lacks)})"
    return Prerequisite(Awaited.PACKAGE, row.package_id, named, enqueue=False)


def customer_of(row: ServiceRow) -> str:
    """The customer's Zoho id."""
    if row.customer_zoho_id is None:
        raise CannotMap(f"{row.customer.named} is not in Zoho: have it sent first")
    return row.customer_zoho_id


def plan_code_of(row: ServiceRow) -> str:
    """The plan's code in Zoho (lessons, 12: not its plan_id, which product_integrations stores)."""
    if row.package_id is None:
        raise CannotMap(
            f"the service has no package, so nothing says which plan it is ({clean(row.package_name)}): "
            "set package_id to the package of service_packages that it is sold as"
        )
    if not row.plan_code:
        raise CannotMap(f"package {row.package} has no sku: set service_packages.sku to the plan_code")
    return row.plan_code


def price_of(row: ServiceRow) -> Decimal:
    """What a month costs, tax included."""
    # numeric(10,2) holds NaN, too, which compares with nothing.
    if not row.monthly_price.is_finite() or row.monthly_price < 0:
        raise CannotMap(f"monthly_price is {row.monthly_price}: correct it")
    return row.monthly_price


def refuse_other_terms(row: ServiceRow, plan: Plan | None) -> None:
    """monthly_price is what a month costs: on a plan of another term Zoho would ask for it once in that.

    ``plan`` None: it is not known.
    Raises :class:`CannotMap`.
    """
    if plan is None or plan.term.is_a_month:
        return
    raise CannotMap(
        f"plan {plan.plan_code} bills {plan.term.words}, and monthly_price {row.monthly_price} is for one month: sell "
        f"the service under a package whose plan bills every month (package {row.package!r}), then replay",
        looked_in=CatalogueKind.PLANS,
    )


def untold_before(row: ServiceRow, terms: Terms, begins: date) -> str | None:
    """What Zoho does not bill of the days before ``begins``, and what to do about it: days that nobody billed, and
    those that the host billed itself while the service waited to be sent; None: nothing.

    The months that the host had billed when zoho-outbox was installed are no news: Zoho begins after them by design.
    """
    if row.billing_day is None:
        return None
    try:
        due = first_due(row.billing_day, row.last_invoice_date, row.activation_date)
    except ValueError:
        return None
    known_to = date.min if row.installed_at is None else row.installed_at.astimezone(terms.zone).date()
    alone = [invoice for invoice in row.billed_by_host if known_to < invoice.day < begins]
    told = []
    if alone:
        last = (begins if due is None or due > begins else due) - DAY
        numbers = [clean(invoice.number) for invoice in alone]
        more = f" and {len(numbers) - MOST_NUMBERS} more" if len(numbers) > MOST_NUMBERS else ""
        told.append(
            f"only the host billed {alone[0].day} to {last} ({', '.join(numbers[:MOST_NUMBERS])}{more}), which is not "
            "in Zoho: enter it there by hand"
        )
    if due is not None and due < begins:
        told.append(f"nobody billed {due} to {begins - DAY}: raise it by hand")
    return "; ".join(told) or None


def other_days(row: ServiceRow, terms: Terms, bills_next: date | None, is_first: bool) -> str | None:
    """Where Zoho bills on another day than the row says by now, and what to do; None: on the same, or it is not known.

    Zoho takes no other day for a subscription that is there, but a later one by hand (sheet 2.3, postpone).
    """
    if bills_next is None or row.billing_day is None:
        return None
    if bills_next.day != row.billing_day:
        return (
            f"Zoho bills on day {bills_next.day} of the month (next on {bills_next}), and billing_day is "
            f"{row.billing_day}: postpone it in Zoho, and bill the days between by hand"
        )
    if not is_first or row.last_invoice_date is not None or row.activation_date is None:
        return None
    due = first_on_or_after(row.activation_date, row.billing_day)
    if due <= bills_next or due <= terms.today:
        return None
    return f"Zoho begins to bill on {bills_next}, and by activation_date it is {due}: postpone it in Zoho"


def start_of(row: ServiceRow, terms: Terms) -> Start | None:
    """When Zoho begins; None: it cannot be told (:func:`undated`), which matters only to a create."""
    if row.billing_day is None:
        return None
    try:
        return first_start(
            row.billing_day,
            row.last_invoice_date,
            row.activation_date,
            terms.today,
            today_is_late=terms.in_backfill,
        )
    except ValueError:
        return None


def restart_of(row: ServiceRow, terms: Terms, *, paid_to: date | None) -> date | None:
    """When Zoho begins again after its subscription ended; None: it cannot be told (:func:`undated`).

    Not before ``paid_to``, the end of the term that Zoho has billed.
    """
    if row.billing_day is None:
        return None
    try:
        start = next_start(row.billing_day, row.last_invoice_date, row.activation_date, terms.today)
        return start if paid_to is None or paid_to <= start else first_on_or_after(paid_to, row.billing_day)
    except ValueError:
        return None


def undated(row: ServiceRow) -> str:
    """Why :func:`start_of` knows no day."""
    wrong = ["billing_day is empty"] if row.billing_day is None else []
    if row.activation_date is None and row.last_invoice_date is None:
        wrong.append("activation_date and last_invoice_date are empty")
    told = ", ".join(wrong) or (
        f"billing_day {row.billing_day}, last_invoice_date {row.last_invoice_date} and activation_date "
        f"{row.activation_date} give none"
    )
    return f"no day is known on which Zoho could begin to bill the service: {told}; correct it"
