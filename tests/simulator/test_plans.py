from collections.abc import Callable
from typing import Any

import httpx
import pytest

from outbox.simulator import RunningSimulator
from outbox.simulator.settings import Undocumented

from .conftest import Api

pytestmark = pytest.mark.anyio

CodeOf = Callable[[httpx.Response], tuple[int, int]]


async def make_product(api: Api, name: str = "Fibre") -> str:
    reply = await api.post("/products", {"name": name})
    assert reply.status_code == 201, reply.text
    product_id: str = reply.json()["product"]["product_id"]
    return product_id


async def body(api: Api, **changes: Any) -> dict[str, Any]:
    whole = {
        "plan_code": "home-50",
        "name": "Home 50",
        "recurring_price": 799,
        "interval": 1,
        "interval_unit": "months",
    }
    return whole | {"product_id": changes.pop("product_id", None) or await make_product(api)} | changes


async def test_a_product_is_made_read_changed_and_deleted(api: Api, simulator: RunningSimulator) -> None:
    made = await api.post("/products", {"name": "Fibre", "description": "Lines"})
    assert (made.status_code, made.json()["message"]) == (201, "The product has been added.")
    product = made.json()["product"]
    assert (product["status"], product["email_ids"], product["created_time"]) == (
        "active",
        "",
        "2026-11-20T12:00:00+0200",
    )
    where = f"/products/{product['product_id']}"
    assert (await api.get(where)).json()["product"] == product
    changed = (await api.put(where, {"name": "Fibre lines"})).json()["product"]
    assert (changed["name"], changed["description"]) == ("Fibre lines", "Lines")
    assert [row["name"] for row in (await api.get("/products")).json()["products"]] == ["Fibre lines"]
    await api.post(f"{where}/markasinactive")
    assert (await api.get(where)).json()["product"]["status"] == "inactive"
    await api.post(f"{where}/markasactive")
    assert (await api.get(where)).json()["product"]["status"] == "active"
    assert (await api.send("DELETE", where)).json()["code"] == 0
    assert simulator.statistics.creates["products"] == {"name": {"Fibre": 1}}


async def test_a_missing_product_is_400_2006_everywhere(api: Api, code_of: CodeOf) -> None:
    assert code_of(await api.get("/products/1")) == (400, 2006)
    assert code_of(await api.put("/products/1", {"name": "A"})) == (400, 2006)
    assert code_of(await api.send("DELETE", "/products/1")) == (400, 2006)
    assert code_of(await api.post("/products/1/markasactive")) == (400, 2006)
    assert code_of(await api.post("/plans", await body(api, product_id="1"))) == (400, 2006)


@pytest.mark.parametrize("wrong", [{}, {"name": ""}, {"name": 5}, {"name": "A", "description": None}])
async def test_products_that_do_not_fit_are_400_4(api: Api, wrong: dict[str, Any], code_of: CodeOf) -> None:
    assert code_of(await api.post("/products", wrong)) == (400, 4)


async def test_a_product_with_a_plan_is_not_deleted(api: Api) -> None:
    product_id = await make_product(api)
    await api.post("/plans", await body(api, product_id=product_id))
    assert (await api.send("DELETE", f"/products/{product_id}")).status_code == 400
    assert (await api.get(f"/products/{product_id}")).status_code == 200


async def test_a_created_plan_is_shown_as_recorded(api: Api, simulator: RunningSimulator) -> None:
    sent = await body(
        api,
        setup_fee=99.5,
        trial_period=7,
        tax_id=simulator.settings.taxes[0].tax_id,
        custom_fields=[{"label": "External ID", "value": "pkg-1"}],
    )
    reply = await api.post("/plans", sent)
    assert (reply.status_code, reply.json()["message"]) == (201, "The plan has been added.")
    plan = reply.json()["plan"]
    assert {name: plan[name] for name in sent if name != "custom_fields"} == {
        name: value for name, value in sent.items() if name != "custom_fields"
    }
    assert (plan["status"], plan["billing_cycles"], plan["tax_percentage"]) == ("active", -1, 15)
    assert plan["custom_fields"][0]["value"] == "pkg-1"
    assert (await api.get("/plans/home-50")).json()["plan"] == plan
    assert simulator.statistics.creates["plans"] == {"plan_code": {"home-50": 1}}


