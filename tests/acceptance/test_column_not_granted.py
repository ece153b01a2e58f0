"""The host gains a column under a running daemon: what needs it stands still until ``migrate``, the rest goes on."""

from collections.abc import Callable, Mapping

import pytest

from outbox.simulator import RunningSimulator
from tests.acceptance.running import DaemonProcess, environment, until
from tests.sending.billing import Billing, held, only
from tests.store.host import Host

pytestmark = pytest.mark.anyio


async def test_payments_wait_for_the_grant_of_a_new_column_while_customers_go_on(
    host: Host, zoho: RunningSimulator, start_daemon: Callable[[Mapping[str, str]], DaemonProcess]
) -> None:
    billing = Billing(host)
    customer = host.add_customer(1)
    invoice = billing.invoice(customer)
    daemon = start_daemon(environment(host.database, zoho))
    await until(lambda: billing.shown(invoice) == ("synced", None), what="the invoice in Zoho")
    host.interfere("REVOKE SELECT (customer_invoice_id) ON public.payment_transactions FROM zoho_outbox_daemon")
    payment = billing.payment(customer, invoice)
    await daemon.says("schema.outdated")
    await until(lambda: "run zoho-outbox migrate" in str(host.state(payment)), what="the claim given back")
    neighbour = host.add_customer(2)
    await until(lambda: host.shown(neighbour) == ("synced", None), what="the neighbour in Zoho")
    state = host.state(payment)
    assert (state["phase"], state["attempts"]) == ("scheduled", 0)
    assert held(zoho, "payments") == []
    assert only(zoho, "invoices")["balance"] != 0
    # As migrate does it.
    host.interfere("GRANT SELECT (customer_invoice_id) ON public.payment_transactions TO zoho_outbox_daemon")
    host.pass_time(payment, 60)
    await until(lambda: billing.shown(payment) == ("synced", None), what="the payment in Zoho")
    assert only(zoho, "invoices")["balance"] == 0
    assert len(held(zoho, "payments")) == 1
    assert len(daemon.events("schema.outdated")) == 1
    assert daemon.alive
