"""What a BEFORE trigger of the host changes, read from its function's text."""

import pytest

from outbox.commands.doctor.findings import Outcome
from outbox.commands.doctor.host_triggers import changes_of, check_host_triggers
from outbox.database import Row

MAPPED = {"customers": frozenset({"email", "phone", "account_status"})}


def trigger(source: str, *, language: str = "plpgsql", function: str = "public.tidy", arguments: str = "") -> Row:
    return {
        "table_name": "customers",
        "name": "tidy",
        "function": function,
        "language": language,
        "source": source,
        "arguments": arguments,
    }


@pytest.mark.parametrize(
    ("source", "columns"),
    [
        ("BEGIN NEW.updated_at := now(); RETURN NEW; END", {"updated_at"}),
        ("BEGIN\n    new.Email = lower(new.email);\n    RETURN NEW;\nEND", {"email"}),
        ("BEGIN IF NEW.status = 'x' THEN NEW.phone := ''; END IF; RETURN NEW; END", {"phone"}),
        ("BEGIN IF a THEN b := 1; ELSE NEW.phone = ''; END IF; RETURN NEW; END", {"phone"}),
        ("BEGIN SELECT a, b INTO NEW.email, NEW.phone FROM t; RETURN NEW; END", {"email", "phone"}),
        ("BEGIN SELECT a INTO STRICT NEW.email FROM t; RETURN NEW; END", {"email"}),
        ('BEGIN NEW."Odd Name" := 1; RETURN NEW; END', {"Odd Name"}),
        ("BEGIN -- NEW.email := 'no';\n /* ; NEW.phone := 1; */ RETURN NEW; END", set()),
        ("BEGIN RAISE NOTICE '; NEW.email := 1'; RETURN NEW; END", set()),
        ("BEGIN IF NEW.email = NEW.phone THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END", set()),
        ("BEGIN RETURN OLD; END", set()),
        ("BEGIN RETURN NULL; END", set()),
    ],
)
def test_assignments_are_told_from_comparisons_comments_and_texts(source: str, columns: set[str]) -> None:
    changes = changes_of(trigger(source))
    assert (set(changes.columns), changes.unknown) == (columns, None)


@pytest.mark.parametrize(
    "source",
    [
        "BEGIN NEW := tidy(NEW); RETURN NEW; END",
        "BEGIN SELECT * INTO NEW FROM t; RETURN NEW; END",
        "BEGIN RETURN jsonb_populate_record(NEW, changes); END",
    ],
)
def test_a_row_that_is_replaced_as_a_whole_cannot_be_known(source: str) -> None:
    assert changes_of(trigger(source)).unknown == "it replaces the row as a whole"


def test_other_languages_cannot_be_known_but_for_those_that_are() -> None:
    assert changes_of(trigger("x", language="plpython3u")).unknown == "its function is written in plpython3u"
    known = trigger("moddatetime", language="c", function="extensions.moddatetime", arguments="updated_at\\000")
    assert changes_of(known).columns == {"updated_at"}
    harmless = trigger("x", language="internal", function="pg_catalog.suppress_redundant_updates_trigger")
    assert (changes_of(harmless).columns, changes_of(harmless).unknown) == (frozenset(), None)


def test_only_what_is_captured_is_a_warning() -> None:
    rows = [
        trigger("BEGIN NEW.updated_at := now(); RETURN NEW; END"),
        trigger("BEGIN NEW.email := lower(NEW.email); RETURN NEW; END"),
        trigger("x", language="c"),
    ]
    changed, unknown = check_host_triggers(rows, MAPPED)
    assert (changed.outcome, unknown.outcome) == (Outcome.WARNING, Outcome.WARNING)
    assert "changes email" in changed.said
    assert "cannot be known" in unknown.said
    (well,) = check_host_triggers(rows[:1], MAPPED)
    assert (well.outcome, "cannot be known" in well.said) == (Outcome.OK, True)
    (none,) = check_host_triggers([], MAPPED)
    assert none.outcome is Outcome.OK
