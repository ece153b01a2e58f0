"""The library behind zoho-outbox: capture, claim, send, verify, record.

Rooms, in the direction of data:

- :mod:`outbox.vocabulary`, :mod:`outbox.settings`, :mod:`outbox.clock`, :mod:`outbox.logs`: words, knobs, time, events.
- :mod:`outbox.masking`, :mod:`outbox.wording`: what of a customer may be written down; how things are said.
- :mod:`outbox.host_tables`, :mod:`outbox.sql_files`: the host's four tables; where ``sql/`` is.
- :mod:`outbox.database`: bounded access to PostgreSQL, and which database it is.
- :mod:`outbox.migration`: installs ``sql/`` into a host database, checks it, takes it out again.
- :mod:`outbox.store`: the claim-and-acknowledge protocol. The only room that writes outbox tables.
- :mod:`outbox.zoho`: the Zoho Billing client. Knows no entity.
- :mod:`outbox.entities`: one file per kind of record. Knows no HTTP.
- :mod:`outbox.sending`: one claimed entity's way from row to verdict.
- :mod:`outbox.assembly`: what sends, put together from the settings.
- :mod:`outbox.reconciliation`: compares both sides.
- :mod:`outbox.commands`: what the commands do.
- :mod:`outbox.simulator`: Zoho Billing for people without a sandbox.
- :mod:`outbox.demo`: the whole system in one process tree.
"""

__version__ = "0.1.0"
