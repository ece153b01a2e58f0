"""``retry-failed`` as a person types it, alone and beside a daemon."""

import signal
from uuid import UUID

import pytest

from daemon.command_line import DONE, FAILED
from outbox.simulator import FaultKind, RunningSimulator
from tests.commands.conftest import Console, Host, ended, until
from tests.migration.migrated import OPERATOR

pytestmark = pytest.mark.anyio

ENTRIES = "SELECT * FROM public.zoho_outbox WHERE entity_id = %s ORDER BY id"
NOTHING = "nothing is dead, and nothing is between attempts\n"


def phase(host: Host, entity_id: UUID) -> str:
    row = host.one("SELECT phase FROM zoho_outbox_private.entity_state WHERE entity_id = %s", [entity_id])
    return str(row["phase"])


async def refused(console: Console, host: Host, zoho: RunningSimulator, *numbers: str) -> list[UUID]:
    """Customers that died of a preference in Zoho, which is taken back."""
    zoho.settings.customers.email_required = True
    ids = [host.customer(number, email=f" {' ' * place}") for place, number in enumerate(numbers)]
    for number in numbers:
        assert (await console.type("sync", "customer", number)).code == FAILED
    assert {phase(host, entity_id) for entity_id in ids} == {"dead"}
    zoho.settings.customers.email_required = False
    return ids


async def postponed(console: Console, host: Host, zoho: RunningSimulator, number: str, changes: int = 0) -> UUID:
    """A customer that is to be tried again in hours, changed so many times before."""
    entity_id = host.customer(number)
    for change in range(changes):
        host.rows("UPDATE public.customers SET phone = %s WHERE id = %s", [str(change), entity_id])
    host.rows(
        "UPDATE public.zoho_outbox SET change = 'updated', revision = revision + 1 WHERE entity_id = %s", [entity_id]
    )
    zoho.faults.plant(FaultKind.BAD_GATEWAY_BEFORE, "GET", "/customers", times=3)
    assert (await console.type("sync", "customer", number)).code == FAILED
    host.rows(
        """
        WITH late AS (
            UPDATE zoho_outbox_private.entity_state SET due_at = now() + interval '4 hours'
            WHERE entity_id = %(id)s AND phase = 'scheduled'
        )
        UPDATE public.zoho_outbox SET next_attempt_at = now() + interval '4 hours', revision = revision + 1
        WHERE entity_id = %(id)s
        """,
        {"id": entity_id},
    )
    assert phase(host, entity_id) == "scheduled"
    return entity_id


