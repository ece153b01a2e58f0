import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from outbox.simulator import SimulatorSettings
from outbox.simulator.command import announcement, run
from outbox.simulator.serving import bound_socket

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from outbox.simulator.command import run
from outbox.simulator.settings import SimulatorSettings
sys.exit(run(int(sys.argv[1]), SimulatorSettings(), lambda text: print(text, flush=True)))
"""


def start(port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(port)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with start(0) as started:
        yield started
        started.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(process: subprocess.Popen[str], number: signal.Signals) -> None:
    assert process.stdout is not None
    first = process.stdout.readline()
    url = first.split()[-1]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
    exports = dict(process.stdout.readline().removeprefix("export ").strip().split("=", 1) for _ in range(6))
    assert exports["ZOHO_API_BASE_URL"] == f"{url}/billing/v1"
    reply = httpx.post(
        exports["ZOHO_ACCOUNTS_BASE_URL"] + "/oauth/v2/token",
        data={
            "grant_type": "refresh_token",
            "refresh_token": exports["ZOHO_REFRESH_TOKEN"],
            "client_id": exports["ZOHO_CLIENT_ID"],
            "client_secret": exports["ZOHO_CLIENT_SECRET"],
        },
        trust_env=False,
        verify=False,
    )
    assert reply.json()["api_domain"] == url
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (0, "", "")


def test_a_port_in_use_is_one_line_and_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    announced: list[str] = []
    with bound_socket(0) as taken:
        port = taken.getsockname()[1]
        assert run(port, SimulatorSettings(), announced.append) == 1
    assert announced == []
    assert capsys.readouterr().err == (
        f"simulate-zoho: port {port} is in use; choose another with --port, or --port 0 for any free one\n"
    )


def test_it_listens_on_the_loopback_alone() -> None:
    with bound_socket(0) as listener:
        assert listener.family == socket.AF_INET
        assert listener.getsockname()[0] == "127.0.0.1"


def test_replies_do_not_wait_for_acknowledgements() -> None:
    with bound_socket(0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_the_announcement_can_be_pasted_into_a_shell() -> None:
    settings = SimulatorSettings(client_secret="two words")
    assert announcement("http://127.0.0.1:8026", settings).splitlines() == [
        "Zoho Billing simulator ready at http://127.0.0.1:8026",
        "export ZOHO_API_BASE_URL=http://127.0.0.1:8026/billing/v1",
        "export ZOHO_ACCOUNTS_BASE_URL=http://127.0.0.1:8026",
        "export ZOHO_CLIENT_ID=1000.SIMULATOR",
        "export ZOHO_CLIENT_SECRET='two words'",
        "export ZOHO_REFRESH_TOKEN=1000.simulator.refresh-token",
        "export ZOHO_BILLING_ORGANIZATION_ID=10234695",
    ]


def test_it_loads_neither_the_client_nor_the_database() -> None:
    listing = "import sys, outbox.simulator.command; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", listing], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"httpx", "psycopg", "rich", "typer", "aiohttp"} & set(loaded)
    assert not [name for name in loaded if name.startswith("outbox.") and "simulator" not in name]
