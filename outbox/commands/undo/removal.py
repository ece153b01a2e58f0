"""``backfill --undo``: takes out of Zoho again what a first backfill made there. A plan first; with ``--yes``, done.

What becomes of which row: :mod:`outbox.commands.undo.plan`. How a record is proved to be ours and removed:
:mod:`outbox.commands.undo.records`. How it may send while sending is paused: :mod:`outbox.store.undo`.

It is done only while sending is paused, so that nobody else sends the same rows, and stops where somebody ends the
pause. A record goes from Zoho first, and its row forgets it after, in one statement: a run that dies in between finds
the record gone the next time, and goes on. So does a run that was interrupted. What one row cannot have done to it
stops nobody else's: it is named at the end.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, assert_never
from uuid import uuid4

import psycopg

from outbox.clock import SystemClock
from outbox.commands.failures import CommandFailed
from outbox.commands.opening import open_database
from outbox.commands.sync import stop_in_words
from outbox.commands.undo.plan import ORDER, PAUSE_FIRST, Becomes, Item, UndoPlan, make_plan
from outbox.commands.undo.records import DID_IN_WORDS, Did, Left, Removal
from outbox.database import Database
from outbox.masking import mask_message, storable
from outbox.settings import DatabaseSettings, LogPayloads, Settings
from outbox.store.access_token import DatabaseTokenVault
from outbox.store.installation import verify_installation
from outbox.store.organisation import OrganisationStore
from outbox.store.protocol import OutboxStore
from outbox.store.undo import Forgetting, UndoStore, Who, undo_budget
from outbox.vocabulary import EntityType, Urgency
from outbox.wording import columns
from outbox.zoho.authorization import AccessTokens
from outbox.zoho.client import ZohoClient
from outbox.zoho.connection import open_http
from outbox.zoho.failures import CallFailed, FailureKind
from outbox.zoho.organisations import OrganisationRefused, verify_organisation
from outbox.zoho.ports import SendingStopped

CONNECTIONS = 3

BATCH = 100
"""Rows that forget in one statement, where nothing is asked of Zoho."""

HELD = "the row, its state or an entry of it is held or was changed by somebody else at this moment: run it again"

LACKS_SCOPE = (
    "the refresh token may not delete (ZohoSubscriptions.{module}.DELETE, and CREATE for cancelling and making void): "
    "authorise one that may, set ZOHO_REFRESH_TOKEN and run it again; sending does not need it"
)


@dataclass(frozen=True)
class Done:
    """What became of a row: a word of :class:`Did`, let_go, set_aside, or left."""

    item: Item
    what: str
    why: str

    def as_json(self) -> dict[str, Any]:
        """As the plan's record, with ``what`` and ``why``."""
        plan = self.item.as_json()
        return {key: plan[key] for key in ("type", "id", "named", "zoho_id")} | {"what": self.what, "why": self.why}


@dataclass(frozen=True)
class Undone:
    """How it ended. ``stopped``: why before its end."""

    done: tuple[Done, ...]
    stopped: str | None

    @property
    def left(self) -> list[Done]:
        """What a person must see to."""
        return [each for each in self.done if each.what == LEFT]

    @property
    def failed(self) -> bool:
        """Whether something is left."""
        return bool(self.left) or self.stopped is not None

    def as_json(self) -> dict[str, Any]:
        """``done`` in the order of the work."""
        return {"done": [each.as_json() for each in self.done], "stopped": self.stopped}

    def as_text(self) -> str:
        """Counts, then what is left, each with its reason."""
        words = list(dict.fromkeys(each.what for each in self.done))
        rows = [
            (
                f"{kind}s",
                *(str(sum(e.what == what and e.item.entity_type is kind for e in self.done)) for what in words),
            )
            for kind in ORDER
        ]
        lines = columns(("type", *words), rows, right=frozenset(words)) if words else ["nothing was undone"]
        lines += [f"left: {each.item.in_zoho}: {each.why}" for each in self.left]
        if self.stopped is not None:
            lines.append(f"stopped: {self.stopped}")
        elif not self.left:
            lines.append("undone; sending is still paused: zoho-outbox resume ends that")
        return "\n".join(lines)


