"""The row of ``zoho_sync_logs`` that an attempt leaves, payloads masked."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never

from outbox.masking import mask, mask_message
from outbox.sending.terms import SendingTerms
from outbox.store.verdicts import AttemptLog
from outbox.zoho.call_log import CallLog
from outbox.zoho.exchange import ApiReply
from outbox.zoho.failures import Failure


def attempt_log(base: AttemptLog, calls: CallLog, milliseconds: int, terms: SendingTerms) -> AttemptLog:
    """``base`` with duration, number of requests and the payloads of the exchange that mattered most.

    That is the last write, else the last read: an attempt is rarely more than one of either.
    """
    exchanges = calls.exchanges
    log = replace(base, duration_ms=milliseconds, api_calls=calls.api_calls)
    if not exchanges:
        return log
    main = next((exchange for exchange in reversed(exchanges) if not exchange.request.is_read), exchanges[-1])
    last = exchanges[-1].outcome
    return replace(
        log,
        request_payload=_payload(
            {
                "method": main.request.method,
                "path": main.request.path,
                "query": dict(main.request.query),
                "body": main.request.body,
            },
            terms,
        ),
        response_payload=_payload(_shown(main.outcome), terms),
        zoho_code=last.code,
    )


def _payload(payload: Mapping[str, Any], terms: SendingTerms) -> Mapping[str, Any] | None:
    masked = mask(payload, terms.payloads, kept_labels=terms.kept_labels)
    return masked if isinstance(masked, Mapping) else None


def _shown(outcome: ApiReply | Failure) -> Mapping[str, Any]:
    match outcome:
        case ApiReply(http_status=status, body=body):
            return {"http_status": status, "body": body}
        case Failure(http_status=status, code=code, message=message, kind=kind):
            return {"http_status": status, "code": code, "kind": kind, "message": mask_message(message)}
        case _:
            assert_never(outcome)
