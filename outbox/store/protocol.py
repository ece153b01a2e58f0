"""The claim-and-acknowledge protocol.

What is promised
----------------
Every committed change of an eligible row is sent at least once. What Zoho ends with is the latest committed state
of the row. At most one send of an entity is in flight among processes that hold their lease. A create is repeated
only after a look-up proved that it did not happen. No entry is left with nothing scheduled.

Two tables
----------
``public.zoho_outbox`` is the host's side: one *entry* a change, appended by a trigger in the application's own
transaction, never waited for. ``zoho_outbox_private.entity_state`` is the daemon's side: one row an entity (a
customer, say), which no application transaction ever touches. The state row decides; what an entry shows is its
copy for readers. Two tables, because one of them must be written by transactions that stay open for minutes: with
one upserted row a key, the acknowledgement waited for them (measured: 2 ms with two tables, beside an open
application transaction). Plain SKIP LOCKED on entries overlapped on a key 621 times in 1,500, ``NOT EXISTS (earlier
entry)`` still 14 times in 3,000, a unique in-flight index without it livelocked, ``ON CONFLICT DO UPDATE WHERE not
locked`` lost entries; claiming the entity had no overlap.

The phases of an entity
-----------------------
::

      admission           claim                settlement
    ┌───────────▶ ready ─────────▶ leased ─┬──────────────▶ idle        sent, unchanged, skipped
    │               ▲                │     ├──────────────▶ scheduled   between attempts
    │   promotion   │                │     ├──────────────▶ waiting     for a prerequisite
    │  scheduled ───┤    take-over   │     └──────────────▶ dead        needs a person or an edit
    │  waiting ─────┤◀───────────────┘
    │   wake-up     │     of an expired lease
    └── idle, dead ─┘  admission of a new entry makes any of them ready (a scheduled one only where a trigger
                       or an operator wrote the entry); a leased one is marked ``arrived_since_claim`` and
                       becomes ready when it is settled

    leased ─▶ ready: given back untouched (for some seconds: scheduled)
    dead, waiting ─▶ idle: an operator sets it aside (``zoho_outbox_skip``)
    any but leased ─▶ leased: a person asks for this one (``sync``)

*Admission* (``admit_entries.sql``) folds new entries into state rows. *Promotion* (``promote_due.sql``) moves
entities whose pause is over into the claim's order, so that the claim's index holds only what is due: with future
rows in it, each claim would read past all of them. *Claim* (``claim_entities.sql``, ``stamp_entries.sql``) takes a
lease with a fresh token, counts the attempt, and absorbs every open entry. *Settlement* (``settle_claims.sql``)
ends the lease. None of them waits for a lock that an application or an operator can hold: what others may hold is
taken with SKIP LOCKED, and what was skipped is found again. Settlement locks states that its process has leased, which
nobody else may.

Who may do what
---------------
Triggers append entries, nothing else. Operators set an entry's status to pending, which reopens it as un-admitted
(or, while it is being sent, appends another one); the guard trigger refuses everything else. Their functions do the
same, and one thing more: ``zoho_outbox_skip`` sets a dead or waiting entry aside. It locks the state row, as a claim
does, so each of the two comes wholly before or after the other; a leased entity is refused. Nothing open is left then,
and the entity is idle; where something newer is open, its phase stays. Only a process that presents the lease token
settles. Anybody may take over an expired lease.

The row is read after the claim
-------------------------------
So order and number of entries do not matter: whatever they say, the row's present state is sent. An entry that is
committed after the row was read was not absorbed, and is admitted later. A cursor over ids would lose rows: neither
ids nor transaction ids are in commit order.

Leases
------
A lease is renewed while its holder lives. It expires by the database's clock (one that was taken in the future, and
lasts for long, is over: that clock was put back); its holder measures the same span on a clock of its own that never
stands still, from before the claim was asked for, and refuses to send once the remaining time is shorter than a
request may take (:meth:`outbox.store.verdicts.Lease.may_send`). A process that was stopped in between finds its token
refused at settlement. Then what it did to Zoho may have overwritten what its successor sent: so the same statement
appends an entry ``resend``, which ignores the hash of what was last sent. Fencing the acknowledgement alone left 30 of
40 keys wrong at the other side; with both, none.

Creates
-------
Before a create leaves, the intent is committed (``commit_intent.sql``; those of creates that are about to leave in the
same moment with it), and from then on ``fate_unknown_at`` is set. Settlement clears it, where the answer was clear.
Whoever finds it set looks in Zoho before creating: one exact hit is adopted, several are a dead letter, and only two
clean looks, ``OUTBOX_AMBIGUOUS_RECHECK_SECONDS`` apart, allow another create. A first create goes without a look only
where the row was inserted after installation (``born_here``), no intent was ever committed, its id was not cleared by
hand, no absorbed entry asks to send all the same (an operator's, a comparison's, a resend), and the database is not
look-first.

A record that is found is claimed for the entity (``own_record.sql``) before anything is written to it: one record, one
row. An id that was cleared by hand is looked at itself before anything is created in its place.

A refund is an act on a record, under an intent like a create. Where Zoho took one and does not show it, no look can
tell: that it was taken is kept in ``sent_hash`` (``Entity.never_twice``), and neither a replay nor an edit makes it
again.

Waiting
-------
A child whose prerequisite is not in Zoho waits: the attempt is given back, nothing is requested. Parent and child
may pass each other. So each first commits its own word (the child: I wait; the parent: I am in Zoho) and then, in a
transaction of its own, runs ``wake_children.sql``: one of the two sees the other. A crash between the two is mended
by the sweep that runs the same statement for everybody. A prerequisite that nobody enqueued (a row from before the
installation) is enqueued by its child, and what an end makes possible elsewhere (``Verdict.unblocks``) is enqueued
too: both in the settlement itself, since no sweep would find what a crash forgot. Where the prerequisite is dead, the
child says so; where it dies later, the child is woken once to say so (``waits_for_dead``: once, or the two would wake
each other for ever). Where the prerequisite comes to rest without a record (an invoice made void before it was sent),
the child looks once more: it may do without. Where the prerequisite is in Zoho and a change of it is due that its
child would make impossible (an invoice is corrected; once it is paid, Zoho refuses), the child waits for it to come
to rest (``waits_for_rest``).
Whether a child has looked since a prerequisite came to rest, ``due_at`` tells: of an idle entity it is when it came to
rest, of a waiting one when it was claimed. A settlement stamps its moment before it commits, so a child may have been
claimed later and still have seen its prerequisite leased: the sweep has it look for a minute longer than it must.
A package is no entity: publishing it wakes by trigger, and ``wake_published.sql`` sees what began to wait in the same
moment.

What happens on each failure
----------------------------
===========================  ==========================================================================================
the process dies             the lease expires; take-over puts the entries back, writes the log row that is missing, and
                             puts what was last sent in doubt: an edit that is taken back must not look unchanged.
                             The entity may be what killed it: it is sent alone next time (``Claim.taken_over``)
the database goes away       results are kept and settled when it is back; if the lease was lost meanwhile: resend
the reply is lost            create: fate unknown, as above; update: sent again, it is idempotent
the log cannot be written    settled without the log row
the host row is locked       settled; its status columns are written later (``write_back.sql``)
an operator holds an entry   it stays as it is; the entity is looked at again 5 s later
an operator holds a state    (skipping, in a transaction left open): that entity alone waits for its end; a wake-up that
                             passed by meanwhile is made up for by the sweep
===========================  ==========================================================================================
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from outbox.clock import Clock
from outbox.database import Database, DatabaseUnavailable, Row
from outbox.database.batching import Batched
from outbox.host_tables import HOST_TABLES
from outbox.store.statements import statement, statement_for_host, statement_limited
from outbox.store.verdicts import Claim, Lease, Verdict
from outbox.vocabulary import Awaited, Change, EntityType, EntryStatus, Origin, Phase, Urgency

BULK_THRESHOLD = 200
"""Entries of one transaction within an admission beyond which they are of class bulk."""

NEWEST_ADMITTED = 50
"""How many of the newest entries an admission takes beside the oldest."""


class ForeignDatabase(Exception):  # noqa: N818 - a refusal
    """This is not the database that the first run stored: a clone, a copy, a restore elsewhere. Nothing is sent.

    The way out, where it is meant to send: ``zoho-outbox doctor --accept-database``.
    """


@dataclass(frozen=True)
class Settlement:
    """What became of a batch of verdicts."""

    accepted: tuple[Verdict, ...]
    refused: tuple[Verdict, ...]
    """Their lease was taken over; a resend was enqueued for those that had sent something."""
    deferred: int
    """Host rows that were locked and are written later."""
    trouble: str | None
    """What could not be written, where something was left out; a matter for the log."""
    given_up: tuple[Verdict, ...] = ()
    """The database refuses them in every form: nobody holds them any more, they are taken over."""


@dataclass
class OutboxStore:
    """The statements of the protocol, on one database, in the name of one session."""

    database: Database
    session: UUID
    clock: Clock
    lease_seconds: float
    entity_types: Collection[EntityType] = tuple(EntityType)
    """What this program can send; entries of other types stay where they are."""

    def __post_init__(self) -> None:
        self._intents = Batched(self._commit_intents)

    async def admit(self, batch: int) -> int:
        """Folds new entries into state rows; returns how many. As many as ``batch`` means: there may be more."""
        row = await self.database.row(
            statement_limited("admit_entries", oldest=batch, newest=NEWEST_ADMITTED),
            {"bulk_threshold": BULK_THRESHOLD},
            seconds=30,
            prepare=True,
        )
        return 0 if row is None else int(row["admitted"])

    async def promote(self, batch: int = 1000) -> int:
        """Makes entities ready whose pause between attempts is over; returns how many."""
        return await self.database.execute(statement_limited("promote_due", batch=batch), prepare=True)

    async def claim(self, batch: int, least_urgent: int) -> list[Claim]:
        """Leases up to ``batch`` due entities, most urgent first, none less urgent than ``least_urgent``.

        Raises :class:`ForeignDatabase`; then nothing is leased.
        """
        parameters = {
            "batch": batch,
            "least_urgent": least_urgent,
            "entity_types": list(self.entity_types),
            "lease_seconds": self.lease_seconds,
            "session": self.session,
        }
        return await self._lease(statement("claim_entities"), parameters)

    async def claim_one(self, entity_type: EntityType, entity_id: UUID) -> Claim | None:
        """Leases one entity that a person asks for, whatever its phase; it goes before everything.

        None: somebody else holds its lease or its state row, or it has none. Raises :class:`ForeignDatabase`.
        """
        parameters = {
            "entity_type": entity_type,
            "entity_id": entity_id,
            "lease_seconds": self.lease_seconds,
            "session": self.session,
        }
        claims = await self._lease(statement("claim_entities", "next"), parameters)
        return claims[0] if claims else None

    async def _lease(self, query: LiteralString, parameters: Mapping[str, Any]) -> list[Claim]:
        asked_at = self.clock.monotonic()
        async with self.database.transaction() as connection:
            leased = await (await connection.execute(query, parameters)).fetchall()
            if not leased:
                return []
            if leased[0]["foreign_database"]:
                raise ForeignDatabase
            stamped = await (
                await connection.execute(
                    statement("stamp_entries"),
                    {
                        "entity_types": [row["entity_type"] for row in leased],
                        "entity_ids": [row["entity_id"] for row in leased],
                        "attempts": [row["attempts"] for row in leased],
                    },
                    prepare=True,
                )
            ).fetchall()
        absorbed = {(row["entity_type"], row["entity_id"]): row for row in stamped}
        good_until = asked_at + self.lease_seconds
        return [_claim(row, absorbed.get((row["entity_type"], row["entity_id"])), good_until) for row in leased]

    async def renew(self, claims: Iterable[Claim]) -> None:
        """Renews the leases of ``claims``; one that was taken over is marked lost."""
        held = list(claims)
        if not held:
            return
        asked_at = self.clock.monotonic()
        rows = await self.database.rows(
            statement("renew_leases"),
            {
                "lease_seconds": self.lease_seconds,
                "entity_ids": [claim.entity_id for claim in held],
                "entity_types": [claim.entity_type for claim in held],
                "tokens": [claim.lease.token for claim in held],
            },
        )
        renewed = {row["lease_token"] for row in rows}
        for claim in held:
            if claim.lease.token in renewed:
                claim.lease.good_until = asked_at + self.lease_seconds
            else:
                claim.lease.lost = True

    async def commit_intent(self, claim: Claim, look_key: str) -> bool:
        """Commits that a create is about to leave, together with what others are about to create in the same moment.

        False: the lease is no longer ours, nothing may leave.
        """
        return await self._intents.ask((claim, look_key))

    async def _commit_intents(self, intents: Sequence[tuple[Claim, str]]) -> Sequence[bool]:
        rows = await self.database.rows(
            statement("commit_intent"),
            {
                "entity_ids": [claim.entity_id for claim, _ in intents],
                "entity_types": [claim.entity_type for claim, _ in intents],
                "tokens": [claim.lease.token for claim, _ in intents],
                "look_keys": [look_key for _, look_key in intents],
            },
            prepare=True,
        )
        committed = {row["lease_token"] for row in rows}
        return [claim.lease.token in committed for claim, _ in intents]

    async def settle(self, verdicts: Sequence[Verdict]) -> Settlement:
        """Ends claims. Settles without the log row where that fails, and without the host row where that does.

        Raises :class:`outbox.database.DatabaseUnavailable`: settle those verdicts again. What was settled all the
        same is refused then and sent once more, which is safe.
        """
        by_type: dict[EntityType, list[Verdict]] = {}
        for verdict in verdicts:
            by_type.setdefault(verdict.claim.entity_type, []).append(verdict)
        parts = [await self._settle_group(entity_type, group) for entity_type, group in by_type.items()]
        settlement = _together(parts)
        # It is committed: said to have failed, it would be settled again, be refused, and be sent once more. Whom this
        # does not wake, the sweep does.
        with suppress(DatabaseUnavailable):
            await self._wake_after(settlement.accepted)
        return settlement

    async def _wake_after(self, accepted: Sequence[Verdict]) -> None:
        """Both sides of a wait say their word first and look for the other's after: see Waiting, above."""
        parents = {
            verdict.claim.entity_id
            for verdict in accepted
            if verdict.phase is Phase.DEAD
            or verdict.entry_status is EntryStatus.SKIPPED
            or (verdict.entry_status is EntryStatus.DONE and (verdict.is_news or _is_waited_for_at_rest(verdict)))
        }
        waits = [verdict.waits_for for verdict in accepted if verdict.waits_for]
        if any(wait.awaited is Awaited.PACKAGE for wait in waits):
            await self.wake_published()
        awaited = {wait.id for wait in waits if wait.awaited is not Awaited.PACKAGE}
        if parents or awaited:
            await self.wake([*parents, *awaited])

    async def wake_published(self) -> int:
        """Wakes what waits for a package that is published by now; returns how many."""
        return await self.database.execute(statement("wake_published"))

    async def wake(self, parents: Sequence[UUID] | None) -> int:
        """Wakes what waits for any of ``parents`` (None: for anything) that is in Zoho, or dead, or came to rest
        without a record since; returns how many."""
        return await self.database.execute(
            statement("wake_children"), {"parents": None if parents is None else list(parents)}
        )

    async def seconds_to_next_due(self) -> float | None:
        """Until something that is scheduled becomes due; None: nothing is."""
        row = await self.database.row(statement("next_due"), prepare=True)
        return None if row is None else row["seconds"]

    async def own_record(self, claim: Claim, zoho_id: str) -> UUID | None:
        """Claims a record for the claim's entity, committed before anything is written to the record.

        Returns whose it is: the entity's own id, or another's. None: the lease is no longer ours.
        """
        parameters = {
            "zoho_id": zoho_id,
            "entity_type": claim.entity_type,
            "entity_id": claim.entity_id,
            "token": claim.lease.token,
        }
        try:
            row = await self.database.row(statement("own_record"), parameters)
        except psycopg.errors.UniqueViolation:
            # Another row claimed it in the same moment.
            return await self.owner_of(claim.entity_type, zoho_id)
        return None if row is None else row["entity_id"]

    async def owner_of(self, entity_type: EntityType, zoho_id: str) -> UUID | None:
        """The entity that is known to own a record in Zoho."""
        row = await self.database.row(statement("owner_of_record"), {"entity_type": entity_type, "zoho_id": zoho_id})
        return None if row is None else row["entity_id"]

    async def reclaim(self, batch: int = 100) -> list[Row]:
        """Takes over expired leases. Rows: entity_type, entity_id, lease_session."""
        parameters = {"batch": batch, "lease_seconds": self.lease_seconds}
        try:
            return await self.database.rows(statement("reclaim_expired"), parameters)
        except psycopg.Error:
            return await self.database.rows(statement("reclaim_expired", "log"), parameters)

    async def enqueue(
        self,
        entities: Sequence[tuple[EntityType, UUID]],
        *,
        change: Change,
        origin: Origin,
        urgency: Urgency,
        requested_by: str | None = None,
    ) -> list[int]:
        """Appends entries that no trigger made; returns their ids."""
        rows = await self.database.rows(
            statement("enqueue_entries"), _entries(entities, change, origin, urgency, requested_by)
        )
        return [int(row["id"]) for row in rows]

    async def write_back(self, batch: int = 100) -> int:
        """Writes status columns that were left because the host row was locked; returns how many were tried."""
        tried = 0
        rows = await self.database.rows(statement("write_backs_due"), {"batch": batch})
        due: dict[EntityType, list[UUID]] = {}
        for row in rows:
            due.setdefault(EntityType(row["entity_type"]), []).append(row["entity_id"])
        for entity_type, ids in due.items():
            try:
                tried += await self._write_back(entity_type, ids)
            except psycopg.Error:
                # A trigger of the host's refuses one of them: the others must not suffer for it.
                for entity_id in ids:
                    tried += await self._write_back_one(entity_type, entity_id)
        return tried

    async def _write_back(self, entity_type: EntityType, ids: Sequence[UUID]) -> int:
        table = HOST_TABLES[entity_type]
        return await self.database.execute(
            statement_for_host("write_back", table.name, table.zoho_id),
            {"entity_type": entity_type, "entity_ids": list(ids)},
        )

    async def _write_back_one(self, entity_type: EntityType, entity_id: UUID) -> int:
        try:
            return await self._write_back(entity_type, [entity_id])
        except psycopg.Error:
            return await self.database.execute(
                statement("postpone_write_back"), {"entity_type": entity_type, "entity_id": entity_id}
            )

    async def _settle_group(self, entity_type: EntityType, group: Sequence[Verdict]) -> "Settlement":
        try:
            return await self._settle_once(entity_type, group)
        except psycopg.Error as error:
            if len(group) == 1:
                return await self._settle_somehow(entity_type, group[0], error)
        # One of them cannot be written as it is: the others must not suffer for it.
        parts = [await self._settle_group(entity_type, [verdict]) for verdict in group]
        return _together(parts)

    async def _settle_somehow(self, entity_type: EntityType, verdict: Verdict, error: psycopg.Error) -> "Settlement":
        """Without its log row; else without its status columns, which are written later; else without both."""
        for without in (("log",), ("host",), ("log", "host")):
            try:
                settlement = await self._settle_once(entity_type, [verdict], *without)
            except psycopg.Error as another:
                error = another
            else:
                left_out = " and ".join({"log": "its log row", "host": "its status columns"}[part] for part in without)
                reason = f"{entity_type} {verdict.claim.entity_id} was settled without {left_out}: {_told(error)}"
                return replace(settlement, trouble=reason)
        # Left to its lease: it is taken over when that ends, and looked at again.
        reason = f"{entity_type} {verdict.claim.entity_id} cannot be settled, its lease runs out: {_told(error)}"
        return Settlement((), (), 0, reason, given_up=(verdict,))

    async def _settle_once(self, entity_type: EntityType, group: Sequence[Verdict], *without: str) -> "Settlement":
        table = HOST_TABLES[entity_type]
        rows = await self.database.rows(
            statement_for_host("settle_claims", table.name, table.zoho_id, *without),
            {"verdicts": Jsonb([verdict.as_json() for verdict in group]), "entity_type": entity_type},
        )
        # By token: one process may settle an entity twice in a batch, for a lease that it lost and for the next one.
        settled = {row["token"] for row in rows}
        refused = tuple(verdict for verdict in group if verdict.claim.lease.token not in settled)
        return Settlement(
            accepted=tuple(verdict for verdict in group if verdict.claim.lease.token in settled),
            refused=refused,
            deferred=sum(bool(row["write_back_deferred"]) for row in rows),
            trouble=None,
        )


