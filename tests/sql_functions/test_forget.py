"""zoho_outbox_forget: a customer's personal data, blanked in what the sync has stored (interface.md, SQL)."""

from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from outbox.store import verdicts
from outbox.store.protocol import OutboxStore
from tests.host.shapes import HostShape
from tests.migration.migrated import DAEMON, OPERATOR
from tests.sql_functions.asking import ask, died, explain, failed, sent
from tests.store.conftest import claim_all, claim_one
from tests.store.host import Host, Row

pytestmark = pytest.mark.anyio

FORGET: LiteralString = "SELECT * FROM public.zoho_outbox_forget(%s, %s)"
WHY = "asked for by letter of 3 May"
BLANK = "(removed by zoho_outbox_forget)"
PERSON = "leopoldine"
PAYLOAD = {"body": {"display_name": PERSON, "customer_id": "46001"}}


def forget(host: Host, customer: UUID) -> dict[str, int]:
    return {row["what"]: row["changed"] for row in ask(host, FORGET, customer, WHY)}


async def known(host: Host, store: OutboxStore, number: int = 1, zoho_id: str = "46001") -> UUID:
    """A customer in Zoho of whom much is stored: a failure that names her, payloads, keys."""
    customer = host.add_customer(number)
    claim = await claim_one(store)
    assert await store.commit_intent(claim, f"{PERSON}@example.com")
    log: dict[str, Any] = {"request_payload": PAYLOAD, "response_payload": PAYLOAD}
    await store.settle([died(claim, f"the customer {PERSON} exists", **log)])
    host.change_customer(customer, phone="1")
    await store.settle([sent(await claim_one(store), zoho_id=zoho_id, **log)])
    return customer


def everything_stored(host: Host) -> str:
    """All that the sync holds, as text."""
    tables: list[LiteralString] = [
        "public.zoho_outbox",
        "public.zoho_sync_logs",
        "zoho_outbox_private.entity_state",
        "zoho_outbox_private.listed_record",
        "zoho_outbox_private.reconciliation_finding",
        "zoho_outbox_private.alert",
    ]
    found = ""
    for table in tables:
        query: LiteralString = "SELECT string_agg(row::text, ' ') AS found FROM " + table + " AS row"
        found += host.value(query) or ""
    return found


async def test_nothing_of_the_person_is_left_and_what_changed_is_told(host: Host, store: OutboxStore) -> None:
    customer = await known(host, store)
    assert PERSON in everything_stored(host)
    assert forget(host, customer) == {
        "zoho_sync_logs": 2,
        "zoho_outbox": 0,
        "entity_state": 1,
        "reconciliation_finding": 0,
        "alert": 0,
        "listed_record": 0,
        "listed_record left": 0,
    }
    assert PERSON not in everything_stored(host)
    first, second = host.logs(customer)
    assert (first["error_message"], first["request_payload"], first["response_payload"]) == (BLANK, None, None)
    assert (second["error_message"], second["request_payload"], second["status"]) == (None, None, "success")
    assert host.state(customer)["zoho_id"] == "46001", "what identifies the record stays"


async def test_it_is_recorded_who_when_and_why(host: Host, store: OutboxStore) -> None:
    customer = await known(host, store)
    changed = forget(host, customer)
    (record,) = host.rows("SELECT * FROM zoho_outbox_private.forgotten")
    assert (record["customer_id"], record["forgotten_by"], record["reason"]) == (customer, OPERATOR, WHY)
    assert record["changed"] == changed
    assert record["forgotten_at"] is not None
    for login in (DAEMON, OPERATOR):
        with host.connect(login) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM zoho_outbox_private.forgotten")


async def test_the_dashboard_s_person_is_recorded(host: Host, store: OutboxStore) -> None:
    customer = await known(host, store)
    with host.connect(DAEMON) as connection, connection.transaction():
        connection.execute("SELECT set_config('zoho_outbox.operator', 'alice', true)")
        connection.execute(FORGET, [customer, WHY])
    assert host.value("SELECT forgotten_by FROM zoho_outbox_private.forgotten") == "alice"


