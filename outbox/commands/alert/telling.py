"""``alert-failed``: tells what is new since the last alert, to everybody whom ALERT_URLS names.

What is new, what is told again and what is over: :mod:`outbox.commands.alert.news`. Exit status: 0 told, or nothing is
new; 1 a receiver did not take it, something could not be read, or the database could not be reached (which is told by
the exit status alone: what was told is remembered there); 2 wrong use, an entry of ALERT_URLS that cannot be used among
it.

One at a time, on whichever machine: who comes second leaves it to the first, and exits 0. What a receiver was told is
remembered after it took it, each receiver by itself; so one that failed is told the next time, the others are not told
twice. Who dies between telling and remembering has told something that will be told once more: nobody can promise
otherwise of a mail.
"""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID, uuid4

import anyio
import psycopg

from outbox.commands.alert.message import Message, of_news
from outbox.commands.alert.news import News, Scene, Word, looked_after, news, scene
from outbox.commands.alert.receivers import SEND_SECONDS, Receiver, tell
from outbox.commands.failures import CommandFailed
from outbox.commands.health.findings import CouldNot, HealthSettings
from outbox.commands.health.reading import AS_DAEMON, reading
from outbox.commands.opening import open_database
from outbox.database import Database
from outbox.store.alerts import AlertStore, Standing, Told
from outbox.store.health import HealthStore
from outbox.wording import count

TURN_MARGIN_SECONDS = 60.0


async def alert(
    settings: HealthSettings,
    receivers: Sequence[Receiver],
    *,
    dry_run: bool,
    show: Callable[[str], None],
    report: Callable[[str], None],
) -> bool:
    """Tells; whether everything was read and everybody took it.

    ``show`` is told what was done, ``report`` what went wrong. Raises :class:`outbox.migration.fitness.Unfit`,
    ``DatabaseUnavailable``, ``psycopg.Error``.
    """
    async with open_database(settings) as database:
        run = _Run(database, settings, receivers, show, report)
        try:
            return await (run.rehearse() if dry_run else run.tell())
        except psycopg.errors.InsufficientPrivilege as lacking:
            raise CommandFailed(
                f"the role in DATABASE_URL may not remember what was told ({str(lacking).splitlines()[0]}): connect as "
                "zoho_outbox_daemon"
            ) from None


async def _look(database: Database, settings: HealthSettings, report: Callable[[str], None]) -> Scene:
    health, alerts = HealthStore(database), AlertStore(database)
    readings = (
        await reading(alerts.dead, AS_DAEMON),
        await reading(health.stops, AS_DAEMON),
        await reading(health.daemons, AS_DAEMON),
        await reading(health.triggers, AS_DAEMON),
    )
    for each in readings:
        if isinstance(each, CouldNot):
            report(f"could not tell: {each.why}. {each.next_step}")
    return scene(*readings, settings)


class _Run:
    """One run of the command."""

    def __init__(
        self,
        database: Database,
        settings: HealthSettings,
        receivers: Sequence[Receiver],
        show: Callable[[str], None],
        report: Callable[[str], None],
    ) -> None:
        self._database = database
        self._settings = settings
        self._receivers = receivers
        self._show = show
        self._report = report
        self._store = AlertStore(database)

    async def rehearse(self) -> bool:
        """Shows what would be told, to whom."""
        now, told, where = await self._present()
        same: dict[str, list[str]] = {}
        for receiver in self._receivers:
            lines = await self._news(now, told[receiver.id])
            text = _shown(of_news(lines, where)) if lines else "nothing is new"
            same.setdefault(text, []).append(receiver.shown)
        for text, shown in same.items():
            self._show(f"to {', '.join(shown)}:\n{text}")
        return not now.untold

    async def tell(self) -> bool:
        """Tells everybody what is new to them."""
        token = uuid4()
        seconds = SEND_SECONDS * len(self._receivers) + TURN_MARGIN_SECONDS
        if not await self._store.take_turn(token, seconds):
            self._show("another alert-failed is telling at this moment: left to it")
            return True
        try:
            now, told, where = await self._present()
            everybody = True
            for receiver in self._receivers:
                lines = await self._news(now, told[receiver.id])
                if not lines:
                    self._show(f"{receiver.shown}: nothing is new")
                    continue
                if not await tell(receiver, of_news(lines, where)):
                    everybody = False
                    self._report(
                        f"{receiver.shown} did not take it: check that entry of ALERT_URLS and the way there; it is "
                        "told the next time"
                    )
                    continue
                if not await self._remember(token, receiver, lines):
                    raise CommandFailed(
                        f"{receiver.shown} was told, which took longer than the turn lasts, and another alert-failed "
                        "may have told the same: run it less often"
                    )
                self._show(f"{receiver.shown}: {_summary(lines)}")
            return everybody and not now.untold
        finally:
            with anyio.CancelScope(shield=True):
                await self._store.give_turn_back(token)

    async def _present(self) -> tuple[Scene, Mapping[str, Mapping[str, Told]], str]:
        now = await _look(self._database, self._settings, self._report)
        told = await self._store.told([receiver.id for receiver in self._receivers])
        base = await HealthStore(self._database).base()
        return now, told, f"database {base.database_name}"

    async def _news(self, now: Scene, told: Mapping[str, Told]) -> tuple[News, ...]:
        return news(now, told, await self._store.in_hand(looked_after(told, now)))

    async def _remember(self, token: UUID, receiver: Receiver, lines: Sequence[News]) -> bool:
        standing = [
            Standing(
                line.problem.key, line.problem.said, line.problem.entity_type, line.problem.entity_ids, line.entities
            )
            for line in lines
            if line.problem is not None
        ]
        over = [line.key for line in lines if line.word is Word.OVER]
        return await self._store.remember(token, receiver.id, standing, over)


def _shown(message: Message) -> str:
    return f"{message.title}\n{message.as_text()}"


def _summary(lines: Sequence[News]) -> str:
    over = sum(line.word is Word.OVER for line in lines)
    standing = len(lines) - over
    said = [f"told of {count(standing, 'problem', 'problems')}"] if standing else []
    return ", ".join([*said, f"{over} recovered"] if over else said)
