"""The long-running process and its faces.

- :mod:`daemon.command_line`: the ``zoho-outbox`` command.
- :mod:`daemon.process`: what ``run`` is made of, from start-up to drain.
- :mod:`daemon.supervision`: loops that neither stop the process nor die silently.
- :mod:`daemon.loops`: the loops that send, and how they end.
- :mod:`daemon.listener`: LISTEN, proved by a round trip.
- :mod:`daemon.dispatcher`: claims, attempts, settles; :mod:`daemon.gate`: whether anything may be claimed;
  :mod:`daemon.places`: how many claims may be in hand; :mod:`daemon.telling`: what is said of attempts.
- :mod:`daemon.maintenance`: heartbeat, take-over, late write-backs, wake-up sweep, pruning.
- :mod:`daemon.meter`: what this process did, counted.
- :mod:`daemon.draining`, :mod:`daemon.following`: sending by a command, and commands that enqueue and follow.
- :mod:`daemon.demonstration`: the demo, with this daemon in it.
- :mod:`daemon.web`: dashboard, API, health, metrics.
- :mod:`daemon.systemd`: readiness, status and watchdog.
"""
