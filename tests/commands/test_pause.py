import psycopg
import pytest

from daemon.command_line import DONE, FAILED
from tests.commands.conftest import Console, Host
from tests.host.databases import Database
from tests.migration.migrated import DAEMON, OPERATOR

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("role", [OPERATOR, DAEMON])
async def test_pause_and_resume_say_what_the_database_says(bare_console: Console, host: Host, role: str) -> None:
    said = await bare_console.type("pause", "--why", "month end", role=role)
    assert (said.code, said.err) == (DONE, "")
    assert said.out.startswith("paused; ")
    assert host.one("SELECT paused_by, paused_why FROM zoho_outbox_private.organisation") == {
        "paused_by": role,
        "paused_why": "month end",
    }
    again = await bare_console.type("pause", role=role)
    assert again.code == DONE
    assert again.out.startswith("paused already since ")
    assert again.out.endswith(f"by {role}: month end\n")
    resumed = await bare_console.type("resume", role=role)
    assert resumed.code == DONE
    assert resumed.out.startswith("resumed; ")
    assert (await bare_console.type("resume", role=role)).out == "was not paused\n"


async def test_a_role_without_the_right_is_told_which_one_has_it(
    bare_console: Console, migrated_database: Database
) -> None:
    with psycopg.connect(migrated_database.superuser_dsn) as connection:
        connection.execute("REVOKE EXECUTE ON FUNCTION public.zoho_outbox_pause(text) FROM zoho_outbox_operator")
    said = await bare_console.type("pause", role=OPERATOR)
    assert (said.code, said.out) == (FAILED, "")
    assert len(said.err.splitlines()) == 1
    assert "zoho_outbox_pause" in said.err
    assert "a member of zoho_outbox_operator" in said.err


async def test_the_person_behind_sudo_is_recorded_where_the_daemons_login_is_used(console: Console, host: Host) -> None:
    await console.type("pause", "--why", "stocktaking", SUDO_USER="thandi")
    assert host.one("SELECT paused_by FROM zoho_outbox_private.organisation")["paused_by"] == "thandi"
