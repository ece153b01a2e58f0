"""Where settings come from, what they may be, and one line for each thing that is wrong."""

from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from outbox.settings import (
    DatabaseSettings,
    ListenAddress,
    LogFormat,
    LogLevel,
    LogPayloads,
    Settings,
    SettingsError,
    load_settings,
)
from outbox.zoho.regions import Region

SECRETS = {
    "DATABASE_URL": "postgresql://daemon:db-password@db.example.com/host",
    "ZOHO_CLIENT_SECRET": "client-secret-value",
    "ZOHO_REFRESH_TOKEN": "1000.refresh-token-value",
}
MINIMAL = {**SECRETS, "ZOHO_CLIENT_ID": "1000.CLIENT", "ZOHO_BILLING_ORGANIZATION_ID": "60001234567"}


def load(**changes: str) -> Settings:
    return load_settings({**MINIMAL, **changes}, required=Settings)


def problems_of(environ: dict[str, str], required: type[DatabaseSettings] = Settings) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ, required=required)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    text = str(caught.value)
    assert text.splitlines() == list(caught.value.problems), "one line each"
    for secret in (*SECRETS.values(), "db-password"):
        assert secret not in text
    return caught.value.problems


def test_the_defaults_are_those_of_the_interface() -> None:
    settings = load()
    assert settings.database_listen_url == settings.database_url
    assert settings.zoho_region is Region.COM
    assert settings.zoho_api_base_url == "https://www.zohoapis.com/billing/v1"
    assert settings.zoho_accounts_base_url == "https://accounts.zoho.com"
    assert settings.enable_zoho_sync is True
    assert (settings.zoho_requests_per_minute, settings.zoho_daily_request_limit) == (60, 1000)
    assert (settings.zoho_live_reserve_percent, settings.zoho_max_concurrency) == (30, 4)
    assert settings.zoho_request_timeout_seconds == 30
    assert (settings.zoho_time_zone, settings.zone.key) == ("Africa/Johannesburg", "Africa/Johannesburg")
    assert settings.zoho_currency == "ZAR"
    assert (settings.zoho_recurring_billing, settings.zoho_recurring_payments) == ("zoho", "match")
    assert (settings.zoho_cancel_at, settings.zoho_on_suspend) == ("term_end", "keep")
    assert settings.zoho_tax_ids == {}
    assert settings.zoho_external_id_field == "External ID"
    assert settings.zoho_account_number_field == "Account Number"
    assert settings.outbox_max_attempts == 12
    assert (settings.outbox_retry_base_seconds, settings.outbox_retry_max_seconds) == (30, 14400)
    assert (settings.outbox_ambiguous_recheck_seconds, settings.outbox_lease_seconds) == (30, 120)
    assert (settings.outbox_poll_seconds, settings.outbox_retention_days) == (30, 90)
    assert settings.outbox_log_payloads is LogPayloads.MASKED
    assert settings.outbox_http_listen == ListenAddress("127.0.0.1", 8025)
    assert settings.outbox_admin_token is None
    assert settings.alert_urls == ()
    assert (settings.log_level, settings.log_format) == (LogLevel.INFO, None)


