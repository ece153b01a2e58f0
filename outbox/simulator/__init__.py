"""Zoho Billing in memory, for people without a sandbox and for every test of this project.

It is written from the API sheet alone and imports nothing of :mod:`outbox.zoho`: a simulator that shared code
with the client would share its mistakes. A behaviour that the sheet calls a guess says so where it stands;
those that a client could come to rely on have a setting.

- :mod:`outbox.simulator.settings`: every knob, with its default and the source of the default.
- :mod:`outbox.simulator.clock`: the time it lives in; can be advanced.
- :mod:`outbox.simulator.books`: the records of one organisation.
- :mod:`outbox.simulator.calls`, :mod:`outbox.simulator.replies`, :mod:`outbox.simulator.paging`: a request,
  its answer or refusal, a page of a list.
- :mod:`outbox.simulator.customers`, :mod:`outbox.simulator.subscriptions`,
  :mod:`outbox.simulator.transactions`, :mod:`outbox.simulator.organisations`: what each endpoint does, as
  plain functions over the books.
- :mod:`outbox.simulator.products`, :mod:`outbox.simulator.plans`, :mod:`outbox.simulator.subscribed_plans`,
  :mod:`outbox.simulator.subscribing`, :mod:`outbox.simulator.subscription_changes`: what is subscribed to, and
  the life of a subscription as far as requests make it.
- :mod:`outbox.simulator.renewals`, :mod:`outbox.simulator.terms`, :mod:`outbox.simulator.diary`: the life of a
  subscription as far as time makes it; month arithmetic; what is due when.
- :mod:`outbox.simulator.invoices`, :mod:`outbox.simulator.invoice_actions`, :mod:`outbox.simulator.payments`,
  :mod:`outbox.simulator.refunds`, :mod:`outbox.simulator.taxes`: the endpoints of money.
- :mod:`outbox.simulator.invoice_bodies`, :mod:`outbox.simulator.invoice_records`,
  :mod:`outbox.simulator.invoice_totals`, :mod:`outbox.simulator.money`: an invoice as it is sent, held and read;
  its sums; amounts.
- :mod:`outbox.simulator.allocation`, :mod:`outbox.simulator.accounts`: payments on invoices, and what a customer
  owes and has in credit; the only writers of both.
- :mod:`outbox.simulator.custom_fields`, :mod:`outbox.simulator.undocumented`: what all kinds of record share.
- :mod:`outbox.simulator.invoice_refusals`, :mod:`outbox.simulator.payment_refusals`: what is refused of money.
- :mod:`outbox.simulator.routes`: which endpoint, and which scope it needs.
- :mod:`outbox.simulator.tokens`, :mod:`outbox.simulator.limits`: OAuth with its throttle; the organisation's
  quotas.
- :mod:`outbox.simulator.faults`, :mod:`outbox.simulator.misfortune`, :mod:`outbox.simulator.connections`: the
  bad days as rules, what they make of a request, and connections that end badly.
- :mod:`outbox.simulator.statistics`: what was asked of it.
- :mod:`outbox.simulator.state`, :mod:`outbox.simulator.planting`, :mod:`outbox.simulator.money_planting`: all that
  a simulator holds; records that no request made.
- :mod:`outbox.simulator.application`: the way of one request through all of these.
- :mod:`outbox.simulator.control`: ``/_simulator/...``, the same by HTTP.
- :mod:`outbox.simulator.serving`, :mod:`outbox.simulator.command`: a port, in this process or as a command.
"""

from outbox.simulator.faults import FaultKind, FaultRule
from outbox.simulator.serving import RunningSimulator, running_simulator
from outbox.simulator.settings import LimitSettings, SimulatorSettings, TokenSettings

__all__ = [
    "FaultKind",
    "FaultRule",
    "LimitSettings",
    "RunningSimulator",
    "SimulatorSettings",
    "TokenSettings",
    "running_simulator",
]
