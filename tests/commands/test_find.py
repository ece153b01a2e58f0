"""``find``: what Zoho does not hold, and why."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import simplejson

from daemon.command_line import DONE, FAILED
from outbox.commands.find import Kind, Target, Wanted, is_left_out, judge
from outbox.entities.contract import CannotMap, Desired, Prerequisite
from outbox.simulator import RunningSimulator
from outbox.store.standing import Captured
from outbox.vocabulary import Awaited, Phase
from tests.commands.conftest import Console, Host, Said
from tests.host.databases import Database
from tests.host.shapes import HostShape
from tests.migration.migrated import OPERATOR

pytestmark = pytest.mark.anyio

STATE = "SELECT * FROM zoho_outbox_private.entity_state WHERE entity_id = %s"


def found(said: Said) -> list[dict[str, Any]]:
    """The objects of --json, one a line."""
    assert said.code == DONE, said
    return [simplejson.loads(line) for line in said.out.splitlines()]


async def test_rows_that_zoho_holds_and_rows_that_are_not_eligible_are_not_named(console: Console, host: Host) -> None:
    host.customer("CT-1")
    host.customer("CT-2", account_type="internal_test")
    assert (await console.type("sync", "customer", "CT-1")).code == DONE
    # A captured change that makes no difference to Zoho.
    host.rows("UPDATE public.customers SET first_name = 'Anna', last_name = 'Meadow'")
    said = await console.type("find", "customer")
    assert (said.code, said.out, said.err) == (DONE, "", "0 of 1 eligible row\n")


async def test_each_row_that_zoho_does_not_hold_has_one_line_and_one_reason(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    numbers = ("CT-1", "CT-2", "CT-3", "CT-4", "CT-5")
    ids = {number: host.customer(number) for number in numbers}
    host.rows("UPDATE public.customers SET first_name = '', last_name = ' ' WHERE account_number = 'CT-1'")
    for number in ("CT-1", "CT-2", "CT-3", "CT-4"):
        await console.type("sync", "customer", number)
    host.rows("UPDATE public.customers SET phone = '1' WHERE account_number = 'CT-2'")
    host.rows("ALTER TABLE public.customers DISABLE TRIGGER USER")
    host.rows("UPDATE public.customers SET phone = '2' WHERE account_number = 'CT-3'")
    host.rows("UPDATE public.customers SET zoho_billing_customer_id = '999' WHERE account_number = 'CT-4'")
    never = host.customer("CT-6")
    host.rows("ALTER TABLE public.customers ENABLE TRIGGER USER")

    requests = zoho.statistics.requests
    said = await console.type("find", "customer")
    assert (said.code, said.err) == (DONE, "6 of 6 eligible rows\n")
    lines = {line.partition(" (")[0]: line for line in said.out.splitlines()}
    assert len(lines) == 6
    assert lines["customer CT-1"].startswith(f"customer CT-1 ({ids['CT-1']}): dead: the customer has no name")
    assert lines["customer CT-2"].startswith(f"customer CT-2 ({ids['CT-2']}): pending since ")
    assert lines["customer CT-2"].endswith(": captured, and not taken up yet")
    assert lines["customer CT-5"].startswith(f"customer CT-5 ({ids['CT-5']}): pending since ")
    assert ": synced 20" in lines["customer CT-3"]
    assert ", and the row differs now: " in lines["customer CT-3"]
    assert ": its Zoho id is 999, another than the known 46" in lines["customer CT-4"]
    assert lines["customer CT-6"].startswith(f"customer CT-6 ({never}): never captured: ")

    findings = {finding["named"]: finding for finding in found(await console.type("find", "customer", "--json"))}
    assert {named: finding["kind"] for named, finding in findings.items()} == {
        "customer CT-1": "dead",
        "customer CT-2": "pending",
        "customer CT-3": "differs",
        "customer CT-4": "other_id",
        "customer CT-5": "pending",
        "customer CT-6": "never_captured",
    }
    assert sorted(findings["customer CT-3"]) == ["entity_id", "entity_type", "kind", "named", "reason", "zoho_id"]
    known = host.one(STATE, [ids["CT-4"]])["zoho_id"]
    assert (findings["customer CT-4"]["zoho_id"], findings["customer CT-6"]["zoho_id"]) == (known, None)
    assert zoho.statistics.requests == requests


async def test_a_child_that_waits_says_for_whom(console: Console, host: Host) -> None:
    customer = host.customer("CT-1")
    host.invoice(customer, "INV-1")
    host.invoice(customer, "INV-2", status="draft")
    host.invoice(customer, "INV-3", status="voided")
    host.invoice(customer, "INV-4", invoice_type="recurring")
    await console.type("sync", "invoice", "INV-1")
    told = {each["named"]: each["reason"] for each in found(await console.type("find", "invoice", "--json"))}
    # A void one waits, too: whether Zoho has it can be asked only with the customer's id there.
    assert sorted(told) == ["invoice INV-1", "invoice INV-3"]
    assert told["invoice INV-1"] == "waiting for customer CT-1"
    assert (await console.type("sync", "customer", "CT-1")).code == DONE
    assert (await console.type("sync", "invoice", "INV-1")).code == DONE
    said = await console.type("find", "invoice")
    assert (said.out, said.err) == ("", "0 of 1 eligible row\n")


async def test_what_was_read_of_zoho_never_is_not_compared(console: Console, host: Host) -> None:
    entity_id = host.invoice(host.customer("CT-1"), "INV-1", zoho_billing_invoice_id="46001")
    host.forget_captures()
    host.rows(
        """
        INSERT INTO zoho_outbox_private.entity_state (entity_type, entity_id, phase, zoho_id, sent_hash)
        SELECT 'invoice', id, 'idle', '46001', 'a:open' FROM public.customer_invoices
        UNION ALL SELECT 'customer', id, 'idle', '46002', 'a:active' FROM public.customers
        """
    )
    said = await console.type("find", "invoice")
    assert (said.code, said.out) == (DONE, "")
    assert said.err.startswith(
        "0 of 1 eligible row\n1 row in Zoho not compared: Zoho's taxes or plans were not read yet"
    )
    host.rows(
        "INSERT INTO zoho_outbox_private.catalogue (kind, content) VALUES ('taxes', %s)",
        ['[{"tax_id": "1", "tax_name": "VAT", "tax_percentage": 15, "tax_type": "tax"}]'],
    )
    (differing,) = found(await console.type("find", "invoice", "--json"))
    assert (differing["entity_id"], differing["kind"], differing["zoho_id"]) == (str(entity_id), "differs", "46001")


async def test_a_row_that_cannot_be_held_is_named_and_hides_no_neighbour(console: Console, host: Host) -> None:
    customer = host.customer("CT-1")
    broken = host.invoice(customer, "INV-1", invoice_date="20000-01-01", due_date="20000-01-01")
    host.invoice(customer, "INV-2")
    kinds = {each["named"]: each["kind"] for each in found(await console.type("find", "invoice", "--json"))}
    assert kinds == {f"invoice {broken}": "pending", "invoice INV-2": "pending"}
    host.forget_captures()
    kinds = {each["named"]: each["kind"] for each in found(await console.type("find", "invoice", "--json"))}
    assert kinds == {f"invoice {broken}": "unreadable", "invoice INV-2": "never_captured"}


@pytest.mark.parametrize("migrated_database", [HostShape(rows=True, columns="november_2025")], indirect=True)
async def test_every_type_is_searched_on_a_host_of_november_2025(
    migrated_database: Database, console: Console, host: Host
) -> None:
    expected = {"customer": 6, "subscription": 3, "invoice": 0, "payment": 2}
    for entity_type, rows in expected.items():
        findings = found(await console.type("find", entity_type, "--json"))
        assert [finding["kind"] for finding in findings] == ["never_captured"] * rows
    host_bills = await console.type("find", "invoice", "--json", ZOHO_RECURRING_BILLING="host")
    assert len(found(host_bills)) == 3


async def test_many_pages_are_read(console: Console, host: Host) -> None:
    host.rows(
        """
        INSERT INTO public.customers (first_name, last_name, email, phone, account_number)
        SELECT 'Anna', 'Meadow', number || '@example.com', '1', 'CT-' || number FROM generate_series(1, 1001) AS number
        """
    )
    said = await console.type("find", "customer", "--json")
    assert said.err == "1001 of 1001 eligible rows\n"
    ids = [UUID(each["entity_id"]) for each in found(said)]
    assert len(set(ids)) == 1001
    assert ids == sorted(ids)


async def test_an_operator_is_told_which_role_may_read_the_rows(console: Console, host: Host) -> None:
    host.customer("CT-1")
    said = await console.type("find", "customer", role=OPERATOR)
    assert (said.code, said.out) == (FAILED, "")
    assert said.err.startswith("the role in DATABASE_URL lacks a right")
    assert len(said.err.splitlines()) == 1


# The reasons, case by case.

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
WHEN = "2026-01-15 12:00:00 UTC"
DESIRED = Desired({"name": "Anna"}, "active", "key")
WANTED = Target(DESIRED, DESIRED.hash)
IN_SYNC = Captured(
    phase=Phase.IDLE,
    due_at=NOW,
    attempts=1,
    zoho_id="46001",
    sent_hash=DESIRED.hash,
    sent_at=NOW,
    fate_unknown_at=None,
    leased_at=None,
    last_error=None,
    shown_status="synced",
    id_not_written=False,
    waiting_for=None,
)
NOT_THERE = replace(IN_SYNC, zoho_id=None, sent_hash=None, sent_at=None, shown_status=None)
ELSEWHERE = Prerequisite(Awaited.CUSTOMER, UUID(int=1), "customer CT-9")


@pytest.mark.parametrize("phase", list(Phase))
def test_what_zoho_was_told_to_the_letter_is_held_whatever_is_under_way(phase: Phase) -> None:
    assert judge("46001", replace(IN_SYNC, phase=phase), WANTED) is None
    assert judge(None, replace(IN_SYNC, phase=phase, id_not_written=True), WANTED) is None


@pytest.mark.parametrize(
    ("in_row", "state", "wanted", "kind", "reason"),
    [
        (None, None, WANTED, Kind.NEVER_CAPTURED, "never captured: it has not changed since installation"),
        (
            "46001",
            None,
            WANTED,
            Kind.NEVER_CAPTURED,
            "never captured: whether Zoho has it as 46001, as the row says, was never looked at",
        ),
        (
            None,
            replace(NOT_THERE, phase=Phase.LEASED, leased_at=NOW),
            WANTED,
            Kind.PROCESSING,
            f"being sent since {WHEN}",
        ),
        (None, replace(NOT_THERE, phase=Phase.READY), WANTED, Kind.PENDING, f"pending since {WHEN}"),
        (
            None,
            replace(NOT_THERE, phase=Phase.SCHEDULED, last_error="HTTP 500.\nLater"),
            WANTED,
            Kind.RETRYING,
            f"retrying at {WHEN} after: HTTP 500. Later",
        ),
        (
            None,
            replace(NOT_THERE, phase=Phase.SCHEDULED, last_error="lost", fate_unknown_at=NOW),
            WANTED,
            Kind.RETRYING,
            f"looked for again at {WHEN}, the fate of its create is unknown: lost",
        ),
        (
            None,
            replace(NOT_THERE, phase=Phase.WAITING, waiting_for="customer CT-9"),
            ELSEWHERE,
            Kind.WAITING,
            "waiting for customer CT-9",
        ),
        (None, replace(NOT_THERE, phase=Phase.DEAD, last_error="no name"), WANTED, Kind.DEAD, "dead: no name"),
        (
            None,
            replace(NOT_THERE, shown_status="skipped", last_error="draft"),
            WANTED,
            Kind.NOT_IN_ZOHO,
            "skipped: draft; it is eligible now",
        ),
        (
            None,
            NOT_THERE,
            WANTED,
            Kind.NOT_IN_ZOHO,
            "at rest and not in Zoho: its last entry was taken back before anything was sent",
        ),
        (
            "46002",
            NOT_THERE,
            WANTED,
            Kind.OTHER_ID,
            "its Zoho id is 46002, and no such record is known: the change of the id was not captured",
        ),
        (
            "46002",
            IN_SYNC,
            WANTED,
            Kind.OTHER_ID,
            "its Zoho id is 46002, another than the known 46001: the change of the id was not captured",
        ),
        (
            None,
            IN_SYNC,
            WANTED,
            Kind.OTHER_ID,
            "its Zoho id 46001 was cleared by hand: its next sending looks for it in Zoho first",
        ),
        (
            "46001",
            replace(IN_SYNC, sent_hash="0:active"),
            WANTED,
            Kind.DIFFERS,
            f"synced {WHEN} as 46001, and the row differs now: it was changed past the triggers, or a setting was",
        ),
        (
            "46001",
            replace(IN_SYNC, sent_hash="?:active"),
            WANTED,
            Kind.DIFFERS,
            f"synced {WHEN} as 46001, and what it was last told is in doubt",
        ),
        (
            "46001",
            replace(IN_SYNC, sent_hash=replace(DESIRED, lifecycle="inactive").hash, last_error="outstanding is 5"),
            WANTED,
            Kind.DIFFERS,
            f"synced {WHEN} as 46001, where it is inactive and is to be active (outstanding is 5)",
        ),
        ("46001", IN_SYNC, ELSEWHERE, Kind.DIFFERS, f"synced {WHEN} as 46001, and the row names customer CT-9 now"),
        (
            "46001",
            IN_SYNC,
            CannotMap("the customer has no name: give it one"),
            Kind.UNSENDABLE,
            f"synced {WHEN} as 46001, and the row as it is now cannot be sent: the customer has no name: give it one",
        ),
    ],
)
def test_every_way_of_not_being_held_has_its_reason(
    in_row: str | None, state: Captured | None, wanted: Wanted, kind: Kind, reason: str
) -> None:
    judged = judge(in_row, state, wanted)
    assert judged is not None
    assert (judged.kind, judged.reason) == (kind, reason)


def test_where_nobody_knows_what_zoho_should_hold_nothing_is_said_of_what_is_there() -> None:
    assert judge("46001", replace(IN_SYNC, sent_hash="0:active"), None) is None


def test_what_would_be_born_ended_is_not_missed() -> None:
    desired = replace(DESIRED, only_if_there="voided before it was ever in Zoho")
    ended = Target(desired, desired.hash)
    for state in (None, NOT_THERE, replace(NOT_THERE, phase=Phase.READY)):
        assert is_left_out(None, state, ended)
        assert not is_left_out("46001", state, ended)
        assert not is_left_out(None, state, WANTED)
    assert not is_left_out(None, replace(NOT_THERE, phase=Phase.DEAD), ended)
    assert not is_left_out(None, IN_SYNC, ended)