def test_values_are_read() -> None:
    settings = load(
        DATABASE_LISTEN_URL="host=direct dbname=host",
        ZOHO_REGION="com.AU",
        ENABLE_ZOHO_SYNC="false",
        ZOHO_REQUESTS_PER_MINUTE="0",
        ZOHO_TAX_IDS="15=460000000012345, 0=460000000012347",
        ZOHO_EXTERNAL_ID_FIELD="none",
        ZOHO_ACCOUNT_NUMBER_FIELD="Kliëntnommer",
        OUTBOX_HTTP_LISTEN="[::1]:9000",
        OUTBOX_ADMIN_TOKEN="x" * 32,
        ALERT_URLS="mailto://a, slack://b",
        LOG_LEVEL="DEBUG",
        LOG_FORMAT="console",
        HEALTH_DEAD_COUNT="3",
    )
    assert settings.database_listen_url.get_secret_value() == "host=direct dbname=host"
    assert settings.zoho_api_base_url == "https://www.zohoapis.com.au/billing/v1"
    assert settings.zoho_accounts_base_url == "https://accounts.zoho.com.au"
    assert settings.enable_zoho_sync is False
    assert settings.zoho_requests_per_minute == 0
    assert settings.zoho_tax_ids == {Decimal(15): "460000000012345", Decimal(0): "460000000012347"}
    assert settings.zoho_tax_ids[Decimal("15.00")] == "460000000012345"
    assert settings.zoho_external_id_field is None
    assert settings.zoho_account_number_field == "Kliëntnommer"
    assert str(settings.outbox_http_listen) == "[::1]:9000"
    assert [url.get_secret_value() for url in settings.alert_urls] == ["mailto://a", "slack://b"]
    assert (settings.log_level, settings.log_format) == (LogLevel.DEBUG, LogFormat.CONSOLE)
    assert settings.health_dead_count == 3


def test_every_setting_of_the_interface_is_here_and_each_threshold_has_one() -> None:
    names = {name.upper() for name in Settings.model_fields}
    assert len([name for name in names if name.startswith("HEALTH_")]) == 17
    assert {"ZOHO_MAX_CONCURRENCY", "OUTBOX_HTTP_TRUST_PROXY", "ALERT_URLS", "LOG_FORMAT"} <= names


def test_an_empty_value_is_absent_save_that_it_switches_http_off() -> None:
    settings = load(ZOHO_REGION="", OUTBOX_ADMIN_TOKEN=" ", OUTBOX_HTTP_LISTEN="")
    assert settings.zoho_region is Region.COM
    assert settings.outbox_admin_token is None
    assert settings.outbox_http_listen is None


def test_credentials_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    env_file = tmp_path / "outbox.env"
    env_file.write_text(
        "# comment\nexport ZOHO_CURRENCY=EUR\nZOHO_CLIENT_SECRET='from $file ${HOME}'\n"
        'ZOHO_CLIENT_ID="file"\nOTHER_APP=1\n'
    )
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "zoho_client_secret").write_text("from-credential\n")
    environ = {key: value for key, value in MINIMAL.items() if key != "ZOHO_CLIENT_SECRET"}
    environ["ZOHO_OUTBOX_ENV_FILE"] = str(env_file)
    from_file = load_settings(environ, required=Settings)
    assert from_file.zoho_client_secret.get_secret_value() == "from $file ${HOME}", "nothing is expanded"
    assert (from_file.zoho_currency, from_file.zoho_client_id) == ("EUR", "1000.CLIENT")
    environ["CREDENTIALS_DIRECTORY"] = str(credentials)
    assert load_settings(environ, required=Settings).zoho_client_secret == SecretStr("from-credential")


