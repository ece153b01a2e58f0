"""Asking the operators' functions as an operator."""

from dataclasses import replace
from typing import Any, LiteralString
from uuid import UUID

from outbox.store import verdicts
from outbox.store.verdicts import Claim, Verdict
from outbox.vocabulary import FailureClass, LogStatus, Outcome
from tests.store.host import Host, Row

EXPLAIN: LiteralString = "SELECT public.zoho_explain(%s, %s) AS told"


def explain(host: Host, entity_id: UUID, entity_type: str = "customer") -> Row:
    """What ``zoho_explain`` tells an operator."""
    with host.operator() as operator:
        (row,) = operator.execute(EXPLAIN, [entity_type, entity_id]).fetchall()
    told: Row = row["told"]
    return told


def why(host: Host, entity_id: UUID, entity_type: str = "customer") -> str:
    """Its sentence."""
    return str(explain(host, entity_id, entity_type)["why"])


def ask(host: Host, query: LiteralString, *parameters: Any) -> list[Row]:
    """What an operator reads or is answered, committed."""
    with host.operator() as operator:
        return operator.execute(query, parameters).fetchall()


def sent(claim: Claim, zoho_id: str = "46001", **log: Any) -> Verdict:
    """It went well."""
    verdict = verdicts.done(claim, Outcome.SENT, zoho_id=zoho_id, read_zoho_id=None, sent_hash="x:active")
    return _logged(verdict, LogStatus.SUCCESS, None, **log)


def died(claim: Claim, reason: str, **log: Any) -> Verdict:
    """Zoho refused it for good."""
    verdict = verdicts.dead(claim, reason, zoho_id=claim.zoho_id, read_zoho_id=claim.zoho_id)
    return _logged(verdict, LogStatus.FAILED, FailureClass.PERMANENT, **log)


def failed(claim: Claim, reason: str, seconds: float = 3600, **log: Any) -> Verdict:
    """It is tried again after ``seconds``."""
    verdict = verdicts.retried(claim, reason, seconds=seconds, zoho_id=None, read_zoho_id=None, sent_hash=None)
    return _logged(verdict, LogStatus.RETRYING, FailureClass.TRANSIENT, **log)


def _logged(verdict: Verdict, status: LogStatus, failure_class: FailureClass | None, **log: Any) -> Verdict:
    base = verdicts.bare_log(verdict.claim, status, failure_class)
    return verdicts.with_log(verdict, replace(base, **({"duration_ms": 120, "api_calls": 1} | log)))
