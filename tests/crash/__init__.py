"""The crash loop: real processes, real signals, a real database, and a comparison of both sides at the end.

``python -m tests.crash --seconds 60 --seed 1 --replicas 3`` prints one line and exits 1 where something was lost,
duplicated or wrong. Choices come from the seed: which acts, which faults, in which order, how far apart. What the
processes do between them does not, so a seed brings back the weather and not always the accident.

- :mod:`tests.crash.run`: from start to verdict.
- :mod:`tests.crash.stage`, :mod:`tests.crash.children`, :mod:`tests.crash.simulating`: what is started, and ended.
- :mod:`tests.crash.workload`, :mod:`tests.crash.applications`, :mod:`tests.crash.editing`,
  :mod:`tests.crash.operators`: what people and applications do meanwhile, whatever the type.
- :mod:`tests.crash.customers`, :mod:`tests.crash.services`, :mod:`tests.crash.invoices`,
  :mod:`tests.crash.payments`: what they do to each type, and what Zoho must hold of it in the end.
- :mod:`tests.crash.weather`: what goes wrong meanwhile.
- :mod:`tests.crash.verdict`: what must hold of every type, and the story of what does not.
"""
