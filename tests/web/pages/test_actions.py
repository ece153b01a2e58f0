"""What operators start: under their name, with a reason where one is wanted, and with an answer either way."""

from typing import Any
from uuid import UUID, uuid4

import anyio
import httpx
import pytest

from daemon.web.connections import CONNECTIONS
from outbox.store import dashboard
from tests.store.host import Host
from tests.web.conftest import csrf_token_in
from tests.web.pages.reading import OVERVIEW, link_called, read, text_of
from tests.web.pages.stories import Stories

pytestmark = pytest.mark.anyio

NAME = "Lerato Nkosi"


async def press(client: httpx.AsyncClient, address: str, **fields: str) -> str:
    """A button of a form: what the page after the redirect says."""
    token = csrf_token_in((await client.get(OVERVIEW)).text)
    answer = await client.post(OVERVIEW + address, data={"csrf_token": token, **fields})
    assert answer.status_code == 303, answer.text
    return await read(client, answer.headers["location"])


async def test_a_row_is_sent_again_under_the_operators_name(client: httpx.AsyncClient, stories: Stories) -> None:
    customer, entry = stories.dead(business_name="Karoo Crust Bakery")
    page = await press(client, f"/customer/{customer}/retry")
    assert "Customer Karoo Crust Bakery is sent again." in page
    row = stories.host.entry(customer)
    assert (row["id"], row["status"], row["requested_by"]) == (entry, "pending", NAME)


