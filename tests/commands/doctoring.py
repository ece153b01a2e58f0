"""``doctor`` in this process: a command of its own would cost a second a case."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from outbox.clock import Clock, SystemClock
from outbox.commands.doctor.examination import diagnose
from outbox.commands.doctor.findings import Diagnosis, Finding, Outcome
from outbox.commands.doctor.settings import gather
from tests.host.databases import Database
from tests.migration.migrated import DAEMON


@dataclass
class Doctor:
    """Examines one database and one simulator."""

    database: Database
    zoho: Mapping[str, str]
    shown: list[Finding] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)

    async def examine(
        self, changes: Mapping[str, str] | None = None, *, role: str = DAEMON, clock: Clock | None = None, **more: str
    ) -> "Examined":
        """With the simulator's settings, ``changes`` and ``more``; one that is '' counts as not set."""
        environ = {
            "DATABASE_URL": self.database.dsn(role),
            "ZOHO_REQUESTS_PER_MINUTE": "0",
            "OUTBOX_HTTP_LISTEN": "",
            **self.zoho,
            **(changes or {}),
            **more,
        }
        self.shown.clear()
        diagnosis = await diagnose(
            gather(environ),
            clock=clock or SystemClock(),
            show=self.shown.append,
            stage=self.stages.append,
            on_secret=lambda *_: None,
        )
        assert tuple(self.shown) == diagnosis.findings
        return Examined(diagnosis)


@dataclass(frozen=True)
class Examined:
    """What came of it."""

    diagnosis: Diagnosis

    def of(self, check: str) -> list[Finding]:
        """The findings of one check."""
        return [finding for finding in self.diagnosis.findings if finding.check == check]

    def one(self, check: str) -> Finding:
        """The only finding of one check."""
        (finding,) = self.of(check)
        return finding

    def outcome(self, check: str) -> Outcome:
        """Of the only finding of one check."""
        return self.one(check).outcome

    def all_but(self, outcome: Outcome) -> list[str]:
        """Lines of every finding with another outcome."""
        return [finding.as_text() for finding in self.diagnosis.findings if finding.outcome is not outcome]

    def bad(self) -> set[str]:
        """Checks that are neither ok nor warnings."""
        good = (Outcome.OK, Outcome.WARNING)
        return {finding.check for finding in self.diagnosis.findings if finding.outcome not in good}
