"""The demo opens with the dashboard's address and a token that opens it."""

import re
import signal

import httpx
import pytest

from tests.demo.running import running_demo


@pytest.mark.slow
def test_the_address_and_token_that_the_demo_tells_open_the_dashboard() -> None:
    with running_demo() as demo:
        said = "".join(demo.read_until("Sign in"))
        address, token = re.search(r"http://127\.0\.0\.1:\d+/admin/zoho-sync", said), re.search(r"token (\w+)", said)
        assert address is not None, said
        assert token is not None, said
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.post(
                f"{address[0]}/sign-in", data={"name": "Anna", "token": token[1]}, follow_redirects=True
            )
            assert (answer.status_code, str(answer.url)) == (200, address[0])
            assert client.get(f"{address[0]}/nothing/here").status_code == 404
        status, _, errors = demo.end(signal.SIGTERM)
        assert (status, errors) == (0, "")
        demo.assert_nothing_left()
