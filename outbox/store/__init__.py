"""The claim-and-acknowledge protocol and the state that replicas share. The only room that writes outbox tables.

- :mod:`outbox.store.protocol`: claim, lease, settlement, wake-up. Begin there.
- :mod:`outbox.store.verdicts`: claims, and what may be decided on them, as values; pure.
- :mod:`outbox.store.statements`: every statement, one file each.
- What all who send share: :mod:`outbox.store.budget`, :mod:`outbox.store.organisation`,
  :mod:`outbox.store.access_token`, :mod:`outbox.store.sessions`, :mod:`outbox.store.installation`.
- What was read of Zoho for all: :mod:`outbox.store.catalogue`, :mod:`outbox.store.listing`,
  :mod:`outbox.store.probe_answers`.
- Upkeep: :mod:`outbox.store.housekeeping`.
- What the commands read and append: :mod:`outbox.store.readings`, :mod:`outbox.store.candidates`,
  :mod:`outbox.store.standing`, :mod:`outbox.store.failed`, :mod:`outbox.store.following`, :mod:`outbox.store.health`,
  :mod:`outbox.store.alerts`, :mod:`outbox.store.doctor`, :mod:`outbox.store.reconciliation`, :mod:`outbox.store.undo`.
- What dashboard and API read and start: :mod:`outbox.store.dashboard`, :mod:`outbox.store.api`.
"""