async def test_as_many_at_once_as_there_are_connections_do_not_wait_for_each_other(
    client: httpx.AsyncClient, stories: Stories, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = [stories.dead()[0] for _ in range(CONNECTIONS)]
    token = csrf_token_in((await client.get(OVERVIEW)).text)
    inside, all_inside, replay = 0, anyio.Event(), dashboard.Operating.replay

    async def replay_together(self: dashboard.Operating, *row: Any) -> Any:
        nonlocal inside
        inside += 1
        if inside == CONNECTIONS:
            all_inside.set()
        await all_inside.wait()
        return await replay(self, *row)

    monkeypatch.setattr(dashboard.Operating, "replay", replay_together)
    answers: list[int] = []

    async def send_again(customer: UUID) -> None:
        address = f"{OVERVIEW}/customer/{customer}/retry"
        answers.append((await client.post(address, data={"csrf_token": token})).status_code)

    async with anyio.create_task_group() as tasks:
        for customer in customers:
            tasks.start_soon(send_again, customer)
    assert answers == [303] * CONNECTIONS


async def test_a_message_is_shown_once_and_to_a_person_alone(client: httpx.AsyncClient, stories: Stories) -> None:
    customer, _ = stories.dead()
    token = csrf_token_in((await client.get(OVERVIEW)).text)
    address = f"{OVERVIEW}/customer/{customer}"
    await client.post(f"{address}/retry", data={"csrf_token": token})
    refreshed = await client.get(address, headers={"sec-fetch-mode": "cors"})
    assert "is sent again." not in refreshed.text, "the script's refresh leaves it to the page that is opened"
    assert "is sent again." in (await client.get(address)).text
    assert "is sent again." not in (await client.get(address)).text


async def test_nothing_is_done_without_the_sessions_token(client: httpx.AsyncClient, stories: Stories) -> None:
    customer, entry = stories.dead()
    for address in (
        "/pause",
        "/resume",
        f"/customer/{customer}/retry",
        "/failed/customer-0123456789abcdef/retry",
        f"/entries/{entry}/skip",
    ):
        answer = await client.post(OVERVIEW + address, data={"reason": "because", "csrf_token": "guessed"})
        assert answer.status_code == 403
    assert stories.host.entry(customer)["status"] == "dead"
    assert stories.host.value("SELECT paused_at FROM zoho_outbox_private.organisation") is None


async def test_pausing_wants_a_reason_and_keeps_who_and_why(client: httpx.AsyncClient, host: Host) -> None:
    page = await press(client, "/pause", reason="  \n ")
    assert "Sending was not paused. Say why" in page
    page = await press(client, "/pause", reason="month  end")
    assert "Sending is paused." in page
    assert f"Paused by {NAME}: month end" in page
    assert host.value("SELECT paused_by FROM zoho_outbox_private.organisation") == NAME
    again = await press(client, "/pause", reason="another")
    assert f"by {NAME}: month end." in again
    assert "It stays so until somebody resumes." in again


async def test_resuming_says_what_ended_or_that_nothing_was_paused(client: httpx.AsyncClient, host: Host) -> None:
    assert "Sending was not paused. Somebody else may have resumed it." in await press(client, "/resume")
    await press(client, "/pause", reason="month end")
    page = await press(client, "/resume")
    assert "Sending goes on." in page
    assert "month end" in page
    assert host.value("SELECT paused_at FROM zoho_outbox_private.organisation") is None


async def test_a_retry_while_sending_is_paused_says_when_it_leaves(client: httpx.AsyncClient, stories: Stories) -> None:
    customer, _ = stories.dead()
    await press(client, "/pause", reason="month end")
    assert "Sending is paused: it leaves when somebody resumes." in await press(client, f"/customer/{customer}/retry")


async def test_a_letter_is_set_aside_with_its_reason(client: httpx.AsyncClient, stories: Stories) -> None:
    customer, entry = stories.dead()
    page = await press(client, f"/entries/{entry}/skip", reason=" ", back=f"{OVERVIEW}/failed")
    assert "Nothing was set aside. Say why" in page
    page = await press(client, f"/entries/{entry}/skip", reason="a test <i>account</i>", back=f"{OVERVIEW}/failed")
    assert "is set aside." in page
    row = stories.host.entry(customer)
    assert (row["status"], row["outcome"], row["requested_by"], row["last_error"]) == (
        "skipped",
        "set_aside",
        NAME,
        "a test <i>account</i>",
    )


async def test_a_refusal_is_shown_in_the_functions_words_with_what_to_do(
    client: httpx.AsyncClient, stories: Stories
) -> None:
    customer = stories.synced()
    entry = stories.host.entry(customer)["id"]
    page = await press(client, f"/entries/{entry}/skip", reason="because")
    assert f"Zoho_outbox {entry}: is done, only a dead or waiting entry can be set aside." in page
    assert "It is finished: nothing of it is sent any more." in page
    page = await press(client, f"/entries/{2**62}/skip", reason="because")
    assert "there is no such entry" in page
    page = await press(client, f"/customer/{uuid4()}/retry", back=OVERVIEW)
    assert "nothing of it was ever captured" in page


async def test_a_row_that_somebody_else_works_on_is_an_answer_and_no_trouble(
    client: httpx.AsyncClient, stories: Stories
) -> None:
    customer, entry = stories.dead()
    with stories.host.transaction("postgres") as holder:
        holder.execute("SELECT FROM zoho_outbox_private.entity_state WHERE entity_id = %s FOR UPDATE", [customer])
        page = await press(client, f"/entries/{entry}/skip", reason="because")
    assert "works on customer" in page
    assert "Say it again." in page


async def test_a_cause_is_sent_again_as_a_whole_and_leaves_others_alone(
    client: httpx.AsyncClient, stories: Stories, monkeypatch: pytest.MonkeyPatch
) -> None:
    alike = [stories.dead(f"refused {number}")[0] for number in range(3)]
    other, _ = stories.dead("another reason")
    address = link_called((await client.get(f"{OVERVIEW}/failed")).text, "3 customers")
    assert address is not None
    cause = address.removeprefix(OVERVIEW)
    page = await press(client, f"{cause}/retry", back=f"{OVERVIEW}/failed")
    assert "3 records are sent again." in page
    assert [stories.host.entry(customer)["status"] for customer in (*alike, other)] == ["pending"] * 3 + ["dead"]
    assert {stories.host.entry(customer)["requested_by"] for customer in alike} == {NAME}


async def test_of_a_large_cause_a_part_is_sent_at_a_time(
    client: httpx.AsyncClient, stories: Stories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.web.pages.actions.MOST_REPLAYED", 2)
    dead = [stories.dead(f"refused {number}")[0] for number in range(3)]
    address = link_called((await client.get(f"{OVERVIEW}/failed")).text, "3 customers")
    assert address is not None
    page = await press(client, f"{address.removeprefix(OVERVIEW)}/retry")
    assert "2 records are sent again. There are more of this cause: press again for the next." in page
    assert sorted(stories.host.entry(customer)["status"] for customer in dead) == ["dead", "pending", "pending"]


async def test_a_letter_that_was_sent_again_meanwhile_is_not_sent_twice(
    client: httpx.AsyncClient, stories: Stories, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer, entry = stories.dead()
    letters = [{"entry_id": entry}]

    async def read_before(*_: Any) -> tuple[list[dict[str, int]], None]:
        return letters, None

    monkeypatch.setattr(dashboard.Dashboard, "dead_letters", read_before)
    stories.host.interfere(
        "UPDATE public.zoho_outbox SET status = 'done', finished_at = now(), revision = revision + 1 WHERE id = %s",
        [entry],
    )
    page = await press(client, "/failed/customer-0123456789abcdef/retry")
    assert "Nothing of this cause is dead any more." in page
    assert stories.host.entry(customer)["status"] == "done"


async def test_after_an_action_nobody_is_sent_to_another_site(client: httpx.AsyncClient, stories: Stories) -> None:
    customer, _ = stories.dead()
    token = csrf_token_in((await client.get(OVERVIEW)).text)
    for elsewhere in ("https://example.com/", "//example.com/", "/\\example.com", "javascript:alert(1)"):
        answer = await client.post(
            f"{OVERVIEW}/customer/{customer}/retry", data={"csrf_token": token, "back": elsewhere}
        )
        assert answer.headers["location"] == OVERVIEW


async def test_what_cannot_be_acted_on_is_not_found(client: httpx.AsyncClient) -> None:
    token = csrf_token_in((await client.get(OVERVIEW)).text)
    for address in ("/estimate/1/retry", "/customer/1/retry", "/failed/elsewhere/retry", f"/entries/{2**70}/skip"):
        answer = await client.post(OVERVIEW + address, data={"csrf_token": token, "reason": "because"})
        assert answer.status_code == 404, address


async def test_a_message_is_text_whatever_is_in_the_cookie(client: httpx.AsyncClient) -> None:
    for cookie in ("", "%%%", "eyJhIjogMX0=", "WzEsIDIsIDNd", "W3RydWUsICI8Yj4iLCAiPGk+Il0="):
        answer = await client.get(OVERVIEW, headers={"cookie": f"{_session(client)}; zoho_outbox_said={cookie}"})
        assert answer.status_code == 200
        assert "<b>" not in answer.text
        assert "<i>" not in answer.text.replace("<i ", "")
    assert "<b>" in text_of(answer.text)


def _session(client: httpx.AsyncClient) -> str:
    return f"zoho_outbox_session={client.cookies['zoho_outbox_session']}"