async def test_a_code_is_any_text_and_is_encoded_in_the_address(api: Api) -> None:
    code = "home 50/10 & süd"
    await api.post("/plans", await body(api, plan_code=code))
    read = await api.get("/plans/home%2050%2F10%20%26%20s%C3%BCd")
    assert read.json()["plan"]["plan_code"] == code


async def test_a_missing_plan_is_400_101002_everywhere(api: Api, code_of: CodeOf) -> None:
    assert code_of(await api.get("/plans/none")) == (400, 101002)
    assert code_of(await api.put("/plans/none", await body(api))) == (400, 101002)
    assert code_of(await api.send("DELETE", "/plans/none")) == (400, 101002)
    assert code_of(await api.post("/plans/none/markasactive")) == (400, 101002)
    assert code_of(await api.post("/plans/none/markasinactive")) == (400, 101002)


async def test_a_code_is_taken_once(api: Api, simulator: RunningSimulator) -> None:
    sent = await body(api)
    await api.post("/plans", sent)
    again = await api.post("/plans", {**sent, "name": "Other"})
    assert again.status_code == 400
    assert "already exist" in again.json()["message"]
    assert len(simulator.simulator.books.plans) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"plan_code": ""},
        {"plan_code": 5},
        {"name": " "},
        {"recurring_price": "a"},
        {"recurring_price": -1},
        {"recurring_price": 0.001},
        {"recurring_price": True},
        {"interval": 0},
        {"interval": "1"},
        {"interval": True},
        {"interval_unit": "moons"},
        {"interval_unit": []},
        {"billing_cycles": -2},
        {"trial_period": -1},
        {"setup_fee": "x"},
        {"tax_id": "1"},
        {"tax_id": 1},
        {"is_taxable": 1},
        {"can_charge_setup_fee_immediately": "true"},
        {"tags": ["a"]},
        {"custom_fields": {}},
        {"description": None},
        {"product_id": 5},
    ],
)
async def test_plans_that_do_not_fit_are_400_4(
    api: Api, simulator: RunningSimulator, wrong: dict[str, Any], code_of: CodeOf
) -> None:
    sent = {**await body(api), **wrong}
    assert code_of(await api.post("/plans", sent)) == (400, 4)
    assert len(simulator.simulator.books.plans) == 0


@pytest.mark.parametrize("missing", ["plan_code", "name", "recurring_price", "interval"])
async def test_create_and_update_want_the_key_fields(api: Api, missing: str, code_of: CodeOf) -> None:
    sent = await body(api)
    await api.post("/plans", sent)
    part = {name: value for name, value in sent.items() if name not in {missing, "product_id"}}
    assert code_of(await api.post("/plans", part)) == (400, 4)
    assert code_of(await api.put("/plans/home-50", part)) == (400, 4)


async def test_an_unknown_label_is_400_120129(api: Api, code_of: CodeOf) -> None:
    sent = await body(api, custom_fields=[{"label": "Shoe Size", "value": "44"}])
    assert code_of(await api.post("/plans", sent)) == (400, 120129)


async def test_an_update_keeps_what_it_does_not_name_and_the_code(api: Api, code_of: CodeOf) -> None:
    sent = await body(api, setup_fee=50)
    await api.post("/plans", sent)
    change = {"plan_code": "home-50", "name": "Home 50", "recurring_price": "849.00", "interval": 1}
    reply = await api.put("/plans/home-50", change)
    assert (reply.status_code, reply.json()["message"]) == (200, "The plan details has been updated.")
    plan = reply.json()["plan"]
    assert (plan["recurring_price"], plan["setup_fee"], plan["product_id"]) == (849.0, 50, sent["product_id"])
    assert code_of(await api.put("/plans/home-50", {**change, "plan_code": "home-100"})) == (400, 4)


