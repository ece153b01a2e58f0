import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.clock import SimulatorClock

from .conftest import Api

pytestmark = pytest.mark.anyio

CodeOf = Callable[[httpx.Response], tuple[int, int]]

WHOLE: dict[str, Any] = {
    "display_name": "Vlei Bakery [CT-2025-00002]",
    "first_name": "Naledi",
    "last_name": "Sample",
    "company_name": "Vlei Bakery",
    "email": "naledi@example.com",
    "phone": "+27 10 000 0000",
    "billing_address": {"street": "1 Long Road", "country": "South Africa"},
    "custom_fields": [
        {"label": "External ID", "value": "6f1f"},
        {"label": "Account Number", "value": "CT-2025-00002"},
    ],
}


async def test_a_created_customer_is_shown_as_recorded(api: Api) -> None:
    reply = await api.post("/customers", WHOLE)
    assert reply.status_code == 201
    assert (reply.json()["code"], reply.json()["message"]) == (0, "The customer has been added.")
    customer = reply.json()["customer"]
    assert customer["customer_id"].isdecimal()
    assert 15 <= len(customer["customer_id"]) <= 19
    assert customer["status"] == "active"
    assert customer["source"] == "api"
    assert customer["currency_code"] == "ZAR"
    assert customer["created_time"] == customer["updated_time"] == "2026-11-20T12:00:00+0200"
    assert customer["mobile"] == ""
    assert customer["zcrm_account_id"] == ""
    assert (customer["outstanding"], customer["unused_credits"]) == (0, 0)
    assert customer["billing_address"]["street"] == "1 Long Road"
    assert customer["billing_address"]["zip"] == ""
    assert customer["custom_fields"] == [
        {"index": 1, "label": "External ID", "value": "6f1f", "data_type": "text"},
        {"index": 2, "label": "Account Number", "value": "CT-2025-00002", "data_type": "text"},
    ]
    read = await api.get(f"/customers/{customer['customer_id']}")
    assert read.json() == {"code": 0, "message": "success", "customer": customer}


async def test_ids_increase(api: Api) -> None:
    ids = [int(await api.create(name)) for name in "ABC"]
    assert ids == sorted(ids)
    assert len(set(ids)) == 3


async def test_a_customer_without_email_is_accepted_unless_the_organisation_asks_for_one(
    api: Api, simulator: RunningSimulator, code_of: CodeOf
) -> None:
    customer_id = await api.create("No e-mail")
    assert (await api.get(f"/customers/{customer_id}")).json()["customer"]["email"] == ""
    simulator.settings.customers.email_required = True
    assert code_of(await api.post("/customers", {"display_name": "No e-mail"})) == (400, 4)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"display_name": ""},
        {"display_name": "  "},
        {"display_name": 5},
        {"display_name": None},
        {"display_name": "A" * 101},
        {"display_name": "A", "email": "nobody"},
        {"display_name": "A", "email": None},
        {"display_name": "A", "phone": 10},
        {"display_name": "A", "payment_terms": "30"},
        {"display_name": "A", "payment_terms": True},
        {"display_name": "A", "is_portal_enabled": "true"},
        {"display_name": "A", "billing_address": "1 Long Road"},
        {"display_name": "A", "billing_address": {"street": "A" * 256}},
        {"display_name": "A", "billing_address": {"zip": 8001}},
        {"display_name": "A", "custom_fields": {"External ID": "1"}},
        {"display_name": "A", "custom_fields": [{"value": "1"}]},
        {"display_name": "A", "custom_fields": [{"label": "External ID", "value": 1}]},
        {"display_name": "A", "custom_fields": [{"label": "External ID", "value": "1" * 256}]},
        {"display_name": "A", "tags": ["x"]},
        {"display_name": "A", "default_templates": []},
        {"display_name": "A", "is_taxable": 1},
        ["display_name"],
        "display_name",
    ],
)
async def test_bodies_that_do_not_fit_are_400_4_and_change_nothing(
    api: Api, simulator: RunningSimulator, body: object, code_of: CodeOf
) -> None:
    assert code_of(await api.post("/customers", body)) == (400, 4)
    assert len(simulator.simulator.books.customers) == 0


