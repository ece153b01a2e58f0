"""``backfill --undo`` as a person types it: the plan first, then the books as they were."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from daemon.command_line import DONE, FAILED, INTERRUPTED, WRONG_USE
from outbox.simulator import FaultKind, RunningSimulator
from tests.commands.conftest import Console, Host, Said, ended, until
from tests.host.databases import Database
from tests.host.shapes import HostShape
from tests.sending.billing import PLAN, Billing, held, record_of
from tests.store.host import Host as Application

pytestmark = pytest.mark.anyio

COLLECTIONS = ("customers", "subscriptions", "invoices", "payments")


@pytest.fixture
def application(migrated_database: Database) -> Iterator[Application]:
    with Application(migrated_database) as application:
        yield application


@pytest.fixture
def billing(application: Application) -> Billing:
    return Billing(application)


class People:
    """Customers from before the installation, each with a service, an invoice and its payment."""

    def __init__(
        self, application: Application, billing: Billing, host: Host, zoho: RunningSimulator, count: int
    ) -> None:
        zoho.simulator.plant_plan(plan_code=PLAN, recurring_price=Decimal("899.00"))
        package = billing.package()
        self.customers = application.add_customers(count)
        self.services = [billing.service(customer, package) for customer in self.customers]
        self.invoices = [billing.invoice(customer) for customer in self.customers]
        self.payments = [
            billing.payment(customer, invoice) for customer, invoice in zip(self.customers, self.invoices, strict=True)
        ]
        host.forget_captures()

    @property
    def rows(self) -> list[UUID]:
        return [*self.customers, *self.services, *self.invoices, *self.payments]


def counts(zoho: RunningSimulator) -> list[int]:
    """Records in Zoho's books, in the order of :data:`COLLECTIONS`."""
    return [len(held(zoho, name)) for name in COLLECTIONS]


def pause(host: Host) -> None:
    host.rows("SELECT zoho_outbox_pause('the wrong tax')")


async def backfilled(console: Console) -> None:
    said = await console.type("backfill")
    assert said.code == DONE, said


def left(said: Said) -> list[tuple[str, str]]:
    """What was left, by name, with its reason."""
    return [(each["named"], each["why"]) for each in said.json["done"] if each["what"] == "left"]


def becoming(plan: dict[str, Any], becomes: str) -> set[str]:
    """Ids of the rows that become it."""
    return {record["id"] for record in plan["records"] if record["becomes"] == becomes}


def deletions(zoho: RunningSimulator) -> list[str]:
    """Kinds of record that were deleted, in order, each once."""
    kinds = [line.path.split("/")[-2] for line in zoho.simulator.journal if line.method == "DELETE"]
    return list(dict.fromkeys(kinds))