def test_each_missing_setting_has_its_line() -> None:
    assert problems_of({}) == (
        "DATABASE_URL: required, and not set",
        "ZOHO_CLIENT_ID: required, and not set",
        "ZOHO_CLIENT_SECRET: required, and not set",
        "ZOHO_REFRESH_TOKEN: required, and not set",
        "ZOHO_BILLING_ORGANIZATION_ID: required, and not set",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://daemon:db-password@[bad/host"),
        ("DATABASE_URL", "no dsn: db-password"),
        ("ZOHO_REGION", "us"),
        ("ZOHO_BILLING_ORGANIZATION_ID", "my company"),
        ("ZOHO_API_BASE_URL", "http://www.zohoapis.com/billing/v1"),
        ("ZOHO_API_BASE_URL", "www.zohoapis.com"),
        ("ZOHO_API_BASE_URL", "https://user:secret@host/billing/v1"),
        ("ZOHO_API_BASE_URL", "https://host:99999/billing/v1"),
        ("ZOHO_ACCOUNTS_BASE_URL", "https://accounts.zoho.com/oauth/v2"),
        ("ENABLE_ZOHO_SYNC", "maybe"),
        ("ZOHO_REQUESTS_PER_MINUTE", "-1"),
        ("ZOHO_REQUESTS_PER_MINUTE", "1.5"),
        ("ZOHO_LIVE_RESERVE_PERCENT", "101"),
        ("ZOHO_MAX_CONCURRENCY", "0"),
        ("ZOHO_REQUEST_TIMEOUT_SECONDS", "nan"),
        ("ZOHO_REQUEST_TIMEOUT_SECONDS", "inf"),
        ("ZOHO_REQUEST_TIMEOUT_SECONDS", "0"),
        ("ZOHO_TIME_ZONE", "Africa/Joburg"),
        ("ZOHO_TIME_ZONE", "../../etc/passwd"),
        ("ZOHO_CURRENCY", "rand"),
        ("ZOHO_TAX_IDS", "15"),
        ("ZOHO_TAX_IDS", "15=abc"),
        ("ZOHO_TAX_IDS", "x=1"),
        ("ZOHO_TAX_IDS", "NaN=1"),
        ("ZOHO_TAX_IDS", "15=1,15.0=2"),
        ("ZOHO_RECURRING_BILLING", "both"),
        ("OUTBOX_MAX_ATTEMPTS", "0"),
        ("OUTBOX_HTTP_LISTEN", "8025"),
        ("OUTBOX_HTTP_LISTEN", "::1:8025"),
        ("OUTBOX_HTTP_LISTEN", "127.0.0.1:http"),
        ("OUTBOX_HTTP_LISTEN", "127.0.0.1:99999"),
        ("OUTBOX_HTTP_LISTEN", "0.0.0.0:8025"),
        ("OUTBOX_ADMIN_TOKEN", "too short to be one"),
        ("OUTBOX_LOG_PAYLOADS", "some"),
        ("OUTBOX_LEASE_SECONDS", "30"),
        ("OUTBOX_AMBIGUOUS_RECHECK_SECONDS", "29"),
        ("OUTBOX_RETRY_MAX_SECONDS", "29"),
        ("LOG_LEVEL", "loud"),
        ("HEALTH_SYNCED_PERCENT", "101"),
    ],
)
def test_a_malformed_setting_is_one_line_that_names_it(name: str, value: str) -> None:
    problems = problems_of({**MINIMAL, name: value})
    assert len(problems) == 1
    assert problems[0].startswith(name)
    if name in {"DATABASE_URL", "OUTBOX_ADMIN_TOKEN"}:
        assert value not in problems[0]


def test_another_address_than_loopback_needs_a_proxy_that_is_trusted() -> None:
    settings = load(OUTBOX_HTTP_LISTEN="0.0.0.0:8025", OUTBOX_HTTP_TRUST_PROXY="true")
    assert settings.outbox_http_listen == ListenAddress("0.0.0.0", 8025)


def test_plain_http_is_for_loopback() -> None:
    settings = load(
        ZOHO_API_BASE_URL="http://127.0.0.1:8026/billing/v1/", ZOHO_ACCOUNTS_BASE_URL="http://localhost:8026/"
    )
    assert settings.zoho_api_base_url == "http://127.0.0.1:8026/billing/v1"
    assert settings.zoho_accounts_base_url == "http://localhost:8026"
    assert settings.api_is_simulated


def test_several_problems_are_told_at_once() -> None:
    problems = problems_of({**MINIMAL, "ZOHO_REGION": "us", "OUTBOX_MAX_ATTEMPTS": "many"})
    assert [problem.split(":")[0] for problem in problems] == ["ZOHO_REGION", "OUTBOX_MAX_ATTEMPTS"]