async def test_forgetting_twice_changes_nothing_more(host: Host, store: OutboxStore) -> None:
    customer = await known(host, store)
    forget(host, customer)
    assert set(forget(host, customer).values()) == {0}


async def test_others_keep_theirs(host: Host, store: OutboxStore) -> None:
    customer, other = await known(host, store), await known(host, store, 2, "46002")
    forget(host, customer)
    assert host.logs(other)[0]["error_message"] == f"the customer {PERSON} exists"
    assert host.state(other)["intent_keys"] == [f"{PERSON}@example.com"]


@pytest.mark.parametrize("migrated_database", [HostShape(rows=True)], indirect=True)
async def test_what_hangs_on_the_customer_is_blanked_too_also_where_the_host_has_it_no_longer(
    host: Host, store: OutboxStore
) -> None:
    (owner,) = host.rows(
        "SELECT invoice.customer_id, min(invoice.id::text)::uuid AS invoice FROM public.customer_invoices AS invoice "
        "GROUP BY invoice.customer_id ORDER BY count(*) DESC LIMIT 1"
    )
    customer, gone, stranger = owner["customer_id"], uuid4(), uuid4()
    host.interfere(
        "INSERT INTO zoho_outbox_private.entity_state (entity_id, entity_type, phase, zoho_id) "
        "VALUES (%s, 'customer', 'idle', '46001')",
        [customer],
    )
    theirs = {"invoice": owner["invoice"], "payment": uuid4(), "subscription": gone}
    host.interfere(
        "INSERT INTO public.payment_transactions (id, transaction_id, reference, provider, amount, "
        "customer_invoice_id) VALUES (%s, 'NC-77', 'x', 'netcash', 1, %s)",
        [theirs["payment"], owner["invoice"]],
    )
    rows: list[tuple[str, UUID, dict[str, Any]]] = [
        *((entity_type, entity_id, PAYLOAD) for entity_type, entity_id in theirs.items()),
        ("invoice", stranger, {"body": {"customer_id": "46002", "customer_name": "another"}}),
    ]
    for entity_type, entity_id, payload in rows:
        host.interfere(
            "INSERT INTO public.zoho_sync_logs (entity_type, entity_id, status, request_payload) "
            "VALUES (%s, %s, 'success', %s)",
            [entity_type, entity_id, Jsonb(payload)],
        )
    forget(host, customer)
    for entity_id in theirs.values():
        assert [row["request_payload"] for row in host.logs(entity_id)] == [None]
    assert host.logs(stranger)[0]["request_payload"] is not None


