"""A service with its customer and its package: the row, and what of it a subscription is made from.

Functions raise :class:`~outbox.entities.contract.CannotMap` where the row lacks what they are asked for, and say what
to do about it.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from outbox.entities.billing_days import Start, first_on_or_after, first_start, next_start
from outbox.entities.contract import CannotMap, Prerequisite, Terms
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
    parent.phase AS customer_phase
FROM public.customer_services AS service
JOIN public.customers AS customer ON customer.id = service.customer_id
LEFT JOIN public.service_packages AS package ON package.id = service.package_id
LEFT JOIN public.product_integrations AS integration ON integration.service_package_id = package.id
LEFT JOIN zoho_outbox_private.entity_state AS parent
    ON parent.entity_id = service.customer_id AND parent.entity_type = 'customer'
WHERE service.id = ANY (%(ids)s)
"""

LONGEST_REASON = 200
"""Of a publishing error, in a text for operators."""


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
