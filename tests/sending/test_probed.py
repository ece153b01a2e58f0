"""Look-ups go by what ``doctor --probe`` found out of the organisation, and believe no list the more for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from urllib.parse import parse_qsl
from uuid import UUID

import pytest

from outbox.commands.doctor.questions import ACCEPTED, HONOURED, IGNORED, REFUSED, Question
from outbox.entities.probed import Filter, Known
from outbox.sending import probed
from outbox.sending.probed import LONGEST_LAG_SECONDS, OLDEST_SECONDS, Probed, known_by
from outbox.simulator import FaultKind, RunningSimulator
from outbox.simulator.settings import Undocumented
from outbox.store.probe_answers import RecentAnswers
from tests.sending.billing import Billing, forget_requests, held, record_of
from tests.sending.conftest import FIRST_LOOK_SECONDS, RECHECK_SECONDS, NewProcess, Process
from tests.store.host import Host
from tests.terms import TERMS

pytestmark = pytest.mark.anyio

PLAYED = {HONOURED: Undocumented.ON, IGNORED: Undocumented.IGNORED, REFUSED: Undocumented.BAD_REQUEST}
"""What the simulator does, by the answer that is true of it then."""
TABLES = {"customers": "customers", "invoices": "customer_invoices", "payments": "payment_transactions"}


@dataclass(frozen=True)
class LookUp:
    """A question, the records that are looked up by it, and the switch that plays its answer."""

    question: Question
    records: str
    switch: str

    def play(self, zoho: RunningSimulator, feature: Undocumented) -> None:
        setattr(zoho.settings.undocumented, self.switch, feature)

    def add(self, host: Host, billing: Billing, customer: UUID, number: int) -> UUID:
        """A row of that kind; payments of 100 are alike but for their reference number."""
        match self.records:
            case "customers":
                return host.add_customer(number)
            case "invoices":
                return billing.invoice(customer)
            case _:
                return billing.payment(customer, None, "100.00")


CUSTOMERS = LookUp(Question.CUSTOMERS_BY_EMAIL, "customers", "customers_email")
INVOICES = LookUp(Question.INVOICES_BY_NUMBER, "invoices", "invoices_number")
BY_REFERENCE = LookUp(Question.PAYMENTS_BY_REFERENCE, "payments", "payments_reference")
BY_CUSTOMER = LookUp(Question.PAYMENTS_BY_CUSTOMER, "payments", "payments_list")
LOOK_UPS = (CUSTOMERS, INVOICES, BY_REFERENCE, BY_CUSTOMER)


def answered(host: Host, organisation: str, answers: Mapping[Question, str], *, seconds_ago: float = 0.0) -> None:
    """As ``doctor --probe`` stores it."""
    for question, answer in answers.items():
        host.interfere(
            """
            INSERT INTO zoho_outbox_private.probe_answer (organization_id, question, answer, said, answered_at)
            VALUES (%s, %s, %s, 'as tried', clock_timestamp() - %s)
            """,
            [organisation, question.value, answer, timedelta(seconds=seconds_ago)],
        )


def asked(zoho: RunningSimulator) -> list[str]:
    """Every API request since they were forgotten: ``GET /invoices?customer_id``, ids and documented filters left out;
    a list's pages after the first, too."""
    requests = []
    for line in zoho.simulator.journal:
        if line.path.startswith("/oauth"):
            continue
        path = re.sub(r"/[0-9]{10,}", "/*", line.path.removeprefix("/billing/v1"))
        names = {name for name, _ in parse_qsl(line.query)} - {"filter_by", "page", "per_page"}
        by = f"?{'&'.join(sorted(names))}" if line.method == "GET" and names else ""
        requests.append(f"{line.method} {path}{by}")
    return requests


@pytest.fixture
async def customer(host: Host, billing: Billing, zoho: RunningSimulator, process: Process) -> UUID:
    """A customer in Zoho beside another one; each has an invoice and a payment there."""
    ours, other = host.add_customer(1), host.add_customer(2)
    for each in (ours, other):
        billing.payment(each, None, "100.00", completed_at="2026-02-03T12:00:00+02:00")
        billing.invoice(each, "230.00")
    await process.turns_until_quiet()
    assert [len(held(zoho, records)) for records in TABLES] == [2, 2, 2]
    return ours


