"""``doctor`` on Zoho's side: each trouble played by the simulator, and told apart from the others."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from outbox.commands.doctor.findings import ZOHO_CHECKS, Outcome
from outbox.commands.doctor.zoho import all_scopes, check_organisation, organisations_of
from outbox.settings import RecurringBilling, Settings, load_settings
from outbox.simulator import RunningSimulator
from outbox.simulator.settings import OrganisationSettings, TaxSettings
from outbox.zoho.exchange import ApiReply
from outbox.zoho.organisations import OrganisationRefused, find_organisation
from tests.commands.conftest import Host
from tests.commands.doctoring import Doctor
from tests.host.databases import Database
from tests.host.shapes import HostShape

pytestmark = pytest.mark.anyio

TODAY = datetime.now(UTC).date()
FULL_ACCESS = "ZohoSubscriptions.fullaccess.all"


@pytest.fixture
def doctor(migrated_database: Database, zoho: RunningSimulator) -> Doctor:
    return Doctor(migrated_database, zoho.environment)


def known_in_zoho(host: Host, entity_type: str, entity_id: Any, zoho_id: str) -> None:
    """As after a send."""
    host.rows(
        """
        INSERT INTO zoho_outbox_private.entity_state (entity_id, entity_type, phase, zoho_id, sent_at)
        VALUES (%s, %s, 'idle', %s, clock_timestamp())
        """,
        [entity_id, entity_type, zoho_id],
    )


def paths_of(zoho: RunningSimulator) -> list[str]:
    return [f"{line.method} {line.path.removeprefix('/billing/v1')}" for line in zoho.simulator.journal]


# All well.


async def test_where_all_is_well_nothing_is_bad_and_it_says_what_it_cost(
    doctor: Doctor, zoho: RunningSimulator
) -> None:
    examined = await doctor.examine()
    assert examined.bad() == set()
    for check in ("credentials", "organisation", "currency", "time_zone", "scopes", "taxes", "plans", "zoho_clock"):
        assert examined.outcome(check) is Outcome.OK, check
    assert (examined.diagnosis.requests, examined.diagnosis.tokens_minted) == (15, 1)
    assert zoho.statistics.requests == 15
    assert examined.diagnosis.summary().endswith("; 15 requests to Zoho, 1 access token minted")


async def test_it_changes_nothing_in_zoho_and_nothing_in_the_database_but_token_and_budget(
    doctor: Doctor, zoho: RunningSimulator, host: Host
) -> None:
    zoho.simulator.plant_customer(display_name="There before")
    host.customer("CT-1")
    books, tables = zoho.simulator.holdings(), contents(host)
    await doctor.examine()
    assert zoho.simulator.holdings() == books
    changed = {name for name, rows in contents(host).items() if rows != tables[name]}
    assert changed == {"access_token", "token_mint", "request_budget", "day_budget", "request_slot"}


def contents(host: Host) -> dict[str, list[dict[str, Any]]]:
    names = host.rows(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
        "WHERE schemaname IN ('public', 'zoho_outbox_private')"
    )
    return {
        row["name"].rpartition(".")[2]: host.rows(f"SELECT to_jsonb(t) AS content FROM {row['name']} AS t ORDER BY 1")
        for row in names
    }


async def test_it_asks_through_the_budget_and_counts_there(doctor: Doctor, host: Host) -> None:
    await doctor.examine()
    assert host.one("SELECT requests FROM zoho_outbox_private.request_budget") == {"requests": 15}
    assert host.one("SELECT count(*) AS mints FROM zoho_outbox_private.token_mint") == {"mints": 1}


# Settings are missing.


async def test_with_a_database_alone_its_part_is_done_and_zoho_s_names_what_is_missing(
    migrated_database: Database, zoho: RunningSimulator
) -> None:
    examined = await Doctor(migrated_database, {}).examine()
    missing = ["ZOHO_CLIENT_ID", "ZOHO_CLIENT_SECRET", "ZOHO_REFRESH_TOKEN", "ZOHO_BILLING_ORGANIZATION_ID"]
    assert [finding.mend for finding in examined.of("settings")] == [f"set {name}" for name in missing]
    assert examined.bad() == {"settings", "sync", "http", "alerts", *ZOHO_CHECKS}
    for check in ZOHO_CHECKS:
        assert examined.outcome(check) is Outcome.NOT_CHECKED
        assert examined.one(check).said == f"settings are missing or wrong: {', '.join(missing)}"
    assert examined.outcome("rights") is examined.outcome("listen") is Outcome.OK
    assert examined.diagnosis.requests == examined.diagnosis.tokens_minted == 0


# Credentials.


@pytest.mark.parametrize(
    ("changes", "words", "mend"),
    [
        ({"ZOHO_CLIENT_SECRET": "another-secret"}, "invalid_client_secret", "ZOHO_CLIENT_SECRET"),
        ({"ZOHO_CLIENT_ID": "1000.OTHER"}, "invalid_client (", "ZOHO_CLIENT_ID"),
        ({"ZOHO_REFRESH_TOKEN": "1000.unknown"}, "invalid_code", "authorise again"),
    ],
)
async def test_wrong_credentials_are_told_apart(
    doctor: Doctor, zoho: RunningSimulator, changes: dict[str, str], words: str, mend: str
) -> None:
    examined = await doctor.examine(changes)
    finding = examined.one("credentials")
    assert finding.outcome is Outcome.FAILED
    assert words in finding.said
    assert mend in finding.mend
    rest = set(ZOHO_CHECKS) - {"credentials"}
    assert {examined.outcome(check) for check in rest} == {Outcome.NOT_CHECKED}
    assert {examined.one(check).said for check in rest} == {"there is no access token, see credentials"}
    assert (examined.diagnosis.requests, zoho.statistics.requests, zoho.statistics.token_requests) == (0, 0, 1)


async def test_a_token_that_is_stored_hides_no_wrong_secret(doctor: Doctor) -> None:
    assert (await doctor.examine()).outcome("credentials") is Outcome.OK
    assert (await doctor.examine(ZOHO_CLIENT_SECRET="another-secret")).outcome("credentials") is Outcome.FAILED


async def test_a_revoked_refresh_token_is_told(doctor: Doctor, zoho: RunningSimulator) -> None:
    assert (await doctor.examine()).outcome("credentials") is Outcome.OK
    zoho.simulator.tokens.revoke(zoho.settings.refresh_token)
    finding = (await doctor.examine()).one("credentials")
    assert (finding.outcome, "invalid_code" in finding.said) == (Outcome.FAILED, True)
    assert finding.mend.startswith("The refresh token was revoked")


async def test_what_was_mended_is_seen_at_once(doctor: Doctor) -> None:
    assert (await doctor.examine(ZOHO_CLIENT_SECRET="another-secret")).outcome("credentials") is Outcome.FAILED
    assert (await doctor.examine()).bad() == set()


async def test_the_wrong_region_is_told_before_anything_is_sent_there(doctor: Doctor, zoho: RunningSimulator) -> None:
    zoho.settings.api_domain = "https://www.zohoapis.com"
    examined = await doctor.examine(
        ZOHO_REGION="eu",
        ZOHO_API_BASE_URL="",
        ZOHO_ACCOUNTS_BASE_URL=zoho.accounts_base_url,
    )
    finding = examined.one("credentials")
    assert finding.outcome is Outcome.FAILED
    assert "the token is for www.zohoapis.com, but requests would go to www.zohoapis.eu" in finding.said
    assert finding.mend.startswith("Set ZOHO_REGION=com")
    assert examined.diagnosis.requests == 0


async def test_an_api_of_another_region_is_told(doctor: Doctor, zoho: RunningSimulator) -> None:
    zoho.faults.plant("refused", "GET", "/organizations", status=400, code=9, message="Domain not allowed")
    examined = await doctor.examine()
    assert examined.outcome("credentials") is Outcome.OK
    assert "Set ZOHO_REGION to the data centre" in examined.one("organisation").mend
    assert examined.diagnosis.requests == 1


async def test_a_throttled_token_endpoint_says_until_when_and_the_stored_token_serves(
    doctor: Doctor, zoho: RunningSimulator, host: Host
) -> None:
    await doctor.examine()
    zoho.faults.plant("token_throttled")
    examined = await doctor.examine()
    finding = examined.one("credentials")
    assert finding.outcome is Outcome.UNKNOWN
    until = host.one("SELECT cooldown_until AS until FROM zoho_outbox_private.access_token")["until"]
    assert f"could not tell: no token may be minted until {until.astimezone(UTC):%Y-%m-%d %H:%M}" in finding.said
    assert "too many requests continuously" in finding.said
    assert examined.bad() == {"credentials"}
    # It is not asked again before that, and what it said stands.
    asked = zoho.statistics.token_requests
    again = (await doctor.examine()).one("credentials")
    assert "too many requests continuously" in again.said
    assert zoho.statistics.token_requests == asked


async def test_an_accounts_host_that_is_away_is_no_wrong_secret(doctor: Doctor, zoho: RunningSimulator) -> None:
    zoho.faults.plant("bad_gateway_before", "POST", "/oauth/v2/token")
    finding = (await doctor.examine()).one("credentials")
    assert finding.outcome is Outcome.UNKNOWN
    assert "HTTP 502" in finding.said


# Scopes.


@pytest.mark.parametrize(
    "lacking",
    [
        "ZohoSubscriptions.settings.READ",
        "ZohoSubscriptions.plans.READ",
        "ZohoSubscriptions.customers.READ",
        "ZohoSubscriptions.invoices.CREATE",
        "ZohoSubscriptions.payments.UPDATE",
    ],
)
async def test_a_missing_scope_is_named_and_no_token_is_wasted_on_it(
    doctor: Doctor, zoho: RunningSimulator, lacking: str
) -> None:
    scopes = frozenset(all_scopes(RecurringBilling.ZOHO)) - {lacking}
    zoho.simulator.tokens.add(zoho.settings.refresh_token, scopes)
    examined = await doctor.examine()
    finding = examined.one("scopes")
    assert (finding.outcome, finding.said) == (Outcome.FAILED, f"the refresh token lacks {lacking}")
    assert f"scope={','.join(all_scopes(RecurringBilling.ZOHO))}" in finding.mend
    assert examined.diagnosis.tokens_minted == zoho.statistics.token_requests == 1


async def test_several_missing_scopes_are_named_together(doctor: Doctor, zoho: RunningSimulator) -> None:
    readable = frozenset(name for name in all_scopes(RecurringBilling.ZOHO) if name.endswith(".READ"))
    zoho.simulator.tokens.add(zoho.settings.refresh_token, readable)
    said = (await doctor.examine()).one("scopes").said
    for module in ("customers", "subscriptions", "invoices", "payments"):
        assert f"ZohoSubscriptions.{module}.CREATE" in said
        assert f"ZohoSubscriptions.{module}.UPDATE" in said
    assert ".READ" not in said


async def test_while_the_host_bills_nothing_of_subscriptions_is_needed(doctor: Doctor, zoho: RunningSimulator) -> None:
    scopes = frozenset(all_scopes(RecurringBilling.HOST))
    assert not any(word in name for name in scopes for word in ("subscriptions.", "plans."))
    zoho.simulator.tokens.add(zoho.settings.refresh_token, scopes)
    examined = await doctor.examine(ZOHO_RECURRING_BILLING="host")
    assert examined.bad() == set()
    assert examined.diagnosis.requests == 11


# The organisation.


@pytest.mark.parametrize("code", [6041, 57])
async def test_a_wrong_organisation_is_told_with_those_there_are(
    doctor: Doctor, zoho: RunningSimulator, code: Any
) -> None:
    zoho.settings.foreign_organisation_code = code
    examined = await doctor.examine(ZOHO_BILLING_ORGANIZATION_ID="999")
    finding = examined.one("organisation")
    assert finding.outcome is Outcome.FAILED
    assert (
        "organisation 999 is not among those of the refresh token's user: 10234695 (Simulated Company)" in finding.said
    )
    for check in ("currency", "time_zone", "scopes", "taxes", "plans", "custom_fields"):
        assert examined.outcome(check) is Outcome.NOT_CHECKED
    assert examined.diagnosis.requests == 1


async def test_another_currency_fails_and_another_time_zone_is_a_warning(doctor: Doctor) -> None:
    examined = await doctor.examine(ZOHO_CURRENCY="USD", ZOHO_TIME_ZONE="Europe/Berlin")
    assert examined.bad() == {"currency"}
    assert examined.one("currency").said == "the organisation keeps its books in ZAR, and ZOHO_CURRENCY is USD"
    assert examined.outcome("time_zone") is Outcome.WARNING
    assert "Africa/Johannesburg, and ZOHO_TIME_ZONE is Europe/Berlin" in examined.one("time_zone").said


@pytest.mark.parametrize("row", [{}, {"organization_id": "999"}, {"currency_code": "USD"}, {"time_zone": "UTC"}])
def test_doctor_refuses_what_the_daemon_refuses(row: dict[str, str]) -> None:
    settings = with_credentials()
    body: Any = {
        "organizations": [
            {
                "organization_id": settings.zoho_billing_organization_id,
                "currency_code": "ZAR",
                "time_zone": "Africa/Johannesburg",
                **row,
            }
        ]
    }
    try:
        find_organisation(body, settings)
        refused = False
    except OrganisationRefused:
        refused = True
    found = check_organisation(ApiReply(200, 0, "", body, 0.1), settings)
    assert any(finding.outcome is Outcome.FAILED for finding in found) == refused
    assert organisations_of({"organizations": None}) == []


def with_credentials(**changes: str) -> Settings:
    return load_settings(
        {
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere",
            "ZOHO_CLIENT_ID": "1000.X",
            "ZOHO_CLIENT_SECRET": "some-secret",
            "ZOHO_REFRESH_TOKEN": "some-token",
            "ZOHO_BILLING_ORGANIZATION_ID": "10234695",
            **changes,
        },
        required=Settings,
    )


async def test_the_database_of_another_organisation_is_not_asked_about(
    doctor: Doctor, zoho: RunningSimulator, host: Host
) -> None:
    zoho.settings.other_organisations = (OrganisationSettings(organization_id="20202", name="Other"),)
    store_identity(host, organization_id="20202")
    examined = await doctor.examine()
    assert "belongs to the Zoho organisation 20202" in examined.one("identity").said
    assert examined.outcome("organisation") is Outcome.OK
    assert examined.outcome("scopes") is Outcome.NOT_CHECKED
    assert examined.diagnosis.requests == 1


def store_identity(host: Host, *, organization_id: str = "10234695", **columns: Any) -> None:
    """As after a first run, with ``columns`` otherwise."""
    host.rows(
        """
        UPDATE zoho_outbox_private.installation
        SET system_identifier = (SELECT system_identifier::text FROM pg_control_system()),
            timeline = ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint,
            database_name = current_database(), zoho_organization_id = %s, recurring_billing = 'zoho'
        """,
        [organization_id],
    )
    for name, value in columns.items():
        host.rows(f"UPDATE zoho_outbox_private.installation SET {name} = %s", [value])


async def test_from_a_copy_nobody_is_asked(doctor: Doctor, zoho: RunningSimulator, host: Host) -> None:
    store_identity(host, database_name="production")
    examined = await doctor.examine()
    finding = examined.one("identity")
    assert (finding.outcome, "must not send" in finding.said) == (Outcome.FAILED, True)
    assert "doctor --accept-database" in finding.mend
    assert {examined.outcome(check) for check in ZOHO_CHECKS} == {Outcome.NOT_CHECKED}
    assert zoho.statistics.requests == zoho.statistics.token_requests == 0


async def test_a_right_that_only_rows_need_keeps_nobody_from_asking(doctor: Doctor, host: Host) -> None:
    host.rows("REVOKE SELECT (vat_rate) ON public.customer_invoices FROM zoho_outbox_daemon")
    examined = await doctor.examine()
    assert examined.bad() == {"rights", "taxes"}
    assert examined.outcome("taxes") is Outcome.UNKNOWN
    host.rows("REVOKE UPDATE ON zoho_outbox_private.access_token FROM zoho_outbox_daemon")
    examined = await doctor.examine()
    assert {examined.outcome(check) for check in ZOHO_CHECKS} == {Outcome.NOT_CHECKED}


# Stopped.


async def test_while_it_is_paused_no_request_is_made(doctor: Doctor, zoho: RunningSimulator, host: Host) -> None:
    host.rows(
        "UPDATE zoho_outbox_private.organisation SET paused_at = now(), paused_by = 'anna', paused_why = 'month end'"
    )
    examined = await doctor.examine()
    assert (examined.outcome("sending"), examined.one("sending").mend) == (Outcome.WARNING, "zoho-outbox resume")
    assert examined.outcome("credentials") is Outcome.OK
    assert examined.outcome("organisation") is Outcome.NOT_CHECKED
    assert "paused by anna: month end" in examined.one("organisation").said
    assert zoho.statistics.requests == 0


async def test_while_it_is_throttled_no_request_is_made_and_it_says_until_when(
    doctor: Doctor, zoho: RunningSimulator, host: Host
) -> None:
    host.rows(
        "UPDATE zoho_outbox_private.organisation SET throttled_at = now(), throttled_why = 'HTTP 429', "
        "throttled_until = '2099-01-01 00:00+00'"
    )
    examined = await doctor.examine()
    assert "until 2099-01-01 00:00:00 UTC" in examined.one("scopes").said
    assert zoho.statistics.requests == 0


async def test_where_it_was_forbidden_it_asks_at_once_and_lets_the_daemon_ask_at_once(
    doctor: Doctor, zoho: RunningSimulator, host: Host
) -> None:
    host.rows(
        "UPDATE zoho_outbox_private.organisation SET forbidden_at = now(), forbidden_why = 'invalid_client_secret', "
        "probe_at = now() + interval '15 minutes'"
    )
    examined = await doctor.examine()
    assert examined.bad() == set()
    assert "invalid_client_secret" in examined.one("sending").said
    assert zoho.statistics.requests == 15
    assert host.one("SELECT probe_at <= clock_timestamp() AS due FROM zoho_outbox_private.organisation") == {
        "due": True
    }


async def test_an_outage_in_the_middle_ends_the_asking(doctor: Doctor, zoho: RunningSimulator) -> None:
    zoho.faults.plant("rate_limited_43", "GET", "/plans", retry_after_seconds=600)
    examined = await doctor.examine()
    assert paths_of(zoho)[-1] == "GET /plans"
    assert examined.outcome("organisation") is examined.outcome("taxes") is Outcome.OK
    assert "code 43" in examined.one("plans").said
    assert any(finding.outcome is Outcome.NOT_CHECKED for finding in examined.of("scopes"))


# Taxes.


async def test_a_rate_without_a_tax_is_told_with_an_example(doctor: Doctor, host: Host) -> None:
    customer = host.customer("CT-1")
    host.invoice(customer, "CT-INV-1", vat_rate="15.00")
    for number in ("CT-INV-2", "CT-INV-3"):
        host.invoice(customer, number, vat_rate="14.00", tax_amount="140.00", total_amount="1140.00")
    examined = await doctor.examine()
    finding = examined.one("taxes")
    assert finding.outcome is Outcome.FAILED
    assert finding.said.startswith("2 invoices: no one tax in Zoho for the rate 14 % (for example CT-INV-2: ")
    assert "15 % Standard Rate 4600000000000015" in finding.mend


async def test_a_rate_with_two_taxes_needs_a_choice(doctor: Doctor, host: Host, zoho: RunningSimulator) -> None:
    host.invoice(host.customer("CT-1"), "CT-INV-1", vat_rate="15.00")
    other = TaxSettings(tax_id="4600000000000099", tax_name="Capital goods", tax_percentage=Decimal(15))
    zoho.settings.taxes = (*zoho.settings.taxes, other)
    examined = await doctor.examine()
    assert "Zoho has 2 taxes of 15 %" in examined.one("taxes").said
    assert (await doctor.examine(ZOHO_TAX_IDS="15=4600000000000015")).bad() == set()


async def test_a_tax_id_that_is_none_in_zoho_is_told(doctor: Doctor, host: Host) -> None:
    finding = (await doctor.examine(ZOHO_TAX_IDS="15=4711")).one("taxes")
    assert finding.outcome is Outcome.FAILED
    assert "15=4711" in finding.said


async def test_the_rate_is_found_by_the_figures_as_sending_finds_it(doctor: Doctor, host: Host) -> None:
    host.invoice(host.customer("CT-1"), "CT-INV-1", vat_rate=None)
    host.invoice(host.customer("CT-2"), "CT-INV-2", vat_rate=None, tax_amount="0.00", total_amount="1000.00")
    assert (await doctor.examine()).outcome("taxes") is Outcome.OK


async def test_invoices_that_are_not_sent_need_no_tax(doctor: Doctor, host: Host) -> None:
    customer = host.customer("CT-1")
    host.invoice(customer, "DRAFT", vat_rate="99.00", status="draft")
    host.invoice(customer, "BY-ZOHO", vat_rate="98.00", invoice_type="recurring")
    host.invoice(host.customer("CT-2", account_type="internal_test"), "TEST", vat_rate="97.00")
    host.invoice(customer, "LONG-AGO", vat_rate="96.00")
    host.rows("UPDATE public.customer_invoices SET zoho_billing_invoice_id = '1' WHERE invoice_number = 'LONG-AGO'")
    host.rows("UPDATE public.customer_invoices SET invoice_date = '2020-01-01' WHERE invoice_number = 'LONG-AGO'")
    assert (await doctor.examine()).outcome("taxes") is Outcome.OK


# Plans.


async def test_each_thing_that_a_plan_may_lack_is_told_apart(
    doctor: Doctor, host: Host, zoho: RunningSimulator
) -> None:
    zoho.simulator.plant_plan(plan_code="GOOD", recurring_price=799)
    zoho.simulator.plant_plan(plan_code="OLD", recurring_price=799, status="inactive")
    customer = host.customer("CT-1")
    for sku in ("GOOD", "OLD", "GONE"):
        host.service(customer, package_id=host.package(sku))
    host.service(customer, package_id=host.package("FAILED", published="failed"))
    bare = host.package("BARE")
    host.rows("UPDATE public.service_packages SET sku = NULL WHERE id = %s", [bare])
    host.service(customer, package_id=bare)
    unlisted = host.package("UNLISTED")
    host.rows("DELETE FROM public.product_integrations WHERE service_package_id = %s", [unlisted])
    host.service(customer, package_id=unlisted)
    loose = host.service(customer, package_name="Loose")
    host.rows("UPDATE public.customer_services SET package_id = NULL WHERE id = %s", [loose])
    host.service(customer, package_id=host.package("NEVER"), status="cancelled")

    found = (await doctor.examine()).of("plans")
    assert {finding.outcome for finding in found} == {Outcome.FAILED}
    assert sorted(finding.said for finding in found) == [
        "1 service (Loose) without a package: nothing says which plan",
        "package Package BARE (1 service) has no sku",
        "package Package FAILED (1 service) is not published to Zoho: failed; its services wait",
        "package Package GONE (1 service): Zoho has no plan with the plan_code GONE",
        "package Package OLD (1 service): plan OLD is inactive in Zoho",
        "package Package UNLISTED (1 service) is not published to Zoho: missing in product_integrations; "
        "its services wait",
    ]
    assert all(finding.mend for finding in found)


# Custom fields.


async def test_before_anything_was_sent_it_cannot_be_told_and_that_fails_nothing(doctor: Doctor) -> None:
    examined = await doctor.examine()
    finding = examined.one("custom_fields")
    assert finding.outcome is Outcome.WARNING
    assert finding.said.startswith("could not tell: ")
    assert "customers 'External ID' and 'Account Number' (nothing of ours is in Zoho yet)" in finding.said
    none = await doctor.examine(ZOHO_EXTERNAL_ID_FIELD="none", ZOHO_ACCOUNT_NUMBER_FIELD="none")
    assert none.outcome("custom_fields") is Outcome.OK


async def test_a_record_of_ours_proves_the_fields_or_that_one_is_gone(
    doctor: Doctor, host: Host, zoho: RunningSimulator
) -> None:
    fields = [{"label": "External ID", "value": "x"}, {"label": "Account Number", "value": "CT-1"}]
    zoho_id = zoho.simulator.plant_customer(display_name="Anna [CT-1]", custom_fields=fields)
    known_in_zoho(host, "customer", host.customer("CT-1"), zoho_id)
    proved = next(each for each in (await doctor.examine()).of("custom_fields") if each.outcome is Outcome.OK)
    assert proved.said == "customers 'External ID', customers 'Account Number'"
    # Renamed in Zoho's settings.
    found = (await doctor.examine(ZOHO_ACCOUNT_NUMBER_FIELD="Client Number")).of("custom_fields")
    (gone,) = [each for each in found if each.outcome is Outcome.FAILED]
    assert "customers: a record of ours shows no custom field 'Client Number'" in gone.said
    assert "create it in Zoho Billing, Settings, custom fields of customers" in gone.mend


async def test_a_field_that_zoho_refused_is_told_until_a_send_went_well(doctor: Doctor, host: Host) -> None:
    customer = host.customer("CT-1")
    log = (
        "INSERT INTO public.zoho_sync_logs (entity_type, entity_id, status, zoho_code) VALUES ('customer', %s, %s, %s)"
    )
    host.rows(log, [customer, "failed", 120129])
    found = (await doctor.examine()).of("custom_fields")
    (refused,) = [each for each in found if each.outcome is Outcome.FAILED]
    assert "customers: Zoho refused an unknown custom field at " in refused.said
    assert "(code 120129); sent are 'External ID' and 'Account Number'" in refused.said
    host.rows(log, [customer, "success", None])
    assert {each.outcome for each in (await doctor.examine()).of("custom_fields")} == {Outcome.WARNING}


async def test_a_zoho_that_looks_at_the_fields_first_says_itself_which_it_does_not_know(
    doctor: Doctor, zoho: RunningSimulator
) -> None:
    zoho.faults.plant(
        "refused", "PUT", "/invoices/0", body_contains="External ID", status=400, code=120129, message="No such field"
    )
    examined = await doctor.examine()
    (refused,) = [each for each in examined.of("custom_fields") if each.outcome is Outcome.FAILED]
    assert "invoices: Zoho does not know 'External ID': HTTP 400 code 120129: No such field" in refused.said
    assert examined.outcome("scopes") is Outcome.OK


# The clock.


@pytest.mark.parametrize(("seconds", "outcome"), [(0, Outcome.OK), (60, Outcome.WARNING), (3600, Outcome.FAILED)])
async def test_a_clock_that_differs_from_zoho_s_is_told(
    doctor: Doctor, zoho: RunningSimulator, seconds: float, outcome: Outcome
) -> None:
    zoho.clock.advance(seconds)
    finding = (await doctor.examine()).one("zoho_clock")
    assert finding.outcome is outcome
    assert ("ahead of" in finding.said) == bool(seconds)


async def test_without_a_date_the_clocks_are_not_called_equal(doctor: Doctor, zoho: RunningSimulator) -> None:
    zoho.settings.date_header = False
    finding = (await doctor.examine()).one("zoho_clock")
    assert (finding.outcome, finding.said.startswith("could not tell: ")) == (Outcome.WARNING, True)


@pytest.mark.parametrize("migrated_database", [HostShape(columns="november_2025", rows=True)], indirect=True)
async def test_a_host_of_november_2025_is_examined_too(doctor: Doctor) -> None:
    examined = await doctor.examine(ZOHO_RECURRING_BILLING="host")
    assert examined.bad() <= {"taxes"}
    assert examined.of("taxes")
