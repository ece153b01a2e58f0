"""``health-check``: four categories, every threshold, what to do next.

Exit status: 0 healthy or degraded, 1 unhealthy, 2 wrong use (a malformed setting among it), 3 could not tell. What each
check means stands in :mod:`outbox.commands.health.findings`.

It changes nothing but token, budget and the moment of a good reply: it does not even store which database this is, as a
first run does. A request to Zoho is spent only where the last good reply is older than
``HEALTH_REPLY_AGE_SECONDS``, or with ``--detailed``; it takes its permission like any other, so none leaves while
sending is paused or throttled, and a good reply is noted, so that the next check need not ask.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import uuid4

import anyio
import psycopg

from outbox.assembly import CONNECTIONS
from outbox.clock import SystemClock
from outbox.commands.alert.message import Item, Message, Section
from outbox.commands.health.figures import Figures, figures
from outbox.commands.health.findings import (
    Category,
    CouldNot,
    Finding,
    HealthSettings,
    NotAsked,
    State,
    Verdict,
    ZohoAnswer,
    asks_zoho,
    findings,
    worst,
)
from outbox.commands.health.reading import gather
from outbox.commands.opening import open_database
from outbox.database import Database, DatabaseUnavailable
from outbox.masking import mask_message
from outbox.settings import Settings
from outbox.store.access_token import DatabaseTokenVault
from outbox.store.budget import SharedBudget
from outbox.store.health import Base
from outbox.store.installation import WrongDatabase, check_installation
from outbox.store.organisation import OrganisationStore
from outbox.vocabulary import FailureClass, Urgency
from outbox.wording import moment
from outbox.zoho.authorization import AccessTokens
from outbox.zoho.client import ZohoClient
from outbox.zoho.connection import open_http
from outbox.zoho.failures import CallFailed
from outbox.zoho.organisations import LIST_ORGANISATIONS, OrganisationRefused, find_organisation
from outbox.zoho.ports import SendingStopped

COULD_NOT_TELL = 3

ASK_SECONDS = 60.0
"""For one request with its permission; the minute's bucket may be empty for a while."""

TITLES = {
    Category.DATABASE_STATUS: "database status",
    Category.LAST_24_HOURS: "last 24 hours",
    Category.ZOHO_CONNECTIVITY: "Zoho connectivity",
    Category.DATA_INTEGRITY: "data integrity",
}


@dataclass(frozen=True)
class Report:
    """What ``health-check`` says."""

    verdict: Verdict
    figures: Figures | None
    """Only with ``--detailed``."""
    time_zone: str
    where: str
    """The database."""

    @property
    def exit_status(self) -> int:
        """0 healthy or degraded, 1 unhealthy, 3 could not tell."""
        match self.verdict.state:
            case State.HEALTHY | State.DEGRADED:
                return 0
            case State.UNHEALTHY:
                return 1
            case State.UNKNOWN:
                return COULD_NOT_TELL

    def as_json(self) -> dict[str, Any]:
        """Keys: state, as_of (null: the database could not be asked), categories, figures (null without --detailed).

        ``categories`` is an object of ``database_status``, ``last_24_hours``, ``zoho_connectivity`` and
        ``data_integrity``, each {"state", "findings"}; a finding is {"check", "state", "what", "count", "example",
        "next_step"}, the last three null where there is none. Every check is there, healthy ones too. States are
        healthy, degraded, unhealthy, unknown; names of checks are those of
        :class:`outbox.commands.health.findings.Check`.
        """
        return {
            "state": self.verdict.state,
            "as_of": self.verdict.as_of,
            "categories": {
                category: {
                    "state": worst(finding.state for finding in self.verdict.of(category)),
                    "findings": [asdict(finding) for finding in self.verdict.of(category)],
                }
                for category in Category
            },
            "figures": None if self.figures is None else self.figures.as_json(),
        }

    def as_text(self) -> str:
        """For people: what needs somebody first in each category, then what was found in order."""
        lines = [f"{self.verdict.state.upper()}  {self.where}  as of {moment(self.verdict.as_of)}"]
        for category in Category:
            mine = self.verdict.of(category)
            lines += ["", f"{TITLES[category]}: {worst(finding.state for finding in mine)}"]
            for finding in mine:
                lines += [
                    f"  {finding.state:<9}  {finding.what}",
                    *(f"             {line}" for line in _details(finding)),
                ]
        if self.figures is not None:
            lines += ["", *self.figures.as_lines(self.time_zone)]
        return "\n".join(lines)

    def as_message(self) -> Message:
        """For mail and chat: what is not healthy, the figures where they were asked for."""
        sections = []
        for category in Category:
            items = tuple(
                Item(f"{finding.state}: {finding.what}", tuple(_details(finding)))
                for finding in self.verdict.of(category)
                if finding.state is not State.HEALTHY
            )
            sections.append(Section(TITLES[category], items or (Item("healthy"),)))
        if self.figures is not None:
            lines = [line.strip() for line in self.figures.as_lines(self.time_zone)]
            sections.append(Section("figures", tuple(Item(line) for line in lines if line)))
        return Message(
            f"zoho-outbox: {self.verdict.state}",
            f"{self.where}, as of {moment(self.verdict.as_of)}.",
            tuple(sections),
            "zoho-outbox health-check says it anew.",
        )