async def test_the_text_in_the_host_s_row_goes_with_the_next_write_back(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await store.settle([died(await claim_one(store), f"the customer {PERSON} exists")])
    assert PERSON in str(host.shown(customer))
    forget(host, customer)
    assert await store.write_back() == 1
    assert host.shown(customer) == ("failed", BLANK)
    assert host.entry(customer)["last_error"] == BLANK
    assert explain(host, customer)["where"] == "dead"


async def test_what_reconciliation_found_and_alerts_told_of_the_person_goes_too(host: Host, store: OutboxStore) -> None:
    customer, other = await known(host, store), await known(host, store, 2, "46002")
    host.interfere("INSERT INTO zoho_outbox_private.reconciliation (deep, entity_types) VALUES (false, '{customer}')")
    for entity_id, said in ((customer, f"the e-mail is {PERSON}@example.com there"), (other, "another's")):
        host.interfere(
            "INSERT INTO zoho_outbox_private.reconciliation_finding "
            "(run, entity_type, entity_id, named, finding, said) "
            "SELECT run.id, 'customer', %s, 'CT-1', 'remark', %s FROM zoho_outbox_private.reconciliation AS run",
            [entity_id, said],
        )
        host.interfere(
            "INSERT INTO zoho_outbox_private.alert (receiver, problem, said, entity_type, entity_ids) "
            "VALUES ('receiver', %s, %s, 'customer', %s)",
            [f"dead:{said}"[:9], said, [entity_id, uuid4()]],
        )
    changed = forget(host, customer)
    assert (changed["reconciliation_finding"], changed["alert"]) == (1, 1)
    for rows in (
        host.rows("SELECT said FROM zoho_outbox_private.reconciliation_finding ORDER BY id"),
        host.rows("SELECT said FROM zoho_outbox_private.alert ORDER BY first_told_at"),
    ):
        assert [row["said"] for row in rows] == [BLANK, "another's"]
    assert set(forget(host, customer).values()) == {0}


@pytest.mark.parametrize("migrated_database", [HostShape(rows=True)], indirect=True)
async def test_keys_that_are_ids_and_keep_something_from_being_done_twice_stay(host: Host) -> None:
    (row,) = host.rows(
        "SELECT invoice.customer_id, min(invoice.id::text)::uuid AS invoice FROM public.customer_invoices AS invoice "
        "GROUP BY invoice.customer_id ORDER BY count(*) DESC LIMIT 1"
    )
    customer, payment, service = row["customer_id"], uuid4(), uuid4()
    host.interfere(
        "INSERT INTO public.payment_transactions (id, transaction_id, reference, provider, amount, "
        "customer_invoice_id) VALUES (%s, 'NC-77', 'x', 'netcash', 1, %s)",
        [payment, row["invoice"]],
    )
    host.interfere(
        "INSERT INTO public.customer_services (id, customer_id, package_name, service_type, monthly_price, status) "
        "VALUES (%s, %s, 'Fibre', 'fibre', 799, 'active')",
        [service, customer],
    )
    theirs = {
        "customer": (customer, [f"{PERSON}@example.com"], []),
        "payment": (payment, [f"{payment} {PERSON}", "refund 49001"], ["refund 49001"]),
        "subscription": (service, [f"{service}#2"], [f"{service}#2"]),
    }
    for entity_type, (entity_id, keys, _) in theirs.items():
        host.interfere(
            "INSERT INTO zoho_outbox_private.entity_state (entity_id, entity_type, phase, intent_keys) "
            "VALUES (%s, %s, 'idle', %s)",
            [entity_id, entity_type, keys],
        )
    assert forget(host, customer)["entity_state"] == 2
    for entity_id, _, kept in theirs.values():
        assert host.state(entity_id)["intent_keys"] == kept
    assert forget(host, customer)["entity_state"] == 0


# Zoho's lists.


def list_of_customers(host: Host, *, complete: bool) -> None:
    listing = uuid4()
    for zoho_id, name in (("46001", PERSON), ("46002", "another")):
        host.interfere(
            "INSERT INTO zoho_outbox_private.listed_record (listing, zoho_id, found_by, record) "
            "VALUES (%s, %s, %s, %s)",
            [listing, zoho_id, [name], Jsonb({"customer_id": zoho_id, "display_name": name})],
        )
    if complete:
        host.interfere(
            "INSERT INTO zoho_outbox_private.listing (entity_type, listing, begun_at, records) "
            "VALUES ('customer', %s, now(), 2)",
            [listing],
        )


def listed(host: Host) -> list[Row]:
    return host.rows("SELECT zoho_id FROM zoho_outbox_private.listed_record ORDER BY zoho_id")


async def test_a_list_with_a_gap_goes_out_of_use(host: Host, store: OutboxStore) -> None:
    customer = await known(host, store)
    list_of_customers(host, complete=True)
    assert forget(host, customer)["listed_record"] == 1
    assert host.rows("SELECT * FROM zoho_outbox_private.listing") == []
    # Whoever found the list a moment ago and looks for another record in it finds it still.
    assert [row["zoho_id"] for row in listed(host)] == ["46002"]


async def test_a_list_that_does_not_name_the_customer_stays_in_use(host: Host, store: OutboxStore) -> None:
    customer = await known(host, store, zoho_id="46003")
    list_of_customers(host, complete=True)
    assert forget(host, customer)["listed_record"] == 0
    assert len(host.rows("SELECT * FROM zoho_outbox_private.listing")) == 1


async def test_of_a_list_that_is_being_read_nothing_is_taken_and_it_is_said(host: Host, store: OutboxStore) -> None:
    customer = await known(host, store)
    list_of_customers(host, complete=False)
    notices: list[str] = []
    with host.operator() as operator:
        operator.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
        rows = operator.execute(FORGET, [customer, WHY]).fetchall()
    assert {"what": "listed_record left", "changed": 1} in rows
    assert any("1 rows stay in a list" in notice for notice in notices)
    assert len(listed(host)) == 2


# Refusals.


@pytest.mark.parametrize("reason", [None, "", "  "])
async def test_forgetting_without_a_reason_is_refused(host: Host, store: OutboxStore, reason: str | None) -> None:
    customer = await known(host, store)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="needs a reason") as refusal:
        ask(host, FORGET, customer, reason)
    assert "zoho_outbox_forget(customer_id, 'why')" in str(refusal.value.diag.message_hint)


