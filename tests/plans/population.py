"""Databases that have been in use: much history and a little work, or a large backlog.

Everything is written by SQL and not by the protocol: a million rows must not take an hour. What the protocol would
not leave behind (a lease without an entry, say) is not made.
"""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import md5
from uuid import UUID

import psycopg

from tests.host.databases import Database, DatabaseTemplate
from tests.host.shapes import HostShape
from tests.migration.migrated import migrated_template

EACH = 400
"""Entities of each kind of work that stands beside the history: ready, leased, scheduled, waiting, and so on."""

BIG_TABLES = frozenset({"zoho_outbox", "entity_state", "zoho_sync_logs", "customers"})
"""What grows; no statement of the daemon may read one of them from end to end."""


class Work(StrEnum):
    """What there is to do."""

    HISTORY = "history"
    """All finished, but for a few hundred of each kind."""
    BACKLOG = "backlog"
    """All pending: half ready, a quarter scheduled, a quarter not admitted."""


class Statistics(StrEnum):
    """What the planner knows."""

    FRESH = "fresh"
    """Analyzed as it stands."""
    STALE = "stale"
    """Analyzed when there was hardly anything: a bulk load, before autovacuum comes."""
    NONE = "none"
    """Never analyzed: the first minutes of an installation."""


@dataclass(frozen=True, slots=True)
class Population:
    """A database in use, of ``size`` entities."""

    work: Work
    size: int
    statistics: Statistics

    def __str__(self) -> str:
        return f"{self.size}-{self.work}-{self.statistics}-statistics"

    @property
    def template(self) -> DatabaseTemplate:
        """The template that holds it."""
        return DatabaseTemplate(
            f"plans_{self.work}_{self.size}_{self.statistics}",
            lambda database: _build(database, self),
            base=migrated_template(HostShape()),
        )


def entity(kind: str, number: int) -> UUID:
    """The entity ``number`` (from 1) of a kind: one of the names in ``_FEW`` and ``_MANY``."""
    return UUID(md5(f"{kind} {number}".encode()).hexdigest())


def token(number: int) -> UUID:
    """The lease token of leased entity ``number``."""
    return entity("token", number)


def zoho_id(number: int) -> str:
    """The Zoho id of done entity ``number``."""
    return str(4_600_000_000_000_000 + number)


_PREPARE = """
ALTER TABLE public.customers DISABLE TRIGGER zoho_outbox_inserted;
ALTER TABLE public.zoho_outbox SET (autovacuum_enabled = false);
ALTER TABLE public.zoho_sync_logs SET (autovacuum_enabled = false);
ALTER TABLE public.customers SET (autovacuum_enabled = false);
ALTER TABLE zoho_outbox_private.entity_state SET (autovacuum_enabled = false);
-- An id by kind and number, so that tests can name a row.
CREATE FUNCTION pg_temp.entity(kind text, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN md5(kind || ' ' || number)::uuid;
CREATE FUNCTION pg_temp.hosts(kind text, first bigint, last bigint) RETURNS void LANGUAGE sql BEGIN ATOMIC
    INSERT INTO public.customers (id, first_name, last_name, email, phone)
    SELECT pg_temp.entity(kind, number), 'Anna', kind || number, kind || number || '@example.com', '+27 21 555 0101'
    FROM generate_series(first, last) AS number;
END;
INSERT INTO zoho_outbox_private.request_slot (slot) SELECT generate_series(1, 4);
"""

_DONE = """
SELECT pg_temp.hosts('done', {first}, {last});
INSERT INTO public.zoho_outbox
    (entity_type, entity_id, status, outcome, admitted, change, attempts, revision, created_at, finished_at, zoho_id)
SELECT 'customer', pg_temp.entity('done', number), 'done', 'sent', true, 'inserted', 1, 3,
    now() - interval '200 days' + number * interval '10 seconds',
    now() - interval '200 days' + number * interval '10 seconds', (4600000000000000 + number)::text
FROM generate_series({first}, {last}) AS number;
INSERT INTO zoho_outbox_private.entity_state
    (entity_type, entity_id, phase, due_at, born_here, zoho_id, sent_hash, sent_at, intents, intent_keys, shown_status)
SELECT 'customer', pg_temp.entity('done', number), 'idle', now(), true, (4600000000000000 + number)::text,
    md5(number::text), now(), 1, ARRAY['CT-' || number], 'synced'
FROM generate_series({first}, {last}) AS number;
INSERT INTO public.zoho_sync_logs
    (entity_type, entity_id, zoho_entity_type, zoho_entity_id, status, attempt_number, created_at, duration_ms,
     api_calls, outbox_id)
SELECT 'customer', pg_temp.entity('done', number), 'Contacts', (4600000000000000 + number)::text, 'success', 1,
    now() - interval '200 days' + number * interval '10 seconds', 120, 1, number
FROM generate_series({first}, {last}) AS number;
"""

