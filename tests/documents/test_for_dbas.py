"""deploy/docs/for-dbas.md says what the catalogue says, and every statement of it runs as the role it is for."""

import re
from dataclasses import dataclass

import psycopg
import pytest

from tests.documents.for_dbas import PAGE, made, sections
from tests.host.databases import MIGRATOR, Database
from tests.migration.migrated import DAEMON, OPERATOR

TEXT = PAGE.read_text(encoding="utf-8")

LOGINS = {"operator": OPERATOR, "owner": MIGRATOR, "daemon": DAEMON}

BLOCK = re.compile(r"^```sql(?P<words>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Statements:
    """A block of the page: what it says, as whom, and whether it finds something in the world below."""

    text: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.text.split())[:60]


BLOCKS = [Statements(match["text"], tuple(match["words"].split())) for match in BLOCK.finditer(TEXT)]

WORLD = """
INSERT INTO public.customers (id, first_name, last_name, email, phone, account_number)
VALUES ('00000000-0000-4000-8000-0000000c0015', 'Anna', 'Meadow', 'anna@example.com', '1', 'CT-2025-00015');
ALTER TABLE public.customers DISABLE TRIGGER zoho_outbox_inserted;
INSERT INTO public.customers (id, first_name, last_name, email, phone, account_number)
VALUES (gen_random_uuid(), 'Boris', 'Hill', 'boris@example.com', '1', 'CT-2025-00016');
ALTER TABLE public.customers ENABLE ALWAYS TRIGGER zoho_outbox_inserted;
DELETE FROM zoho_outbox_private.entity_state;
UPDATE public.zoho_outbox
SET admitted = true, status = 'done', outcome = 'superseded', finished_at = now(), revision = revision + 1;
INSERT INTO public.zoho_outbox
    (id, entity_type, entity_id, status, admitted, change, last_error, attempts, revision)
OVERRIDING SYSTEM VALUE
VALUES (4711, 'customer', '00000000-0000-4000-8000-0000000c0015', 'dead', true, 'updated', 'code 4: no e-mail', 1, 2);
INSERT INTO zoho_outbox_private.entity_state (entity_type, entity_id, phase, due_at, last_error)
VALUES
    ('customer', '00000000-0000-4000-8000-0000000c0015', 'dead', now(), 'code 4: no e-mail'),
    ('payment', gen_random_uuid(), 'ready', now() - interval '1 hour', NULL);
INSERT INTO zoho_outbox_private.entity_state (entity_type, entity_id, phase, waits_for_type, waits_for_id)
VALUES ('invoice', gen_random_uuid(), 'waiting', 'customer', '00000000-0000-4000-8000-0000000c0015');
INSERT INTO zoho_outbox_private.session (id, kind, host, pid, program_version)
VALUES (gen_random_uuid(), 'daemon', 'billing-1', 42, '0');
INSERT INTO public.zoho_sync_logs (entity_type, entity_id, status, duration_ms, api_calls, outbox_id, request_payload)
VALUES ('customer', '00000000-0000-4000-8000-0000000c0015', 'failed', 120, 1, 4711, '{}');
"""
"""The rows that the page speaks of."""


@pytest.fixture
def world(migrated_database: Database) -> Database:
    """A database in which there is something to find."""
    with psycopg.connect(migrated_database.superuser_dsn) as connection:
        connection.execute(WORLD.encode())
    return migrated_database


@pytest.mark.parametrize("name", sections(TEXT))
def test_what_it_says_of_the_catalogue_is_what_the_catalogue_says(migrated_database: Database, name: str) -> None:
    with psycopg.connect(migrated_database.superuser_dsn) as connection:
        assert sections(TEXT)[name] == made(name, connection), "python -m tests.documents.for_dbas"


def test_it_speaks_of_every_kind_of_thing_in_the_catalogue() -> None:
    assert set(sections(TEXT)) == {
        "added",
        "columns zoho_outbox",
        "columns zoho_sync_logs",
        "grants",
        "indexes",
        "objects",
        "policies",
        "private",
        "storage",
        "triggers",
    }


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_statement_runs_as_the_role_it_is_for(world: Database, block: Statements) -> None:
    (role, *more) = block.words
    # Undone afterwards: roles belong to all databases of the server.
    with psycopg.connect(world.dsn(LOGINS[role]), autocommit="COMMIT;" in block.text) as connection:
        for statement in block.text.split(";\n"):
            if statement.strip():
                found = connection.execute(statement.encode())
                if more == ["rows"]:
                    assert found.fetchall(), statement
        connection.rollback()


def test_every_statement_says_whom_it_is_for() -> None:
    assert len(BLOCKS) > 20
    assert {block.words[:1] for block in BLOCKS} <= {(role,) for role in LOGINS}
    assert all(block.words[1:] in ((), ("rows",)) for block in BLOCKS)


def test_there_are_ten_queries_worth_having() -> None:
    chapter = TEXT.partition("## Ten queries worth having")[2].partition("\n## ")[0]
    assert re.findall(r"^(\d+)\.", chapter, re.MULTILINE) == [str(number) for number in range(1, 11)]
    assert len(BLOCK.findall(chapter)) == 10


def test_every_function_of_the_operators_has_its_example(migrated_database: Database) -> None:
    with psycopg.connect(migrated_database.superuser_dsn) as connection:
        names = [
            name
            for (name,) in connection.execute(
                "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
                "AND proowner = 'zoho_outbox_owner'::regrole"
            )
        ]
    examples = "\n".join(block.text for block in BLOCKS if block.words[:1] == ("operator",))
    assert len(names) > 5
    assert [name for name in names if f"{name}(" not in examples] == []


def test_every_chapter_of_the_contents_is_there() -> None:
    headings = {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    }
    linked = set(re.findall(r"\]\(#([\w-]+)\)", TEXT))
    assert linked == headings


def test_the_query_for_rights_of_supabase_s_roles_finds_what_somebody_gave(world: Database) -> None:
    (query,) = [block.text for block in BLOCKS if "service_role" in block.text]
    with psycopg.connect(world.superuser_dsn, autocommit=True) as connection:
        assert connection.execute(query.encode()).fetchall() == []
        connection.execute("GRANT SELECT ON public.zoho_outbox TO service_role")
        assert connection.execute(query.encode()).fetchall() == [("service_role", "zoho_outbox")]
