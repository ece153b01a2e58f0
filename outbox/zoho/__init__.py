"""The Zoho Billing client: tokens, permission, one request, one classified answer. Knows no entity.

- :mod:`outbox.zoho.client`: the way of one request; :mod:`outbox.zoho.ports`: what it asks of the outside.
- :mod:`outbox.zoho.connection`: transport, proxies, TLS; :mod:`outbox.zoho.regions`: which hosts.
- :mod:`outbox.zoho.authorization`: access tokens.
- :mod:`outbox.zoho.exchange`, :mod:`outbox.zoho.json_text`: requests and replies as values, amounts exact.
- :mod:`outbox.zoho.failures`: what an unsuccessful exchange means.
- :mod:`outbox.zoho.organisations`: whether the organisation is ours.
- :mod:`outbox.zoho.call_log`: what was exchanged during one attempt.
"""
