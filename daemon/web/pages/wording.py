"""Moments, ages and counts as finance and support people read them; addresses of pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from outbox.vocabulary import EntityType

BASE = "/admin/zoho-sync"

SINGULAR: Mapping[str, str] = {
    EntityType.CUSTOMER: "Customer",
    EntityType.SUBSCRIPTION: "Subscription",
    EntityType.INVOICE: "Invoice",
    EntityType.PAYMENT: "Payment",
    "package": "Package",
}

PLURAL: Mapping[str, str] = {
    EntityType.CUSTOMER: "Customers",
    EntityType.SUBSCRIPTION: "Subscriptions",
    EntityType.INVOICE: "Invoices",
    EntityType.PAYMENT: "Payments",
}

ATTEMPTS: Mapping[str, str] = {"success": "Synced", "failed": "Failed", "retrying": "Will retry"}
"""``zoho_sync_logs.status`` of one attempt."""

UNITS = (("day", 86400), ("h", 3600), ("min", 60))


@dataclass(frozen=True)
class Wording:
    """What templates format with: one moment, one zone."""

    zone: ZoneInfo
    now: datetime

    singular = SINGULAR
    plural = PLURAL
    attempts = ATTEMPTS

    def local(self, when: datetime | str) -> datetime:
        """In the company's zone. Text is a moment as JSON has it."""
        moment = datetime.fromisoformat(when) if isinstance(when, str) else when
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(self.zone)

    def moment(self, when: datetime | str | None) -> str:
        """'08:02:11' today, 'yesterday 17:40', '12 Nov 09:15', '12 Nov 2025 09:15'; '–' where there is none."""
        if when is None:
            return "–"
        local, today = self.local(when), self.now.astimezone(self.zone)
        if local.date() == today.date():
            return f"{local:%H:%M:%S}"
        if local.date() == today.date() - timedelta(days=1):
            return f"yesterday {local:%H:%M}"
        return f"{local.day} {local:%b %H:%M}" if local.year == today.year else f"{local.day} {local:%b %Y %H:%M}"

    def whole(self, when: datetime | str | None) -> str:
        """'21 November 2026, 08:02:11 SAST': what stands behind a short one."""
        if when is None:
            return "–"
        local = self.local(when)
        return f"{local.day} {local:%B %Y, %H:%M:%S %Z}"

    def day(self, when: datetime | str) -> str:
        """'21 November 2026'."""
        local = self.local(when)
        return f"{local.day} {local:%B %Y}"

    def machine(self, when: datetime | str) -> str:
        """For the attribute of ``<time>``."""
        return self.local(when).isoformat(timespec="seconds")

    def age(self, seconds: float | None) -> str:
        """'under 1 min', '12 min', '5 h', '9 days'; '–' where there is none."""
        if seconds is None:
            return "–"
        for unit, length in UNITS:
            if seconds >= length:
                number = int(seconds // length)
                return f"{number} {unit}{'s' if unit == 'day' and number != 1 else ''}"
        return "under 1 min"

    def since(self, when: datetime | str | None) -> str:
        """The age of a moment: '12 min ago', 'in 5 min'."""
        if when is None:
            return "–"
        seconds = (self.now - self.local(when)).total_seconds()
        return f"{self.age(seconds)} ago" if seconds >= 0 else f"in {self.age(-seconds)}"

    @staticmethod
    def number(number: int | None) -> str:
        """'12,345'; '–' where it is not known."""
        return "–" if number is None else f"{number:,}"

    @staticmethod
    def money(amount: Decimal) -> str:
        """'1,234.50'."""
        return f"{amount:,.2f}"

    @staticmethod
    def more_or_less(amount: Decimal) -> str:
        """'+12.50', '−12.50'; '–' where there is none."""
        if not amount:
            return "–"
        return f"{'+' if amount > 0 else '−'}{abs(amount):,.2f}"

    @staticmethod
    def count(number: int, thing: str, things: str) -> str:
        """'1 record', '12,345 records'."""
        return f"{number:,} {thing if number == 1 else things}"

    @staticmethod
    def count_of(number: int, entity_type: str) -> str:
        """'1 invoice', '12 invoices'."""
        return Wording.count(number, SINGULAR[entity_type].lower(), PLURAL[entity_type].lower())

    @staticmethod
    def percent(part: int, whole: int) -> str:
        """'99.7 %', rounded down, so that 100 % means all; '–' of nothing."""
        if whole <= 0:
            return "–"
        share = (Decimal(100 * part) / whole).quantize(Decimal("0.1"), ROUND_FLOOR)
        return "100 %" if part == whole else f"{share} %"

    @staticmethod
    def duration(milliseconds: int | Decimal | None) -> str:
        """'140 ms', '2.4 s'; '–' where it is not known."""
        if milliseconds is None:
            return "–"
        return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"

    @staticmethod
    def capital(text: str) -> str:
        """The first letter large, the rest as it is."""
        return text[:1].upper() + text[1:]

    @staticmethod
    def entity(entity_type: str, entity_id: UUID | str) -> str:
        """Address of a row's page."""
        return f"{BASE}/{entity_type}/{entity_id}"

    @staticmethod
    def address(page: str = "", **query: str | None) -> str:
        """Address of a page, with what of ``query`` is set."""
        given = {name: value for name, value in query.items() if value}
        return f"{BASE}{page}" + (f"?{urlencode(given)}" if given else "")
