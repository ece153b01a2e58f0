"""A drain counts only if everything was recorded; each benchmark of it runs, with small numbers."""

import psycopg
import pytest

from tests.bench.api_drain import measure_api_drain
from tests.bench.drain import measure_drain
from tests.bench.draining import capture_backlog, check_recorded
from tests.bench.large_drain import measure_large_drain
from tests.bench.latency import measure_latency
from tests.bench.replicas import measure_replicas
from tests.bench.statement_names import statement_name
from tests.host.databases import Databases
from tests.host.shapes import HostShape
from tests.migration.migrated import migrated_template

ENTITIES = 20


def test_what_was_not_sent_is_found(databases: Databases) -> None:
    with databases.fresh(migrated_template(HostShape())) as database:
        with psycopg.connect(database.superuser_dsn, autocommit=True) as connection:
            capture_backlog(connection, 3)

        with pytest.raises(AssertionError) as found:
            check_recorded(database, 3, creates=3)

    for what in ("entries that are not done", "exactly one log row", "host rows", "state rows"):
        assert what in str(found.value)


def test_a_second_create_is_found(databases: Databases) -> None:
    with databases.fresh(migrated_template(HostShape())) as database, pytest.raises(AssertionError, match="1 creates"):
        check_recorded(database, 0, creates=1)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "WITH due AS ( SELECT state.entity_type, state.entity_id FROM zoho_outbox_private.entity_state AS state "
            "WHERE state.phase = $1 AND state.urgency <= $2",
            "claim_entities",
        ),
        ("SELECT customer.id, customer.first_name", "SELECT customer.id, customer.first_name"),
    ],
)
def test_a_statement_is_known_by_its_file_whatever_stands_for_its_parameters(text: str, name: str) -> None:
    assert statement_name(text) == name


def test_the_drain_runs_and_tells_its_rate_and_its_cpu_time() -> None:
    report = measure_drain(quick=True, entities=ENTITIES, pairs=1)

    assert "entities per second" in report.values
    assert "CPU ms per entity: daemon" in report.values
    assert {ratio.compared for ratio in report.ratios} == {"daemon / its HTTP client", "daemon / claim and complete"}


@pytest.mark.slow
def test_the_profile_names_statements_and_functions() -> None:
    told = measure_drain(quick=True, profile=True, entities=ENTITIES, pairs=1).values

    assert "  settle_claims" in told
    assert "  claim_entities" in told
    assert any("dispatcher.py" in name for name in told)


@pytest.mark.slow
def test_the_drain_behind_a_network_runs_beside_its_client_alone() -> None:
    report = measure_api_drain(quick=True, entities=ENTITIES, pairs=1)

    assert [ratio.wanted for ratio in report.ratios] == [0.9]


@pytest.mark.slow
def test_the_drain_in_large_tables_runs_beside_that_in_empty_ones() -> None:
    report = measure_large_drain(quick=True, entities=ENTITIES, rows=500, pairs=1)

    assert len(report.ratios) == 2
    assert int(report.values["more pending entries: buffers of a claim of 100"].replace(",", "")) > 0


@pytest.mark.slow
def test_replicas_share_a_backlog_and_a_budget() -> None:
    told = measure_replicas(quick=True, entities=ENTITIES, rounds=1).values

    assert told["4 replicas at 600 requests a minute: permits counted"] == told["  requests that left"]


@pytest.mark.slow
def test_latency_is_told_beside_a_bare_round_trip_and_step_by_step() -> None:
    told = measure_latency(quick=True, samples=4, block=2).values

    assert "bare INSERT + NOTIFY round trip: p99" in told
    assert any("take_permit" in step for step in told)