def _details(finding: Finding) -> Iterator[str]:
    if finding.example is not None:
        yield f"example: {finding.example}"
    if finding.next_step is not None:
        yield f"next: {finding.next_step}"


async def check(
    settings: HealthSettings,
    sending: Settings | CouldNot,
    *,
    detailed: bool,
    on_secret: Callable[..., None],
) -> Report:
    """Reads, asks Zoho where that is due, and judges.

    ``sending``: every setting, for a request; or why it could not be made. ``on_secret`` learns a new access token.
    """
    # Not "fit": an unmigrated database is something to be told, check by check.
    async with open_database(settings, connections=CONNECTIONS, fit=False) as database:
        evidence = await gather(database, settings)
        if asks_zoho(evidence.stops, settings, detailed=detailed):
            answer = sending if isinstance(sending, CouldNot) else await _ask_zoho(database, sending, on_secret)
            evidence = replace(evidence, answer=answer)
        base = evidence.base
        told = await figures(database, settings) if detailed and isinstance(base, Base) else None
    as_of = base.now if isinstance(base, Base) else None
    where = f"database {base.database_name}" if isinstance(base, Base) else "the database"
    return Report(Verdict(as_of, findings(evidence, settings)), told, settings.zoho_time_zone, where)


async def _ask_zoho(
    database: Database, settings: Settings, on_secret: Callable[..., None]
) -> ZohoAnswer | NotAsked | CouldNot:
    session, clock = uuid4(), SystemClock()
    organisation = OrganisationStore(database, settings.zoho_time_zone)
    try:
        with anyio.fail_after(ASK_SECONDS):
            # Not outbox.assembly.open_engine: that stores the database's identity at the first run.
            await check_installation(database, settings)
            now = await organisation.now()
            if not now.may_try:
                return NotAsked(now.state, now.why or "nothing more is known", "When that is over, say it again.")
            async with open_http(settings) as http:
                tokens = AccessTokens(DatabaseTokenVault(database, session), http, settings, clock, on_secret=on_secret)
                client = ZohoClient(http, tokens, SharedBudget(database, settings, session), settings, clock)
                reply = await client.send(LIST_ORGANISATIONS, urgency=Urgency.LIVE)
                find_organisation(reply.body, settings)
                await organisation.answered()
    except TimeoutError:
        return CouldNot(
            f"no request could leave or be answered within {ASK_SECONDS:.0f} s",
            "zoho-outbox status shows quota and requests in flight.",
        )
    except SendingStopped as stopped:
        return NotAsked(stopped.state, stopped.reason, "zoho-outbox status says until when.")
    except CallFailed as failed:
        throttled = failed.failure.failure_class is FailureClass.THROTTLED
        return ZohoAnswer(mask_message(str(failed.failure)), failed.failure.advice, throttled)
    except OrganisationRefused as refused:
        return ZohoAnswer(str(refused), "zoho-outbox doctor says more.")
    except WrongDatabase as wrong:
        return CouldNot(str(wrong), "See what it says.")
    except (DatabaseUnavailable, psycopg.Error) as error:
        return CouldNot(
            f"nothing can be sent with this role or database ({(str(error) or type(error).__name__).splitlines()[0]})",
            "Connect as zoho_outbox_daemon.",
        )
    return ZohoAnswer()
