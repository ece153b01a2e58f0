from collections.abc import Callable

import httpx
import pytest

from outbox.simulator import LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from outbox.simulator.settings import OrganisationSettings

from .conftest import Api

pytestmark = pytest.mark.anyio

CodeOf = Callable[[httpx.Response], tuple[int, int]]
ORGANISATION = "X-com-zoho-subscriptions-organizationid"


@pytest.mark.parametrize("header", [None, "Basic abc", "Zoho-oauthtoken"])
async def test_without_a_usable_header_it_is_401_14(api: Api, header: str | None, code_of: CodeOf) -> None:
    api.headers.pop("Authorization")
    if header is not None:
        api.headers["Authorization"] = header
    assert code_of(await api.get("/customers")) == (401, 14)


async def test_an_unknown_token_is_401_57(api: Api, code_of: CodeOf) -> None:
    api.headers["Authorization"] = "Zoho-oauthtoken 1000.a.b"
    assert code_of(await api.get("/customers")) == (401, 57)


async def test_bearer_is_accepted_too(api: Api) -> None:
    api.headers["Authorization"] = api.headers["Authorization"].replace("Zoho-oauthtoken", "Bearer")
    assert (await api.get("/customers")).status_code == 200


async def test_a_foreign_organisation_is_refused(api: Api, simulator: RunningSimulator, code_of: CodeOf) -> None:
    api.headers[ORGANISATION] = "999"
    reply = await api.get("/customers")
    assert code_of(reply) == (400, 6041)
    assert "CompanyID/CompanyName:999." in reply.json()["message"]
    simulator.settings.foreign_organisation_code = 57
    assert code_of(await api.get("/customers")) == (401, 57)


async def test_the_organisation_may_be_named_in_the_query(api: Api, code_of: CodeOf) -> None:
    del api.headers[ORGANISATION]
    assert (await api.get("/customers", organization_id=api.simulator.organisation)).status_code == 200
    assert code_of(await api.get("/customers", organization_id="999")) == (400, 6041)


async def test_a_request_without_organisation_lands_in_the_default_one() -> None:
    settings = SimulatorSettings(
        limits=LimitSettings.wide(),
        other_organisations=(OrganisationSettings(organization_id="777", name="Other Company"),),
        default_organization_id="777",
    )
    async with (
        running_simulator(settings) as simulator,
        httpx.AsyncClient(trust_env=False, verify=False) as http,
    ):
        api = Api(http, simulator)
        await api.sign_in()
        own_header = api.headers.pop(ORGANISATION)
        await api.create("Lands elsewhere")
        api.headers[ORGANISATION] = own_header
        assert (await api.get("/customers")).json()["customers"] == []
        books = (await api.control("GET", "/books")).json()
        assert books["customers"] == []
        assert [row["display_name"] for row in books["other_organizations"]["777"]["customers"]] == ["Lands elsewhere"]


async def test_organisations_are_listed_without_the_header(api: Api) -> None:
    del api.headers[ORGANISATION]
    reply = await api.get("/organizations")
    assert reply.status_code == 200
    (own,) = reply.json()["organizations"]
    shown = ("organization_id", "currency_code", "time_zone", "mode", "is_default_org", "is_org_active")
    assert [own[name] for name in shown] == ["10234695", "ZAR", "Africa/Johannesburg", "test", True, True]


async def test_unknown_paths_and_methods(api: Api, code_of: CodeOf) -> None:
    assert code_of(await api.get("/estimates")) == (404, 5)
    assert code_of(await api.get("/customers/1/2/3")) == (404, 5)
    assert code_of(await api.put("/customers", {})) == (405, 37)
    assert code_of(await api.http.get(api.simulator.url + "/elsewhere")) == (404, 5)
