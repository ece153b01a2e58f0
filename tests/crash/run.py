"""One run: raise the curtain, let it storm, heal, wait for quiet, compare."""

import asyncio
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TextIO
from uuid import UUID

import psycopg

from tests.crash import verdict, weather
from tests.crash.applications import Applications
from tests.crash.customers import CustomerWorkload
from tests.crash.invoices import InvoiceWorkload
from tests.crash.operators import operate, resume
from tests.crash.payments import PaymentWorkload
from tests.crash.services import ServiceWorkload
from tests.crash.stage import Stage, Tally, stage
from tests.crash.verdict import Case, Evidence, Kind
from tests.crash.weather import Climate
from tests.crash.workload import Known, Workload

QUIET_SECONDS = 120.0
"""Without any progress. Nothing takes longer in fair weather: a lease, a round of maintenance, two looks, the longest
pause, and margin. A backlog may take as long as it likes, as long as it shrinks."""

LONGEST_BACKLOG = 400
"""Entities with something to do beyond which applications wait: a storm is for failures. (Without it half an hour on a
busy machine left 13,000 entities behind, and all that was measured was the machine.)"""

HANDS = 3
"""Applications at work at once, for each type."""

BETWEEN_ACTS_SECONDS = 0.04
"""Mean between acts, over all types and hands."""

WORKLOADS: tuple[Callable[[Known], Workload], ...] = (
    CustomerWorkload,
    ServiceWorkload,
    InvoiceWorkload,
    PaymentWorkload,
)
"""Every type, in the order of dependence."""

_COUNTED = {
    "customers": "External ID",
    "subscriptions": "External ID",
    "invoices": "External ID",
    "payments": "External ID",
    "refunds": "payment_id",
}

STORIES = 12
"""How many cases are told whole; the rest are named."""


@dataclass
class Report:
    """What came of a run."""

    seed: int
    seconds: float
    tally: Tally
    entities: int = 0
    acts: int = 0
    requests: int = 0
    made: Counter[str] = field(default_factory=Counter)
    """Records that requests made in Zoho, by collection."""
    zoho_faults: int = 0
    quiet_after: float = 0.0
    cases: list[Case] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """Of applications: errors that a daemon's doings caused them."""
    mistakes: Counter[str] = field(default_factory=Counter)
    """What the replicas logged as errors."""

    @property
    def good(self) -> bool:
        """Whether everything held."""
        return not self.cases and not self.complaints and not self.tally.bad_ends and not self.mistakes

    def line(self) -> str:
        """The one line."""
        # An entity is lost once, however many of its entries are.
        tally, kinds = self.tally, Counter(kind for kind, _ in {(case.kind, case.entity_id) for case in self.cases})
        facts = {
            "seed": self.seed,
            "seconds": f"{self.seconds:g}",
            "entities": self.entities,
            "acts": self.acts,
            "kills": tally.kills,
            "stops": tally.stops,
            "terminations": tally.terminations,
            "restarts": tally.restarts,
            "severed": tally.severed_backends,
            "faults": self.zoho_faults + tally.network_faults,
            "requests": self.requests,
            **{f"{collection} made": count for collection, count in self.made.items()},
            "quiet after": f"{self.quiet_after:.0f} s",
            **{str(kind): kinds[kind] for kind in Kind},
            "bad ends": len(tally.bad_ends),
            "complaints": len(self.complaints),
            "mistakes": self.mistakes.total(),
        }
        return ", ".join(f"{name} {value}" for name, value in facts.items())


async def run(
    *,
    seconds: float,
    seed: int,
    replicas: int,
    climate: Climate | None = None,
    workloads: Sequence[Callable[[Known], Workload]] = WORKLOADS,
    errors: TextIO = sys.stderr,
    logs: Path | None = None,
) -> Report:
    """Storms for ``seconds``, then heals and compares. Stories of what is not well go to ``errors``.

    What the processes wrote is kept in ``logs``.
    """

    def new_dice(name: str) -> Random:
        return Random(f"{seed} {name}")

    async with stage(replicas, logs) as scene:
        applications = Applications(scene.database)
        known = Known()
        generators = [new(known) for new in workloads]
        backlog = _Backlog(scene)
        try:
            for generator in generators:
                await generator.set_up(applications, scene.zoho)
            for replica in scene.replicas:
                await replica.start()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                    tasks.create_task(weather.storm(scene, climate or Climate(), new_dice))
                    tasks.create_task(backlog.watch())
                    tasks.create_task(operate(applications, new_dice("operator")))
                    for generator in generators:
                        for hand in range(HANDS):
                            dice = new_dice(f"{generator.entity_type} {hand}")
                            pause = BETWEEN_ACTS_SECONDS * HANDS * len(generators)
                            tasks.create_task(_work(generator, applications, backlog, dice, pause))
            await weather.heal(scene)
            await resume(applications)
            for generator in generators:
                await generator.settle_down(applications, new_dice(f"{generator.entity_type} end"))
            healed_at = time.monotonic()
            await until_quiet(scene)
            quiet_after = time.monotonic() - healed_at
            for generator in reversed(generators):
                await generator.make_amends(applications)
                await until_quiet(scene)
            for replica in scene.replicas:
                await replica.revive()
            return await _report(scene, applications, generators, seed, seconds, quiet_after, errors)
        finally:
            await applications.close()