def _is_waited_for_at_rest(verdict: Verdict) -> bool:
    """Payments wait for a change of their invoice that is due; what others wait for, the sweep sees."""
    return verdict.claim.entity_type is EntityType.INVOICE


def _told(error: psycopg.Error) -> str:
    """What went wrong, without the text: a trigger of the host's may name a customer in it."""
    constraint = f", {error.diag.constraint_name}" if error.diag.constraint_name else ""
    return f"{type(error).__name__} ({error.sqlstate or 'no state'}{constraint})"


def _together(parts: Sequence["Settlement"]) -> "Settlement":
    return Settlement(
        accepted=tuple(verdict for part in parts for verdict in part.accepted),
        refused=tuple(verdict for part in parts for verdict in part.refused),
        deferred=sum(part.deferred for part in parts),
        trouble=next((part.trouble for part in parts if part.trouble), None),
        given_up=tuple(verdict for part in parts for verdict in part.given_up),
    )


def _entries(
    entities: Sequence[tuple[EntityType, UUID]],
    change: Change,
    origin: Origin,
    urgency: Urgency,
    requested_by: str | None,
) -> dict[str, Any]:
    return {
        "entity_types": [entity_type for entity_type, _ in entities],
        "entity_ids": [entity_id for _, entity_id in entities],
        "change": change,
        "origin": origin,
        "priority": int(urgency),
        "requested_by": requested_by,
    }


def _claim(row: Row, absorbed: Row | None, good_until: float) -> Claim:
    return Claim(
        entity_type=EntityType(row["entity_type"]),
        entity_id=row["entity_id"],
        lease=Lease(row["lease_token"], good_until),
        attempts=row["attempts"],
        urgency=row["urgency"],
        born_here=row["born_here"],
        zoho_id=row["zoho_id"],
        sent_hash=row["sent_hash"],
        intents=row["intents"],
        intent_keys=tuple(row["intent_keys"]),
        fate_unknown_seconds=row["fate_unknown_seconds"],
        clean_look_seconds=row["clean_look_seconds"],
        host_deleted=row["host_deleted_at"] is not None,
        id_not_written=row["id_not_written"],
        last_error=row["last_error"],
        entries=absorbed["entries"] if absorbed else 0,
        newest_entry=absorbed["newest_entry"] if absorbed else None,
        oldest_change=absorbed["oldest_change"] if absorbed else None,
        resend=bool(absorbed["resend"]) if absorbed else False,
        deleted_zoho_id=absorbed["deleted_zoho_id"] if absorbed else None,
        look_first=row["look_first"],
        taken_over=row["taken_over"],
    )
