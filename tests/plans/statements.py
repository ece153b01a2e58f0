"""The daemon's statements, each with parameters as the daemon gives them, and how many pages it may touch.

A bound is about one and a half times what was measured with a million entities. A look-up by key touches 3 or 4
pages, a row that is written and indexed anew about ten; what is read from end to end, at fifty thousand rows, begins
at a thousand pages for one entity. So a bound is crossed by a plan that changed, not by a page more or less.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import simplejson
from psycopg import sql
from psycopg.types.json import Jsonb

from outbox.host_tables import HOST_TABLES
from outbox.store.protocol import BULK_THRESHOLD, NEWEST_ADMITTED
from outbox.store.statements import statement, statement_for_host, statement_limited
from outbox.store.verdicts import AttemptLog, Lease, done
from outbox.vocabulary import EntityType, LogStatus, Outcome, Urgency
from tests.claims import fresh_claim
from tests.plans.population import entity, token, zoho_id

CUSTOMERS = HOST_TABLES[EntityType.CUSTOMER]


@dataclass(frozen=True)
class Case:
    """One statement in one use."""

    name: str
    statement: Callable[[], sql.SQL | sql.Composed]
    parameters: Mapping[str, Any]
    pages: int
    """At most, however large the tables are."""
    thousands: bool = False
    """Takes a thousand rows at once: in a table of fifty thousand the planner may rightly read them all."""

    prepared: bool = False
    """The daemon prepares it where it may: its plan must be as good without the parameters' values. (Those of the
    claim and of wake-ups are not: 872 pages for one claim.)"""

    def __str__(self) -> str:
        return self.name


def _plain(name: str) -> Callable[[], sql.SQL]:
    return lambda: sql.SQL(statement(name))


def _limited(name: str, **limits: int) -> Callable[[], sql.Composed]:
    return lambda: statement_limited(name, **limits)


def _on_customers(name: str) -> Callable[[], sql.Composed]:
    return lambda: statement_for_host(name, CUSTOMERS.name, CUSTOMERS.zoho_id)


def _verdicts(count: int) -> Jsonb:
    """Creates that went well, of the first leased customers."""
    verdicts = []
    for number in range(1, count + 1):
        claim = fresh_claim(entity_id=entity("leased", number), lease=Lease(token(number), 0.0), intents=1)
        verdict = done(
            claim,
            Outcome.SENT,
            zoho_id=f"48{number:014}",
            read_zoho_id=None,
            sent_hash="0" * 64,
            log=AttemptLog(LogStatus.SUCCESS, 1, 120, 1, {"display_name": "Anna"}, {"code": 0}),
        )
        verdicts.append(verdict.as_json())
    return Jsonb(verdicts, dumps=partial(simplejson.dumps, use_decimal=True))


def _permit(urgency: Urgency, requests: int = 1) -> dict[str, Any]:
    return {
        "day_limit": 1000,
        "reserve_percent": 30,
        "max_concurrency": 4,
        "time_zone": "Africa/Johannesburg",
        "seconds_apart": 1.0,
        "burst": 5,
        "hold_seconds": 45.0,
        "session": uuid4(),
        "urgency": int(urgency),
        "may_use_reserve": urgency.may_use_reserve,
        "permits": [uuid4() for _ in range(requests)],
    }


def _ids(kind: str, count: int) -> list[UUID]:
    return [entity(kind, number) for number in range(1, count + 1)]


def _claim(batch: int) -> dict[str, Any]:
    return {
        "batch": batch,
        "least_urgent": int(Urgency.RECONCILE),
        "entity_types": ["customer"],
        "lease_seconds": 120.0,
        "session": uuid4(),
    }


def _stamp(count: int) -> dict[str, Any]:
    # As many as are claimed at once; those that are processing already are stamped again, which costs the same.
    return {
        "entity_types": ["customer"] * count,
        "entity_ids": _ids("leased", count),
        "attempts": [1] * count,
    }


def _prune(days: int) -> dict[str, Any]:
    return {"after": 0, "batch": 1000, "days": days}


def _renew(count: int) -> dict[str, Any]:
    return {
        "lease_seconds": 120.0,
        "entity_ids": _ids("leased", count),
        "entity_types": ["customer"] * count,
        "tokens": [token(number) for number in range(1, count + 1)],
    }


def _intend(count: int) -> dict[str, Any]:
    return {
        "look_keys": [f"CT-2025-{number:05}" for number in range(1, count + 1)],
        "entity_ids": _ids("leased", count),
        "entity_types": ["customer"] * count,
        "tokens": [token(number) for number in range(1, count + 1)],
    }


FIRST_LOG = {"after": "-infinity", "after_id": UUID(int=0)}
SETTLE = {"entity_type": "customer"}
ADMIT = {"bulk_threshold": BULK_THRESHOLD}
WRITE_BACK = {"entity_type": "customer", "entity_ids": _ids("unwritten", 100)}

CASES = (
    Case("claim 1", _plain("claim_entities"), _claim(1), 40),
    Case("claim 100", _plain("claim_entities"), _claim(100), 3_000),
    Case("stamp 1", _plain("stamp_entries"), _stamp(1), 30, prepared=True),
    Case("stamp 100", _plain("stamp_entries"), _stamp(100), 2_700, prepared=True),
    Case(
        "admit 1050",
        _limited("admit_entries", oldest=1000, newest=NEWEST_ADMITTED),
        ADMIT,
        52_000,
        thousands=True,
        prepared=True,
    ),
    Case("promote 1000", _limited("promote_due", batch=1000), {}, 20_000, thousands=True, prepared=True),
    Case("settle 1", _on_customers("settle_claims"), SETTLE | {"verdicts": _verdicts(1)}, 200),
    Case("settle 100", _on_customers("settle_claims"), SETTLE | {"verdicts": _verdicts(100)}, 11_500),
    Case("renew 1", _plain("renew_leases"), _renew(1), 30),
    Case("renew 100", _plain("renew_leases"), _renew(100), 2_800),
    Case("intent 1", _plain("commit_intent"), _intend(1), 30, prepared=True),
    Case("intent 100", _plain("commit_intent"), _intend(100), 3_000, prepared=True),
    Case("reclaim 100", _plain("reclaim_expired"), {"batch": 100, "lease_seconds": 1e8}, 5_500),
    Case("wake the children of 1", _plain("wake_children"), {"parents": _ids("done", 2)[1:]}, 30),
    Case("wake the children of 100", _plain("wake_children"), {"parents": _ids("done", 100)}, 1_100),
    Case("wake all children", _plain("wake_children"), {"parents": None}, 5_600),
    Case("write-backs due", _plain("write_backs_due"), {"batch": 100}, 160),
    Case("write back 100", _on_customers("write_back"), WRITE_BACK, 6_400),
    Case("next due", _plain("next_due"), {}, 10, prepared=True),
    Case("permit for a live change", _plain("take_permit"), _permit(Urgency.LIVE), 45, prepared=True),
    Case("permit for a backfill", _plain("take_permit"), _permit(Urgency.BACKFILL), 45, prepared=True),
    Case("permits for 50", _plain("take_permit"), _permit(Urgency.LIVE, 50), 45, prepared=True),
    Case("return a permit", _plain("return_permit"), {"permits": [uuid4()]}, 5, prepared=True),
    Case("return 50 permits", _plain("return_permit"), {"permits": [uuid4() for _ in range(50)]}, 5, prepared=True),
    Case("owner of a record", _plain("owner_of_record"), {"zoho_id": zoho_id(1), "entity_type": "customer"}, 10),
    Case("prune 1000 entries", _plain("prune_entries"), _prune(90), 10_500, thousands=True),
    Case("prune entries, none is old", _plain("prune_entries"), _prune(3650), 60),
    Case("prune 1000 logs", _plain("prune_logs"), _prune(90) | FIRST_LOG, 9_000, thousands=True),
    Case("prune logs, none is old", _plain("prune_logs"), _prune(3650) | FIRST_LOG, 60),
)
