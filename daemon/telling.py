"""What is said in the log of attempts that were settled, and counted of them."""

from collections.abc import Sequence
from typing import Any

import structlog

from daemon.meter import Meter
from outbox.logs import Event
from outbox.masking import mask_message
from outbox.sending.attempt import Ended
from outbox.settings import LogPayloads
from outbox.store.protocol import Settlement
from outbox.store.verdicts import Show, Verdict
from outbox.vocabulary import EntryStatus, Outcome


def tell(batch: Sequence[Ended], settlement: Settlement, meter: Meter) -> None:
    """Of each attempt one line. What was given up is told as the settlement's trouble: its lease runs out."""
    log = structlog.get_logger()
    refused = set(map(id, settlement.refused))
    given_up = set(map(id, settlement.given_up))
    if settlement.trouble:
        log.error(Event.LOG_ROW_LOST, reason=settlement.trouble)
    for ended in batch:
        if id(ended.verdict) in given_up:
            continue
        if id(ended.verdict) in refused:
            meter.refused(ended)
            log.warning(
                Event.ACKNOWLEDGEMENT_REFUSED,
                **_facts(ended),
                advice="its lease was taken over; where something was sent, it is sent again",
            )
        else:
            meter.settled(ended)
            _tell_one(ended, log)


def _tell_one(ended: Ended, log: Any) -> None:
    verdict = ended.verdict
    facts = _facts(ended)
    error = mask_message(verdict.error, LogPayloads.MASKED) if verdict.error else None
    match verdict.entry_status:
        case EntryStatus.DONE:
            event = Event.ENTRY_SENT if verdict.outcome is Outcome.SENT else Event.ENTRY_UNCHANGED
            log.info(event, **facts, **_total(ended), zoho_id=verdict.zoho_id, note=error)
        case EntryStatus.SKIPPED:
            log.info(Event.ENTRY_SKIPPED, **facts, reason=error)
        case EntryStatus.WAITING:
            log.info(Event.ENTRY_WAITING, **facts, waiting_for=verdict.waiting_for)
        case EntryStatus.DEAD:
            log.warning(Event.ENTRY_DEAD, **facts, reason=error)
        case EntryStatus.PENDING if verdict.show is Show.RETRYING:
            log.warning(Event.ENTRY_RETRIED, **facts, reason=error, next_attempt_in_seconds=round(verdict.due_in, 1))
        case EntryStatus.PENDING | EntryStatus.PROCESSING:
            log.debug(Event.ENTRY_RETURNED, **facts)


def _facts(ended: Ended) -> dict[str, Any]:
    verdict: Verdict = ended.verdict
    facts: dict[str, Any] = {
        "entity": ended.named,
        "entity_id": str(verdict.claim.entity_id),
        "attempt": verdict.claim.attempts,
    }
    if verdict.log is not None:
        facts |= {"api_calls": verdict.log.api_calls, "milliseconds": verdict.log.duration_ms}
    return facts


def _total(ended: Ended) -> dict[str, Any]:
    """Whether Zoho's total is the row's, where this attempt was shown one."""
    if ended.off_by is None:
        return {}
    return {"verified_total": not ended.off_by} | ({"off_by": str(ended.off_by)} if ended.off_by else {})