async def lose(process: Process, zoho: RunningSimulator, kind: FaultKind, records: str, row: UUID) -> None:
    """Sends it; the create's reply is lost. Requests are counted from here on."""
    zoho.faults.plant(kind, "POST", f"/{records}")
    await process.turn_later(row, 0)
    forget_requests(zoho)


async def look_twice(process: Process, row: UUID) -> None:
    for seconds in (FIRST_LOOK_SECONDS + 1, RECHECK_SECONDS + 1):
        await process.turn_later(row, seconds)
    await process.turns_until_quiet()


def is_in_zoho_once(billing: Billing, zoho: RunningSimulator, look_up: LookUp, row: UUID) -> None:
    record = record_of(zoho, look_up.records, row)
    assert billing.shown(row) == ("synced", None)
    assert billing.zoho_id(row) == record[f"{look_up.records.removesuffix('s')}_id"]


BY_EMAIL, EVERYBODY = "GET /customers?email", "GET /customers"
BY_NUMBER, OF_CUSTOMER = "GET /invoices?invoice_number", "GET /invoices?customer_id"
DOCUMENTED = "GET /transactions?customer_id"
REFERENCE, PAYER = "GET /payments?reference_number", "GET /payments?customer_id"
READ = READ_TWIN = "GET /payments/*"

CASES = [
    # The answer, what Zoho does, a look that finds it, a look that does not.
    (CUSTOMERS, HONOURED, Undocumented.ON, [BY_EMAIL], [BY_EMAIL]),
    (CUSTOMERS, IGNORED, Undocumented.IGNORED, [EVERYBODY], [EVERYBODY]),
    (CUSTOMERS, REFUSED, Undocumented.BAD_REQUEST, [EVERYBODY], [EVERYBODY]),
    (CUSTOMERS, None, Undocumented.ON, [BY_EMAIL], [BY_EMAIL]),
    (CUSTOMERS, None, Undocumented.IGNORED, [BY_EMAIL], [BY_EMAIL]),
    (CUSTOMERS, None, Undocumented.BAD_REQUEST, [BY_EMAIL, EVERYBODY], [BY_EMAIL, EVERYBODY]),
    (INVOICES, HONOURED, Undocumented.ON, [BY_NUMBER], [BY_NUMBER]),
    (INVOICES, IGNORED, Undocumented.IGNORED, [OF_CUSTOMER], [OF_CUSTOMER]),
    (INVOICES, REFUSED, Undocumented.BAD_REQUEST, [OF_CUSTOMER], [OF_CUSTOMER]),
    (INVOICES, None, Undocumented.ON, [BY_NUMBER], [BY_NUMBER]),
    (INVOICES, None, Undocumented.IGNORED, [BY_NUMBER], [BY_NUMBER]),
    (INVOICES, None, Undocumented.BAD_REQUEST, [BY_NUMBER, OF_CUSTOMER], [BY_NUMBER, OF_CUSTOMER]),
    # A twin of equal date and amount is in Zoho already: the documented way reads it, too.
    (BY_REFERENCE, HONOURED, Undocumented.ON, [REFERENCE], [REFERENCE, DOCUMENTED, READ_TWIN]),
    (BY_REFERENCE, IGNORED, Undocumented.IGNORED, [DOCUMENTED, READ_TWIN], [DOCUMENTED, READ_TWIN]),
    (BY_REFERENCE, REFUSED, Undocumented.BAD_REQUEST, [DOCUMENTED, READ_TWIN], [DOCUMENTED, READ_TWIN]),
    (BY_REFERENCE, None, Undocumented.ON, [DOCUMENTED, READ_TWIN], [DOCUMENTED, READ_TWIN]),
    (BY_CUSTOMER, HONOURED, Undocumented.ON, [PAYER], [PAYER, DOCUMENTED, READ_TWIN]),
    (BY_CUSTOMER, IGNORED, Undocumented.IGNORED, [DOCUMENTED, READ_TWIN], [DOCUMENTED, READ_TWIN]),
    (BY_CUSTOMER, REFUSED, Undocumented.BAD_REQUEST, [DOCUMENTED, READ_TWIN], [DOCUMENTED, READ_TWIN]),
    (BY_CUSTOMER, None, Undocumented.ON, [DOCUMENTED, READ_TWIN], [DOCUMENTED, READ_TWIN]),
]
OPENING = {"customers": [], "invoices": ["POST /invoices/*/converttoopen"], "payments": []}


