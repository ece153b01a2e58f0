"""The database that the machine works on: what applications, operators and time do to it, and what must hold in it."""

import asyncio
import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from outbox.entities.registry import CAPTURES
from outbox.host_tables import HOST_TABLES
from outbox.migration.runner import migrate
from outbox.store.installation import verify_installation
from outbox.vocabulary import EntityType
from tests.host.databases import MIGRATOR, Database, Databases, DatabaseTemplate
from tests.host.shapes import HostShape
from tests.machine.gates import GatedDatabase
from tests.machine.payment import Payment
from tests.migration.migrated import DAEMON, OPERATOR, migrated_template
from tests.store.conftest import new_settings

Row = dict[str, Any]
Key = tuple[EntityType, UUID]
Connection = psycopg.Connection[Row]


def machine_template() -> DatabaseTemplate:
    """A migrated host database in which payments are captured as the machine's own kind of record needs them."""
    base = migrated_template(HostShape())
    key = hashlib.sha256(repr((base.key, Payment.capture)).encode()).hexdigest()[:16]
    return DatabaseTemplate(f"machine_{key}", _capture_payments, base=base)


def _capture_payments(database: Database) -> None:
    with psycopg.connect(database.dsn(MIGRATOR), autocommit=True) as connection:
        others = (capture for capture in CAPTURES if capture.entity_type is not EntityType.PAYMENT)
        migrate(connection, (*others, Payment.capture), lambda _: None)


