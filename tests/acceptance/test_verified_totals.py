"""The daemon's log counts the totals that Zoho shares, and those that it rounds otherwise."""

from collections.abc import Callable, Mapping
from decimal import Decimal

import pytest

from outbox.simulator import RunningSimulator
from tests.acceptance.running import DaemonProcess, environment, until
from tests.sending.billing import Billing, lines
from tests.store.host import Host

pytestmark = pytest.mark.anyio


async def test_each_total_that_zoho_shows_is_told_as_verified_or_with_the_difference(
    host: Host, zoho: RunningSimulator, start_daemon: Callable[[Mapping[str, str]], DaemonProcess]
) -> None:
    # Foretold a line at a time; this Zoho rounds once.
    zoho.settings.invoices.tax_rounding = "total"
    billing = Billing(host)
    customer = host.add_customer()
    equal = billing.invoice(customer)
    other = billing.invoice(
        customer,
        line_items=lines(("A", 1, "0.37"), ("B", 1, "0.37"), ("C", 1, "0.37")),
        subtotal=Decimal("1.11"),
        tax_amount=Decimal("0.18"),
        total_amount=Decimal("1.29"),
    )
    daemon = start_daemon(environment(host.database, zoho))
    await until(lambda: len(daemon.events("entry.sent")) == 3, what=f"three events in:\n{daemon.output}")
    told = {event["entity_id"]: event for event in daemon.events("entry.sent")}
    assert "verified_total" not in told[str(customer)]
    assert told[str(equal)]["verified_total"] is True
    assert (told[str(other)]["verified_total"], told[str(other)]["off_by"]) == (False, "-0.01")
