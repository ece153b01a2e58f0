"""Attempts that have ended, as the dispatcher has them in hand."""

from decimal import Decimal

from outbox.sending.attempt import Ended
from outbox.store.verdicts import AttemptLog, Show, Verdict
from outbox.vocabulary import EntityType, EntryStatus, LogStatus, Outcome, Phase, Urgency
from tests.claims import fresh_claim

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
    claim = fresh_claim(entity_type=entity_type, urgency=urgency)
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
