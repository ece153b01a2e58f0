"""Attempts that have ended, as the dispatcher has them in hand."""

from decimal import Decimal
from uuid import uuid4

from outbox.sending.attempt import Ended
from outbox.store.protocol import AttemptLog, Claim, Lease, Show, Verdict
from outbox.vocabulary import EntityType, EntryStatus, LogStatus, Outcome, Phase, Urgency

_ENDS: dict[str, tuple[EntryStatus, Outcome | None, Show | None, Phase]] = {
    "sent": (EntryStatus.DONE, Outcome.SENT, Show.SYNCED, Phase.IDLE),
    "unchanged": (EntryStatus.DONE, Outcome.UNCHANGED, Show.SYNCED, Phase.IDLE),
    "skipped": (EntryStatus.SKIPPED, Outcome.INELIGIBLE, Show.SKIPPED, Phase.IDLE),
    "waiting": (EntryStatus.WAITING, None, None, Phase.WAITING),
    "dead": (EntryStatus.DEAD, None, Show.FAILED, Phase.DEAD),
    "retried": (EntryStatus.PENDING, None, Show.RETRYING, Phase.SCHEDULED),
    "returned": (EntryStatus.PENDING, None, None, Phase.READY),
}


def ended(
    result: str,
    entity_type: EntityType,
    *,
    api_calls: int = 1,
    milliseconds: int = 900,
    urgency: Urgency = Urgency.LIVE,
    off_by: str | None = None,
) -> Ended:
    """An attempt that ended so (a word of ``daemon.meter.RESULTS``)."""
    status, outcome, show, phase = _ENDS[result]
    claim = Claim(
        entity_type=entity_type,
        entity_id=uuid4(),
        lease=Lease(uuid4(), 0.0),
        attempts=1,
        urgency=urgency,
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
    log = AttemptLog(LogStatus.SUCCESS, 1, milliseconds, api_calls)
    verdict = Verdict(
        claim=claim,
        phase=phase,
        entry_status=status,
        attempts=1,
        urgency=urgency,
        zoho_id=None,
        sent_hash=None,
        outcome=outcome,
        show=show,
        log=log,
    )
    return Ended(verdict, f"{entity_type} X", off_by=None if off_by is None else Decimal(off_by))
