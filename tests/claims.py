"""A claim as the dispatcher gives it to an attempt, of a new customer unless something else is said."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

from outbox.store.verdicts import Claim, Lease
from outbox.vocabulary import EntityType, Urgency


def fresh_claim(**changes: Any) -> Claim:
    """Its first attempt, nothing sent so far; under a lease of its own that has no time left."""
    claim = Claim(
        entity_type=EntityType.CUSTOMER,
        entity_id=uuid4(),
        lease=Lease(uuid4(), 0.0),
        attempts=1,
        urgency=Urgency.LIVE,
        born_here=True,
        zoho_id=None,
        sent_hash=None,
        intents=0,
        intent_keys=(),
        fate_unknown_seconds=None,
        clean_look_seconds=None,
        host_deleted=False,
        id_not_written=False,
        last_error=None,
        entries=1,
        newest_entry=1,
        oldest_change=None,
        resend=False,
        deleted_zoho_id=None,
        look_first=False,
    )
    return replace(claim, **changes)
