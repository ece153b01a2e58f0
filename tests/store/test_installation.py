"""Which database may send: clones, restores, another organisation."""

import pytest

from outbox.database import Database
from outbox.settings import Settings
from outbox.store.installation import WrongDatabase, accept_database, verify_installation
from tests.store.conftest import new_settings
from tests.store.host import Host

pytestmark = pytest.mark.anyio


async def test_the_first_run_stores_which_database_it_is(host: Host, database: Database, settings: Settings) -> None:
    (row,) = host.rows("SELECT * FROM zoho_outbox_private.installation")
    assert row["database_name"] == host.database.name
    assert row["system_identifier"] == host.value("SELECT system_identifier::text FROM pg_control_system()")
    assert row["zoho_organization_id"] == settings.zoho_billing_organization_id
    installation = await verify_installation(database, settings)
    assert (installation.look_first_since, installation.payloads_allowed) == (None, True)


@pytest.mark.parametrize("column", ["database_name", "system_identifier"])
async def test_a_copy_is_refused_with_the_way_out(
    host: Host, database: Database, settings: Settings, column: str
) -> None:
    host.interfere(f"UPDATE zoho_outbox_private.installation SET {column} = 'another'")
    with pytest.raises(WrongDatabase, match="doctor --accept-database"):
        await verify_installation(database, settings)


async def test_an_accepted_copy_sends_and_looks_first(host: Host, database: Database, settings: Settings) -> None:
    host.interfere("UPDATE zoho_outbox_private.installation SET database_name = 'another'")
    assert (await accept_database(database)).startswith("accepted")
    assert (await verify_installation(database, settings)).look_first_since is not None
    (row,) = host.rows("SELECT * FROM zoho_outbox_private.installation")
    assert row["database_accepted_by"] == "zoho_outbox_daemon"
    assert row["zoho_organization_id"] == settings.zoho_billing_organization_id


async def test_there_is_nothing_to_accept_where_nothing_changed(database: Database, settings: Settings) -> None:
    assert (await accept_database(database)).startswith("nothing to accept")
    assert (await verify_installation(database, settings)).look_first_since is None


async def test_another_timeline_looks_first_and_goes_on_doing_so(
    host: Host, database: Database, settings: Settings
) -> None:
    host.interfere("UPDATE zoho_outbox_private.installation SET timeline = timeline + 1")
    for _ in range(2):
        installation = await verify_installation(database, settings)
        assert installation.look_first_why is not None
        assert "another timeline" in installation.look_first_why


async def test_another_organisation_is_refused(host: Host, database: Database) -> None:
    settings = new_settings(host.database, ZOHO_BILLING_ORGANIZATION_ID="777")
    with pytest.raises(WrongDatabase, match="belongs to the Zoho organisation 10234695"):
        await verify_installation(database, settings)


async def test_another_way_of_billing_is_refused(host: Host, database: Database) -> None:
    settings = new_settings(host.database, ZOHO_RECURRING_BILLING="host")
    with pytest.raises(WrongDatabase, match="doctor --accept-billing-mode"):
        await verify_installation(database, settings)
