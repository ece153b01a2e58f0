"""``doctor --probe`` against the simulator in different minds: each answer found, stored, and everything removed."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

import outbox.database
from daemon.command_line import DONE, FAILED, WRONG_USE
from outbox.clock import SystemClock
from outbox.commands.doctor.probing import Probed, probe
from outbox.commands.doctor.questions import (
    ACCEPTED,
    HONOURED,
    IGNORED,
    NOT_TRIED,
    REFUSED,
    UNKNOWN,
    ProbeAnswer,
    Question,
)
from outbox.commands.failures import CommandFailed
from outbox.settings import Settings, load_settings
from outbox.simulator import RunningSimulator
from outbox.simulator.settings import OrganisationSettings, SimulatorSettings, Undocumented
from outbox.store.doctor import ProbeAnswers
from tests.commands.conftest import Console, Host
from tests.host.databases import Database
from tests.migration.migrated import DAEMON

pytestmark = pytest.mark.anyio

NOT_TRIED_ANYWHERE = {Question.MISSING_SCOPE: NOT_TRIED, Question.DAY_LIMIT: NOT_TRIED}

STRICT = {
    Question.CUSTOMERS_BY_EMAIL: HONOURED,
    Question.INVOICES_BY_NUMBER: HONOURED,
    Question.PAYMENTS_BY_CUSTOMER: HONOURED,
    Question.PAYMENTS_BY_REFERENCE: HONOURED,
    Question.REPEATED_INVOICE_NUMBER: REFUSED,
    Question.NUMBER_OF_VOID_INVOICE: REFUSED,
    Question.UPSERT: REFUSED,
    Question.REPEATED_REFERENCE_ID: ACCEPTED,
    Question.PAYMENT_OVER_BALANCE: REFUSED,
    Question.PAYMENT_ON_DRAFT: REFUSED,
    Question.REPEATED_PAYMENT_REFERENCE: ACCEPTED,
    Question.DEAD_TOKEN: "401/57",
    Question.WRONG_ORGANISATION: "400/6041",
    Question.CANCEL_AT_END_IN_BODY: IGNORED,
    Question.SECOND_CANCEL: REFUSED,
    Question.VOID_ON_DRAFT: REFUSED,
    Question.LONGEST_DISPLAY_NAME: "100",
    Question.LONGEST_REFERENCE_NUMBER: "50",
    Question.LONGEST_REFERENCE_ID: "500",
    Question.LIST_LAG: "0",
    Question.INCLUSIVE_TAX: HONOURED,
    Question.CUSTOMER_WITHOUT_EMAIL: ACCEPTED,
    **NOT_TRIED_ANYWHERE,
}
"""What the simulator does by default."""


def ignoring(settings: SimulatorSettings) -> None:
    for name in ("customers_email", "invoices_number", "payments_list", "payments_reference"):
        setattr(settings.undocumented, name, Undocumented.IGNORED)


def refusing(settings: SimulatorSettings) -> None:
    settings.undocumented.customers_email = Undocumented.BAD_REQUEST
    settings.undocumented.invoices_number = Undocumented.NOT_FOUND
    settings.undocumented.payments_list = Undocumented.NOT_FOUND
    settings.undocumented.customers_upsert = Undocumented.NOT_FOUND


def lenient(settings: SimulatorSettings) -> None:
    settings.invoices.unique_numbers = False
    settings.invoices.void_drafts = True
    settings.payments.refuse_above_balance = False
    settings.payments.pay_drafts = True
    settings.subscriptions.refuse_second_cancel = False
    settings.undocumented.customers_upsert = Undocumented.ON


def freeing(settings: SimulatorSettings) -> None:
    settings.invoices.void_frees_number = True
    settings.undocumented.cancel_at_end_in_body = Undocumented.ON
    settings.undocumented.payments_reference = Undocumented.IGNORED


def unique(settings: SimulatorSettings) -> None:
    settings.payments.unique_references = True
    settings.subscriptions.unique_references = True
    settings.customers.email_required = True
    settings.foreign_organisation_code = 57


def boundless(settings: SimulatorSettings) -> None:
    settings.customers.enforce_length_limits = False
    settings.payments.enforce_length_limits = False
    settings.invoices.honour_inclusive_tax = False


def slow_lists(settings: SimulatorSettings) -> None:
    settings.list_lag_seconds = 5


MINDS: list[tuple[Callable[[SimulatorSettings], None], dict[Question, str]]] = [
    (lambda _: None, {}),
    (
        ignoring,
        {
            Question.CUSTOMERS_BY_EMAIL: IGNORED,
            Question.INVOICES_BY_NUMBER: IGNORED,
            Question.PAYMENTS_BY_CUSTOMER: IGNORED,
            Question.PAYMENTS_BY_REFERENCE: IGNORED,
        },
    ),
    (
        refusing,
        {
            Question.CUSTOMERS_BY_EMAIL: REFUSED,
            Question.INVOICES_BY_NUMBER: REFUSED,
            Question.PAYMENTS_BY_CUSTOMER: REFUSED,
            Question.PAYMENTS_BY_REFERENCE: REFUSED,
        },
    ),
    (
        lenient,
        {
            Question.REPEATED_INVOICE_NUMBER: ACCEPTED,
            Question.NUMBER_OF_VOID_INVOICE: ACCEPTED,
            Question.VOID_ON_DRAFT: ACCEPTED,
            Question.PAYMENT_OVER_BALANCE: ACCEPTED,
            Question.PAYMENT_ON_DRAFT: ACCEPTED,
            Question.SECOND_CANCEL: ACCEPTED,
            Question.UPSERT: ACCEPTED,
        },
    ),
    (
        freeing,
        {
            Question.NUMBER_OF_VOID_INVOICE: ACCEPTED,
            Question.CANCEL_AT_END_IN_BODY: HONOURED,
            Question.PAYMENTS_BY_REFERENCE: IGNORED,
        },
    ),
    (
        unique,
        {
            Question.REPEATED_PAYMENT_REFERENCE: REFUSED,
            Question.REPEATED_REFERENCE_ID: REFUSED,
            Question.CUSTOMER_WITHOUT_EMAIL: REFUSED,
            Question.WRONG_ORGANISATION: "401/57",
        },
    ),
    (
        boundless,
        {
            Question.LONGEST_DISPLAY_NAME: "500",
            Question.LONGEST_REFERENCE_NUMBER: "500",
            Question.INCLUSIVE_TAX: IGNORED,
        },
    ),
    # Whatever is looked for in a list right after it was made is not there yet, save the customers and payments that
    # were made more than the lag before.
    (slow_lists, {Question.LIST_LAG: "7"}),
]


class Prober:
    """Probes with the settings of one database and one simulator; waiting moves the simulator's clock alone."""

    def __init__(self, database: Database, zoho: RunningSimulator) -> None:
        self.zoho = zoho
        self.shown: list[ProbeAnswer] = []
        self._environ = {
            **zoho.environment,
            "DATABASE_URL": database.dsn(DAEMON),
            "ZOHO_REQUESTS_PER_MINUTE": "0",
            "ZOHO_DAILY_REQUEST_LIMIT": "0",
        }

    def settings(self, **changes: str) -> Settings:
        return load_settings({**self._environ, **changes}, required=Settings)

    async def sleep(self, seconds: float) -> None:
        self.zoho.clock.advance(seconds)

    async def probe(self, **changes: str) -> Probed:
        self.shown.clear()
        return await probe(
            self.settings(**changes),
            clock=SystemClock(),
            sleep=self.sleep,
            show=self.shown.append,
            on_secret=lambda *_: None,
        )