class Ground:
    """One database for all examples, emptied between them.

    Connections: of the application (``app``, and ``late`` for a transaction that stays open), of an operator
    (``operator``, and ``held`` likewise), of a superuser, who is time itself. Whoever would wait for a lock gives
    up after a moment: in an example nobody else moves, so it would wait for ever.
    """

    def __init__(self, database: Database) -> None:
        self.loop = asyncio.new_event_loop()
        self.database = GatedDatabase(_dsn(database, DAEMON, lock_timeout=2000))
        self.app = _connect(database, MIGRATOR)
        self.late = _connect(database, MIGRATOR)
        self.operator = _connect(database, OPERATOR)
        self.held = _connect(database, OPERATOR)
        self.time = _connect(database, None)
        settings = new_settings(database)
        self.loop.run_until_complete(verify_installation(self.database, settings))

    def close(self) -> None:
        """Every connection, and the loop."""
        self.loop.run_until_complete(self.database.close())
        self.loop.close()
        for connection in (self.app, self.late, self.operator, self.held, self.time):
            connection.close()

    def reset(self) -> None:
        """As after ``migrate``."""
        for connection in (self.late, self.held):
            connection.rollback()
        with self.time.transaction():
            self.time.execute(_RESET)

    def rows(self, query: LiteralString, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """What is committed."""
        return self.time.execute(query, parameters).fetchall()

    def run_script(self, text: str) -> None:
        """A file of ``sql/``, as ``migrate`` runs it."""
        with self.time.transaction():
            self.time.execute(text.encode())

    def pass_time(self, seconds: float) -> None:
        """As if that much time had passed since everything that the database noted down."""
        with self.time.transaction():
            self.time.execute(_SHIFT_STATE, {"seconds": seconds})
            self.time.execute(_SHIFT_ORGANISATION, {"seconds": seconds})
            self.time.execute(_SHIFT_LISTING, {"seconds": seconds})

    def mend_organisation(self) -> None:
        """Zoho is well, credentials are good, nobody paused."""
        self.time.execute(_MEND_ORGANISATION)

    def entries(self, entity_id: UUID | None = None) -> list[Row]:
        """Outbox entries, oldest first."""
        return self.rows(
            "SELECT * FROM public.zoho_outbox WHERE %(id)s::uuid IS NULL OR entity_id = %(id)s ORDER BY id",
            {"id": entity_id},
        )

    def states(self) -> dict[Key, Row]:
        """State rows by entity."""
        rows = self.rows("SELECT * FROM zoho_outbox_private.entity_state")
        return {(EntityType(row["entity_type"]), row["entity_id"]): row for row in rows}

    def host_rows(self, entity_type: EntityType) -> dict[UUID, Row]:
        """Host rows by id, the Zoho id as ``zoho_id``."""
        table = HOST_TABLES[entity_type]
        query = psycopg.sql.SQL("SELECT *, {} AS zoho_id FROM public.{}").format(
            psycopg.sql.Identifier(table.zoho_id), psycopg.sql.Identifier(table.name)
        )
        return {row["id"]: row for row in self.time.execute(query).fetchall()}

    def broken(self, ever_held: Collection[int], *, wakes_pending: bool) -> list[str]:
        """What must hold after every step and does not, in words.

        ``ever_held``: entries that an operator's open transaction held at some time; those may show what was.
        """
        found = self.rows(_BROKEN, {"held": list(ever_held), "wakes_pending": wakes_pending})
        return [f"{row['what']}: {row['entity_type']} {row['entity_id']} {row['detail']}" for row in found]


@contextmanager
def giving_up_on_locks(connection: Connection) -> Iterator[None]:
    """What an application or operator does and a lock prevents: it does not happen."""
    try:
        yield
    except psycopg.errors.LockNotAvailable:
        if not connection.autocommit:
            connection.rollback()


def _dsn(database: Database, user: str | None, *, lock_timeout: int) -> str:
    dsn = database.superuser_dsn if user is None else database.dsn(user)
    return psycopg.conninfo.make_conninfo(dsn, options=f"-c lock_timeout={lock_timeout}")


def _connect(database: Database, user: str | None) -> Connection:
    return psycopg.connect(_dsn(database, user, lock_timeout=40), autocommit=True, row_factory=dict_row)


@contextmanager
def open_ground(databases: Databases) -> Iterator[Ground]:
    """A ground of one's own."""
    with databases.fresh(machine_template()) as database:
        ground = Ground(database)
        try:
            yield ground
        finally:
            ground.close()


# The guards of zoho_outbox let through who raises the revision.
_RESET: LiteralString = """
DELETE FROM public.payment_transactions;
DELETE FROM public.customers;
UPDATE public.zoho_outbox
SET revision = revision + 1, status = 'done', finished_at = now()
WHERE status NOT IN ('done', 'skipped');
DELETE FROM public.zoho_outbox;
DELETE FROM zoho_outbox_private.entity_state;
DELETE FROM public.zoho_sync_logs;
DELETE FROM zoho_outbox_private.listing;
DELETE FROM zoho_outbox_private.listed_record;
DELETE FROM zoho_outbox_private.catalogue;
ALTER SEQUENCE public.zoho_outbox_id_seq RESTART;
DELETE FROM zoho_outbox_private.organisation;
INSERT INTO zoho_outbox_private.organisation DEFAULT VALUES;
"""

_SHIFT_STATE: LiteralString = """
UPDATE zoho_outbox_private.entity_state
SET due_at = due_at - make_interval(secs => %(seconds)s),
    lease_until = lease_until - make_interval(secs => %(seconds)s),
    leased_at = leased_at - make_interval(secs => %(seconds)s),
    intent_at = intent_at - make_interval(secs => %(seconds)s),
    fate_unknown_at = fate_unknown_at - make_interval(secs => %(seconds)s),
    clean_look_at = clean_look_at - make_interval(secs => %(seconds)s),
    write_back_due = write_back_due - make_interval(secs => %(seconds)s)
"""

_SHIFT_ORGANISATION: LiteralString = """
UPDATE zoho_outbox_private.organisation
SET throttled_at = throttled_at - make_interval(secs => %(seconds)s),
    throttled_until = throttled_until - make_interval(secs => %(seconds)s),
    forbidden_at = forbidden_at - make_interval(secs => %(seconds)s),
    broken_at = broken_at - make_interval(secs => %(seconds)s),
    probe_at = probe_at - make_interval(secs => %(seconds)s),
    recovered_at = recovered_at - make_interval(secs => %(seconds)s),
    last_good_reply_at = last_good_reply_at - make_interval(secs => %(seconds)s)
"""

_SHIFT_LISTING: LiteralString = """
UPDATE zoho_outbox_private.listing
SET begun_at = begun_at - make_interval(secs => %(seconds)s)
"""

_MEND_ORGANISATION: LiteralString = """
UPDATE zoho_outbox_private.organisation
SET paused_at = NULL, throttled_until = NULL, forbidden_at = NULL, broken_at = NULL, outages_in_a_row = 0
"""

_BROKEN: LiteralString = """
WITH open_entry AS (
    SELECT entry.*, entry.id = ANY (%(held)s::bigint[]) AS was_held, state.phase, state.entity_id IS NULL AS stateless
    FROM public.zoho_outbox AS entry
    LEFT JOIN zoho_outbox_private.entity_state AS state
        ON state.entity_id = entry.entity_id AND state.entity_type = entry.entity_type
    WHERE entry.admitted AND entry.finished_at IS NULL
)
SELECT 'attempts below zero' AS what, entity_type, entity_id, attempts::text AS detail
FROM zoho_outbox_private.entity_state WHERE attempts < 0
UNION ALL
SELECT 'attempts of an entry below zero', entity_type, entity_id, id::text
FROM public.zoho_outbox WHERE attempts < 0
UNION ALL
SELECT 'open entry with nothing scheduled', entity_type, entity_id, format('%%s %%s, phase %%s', id, status, phase)
FROM open_entry
WHERE stateless OR phase = 'idle' OR (phase = 'dead' AND status <> 'dead')
UNION ALL
SELECT 'processing, and not leased', entity_type, entity_id, format('entry %%s, phase %%s', id, phase)
FROM open_entry
WHERE status = 'processing' AND phase <> 'leased' AND NOT was_held
UNION ALL
SELECT 'waiting entity with an entry that is not', entity_type, entity_id, format('entry %%s %%s', id, status)
FROM open_entry
WHERE phase = 'waiting' AND status <> 'waiting' AND NOT was_held
UNION ALL
SELECT 'set aside without who, when and why', entity_type, entity_id, id::text
FROM public.zoho_outbox
WHERE outcome = 'set_aside'
    AND (status <> 'skipped' OR finished_at IS NULL OR requested_by IS NULL OR last_error IS DISTINCT FROM 'why ' || id)
UNION ALL
SELECT 'idle or dead, and marked as arrived', entity_type, entity_id, phase
FROM zoho_outbox_private.entity_state WHERE arrived_since_claim AND phase <> 'leased'
UNION ALL
SELECT 'asleep although its parent is in Zoho', child.entity_type, child.entity_id, parent.usable_id
FROM zoho_outbox_private.entity_state AS child
JOIN zoho_outbox_private.entity_state AS parent
    ON parent.entity_id = child.waits_for_id AND parent.entity_type = child.waits_for_type
WHERE child.phase = 'waiting'
    AND parent.usable_id IS NOT NULL
    -- An adopted record is noted before the parent is settled.
    AND parent.phase <> 'leased'
    AND NOT %(wakes_pending)s
UNION ALL
SELECT 'asleep, and does not say that its parent failed', child.entity_type, child.entity_id, parent.last_error
FROM zoho_outbox_private.entity_state AS child
JOIN zoho_outbox_private.entity_state AS parent
    ON parent.entity_id = child.waits_for_id AND parent.entity_type = child.waits_for_type
WHERE child.phase = 'waiting' AND parent.phase = 'dead' AND NOT child.waits_for_dead AND NOT %(wakes_pending)s
UNION ALL
SELECT 'asleep although its parent came to rest since', child.entity_type, child.entity_id, parent.last_error
FROM zoho_outbox_private.entity_state AS child
JOIN zoho_outbox_private.entity_state AS parent
    ON parent.entity_id = child.waits_for_id AND parent.entity_type = child.waits_for_type
WHERE child.phase = 'waiting'
    AND parent.phase = 'idle'
    AND parent.due_at >= child.due_at
    AND NOT %(wakes_pending)s
"""