LEFT = "left"


async def plan_undo(settings: DatabaseSettings) -> UndoPlan:
    """What would be done. Changes nothing, asks Zoho nothing."""
    async with open_database(settings) as database:
        return await make_plan(UndoStore(database))


@asynccontextmanager
async def open_undo(settings: Settings, *, on_secret: Callable[..., None]) -> AsyncIterator["Undo"]:
    """An undo that may be done, for the block: its plan was made in a pause, and nothing bars it.

    Raises :class:`CommandFailed` where it may not, ``WrongDatabase``, ``DatabaseUnavailable``.
    """
    if not settings.enable_zoho_sync:
        raise CommandFailed("ENABLE_ZOHO_SYNC is false: nothing is sent; set it to true to undo a backfill")
    async with open_database(settings, connections=CONNECTIONS) as database, open_http(settings) as http:
        await verify_installation(database, settings)
        store, session, clock = UndoStore(database), uuid4(), SystemClock()
        if (await store.who()).paused_at is None:
            raise CommandFailed(f"nothing was undone: {PAUSE_FIRST}")
        await _bring_up_to_date(OutboxStore(database, session, clock, settings.outbox_lease_seconds))
        plan = await make_plan(store)
        if barred := plan.barred:
            more = f" (and {len(barred) - 1} more, see zoho-outbox backfill --undo)" if len(barred) > 1 else ""
            raise CommandFailed(f"nothing was undone: {barred[0]}{more}")
        tokens = AccessTokens(DatabaseTokenVault(database, session), http, settings, clock, on_secret=on_secret)
        client = ZohoClient(http, tokens, undo_budget(database, settings, session), settings, clock)
        yield Undo(database, settings, store, client, plan)


async def _bring_up_to_date(outbox: OutboxStore) -> None:
    """Leases of the dead are taken over, and what was written is admitted: then the state rows tell everything."""
    while await outbox.reclaim():
        pass
    while await outbox.admit(1000) >= 1000:
        pass


