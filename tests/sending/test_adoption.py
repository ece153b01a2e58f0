"""Records that are in Zoho already: found, adopted, refused, or left to a person."""

from typing import Any
from uuid import UUID

import pytest

from outbox.simulator import RunningSimulator
from outbox.vocabulary import Change, EntityType, Origin, Urgency
from tests.sending.conftest import (
    NewProcess,
    Process,
    creates_in,
    customers_in,
    requests_to,
    the_customer_in,
)
from tests.store.host import Host

pytestmark = pytest.mark.anyio


def from_before(host: Host, **columns: Any) -> UUID:
    """A customer whose row was there before the installation: no entry, no state row."""
    customer = host.add_customer(**columns)
    host.interfere("ALTER TABLE public.zoho_outbox DISABLE TRIGGER USER")
    host.interfere("DELETE FROM public.zoho_outbox WHERE entity_id = %s", [customer])
    host.interfere("ALTER TABLE public.zoho_outbox ENABLE TRIGGER USER")
    return customer


async def backfill(process: Process, *customers: UUID) -> None:
    await process.engine.store.enqueue(
        [(EntityType.CUSTOMER, customer) for customer in customers],
        change=Change.UPDATED,
        origin=Origin.BACKFILL,
        urgency=Urgency.BACKFILL,
    )
    await process.turn()


def planted(zoho: RunningSimulator, **fields: Any) -> str:
    """A customer that somebody made in Zoho by hand."""
    return zoho.simulator.plant_customer(
        **{"display_name": "Anna Meadow1", "email": "anna.meadow1@example.com", **fields}
    )


def external_id(customer: object) -> list[dict[str, str]]:
    return [{"label": "External ID", "value": str(customer)}]


