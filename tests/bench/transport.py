"""Zoho as a drain of customers meets it, without a network: what is measured is the daemon and PostgreSQL alone.

The simulator is a third hungry process and parses, checks and files what it gets; this answers with as little work as
an answer can cost, some microseconds. It keeps nothing, so it can be asked for new customers and nothing that is found
again: what it does not know it refuses, and the benchmark's own check afterwards finds the dead letter.
"""

import asyncio
import json
import mmap
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from outbox.simulator import SimulatorSettings
from outbox.simulator.application import API_ROOT
from outbox.simulator.serving import environment

JSON_TYPE = "application/json;charset=UTF-8"

NOWHERE = "http://127.0.0.1:9"
"""The address that stands in the settings where nothing is reached: loopback, so that it counts as no Zoho."""

_SETTINGS = SimulatorSettings()

_TOKEN = {
    "access_token": "1000.0123456789abcdef0123456789abcdef.0123456789abcdef0123456789abcdef",
    "api_domain": NOWHERE,
    "token_type": "Bearer",
    "expires_in": 3600,
}

_ORGANISATIONS = {
    "code": 0,
    "message": "success",
    "organizations": [
        {
            "organization_id": _SETTINGS.organisation.organization_id,
            "name": _SETTINGS.organisation.name,
            "is_default_org": True,
            "plan_name": _SETTINGS.organisation.plan_name,
            "plan_type": 0,
            "version": "global",
            "mode": "test",
            "time_zone": _SETTINGS.organisation.time_zone,
            "currency_id": "1023469500097",
            "currency_code": _SETTINGS.organisation.currency_code,
            "currency_symbol": _SETTINGS.organisation.currency_symbol,
            "price_precision": 2,
            "is_org_active": True,
            "fiscal_year_start_month": 0,
        }
    ],
}

_NO_ADDRESS = dict.fromkeys(("attention", "street", "city", "state", "zip", "country", "state_code", "fax"), "")


def _rest_of_a_customer() -> dict[str, Any]:
    """What Zoho shows of a customer beside what it was sent (sheet 2.1): two thirds of the reply."""
    now = datetime.now().astimezone().strftime("%Y-%m-%dT%H:%M:%S%z")
    return {
        "salutation": "",
        "status": "active",
        "currency_id": "1023469500097",
        "currency_symbol": "R",
        "price_precision": 2,
        "source": "api",
        "payment_reminder_enabled": True,
        "unused_credits": 0,
        "outstanding_receivable_amount": 0,
        "outstanding": 0,
        "mobile": "",
        "website": "",
        "department": "",
        "designation": "",
        "pricebook_id": "",
        "zcrm_account_id": "",
        "zcrm_contact_id": "",
        "tags": [],
        "documents": [],
        "payment_terms": 0,
        "payment_terms_label": "Due On Receipt",
        "is_portal_enabled": False,
        "is_gapps_customer": False,
        "is_linked_with_zohocrm": False,
        "shipping_address": _NO_ADDRESS,
        "primary_contactperson_id": "4600000000001004",
        "can_add_card": True,
        "can_add_bank_account": False,
        "notes": "",
        "created_time": now,
        "updated_time": now,
        "default_templates": {},
    }


def settings_for(url: str) -> dict[str, str]:
    """The settings with which the daemon finds :class:`Answers` at ``url``, or in its own process."""
    return environment(url, _SETTINGS)


class Counts:
    """What was asked, in a file that another process reads while it is counted: without a statement or a message."""

    BYTES = 3 * 8

    def __init__(self, path: Path) -> None:
        """Begins at the numbers that stand in ``path``; makes it where it is not there."""
        if not path.exists():
            path.write_bytes(bytes(self.BYTES))
        with path.open("r+b") as file:
            self._numbers = memoryview(mmap.mmap(file.fileno(), self.BYTES)).cast("q")

    @property
    def requests(self) -> int:
        """Of the API."""
        return self._numbers[0]

    @property
    def creates(self) -> int:
        """Customers made."""
        return self._numbers[1]

    @property
    def mints(self) -> int:
        """Access tokens given out."""
        return self._numbers[2]

    def count_request(self) -> None:
        """One more request of the API."""
        self._numbers[0] += 1

    def count_create(self) -> int:
        """One more customer; returns how many there are."""
        self._numbers[1] += 1
        return self._numbers[1]

    def count_mint(self) -> None:
        """One more token."""
        self._numbers[2] += 1


class Answers:
    """Token, organisation, new and changed customers. The ids of two with different ``series`` never meet."""

    def __init__(self, counts: Counts, series: int) -> None:
        """``series`` from 0 to 9,999,999: a process id, for example."""
        self._counts = counts
        self._first_id = 46 * 10**17 + series * 10**10
        rest = json.dumps(_rest_of_a_customer(), separators=(",", ":")).encode()[:-1]
        # Text is joined, nothing is parsed: what was sent is shown as it was sent, and none of its keys stands in the
        # rest.
        self._head = b'{"code":0,"message":"The customer has been added.","customer":{"customer_id":"'
        self._middle = b'",' + rest[1:] + b","
        self._token = json.dumps(_TOKEN).encode()
        self._organisations = json.dumps(_ORGANISATIONS).encode()

    def to(self, method: str, path: str, content: bytes) -> tuple[int, bytes]:
        """Status and body."""
        if path == "/oauth/v2/token":
            self._counts.count_mint()
            return 200, self._token
        self._counts.count_request()
        path = path.removeprefix(API_ROOT)
        if method == "POST" and path == "/customers":
            return 201, self._customer(str(self._first_id + self._counts.count_create()), content)
        if method == "PUT" and path.startswith("/customers/"):
            return 200, self._customer(path.removeprefix("/customers/"), content)
        if method == "GET" and path == "/organizations":
            return 200, self._organisations
        return 400, b'{"code":5,"message":"This benchmark does not know that request"}'

    def _customer(self, customer_id: str, content: bytes) -> bytes:
        return self._head + customer_id.encode() + self._middle + content[1:-1] + b"}}"


class InProcessTransport(httpx.AsyncBaseTransport):
    """Answers at once, or after ``delay_seconds``."""

    def __init__(self, answers: Answers, *, delay_seconds: float = 0.0, moments: list[float] | None = None) -> None:
        """``moments`` collects when each create left, on CLOCK_MONOTONIC, which all processes share."""
        self._answers = answers
        self._delay = delay_seconds
        self._moments = moments

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """httpx's interface."""
        path = request.url.path
        if self._moments is not None and request.method == "POST" and path.endswith("/customers"):
            self._moments.append(time.monotonic())
        if self._delay > 0:
            await asyncio.sleep(self._delay)
        status, body = self._answers.to(request.method, path, request.content)
        return httpx.Response(status, headers={"Content-Type": JSON_TYPE}, content=body)


def create_body(number: int) -> Mapping[str, Any]:
    """What the daemon sends for the backlog's customer ``number``, for bare loops that make the same requests."""
    return {
        "display_name": f"Anna Meadow [CT-{number}]",
        "currency_code": "ZAR",
        "first_name": "Anna",
        "last_name": "Meadow",
        "phone": "+27 21 555 0101",
        "email": f"{number}@example.com",
    }