@pytest.mark.parametrize("unknown", [uuid4(), None])
async def test_a_customer_that_nobody_knows_is_refused(host: Host, unknown: UUID | None) -> None:
    with pytest.raises(psycopg.errors.NoDataFound, match="there is no customer") as refusal:
        ask(host, FORGET, unknown, WHY)
    assert "SELECT id, account_number FROM customers" in str(refusal.value.diag.message_hint)


async def test_what_is_being_sent_is_refused_by_name(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    with pytest.raises(
        psycopg.errors.ObjectNotInPrerequisiteState, match=f"customer {customer} is being sent now"
    ) as refusal:
        forget(host, customer)
    assert "Say it again after that" in str(refusal.value.diag.message_hint)
    await store.settle([sent(claim)])
    assert forget(host, customer)["entity_state"] == 0


async def test_a_create_of_unknown_fate_is_refused_because_its_keys_are_needed(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    claim = await claim_one(store)
    assert await store.commit_intent(claim, f"{PERSON}@example.com")
    await store.settle([failed(claim, "no answer")])
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="its fate is unknown") as refusal:
        forget(host, customer)
    assert "created twice" in str(refusal.value.diag.message_hint)
    assert host.state(customer)["intent_keys"] == [f"{PERSON}@example.com"]


async def test_what_somebody_else_holds_is_refused_at_once(host: Host, store: OutboxStore) -> None:
    customer = host.add_customer()
    await store.settle([died(await claim_one(store), "no")])
    with host.transaction(OPERATOR) as other:
        other.execute("SELECT * FROM public.zoho_outbox_skip(%s, 'why')", [host.entry(customer)["id"]])
        with pytest.raises(psycopg.errors.LockNotAvailable, match="works on it"):
            forget(host, customer)
    assert forget(host, customer)["zoho_outbox"] == 1


async def test_a_customer_whose_row_is_there_still_is_blanked_with_a_notice(host: Host, store: OutboxStore) -> None:
    customer = await known(host, store)
    notices: list[str] = []
    with host.operator() as operator:
        operator.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
        operator.execute(FORGET, [customer, WHY])
        host.execute("DELETE FROM public.customers")
        (deletion,) = await claim_all(store)
        await store.settle([verdicts.skipped(deletion, "host row deleted", read_zoho_id=None)])
        assert len(notices) == 1
        operator.execute(FORGET, [customer, WHY])
    (notice,) = notices
    assert "its row is in customers still" in notice