async def test_plans_are_listed_by_state_and_product(api: Api, code_of: CodeOf) -> None:
    first, second = [await make_product(api, name) for name in ("Fibre", "Radio")]
    await api.post("/plans", await body(api, product_id=first, tags=[{"tag_id": 1}]))
    await api.post("/plans", await body(api, plan_code="home-100", product_id=first))
    await api.post("/plans", await body(api, plan_code="air-20", product_id=second))
    await api.post("/plans/home-100/markasinactive")

    async def codes(**parameters: str) -> list[str]:
        return [row["plan_code"] for row in (await api.get("/plans", **parameters)).json()["plans"]]

    assert await codes() == ["home-50", "home-100", "air-20"]
    assert await codes(filter_by="PlanStatus.ACTIVE") == ["home-50", "air-20"]
    assert await codes(filter_by="PlanStatus.INACTIVE", product_id=first) == ["home-100"]
    assert await codes(product_id="1") == []
    unfiltered = (await api.get("/plans", per_page=1)).json()
    assert unfiltered["page_context"]["applied_filter"] == "PlanStatus.All"
    assert unfiltered["page_context"]["has_more_page"] is True
    assert not {"tags", "custom_fields", "account_id"} & set(unfiltered["plans"][0])
    assert code_of(await api.get("/plans", filter_by="PlanStatus.Odd")) == (400, 2)
    await api.post("/plans/home-100/markasactive")
    assert await codes(filter_by="PlanStatus.INACTIVE") == []


@pytest.mark.parametrize(
    ("feature", "status", "rows"),
    [
        (Undocumented.ON, 200, 1),
        (Undocumented.IGNORED, 200, 2),
        (Undocumented.BAD_REQUEST, 400, 0),
        (Undocumented.NOT_FOUND, 404, 0),
    ],
)
async def test_the_undocumented_code_filter_can_be_switched(
    api: Api, simulator: RunningSimulator, feature: Undocumented, status: int, rows: int
) -> None:
    for code in ("home-50", "home-100"):
        simulator.simulator.plant_plan(plan_code=code)
    simulator.settings.undocumented.plans_code = feature
    reply = await api.get("/plans", plan_code="home-100")
    assert (reply.status_code, len(reply.json().get("plans", []))) == (status, rows)
    if feature is Undocumented.ON:
        assert (await api.get("/plans", plan_code="none")).json()["plans"] == []


async def test_a_plan_with_a_subscription_is_not_deleted(api: Api, simulator: RunningSimulator) -> None:
    simulator.simulator.plant_plan(plan_code="home-50")
    subscription_id = simulator.simulator.plant_subscription(customer_id="1", plan_code="home-50", status="cancelled")
    assert (await api.send("DELETE", "/plans/home-50")).status_code == 400
    simulator.simulator.remove("subscriptions", subscription_id)
    assert (await api.send("DELETE", "/plans/home-50")).json()["code"] == 0
    assert (await api.get("/plans/home-50")).status_code == 400


async def test_planted_plans_share_a_product_unless_they_name_one(api: Api, simulator: RunningSimulator) -> None:
    assert simulator.simulator.plant_plan(plan_code="home-50", recurring_price=799) == "home-50"
    simulator.simulator.plant_plan(plan_code="home-100", recurring_price=999)
    own = simulator.simulator.plant_product(name="Radio")
    simulator.simulator.plant_plan(plan_code="air-20", product_id=own, name="Air 20")
    plans = (await api.get("/plans")).json()["plans"]
    assert [plan["name"] for plan in plans] == ["home-50", "home-100", "Air 20"]
    assert plans[0]["product_id"] == plans[1]["product_id"] != plans[2]["product_id"] == own
    assert simulator.statistics.creates == {}


@pytest.mark.parametrize(
    "records", [{"plans": [{"name": "A"}]}, {"plans": [{"plan_code": "a", "shoe_size": 44}]}, {"products": [{"x": 1}]}]
)
async def test_plans_that_cannot_exist_are_not_planted(api: Api, records: Any) -> None:
    assert (await api.control("POST", "/records", records)).status_code == 400


async def test_a_code_is_planted_once_and_changed_by_hand(api: Api) -> None:
    record = {"plans": [{"plan_code": "home-50", "recurring_price": 799}]}
    assert (await api.control("POST", "/records", record)).json() == {"plans": ["home-50"]}
    assert (await api.control("POST", "/records", record)).status_code == 400
    assert (await api.control("PATCH", "/records/plans/home-50", {"recurring_price": 849})).status_code == 200
    assert (await api.get("/plans/home-50")).json()["plan"]["recurring_price"] == 849


async def test_new_plans_and_products_show_in_lists_only_after_the_lag(api: Api, simulator: RunningSimulator) -> None:
    simulator.settings.list_lag_seconds = 20
    await api.post("/plans", await body(api))
    assert (await api.get("/plans")).json()["plans"] == (await api.get("/products")).json()["products"] == []
    simulator.clock.advance(20)
    assert len((await api.get("/plans")).json()["plans"]) == len((await api.get("/products")).json()["products"]) == 1
