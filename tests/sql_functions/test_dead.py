"""zoho_outbox_dead: dead letters by cause (interface.md, SQL)."""

from typing import LiteralString
from uuid import UUID

import psycopg
import pytest

from outbox.store.protocol import OutboxStore
from tests.host.shapes import API_ROLES
from tests.migration.migrated import DAEMON
from tests.sql_functions.asking import ask, died, sent
from tests.store.conftest import claim_all
from tests.store.host import Host, Row

pytestmark = pytest.mark.anyio

ALL: LiteralString = "SELECT * FROM public.zoho_outbox_dead"
REQUEST = {"method": "POST", "path": "/customers", "body": {"customer_id": "46"}}
REPLY = {"http_status": 400, "code": 3062}


async def die(host: Host, store: OutboxStore, reasons: list[str], first: int = 1) -> list[UUID]:
    """Customers, dead of one reason each, in the order of their deaths."""
    customers = [host.add_customer(number) for number in range(first, first + len(reasons))]
    claims = {claim.entity_id: claim for claim in await claim_all(store)}
    for customer, reason in zip(customers, reasons, strict=True):
        verdict = died(
            claims[customer], reason, zoho_code=3062, request_payload=REQUEST | {"of": reason}, response_payload=REPLY
        )
        await store.settle([verdict])
    return customers


def letters(host: Host) -> list[Row]:
    return ask(host, ALL)


async def test_rows_that_died_of_the_same_are_one_line_with_the_newest_as_its_example(
    host: Host, store: OutboxStore
) -> None:
    reasons = [f'HTTP 400, code 3062: the customer "Meadow {number}" of INV-{number} exists' for number in (1, 2, 3)]
    customers = await die(host, store, reasons)
    (line,) = letters(host)
    assert (line["entity_type"], line["dead"], line["cause"]) == (
        "customer",
        3,
        "HTTP 400, code 3062: the customer … of … exists",
    )
    assert (line["example_entity"], line["last_error"]) == (customers[2], reasons[2])
    assert line["example"] == "customer CT-2025-09003"
    assert line["example_entry"] == host.entry(customers[2])["id"]
    assert (line["zoho_code"], line["failure_class"], line["attempts"]) == (3062, "permanent", 1)
    assert (line["request_payload"]["of"], line["response_payload"]) == (reasons[2], REPLY)
    assert line["oldest"] < line["newest"]
    for step in (f"zoho_outbox_replay_entity('customer', '{customers[2]}')", "zoho_outbox_replay_dead('customer')"):
        assert step in line["what_to_do"]


async def test_causes_are_told_apart_the_most_frequent_first(host: Host, store: OutboxStore) -> None:
    await die(host, store, ["code 4: no e-mail", "code 11: no tax of 15 %", "code 11: no tax of 20 %"])
    assert [(line["cause"], line["dead"]) for line in letters(host)] == [
        ("code 11: no tax of … %", 2),
        ("code 4: no e-mail", 1),
    ]


async def test_what_was_replayed_or_set_aside_or_sent_is_no_letter_any_more(host: Host, store: OutboxStore) -> None:
    first, second, third = await die(host, store, ["code 4: no e-mail"] * 3)
    ask(host, "SELECT * FROM public.zoho_outbox_skip(%s, 'a duplicate')", host.entry(first)["id"])
    assert [line["dead"] for line in letters(host)] == [2]
    ask(host, "SELECT * FROM public.zoho_outbox_replay_dead()")
    for number, claim in enumerate(await claim_all(store)):
        await store.settle([sent(claim, zoho_id=str(number))])
    assert letters(host) == []
    assert [host.shown(customer)[0] for customer in (second, third)] == ["synced", "synced"]


async def test_the_payload_of_an_earlier_death_is_not_shown(host: Host, store: OutboxStore) -> None:
    (customer,) = await die(host, store, ["code 4: no e-mail"])
    host.interfere("UPDATE public.zoho_sync_logs SET created_at = created_at - interval '1 hour'")
    (line,) = letters(host)
    assert (line["last_error"], line["request_payload"], line["zoho_code"]) == ("code 4: no e-mail", None, None)
    assert line["example_entity"] == customer


async def test_a_letter_whose_row_is_gone_is_named_by_its_id(host: Host, store: OutboxStore) -> None:
    (customer,) = await die(host, store, ["code 4: no e-mail"])
    host.execute("DELETE FROM public.customers")
    assert [line["example"] for line in letters(host)] == [f"customer {customer}"]


async def test_the_daemon_reads_it_and_no_role_of_the_host_does(host: Host, store: OutboxStore) -> None:
    await die(host, store, ["code 4: no e-mail"])
    with host.connect(DAEMON) as connection:
        assert len(connection.execute(ALL).fetchall()) == 1
    for role in API_ROLES:
        with psycopg.connect(host.database.superuser_dsn) as connection:
            connection.execute(f"SET ROLE {role}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(ALL)