async def test_what_a_mixed_backfill_created_goes_and_what_it_adopted_stays_and_it_can_be_done_again(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people = People(application, billing, host, zoho, 5)
    there_before = [
        zoho.simulator.plant_customer(display_name=f"Anna Meadow{number}", email=f"anna.meadow{number}@example.com")
        for number in (1, 2)
    ]
    await backfilled(console)
    assert counts(zoho) == [5, 5, 5, 5]
    assert [billing.zoho_id(customer) for customer in people.customers[:2]] == there_before

    # The plan tells all of it and changes nothing.
    requests, before = zoho.statistics.requests, host.rows("SELECT * FROM zoho_outbox_private.entity_state ORDER BY 1")
    told = await console.type("backfill", "--undo", "--json")
    assert told.code == DONE, told
    assert told.json["counts"] == {
        "payment": {"remove": 5},
        "invoice": {"remove": 5},
        "subscription": {"remove": 5},
        "customer": {"remove": 3, "let_go": 2},
    }
    assert becoming(told.json, "let_go") == {str(customer) for customer in people.customers[:2]}
    assert becoming(told.json, "remove") == {str(row) for row in people.rows[2:]}
    assert (zoho.statistics.requests, counts(zoho)) == (requests, [5, 5, 5, 5])
    assert host.rows("SELECT * FROM zoho_outbox_private.entity_state ORDER BY 1") == before
    in_words = await console.type("backfill", "--undo")
    assert "zoho-outbox pause" in in_words.out
    assert f"customer CT-2025-09003, Zoho {billing.zoho_id(people.customers[2])}: created by us" in in_words.out

    pause(host)
    paused = host.one("SELECT paused_at, paused_by, paused_why FROM zoho_outbox_private.organisation")
    said = await console.type("backfill", "--undo", "--yes")
    assert said.code == DONE, said
    assert [customer["customer_id"] for customer in held(zoho, "customers")] == there_before
    assert counts(zoho) == [2, 0, 0, 0]
    assert deletions(zoho) == ["payments", "invoices", "subscriptions", "customers"]
    # The rows know nothing of it any more, and say what was done.
    assert [billing.zoho_id(row) for row in people.rows] == [None] * 20
    assert host.rows("SELECT * FROM zoho_outbox_private.entity_state") == []
    assert {billing.shown(row)[0] for row in people.rows} == {"skipped"}
    assert "undo of the backfill by zoho_outbox_daemon" in billing.error(people.invoices[0])
    assert "the wrong tax" in billing.error(people.invoices[0])
    # Each deletion is in the log; sending is paused still.
    logged = host.rows(
        """
        SELECT entity_id FROM zoho_sync_logs
        WHERE status = 'success' AND request_payload ->> 'method' = 'DELETE' AND error_message LIKE 'undo of%deleted%'
        """
    )
    assert {row["entity_id"] for row in logged} == set(people.rows[2:])
    assert host.one("SELECT paused_at, paused_by, paused_why FROM zoho_outbox_private.organisation") == paused
    nothing = await console.type("backfill", "--undo")
    assert "no backfill has left anything to undo" in nothing.out

    host.rows("SELECT zoho_outbox_resume()")
    await backfilled(console)
    assert counts(zoho) == [5, 5, 5, 5]
    assert [billing.zoho_id(customer) for customer in people.customers[:2]] == there_before


async def test_it_refuses_while_sending_is_not_paused_and_says_what_to_type(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    People(application, billing, host, zoho, 1)
    await backfilled(console)
    said = await console.type("backfill", "--undo", "--yes")
    assert said.code == FAILED, said
    assert "zoho-outbox pause" in said.err
    assert counts(zoho) == [1, 1, 1, 1]


async def test_a_payment_that_was_made_by_hand_keeps_its_invoice_and_its_customer(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people = People(application, billing, host, zoho, 2)
    half = billing.invoice(people.customers[0])
    host.forget_captures()
    await backfilled(console)
    by_hand = zoho.simulator.plant_payment(
        customer_id=billing.zoho_id(people.customers[0]),
        amount=Decimal("100.00"),
        invoices=[{"invoice_id": billing.zoho_id(half), "amount_applied": Decimal("100.00")}],
    )
    pause(host)
    said = await console.type("backfill", "--undo", "--yes", "--json")
    assert said.code == FAILED, said
    (invoice, why_invoice), (customer, why_customer) = left(said)
    assert invoice.startswith("invoice CT-INV-")
    assert by_hand in why_invoice
    assert customer == "customer CT-2025-09001"
    assert by_hand in why_customer
    assert counts(zoho) == [1, 0, 1, 1]
    assert billing.zoho_id(half) == record_of(zoho, "invoices", half)["invoice_id"]
    assert billing.zoho_id(people.customers[0]) is not None
    assert billing.zoho_id(people.invoices[0]) is None


async def test_interrupted_and_begun_again_it_goes_on(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people = People(application, billing, host, zoho, 3)
    await backfilled(console)
    pause(host)
    # Zoho has deleted it, and nobody hears so.
    fault = zoho.faults.plant(FaultKind.HELD_AFTER, "DELETE", "/invoices/*", skip=1, times=None)
    with console.interruptible("backfill", "--undo", "--yes") as process:
        await zoho.until(lambda _: fault.fired > 0)
        process.send_signal(signal.SIGINT)
        fault.release()
        said = await ended(process)
    assert said.code == INTERRUPTED, said
    assert "Traceback" not in said.err
    zoho.faults.clear()
    assert counts(zoho) == [3, 3, 1, 0]
    assert host.one("SELECT paused_at FROM zoho_outbox_private.organisation")["paused_at"] is not None
    again = await console.type("backfill", "--undo", "--yes", "--json")
    assert again.code == DONE, again
    done = [(each["type"], each["what"]) for each in again.json["done"]]
    assert done == [
        ("invoice", "gone"),
        ("invoice", "deleted"),
        *[("subscription", "deleted")] * 3,
        *[("customer", "deleted")] * 3,
    ]
    assert counts(zoho) == [0, 0, 0, 0]
    assert [billing.zoho_id(row) for row in people.rows] == [None] * 12


async def test_whoever_ends_the_pause_stops_it(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    People(application, billing, host, zoho, 2)
    await backfilled(console)
    pause(host)
    fault = zoho.faults.plant(FaultKind.HELD_AFTER, "DELETE", "/payments/*", times=1)
    with console.interruptible("backfill", "--undo", "--yes") as process:
        await zoho.until(lambda _: fault.fired > 0)
        host.rows("SELECT zoho_outbox_resume()")
        fault.release()
        said = await ended(process)
    assert said.code == FAILED, said
    assert "stopped: " in said.out
    assert "the pause was ended" in said.out
    assert counts(zoho) == [2, 2, 2, 1]


@pytest.mark.slow
async def test_what_zoho_does_not_delete_is_ended_there_and_a_refusal_stops_nobody_else(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people = People(application, billing, host, zoho, 2)
    await backfilled(console)
    pause(host)
    payment, invoice, service = (
        billing.zoho_id(rows[0]) for rows in (people.payments, people.invoices, people.services)
    )
    other_invoice = billing.zoho_id(people.invoices[1])
    for path in (f"/payments/{payment}", f"/invoices/{other_invoice}", f"/subscriptions/{service}"):
        zoho.faults.plant(FaultKind.REFUSED, "DELETE", path, code=4036, message="cannot be deleted", times=None)
    said = await console.type("backfill", "--undo", "--yes", "--json")
    assert said.code == FAILED, said
    what = {each["zoho_id"]: each["what"] for each in said.json["done"]}
    assert what[payment] == "left"
    assert what[invoice] == "left"
    assert what[service] == "cancelled"
    assert what[other_invoice] == "voided"
    assert record_of(zoho, "invoices", people.invoices[1])["status"] == "void"
    assert record_of(zoho, "subscriptions", people.services[0])["status"] == "cancelled"
    assert record_of(zoho, "customers", people.customers[1])["status"] == "inactive"
    (refused,) = host.rows("SELECT * FROM zoho_sync_logs WHERE status = 'failed'")
    assert (refused["entity_id"], refused["zoho_entity_id"]) == (people.payments[0], payment)
    assert refused["error_message"].startswith("undo of the backfill by zoho_outbox_daemon (paused by ")
    # Said again, it comes to the end.
    zoho.faults.clear()
    again = await console.type("backfill", "--undo", "--yes")
    assert again.code == DONE, again
    assert [customer["status"] for customer in held(zoho, "customers")] == ["inactive"]


@pytest.mark.slow
async def test_what_was_born_live_stays_and_so_does_what_it_hangs_on(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people = People(application, billing, host, zoho, 2)
    adopted = zoho.simulator.plant_customer(display_name="Anna Meadow1", email="anna.meadow1@example.com")
    await backfilled(console)
    born = [billing.invoice(customer) for customer in people.customers]
    for invoice in born:
        assert (await console.type("sync", "invoice", str(invoice))).code == DONE
    pause(host)
    told = await console.type("backfill", "--undo", "--json")
    assert not {str(invoice) for invoice in born} & {record["id"] for record in told.json["records"]}
    said = await console.type("backfill", "--undo", "--yes", "--json")
    assert said.code == FAILED, said
    assert [named for named, _ in left(said)] == ["customer CT-2025-09002", "customer CT-2025-09001"]
    assert counts(zoho) == [2, 0, 2, 0]
    assert [billing.zoho_id(customer) is not None for customer in people.customers] == [True, True]
    assert billing.zoho_id(people.customers[0]) == adopted


@pytest.mark.slow
async def test_what_the_backfill_has_not_sent_yet_is_set_aside(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people = People(application, billing, host, zoho, 2)
    bad = application.add_customer(50, email="no address")
    waiting = billing.invoice(bad)
    host.forget_captures()
    assert (await console.type("backfill")).code == FAILED
    pause(host)
    told = await console.type("backfill", "--undo", "--json")
    assert becoming(told.json, "set_aside") == {str(bad), str(waiting)}
    said = await console.type("backfill", "--undo", "--yes")
    assert said.code == DONE, said
    assert counts(zoho) == [0, 0, 0, 0]
    assert host.rows("SELECT id FROM zoho_outbox WHERE finished_at IS NULL") == []
    assert billing.shown(bad)[0] == "skipped"
    assert people.customers


@pytest.mark.slow
async def test_a_daemon_that_runs_beside_it_sends_nothing_of_it_in_the_pause_or_after(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people = People(application, billing, host, zoho, 2)
    with console.interruptible("run") as daemon:
        await until(lambda: bool(host.rows("SELECT id FROM zoho_outbox_private.session")))
        await backfilled(console)
        pause(host)
        # An edit in the pause waits in the outbox: what was undone is not sent because of it.
        billing.change(people.customers[0], phone="+27 21 555 0199")
        said = await console.type("backfill", "--undo", "--yes")
        assert said.code == DONE, said
        assert counts(zoho) == [0, 0, 0, 0]
        host.rows("SELECT zoho_outbox_resume()")
        # The daemon is at work again, and has sent this one alone.
        live = application.add_customer(60)
        await until(lambda: billing.zoho_id(live) is not None)
        assert [customer["customer_id"] for customer in held(zoho, "customers")] == [billing.zoho_id(live)]
        assert (await ended(daemon, signal.SIGTERM)).code == DONE
    assert host.rows("SELECT id FROM zoho_outbox WHERE finished_at IS NULL") == []


@pytest.mark.slow
async def test_entries_that_a_person_replayed_are_the_backfills_still(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people = People(application, billing, host, zoho, 2)
    refused = str(people.payments[0])
    zoho.faults.plant(FaultKind.REFUSED, "POST", "/payments", body_contains=refused, code=4000, times=None)
    assert (await console.type("backfill")).code == FAILED
    zoho.faults.clear()
    assert (await console.type("retry-failed")).code == DONE
    assert counts(zoho) == [2, 2, 2, 2]
    told = await console.type("backfill", "--undo", "--json")
    assert becoming(told.json, "remove") == {str(row) for row in people.rows}


@pytest.mark.slow
async def test_nothing_is_undone_while_the_fate_of_a_create_is_unknown(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people = People(application, billing, host, zoho, 1)
    await backfilled(console)
    pause(host)
    host.rows("UPDATE zoho_outbox_private.entity_state SET fate_unknown_at = now() WHERE entity_type = 'payment'")
    requests = zoho.statistics.requests
    said = await console.type("backfill", "--undo", "--yes")
    assert said.code == FAILED, said
    assert "its fate is unknown" in said.err
    assert f"zoho-outbox sync payment {people.payments[0]}" in said.err
    assert zoho.statistics.requests == requests


@pytest.mark.slow
async def test_a_record_that_is_older_than_the_backfill_is_kept_whoever_says_that_we_created_it(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people = People(application, billing, host, zoho, 1)
    await backfilled(console)
    customer = billing.zoho_id(people.customers[0])
    assert customer is not None
    zoho.simulator.edit("customers", customer, {"created_time": "2020-01-01T10:00:00+0200"})
    pause(host)
    said = await console.type("backfill", "--undo", "--yes", "--json")
    assert said.code == DONE, said
    assert counts(zoho) == [1, 0, 0, 0]
    assert [each["what"] for each in said.json["done"]] == ["deleted", "deleted", "deleted", "kept"]
    assert billing.zoho_id(people.customers[0]) is None


async def test_what_a_person_entered_after_zoho_refused_our_create_is_left_to_a_person(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people = People(application, billing, host, zoho, 2)
    zoho.faults.plant(FaultKind.REFUSED, "POST", "/invoices", status=400, code=4001, message="no valid line item")
    assert (await console.type("backfill", "--skip-payments")).code == FAILED
    invoice = host.one("SELECT entity_id FROM zoho_outbox_private.entity_state WHERE phase = 'dead'")["entity_id"]
    customer = people.customers[people.invoices.index(invoice)]
    row = host.one("SELECT invoice_number, total_amount, invoice_date FROM customer_invoices WHERE id = %s", [invoice])
    by_hand = zoho.simulator.plant_invoice(
        customer_id=billing.zoho_id(customer),
        invoice_number=row["invoice_number"],
        total=row["total_amount"],
        date=str(row["invoice_date"]),
    )
    zoho.simulator.edit("invoices", by_hand, {"created_time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")})
    zoho.faults.clear()
    assert (await console.type("retry-failed")).code == DONE
    assert billing.zoho_id(invoice) == by_hand
    pause(host)

    async def undone() -> None:
        said = await console.type("backfill", "--undo", "--yes", "--json")
        assert said.code == FAILED, said
        assert becoming(said.json["plan"], "left") == {str(invoice)}
        assert "whether we made it cannot be told" in dict(left(said))[f"invoice {row['invoice_number']}"]
        assert [record["invoice_id"] for record in held(zoho, "invoices")] == [by_hand]
        assert billing.zoho_id(invoice) == by_hand

    await undone()
    # A replay writes over what the entry says.
    host.rows("UPDATE zoho_outbox SET last_error = NULL, revision = revision + 1 WHERE entity_id = %s", [invoice])
    await undone()
    # What is older than the backfill is known not to be ours.
    zoho.simulator.edit("invoices", by_hand, {"created_time": "2020-01-01T10:00:00+0200"})
    await console.type("backfill", "--undo", "--yes")
    assert (billing.zoho_id(invoice), len(held(zoho, "invoices"))) == (None, 1)


@pytest.mark.slow
async def test_what_was_adopted_because_the_answer_to_our_create_was_lost_is_ours(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people = People(application, billing, host, zoho, 1)
    zoho.faults.plant(FaultKind.DONE_THEN_CUT, "POST", "/invoices", times=1)
    await backfilled(console)
    (entry,) = host.rows("SELECT last_error FROM zoho_outbox WHERE entity_id = %s", [people.invoices[0]])
    assert entry["last_error"].startswith(f"adopted Zoho invoice {billing.zoho_id(people.invoices[0])}, ")
    pause(host)
    told = await console.type("backfill", "--undo", "--json")
    assert becoming(told.json, "remove") == {str(row) for row in people.rows}
    assert (await console.type("backfill", "--undo", "--yes")).code == DONE
    assert counts(zoho) == [0, 0, 0, 0]


async def test_a_record_without_our_key_is_nobodys_to_delete(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people = People(application, billing, host, zoho, 1)
    await backfilled(console)
    payment = billing.zoho_id(people.payments[0])
    assert payment is not None
    zoho.simulator.edit("payments", payment, {"reference_number": "somebody else's"})
    pause(host)
    said = await console.type("backfill", "--undo", "--yes", "--json")
    assert said.code == FAILED, said
    assert "does not carry this row's key" in left(said)[0][1]
    assert counts(zoho) == [1, 0, 1, 1]


@pytest.mark.slow
async def test_a_token_that_may_not_delete_stops_it_and_forbids_nobody_to_send(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    People(application, billing, host, zoho, 1)
    await backfilled(console)
    pause(host)
    zoho.faults.plant(FaultKind.UNAUTHORISED_57, "DELETE", "/payments/*", times=None)
    said = await console.type("backfill", "--undo", "--yes")
    assert said.code == FAILED, said
    assert "stopped: the refresh token may not delete (ZohoSubscriptions.payments.DELETE" in said.out
    assert counts(zoho) == [1, 1, 1, 1]
    assert host.one("SELECT forbidden_at FROM zoho_outbox_private.organisation")["forbidden_at"] is None


@pytest.mark.slow
async def test_a_row_that_an_application_holds_is_named_and_forgets_the_next_time(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    people = People(application, billing, host, zoho, 1)
    await backfilled(console)
    pause(host)
    with application.transaction() as connection:
        connection.execute("UPDATE customer_invoices SET notes = 'busy' WHERE id = %s", [people.invoices[0]])
        said = await console.type("backfill", "--undo", "--yes", "--json")
    assert said.code == FAILED, said
    assert [named for named, _ in left(said)] == ["invoice CT-INV-00001"]
    assert "run it again" in left(said)[0][1]
    assert counts(zoho) == [0, 0, 0, 0]
    again = await console.type("backfill", "--undo", "--yes", "--json")
    assert again.code == DONE, again
    assert [each["what"] for each in again.json["done"]] == ["gone"]
    assert billing.zoho_id(people.invoices[0]) is None


@pytest.mark.slow
@pytest.mark.parametrize("migrated_database", [HostShape(columns="november_2025")], indirect=True)
async def test_a_host_of_november_2025_is_undone_too(
    application: Application, billing: Billing, host: Host, console: Console, zoho: RunningSimulator
) -> None:
    customers = application.add_customers(2)
    host.forget_captures()
    adopted = zoho.simulator.plant_customer(display_name="Anna Meadow1", email="anna.meadow1@example.com")
    await backfilled(console)
    assert counts(zoho)[0] == 2
    pause(host)
    said = await console.type("backfill", "--undo", "--yes")
    assert said.code == DONE, said
    assert [customer["customer_id"] for customer in held(zoho, "customers")] == [adopted]
    assert [billing.zoho_id(customer) for customer in customers] == [None, None]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [["--yes"], ["--json"], ["--undo", "--dry-run"], ["customers", "--undo"], ["--undo", "--skip-payments"]],
    ids=" ".join,
)
async def test_options_that_do_not_go_together_are_wrong_use(console: Console, words: list[str]) -> None:
    said = await console.type("backfill", *words)
    assert said.code == WRONG_USE
    assert "--undo" in said.err
