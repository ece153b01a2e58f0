"""Everything a running simulator holds, and what may be done to it from beside the API."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

from outbox.simulator import payments, planting, taxes
from outbox.simulator.books import Books, Record
from outbox.simulator.clock import SimulatorClock, zoho_date
from outbox.simulator.faults import Faults
from outbox.simulator.invoice_records import as_read
from outbox.simulator.limits import Limits
from outbox.simulator.renewals import bring_up_to_date
from outbox.simulator.settings import SimulatorSettings
from outbox.simulator.statistics import Statistics
from outbox.simulator.tokens import TokenOffice

FIXED_SETTINGS = frozenset(
    {
        "client_id",
        "client_secret",
        "refresh_token",
        "scopes",
        "organisation",
        "other_organisations",
        "seed",
        "journal_length",
    }
)
"""Settings that were read when the simulator started."""


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One request as it was, for tests that look at what exactly was sent. No headers and no token bodies."""

    at: float
    """Epoch seconds of the simulator's clock at the answer."""
    method: str
    path: str
    query: str
    body: bytes
    status: int
    """0: the connection was broken."""
    code: int | None
    fault: str
    """Kind of the fault that befell it, or ""."""

    def summary(self) -> dict[str, Any]:
        """As ``GET /_simulator/requests`` shows it."""
        return {
            "at": self.at,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "body": self.body.decode(errors="replace"),
            "status": self.status,
            "code": self.code,
            "fault": self.fault,
        }


class Simulator:
    """Zoho Billing for one user, without a port."""

    def __init__(self, settings: SimulatorSettings, clock: SimulatorClock | None = None) -> None:
        """Empty books. Raises zoneinfo.ZoneInfoNotFoundError for a zone that does not exist."""
        self.settings = settings
        self.clock = clock or SimulatorClock()
        self._first_settings = settings.model_dump()
        self._closing = asyncio.Event()
        self._start_over()

    def _start_over(self) -> None:
        organisations = (self.settings.organisation, *self.settings.other_organisations)
        self.books_by_id = {own.organization_id: Books(own, self.settings) for own in organisations}
        self.limits_by_id = {key: Limits(self.settings, books.zone) for key, books in self.books_by_id.items()}
        self.tokens = TokenOffice(self.settings)
        self.faults = Faults(self.settings.seed)
        self.statistics = Statistics()
        self.journal: deque[JournalLine] = deque(maxlen=self.settings.journal_length)

    @property
    def books(self) -> Books:
        """The books of the organisation in the settings."""
        return self.books_by_id[self.settings.organisation.organization_id]

    @property
    def limits(self) -> Limits:
        """The quotas of the organisation in the settings."""
        return self.limits_by_id[self.settings.organisation.organization_id]

    @property
    def default_organization_id(self) -> str:
        """Where a request that names no organisation lands."""
        return self.settings.default_organization_id or self.settings.organisation.organization_id

    def reset(self) -> None:
        """As if just started: first settings, no records, no access tokens, no faults, counts at zero.

        The clock keeps its time. Requests in flight end as they would have, and are counted nowhere.
        """
        self.faults.clear()
        self.settings.change(self._first_settings)
        self._start_over()

    def close(self) -> None:
        """Let every waiting request end at once."""
        self._closing.set()
        self.faults.clear()

    async def wait(self, seconds: float) -> None:
        """Real time passes, unless the simulator closes."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    def change_settings(self, changes: dict[str, Any]) -> None:
        """Apply a nested change, such as ``{"limits": {"requests_per_minute": 60}}``.

        Raises ValueError for one of :data:`FIXED_SETTINGS`, pydantic.ValidationError (a ValueError too) for
        an unknown name or a value that does not fit.
        """
        if fixed := sorted(FIXED_SETTINGS & set(changes)):
            raise ValueError(f"{', '.join(fixed)} cannot change while the simulator runs")
        self.settings.change(changes)

    def plant_customer(self, **fields: Any) -> str:
        """A customer that exists already; see :func:`outbox.simulator.planting.plant`. Returns its id."""
        return self.plant("customers", fields)

    def plant_subscription(self, **fields: Any) -> str:
        """A subscription that exists already; returns its id. With next_billing_at it renews; its price is
        `plan`'s, else `amount`."""
        return self.plant("subscriptions", fields)

    def plant_product(self, **fields: Any) -> str:
        """A product that exists already; returns its id."""
        return self.plant("products", fields)

    def plant_plan(self, **fields: Any) -> str:
        """A plan that exists already; returns its code. Without product_id it belongs to the first product,
        which is planted where there is none."""
        return self.plant("plans", fields)

    def plant_invoice(self, **fields: Any) -> str:
        """An invoice that exists already, sent unless `status` says otherwise; returns its id. See
        :func:`outbox.simulator.money_planting.put_invoice_by_hand`."""
        return self.plant("invoices", fields)

    def plant_payment(self, **fields: Any) -> str:
        """A payment that exists already, applied to the `invoices` that it names; returns its id."""
        return self.plant("payments", fields)

    def plant_refund(self, **fields: Any) -> str:
        """A refund of `payment_id` that exists already; returns its id."""
        return self.plant("refunds", fields)

    def plant_transaction(self, **fields: Any) -> str:
        """A transaction that exists already; returns its id."""
        return self.plant("transactions", fields)

    def plant(self, name: str, fields: Record) -> str:
        """A record that exists already, counted nowhere; returns its id. Raises as :func:`planting.plant`
        does."""
        return planting.plant(self.books, self.settings, name, fields, now=self.clock.now())

    def edit(self, name: str, record_id: str, fields: Record) -> bool:
        """Change a record as a person does in Zoho's pages; False where there is none."""
        self.bring_up_to_date()
        return planting.edit(self.books, self.settings, name, record_id, fields, now=self.clock.now())

    def remove(self, name: str, record_id: str) -> bool:
        """Delete a record by hand; False where there is none. Raises KeyError for an unknown collection."""
        return planting.remove(self.books, name, record_id, now=self.clock.now())

    def bring_up_to_date(self) -> None:
        """End the terms that are over by the clock, as every request does first."""
        for books in self.books_by_id.values():
            bring_up_to_date(books, self.clock.now())

    def holdings(self) -> dict[str, Any]:
        """Every record whole, by collection, and the taxes; those of other organisations below
        ``other_organizations``."""
        self.bring_up_to_date()
        own = self.settings.organisation.organization_id
        return {
            "organization_id": own,
            **self._holdings_of(self.books),
            "taxes": taxes.shown(self.settings),
            "other_organizations": {
                key: self._holdings_of(books) for key, books in self.books_by_id.items() if key != own
            },
        }

    def _holdings_of(self, books: Books) -> dict[str, Any]:
        """Invoices with the state that is read today, and with the fields that no reply shows."""
        today = zoho_date(self.clock.now(), books.zone)
        held: dict[str, Any] = {name: list(records) for name, records in books.collections.items()}
        held["invoices"] = [{**invoice, **as_read(invoice, today)} for invoice in books.invoices]
        held["payments"] = [payments.as_read(books, payment) for payment in books.payments]
        return held
