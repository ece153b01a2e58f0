"""What is news to a receiver: a pure function of what stands and of what it was told.

Written for whoever reads it at 8 in the morning, who wants to know what to mend, and not to be told it again.

A *problem* has a key. Of dead rows it is type and cause (the reason without what differs from row to row): one line for
four hundred invoices that lack the same tax, with their number, one of them by name, and the fix. Of the rest it is
what is the matter: the organisation forbidden, broken or paused, no daemon, triggers not in force.

- **New**: the receiver was not told of it. Also where it was, and none of the rows it was told of is among those that
  are dead now: that cause was mended, and has come back with others.
- **More**: the rows that it was not told of are as many as those it was told of and that still stand, and five at
  least: so a cause that grows from 5 to 5,000 is told ten times and not a thousand. Below that, what has come is told
  a day after the last word on that cause, so that nothing stays unsaid because an old one stands. Of triggers: more of
  them. Of a refusal: in other words (another thing is wrong now).
- **Over**: nothing of it stands any more. Told once. Of dead rows only when none of those that were told is being tried
  again: one that dies a second time would be over, and new.
- A shrinking number is no news.

What heals by itself is no alert before it has lasted: an outage of Zoho's (*broken*) ten minutes, a pause an hour
(``HEALTH_PENDING_SECONDS``: the same after which what waits for it makes health degraded). Throttling never is: it ends
by itself, and health shows it.

A reading that could not be made says nothing: what was told of it is neither told again nor over.

Each receiver is remembered by itself: one that failed is told the next time, and a new one what stands.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from outbox.commands.health.findings import (
    CouldNot,
    Finding,
    HealthSettings,
    State,
    daemon,
    explain_command,
    organisation,
    triggers,
)
from outbox.masking import mask_message
from outbox.store.alerts import REMEMBERED, DeadGroup, Entity, Told
from outbox.store.health import Daemon, Stops, Trigger
from outbox.vocabulary import EntityType
from outbox.wording import age, count, moment, one_line

GROWN_BY_AT_LEAST = 5
A_DAY_SECONDS = 86_400.0
BROKEN_SECONDS = 600.0
"""How long an outage of Zoho's lasts before somebody is told: shorter ones have ended before anybody looked."""
LONGEST_CAUSE = 300
"""Characters of a cause; Zoho's words are shorter, what stands between us and Zoho may answer with a page."""


class Kind(StrEnum):
    """Problems that are no dead rows; their keys."""

    FORBIDDEN = "organisation_forbidden"
    BROKEN = "organisation_broken"
    PAUSED = "organisation_paused"
    NO_DAEMON = "no_daemon"
    TRIGGERS = "triggers"


DEAD = "dead:"
"""How the key of dead rows begins."""


@dataclass(frozen=True)
class Problem:
    """Something that stands and needs a person."""

    key: str
    said: str
    """The cause, in one line."""
    entities: int = 0
    example: str | None = None
    fix: str | None = None
    entity_type: EntityType | None = None
    entity_ids: tuple[UUID, ...] = ()
    """Of dead rows: a thousand at most."""


class Word(StrEnum):
    """What a line says."""

    NEW = "new"
    MORE = "more"
    OVER = "over"


@dataclass(frozen=True)
class News:
    """One line for a receiver."""

    word: Word
    key: str
    said: str
    entities: int
    was: int
    """Of what is more or over: how many were told before."""
    example: str | None = None
    fix: str | None = None
    problem: Problem | None = None
    """What stands; None: it is over."""
    entity_type: EntityType | None = None

    @property
    def counted(self) -> str:
        """'4 customers', '1 trigger'; '' of what is one thing."""
        if self.entity_type is not None:
            return count(self.entities, self.entity_type, f"{self.entity_type}s")
        return count(self.entities, "trigger", "triggers") if self.key == Kind.TRIGGERS else ""


@dataclass(frozen=True)
class Scene:
    """What stands, and which keys nothing can be said of."""

    problems: tuple[Problem, ...]
    untold: frozenset[str]
    """Keys of which could not be told whether they stand; ``dead:`` is all of them."""


def scene(
    dead: Sequence[DeadGroup] | CouldNot,
    stops: Stops | CouldNot,
    daemons: Sequence[Daemon] | CouldNot,
    there: Sequence[Trigger] | CouldNot,
    settings: HealthSettings,
) -> Scene:
    """What needs a person, of what was read; what stops everything first."""
    problems: list[Problem] = []
    untold: set[str] = set()
    if isinstance(there, CouldNot):
        untold.add(Kind.TRIGGERS)
    else:
        problems += _of_finding(Kind.TRIGGERS, triggers(there))
    if isinstance(stops, CouldNot):
        untold |= {Kind.FORBIDDEN, Kind.BROKEN, Kind.PAUSED}
    else:
        problems += _organisation(stops, settings)
    if isinstance(daemons, CouldNot):
        untold.add(Kind.NO_DAEMON)
    else:
        problems += _of_finding(Kind.NO_DAEMON, daemon(daemons, settings))
    if isinstance(dead, CouldNot):
        untold.add(DEAD)
    else:
        problems += [_of_group(group) for group in dead]
    return Scene(tuple(problems), frozenset(untold))


