"""Where ``doctor --probe`` may try things, and what becomes of what it learns.

``--json`` prints :class:`Probed`: ``answers`` (each ``question``, ``answer``, ``said``), ``left_behind``, ``well``,
``requests`` and ``tokens_minted``. Questions and answers: :mod:`outbox.commands.doctor.questions`.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from outbox.clock import Clock
from outbox.commands.doctor.asking import Asking, open_asking
from outbox.commands.doctor.database import check_identity
from outbox.commands.doctor.findings import Finding, Outcome
from outbox.commands.doctor.probe import Probe
from outbox.commands.doctor.questions import UNKNOWN, ProbeAnswer
from outbox.commands.doctor.zoho import (
    MODULES,
    NOBODY,
    check_credentials,
    check_organisation,
    organisations_of,
    scope,
)
from outbox.commands.failures import CommandFailed
from outbox.commands.opening import open_database
from outbox.database import DatabaseUnavailable
from outbox.settings import Settings
from outbox.store.doctor import DoctorReadings, ProbeAnswers
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import Failure, FailureKind
from outbox.zoho.organisations import LIST_ORGANISATIONS

TEST_MODE = "test"


@dataclass(frozen=True)
class Probed:
    """What was learnt, what it cost, and what could not be removed again."""

    answers: tuple[ProbeAnswer, ...]
    left_behind: tuple[str, ...]
    requests: int
    tokens_minted: int

    @property
    def well(self) -> bool:
        """Every question that is tried was answered, and nothing was left behind."""
        return not self.left_behind and all(answer.answer != UNKNOWN for answer in self.answers)

    def as_json(self) -> dict[str, Any]:
        """See the head of this module."""
        return {
            "answers": [{"question": each.question, "answer": each.answer, "said": each.said} for each in self.answers],
            "left_behind": list(self.left_behind),
            "well": self.well,
            "requests": self.requests,
            "tokens_minted": self.tokens_minted,
        }

    def summary(self) -> str:
        """The last lines."""
        known = sum(answer.is_known for answer in self.answers)
        left = [f"left behind in Zoho, remove it by hand: {what}" for what in self.left_behind]
        end = f"{known} of {len(self.answers)} questions answered and stored; {self.requests} requests to Zoho"
        return "\n".join([*left, end if left else f"{end}, everything removed again"])


async def probe(
    settings: Settings,
    *,
    clock: Clock,
    sleep: Callable[[float], Awaitable[None]],
    show: Callable[[ProbeAnswer], None],
    on_secret: Callable[..., None],
) -> Probed:
    """Tries every question; ``show`` gets each answer as it comes, when it is stored.

    Raises :class:`CommandFailed` where this is not the place for it, and nothing was made then; ``Unfit``,
    ``DatabaseUnavailable``.
    """
    answers: list[ProbeAnswer] = []
    async with open_database(settings, connections=3) as database:
        readings = DoctorReadings(database)
        _refuse(check_identity(await readings.installation(), settings))
        store = ProbeAnswers(database, settings.zoho_billing_organization_id)

        async def tell(answer: ProbeAnswer) -> None:
            if answer.is_known:
                await store.store(answer.question, answer.answer, answer.said)
            answers.append(answer)
            show(answer)

        async with open_asking(settings, database, clock, on_secret) as asking:
            await _refuse_wrong_place(asking, settings, readings)
            asking.is_bold()
            trying = Probe(asking, settings, clock, sleep, token_hex(4), tell)
            try:
                await trying.run()
            except DatabaseUnavailable as absent:
                raise CommandFailed(
                    f"the database went away ({absent}); left behind in Zoho, remove it by hand: "
                    f"{', '.join(trying.left) or 'nothing'}"
                ) from None
            return Probed(tuple(answers), tuple(trying.left), asking.requests, asking.tokens_minted)


async def _refuse_wrong_place(asking: Asking, settings: Settings, readings: DoctorReadings) -> None:
    outcome = await asking.prove_credentials(readings)
    _refuse([check_credentials(outcome, settings.zoho_region)])
    organisations = await asking.ask(LIST_ORGANISATIONS)
    _refuse(check_organisation(organisations, settings))
    listed = organisations_of(organisations.body) if isinstance(organisations, ApiReply) else []
    ours = next(each for each in listed if each.id == settings.zoho_billing_organization_id)
    if ours.mode != TEST_MODE:
        raise CommandFailed(
            f"organisation {ours.id} ({ours.name}) says mode={ours.mode or 'nothing'}: --probe makes customers, "
            "invoices and payments and removes them again, which is for a trial organisation (mode=test) alone"
        )
    for module in MODULES.values():
        answer = await asking.ask(ApiRequest("DELETE", f"/{module}/{NOBODY}"))
        if isinstance(answer, Failure) and answer.kind is FailureKind.SCOPE_OR_ORGANISATION:
            raise CommandFailed(
                f"nothing was tried: the refresh token lacks {scope(module, 'DELETE')}, without which nothing could be "
                "removed again; authorise one for --probe that has it (sending does not need it)"
            )


def _refuse(findings: Iterable[Finding]) -> None:
    for finding in findings:
        if finding.outcome not in (Outcome.OK, Outcome.WARNING):
            raise CommandFailed(f"nothing was tried: {finding.said}; {finding.mend or 'run zoho-outbox doctor'}")