async def _work(
    generator: Workload, applications: Applications, backlog: "_Backlog", dice: Random, pause: float
) -> None:
    while True:
        await asyncio.sleep(dice.expovariate(1 / pause))
        await backlog.bearable.wait()
        await generator.act(applications, dice)


class _Backlog:
    """How much is to be done, looked at now and then."""

    def __init__(self, scene: Stage) -> None:
        self._scene = scene
        self.bearable = asyncio.Event()
        self.bearable.set()

    async def watch(self) -> None:
        """Opens and closes the door for applications."""
        while True:
            with suppress(psycopg.Error, OSError):
                if await to_do(self._scene) > LONGEST_BACKLOG:
                    self.bearable.clear()
                else:
                    self.bearable.set()
            await asyncio.sleep(1.0)


async def to_do(scene: Stage) -> int:
    """Entries and entities that are not at rest. What waits is, where its prerequisite is not there."""
    (row,) = await scene.rows(
        """
        SELECT
            (
                SELECT count(*)
                FROM public.zoho_outbox
                WHERE NOT admitted OR (finished_at IS NULL AND status NOT IN ('dead', 'waiting'))
            )
            + (
                SELECT count(*)
                FROM zoho_outbox_private.entity_state
                WHERE phase NOT IN ('idle', 'dead', 'waiting') OR write_back_due IS NOT NULL
            )
            + (
                SELECT count(*)
                FROM zoho_outbox_private.entity_state AS child
                JOIN zoho_outbox_private.entity_state AS parent
                    ON parent.entity_id = child.waits_for_id AND parent.entity_type = child.waits_for_type
                WHERE child.phase = 'waiting'
                    AND (
                        parent.usable_id IS NOT NULL
                        OR (parent.phase = 'dead' AND NOT child.waits_for_dead)
                        OR (parent.phase = 'idle' AND parent.due_at >= child.due_at)
                    )
            )
            + (
                SELECT count(*)
                FROM zoho_outbox_private.entity_state AS child
                JOIN public.service_packages AS package ON package.id = child.waits_for_id
                JOIN public.product_integrations AS integration ON integration.service_package_id = package.id
                WHERE child.phase = 'waiting'
                    AND child.waits_for_type = 'package'
                    AND integration.sync_status = 'ok'
                    AND btrim(package.sku) <> ''
            ) AS to_do
        """
    )
    return int(row["to_do"])


async def until_quiet(scene: Stage, seconds: float = QUIET_SECONDS) -> None:
    """Until nothing is to be done and nothing is being done; or until that has not become less for so long."""
    least, since = math.inf, time.monotonic()
    while (left := await to_do(scene)) > 0:
        if left < least:
            least, since = left, time.monotonic()
        elif time.monotonic() - since > seconds:
            return
        await asyncio.sleep(0.3)


async def _report(
    scene: Stage,
    applications: Applications,
    generators: Sequence[Workload],
    seed: int,
    seconds: float,
    quiet_after: float,
    errors: TextIO,
) -> Report:
    statistics = await scene.zoho.get("statistics")
    report = Report(
        seed,
        seconds,
        scene.tally,
        acts=applications.committed,
        requests=statistics["requests"],
        zoho_faults=sum(statistics["faults"].values()),
        quiet_after=quiet_after,
        complaints=applications.complaints,
        mistakes=verdict.mistakes(scene),
    )
    for collection, key in _COUNTED.items():
        report.made[collection] = sum(statistics["creates"].get(collection, {}).get(key, {}).values())
    books, journal = await verdict.read_books(scene), (await scene.zoho.get("requests"))["requests"]
    for generator in generators:
        evidence = await verdict.gather(scene, generator, books, journal)
        report.entities += len(evidence.states.keys() | evidence.hosts.keys())
        cases = verdict.judge(generator, evidence)
        report.cases += cases
        _tell(scene, generator, evidence, cases, errors)
    for trouble in [*scene.tally.bad_ends, *applications.complaints]:
        errors.write(f"{trouble}\n")
    for mistake, count in report.mistakes.most_common():
        errors.write(f"{count} times: {mistake}\n")
    if not report.good:
        errors.write(f"again: python -m tests.crash --seconds {seconds:g} --seed {seed} ")
        errors.write(f"--replicas {len(scene.replicas)}\n")
    return report


def _tell(scene: Stage, generator: Workload, evidence: Evidence, cases: Sequence[Case], errors: TextIO) -> None:
    whole: dict[UUID | None, list[Case]] = {}
    for case in cases:
        whole.setdefault(case.entity_id, []).append(case)
    for number, (entity_id, its_cases) in enumerate(whole.items()):
        found = "; ".join(f"{case.kind}: {case.what}" for case in its_cases)
        errors.write(f"{generator.entity_type} {entity_id}: {found}\n")
        if entity_id is not None and number < STORIES:
            errors.write(f"{verdict.story(scene, generator, evidence, entity_id)}\n")