@pytest.fixture
def prober(migrated_database: Database, zoho: RunningSimulator) -> Prober:
    zoho.simulator.plant_plan(plan_code="PROBE", recurring_price=5)
    return Prober(migrated_database, zoho)


def records(zoho: RunningSimulator) -> dict[str, Any]:
    return {name: rows for name, rows in zoho.simulator.holdings().items() if name != "activities"}


@pytest.mark.parametrize(("mind", "different"), MINDS)
async def test_in_whatever_mind_zoho_is_each_question_is_answered_stored_and_cleaned_up(
    prober: Prober,
    zoho: RunningSimulator,
    host: Host,
    mind: Callable[[SimulatorSettings], None],
    different: dict[Question, str],
) -> None:
    zoho.simulator.plant_customer(display_name="There before", email="there@example.com")
    mind(zoho.settings)
    before = records(zoho)
    probed = await prober.probe()
    found = {answer.question: answer.answer for answer in probed.answers}
    if mind is slow_lists:
        looked_up = {Question.CUSTOMERS_BY_EMAIL, Question.PAYMENTS_BY_CUSTOMER, Question.PAYMENTS_BY_REFERENCE}
        assert {found.pop(question) for question in looked_up} == {UNKNOWN}
        assert found == {
            question: answer for question, answer in {**STRICT, **different}.items() if question not in looked_up
        }
        assert not probed.well
    else:
        assert found == {**STRICT, **different}
        assert probed.well
    assert probed.left_behind == ()
    assert records(zoho) == before
    stored = host.rows("SELECT organization_id, question, answer FROM zoho_outbox_private.probe_answer")
    assert {(row["question"], row["answer"]) for row in stored} == {
        (answer.question.value, answer.answer) for answer in probed.answers if answer.is_known
    }
    assert {row["organization_id"] for row in stored} == {zoho.organisation}
    assert tuple(prober.shown) == probed.answers
    assert all(answer.said for answer in probed.answers)


async def test_a_later_try_takes_the_place_of_an_earlier_one(
    prober: Prober, zoho: RunningSimulator, migrated_database: Database
) -> None:
    await prober.probe()
    zoho.settings.invoices.void_drafts = True
    await prober.probe()
    opened = outbox.database.Database(SecretStr(migrated_database.dsn(DAEMON)), application_name="under test")
    try:
        answers = await ProbeAnswers(opened, zoho.organisation).read()
        assert await ProbeAnswers(opened, "another").read() == {}
    finally:
        await opened.close()
    assert answers[Question.VOID_ON_DRAFT]["answer"] == ACCEPTED
    assert answers[Question.VOID_ON_DRAFT]["said"] == "void of a draft: accepted (HTTP 200)"