class Undo:
    """Made by :func:`open_undo`."""

    def __init__(
        self, database: Database, settings: Settings, store: UndoStore, client: ZohoClient, plan: UndoPlan
    ) -> None:
        self._settings = settings
        self._store = store
        self._client = client
        self._organisation = OrganisationStore(database, settings.zoho_time_zone)
        self._done: list[Done] = []
        self.plan = plan

    async def run(self, show: Callable[[Done], None]) -> Undone:
        """Does it; ``show`` gets each row as it is done. Raises ``DatabaseUnavailable``."""
        self._show = show
        try:
            await self._work()
        except SendingStopped as stop:
            return self._ended(f"{stop_in_words(stop)}; run it again when that is over, it goes on")
        except CallFailed as failed:
            return self._ended(f"{failed.failure}; {failed.failure.advice} Then run it again, it goes on")
        except OrganisationRefused as refusal:
            return self._ended(str(refusal))
        except _Stop as stop:
            return self._ended(str(stop))
        return self._ended(None)

    def _ended(self, stopped: str | None) -> Undone:
        return Undone(tuple(self._done), stopped)

    async def _work(self) -> None:
        if self.plan.of(Becomes.REMOVE) or self.plan.of(Becomes.LEFT):
            await self._verify_organisation()
        await self._store.lists_out_of_use(list(EntityType))
        for entity_type in ORDER:
            await self._forget_all(self.plan.of(Becomes.SET_ASIDE, entity_type), Becomes.SET_ASIDE)
        for entity_type in ORDER:
            for item in (*self.plan.of(Becomes.REMOVE, entity_type), *self.plan.of(Becomes.LEFT, entity_type)):
                await self._remove(item)
            await self._let_go(self.plan.of(Becomes.LET_GO, entity_type))

    async def _verify_organisation(self) -> None:
        try:
            await verify_organisation(self._client, self._settings, urgency=Urgency.BACKFILL)
        except CallFailed as failed:
            await self._organisation.failed(failed.failure)
            raise

    async def _remove(self, item: Item) -> None:
        removal = Removal(self._client, item, self._settings.zoho_external_id_field)
        try:
            did = await removal.run()
        except CallFailed as failed:
            failure = failed.failure
            if failure.kind is FailureKind.SCOPE_OR_ORGANISATION and removal.wrote:
                # Not reported: whoever sends does without that right.
                raise _Stop(LACKS_SCOPE.format(module=f"{item.entity_type}s")) from None
            if await self._organisation.failed(failure):
                raise
            did = Left(f"it could not be told whether Zoho did it ({failure}): run it again", failure)
        else:
            await self._organisation.answered()
        match did:
            case Left():
                said = did.why
                if did.failure is not None:
                    said = mask_message(did.why, LogPayloads.MASKED)
                    tried = Forgetting(item.entity_id, item.zoho_id, storable(f"{self._undo_by}: {said}"), removal.work)
                    await self._store.refused(item.entity_type, tried, did.failure)
                self._note(item, LEFT, said)
            case Did():
                await self._forget([(item, did, DID_IN_WORDS[did], removal)])
            case _:
                assert_never(did)

    async def _let_go(self, items: Sequence[Item]) -> None:
        """Adopted records, after what hung on them has gone. One that is still needed stays known."""
        needed = await self._store.with_children([item.entity_id for item in items]) if items else set()
        for item in items:
            if item.entity_id in needed:
                self._note(item, LEFT, "records that stay hang on it: its id is kept")
        await self._forget_all([item for item in items if item.entity_id not in needed], Becomes.LET_GO)

    async def _forget_all(self, items: Sequence[Item], what: Becomes) -> None:
        words = {
            Becomes.LET_GO: "adopted, stays in Zoho as it is",
            Becomes.SET_ASIDE: "was not in Zoho yet",
        }[what]
        for place in range(0, len(items), BATCH):
            await self._forget([(item, what, words, None) for item in items[place : place + BATCH]])

    async def _forget(self, rows: "Sequence[tuple[Item, Did | Becomes, str, Removal | None]]") -> None:
        if not rows:
            return
        entity_type = rows[0][0].entity_type
        forgettings = [
            Forgetting(
                item.entity_id,
                item.zoho_id,
                storable(f"{self._undo_by}: {words}; the next backfill or edit sends it anew"),
                None if removal is None else removal.work,
            )
            for item, _, words, removal in rows
        ]
        try:
            forgotten = await self._store.forget(entity_type, forgettings)
        except psycopg.Error as error:
            # A trigger of the host's refuses one of them: the others must not suffer for it.
            if len(rows) > 1:
                for row in rows:
                    await self._forget([row])
                return
            refusal = (
                f"{rows[0][2]}, but the row could not be written ({type(error).__name__}): mend that, run it again"
            )
            self._note(rows[0][0], LEFT, refusal)
            return
        for item, what, words, _ in rows:
            if item.entity_id in forgotten:
                self._note(item, what, words)
            else:
                self._note(item, LEFT, f"{words}; {HELD}")

    @property
    def _undo_by(self) -> str:
        return undo_by(self.plan.who)

    def _note(self, item: Item, what: str, why: str) -> None:
        done = Done(item, what, why)
        self._done.append(done)
        self._show(done)


class _Stop(Exception):  # noqa: N818 - an end
    """Nothing more can be done now; the text says why and what to do."""


def undo_by(who: Who) -> str:
    """Who undoes and why, as rows and logs show it."""
    why = f": {who.paused_why}" if who.paused_why else ""
    return f"undo of the backfill by {who.who} (paused by {who.paused_by}{why})"