def _of_finding(kind: Kind, finding: Finding) -> list[Problem]:
    if finding.state is not State.UNHEALTHY:
        return []
    return [Problem(kind, finding.what, finding.count or 0, finding.example, finding.next_step)]


def _organisation(stops: Stops, settings: HealthSettings) -> list[Problem]:
    problems = []
    if stops.forbidden_at is not None:
        problems += _of_finding(Kind.FORBIDDEN, organisation(stops))
    elif stops.broken_at is not None and (stops.now - stops.broken_at).total_seconds() > BROKEN_SECONDS:
        problems += _of_finding(Kind.BROKEN, organisation(stops))
    paused = stops.paused_at
    if paused is not None and (stops.now - paused).total_seconds() > settings.health_pending_seconds:
        why = stops.paused_why or "no reason given"
        limit = age(settings.health_pending_seconds)
        said = f"paused for more than {limit}, since {moment(paused)} by {stops.paused_by}: {why}"
        problems.append(Problem(Kind.PAUSED, said, fix="Where it was forgotten: zoho-outbox resume."))
    return [replace(problem, said=mask_message(one_line(problem.said))) for problem in problems]


def _of_group(group: DeadGroup) -> Problem:
    return Problem(
        f"{DEAD}{group.digest}",
        _short(group.cause if group.entities > 1 else group.reason),
        group.entities,
        group.example,
        f"{explain_command(group.example)}; when mended: zoho-outbox retry-failed --entity {group.entity_type}",
        group.entity_type,
        group.entity_ids,
    )


def _short(text: str) -> str:
    # Reasons are masked when they are written; those of our own checks may quote a row, and this leaves the house.
    line = mask_message(one_line(text))
    return line if len(line) <= LONGEST_CAUSE else f"{line[:LONGEST_CAUSE]}…"


def looked_after(told: Mapping[str, Told], scene_now: Scene) -> frozenset[Entity]:
    """Rows that were told and are dead no more: whether they are being tried again decides whether it is over."""
    standing = {problem.key for problem in scene_now.problems}
    return frozenset(
        (known.entity_type, entity_id)
        for key, known in told.items()
        if key not in standing and known.entity_type is not None
        for entity_id in known.entity_ids
    )


def news(now: Scene, told: Mapping[str, Told], in_hand: AbstractSet[Entity]) -> tuple[News, ...]:
    """What a receiver has not been told; what is over last."""
    said = [line for problem in now.problems if (line := _told(problem, told.get(problem.key))) is not None]
    standing = {problem.key for problem in now.problems}
    ended = [
        News(Word.OVER, key, known.said, known.entities, known.entities, entity_type=known.entity_type)
        for key, known in sorted(told.items())
        if key not in standing and not _untold(key, now.untold) and not _tried_again(known, in_hand)
    ]
    return (*said, *ended)


def _told(problem: Problem, known: Told | None) -> News | None:
    def line(word: Word, was: int) -> News:
        return News(
            word,
            problem.key,
            problem.said,
            problem.entities,
            was,
            problem.example,
            problem.fix,
            problem,
            problem.entity_type,
        )

    if known is None:
        return line(Word.NEW, 0)
    if problem.key == Kind.FORBIDDEN:
        return line(Word.NEW, 0) if _wording(problem.said) != _wording(known.said) else None
    if problem.entity_type is None:
        return line(Word.MORE, known.entities) if problem.entities > known.entities else None
    if max(problem.entities, known.entities) > REMEMBERED:
        kept = min(known.entities, problem.entities)
        fresh = problem.entities - kept
    else:
        kept = len(known.entity_ids.intersection(problem.entity_ids))
        fresh = problem.entities - kept
        if not kept:
            return line(Word.NEW, 0)
    grown = fresh >= max(GROWN_BY_AT_LEAST, kept)
    if grown or (fresh and known.told_seconds > A_DAY_SECONDS):
        return line(Word.MORE, known.entities)
    return None


def _wording(text: str) -> str:
    """Without moments and numbers, which differ from time to time."""
    return re.sub(r"\d+", "", text)


def _untold(key: str, untold: Collection[str]) -> bool:
    return key in untold or (key.startswith(DEAD) and DEAD in untold)


def _tried_again(known: Told, in_hand: AbstractSet[Entity]) -> bool:
    return known.entity_type is not None and any((known.entity_type, each) in in_hand for each in known.entity_ids)