_READY = """
SELECT pg_temp.hosts('ready', {first}, {last});
INSERT INTO zoho_outbox_private.entity_state (entity_type, entity_id, phase, urgency, due_at, born_here)
SELECT 'customer', pg_temp.entity('ready', number), 'ready', 25, clock_timestamp(), true
FROM generate_series({first}, {last}) AS number;
INSERT INTO public.zoho_outbox (entity_type, entity_id, admitted, change, priority, revision)
SELECT 'customer', pg_temp.entity('ready', number), true, 'inserted', 25, 1
FROM generate_series({first}, {last}) AS number;
"""

_SCHEDULED = """
SELECT pg_temp.hosts('scheduled', {first}, {last});
INSERT INTO zoho_outbox_private.entity_state (entity_type, entity_id, phase, urgency, due_at, attempts, last_error)
SELECT 'customer', pg_temp.entity('scheduled', number), 'scheduled', 20,
    now() + (number % 200 - 100) * interval '1 minute', 1, 'Zoho is unwell'
FROM generate_series({first}, {last}) AS number;
INSERT INTO public.zoho_outbox (entity_type, entity_id, admitted, attempts, priority, revision, next_attempt_at)
SELECT 'customer', pg_temp.entity('scheduled', number), true, 1, 20, 3, now()
FROM generate_series({first}, {last}) AS number;
"""

_NEW = """
SELECT pg_temp.hosts('new', {first}, {last});
INSERT INTO public.zoho_outbox (entity_type, entity_id, change)
SELECT 'customer', pg_temp.entity('new', number), 'inserted' FROM generate_series({first}, {last}) AS number;
"""

_LEASED = """
SELECT pg_temp.hosts('leased', {first}, {last});
INSERT INTO zoho_outbox_private.entity_state
    (entity_type, entity_id, phase, due_at, attempts, lease_token, lease_until, lease_session, leased_at, born_here)
SELECT 'customer', pg_temp.entity('leased', number), 'leased', now(), 1, pg_temp.entity('token', number),
    CASE WHEN number % 2 = 0 THEN now() - interval '1 minute' ELSE now() + interval '1 day' END,
    pg_temp.entity('session', 1), now(), true
FROM generate_series({first}, {last}) AS number;
INSERT INTO public.zoho_outbox (entity_type, entity_id, status, admitted, change, attempts, revision)
SELECT 'customer', pg_temp.entity('leased', number), 'processing', true, 'inserted', 1, 2
FROM generate_series({first}, {last}) AS number;
"""

_WAITING = """
INSERT INTO zoho_outbox_private.entity_state (entity_type, entity_id, phase, due_at, waits_for_type, waits_for_id)
SELECT 'subscription', pg_temp.entity('waiting', number), 'waiting', now(), 'customer',
    pg_temp.entity(CASE WHEN number % 2 = 0 THEN 'done' ELSE 'leased' END, number)
FROM generate_series({first}, {last}) AS number;
INSERT INTO public.zoho_outbox (entity_type, entity_id, status, admitted, attempts, revision, waiting_for)
SELECT 'subscription', pg_temp.entity('waiting', number), 'waiting', true, 0, 3, 'customer'
FROM generate_series({first}, {last}) AS number;
"""

_UNWRITTEN = """
SELECT pg_temp.hosts('unwritten', {first}, {last});
INSERT INTO zoho_outbox_private.entity_state
    (entity_type, entity_id, phase, due_at, zoho_id, sent_hash, sent_at, shown_status, write_back_due)
SELECT 'customer', pg_temp.entity('unwritten', number), 'idle', now(), (4700000000000000 + number)::text,
    md5(number::text), now(), 'synced', now() - interval '1 second'
FROM generate_series({first}, {last}) AS number;
"""

_ANALYZE = """
ANALYZE public.zoho_outbox, public.zoho_sync_logs, public.customers, zoho_outbox_private.entity_state;
"""

_FINISH = "ALTER TABLE public.customers ENABLE ALWAYS TRIGGER zoho_outbox_inserted;"


def _build(database: Database, population: Population) -> None:
    size = population.size
    few = [(script, 1, EACH) for script in (_LEASED, _WAITING, _UNWRITTEN)]
    match population.work:
        case Work.HISTORY:
            many = [(_DONE, EACH + 1, size), *((script, 1, EACH) for script in (_READY, _SCHEDULED, _NEW))]
        case Work.BACKLOG:
            many = [(_READY, 1, size // 2), (_SCHEDULED, 1, size // 4), (_NEW, 1, size // 4)]
    with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
        connection.execute(_PREPARE.encode())
        connection.execute(_DONE.format(first=1, last=EACH).encode())
        if population.statistics is Statistics.STALE:
            connection.execute(_ANALYZE.encode())
        for script, first, last in (*many, *few):
            connection.execute(script.format(first=first, last=last).encode())
        if population.statistics is Statistics.FRESH:
            connection.execute(_ANALYZE.encode())
        connection.execute(_FINISH.encode())