async def test_broken_json_is_400(api: Api) -> None:
    reply = await api.http.post(
        api.simulator.api_base_url + "/customers", content=b'{"display_name": "A"', headers=api.headers
    )
    assert (reply.status_code, reply.json()["code"]) == (400, 4)


async def test_length_limits_can_be_switched_off(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.customers.enforce_length_limits = False
    assert await api.create("A" * 101)


async def test_an_unknown_custom_field_label_is_400_120129(api: Api, code_of: CodeOf) -> None:
    body = {"display_name": "A", "custom_fields": [{"label": "Shoe Size", "value": "44"}]}
    assert code_of(await api.post("/customers", body)) == (400, 120129)


async def test_unknown_keys_are_ignored_and_counted(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await api.create(
        "A",
        cf_external_id="6f1f",
        external="1",
        billing_address={"steet": "1 Long Road"},
        custom_fields=[{"label": "External ID", "value": "1", "id": 5}],
    )
    customer = (await api.get(f"/customers/{customer_id}")).json()["customer"]
    assert "cf_external_id" not in customer
    assert simulator.statistics.unknown_keys == {
        "POST /customers": {
            "cf_external_id": 1,
            "external": 1,
            "billing_address.steet": 1,
            "custom_fields.id": 1,
        }
    }


async def test_unknown_keys_can_be_refused(api: Api, simulator: RunningSimulator, code_of: CodeOf) -> None:
    simulator.settings.refuse_unknown_keys = True
    assert code_of(await api.post("/customers", {"display_name": "A", "external": "1"})) == (400, 4)
    assert len(simulator.simulator.books.customers) == 0


async def test_names_may_repeat_by_default(api: Api) -> None:
    assert await api.create("Twice") != await api.create("Twice")


async def test_an_organisation_can_forbid_repeated_names(
    api: Api, simulator: RunningSimulator, code_of: CodeOf
) -> None:
    simulator.settings.customers.allow_duplicate_display_names = False
    first = await api.create("Once")
    other = await api.create("Other")
    refused = await api.post("/customers", {"display_name": " once "})
    assert code_of(refused) == (400, 3062)
    assert refused.json()["message"] == ('The customer " once " already exists. Please specify a different name.')
    assert code_of(await api.put(f"/customers/{other}", {"display_name": "Once"})) == (400, 3062)
    assert code_of(await api.put(f"/customers/{first}", {"display_name": "Once"})) == (200, 0)


async def test_an_update_keeps_what_it_does_not_name(api: Api, clock: SimulatorClock) -> None:
    customer_id = (await api.post("/customers", WHOLE)).json()["customer"]["customer_id"]
    clock.advance(1800)
    reply = await api.put(
        f"/customers/{customer_id}",
        {
            "display_name": "Vlei Bakery and Sons [CT-2025-00002]",
            "billing_address": {"city": "Cape Town"},
            "custom_fields": [{"label": "Account Number", "value": "CT-2025-00003"}],
        },
    )
    assert (reply.status_code, reply.json()["message"]) == (200, "Customer information has been saved.")
    customer = reply.json()["customer"]
    assert customer["display_name"] == "Vlei Bakery and Sons [CT-2025-00002]"
    assert customer["email"] == "naledi@example.com"
    assert (customer["billing_address"]["city"], customer["billing_address"]["street"]) == ("Cape Town", "")
    assert [row["value"] for row in customer["custom_fields"]] == ["6f1f", "CT-2025-00003"]
    assert customer["created_time"] == "2026-11-20T12:00:00+0200"
    assert customer["updated_time"] == "2026-11-20T12:30:00+0200"


async def test_an_update_cannot_carry_notes_or_payment_terms(api: Api, simulator: RunningSimulator) -> None:
    customer_id = await api.create("A", notes="first", payment_terms=15)
    customer = (await api.put(f"/customers/{customer_id}", {"notes": "second", "payment_terms": 30})).json()
    assert (customer["customer"]["notes"], customer["customer"]["payment_terms"]) == ("first", 15)
    assert set(simulator.statistics.unknown_keys["PUT /customers/{customer_id}"]) == {
        "notes",
        "payment_terms",
    }


async def test_a_refused_update_changes_nothing(api: Api, code_of: CodeOf) -> None:
    customer_id = await api.create("A")
    assert code_of(await api.put(f"/customers/{customer_id}", {"display_name": "B", "email": "x"})) == (
        400,
        4,
    )
    assert (await api.get(f"/customers/{customer_id}")).json()["customer"]["display_name"] == "A"


async def test_a_missing_customer_is_400_3004_everywhere(api: Api, code_of: CodeOf) -> None:
    assert code_of(await api.get("/customers/1")) == (400, 3004)
    assert code_of(await api.put("/customers/1", {"display_name": "A"})) == (400, 3004)
    assert code_of(await api.send("DELETE", "/customers/1")) == (400, 3004)
    assert code_of(await api.post("/customers/1/markasactive")) == (400, 3004)
    assert code_of(await api.post("/customers/1/markasinactive")) == (400, 3004)
    assert code_of(await api.get("/customers/reference/1")) == (400, 3004)


async def test_a_second_delete_finds_nothing(api: Api, code_of: CodeOf) -> None:
    customer_id = await api.create("A")
    reply = await api.send("DELETE", f"/customers/{customer_id}")
    assert reply.json() == {"code": 0, "message": "The customer has been deleted."}
    assert code_of(await api.send("DELETE", f"/customers/{customer_id}")) == (400, 3004)
    assert (await api.get("/customers", email="")).json()["customers"] == []


async def test_a_customer_with_transactions_is_not_deleted(
    api: Api, simulator: RunningSimulator, code_of: CodeOf
) -> None:
    customer_id = simulator.simulator.plant_customer(display_name="A")
    simulator.simulator.plant_transaction(customer_id=customer_id, amount="20.50")
    assert code_of(await api.send("DELETE", f"/customers/{customer_id}")) == (400, 3007)


async def test_deactivation_and_activation(api: Api) -> None:
    customer_id = await api.create("A")
    assert (await api.post(f"/customers/{customer_id}/markasinactive")).json() == {
        "code": 0,
        "message": "The customer has been marked as inactive.",
    }
    assert (await api.get(f"/customers/{customer_id}")).json()["customer"]["status"] == "inactive"
    assert (await api.post(f"/customers/{customer_id}/markasactive")).json()["code"] == 0
    assert (await api.get(f"/customers/{customer_id}")).json()["customer"]["status"] == "active"


@pytest.mark.parametrize("status", ["live", "future", "non_renewing", "trial"])
async def test_a_customer_with_a_living_subscription_stays_active(
    api: Api, simulator: RunningSimulator, status: str
) -> None:
    customer_id = await api.create("A")
    simulator.simulator.plant_subscription(customer_id=customer_id, status=status)
    assert (await api.post(f"/customers/{customer_id}/markasinactive")).status_code == 400
    assert (await api.get(f"/customers/{customer_id}")).json()["customer"]["status"] == "active"


@pytest.mark.parametrize("status", ["cancelled", "expired"])
async def test_an_ended_subscription_does_not_stand_in_the_way(
    api: Api, simulator: RunningSimulator, status: str
) -> None:
    customer_id = await api.create("A")
    simulator.simulator.plant_subscription(customer_id=customer_id, status=status)
    assert (await api.post(f"/customers/{customer_id}/markasinactive")).status_code == 200


async def test_text_of_every_script_survives(api: Api) -> None:
    name = "Žižka \N{SNOWMAN} \N{HEBREW LETTER ALEF} \N{GRINNING FACE} [CT-1]"
    customer_id = await api.create(name)
    assert (await api.get(f"/customers/{customer_id}")).json()["customer"]["display_name"] == name


async def test_a_customer_is_found_by_its_crm_account(api: Api, simulator: RunningSimulator) -> None:
    simulator.simulator.plant_customer(display_name="A", zcrm_account_id="903")
    reply = await api.get("/customers/reference/903", reference_id_type="zcrm_account_id")
    assert reply.json()["customer"]["display_name"] == "A"


async def test_amounts_keep_their_cents(api: Api, simulator: RunningSimulator) -> None:
    customer_id = simulator.simulator.plant_customer(display_name="A")
    await api.control("PATCH", f"/records/customers/{customer_id}", {"outstanding": 99999999.99})
    text = (await api.get(f"/customers/{customer_id}")).text
    assert '"outstanding":99999999.99' in text
    assert json.loads(text)["customer"]["unused_credits"] == 0