async def test_what_failed_is_reopened_and_sent_where_no_daemon_runs(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    (dead,) = await refused(console, host, zoho, "CT-1")
    late = await postponed(console, host, zoho, "CT-2")
    said = await console.type("retry-failed")
    assert said.code == DONE, said
    head, customers, *_ = said.out.splitlines()
    assert head.split() == ["type", "done", "skipped", "waiting", "dead", "pending"]
    assert customers.split() == ["customers", "2", "0", "0", "0", "0"]
    assert [phase(host, entity_id) for entity_id in (dead, late)] == ["idle", "idle"]
    for entity_id in (dead, late):
        (entry,) = host.rows(ENTRIES, [entity_id])
        assert (entry["status"], entry["outcome"], entry["attempts"]) == ("done", "sent", 1)
        assert (entry["origin"], entry["requested_by"]) == ("operator", "zoho_outbox_daemon")
    assert host.rows("SELECT * FROM zoho_outbox_private.session") == []
    assert (await console.type("retry-failed")).out == NOTHING


async def test_a_dry_run_tells_what_failed_and_why_and_changes_nothing(
    console: Console, bare_console: Console, host: Host, zoho: RunningSimulator
) -> None:
    first, second = await refused(console, host, zoho, "CT-1", "CT-2")
    await postponed(console, host, zoho, "CT-3")
    before = host.rows("SELECT * FROM public.zoho_outbox ORDER BY id"), zoho.statistics.requests
    said = await bare_console.type("retry-failed", "--dry-run", role=OPERATOR)
    assert (said.code, said.err) == (DONE, "")
    head, customers, _, _, _, dead, retrying = said.out.splitlines()
    assert (head.split(), customers.split()) == (["type", "dead", "retrying"], ["customer", "2", "1"])
    assert dead.startswith("2 × customer dead: ")
    assert dead.endswith(f"give the customer an e-mail (customer {first})")
    assert retrying.startswith("customer pending: HTTP 502")
    assert (host.rows("SELECT * FROM public.zoho_outbox ORDER BY id"), zoho.statistics.requests) == before
    assert second != first


async def test_what_dies_again_is_told_with_its_reason_and_exit_1(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    await refused(console, host, zoho, "CT-1", "CT-2")
    zoho.settings.customers.email_required = True
    host.rows("UPDATE public.customers SET email = 'a@example.com' WHERE account_number = 'CT-2'")
    said = await console.type("retry-failed")
    assert said.code == FAILED
    assert said.out.splitlines()[1].split() == ["customers", "1", "0", "0", "1", "0"]
    assert "customer dead: " in said.out
    assert "give the customer an e-mail" in said.out


async def test_only_the_type_that_is_named_is_reopened(console: Console, host: Host, zoho: RunningSimulator) -> None:
    (dead,) = await refused(console, host, zoho, "CT-1")
    assert (await console.type("retry-failed", "--entity", "invoice")).out == NOTHING
    assert phase(host, dead) == "dead"
    assert (await console.type("retry-failed", "--entity", "customer")).code == DONE
    assert phase(host, dead) == "idle"


async def test_beside_a_daemon_that_sends_and_this_follows(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    (dead,) = await refused(console, host, zoho, "CT-1")
    with console.interruptible("run") as daemon:
        await until(lambda: bool(host.rows("SELECT id FROM zoho_outbox_private.session WHERE kind = 'daemon'")))
        said = await console.type("retry-failed")
        assert said.code == DONE, said
        assert phase(host, dead) == "idle"
        assert (await ended(daemon, signal.SIGTERM)).code == DONE
    assert zoho.statistics.count_of_creates("customers") == 1


async def test_of_several_entries_of_a_row_one_is_reopened_and_all_are_closed(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    entity_id = await postponed(console, host, zoho, "CT-1", changes=2)
    assert [entry["status"] for entry in host.rows(ENTRIES, [entity_id])] == ["pending", "pending", "pending"]
    said = await console.type("retry-failed")
    assert said.code == DONE, said
    assert said.out.splitlines()[1].split()[:2] == ["customers", "1"]
    entries = host.rows(ENTRIES, [entity_id])
    assert [entry["outcome"] for entry in entries] == ["superseded", "superseded", "sent"]
    assert [entry["origin"] for entry in entries] == ["trigger", "trigger", "operator"]


async def test_a_pause_is_named_and_nothing_is_reopened(console: Console, host: Host, zoho: RunningSimulator) -> None:
    (dead,) = await refused(console, host, zoho, "CT-1")
    host.rows("SELECT public.zoho_outbox_pause('month end')")
    said = await console.type("retry-failed")
    assert (said.code, said.out) == (FAILED, "")
    assert said.err.startswith("nothing was reopened, sending is paused since ")
    assert phase(host, dead) == "dead"
    off = await console.type("retry-failed", ENABLE_ZOHO_SYNC="false")
    assert (off.code, off.out) == (FAILED, "")
    assert off.err.startswith("ENABLE_ZOHO_SYNC is false")


async def test_what_waits_for_one_that_failed_is_sent_after_it(
    console: Console, host: Host, zoho: RunningSimulator
) -> None:
    (dead,) = await refused(console, host, zoho, "CT-1")
    payment = host.payment("NC-1", customer_id=dead)
    foreign = host.payment("NC-2", customer_id=dead, currency="USD")
    assert (await console.type("sync", "payment", "NC-1")).code == FAILED
    assert (await console.type("sync", "payment", "NC-2")).code == FAILED
    assert [phase(host, payment), phase(host, foreign)] == ["waiting", "dead"]
    host.rows("ALTER TABLE public.payment_transactions DISABLE TRIGGER USER")
    host.rows("UPDATE public.payment_transactions SET currency = 'ZAR'")
    said = await console.type("retry-failed")
    assert said.code == DONE, said
    assert phase(host, foreign) == "idle"
    assert phase(host, payment) != "waiting"
