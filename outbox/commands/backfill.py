"""``backfill``: brings to Zoho what was there before the installation, or was left out.

Every eligible row without a Zoho id is enqueued, whatever its status says, N rows a transaction, type by type in order
of dependence, and each type is followed to its rest before the next begins: so a mistake that all customers share (a
missing custom field, a wrong currency) stops it before it is made for their invoices too. Rows that fail one by one
stop nothing. It may be interrupted and begun again at any time: what is enqueued stays enqueued, and what is in Zoho is
not taken up again.

Zoho's records are listed once for each type (200 a page), in place of a look-up for each row.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from uuid import uuid4

from outbox.assembly import Engine
from outbox.commands.backfill_plan import Plan, TypePlan
from outbox.commands.follow import Ended, Progress, follow
from outbox.commands.stand_in import Sending, StandIn, stand_in
from outbox.commands.sync import stop_in_words
from outbox.entities.contract import AnyEntity, Listing
from outbox.store.following import Follower, Run
from outbox.vocabulary import Change, EntityType, Origin, Urgency
from outbox.zoho.exchange import ApiRequest
from outbox.zoho.failures import CallFailed
from outbox.zoho.json_text import JsonValue
from outbox.zoho.ports import SendingStopped

FAILS_AS_A_WHOLE_FROM = 5
"""Customers that must have failed before it is called a failure of all of them; or all, where there are fewer."""


class Backfill:
    """One run. ``sending`` sends for a block, for where no daemon does."""

    def __init__(self, engine: Engine, *, batch_size: int, sending: Sending) -> None:
        self._engine = engine
        self._batch_size = batch_size
        self._sending = sending
        self._follower = Follower(engine.database)
        self._run = Run(f"backfill {uuid4()}")

    async def run(self, plan: Plan, show: Callable[[Progress], None]) -> Ended:
        """Enqueues, and follows to the end. ``show`` is told where it stands.

        Raises ``WrongDatabase`` and ``DatabaseUnavailable``.
        """
        async with stand_in(self._engine, self._sending) as sender:
            return await self._stages(plan, show, sender)

    async def _stages(self, plan: Plan, show: Callable[[Progress], None], sender: StandIn) -> Ended:
        for stage in plan.types:
            entity = self._engine.entities[stage.entity_type]
            if stage.is_listed and entity.listing is not None and (stopped := await self._list(entity)):
                return await self._ended(stopped)
            for place in range(0, len(stage.rows), self._batch_size):
                batch = stage.rows[place : place + self._batch_size]
                ids = await self._engine.store.enqueue(
                    [(stage.entity_type, row) for row in batch],
                    change=Change.RELATED,
                    origin=Origin.BACKFILL,
                    urgency=Urgency.BACKFILL,
                    requested_by=self._run.name,
                )
                self._run.widen(ids)
            if stopped := await self._follow(stage, show, sender):
                return await self._ended(stopped)
        return await self._ended(None)

    async def _list(self, entity: AnyEntity) -> str | None:
        """Reads Zoho's list of records; why it could not be read, or None."""
        if entity.listing is None:
            return None
        try:
            await self._engine.listings.read(entity, _rows(self._engine, entity.listing))
        except CallFailed as failed:
            await self._engine.organisation.failed(failed.failure)
            reason = f"{failed.failure}; {failed.failure.advice}"
        except SendingStopped as stop:
            reason = stop_in_words(stop)
        else:
            return None
        return (
            f"Zoho's {entity.entity_type}s could not be listed ({reason}): run the backfill again when sending goes "
            "on; nothing more was enqueued"
        )

    async def _follow(self, stage: TypePlan, show: Callable[[Progress], None], sender: StandIn) -> str | None:
        return await follow(
            self._engine,
            self._run,
            stage.entity_type,
            len(stage.rows),
            urgency=Urgency.BACKFILL,
            sender=sender,
            show=show,
            why_stop=_why_stop,
        )

    async def _ended(self, stopped: str | None) -> Ended:
        return Ended(await self._follower.standing(self._run), await self._follower.reasons(self._run), stopped)


def _why_stop(progress: Progress) -> str | None:
    """Where the customers fail as a whole."""
    enough = min(FAILS_AS_A_WHOLE_FROM, progress.total)
    failed = progress.dead >= enough and progress.dead > progress.done + progress.skipped
    if progress.entity_type is not EntityType.CUSTOMER or not failed:
        return None
    return (
        f"{progress.dead} of {progress.total} customers failed and only {progress.done} reached Zoho: "
        "mend what they have in common, then run the backfill again; nothing else was enqueued"
    )


async def _rows(engine: Engine, listing: Listing) -> AsyncIterator[Mapping[str, JsonValue]]:
    async for page in engine.client.pages(ApiRequest("GET", listing.path, listing.query), urgency=Urgency.BACKFILL):
        rows = page.body.get(listing.key)
        if isinstance(rows, list):
            for row in rows:
                if isinstance(row, Mapping):
                    yield row
