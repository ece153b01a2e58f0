"""The long-running process and its faces.

- :mod:`daemon.command_line`: the ``zoho-outbox`` command.
- :mod:`daemon.process`: what ``run`` is made of, from start-up to drain.
- :mod:`daemon.supervision`: loops that neither stop the process nor die silently.
- :mod:`daemon.listener`: LISTEN, proved by a round trip.
- :mod:`daemon.dispatcher`: claims, attempts, settles.
- :mod:`daemon.maintenance`: heartbeat, take-over, late write-backs, pruning.
- :mod:`daemon.systemd`: readiness, status and watchdog.
"""
