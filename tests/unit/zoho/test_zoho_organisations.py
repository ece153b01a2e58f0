"""The organisation is the one that is meant, or nothing is sent."""

import httpx
import pytest

from outbox.zoho.json_text import JsonValue
from outbox.zoho.organisations import OrganisationRefused, find_organisation, verify_organisation
from outbox.zoho.regions import Region, hosts_of, is_loopback_url, region_of_api_domain

from .fakes import ok, scripted_client, settings_for

pytestmark = pytest.mark.anyio

OURS: dict[str, JsonValue] = {
    "organization_id": "60001234567",
    "name": "Ours",
    "mode": "test",
    "currency_code": "ZAR",
    "time_zone": "Africa/Johannesburg",
    "is_org_active": True,
}
THEIRS: dict[str, JsonValue] = {**OURS, "organization_id": "42", "name": "Theirs"}


async def test_ours_is_found_without_naming_an_organisation() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return ok(organizations=[THEIRS, OURS])

    async with scripted_client(answer) as it:
        organisation = await verify_organisation(it.client, settings_for())
    (request,) = it.script.requests
    assert request.url.path == "/billing/v1/organizations"
    assert "X-com-zoho-subscriptions-organizationid" not in request.headers
    assert (organisation.id, organisation.mode, organisation.remarks) == ("60001234567", "test", ())
    assert organisation.is_active


@pytest.mark.parametrize("body", [{"organizations": [THEIRS]}, {"organizations": []}, {}, {"organizations": "?"}])
def test_an_organisation_that_is_not_there_is_refused(body: dict[str, JsonValue]) -> None:
    with pytest.raises(OrganisationRefused, match=r"60001234567.*ZOHO_BILLING_ORGANIZATION_ID") as caught:
        find_organisation(body, settings_for())
    if body.get("organizations") == [THEIRS]:
        assert "42 (Theirs)" in str(caught.value)


def test_another_currency_is_refused() -> None:
    with pytest.raises(OrganisationRefused, match=r"USD.*ZOHO_CURRENCY is ZAR"):
        find_organisation({"organizations": [{**OURS, "currency_code": "USD"}]}, settings_for())


def test_another_time_zone_and_an_inactive_organisation_are_remarked() -> None:
    row = {**OURS, "time_zone": "Australia/Perth", "is_org_active": False}
    organisation = find_organisation({"organizations": [row]}, settings_for())
    assert len(organisation.remarks) == 2
    assert "Australia/Perth" in organisation.remarks[0]


def test_canadas_accounts_host_stands_apart() -> None:
    assert hosts_of(Region.CA).accounts_base_url == "https://accounts.zohocloud.ca"
    assert hosts_of(Region.COM_AU).accounts_base_url == "https://accounts.zoho.com.au"
    assert hosts_of(Region.SA).api_base_url == "https://www.zohoapis.sa/billing/v1"


@pytest.mark.parametrize("region", Region)
def test_a_token_replys_domain_names_its_region(region: Region) -> None:
    assert region_of_api_domain(f"https://www.zohoapis.{region}") is region


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:8", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8/x", True),
        ("http://localhost", True),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://10.0.0.1", False),
        ("http://", False),
    ],
)
def test_loopback_is_this_machine_alone(url: str, loopback: bool) -> None:
    assert is_loopback_url(url) is loopback
