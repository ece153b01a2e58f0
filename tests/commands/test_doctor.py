"""``doctor`` as a person types it, its settings, and LISTEN through a real PgBouncer."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from daemon.command_line import DONE, FAILED, WRONG_USE
from outbox.commands.doctor.findings import (
    CHECKS,
    Diagnosis,
    Finding,
    Outcome,
    failed,
    not_checked,
    ok,
    unknown,
    warning,
)
from outbox.commands.doctor.settings import check_alerts, check_http, check_sync
from outbox.settings import Settings, load_settings
from outbox.simulator import RunningSimulator
from tests.commands.conftest import Console, type_command
from tests.commands.doctoring import Doctor
from tests.host.databases import Database, Databases
from tests.host.shapes import HostShape
from tests.migration.migrated import DAEMON, migrated_template
from tests.pooler.pgbouncer import PgBouncer, PoolMode, find_pgbouncer

NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"
MISSING_POOLER = "needs PgBouncer: apt-get install --no-install-recommends pgbouncer"


# As it is typed.


@pytest.mark.anyio
async def test_where_all_is_well_it_exits_0_a_line_each_and_shows_no_secret(
    console: Console, zoho: RunningSimulator
) -> None:
    said = await console.type("doctor")
    assert said.code == DONE, said
    *lines, summary = said.out.splitlines()
    assert [line[13:].split()[0] for line in lines] == list(CHECKS)
    assert {line[:11].strip() for line in lines} == {"ok", "WARNING"}
    assert summary.endswith("; 15 requests to Zoho, 1 access token minted")
    assert said.err.startswith("checking the database …\n")
    for secret in (zoho.settings.client_secret, zoho.settings.refresh_token):
        assert secret not in said.out + said.err
    assert "1000." not in said.out + said.err


@pytest.mark.anyio
async def test_json_holds_the_same_and_a_failure_exits_1(console: Console, zoho: RunningSimulator) -> None:
    zoho.simulator.tokens.revoke(zoho.settings.refresh_token)
    said = await console.type("doctor", "--json")
    assert said.code == FAILED
    told = said.json
    assert (told["well"], told["requests"], told["tokens_minted"]) == (False, 0, 1)
    (credentials,) = [each for each in told["findings"] if each["check"] == "credentials"]
    assert credentials["outcome"] == "failed"
    assert credentials["mend"].startswith("The refresh token was revoked")
    assert [each["check"] for each in told["findings"]] == list(CHECKS)
    assert zoho.settings.client_secret not in said.out + said.err


@pytest.mark.anyio
async def test_with_nothing_but_a_database_it_does_what_it_can(bare_console: Console) -> None:
    said = await bare_console.type("doctor")
    assert said.code == FAILED
    assert "ZOHO_CLIENT_ID: required, and not set" in said.out
    assert "all 34 are there" in said.out


@pytest.mark.parametrize(
    ("words", "settings", "told"),
    [
        (["doctor"], {}, "DATABASE_URL: required, and not set"),
        (["doctor"], {"DATABASE_URL": NOWHERE, "ZOHO_TIME_ZONE": "Mars/Base"}, "ZOHO_TIME_ZONE: there is no time zone"),
        (["doctor", "--accept-database", "--accept-billing-mode"], {"DATABASE_URL": NOWHERE}, "choose one of"),
        (["doctor", "--accept-database", "--json"], {"DATABASE_URL": NOWHERE}, "--json goes with doctor alone"),
    ],
)
def test_wrong_use_exits_2_before_any_connection(words: list[str], settings: dict[str, str], told: str) -> None:
    said = type_command(*words, **settings)
    assert (said.code, said.out) == (WRONG_USE, "")
    assert told in said.err


def test_an_absent_database_exits_1_with_a_line_each() -> None:
    said = type_command("doctor", DATABASE_URL=NOWHERE)
    assert said.code == FAILED
    assert "FAILED       database        cannot be reached: " in said.out
    assert "not checked  listen          the database cannot be reached" in said.out


# What becomes of findings.


@pytest.mark.parametrize(
    ("finding", "well"),
    [
        (ok("x", "a"), True),
        (warning("x", "a", "b"), True),
        (failed("x", "a", "b"), False),
        (unknown("x", "a", "b"), False),
        (not_checked("x", "a"), False),
    ],
)
def test_warnings_are_well_and_what_could_not_be_told_is_not(finding: Finding, well: bool) -> None:
    assert Diagnosis((finding,), 0, 0).well is well
    assert "\n" not in finding.as_text()


def test_texts_of_others_make_no_second_line() -> None:
    assert failed("x", "one\ntwo", "three\n four").as_text().endswith("one two -> three four")


# Settings.


def settings(**changes: str) -> Settings:
    return load_settings(
        {
            "DATABASE_URL": NOWHERE,
            "ZOHO_CLIENT_ID": "1000.X",
            "ZOHO_CLIENT_SECRET": "some-secret",
            "ZOHO_REFRESH_TOKEN": "some-token",
            "ZOHO_BILLING_ORGANIZATION_ID": "10234695",
            **changes,
        },
        required=Settings,
    )


TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("changes", "outcome", "told"),
    [
        ({}, Outcome.WARNING, "OUTBOX_ADMIN_TOKEN is not set"),
        ({"OUTBOX_ADMIN_TOKEN": TOKEN}, Outcome.OK, "127.0.0.1:8025"),
        ({"OUTBOX_ADMIN_TOKEN": "a" * 40}, Outcome.WARNING, "can be guessed"),
        ({"OUTBOX_HTTP_LISTEN": ""}, Outcome.OK, "no dashboard"),
        ({"OUTBOX_HTTP_LISTEN": "", "OUTBOX_ADMIN_TOKEN": TOKEN}, Outcome.OK, "without use"),
        (
            {"OUTBOX_HTTP_LISTEN": "10.0.0.5:80", "OUTBOX_HTTP_TRUST_PROXY": "true", "OUTBOX_ADMIN_TOKEN": TOKEN},
            Outcome.WARNING,
            "not loopback",
        ),
    ],
)
def test_remarks_about_http(changes: dict[str, str], outcome: Outcome, told: str) -> None:
    finding = check_http(settings(**changes))
    assert (finding.outcome, told in finding.said) == (outcome, True)
    assert TOKEN not in finding.as_text()


def test_sending_that_is_switched_off_is_told() -> None:
    assert check_sync(settings()).outcome is Outcome.OK
    assert check_sync(settings(ENABLE_ZOHO_SYNC="false")).outcome is Outcome.WARNING


@pytest.mark.parametrize(
    ("urls", "outcome", "told"),
    [
        ("", Outcome.OK, "not set"),
        ("mailto://user:secret-pass@example.com,json://127.0.0.1/x", Outcome.OK, "2 addresses"),
        (
            "json://127.0.0.1/x,slakc://secret-pass",
            Outcome.FAILED,
            "1 address of the 2 in ALERT_URLS cannot be understood: number 2 (slakc:",
        ),
        ("secret-pass", Outcome.FAILED, "number 1 (without a scheme)"),
    ],
)
def test_alert_urls_that_do_not_parse_are_told_by_their_place(urls: str, outcome: Outcome, told: str) -> None:
    finding = check_alerts(settings(ALERT_URLS=urls))
    assert (finding.outcome, told in finding.said) == (outcome, True), finding
    assert "secret-pass" not in finding.as_text()


@pytest.mark.anyio
async def test_what_is_wrong_with_one_setting_hinders_no_other_check(migrated_database: Database) -> None:
    examined = await Doctor(migrated_database, {}).examine(OUTBOX_HTTP_LISTEN="everywhere")
    assert any(finding.mend == "correct OUTBOX_HTTP_LISTEN" for finding in examined.of("settings"))
    assert examined.outcome("rights") is Outcome.OK


# LISTEN.


@pytest.fixture
def open_pooler(migrated_database: Database) -> Iterator[Callable[[PoolMode], PgBouncer]]:
    program = find_pgbouncer()
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING_POOLER)
        pytest.skip(MISSING_POOLER)
    with ExitStack() as stack:
        yield lambda mode: stack.enter_context(PgBouncer(program, migrated_database.dsn(DAEMON), mode))


@pytest.mark.anyio
async def test_without_a_pooler_a_notification_makes_the_round_trip(migrated_database: Database) -> None:
    examined = await Doctor(migrated_database, {}).examine()
    assert examined.one("listen").said == "a notification made the round trip over DATABASE_URL"
    assert examined.outcome("pooler") is Outcome.OK


@pytest.mark.anyio
async def test_a_pooler_in_session_mode_is_well(
    migrated_database: Database, open_pooler: Callable[[PoolMode], PgBouncer]
) -> None:
    examined = await Doctor(migrated_database, {}).examine(DATABASE_URL=open_pooler("session").dsn)
    assert examined.outcome("listen") is Outcome.OK


@pytest.mark.anyio
async def test_a_pooler_in_transaction_mode_loses_listen_and_a_direct_way_beside_it_is_well(
    migrated_database: Database, open_pooler: Callable[[PoolMode], PgBouncer]
) -> None:
    doctor, pooler = Doctor(migrated_database, {}), open_pooler("transaction")
    alone = await doctor.examine(DATABASE_URL=pooler.dsn)
    finding = alone.one("listen")
    assert (finding.outcome, "a pooler in transaction mode" in finding.said) == (Outcome.FAILED, True)
    assert finding.mend.startswith("set DATABASE_LISTEN_URL to a direct connection")
    # Everything else works through it.
    assert alone.outcome("rights") is alone.outcome("triggers") is Outcome.OK
    both = await doctor.examine(DATABASE_URL=pooler.dsn, DATABASE_LISTEN_URL=migrated_database.dsn(DAEMON))
    assert both.one("listen").said == "a notification made the round trip over DATABASE_LISTEN_URL"
    assert "DATABASE_URL goes through a pooler in transaction mode" in both.one("pooler").said
    assert both.outcome("pooler") is Outcome.OK
    # The wrong way round.
    other = await doctor.examine(DATABASE_URL=migrated_database.dsn(DAEMON), DATABASE_LISTEN_URL=pooler.dsn)
    assert "over DATABASE_LISTEN_URL" in other.one("listen").said
    assert other.outcome("listen") is Outcome.FAILED
    assert "carries notifications, too" in other.one("pooler").said


@pytest.mark.anyio
async def test_a_listen_url_that_leads_elsewhere_or_nowhere_is_told(
    migrated_database: Database, databases: Databases
) -> None:
    doctor = Doctor(migrated_database, {})
    with databases.fresh(migrated_template(HostShape())) as other:
        elsewhere = (await doctor.examine(DATABASE_LISTEN_URL=other.dsn(DAEMON))).one("listen")
    assert elsewhere.outcome is Outcome.FAILED
    assert f"leads to another place than DATABASE_URL: database {other.name}" in elsewhere.said
    nowhere = (await doctor.examine(DATABASE_LISTEN_URL=NOWHERE)).one("listen")
    assert nowhere.said.startswith("no connection over DATABASE_LISTEN_URL: ")