@pytest.mark.parametrize(("look_up", "answer", "feature", "finds", "misses"), CASES)
async def test_a_look_takes_the_cheapest_form_and_the_record_is_there_once(
    host: Host,
    billing: Billing,
    zoho: RunningSimulator,
    new_process: NewProcess,
    process: Process,
    customer: UUID,
    look_up: LookUp,
    answer: str | None,
    feature: Undocumented,
    finds: list[str],
    misses: list[str],
) -> None:
    if look_up.records == "payments":
        billing.payment(customer, None, "100.00")
        await process.turns_until_quiet()
    if answer is not None:
        answered(host, zoho.organisation, {look_up.question: answer})
    look_up.play(zoho, feature)
    async with new_process() as sender:
        row = look_up.add(host, billing, customer, 3)
        await lose(sender, zoho, FaultKind.DONE_THEN_LOST, look_up.records, row)
        await look_twice(sender, row)
        read = f"GET /{look_up.records}/*"
        assert asked(zoho) == [*finds, read, *OPENING[look_up.records]]
        is_in_zoho_once(billing, zoho, look_up, row)
        if look_up.records == "payments":
            # The payment that was just found is another of that day and amount.
            misses = [*misses, READ_TWIN]
        row = look_up.add(host, billing, customer, 4)
        await lose(sender, zoho, FaultKind.LOST_THEN_NOT_DONE, look_up.records, row)
        await look_twice(sender, row)
        assert asked(zoho) == [*misses, *misses, f"POST /{look_up.records}", *OPENING[look_up.records]]
        is_in_zoho_once(billing, zoho, look_up, row)


@pytest.mark.parametrize(
    ("answer", "feature"),
    [(answer, feature) for answer, true in PLAYED.items() for feature in Undocumented if feature is not true],
)
@pytest.mark.parametrize("look_up", LOOK_UPS, ids=lambda look_up: look_up.question)
async def test_an_answer_that_is_no_longer_true_does_no_harm(
    host: Host,
    billing: Billing,
    zoho: RunningSimulator,
    new_process: NewProcess,
    customer: UUID,
    look_up: LookUp,
    answer: str,
    feature: Undocumented,
) -> None:
    answered(host, zoho.organisation, {look_up.question: answer})
    look_up.play(zoho, feature)
    async with new_process() as sender:
        for number, kind in enumerate((FaultKind.DONE_THEN_LOST, FaultKind.LOST_THEN_NOT_DONE), start=3):
            row = look_up.add(host, billing, customer, number)
            await lose(sender, zoho, kind, look_up.records, row)
            await look_twice(sender, row)
            is_in_zoho_once(billing, zoho, look_up, row)
    assert zoho.statistics.count_of_creates(look_up.records) == 4


@pytest.mark.parametrize(("look_up", "first"), [(BY_REFERENCE, REFERENCE), (BY_CUSTOMER, PAYER)])
async def test_a_list_of_payments_that_shows_anothers_is_left_at_once_for_the_documented_one(
    host: Host,
    billing: Billing,
    zoho: RunningSimulator,
    new_process: NewProcess,
    customer: UUID,
    look_up: LookUp,
    first: str,
) -> None:
    answered(host, zoho.organisation, {look_up.question: HONOURED})
    look_up.play(zoho, Undocumented.IGNORED)
    async with new_process() as sender:
        payment = billing.payment(customer, None, "100.00")
        await lose(sender, zoho, FaultKind.DONE_THEN_LOST, "payments", payment)
        await look_twice(sender, payment)
        is_in_zoho_once(billing, zoho, look_up, payment)
    assert asked(zoho) == [first, DOCUMENTED, READ]


