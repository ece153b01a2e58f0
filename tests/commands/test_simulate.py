import re
import signal
import subprocess

import pytest

from outbox.commands.simulate import simulator_settings
from outbox.simulator.settings import LimitSettings, SimulatorSettings, Undocumented
from tests.commands.conftest import COMMAND, ROOT, environment

DEFAULTS = {
    "latency_milliseconds": 0,
    "list_lag_seconds": 0.0,
    "wide_limits": False,
    "requests_per_minute": 100,
    "requests_per_day": 1000,
    "concurrent_requests": 5,
    "currency": "ZAR",
    "refuse_duplicate_names": False,
    "email_required": False,
    "undocumented": "on",
}


def test_the_defaults_of_the_command_are_those_of_the_simulator() -> None:
    assert simulator_settings(**DEFAULTS) == SimulatorSettings()  # type: ignore[arg-type]


def test_options_reach_the_simulator() -> None:
    changed = {
        "latency_milliseconds": 250,
        "requests_per_minute": 0,
        "currency": "EUR",
        "refuse_duplicate_names": True,
        "email_required": True,
        "undocumented": "ignored",
    }
    settings = simulator_settings(**{**DEFAULTS, **changed})  # type: ignore[arg-type]
    assert settings.latency_seconds == 0.25
    assert settings.limits.requests_per_minute is None
    assert settings.organisation.currency_code == "EUR"
    assert not settings.customers.allow_duplicate_display_names
    assert settings.customers.email_required
    assert settings.undocumented.customers_email is Undocumented.IGNORED
    wide = simulator_settings(**{**DEFAULTS, "wide_limits": True})  # type: ignore[arg-type]
    assert wide.limits == LimitSettings.wide()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_announces_itself_serves_and_stops(number: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "simulate-zoho", "--port", "0"],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert re.search(r"ready at http://127\.0\.0\.1:\d+$", process.stdout.readline())
        process.send_signal(number)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
