"""What ``alert-failed`` tells, to real receivers on the loopback: a mail server, web hooks, Slack's and Discord's form.

Apprise sends to Slack and Discord at addresses of its own; here these two lead to the loopback, and everything else is
apprise's.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.slack import NotifySlack
from pydantic import SecretStr

from outbox.commands.alert import receivers as alert_receivers
from outbox.commands.alert.receivers import receivers
from outbox.commands.alert.telling import alert
from outbox.commands.health.findings import HealthSettings
from outbox.settings import load_settings
from tests.commands.alert_receiving import Hook, MailBox, hook, mail_server
from tests.commands.health_planting import Installation
from tests.host.databases import Database
from tests.migration.migrated import DAEMON

pytestmark = pytest.mark.anyio

HOUR, DAY = 3600.0, 86400.0


@pytest.fixture
def installation(migrated_database: Database) -> Installation:
    return Installation(migrated_database).in_good_health(customers=40)


@pytest.fixture
def web() -> Iterator[Hook]:
    with hook() as opened:
        yield opened


@pytest.fixture
def mailbox() -> Iterator[MailBox]:
    with mail_server() as opened:
        yield opened


@dataclass
class Alerting:
    """One run, and what it said."""

    good: bool = True
    shown: list[str] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)


async def run(database: Database, *urls: str, dry_run: bool = False, **more: str) -> Alerting:
    settings = load_settings({"DATABASE_URL": database.dsn(DAEMON), **more}, required=HealthSettings)
    said = Alerting()
    to = receivers([SecretStr(url) for url in urls])
    said.good = await alert(settings, to, dry_run=dry_run, show=said.shown.append, report=said.reported.append)
    return said


def messages(web: Hook) -> list[str]:
    return [str(post.json["message"]) for post in web.posts]


async def test_what_is_new_is_told_once_and_its_end_is_told_once(installation: Installation, web: Hook) -> None:
    database = installation.database
    assert (await run(database, web.url)).shown == ["receiver 1 (JSON at 127.0.0.1): nothing is new"]
    ids = installation.dead(2, HOUR, reason="give the customer an e-mail")
    first = await run(database, web.url)
    assert (first.good, first.reported) == (True, [])
    assert first.shown == ["receiver 1 (JSON at 127.0.0.1): told of 1 problem"]
    assert (await run(database, web.url)).shown == ["receiver 1 (JSON at 127.0.0.1): nothing is new"]
    installation.stand("customer", ids, "idle", 0)
    assert (await run(database, web.url)).shown == ["receiver 1 (JSON at 127.0.0.1): 1 recovered"]
    assert (await run(database, web.url)).shown == ["receiver 1 (JSON at 127.0.0.1): nothing is new"]
    told, over = messages(web)
    assert "Needs somebody:\n- 2 customers: give the customer an e-mail\n" in told
    assert "Recovered:\n- 2 customers: give the customer an e-mail\n" in over
    assert [post.json["title"] for post in web.posts] == ["zoho-outbox: 1 problem", "zoho-outbox: 1 recovered"]
    assert installation.run("SELECT * FROM zoho_outbox_private.alert") == []


async def test_dead_rows_are_grouped_by_cause_with_count_example_and_fix(installation: Installation, web: Hook) -> None:
    oldest, *_ = installation.dead(
        1, 3 * HOUR, entity_type="invoice", reason="INV-1: lines add up to 10.00, total is 12.00"
    )
    installation.dead(2, HOUR, entity_type="invoice", reason="INV-2: lines add up to 99.50, total is 120.00")
    installation.dead(1, HOUR, reason="HTTP 400 code 3062: the name is taken")
    await run(installation.database, web.url)
    (message,) = messages(web)
    named = installation.named("invoice", oldest)
    assert (
        "- 3 invoices: …: lines add up to …, total is …\n"
        f"  example: {named}\n"
        f"  fix: zoho-outbox explain {named}; when mended: zoho-outbox retry-failed --entity invoice\n"
    ) in message
    assert "- 1 customer: HTTP 400 code 3062: the name is taken\n" in message
    assert message.count("\n- ") == 2


async def test_a_cause_that_grows_by_much_is_told_again_and_by_little_a_day_later(
    installation: Installation, web: Hook
) -> None:
    database = installation.database
    installation.dead(2, HOUR)
    await run(database, web.url)
    installation.dead(4, HOUR)
    assert "nothing is new" in (await run(database, web.url)).shown[0]
    installation.dead(1, HOUR)
    await run(database, web.url)
    assert "- 7 customers: e-mail is missing (was 2)" in messages(web)[-1]
    installation.dead(1, HOUR)
    assert "nothing is new" in (await run(database, web.url)).shown[0]
    installation.run("UPDATE zoho_outbox_private.alert SET told_at = told_at - interval '25 hours'")
    await run(database, web.url)
    assert "- 8 customers: e-mail is missing (was 7)" in messages(web)[-1]
    installation.run("UPDATE zoho_outbox_private.alert SET told_at = told_at - interval '25 hours'")
    assert "nothing is new" in (await run(database, web.url)).shown[0]


async def test_a_cause_that_comes_back_with_other_rows_is_new(installation: Installation, web: Hook) -> None:
    mended = installation.dead(3, HOUR)
    await run(installation.database, web.url)
    installation.stand("customer", mended, "idle", 0)
    installation.dead(1, HOUR)
    await run(installation.database, web.url)
    assert "- 1 customer: e-mail is missing\n" in messages(web)[-1]


async def test_what_is_being_tried_again_is_not_over_before_it_rests(installation: Installation, web: Hook) -> None:
    database = installation.database
    ids = installation.dead(2, HOUR)
    await run(database, web.url)
    for phase in ("ready", "scheduled"):
        installation.stand("customer", ids, phase, 0)
        assert "nothing is new" in (await run(database, web.url)).shown[0]
    # Asked for again, and not admitted yet.
    installation.stand("customer", ids, "idle", 0)
    installation.run(
        "INSERT INTO public.zoho_outbox (entity_type, entity_id, origin) VALUES ('customer', %s, 'operator')", [ids[0]]
    )
    assert "nothing is new" in (await run(database, web.url)).shown[0]
    installation.run(
        "UPDATE public.zoho_outbox SET admitted = true, status = 'done', finished_at = now(), revision = revision + 1"
    )
    # It died a second time: no news at all.
    installation.stand("customer", ids, "dead", 0, last_error="e-mail is missing")
    assert "nothing is new" in (await run(database, web.url)).shown[0]
    installation.stand("customer", ids, "idle", 0)
    assert "1 recovered" in (await run(database, web.url)).shown[0]


async def test_what_needs_a_person_beside_dead_rows_is_told_and_its_end_too(
    installation: Installation, web: Hook
) -> None:
    database = installation.database
    installation.run(
        """
        UPDATE zoho_outbox_private.organisation
        SET forbidden_at = now(), forbidden_why = 'the refresh token lacks a scope: authorise again',
            paused_at = now() - interval '61 minutes', paused_by = 'anna', paused_why = 'month end'
        """
    )
    installation.daemon_heard_of(300)
    installation.run("ALTER TABLE public.customers DISABLE TRIGGER zoho_outbox_updated")
    await run(database, web.url)
    (message,) = messages(web)
    assert message.index("1 trigger: ") < message.index("forbidden: Zoho refuses everything since")
    assert "the refresh token lacks a scope: authorise again" in message
    assert "paused for more than 60 min" in message
    assert "by anna: month end" in message
    assert "no daemon: the last one has been silent for 5 min" in message
    assert "example: daemon on billing-1, pid 4711" in message
    # Minutes later: the same, in other words.
    installation.daemon_heard_of(900)
    assert "nothing is new" in (await run(database, web.url)).shown[0]
    installation.run("ALTER TABLE public.customers DISABLE TRIGGER zoho_outbox_inserted")
    await run(database, web.url)
    assert "2 triggers: " in messages(web)[-1]
    installation.run("UPDATE zoho_outbox_private.organisation SET forbidden_why = 'the client secret is wrong'")
    await run(database, web.url)
    assert "the client secret is wrong" in messages(web)[-1]
    installation.run("UPDATE zoho_outbox_private.organisation SET forbidden_at = NULL, paused_at = NULL")
    installation.daemon_heard_of(1)
    installation.run("ALTER TABLE public.customers ENABLE ALWAYS TRIGGER zoho_outbox_updated")
    installation.run("ALTER TABLE public.customers ENABLE ALWAYS TRIGGER zoho_outbox_inserted")
    assert "4 recovered" in (await run(database, web.url)).shown[0]


@pytest.mark.parametrize(
    ("sql", "seconds"),
    [
        ("broken_at = now() - make_interval(secs => %s), broken_why = '502'", 600),
        ("paused_at = now() - make_interval(secs => %s), paused_by = 'anna'", 3600),
    ],
    ids=["an outage of ten minutes", "a pause of an hour"],
)
async def test_what_may_heal_by_itself_is_told_when_it_has_lasted(
    installation: Installation, web: Hook, sql: str, seconds: int
) -> None:
    for lasted, told in ((seconds - 60, 0), (seconds + 1, 1)):
        installation.run(f"UPDATE zoho_outbox_private.organisation SET {sql}", [lasted])
        await run(installation.database, web.url)
        assert len(web.posts) == told


async def test_throttling_is_no_alert(installation: Installation, web: Hook) -> None:
    installation.run(
        "UPDATE zoho_outbox_private.organisation SET throttled_at = now(), throttled_until = now() + interval '1 hour'"
    )
    installation.throttled(9, 60)
    await run(installation.database, web.url)
    assert web.posts == []


async def test_a_mail_is_html_and_text_and_what_rows_say_is_no_markup(
    installation: Installation, mailbox: MailBox
) -> None:
    reason = "<script>alert(1)</script> <b>bold</b> & more"
    installation.dead(1, HOUR, reason=reason)
    await run(installation.database, mailbox.url)
    (mail,) = mailbox.mails
    assert mail.get_content_type() == "multipart/alternative"
    assert mail["Subject"] == "zoho-outbox: 1 problem"
    html = mailbox.html(0)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &lt;b&gt;bold&lt;/b&gt; &amp; more" in html
    assert "<script>" not in html
    assert reason in mailbox.text(0)
    assert "http" not in html.replace("zoho-outbox", "")


async def test_slack_and_discord_get_their_form_and_nobody_is_mentioned(
    installation: Installation, web: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NotifySlack, "webhook_url", f"http://{web.address}/services")
    monkeypatch.setattr(NotifyDiscord, "notify_url", f"http://{web.address}/api/webhooks")
    installation.dead(1, HOUR, reason="refused: @everyone <!channel> <@U123>")
    slack_token, discord_token = (
        "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7Q",
        "4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    )
    said = await run(installation.database, f"slack://{slack_token}/#ops", f"discord://{discord_token}")
    assert said.shown == ["receiver 1 (Slack): told of 1 problem", "receiver 2 (Discord): told of 1 problem"]
    slack, discord = web.posts
    assert slack.path == f"/services/{slack_token}"
    assert slack.json["channel"] == "#ops"
    (attachment,) = slack.json["attachments"]
    assert attachment["title"] == "zoho-outbox: 1 problem"
    assert "1 customer: refused: " in attachment["text"]
    assert discord.path == f"/api/webhooks/{discord_token}"
    assert "1 customer: refused: " in discord.json["content"]
    for post in web.posts:
        for mention in ("@everyone", "<!channel>", "<@U123>", "&lt;!channel"):
            assert mention not in json.dumps(post.json, ensure_ascii=False)
        assert "http" not in json.dumps(post.json)


async def test_a_long_message_reaches_discord_in_pieces_and_whole(
    installation: Installation, web: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NotifyDiscord, "notify_url", f"http://{web.address}/api/webhooks")
    monkeypatch.setattr(NotifyDiscord, "request_rate_per_sec", 0)
    words = (
        "alpha",
        "bravo",
        "charlie",
        "delta",
        "echo",
        "foxtrot",
        "golf",
        "hotel",
        "india",
        "juliett",
        "kilo",
        "lima",
    )
    for word in words:
        installation.dead(1, HOUR, reason=f"{word}: " + f"{word} is wrong and must be corrected. " * 8)
    await run(installation.database, "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js")
    assert len(web.posts) > 1
    whole = "".join(post.json["content"] for post in web.posts)
    assert all(f"{word}: {word} is wrong" in whole for word in words)
    assert all(len(post.json["content"]) <= 2000 for post in web.posts)


async def test_a_receiver_that_fails_is_named_without_its_secret_and_told_the_next_time(
    installation: Installation, web: Hook
) -> None:
    with hook() as other:
        database, installed = installation.database, (f"json://{web.address}/secret-path-1", other.url)
        installation.dead(1, HOUR)
        web.status = 500
        said = await run(database, *installed)
        assert not said.good
        assert said.reported == [
            "receiver 1 (JSON at 127.0.0.1) did not take it: check that entry of ALERT_URLS and the way there; "
            "it is told the next time"
        ]
        assert said.shown == ["receiver 2 (JSON at 127.0.0.1): told of 1 problem"]
        web.status = 200
        said = await run(database, *installed)
        assert (said.good, said.reported) == (True, [])
        assert said.shown == [
            "receiver 1 (JSON at 127.0.0.1): told of 1 problem",
            "receiver 2 (JSON at 127.0.0.1): nothing is new",
        ]
        assert (len(web.posts), len(other.posts)) == (1, 1)


async def test_a_new_receiver_is_told_what_stands(installation: Installation, web: Hook, mailbox: MailBox) -> None:
    installation.dead(1, HOUR)
    await run(installation.database, web.url)
    await run(installation.database, web.url, mailbox.url)
    assert (len(web.posts), len(mailbox.mails)) == (1, 1)


async def test_an_address_that_stands_twice_is_told_once(installation: Installation, web: Hook) -> None:
    installation.dead(1, HOUR)
    await run(installation.database, web.url, web.url)
    assert len(web.posts) == 1


async def test_a_dry_run_tells_nobody_and_remembers_nothing(
    installation: Installation, web: Hook, mailbox: MailBox
) -> None:
    (dead,) = installation.dead(1, HOUR)
    said = await run(installation.database, web.url, mailbox.url, dry_run=True)
    assert said.good
    (shown,) = said.shown
    assert shown.startswith(
        "to receiver 1 (JSON at 127.0.0.1), receiver 2 (E-Mail at 127.0.0.1):\nzoho-outbox: 1 problem\n"
    )
    assert f"example: {installation.named('customer', dead)}" in shown
    assert (web.posts, mailbox.mails) == ([], [])
    assert installation.run("SELECT * FROM zoho_outbox_private.alert") == []
    assert installation.run("SELECT turn_token FROM zoho_outbox_private.alert_turn") == [{"turn_token": None}]


async def test_what_could_not_be_read_is_said_and_is_not_over(installation: Installation, web: Hook) -> None:
    installation.run("UPDATE zoho_outbox_private.organisation SET forbidden_at = now(), forbidden_why = 'scope'")
    installation.dead(1, HOUR)
    await run(installation.database, web.url)
    installation.run("UPDATE zoho_outbox_private.organisation SET forbidden_at = NULL")
    installation.run("REVOKE SELECT ON zoho_outbox_private.organisation FROM zoho_outbox_daemon, zoho_outbox_operator")
    said = await run(installation.database, web.url)
    assert not said.good
    (line,) = said.reported
    assert line.startswith("could not tell: the role in DATABASE_URL lacks a right")
    assert "nothing is new" in said.shown[0]


async def test_the_turn_of_one_that_died_ends_by_itself(installation: Installation, web: Hook) -> None:
    installation.dead(1, HOUR)
    installation.run(
        """
        UPDATE zoho_outbox_private.alert_turn
        SET turn_token = gen_random_uuid(), turn_until = now() + interval '1 minute'
        """
    )
    said = await run(installation.database, web.url)
    assert (said.good, said.shown) == (True, ["another alert-failed is telling at this moment: left to it"])
    installation.run("UPDATE zoho_outbox_private.alert_turn SET turn_until = now() - interval '1 second'")
    await run(installation.database, web.url)
    assert len(web.posts) == 1


async def test_a_name_or_an_address_in_a_reason_does_not_leave_the_house(installation: Installation, web: Hook) -> None:
    installation.dead(1, HOUR, reason='the customer "Anna Meadow" has anna.meadow@example.com already')
    installation.run(
        "UPDATE zoho_outbox_private.organisation SET forbidden_at = now(), forbidden_why = 'user a.b@example.com'"
    )
    await run(installation.database, web.url)
    (message,) = messages(web)
    assert "Anna" not in message
    assert "meadow" not in message.lower()
    assert "example.com" not in message


async def test_a_cause_is_what_zoho_outbox_dead_shows(installation: Installation, web: Hook) -> None:
    for number in range(1, 4):
        installation.dead(number, HOUR, reason=f"cause {'abc'[number - 1]} of row {number}: 'it {number}' is wrong")
    installation.dead(2, HOUR, entity_type="invoice", reason="cause a of row 9: 'it' is wrong")
    await run(installation.database, web.url)
    view = installation.run("SELECT entity_type, cause, dead FROM zoho_outbox_dead")
    assert len(view) == 4
    (message,) = messages(web)
    told = installation.run("SELECT entity_type, said, entities FROM zoho_outbox_private.alert")
    assert sorted((row["entity_type"], row["dead"]) for row in view) == sorted(
        (row["entity_type"], row["entities"]) for row in told
    )
    assert all(row["cause"] in message for row in view if row["dead"] > 1)


async def test_a_server_that_never_ends_its_answer_is_left_behind(
    installation: Installation, web: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_receivers, "SEND_SECONDS", 0.2)
    web.hold = threading.Event()
    installation.dead(1, HOUR)
    said = await run(installation.database, web.url)
    assert not said.good
    assert "did not take it" in said.reported[0]
    assert installation.run("SELECT * FROM zoho_outbox_private.alert") == []
