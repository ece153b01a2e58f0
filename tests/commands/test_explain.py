"""``explain`` as a person types it."""

from uuid import uuid4

import pytest

from daemon.command_line import DONE, FAILED
from tests.commands.conftest import Console, Host
from tests.migration.migrated import OPERATOR

pytestmark = pytest.mark.anyio


async def test_the_whole_story_of_a_row(console: Console, host: Host) -> None:
    entity_id = host.customer("CT-2025-00015")
    assert (await console.type("sync", "customer", "CT-2025-00015")).code == DONE
    said = await console.type("explain", "customer", "CT-2025-00015")
    assert (said.code, said.err) == (DONE, "")
    first, second, *_ = said.out.splitlines()
    assert first == f"customer CT-2025-00015  ({entity_id})"
    assert second.startswith("  in sync since ")
    told = (await console.type("explain", "customer", str(entity_id), "--json")).json
    assert sorted(told) == ["attempts", "entity_id", "entity_type", "entries", "named", "row", "state", "verdict"]
    assert told["named"] == "customer CT-2025-00015"
    (entry,) = told["entries"]
    assert (entry["status"], entry["outcome"], entry["origin"]) == ("done", "sent", "trigger")
    (attempt,) = told["attempts"]
    assert (attempt["status"], attempt["api_calls"], attempt["zoho_code"]) == ("success", 1, 0)
    assert attempt["duration_ms"] >= 0
    assert told["row"]["sync_status"] == "synced"
    assert told["state"]["zoho_id"] == told["row"]["zoho_id"]


async def test_it_shows_no_personal_data(bare_console: Console, host: Host) -> None:
    host.customer("CT-1", first_name="Leopoldine", email="leopoldine@example.com")
    for words in (["explain", "customer", "CT-1"], ["explain", "customer", "CT-1", "--json"]):
        assert "eopoldine" not in (await bare_console.type(*words)).out


async def test_a_skipped_row_shows_the_entry_that_no_attempt_was_made_for(console: Console, host: Host) -> None:
    host.customer("CT-1", account_type="internal_test")
    assert (await console.type("sync", "customer", "CT-1")).code == FAILED
    told = (await console.type("explain", "customer", "CT-1", "--json")).json
    assert told["verdict"].startswith("skipped: internal_test account")
    assert [(entry["status"], entry["outcome"]) for entry in told["entries"]] == [("skipped", "ineligible")]
    assert told["attempts"] == []


async def test_an_operator_asks_by_uuid_where_the_host_table_is_closed(bare_console: Console, host: Host) -> None:
    entity_id = host.customer("CT-1")
    host.rows("REVOKE ALL ON public.customers FROM zoho_outbox_operator")
    host.rows("REVOKE ALL (id, account_number) ON public.customers FROM zoho_outbox_operator")
    said = await bare_console.type("explain", "customer", str(entity_id), role=OPERATOR)
    assert said.code == DONE
    assert "pending: its last change was captured" in said.out
    assert "row       this role may not read it" in said.out
    by_number = await bare_console.type("explain", "customer", "CT-1", role=OPERATOR)
    assert (by_number.code, by_number.out) == (FAILED, "")
    assert by_number.err.startswith(f"role {OPERATOR} may not read public.customers, so 'CT-1' cannot be looked up: ")


async def test_unknown_rows_are_refused_by_name(bare_console: Console) -> None:
    by_number = await bare_console.type("explain", "customer", "CT-2025-99999")
    assert (by_number.code, by_number.out, by_number.err) == (
        FAILED,
        "",
        "there is no customer with the account number 'CT-2025-99999': check it\n",
    )
    unknown = uuid4()
    by_id = await bare_console.type("explain", "customer", str(unknown))
    assert (by_id.code, by_id.out) == (FAILED, "")
    assert by_id.err == f"there is no customer {unknown}, and there never was since installation: check it\n"


async def test_a_type_that_is_not_sent_is_refused(bare_console: Console) -> None:
    said = await bare_console.type("explain", "invoice", str(uuid4()))
    assert (said.code, said.out) == (FAILED, "")
    assert said.err.startswith("invoices are not sent by this version of zoho-outbox, only customers")


async def test_a_deleted_row_still_has_its_story(console: Console, host: Host) -> None:
    entity_id = host.customer("CT-1")
    assert (await console.type("sync", "customer", "CT-1")).code == DONE
    host.rows("DELETE FROM public.customers")
    assert (await console.type("sync", "customer", str(entity_id))).code == FAILED
    said = await console.type("explain", "customer", str(entity_id))
    assert said.code == DONE
    assert "skipped: host row deleted, Zoho customer " in said.out
    assert "row       not there" in said.out
