"""One claimed entity's way from host row to verdict: read, decide, send, verify.

- :mod:`outbox.sending.present_row`: the row as it is now.
- :mod:`outbox.sending.attempt`: the way itself; :mod:`outbox.sending.attempt_log`: the row it leaves in the log.
- :mod:`outbox.sending.remote`: Zoho as one claim may use it, under lease and intent.
- :mod:`outbox.sending.catalogue`, :mod:`outbox.sending.listing`, :mod:`outbox.sending.probed`: what was read of Zoho
  before, and which of it may be relied on.
- :mod:`outbox.sending.terms`: what sending needs to know of the settings.
"""
