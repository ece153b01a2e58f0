"""What an administrator installs: valid, hardened, and in step with the code."""

import shutil
import subprocess
from pathlib import Path

import pytest

from daemon.command_line import WRONG_USE
from daemon.loops import FINISH_MARGIN_SECONDS
from daemon.process import REFUSED
from outbox.settings import Settings, load_settings
from tests.deploy.example import EXAMPLE, SECRETS, described
from tests.deploy.units import SERVICES, SYSTEMD, TIMERS, directives, seconds

WRAPPER = SYSTEMD.parent / "bin" / "zoho-outbox"
MOST_EXPOSED = 20
"""Of 100, as --threshold counts; 2.0 in words."""

with_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (Debian: systemd)"
)


class TestUnits:
    @with_systemd
    def test_systemd_finds_no_fault_with_them(self, tmp_path: Path) -> None:
        for name in (*SERVICES, *TIMERS):
            # The program is not installed where the tests run.
            text = (SYSTEMD / name).read_text(encoding="utf-8")
            (tmp_path / name).write_text(text.replace("/opt/zoho-outbox/bin/zoho-outbox", "/bin/true"))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in (*SERVICES, *TIMERS))],
            capture_output=True,
            text=True,
            check=False,
        )
        ours = [line for line in done.stderr.splitlines() if "zoho-outbox" in line]
        assert ours == []

    @with_systemd
    @pytest.mark.parametrize("name", SERVICES)
    def test_each_is_exposed_by_no_more_than_2(self, name: str) -> None:
        done = subprocess.run(
            [
                "systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}",
                str(SYSTEMD / name),
            ],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-200:]
        assert "ignoring" not in done.stderr

    @pytest.mark.parametrize("name", SERVICES)
    def test_every_secret_setting_is_a_credential_and_nothing_else_is(self, name: str) -> None:
        unit = directives(name)
        assert sorted(unit["LoadCredential"]) == [f"{name}:/etc/zoho-outbox/credentials/{name}" for name in SECRETS]
        # What is absent is empty, so that the program says by name what is missing.
        assert sorted(unit["SetCredential"]) == [f"{name}:\\x20" for name in SECRETS]

    def test_all_are_hardened_alike(self) -> None:
        def hardening(name: str) -> str:
            return (SYSTEMD / name).read_text(encoding="utf-8").partition("# What it may not do.")[2].split("\n[")[0]

        first, *others = (hardening(name).strip() for name in SERVICES)
        assert len(first.splitlines()) > 30
        assert [other for other in others if other != first] == []

    def test_a_refusal_does_not_loop_and_all_else_is_started_again(self) -> None:
        unit = directives("zoho-outbox.service")
        assert unit["Restart"] == ["always"]
        assert unit["RestartPreventExitStatus"] == [str(REFUSED)]
        assert REFUSED == WRONG_USE
        assert unit["StartLimitIntervalSec"] == ["0"]
        assert seconds(unit["RestartSec"][0]) >= 1

    def test_a_drain_ends_before_the_stop_time_out(self) -> None:
        unit = directives("zoho-outbox.service")
        request = Settings.model_fields["zoho_request_timeout_seconds"].default
        # finish: what is held, then what was ended; goodbye.
        assert seconds(unit["TimeoutStopSec"][0]) > request + 2 * FINISH_MARGIN_SECONDS + 2

    def test_each_timer_has_its_service_and_each_service_its_command(self) -> None:
        assert [name.replace(".timer", ".service") for name in TIMERS] == [
            name for name in SERVICES if name != "zoho-outbox.service"
        ]
        for name in TIMERS:
            command = name.removeprefix("zoho-outbox-").removesuffix(".timer")
            unit = directives(name.replace(".timer", ".service"))
            assert unit["ExecStart"] == [f"/opt/zoho-outbox/bin/zoho-outbox {command}"]
            assert seconds(unit["TimeoutStartSec"][0]) > 0


REQUIRED = {
    "DATABASE_URL": "postgresql://zoho_outbox_daemon@db.example.com/postgres",
    "ZOHO_CLIENT_ID": "1000.CLIENT",
    "ZOHO_CLIENT_SECRET": "client-secret",
    "ZOHO_REFRESH_TOKEN": "1000.refresh-token",
    "ZOHO_BILLING_ORGANIZATION_ID": "60001234567",
}

UNITS = {
    "SECONDS": ("seconds",),
    "DAYS": ("days",),
    "PERCENT": ("percent",),
    "LIMIT": ("day",),
    "MINUTE": ("minute",),
    "COUNT": ("so many", "count"),
}


class TestExampleOfSettings:
    def test_it_names_every_setting_once_and_no_other(self) -> None:
        assert sorted(line.name for line in described()) == sorted(name.upper() for name in Settings.model_fields)

    def test_every_setting_is_explained(self) -> None:
        assert [line.name for line in described() if len(line.comment) < 20] == []

    @pytest.mark.parametrize(("ending", "words"), UNITS.items())
    def test_the_explanation_names_the_unit(self, ending: str, words: tuple[str, ...]) -> None:
        of_unit = [line for line in described() if line.name.rpartition("_")[2] == ending]
        assert of_unit
        assert [line.name for line in of_unit if not any(word in line.comment.lower() for word in words)] == []

    def test_each_default_it_shows_is_the_default(self, tmp_path: Path) -> None:
        shown = tmp_path / "shown.env"
        lines = [f"{line.name}={line.value}" for line in described() if line.is_default]
        shown.write_text("\n".join(lines), encoding="utf-8")
        plain = load_settings(REQUIRED, required=Settings)
        assert load_settings({**REQUIRED, "ZOHO_OUTBOX_ENV_FILE": str(shown)}, required=Settings) == plain
        # An empty value counts as absent: only what has no fixed default may be shown as empty.
        empty = {line.name for line in described() if not line.value}
        fixed = {name for name in empty if getattr(plain, name.lower()) not in (None, (), {})}
        assert fixed == {*REQUIRED, "DATABASE_LISTEN_URL"}

    def test_it_can_be_used_as_it_is_once_the_required_settings_are_filled_in(self) -> None:
        plain = load_settings(REQUIRED, required=Settings)
        assert load_settings({**REQUIRED, "ZOHO_OUTBOX_ENV_FILE": str(EXAMPLE)}, required=Settings) == plain

    def test_no_secret_has_a_place_in_it(self) -> None:
        assert {line.name.lower() for line in described() if not line.is_default}.isdisjoint(SECRETS)


class TestWrapper:
    def test_a_shell_can_read_it(self) -> None:
        assert subprocess.run(["sh", "-n", str(WRAPPER)], check=False).returncode == 0

    def test_it_runs_what_the_units_run(self) -> None:
        text = WRAPPER.read_text(encoding="utf-8")
        assert "program=/opt/zoho-outbox/bin/zoho-outbox\n" in text
        assert (
            "ZOHO_OUTBOX_ENV_FILE=/etc/zoho-outbox/zoho-outbox.env"
            in directives("zoho-outbox.service")["Environment"][0].split()
        )
