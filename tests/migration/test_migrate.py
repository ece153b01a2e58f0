"""``migrate`` on every shape of host: complete, repeatable, interruptible, and no harm to the host."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from outbox.entities.registry import CAPTURES
from outbox.host_tables import HOST_TABLES
from outbox.migration.host_shape import read_host
from outbox.migration.runner import MigrationRefused, migrate, plan
from outbox.migration.steps import LOG_COLUMNS
from outbox.vocabulary import ZOHO_MODULES, EntityType, LogStatus, SyncStatus
from tests.host.databases import MIGRATOR, Database
from tests.host.shapes import SYNCED_TABLES, HostShape
from tests.migration.migrated import migrate_as_migrator
from tests.migration.shapes import SHAPES, described
from tests.migration.snapshot import rows, snapshot

NewDatabase = Callable[[HostShape], Database]
CUSTOMER = "00000000-0000-4000-8000-0000000c0001"


def due(database: Database, user: str = MIGRATOR) -> list[str]:
    with psycopg.connect(database.dsn(user), autocommit=True) as connection:
        return [step.name for step in plan(connection, CAPTURES)]


def execute(database: Database, statement: str) -> None:
    with psycopg.connect(database.superuser_dsn) as connection:
        connection.execute(statement.encode())


def scalar(database: Database, query: str) -> object:
    with psycopg.connect(database.superuser_dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("shape", SHAPES, ids=described)
def test_brings_every_shape_up_to_date(new_host_database: NewDatabase, shape: HostShape) -> None:
    database = new_host_database(shape)
    assert due(database)
    migrate_as_migrator(database)
    assert due(database) == []
    for table in HOST_TABLES.values():
        with psycopg.connect(database.superuser_dsn) as connection:
            present = read_host(connection).tables[table.name].columns
        assert {table.zoho_id, "zoho_sync_status", "zoho_last_synced_at", "zoho_last_sync_error"} <= set(present)


@pytest.mark.parametrize("shape", SHAPES, ids=described)
def test_second_run_changes_nothing(new_migrated_database: NewDatabase, shape: HostShape) -> None:
    database = new_migrated_database(shape)
    once = snapshot(database)
    assert migrate_as_migrator(database) == []
    assert snapshot(database) == once


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.rows], ids=described)
def test_rows_that_were_there_are_neither_captured_nor_changed(
    new_host_database: NewDatabase, shape: HostShape
) -> None:
    database = new_host_database(shape)
    before = [rows(database, f"public.{table}") for table in ("service_packages", "product_integrations")]
    ids = scalar(database, "SELECT array_agg(id ORDER BY id) FROM customers")
    migrate_as_migrator(database)
    assert scalar(database, "SELECT count(*) FROM zoho_outbox") == 0
    assert [rows(database, f"public.{table}") for table in ("service_packages", "product_integrations")] == before
    assert scalar(database, "SELECT array_agg(id ORDER BY id) FROM customers") == ids


@pytest.mark.parametrize("star_columns", ["present", "checked"])
def test_left_over_statuses_become_pending_and_enqueue_nothing(
    new_host_database: NewDatabase, star_columns: str
) -> None:
    database = new_host_database(HostShape(star_columns=star_columns, rows=True, leftovers=True))  # type: ignore[arg-type]
    finished = (
        "SELECT array_agg(zoho_sync_status ORDER BY id) FROM customers WHERE zoho_sync_status IN ('synced', 'failed')"
    )
    before = scalar(database, finished)
    said = migrate_as_migrator(database)
    assert scalar(database, finished) == before
    for table in SYNCED_TABLES:
        query = f"SELECT count(*) FROM {table} WHERE zoho_sync_status IN ('syncing', 'retrying')"
        assert scalar(database, query) == 0, table
        assert f"note: {table}: 2 left-over statuses set to pending, nothing enqueued" in said
    assert scalar(database, "SELECT count(*) FROM zoho_outbox") == 0


def test_two_at_once(new_host_database: NewDatabase) -> None:
    shape = HostShape(sync_logs=True, star_columns="checked", rows=True, leftovers=True)
    database, alone = new_host_database(shape), new_host_database(shape)
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(migrate_as_migrator, [database] * 3))
    migrate_as_migrator(alone)
    assert due(database) == []
    assert snapshot(database) == snapshot(alone)


def test_run_after_an_interruption_completes(new_host_database: NewDatabase) -> None:
    shape = HostShape(sync_logs=True, star_columns="checked", rows=True)
    whole = new_host_database(shape)
    migrate_as_migrator(whole)
    database = new_host_database(shape)

    def interrupt(line: str) -> None:
        if line.startswith("applied"):
            raise InterruptedError

    runs = 0
    while due(database):
        with psycopg.connect(database.dsn(MIGRATOR), autocommit=True) as connection:
            try:
                migrate(connection, CAPTURES, interrupt)
            except InterruptedError:
                runs += 1
    assert runs > 20
    assert snapshot(database) == snapshot(whole)


def test_step_that_fails_leaves_nothing_of_itself_and_says_what_to_do(new_host_database: NewDatabase) -> None:
    database = new_host_database(HostShape(rows=True))
    # The last statement of 0002 cannot succeed: the host has an index of that name.
    execute(database, "CREATE INDEX zoho_outbox_open ON customers (phone)")
    with pytest.raises(
        MigrationRefused, match=r'0002_outbox.sql: relation "zoho_outbox_open" already exists.*run migrate'
    ):
        migrate_as_migrator(database)
    assert scalar(database, "SELECT to_regclass('public.zoho_outbox') IS NULL") is True
    assert due(database)[0] == "0002_outbox.sql"
    execute(database, "DROP INDEX zoho_outbox_open")
    migrate_as_migrator(database)
    assert due(database) == []


def test_columns_that_the_host_gains_are_captured_from_the_next_run_on(new_host_database: NewDatabase) -> None:
    database = new_host_database(HostShape())
    execute(database, "ALTER TABLE customers DROP COLUMN business_name")
    migrate_as_migrator(database)
    execute(database, "ALTER TABLE customers ADD COLUMN business_name varchar(255)")
    assert {"host:customers:capture", "host:customers:access"} <= set(due(database))
    migrate_as_migrator(database)
    assert due(database) == []
    execute(
        database,
        "INSERT INTO customers (first_name, last_name, email, phone) VALUES ('A', 'B', 'a@example.com', '1');"
        "UPDATE customers SET business_name = 'Quarry'",
    )
    assert scalar(database, "SELECT array_agg(change::text ORDER BY id) FROM zoho_outbox") == ["inserted", "updated"]


def test_column_that_concerns_nobody_makes_nothing_due(migrated_database: Database) -> None:
    execute(migrated_database, "ALTER TABLE customers ADD COLUMN favourite_colour text")
    assert due(migrated_database) == []


@pytest.mark.parametrize(
    ("damage", "step"),
    [
        ("DROP TRIGGER zoho_outbox_updated ON customers", "host:customers:capture"),
        ("ALTER TABLE customers DISABLE TRIGGER zoho_outbox_inserted", "host:customers:capture"),
        ("ALTER TABLE customers ENABLE TRIGGER zoho_outbox_deleted", "host:customers:capture"),
        (
            "DROP TRIGGER zoho_outbox_customer_updated ON customer_services",
            "host:customer_services:capture customers",
        ),
        ("ALTER TABLE zoho_outbox DISABLE TRIGGER zoho_outbox_guard_delete", "02_guards.sql"),
        ("DROP POLICY zoho_outbox_write ON customers", "host:customers:access"),
        ("DROP POLICY zoho_outbox_read ON service_packages", "host:service_packages:access"),
        ("DROP POLICY zoho_outbox_daemon_all ON zoho_sync_logs", "host:zoho_sync_logs:access"),
        ("DROP INDEX zoho_outbox_customers_zoho_id", "host:customers:index:zoho_outbox_customers_zoho_id"),
        ("ALTER TABLE customers DROP COLUMN zoho_last_sync_error", "host:customers:columns"),
    ],
)
def test_what_others_remove_is_due_and_mended(migrated_database: Database, damage: str, step: str) -> None:
    whole = snapshot(migrated_database)
    execute(migrated_database, damage)
    assert step in due(migrated_database)
    migrate_as_migrator(migrated_database)
    assert due(migrated_database) == []
    mended = snapshot(migrated_database)
    for kind in ("triggers", "policies", "indexes"):
        assert mended[kind] == whole[kind]


def test_index_that_an_interrupted_build_left_is_built_again(migrated_database: Database) -> None:
    execute(
        migrated_database,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'zoho_outbox_customers_zoho_id'::regclass",
    )
    assert "host:customers:index:zoho_outbox_customers_zoho_id" in due(migrated_database)
    migrate_as_migrator(migrated_database)
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'zoho_outbox_customers_zoho_id'::regclass"
    assert scalar(migrated_database, valid) is True


@pytest.mark.parametrize("tables", [("customers",), ("customer_invoices", "payment_transactions")])
def test_missing_host_tables_are_named(new_host_database: NewDatabase, tables: tuple[str, ...]) -> None:
    database = new_host_database(HostShape())
    execute(database, f"DROP TABLE {', '.join(tables)} CASCADE")
    with pytest.raises(MigrationRefused, match="not a host database") as refusal:
        due(database)
    assert all(f"public.{table}" in str(refusal.value) for table in tables)
    assert "public.service_packages" not in str(refusal.value)
    with pytest.raises(MigrationRefused, match="not a host database"):
        migrate_as_migrator(database)
    assert scalar(database, "SELECT to_regnamespace('zoho_outbox_private') IS NULL") is True


def test_newer_schema_is_refused(migrated_database: Database) -> None:
    execute(
        migrated_database,
        "INSERT INTO zoho_outbox_private.migration (name, number, works_with, checksum, program_version) "
        "VALUES ('9001_future.sql', 9001, 9000, '', '9')",
    )
    with pytest.raises(MigrationRefused, match=r"number 9001 .* schema 9000 or later.*install a newer zoho-outbox"):
        due(migrated_database)


def test_tables_of_another_owner_are_refused_before_anything_is_done(new_host_database: NewDatabase) -> None:
    database = new_host_database(HostShape())
    execute(database, "ALTER TABLE customers OWNER TO postgres")
    with pytest.raises(MigrationRefused, match=r"public\.customers belongs to postgres"):
        migrate_as_migrator(database)
    assert scalar(database, "SELECT to_regnamespace('zoho_outbox_private') IS NULL") is True


def test_reader_without_rights_can_plan_before_and_is_told_whom_to_ask_after(host_database: Database) -> None:
    reader = f"{host_database.superuser_dsn}?options=-c%20role%3Danon"
    with psycopg.connect(reader, autocommit=True) as connection:
        assert plan(connection, CAPTURES)
        migrate_as_migrator(host_database)
        with pytest.raises(MigrationRefused, match=r"role anon may not read zoho_outbox_private\.migration"):
            plan(connection, CAPTURES)


@pytest.mark.parametrize("role", ["zoho_outbox_daemon", "finance_operator"])
def test_daemon_and_operator_can_plan(migrated_database: Database, role: str) -> None:
    assert due(migrated_database, role) == []


@pytest.mark.parametrize("migrated_database", [HostShape(sync_logs=True), HostShape()], indirect=True)
def test_log_takes_every_word_and_any_attempt(migrated_database: Database) -> None:
    with psycopg.connect(migrated_database.dsn("zoho_outbox_daemon")) as connection:
        for entity_type in EntityType:
            for status in LogStatus:
                connection.execute(
                    "INSERT INTO zoho_sync_logs (entity_type, entity_id, zoho_entity_type, status, attempt_number) "
                    "VALUES (%s, gen_random_uuid(), %s, %s, 12)",
                    [entity_type, ZOHO_MODULES[entity_type], status],
                )
        row = connection.execute("SELECT count(*) FROM zoho_sync_logs").fetchone()
    assert row == (len(EntityType) * len(LogStatus),)
    with psycopg.connect(migrated_database.superuser_dsn) as connection:
        for word in ("quote", "contract"):
            connection.execute(
                "INSERT INTO zoho_sync_logs (entity_type, entity_id, status) VALUES (%s, gen_random_uuid(), 'pending')",
                [word],
            )
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(
                "INSERT INTO zoho_sync_logs (entity_type, entity_id, status) VALUES ('x', gen_random_uuid(), 'pending')"
            )


@pytest.mark.parametrize("migrated_database", [HostShape(sync_logs=True), HostShape()], indirect=True)
def test_log_gains_its_columns(migrated_database: Database) -> None:
    with psycopg.connect(migrated_database.superuser_dsn) as connection:
        assert set(LOG_COLUMNS) <= set(read_host(connection).tables["zoho_sync_logs"].columns)


@pytest.mark.parametrize(
    "migrated_database", [HostShape(star_columns="checked", rows=True), HostShape(rows=True)], indirect=True
)
def test_status_columns_take_every_word(migrated_database: Database) -> None:
    with psycopg.connect(migrated_database.superuser_dsn) as connection:
        for table in SYNCED_TABLES:
            for status in (*SyncStatus, "pending", "syncing"):
                connection.execute(f"UPDATE {table} SET zoho_sync_status = %s".encode(), [status])


def test_words_of_the_host_s_own_checks_stay_allowed(new_host_database: NewDatabase) -> None:
    database = new_host_database(HostShape(star_columns="present", rows=True))
    execute(
        database,
        "CREATE FUNCTION public.known(word text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT word = ''parked''';"
        "ALTER TABLE customers ADD CONSTRAINT mine CHECK (zoho_sync_status IN ('pending', 'archived')),"
        " ADD CONSTRAINT by_function CHECK (public.known(zoho_sync_status) OR zoho_sync_status <> 'synced')",
    )
    migrate_as_migrator(database)
    assert due(database) == []
    for word in ("archived", "synced", "skipped"):
        execute(database, f"UPDATE customers SET zoho_sync_status = '{word}'")
    with pytest.raises(psycopg.errors.CheckViolation, match="mine"):
        execute(database, "UPDATE customers SET zoho_sync_status = 'unheard-of'")


def test_check_that_knows_all_words_is_left_alone(new_host_database: NewDatabase) -> None:
    database = new_host_database(HostShape(star_columns="present"))
    words = ", ".join(f"'{word}'" for word in ("pending", "syncing", "archived", *SyncStatus))
    execute(database, f"ALTER TABLE customers ADD CONSTRAINT mine CHECK (zoho_sync_status IN ({words}))")
    before = scalar(database, "SELECT oid FROM pg_constraint WHERE conname = 'mine'")
    migrate_as_migrator(database)
    assert scalar(database, "SELECT oid FROM pg_constraint WHERE conname = 'mine'") == before


def test_settings_of_the_role_do_not_stop_it(new_host_database: NewDatabase) -> None:
    database = new_host_database(HostShape(sync_logs=True, star_columns="checked", rows=True, leftovers=True))
    options = (
        "-c statement_timeout=8s -c lock_timeout=1s -c default_transaction_isolation=serializable"
        " -c default_transaction_read_only=on -c search_path=pg_temp -c client_min_messages=error"
    )
    with psycopg.connect(database.dsn(MIGRATOR), autocommit=True, options=options) as connection:
        migrate(connection, CAPTURES, lambda _: None)
        assert plan(connection, CAPTURES) == []
        row = connection.execute("SELECT current_setting('statement_timeout')").fetchone()
    assert row == ("8s",)


def test_event_triggers_that_notify_of_every_change_are_no_hindrance(new_host_database: NewDatabase) -> None:
    database = new_host_database(HostShape())
    # As Supabase's pgrst_ddl_watch: unqualified names, run by whoever changes the schema.
    execute(
        database,
        """
        CREATE SCHEMA extensions;
        CREATE FUNCTION extensions.pgrst_ddl_watch() RETURNS event_trigger LANGUAGE plpgsql AS $$
        DECLARE cmd record;
        BEGIN
            FOR cmd IN SELECT * FROM pg_event_trigger_ddl_commands() LOOP
                IF cmd.command_tag IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE FUNCTION', 'CREATE TRIGGER') THEN
                    NOTIFY pgrst, 'reload schema';
                END IF;
            END LOOP;
        END $$;
        CREATE EVENT TRIGGER pgrst_ddl_watch ON ddl_command_end EXECUTE FUNCTION extensions.pgrst_ddl_watch();
        """,
    )
    migrate_as_migrator(database)
    assert due(database) == []
