"""``reconcile``: each kind of difference is found, and nothing else; what is safe is mended."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from outbox.commands.failures import CommandFailed
from outbox.commands.reconcile import Result, ShownFinding, reconcile
from outbox.reconciliation.run import Reconciliation, begin
from outbox.simulator import RunningSimulator
from outbox.store.reconciliation import ReconciliationStore
from outbox.vocabulary import EntityType
from tests.reconciliation.families import PLANTED, Planted, Town, an_invoice_by_hand
from tests.sending.billing import Billing, forget_requests
from tests.sending.conftest import NewProcess, Process, requests_to
from tests.store.host import Host

pytestmark = pytest.mark.anyio


@pytest.fixture
def town(host: Host, billing: Billing, zoho: RunningSimulator, fibre: UUID) -> Town:
    return Town(host, billing, zoho, fibre)


async def compared(process: Process, *types: EntityType, deep: bool = False, fix: bool = False) -> Result:
    """A whole run."""
    result = await reconcile(
        process.engine,
        types or tuple(EntityType),
        deep=deep,
        fix=fix,
        say=lambda _: None,
        show=lambda _: None,
    )
    assert result.stopped is None
    return result


def kinds(result: Result) -> Counter[tuple[str, str]]:
    return Counter((str(each.entity_type), str(each.kind)) for each in result.differences)


async def test_both_sides_agree_after_everything_was_sent(town: Town, process: Process) -> None:
    for _ in range(2):
        town.family()
    await process.turns_until_quiet()
    for deep in (False, True):
        result = await compared(process, deep=deep)
        assert result.is_clean, result.as_text()
        assert {each.entity_type: each.agree for each in result.by_type} == {
            EntityType.CUSTOMER: 2,
            EntityType.SUBSCRIPTION: 2,
            EntityType.INVOICE: 4,
            EntityType.PAYMENT: 2,
        }
        assert all(not each.difference for each in result.months)


class _Street:
    """A family for each mistake, and one beside each that nothing happened to."""

    def __init__(self, town: Town, chosen: dict[str, Planted]) -> None:
        self.bystanders = [town.family() for _ in range(3)]
        self.families = {name: town.family() for name in chosen}
        self._town = town
        self._chosen = chosen

    async def make_wrong(self, process: Process, seconds: float = 60) -> None:
        await process.turns_until_quiet(seconds)
        for name, planted in self._chosen.items():
            planted.mistake(self._town, self.families[name])
        await process.turns_until_quiet()

    def assert_bystanders_agree(self, result: Result) -> None:
        rows = {row for family in self.bystanders for row in family.rows}
        assert not rows & {each.entity_id for each in result.differences}
        assert result.not_compared == 0


async def test_lists_show_every_difference_by_its_kind_and_nothing_else(town: Town, process: Process) -> None:
    street = _Street(town, PLANTED)
    await street.make_wrong(process)
    result = await compared(process)
    listed = [planted for planted in PLANTED.values() if planted.listed]
    assert kinds(result) == Counter(pair for planted in listed for pair in planted.expected), result.as_text()
    street.assert_bystanders_agree(result)
    for month in result.months:
        assert month.difference == sum(share.theirs - share.ours for share in month.reasons)


async def test_records_show_the_rest_and_fix_leaves_only_what_needs_a_person(
    town: Town, process: Process, zoho: RunningSimulator
) -> None:
    street = _Street(town, PLANTED)
    await street.make_wrong(process)
    forget_requests(zoho)
    first = await compared(process, deep=True, fix=True)
    assert {request.split()[0] for request in requests_to(zoho)} == {"GET"}
    assert kinds(first) == Counter(pair for planted in PLANTED.values() for pair in planted.expected), first.as_text()
    street.assert_bystanders_agree(first)
    assert first.fixed == sum(each.mend == "enqueue" for each in first.differences)

    await process.turns_until_quiet()
    result = await compared(process)
    left = Counter(pair for planted in PLANTED.values() for pair in planted.expected if pair[1] not in planted.mended)
    assert kinds(result) == left, result.as_text()
    assert {each.mend for each in result.differences} == {"person"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_two_hundred_differences_among_ten_thousand_rows(
    town: Town, process: Process, zoho: RunningSimulator
) -> None:
    street = _Street(town, {f"{name} {number}": planted for number in range(6) for name, planted in PLANTED.items()})
    street.bystanders += [town.family() for _ in range(2000 - len(street.families) - len(street.bystanders))]
    await street.make_wrong(process, seconds=900)
    forget_requests(zoho)
    result = await compared(process)
    listed = [planted for planted in PLANTED.values() if planted.listed]
    expected = Counter(pair for planted in listed for pair in planted.expected * 6)
    assert expected.total() >= 200
    assert kinds(result) == expected, result.as_text()
    street.assert_bystanders_agree(result)
    assert result.requests == len(requests_to(zoho))
    # 200 records a page; what differs, and invoices and payments that no row knows, cost requests of their own.
    pages = sum(-(-each.listed // 200) for each in result.by_type)
    assert result.requests <= pages + 3 * expected.total()


@pytest.mark.slow
@pytest.mark.parametrize("deep", [False, True], ids=["by lists", "deep"])
@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
async def test_each_mistake_alone_makes_its_own_differences(
    town: Town, process: Process, planted: Planted, deep: bool
) -> None:
    street = _Street(town, {"alone": planted})
    await street.make_wrong(process)
    result = await compared(process, deep=deep)
    assert kinds(result) == (Counter(planted.expected) if deep or planted.listed else Counter()), result.as_text()


async def test_a_run_that_the_days_limit_ends_goes_on_the_next_time(
    town: Town, new_process: NewProcess, zoho: RunningSimulator
) -> None:
    async with new_process() as process:
        families = [town.family() for _ in range(3)]
        await process.turns_until_quiet()
    town.edit("customers", families[0].customer, phone="+27 11 555 9999")
    used = zoho.statistics.requests
    async with new_process(ZOHO_DAILY_REQUEST_LIMIT=str(used + 4), ZOHO_LIVE_RESERVE_PERCENT="0") as poor:
        first = await reconcile(
            poor.engine, tuple(EntityType), deep=True, fix=False, say=lambda _: None, show=lambda _: None
        )
    assert first.stopped is not None
    assert "goes on" in first.stopped
    assert not first.is_clean
    told: list[str] = []
    async with new_process() as process:
        second = await reconcile(
            process.engine, tuple(EntityType), deep=True, fix=False, say=told.append, show=lambda _: None
        )
    assert second.started_at == first.started_at
    assert told[0].startswith("going on")
    assert kinds(second) == Counter({("customer", "fields"): 1}), second.as_text()
    assert {each.entity_type: each.agree + each.differ for each in second.by_type} == {
        EntityType.CUSTOMER: 3,
        EntityType.SUBSCRIPTION: 3,
        EntityType.INVOICE: 6,
        EntityType.PAYMENT: 3,
    }


async def test_two_at_once_are_refused(town: Town, process: Process, new_process: NewProcess) -> None:
    town.family()
    await process.turns_until_quiet()
    store = ReconciliationStore(process.engine.database, process.engine.session)
    assert await store.start(tuple(EntityType), deep=False) is not None
    async with new_process() as other:
        with pytest.raises(CommandFailed, match="another zoho-outbox reconcile"):
            await compared(other)


async def test_rows_on_their_way_count_as_not_compared(town: Town, process: Process) -> None:
    family = town.family()
    await process.turns_until_quiet()
    town.billing.change(family.unpaid, due_date="2026-05-01")
    await process.engine.store.admit(100)
    result = await compared(process)
    assert (result.not_compared, result.is_clean, result.differences) == (1, False, [])
    (finding,) = [each for each in result.findings if each.finding == "not_compared"]
    assert finding.entity_id == family.unpaid
    assert finding.said.startswith("pending since")


async def test_a_clean_run_ends_looking_first(town: Town, host: Host, new_process: NewProcess) -> None:
    async with new_process() as process:
        town.family()
        await process.turns_until_quiet()
        host.interfere("UPDATE zoho_outbox_private.installation SET look_first_since = clock_timestamp()")
        only_customers = await compared(process, EntityType.CUSTOMER)
        assert only_customers.is_clean
        assert not only_customers.look_first_ended
        whole = await compared(process)
    assert whole.look_first_ended
    assert host.value("SELECT look_first_since FROM zoho_outbox_private.installation") is None


def test_cells_of_a_spreadsheet_are_no_formulas() -> None:
    finding = ShownFinding(
        EntityType.CUSTOMER, None, "1", "=HYPERLINK(1)", "difference", None, "+1", None, datetime.now(UTC), None
    )
    result = Result(datetime.now(UTC), None, False, 0, (), (finding,), ())
    _, line = result.as_csv().splitlines()
    assert line.startswith("customer,'=HYPERLINK(1),,1,difference,,'+1,")


async def test_explain_tells_what_the_latest_comparison_said(town: Town, process: Process) -> None:
    family = town.family()
    await process.turns_until_quiet()
    town.edit("invoices", family.unpaid, due_date="2026-06-30")
    await compared(process)
    told = town.host.value("SELECT public.zoho_explain('invoice', %s)", [family.unpaid])
    assert [(each["kind"], each["mend"]) for each in told["reconciled"]] == [("fields", "enqueue")]
    town.edit("invoices", family.unpaid, due_date="2026-04-09")
    await compared(process)
    assert town.host.value("SELECT public.zoho_explain('invoice', %s)", [family.unpaid])["reconciled"] == []


async def test_a_record_of_a_row_that_is_not_to_be_sent_is_named_and_keeps_creates_looking_first(
    town: Town, host: Host, new_process: NewProcess, zoho: RunningSimulator
) -> None:
    """Restored from a backup: the payment was completed and sent on the timeline that was lost."""
    async with new_process() as process:
        family = town.family()
        pending = town.billing.payment(family.customer, None, "230.00", status="pending")
        await process.turns_until_quiet()
        zoho.simulator.plant_payment(
            customer_id=town.zoho_id(family.customer),
            amount=Decimal("230.00"),
            date="2026-03-05",
            payment_mode="cash",
            reference_number=str(pending),
        )
        host.interfere("UPDATE zoho_outbox_private.installation SET look_first_since = clock_timestamp()")
        result = await compared(process)
    assert kinds(result) == Counter({("payment", "id_not_ours"): 1}), result.as_text()
    assert not result.look_first_ended


async def test_a_change_that_nobody_has_taken_up_yet_is_not_compared(town: Town, process: Process) -> None:
    town.host.add_customer(77)
    result = await compared(process, EntityType.CUSTOMER)
    assert (result.not_compared, result.differences) == (1, [])


async def test_what_was_set_aside_is_not_sent_again_by_fix(town: Town, process: Process) -> None:
    with town.past_the_triggers():
        customer = town.host.add_customer(77)
    town.host.interfere("UPDATE public.customers SET zoho_sync_status = 'skipped' WHERE id = %s", [customer])
    result = await compared(process, EntityType.CUSTOMER, fix=True)
    assert [(each.kind, each.mend) for each in result.differences] == [("missing_in_zoho", "person")]
    assert result.fixed == 0


async def test_sums_hold_what_is_missing_with_all_that_it_waits_for(town: Town, process: Process) -> None:
    with town.past_the_triggers():
        town.family()
    result = await compared(process)
    sums = {(f"{each.month:%Y-%m}", str(each.measure)): (each.ours, each.theirs) for each in result.months}
    assert sums["2026-03", "invoiced"] == (Decimal("1150.00"), Decimal(0))
    assert sums["2026-03", "paid"] == (Decimal("1150.00"), Decimal(0))


async def test_a_page_that_is_larger_than_the_days_share_is_finished_over_several_days(
    town: Town, host: Host, new_process: NewProcess
) -> None:
    async with new_process() as process:
        for _ in range(4):
            town.family()
        await process.turns_until_quiet()
    days = 0
    while True:
        days += 1
        host.interfere("UPDATE zoho_outbox_private.request_budget SET requests = 0")
        async with new_process(ZOHO_DAILY_REQUEST_LIMIT="5", ZOHO_LIVE_RESERVE_PERCENT="0") as poor:
            result = await reconcile(
                poor.engine, tuple(EntityType), deep=True, fix=False, say=lambda _: None, show=lambda _: None
            )
        if result.stopped is None or days == 12:
            break
    assert result.is_clean, result.as_text()
    assert sum(each.agree for each in result.by_type) == 20


async def test_a_list_that_is_too_old_is_compared_anew_and_nothing_counts_twice(
    town: Town, host: Host, process: Process
) -> None:
    family = town.family()
    await process.turns_until_quiet()
    an_invoice_by_hand(town, family)
    store = ReconciliationStore(process.engine.database, process.engine.session)
    run, _ = await begin(store, tuple(EntityType), deep=False)
    work = Reconciliation(process.engine, run, store, lambda _: None)
    part = (await store.parts(run.id))[EntityType.INVOICE]
    await work._type(part)
    host.interfere(
        "UPDATE zoho_outbox_private.reconciliation_part SET listed_from = now() - interval '8 days', stage = 'unknown'"
    )
    await store.leave(run.id)
    result = await compared(process)
    assert kinds(result) == Counter({("invoice", "unknown_here"): 1}), result.as_text()
    (unknown,) = [share for month in result.months for share in month.reasons if month.measure == "invoiced"]
    assert unknown.theirs == Decimal("77.00")