@pytest.mark.parametrize(
    ("by_reference", "by_customer", "looks"),
    [
        (HONOURED, HONOURED, [REFERENCE, READ]),
        (HONOURED, IGNORED, [REFERENCE, READ]),
        (HONOURED, REFUSED, [REFERENCE, READ]),
        (IGNORED, HONOURED, [PAYER, READ]),
        (REFUSED, HONOURED, [PAYER, READ]),
        (IGNORED, IGNORED, [DOCUMENTED, READ]),
        (REFUSED, REFUSED, [DOCUMENTED, READ]),
    ],
)
async def test_of_two_answers_about_payments_the_narrower_filter_that_is_honoured_is_taken(
    host: Host,
    billing: Billing,
    zoho: RunningSimulator,
    new_process: NewProcess,
    customer: UUID,
    by_reference: str,
    by_customer: str,
    looks: list[str],
) -> None:
    answers = {Question.PAYMENTS_BY_REFERENCE: by_reference, Question.PAYMENTS_BY_CUSTOMER: by_customer}
    answered(host, zoho.organisation, answers)
    async with new_process() as sender:
        payment = billing.payment(customer, None, "100.00")
        await lose(sender, zoho, FaultKind.DONE_THEN_LOST, "payments", payment)
        await look_twice(sender, payment)
        is_in_zoho_once(billing, zoho, BY_REFERENCE, payment)
    assert asked(zoho) == looks


@pytest.mark.parametrize("look_up", [BY_REFERENCE, BY_CUSTOMER], ids=lambda look_up: look_up.question)
async def test_a_payment_whose_reference_number_was_changed_in_zoho_is_not_made_again(
    host: Host, billing: Billing, zoho: RunningSimulator, new_process: NewProcess, customer: UUID, look_up: LookUp
) -> None:
    answered(host, zoho.organisation, {look_up.question: HONOURED})
    async with new_process() as sender:
        payment = billing.payment(customer, None, "100.00")
        await lose(sender, zoho, FaultKind.DONE_THEN_LOST, "payments", payment)
        zoho.simulator.edit(
            "payments", record_of(zoho, "payments", payment)["payment_id"], {"reference_number": "by hand"}
        )
        await look_twice(sender, payment)
        is_in_zoho_once(billing, zoho, look_up, payment)
    assert zoho.statistics.count_of_creates("payments") == 3


@pytest.mark.parametrize(
    ("organisation", "seconds_ago", "first"),
    [
        (None, 0.0, EVERYBODY),
        (None, OLDEST_SECONDS - 60, EVERYBODY),
        (None, OLDEST_SECONDS + 1, BY_EMAIL),
        ("another", 0.0, BY_EMAIL),
    ],
)
async def test_only_this_organisations_answers_of_the_last_months_count(
    host: Host,
    zoho: RunningSimulator,
    new_process: NewProcess,
    organisation: str | None,
    seconds_ago: float,
    first: str,
) -> None:
    answers = {Question.CUSTOMERS_BY_EMAIL: IGNORED}
    answered(host, organisation or zoho.organisation, answers, seconds_ago=seconds_ago)
    async with new_process() as sender:
        customer = host.add_customer()
        await lose(sender, zoho, FaultKind.DONE_THEN_LOST, "customers", customer)
        await look_twice(sender, customer)
    assert asked(zoho)[0] == first


