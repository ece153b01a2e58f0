"""What doctor found: one line each, with the mend.

``--json`` prints a :class:`Diagnosis`: ``findings`` (each ``check``, ``outcome``, ``said``, ``mend``), ``well``,
``requests`` (to Zoho's API) and ``tokens_minted``. ``check`` is a stable name, one of :data:`CHECKS`; several findings
may have the same one.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from outbox.wording import count

SETTING_CHECKS = ("settings", "sync", "http", "alerts")
DATABASE_CHECKS = (
    "database",
    "role",
    "schema",
    "rights",
    "policies",
    "exposure",
    "triggers",
    "host_triggers",
    "log_table",
    "identity",
    "billing",
    "replicas",
    "snapshots",
    "listen",
    "pooler",
    "database_clock",
    "sending",
)
ZOHO_CHECKS = (
    "credentials",
    "organisation",
    "currency",
    "time_zone",
    "scopes",
    "taxes",
    "plans",
    "custom_fields",
    "zoho_clock",
)
CHECKS = (*SETTING_CHECKS, *DATABASE_CHECKS, *ZOHO_CHECKS)
"""In the order in which they are made."""


class Outcome(StrEnum):
    """How a check ended. The exit status is 0 where there are only OK and WARNING."""

    OK = "ok"
    WARNING = "warning"
    """It works, and somebody should know; or sending does not rest on it and it could not be told."""
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Sending rests on it, and it could not be told."""
    NOT_CHECKED = "not_checked"
    """Something that it rests on failed, or was not there."""


_LABELS = {
    Outcome.OK: "ok",
    Outcome.WARNING: "WARNING",
    Outcome.FAILED: "FAILED",
    Outcome.UNKNOWN: "UNKNOWN",
    Outcome.NOT_CHECKED: "not checked",
}


@dataclass(frozen=True)
class Finding:
    """One line. ``said`` and ``mend`` have no line ends; ``mend`` is empty where there is nothing to do."""

    check: str
    outcome: Outcome
    said: str
    mend: str = ""

    def redacted(self, clean: Callable[[str], str]) -> "Finding":
        """With ``clean`` applied to what is told: texts of others may quote a secret."""
        return replace(self, said=clean(self.said), mend=clean(self.mend))

    def as_text(self) -> str:
        """For people, in columns."""
        mend = f" -> {self.mend}" if self.mend else ""
        return f"{_LABELS[self.outcome]:<11}  {self.check:<14}  {self.said}{mend}"


def ok(check: str, said: str) -> Finding:
    """All well."""
    return _finding(check, Outcome.OK, said)


def warning(check: str, said: str, mend: str) -> Finding:
    """Worth knowing."""
    return _finding(check, Outcome.WARNING, said, mend)


def failed(check: str, said: str, mend: str) -> Finding:
    """Does not work."""
    return _finding(check, Outcome.FAILED, said, mend)


def unknown(check: str, why: str, mend: str = "") -> Finding:
    """Could not be told."""
    return _finding(check, Outcome.UNKNOWN, f"could not tell: {why}", mend)


def not_checked(check: str, why: str) -> Finding:
    """Rests on something that is not there; the mend stands with that."""
    return _finding(check, Outcome.NOT_CHECKED, why)


def _finding(check: str, outcome: Outcome, said: str, mend: str = "") -> Finding:
    return Finding(check, outcome, " ".join(said.split()), " ".join(mend.split()))


@dataclass(frozen=True)
class Diagnosis:
    """All findings, and what they cost."""

    findings: tuple[Finding, ...]
    requests: int
    tokens_minted: int

    @property
    def well(self) -> bool:
        """Nothing failed, and nothing was left unknown or unchecked."""
        return all(finding.outcome in (Outcome.OK, Outcome.WARNING) for finding in self.findings)

    def redacted(self, clean: Callable[[str], str]) -> "Diagnosis":
        """As :meth:`Finding.redacted`."""
        return replace(self, findings=tuple(finding.redacted(clean) for finding in self.findings))

    def as_json(self) -> dict[str, Any]:
        """See the head of this module."""
        return {
            "findings": [asdict(finding) for finding in self.findings],
            "well": self.well,
            "requests": self.requests,
            "tokens_minted": self.tokens_minted,
        }

    def summary(self) -> str:
        """The last line."""
        counted = [
            f"{number} {_LABELS[outcome].lower()}" for outcome in Outcome if (number := self._count(outcome)) > 0
        ]
        spent = f"{count(self.requests, 'request', 'requests')} to Zoho"
        minted = f"{count(self.tokens_minted, 'access token', 'access tokens')} minted"
        return f"{', '.join(counted)}; {spent}, {minted}"

    def _count(self, outcome: Outcome) -> int:
        return sum(finding.outcome is outcome for finding in self.findings)


def listed(things: Sequence[str], most: int = 8) -> str:
    """'a, b and 3 more'."""
    shown = ", ".join(things[:most])
    return f"{shown} and {len(things) - most} more" if len(things) > most else shown