def test_a_command_for_the_database_needs_nothing_of_zoho() -> None:
    settings = load_settings({"DATABASE_URL": "dbname=host", "ZOHO_REGION": "nonsense"}, required=DatabaseSettings)
    assert settings.database_url.get_secret_value() == "dbname=host"
    assert not isinstance(settings, Settings)


def test_unknown_names_in_the_file_are_refused(tmp_path: Path) -> None:
    env_file = tmp_path / "outbox.env"
    env_file.write_text("ZOHO_REQUEST_PER_MINUTE=50\nOUTBOX_COLOUR=red\nDATABASE_POOL=5\n")
    problems = problems_of({**MINIMAL, "ZOHO_OUTBOX_ENV_FILE": str(env_file)})
    assert len(problems) == 2
    assert "did you mean ZOHO_REQUESTS_PER_MINUTE?" in problems[0]
    assert problems[1].startswith("OUTBOX_COLOUR: unknown setting")


@pytest.mark.parametrize(("content", "words"), [("ZOHO_CLIENT_ID\n", "no '='"), ("'unclosed\n", "not NAME=value")])
def test_a_line_that_is_no_assignment_is_named_by_its_number(tmp_path: Path, content: str, words: str) -> None:
    env_file = tmp_path / "outbox.env"
    env_file.write_text(content)
    (problem,) = problems_of({**MINIMAL, "ZOHO_OUTBOX_ENV_FILE": str(env_file)})
    assert problem.startswith("ZOHO_OUTBOX_ENV_FILE: line 1 ")
    assert words in problem


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    (problem,) = problems_of({**MINIMAL, "ZOHO_OUTBOX_ENV_FILE": str(tmp_path / "absent")})
    assert "cannot be read" in problem
    binary = tmp_path / "binary"
    binary.write_bytes(b"ZOHO_CLIENT_ID=\xff\xfe")
    (problem,) = problems_of({**MINIMAL, "ZOHO_OUTBOX_ENV_FILE": str(binary)})
    assert "not UTF-8" in problem


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ZOHO_REQUEST_PER_MINUTE", "ZOHO_REQUESTS_PER_MINUTE"),
        ("ZOHO_CLIENTID", "ZOHO_CLIENT_ID"),
        ("ZOHO_REFESH_TOKEN", "ZOHO_REFRESH_TOKEN"),
        ("OUTBOX_LEASE_SECOND", "OUTBOX_LEASE_SECONDS"),
        ("ENABLE_ZOHO_SYNCH", "ENABLE_ZOHO_SYNC"),
        ("ZOHO_BILLING_ORGANISATION_ID", "ZOHO_BILLING_ORGANIZATION_ID"),
    ],
)
def test_a_misspelling_in_the_environment_is_refused(name: str, meant: str) -> None:
    assert problems_of({**MINIMAL, name: "x"}) == (f"{name}: unknown setting; did you mean {meant}?",)


@pytest.mark.parametrize(
    "name",
    [
        "ZOHO_CRM_REFRESH_TOKEN",
        "ZOHO_ORGANIZATION_ID",
        "ZOHO_MAIL_CLIENT_ID",
        "ZOHO_REDIRECT_URI",
        "ZOHO_ACCESS_TOKEN",
        "ZOHO_API_DOMAIN",
        "ZOHO_WEBHOOK_SECRET",
        "OUTBOX_DIR",
        "HEALTH_CHECK_URL",
    ],
)
def test_other_applications_variables_are_none_of_our_business(name: str) -> None:
    assert load(**{name: "x"}) == load()


def test_no_secret_stands_in_a_repr() -> None:
    settings = load(OUTBOX_ADMIN_TOKEN="a" * 40, ALERT_URLS="mailto://user:mail-password@example.com")
    shown = repr(settings) + str(settings)
    for secret in settings.secret_values():
        assert secret not in shown
    assert {"db-password", "a" * 40, "client-secret-value"} <= set(settings.secret_values())
    assert "mailto://user:mail-password@example.com" in settings.secret_values()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().zoho_currency = "USD"