async def test_subscriptions_are_found_by_the_documented_filter_whatever_was_probed(
    host: Host, billing: Billing, zoho: RunningSimulator, new_process: NewProcess, customer: UUID, fibre: UUID
) -> None:
    answered(host, zoho.organisation, {look_up.question: IGNORED for look_up in LOOK_UPS})
    async with new_process() as sender:
        service = billing.service(customer, fibre)
        await lose(sender, zoho, FaultKind.DONE_THEN_LOST, "subscriptions", service)
        await look_twice(sender, service)
    assert asked(zoho)[0] == "GET /subscriptions?reference_contains"
    assert len(held(zoho, "subscriptions")) == 1
    assert billing.shown(service) == ("synced", None)


async def test_no_create_is_sent_again_before_a_list_would_show_the_first(
    host: Host, zoho: RunningSimulator, new_process: NewProcess
) -> None:
    lag = RECHECK_SECONDS + 60
    answered(host, zoho.organisation, {Question.LIST_LAG: f"{lag:.0f}"})
    async with new_process() as sender:
        customer = host.add_customer()
        await lose(sender, zoho, FaultKind.LOST_THEN_NOT_DONE, "customers", customer)
        await sender.turn_later(customer, FIRST_LOOK_SECONDS + 1)
        assert await sender.turn_later(customer, RECHECK_SECONDS + 1) == []
        # An edit makes it due at once, and is no reason to look too early.
        host.execute("UPDATE public.customers SET phone = '+27 21 555 0199' WHERE id = %s", [customer])
        await sender.turn()
        assert asked(zoho) == [BY_EMAIL]
        await sender.turn_later(customer, 60)
    assert asked(zoho) == [BY_EMAIL, BY_EMAIL, "POST /customers"]
    assert host.shown(customer) == ("synced", None)


async def test_a_recheck_that_is_longer_than_the_lag_stays_as_it_is(
    host: Host, zoho: RunningSimulator, new_process: NewProcess
) -> None:
    answered(host, zoho.organisation, {Question.LIST_LAG: "1"})
    async with new_process() as sender:
        customer = host.add_customer()
        await lose(sender, zoho, FaultKind.LOST_THEN_NOT_DONE, "customers", customer)
        await sender.turn_later(customer, FIRST_LOOK_SECONDS + 1)
        assert await sender.turn_later(customer, RECHECK_SECONDS - 5) == []
        await sender.turn_later(customer, 6)
    assert asked(zoho) == [BY_EMAIL, BY_EMAIL, "POST /customers"]


def test_the_filters_are_called_as_the_questions_are() -> None:
    assert {each.name for each in fields(Known)} < set(Question)
    for each in fields(Known):
        if each.name != "list_lag":
            known = known_by({each.name: HONOURED, "day_limit": "5000"})
            assert [one.name for one in fields(known) if getattr(known, one.name) is Filter.HONOURED] == [each.name]


@pytest.mark.parametrize(
    ("stored", "seconds"),
    [("0", 0), ("15", 15), (">30", LONGEST_LAG_SECONDS), ("99999", LONGEST_LAG_SECONDS), ("soon", 0), ("", 0)],
)
def test_a_lag_is_read_as_seconds(stored: str, seconds: int) -> None:
    assert known_by({Question.LIST_LAG: stored}).list_lag == seconds


def test_a_word_that_nobody_knows_here_is_as_good_as_none() -> None:
    assert known_by({Question.CUSTOMERS_BY_EMAIL: ACCEPTED, Question.INVOICES_BY_NUMBER: "HONOURED "}) == Known()


async def test_the_answers_are_read_at_the_first_need_and_seldom_again(
    host: Host, process: Process, zoho: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = RecentAnswers(process.engine.database, zoho.organisation)
    known = Probed(answers)
    assert (await known.complete(TERMS)).known == Known()
    answered(host, zoho.organisation, {Question.INVOICES_BY_NUMBER: REFUSED})
    assert (await known.complete(TERMS)).known == Known()
    monkeypatch.setattr(probed, "MEMORY_SECONDS", 0.0)
    fresh = Probed(answers)
    assert (await fresh.complete(TERMS)).known == Known(invoices_by_number=Filter.REFUSED)
    host.interfere("DELETE FROM zoho_outbox_private.probe_answer")
    assert (await fresh.complete(TERMS)).known == Known()