async def test_only_an_organisation_that_says_test_is_tried(prober: Prober, zoho: RunningSimulator) -> None:
    zoho.settings.organisation.mode = "live"
    with pytest.raises(CommandFailed, match="says mode=live: --probe makes customers"):
        await prober.probe()
    zoho.settings.other_organisations = (OrganisationSettings(organization_id="20202", mode="test"),)
    with pytest.raises(CommandFailed, match="nothing was tried: the organisation keeps its books in ZAR"):
        await prober.probe(ZOHO_CURRENCY="USD")
    assert [line.method for line in zoho.simulator.journal if line.path != "/oauth/v2/token"] == ["GET", "GET"]


async def test_nothing_is_made_that_could_not_be_removed(prober: Prober, zoho: RunningSimulator) -> None:
    scopes = frozenset(
        f"ZohoSubscriptions.{module}.{right}"
        for module in ("customers", "subscriptions", "invoices", "payments", "plans", "settings")
        for right in ("READ", "CREATE", "UPDATE", "DELETE")
    )
    zoho.simulator.tokens.add(zoho.settings.refresh_token, scopes - {"ZohoSubscriptions.payments.DELETE"})
    before = records(zoho)
    with pytest.raises(CommandFailed, match=r"lacks ZohoSubscriptions\.payments\.DELETE, without which nothing could"):
        await prober.probe()
    assert records(zoho) == before
    zoho.simulator.tokens.add(zoho.settings.refresh_token, scopes)
    assert (await prober.probe()).well


async def test_what_was_made_is_removed_where_it_is_interrupted(prober: Prober, zoho: RunningSimulator) -> None:
    before = records(zoho)
    with anyio.CancelScope() as scope:
        held = zoho.faults.plant("held_before", "GET", "/plans")

        async def interrupt() -> None:
            await zoho.until(lambda _: held.fired > 0)
            scope.cancel()
            held.release()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(interrupt)
            await prober.probe()
    assert scope.cancelled_caught
    assert zoho.statistics.count_of_creates("customers") == 2
    assert records(zoho) == before


async def test_a_copy_of_the_database_tries_nothing(prober: Prober, zoho: RunningSimulator, host: Host) -> None:
    host.rows("UPDATE zoho_outbox_private.installation SET system_identifier = '7', database_name = 'production'")
    with pytest.raises(CommandFailed, match=r"nothing was tried: this database .* is a copy"):
        await prober.probe()
    assert zoho.statistics.token_requests == 0


async def test_without_a_plan_what_needs_one_is_unknown_and_says_so(
    migrated_database: Database, zoho: RunningSimulator
) -> None:
    probed = await Prober(migrated_database, zoho).probe()
    found = {answer.question: answer for answer in probed.answers}
    assert found[Question.REPEATED_REFERENCE_ID].said == "could not be tried: Zoho has no active plan"
    assert found[Question.LIST_LAG].is_known
    assert not probed.well


async def test_what_cannot_be_removed_is_named(prober: Prober, zoho: RunningSimulator) -> None:
    # The first one asks whether it may delete at all.
    zoho.faults.plant("unauthorised_57", "DELETE", "/customers/*", skip=1, times=2)
    probed = await prober.probe()
    assert len(probed.left_behind) == 2
    assert all(what.startswith("customers ") and "HTTP 401 code 57" in what for what in probed.left_behind)
    assert not probed.well
    assert probed.summary().startswith("left behind in Zoho, remove it by hand: customers ")


async def test_an_outage_leaves_the_rest_unknown_and_nothing_unnamed(prober: Prober, zoho: RunningSimulator) -> None:
    zoho.faults.plant("rate_limited_43", "POST", "/payments", retry_after_seconds=600)
    probed = await prober.probe()
    assert {answer.question for answer in probed.answers} == set(Question)
    held = records(zoho)
    made = [row for row in held["customers"] if "zoho-outbox probe" in row["display_name"]]
    assert len(made) == 2
    assert all(any(row["customer_id"] in what for what in probed.left_behind) for row in made)


async def test_as_it_is_typed(console: Console, zoho: RunningSimulator) -> None:
    zoho.simulator.plant_plan(plan_code="PROBE", recurring_price=5)
    said = await console.type("doctor", "--probe", "--json")
    assert said.code == DONE, said
    assert {each["question"] for each in said.json["answers"]} == {question.value for question in Question}
    zoho.settings.organisation.mode = "live"
    refused = await console.type("doctor", "--probe")
    assert (refused.code, refused.out) == (FAILED, "")
    assert "says mode=live" in refused.err
    both = await console.type("doctor", "--probe", "--accept-database")
    assert both.code == WRONG_USE