class TestByHand:
    async def test_the_right_id_is_adopted_and_brought_up_to_date(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = from_before(host)
        zoho_id = planted(zoho)
        host.change_customer(customer, zoho_billing_customer_id=zoho_id)
        await process.turn()
        assert host.shown(customer) == ("synced", None)
        assert creates_in(zoho) == 0
        record = the_customer_in(zoho)
        assert record["display_name"] == "Anna Meadow1 [CT-2025-09001]"
        assert {row["label"]: row["value"] for row in record["custom_fields"]}["External ID"] == str(customer)
        assert host.entry(customer)["last_error"] == f"adopted Zoho customer {zoho_id}"
        assert requests_to(zoho)[0] == f"GET /customers/{zoho_id}"

    async def test_one_that_is_up_to_date_is_not_written_to(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = host.add_customer()
        await process.turn()
        zoho_id = the_customer_in(zoho)["customer_id"]
        host.interfere("DELETE FROM zoho_outbox_private.entity_state")
        host.change_customer(customer, zoho_billing_customer_id=None)
        host.change_customer(customer, zoho_billing_customer_id=zoho_id)
        await process.turn()
        assert requests_to(zoho)[1:] == [f"GET /customers/{zoho_id}"]
        assert host.entries(customer)[-1]["outcome"] == "unchanged"
        assert host.shown(customer) == ("synced", None)

    async def test_a_record_with_another_name_and_email_is_refused_and_never_written_to(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = from_before(host)
        zoho_id = planted(zoho, display_name="Somebody Else", email="else@example.com")
        host.change_customer(customer, zoho_billing_customer_id=zoho_id)
        await process.turn()
        status, error = host.shown(customer)
        assert status == "failed"
        assert error is not None
        assert "another name or e-mail" in error
        assert requests_to(zoho) == [f"GET /customers/{zoho_id}"]

    async def test_another_rows_record_is_refused_and_the_row_is_named(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        owner = host.add_customer(1)
        await process.turn()
        zoho_id = the_customer_in(zoho)["customer_id"]
        customer = host.add_customer(2)
        host.change_customer(customer, zoho_billing_customer_id=zoho_id)
        await process.turn()
        status, error = host.shown(customer)
        assert status == "failed"
        assert str(owner) in str(error)
        assert the_customer_in(zoho)["display_name"] == "Anna Meadow1 [CT-2025-09001]"

    async def test_an_id_that_does_not_exist_is_refused(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = from_before(host)
        host.change_customer(customer, zoho_billing_customer_id="123")
        await process.turn()
        status, error = host.shown(customer)
        assert status == "failed"
        assert "Zoho has no customer 123" in str(error)

    async def test_no_id_at_all_is_refused_without_harm(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = from_before(host)
        host.change_customer(customer, zoho_billing_customer_id="../invoices?x=1")
        await process.turn()
        assert host.shown(customer)[0] == "failed"
        assert creates_in(zoho) == 0

    async def test_the_right_id_after_the_wrong_one_is_adopted(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = from_before(host)
        host.change_customer(customer, zoho_billing_customer_id="123")
        await process.turn()
        host.change_customer(customer, zoho_billing_customer_id=planted(zoho))
        await process.turn()
        assert host.shown(customer) == ("synced", None)

    async def test_the_known_id_after_a_wrong_one_makes_the_row_well_again(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = host.add_customer()
        await process.turn()
        zoho_id = the_customer_in(zoho)["customer_id"]
        host.change_customer(customer, zoho_billing_customer_id="123")
        await process.turn()
        assert host.shown(customer)[0] == "failed"
        host.change_customer(customer, zoho_billing_customer_id=zoho_id)
        await process.turn()
        assert host.shown(customer) == ("synced", None)
        assert creates_in(zoho) == 1

    async def test_a_cleared_id_is_looked_for_before_anything_is_created(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = host.add_customer()
        await process.turn()
        zoho_id = the_customer_in(zoho)["customer_id"]
        host.change_customer(customer, zoho_billing_customer_id=None)
        assert await process.turn() == []
        host.change_customer(customer, phone="2")
        await process.turn()
        assert creates_in(zoho) == 1
        assert host.customer(customer)["zoho_billing_customer_id"] == zoho_id
        assert the_customer_in(zoho)["phone"] == "2"

    async def test_an_id_set_during_a_create_is_looked_at_after_it(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = host.add_customer()
        store = process.engine.store
        await store.admit(100)
        other = planted(zoho, display_name="Somebody Else", email="else@example.com")
        await process.turn()
        ours = host.customer(customer)["zoho_billing_customer_id"]
        host.change_customer(customer, zoho_billing_customer_id=other)
        await process.turn()
        assert host.customer(customer)["zoho_billing_customer_id"] == other
        assert host.shown(customer)[0] == "failed"
        assert host.state(customer)["zoho_id"] == ours


class TestDeletedInZoho:
    async def test_an_update_of_a_deleted_record_is_dead_and_says_what_to_do(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = host.add_customer()
        await process.turn()
        zoho_id = the_customer_in(zoho)["customer_id"]
        zoho.simulator.remove("customers", zoho_id)
        host.change_customer(customer, phone="2")
        await process.turn()
        status, error = host.shown(customer)
        assert status == "failed"
        assert zoho_id in str(error)
        assert "Clear the id" in str(error)
        # Which is what the operator does; the entry is replayed.
        host.change_customer(customer, zoho_billing_customer_id=None)
        host.replay(host.entries(customer)[-1]["id"])
        await process.turn()
        assert host.shown(customer) == ("synced", None)
        assert host.customer(customer)["zoho_billing_customer_id"] == the_customer_in(zoho)["customer_id"] != zoho_id


class TestRowsFromBefore:
    async def test_one_that_is_not_in_zoho_is_created_after_a_look(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = from_before(host)
        await backfill(process, customer)
        assert requests_to(zoho) == ["GET /customers", "POST /customers"]
        assert host.shown(customer) == ("synced", None)

    async def test_one_with_equal_email_and_name_is_adopted(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = from_before(host)
        zoho_id = planted(zoho, display_name="ANNA  meadow1", email="Anna.Meadow1@Example.com")
        await backfill(process, customer)
        assert host.customer(customer)["zoho_billing_customer_id"] == zoho_id
        assert creates_in(zoho) == 0

    async def test_one_whose_own_name_ends_in_brackets_is_adopted(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = from_before(host, business_name="Quarry Trading [Pty] (Ltd) [Cape Town]")
        zoho_id = planted(zoho, display_name="Quarry Trading [Pty] (Ltd) [Cape Town]")
        await backfill(process, customer)
        assert host.customer(customer)["zoho_billing_customer_id"] == zoho_id
        assert creates_in(zoho) == 0

    @pytest.mark.parametrize(
        "fields",
        [
            {"email": "another@example.com"},
            {"display_name": "Anna Other"},
            {"display_name": "Anna Meadow1 [CT-2025-00001]", "first_name": "Anna", "last_name": "Meadow1"},
            {"custom_fields": external_id("00000000-0000-4000-8000-000000000001")},
        ],
        ids=["another e-mail", "another name", "another key", "another row's External ID"],
    )
    async def test_a_similar_one_is_another_customer(
        self, host: Host, zoho: RunningSimulator, process: Process, fields: dict[str, Any]
    ) -> None:
        customer = from_before(host)
        zoho_id = planted(zoho, **fields)
        await backfill(process, customer)
        assert creates_in(zoho) == 1
        assert host.customer(customer)["zoho_billing_customer_id"] != zoho_id
        assert host.shown(customer) == ("synced", None)

    async def test_our_key_with_another_rows_external_id_is_left_to_a_person(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = from_before(host)
        stranger = "00000000-0000-4000-8000-000000000001"
        planted(
            zoho,
            display_name="Anna Meadow1 [CT-2025-09001]",
            email="stranger@example.com",
            custom_fields=external_id(stranger),
        )
        await backfill(process, customer)
        status, error = host.shown(customer)
        assert status == "failed"
        assert stranger in str(error)
        assert creates_in(zoho) == 0

    async def test_two_namesakes_are_left_to_a_person_and_both_are_named(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = from_before(host)
        twins = [planted(zoho), planted(zoho)]
        await backfill(process, customer)
        status, error = host.shown(customer)
        assert status == "failed"
        assert all(twin in str(error) for twin in twins)
        assert creates_in(zoho) == 0

    async def test_two_rows_that_resemble_one_record_do_not_share_it(
        self, host: Host, zoho: RunningSimulator, new_process: NewProcess
    ) -> None:
        first = from_before(host, email="office@example.com", business_name="Quarry")
        second = from_before(host, email="office2@example.com", business_name="Quarry", account_number="CT-2025-09002")
        zoho_id = planted(zoho, display_name="Quarry", email="office@example.com")
        async with new_process(ZOHO_EXTERNAL_ID_FIELD="none") as process:
            await backfill(process, first)
            zoho.simulator.edit("customers", zoho_id, {"display_name": "Quarry", "email": "office2@example.com"})
            await backfill(process, second)
        assert host.shown(first) == ("synced", None)
        assert host.customer(second)["zoho_billing_customer_id"] != zoho_id


class TestLookFirst:
    async def test_a_restored_database_looks_before_every_create(
        self, host: Host, zoho: RunningSimulator, new_process: NewProcess
    ) -> None:
        async with new_process() as process:
            forgotten = host.add_customer(1)
            await process.turn()
        # The backup knows the row, and nothing of its having been sent.
        host.interfere("UPDATE zoho_outbox_private.installation SET timeline = timeline + 1")
        host.interfere(
            "UPDATE zoho_outbox_private.entity_state SET phase = 'ready', zoho_id = NULL, sent_hash = NULL, intents = 0"
        )
        host.execute("UPDATE public.customers SET zoho_billing_customer_id = NULL")
        async with new_process() as process:
            host.change_customer(forgotten, phone="2")
            await process.turn()
            host.add_customer(2)
            await process.turn()
        assert zoho.statistics.created_more_than_once("customers", "External ID") == {}
        assert len(customers_in(zoho)) == 2
        # One list proves it for both: what stands in it was there, and what is made now is known.
        assert requests_to(zoho).count("GET /customers") == 1
        assert requests_to(zoho).index("GET /customers") < requests_to(zoho).index("POST /customers", 2)
        assert host.shown(forgotten) == ("synced", None)


class TestOrganisationWithoutDuplicates:
    async def test_a_name_that_exists_is_adopted_where_it_is_ours(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        zoho.settings.customers.allow_duplicate_display_names = False
        customer = host.add_customer()
        zoho_id = planted(zoho, display_name="Anna Meadow1 [CT-2025-09001]")
        await process.turn()
        assert host.shown(customer) == ("synced", None)
        assert host.customer(customer)["zoho_billing_customer_id"] == zoho_id

    async def test_a_name_that_a_lagging_list_does_not_show_yet_is_no_reason_to_give_up(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        zoho.settings.customers.allow_duplicate_display_names = False
        zoho.settings.list_lag_seconds = 600
        customer = host.add_customer()
        zoho.faults.plant("done_then_lost", "POST", "/customers")
        await process.turn()
        for _ in range(2):
            await process.turn_later(customer)
        assert host.shown(customer)[0] == "retrying"
        zoho.clock.advance(3600)
        for _ in range(2):
            await process.turn_later(customer)
        assert host.shown(customer) == ("synced", None)
        assert creates_in(zoho) == 1


class TestRecordsFromElsewhere:
    """Rows and records whose history this installation did not see whole."""

    async def test_a_row_that_was_reloaded_is_looked_for_before_it_is_created(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        from_before(host)
        planted(zoho)
        host.interfere(
            """
            DO $$
            BEGIN
                CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM public.customers;
                DELETE FROM public.customers;
                INSERT INTO public.customers SELECT * FROM kept;
            END $$
            """
        )
        await process.turn()
        assert creates_in(zoho) == 0
        assert len(customers_in(zoho)) == 1

    async def test_a_record_under_our_key_is_found_whatever_its_email(
        self, host: Host, zoho: RunningSimulator, process: Process
    ) -> None:
        customer = from_before(host)
        planted(
            zoho,
            display_name="Anna Oldname [CT-2025-09001]",
            email="old@example.com",
            custom_fields=external_id(customer),
        )
        await backfill(process, customer)
        assert creates_in(zoho) == 0
        assert host.shown(customer) == ("synced", None)

    async def test_two_rows_cannot_adopt_one_record(self, host: Host, zoho: RunningSimulator, process: Process) -> None:
        customer = from_before(host)
        twin = host.add_customer(2)
        record = planted(zoho)
        host.interfere(
            "UPDATE public.customers SET first_name = 'Anna', last_name = 'Meadow1', "
            "email = 'Anna.Meadow1@example.com' WHERE id = %s",
            [twin],
        )
        host.interfere("UPDATE public.customers SET zoho_sync_status = 'pending'")
        await process.turn()
        await process.turn()
        # The other is refused by name, or found to be another's namesake and made: as their attempts meet.
        assert "synced" in {host.shown(row)[0] for row in (customer, twin)}
        assert len({host.customer(row)["zoho_billing_customer_id"] for row in (customer, twin)}) == 2
        holders = host.rows("SELECT entity_id FROM zoho_outbox_private.entity_state WHERE zoho_id = %s", [record])
        assert len(holders) == 1
