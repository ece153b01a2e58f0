"""What the commands do, one module each. They return results; nothing here prints or knows of exit codes.

- :mod:`outbox.commands.failures`: refusals that a person can do something about.
- :mod:`outbox.commands.opening`: a database that is fit for a command.
- :mod:`outbox.commands.identify`: which row TYPE and ID mean.
- :mod:`outbox.commands.status`, :mod:`outbox.commands.status_screen`: what is the matter, and how it is shown.
- :mod:`outbox.commands.explain`: why a row is where it is; the sentence is SQL's.
- :mod:`outbox.commands.sync`, :mod:`outbox.commands.dry_run`, :mod:`outbox.commands.facts`: one entity now, or what
  would be sent.
- :mod:`outbox.commands.find`: rows that Zoho does not hold as they stand.
- :mod:`outbox.commands.backfill`, :mod:`outbox.commands.backfill_plan`, :mod:`outbox.commands.backfill_screen`,
  :mod:`outbox.commands.retry`: enqueue or reopen many; :mod:`outbox.commands.follow`: how they follow them,
  :mod:`outbox.commands.pace`: how often they count them, :mod:`outbox.commands.stand_in`: sending where no daemon does.
- :mod:`outbox.commands.undo`: takes a first backfill out of Zoho again.
- :mod:`outbox.commands.reconcile`: runs a comparison (:mod:`outbox.reconciliation`) and shows what it found.
- :mod:`outbox.commands.health`, :mod:`outbox.commands.alert`: is all well, and who is told what is not.
- :mod:`outbox.commands.doctor`: what is wrong with settings, database and Zoho, and the ways out of refusals to start;
  :mod:`outbox.commands.billing_mode`: what one of those would cost.
- :mod:`outbox.commands.acting`: who types.
- :mod:`outbox.commands.migrate`, :mod:`outbox.commands.pause`, :mod:`outbox.commands.simulate`: as their names say.
"""
