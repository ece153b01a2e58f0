"""What a statement does, as PostgreSQL tells it: EXPLAIN (ANALYZE, BUFFERS), with the work undone afterwards."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.adapt import PyFormat, Transformer

Node = Mapping[str, Any]

_PARAMETER = re.compile(r"%\((\w+)\)s")

HANDFUL = 2_000
"""Rows; fewer are read faster than they are looked up."""


@dataclass(frozen=True)
class Plan:
    """One executed plan."""

    root: Node

    @property
    def cost(self) -> float:
        """The planner's total cost; beyond jit_above_cost it compiles the statement first."""
        return float(self.root["Total Cost"])

    @property
    def buffers(self) -> int:
        """Pages of 8 kB that were touched, whether in memory or not, each touch counted.

        A CTE is executed inside whatever scans it first, and one that changes rows and is not scanned runs after the
        root: so each node's own share is added up, and what a CTE Scan touched is counted where the CTE stands.
        """
        return sum(_own_buffers(node) for node in _nodes(self.root))

    def sequential_scans(self) -> set[str]:
        """Tables that were read from end to end, those left out that hold a handful of rows."""
        return {
            node["Relation Name"]
            for node in _nodes(self.root)
            if node["Node Type"] == "Seq Scan" and _rows_read(node) > HANDFUL
        }

    def outline(self) -> str:
        """The plan for people: each node with its rows, estimated and actual, and its buffers."""
        return "\n".join(_lines(self.root, 0))


def explain(
    connection: psycopg.Connection[Any], statement: sql.SQL | sql.Composed, parameters: Mapping[str, Any]
) -> Plan:
    """Executes ``statement`` in a transaction that is rolled back, and returns its plan.

    Parameters travel as the daemon's do, outside the text and without preparing, so the planner sees their values.
    """
    command = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ") + statement
    with connection.transaction(force_rollback=True):
        row = connection.execute(command, parameters).fetchone()
    assert row is not None
    return Plan(row[0][0]["Plan"])


def explain_generic(
    connection: psycopg.Connection[Any], statement: sql.SQL | sql.Composed, parameters: Mapping[str, Any]
) -> Plan:
    """As :func:`explain`, prepared: with the plan that the server makes once, without the parameters' values."""
    names = list(dict.fromkeys(_PARAMETER.findall(statement.as_string(connection))))
    values = [parameters[name] for name in names]
    text = _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", statement.as_string(connection))
    transformer = Transformer(connection)
    transformer.dump_sequence(values, [PyFormat.TEXT] * len(values))
    types = ", ".join(_type_name(connection, oid) for oid in transformer.types or ())
    literals = sql.SQL(", ").join(sql.Literal(value) for value in values)
    declared = f"({types})" if types else ""
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        connection.execute(f"PREPARE under_test{declared} AS {text.replace('%%', '%')}".encode())
        try:
            command = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE under_test")
            row = connection.execute(command + (sql.SQL("({})").format(literals) if values else sql.SQL(""))).fetchone()
        finally:
            connection.execute("DEALLOCATE under_test")
    assert row is not None
    return Plan(row[0][0]["Plan"])


def _type_name(connection: psycopg.Connection[Any], oid: int) -> str:
    row = connection.execute("SELECT format_type(%s, NULL)", [oid]).fetchone() if oid else None
    return "unknown" if row is None else str(row[0])


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _rows_read(node: Node) -> float:
    return float((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])


def _is_cte(node: Node) -> bool:
    return str(node.get("Subplan Name", "")).startswith("CTE ")


def _touched(node: Node) -> int:
    return int(node.get("Shared Hit Blocks", 0)) + int(node.get("Shared Read Blocks", 0))


def _own_buffers(node: Node) -> int:
    if node["Node Type"] == "CTE Scan":
        return 0
    return _touched(node) - sum(_touched(child) for child in node.get("Plans", ()) if not _is_cte(child))


def _lines(node: Node, depth: int) -> Iterator[str]:
    name = " ".join(
        str(node[key])
        for key in ("Subplan Name", "Operation", "Node Type", "Relation Name", "Index Name", "CTE Name")
        if key in node
    )
    yield (
        f"{'  ' * depth}{name}: expected {node['Plan Rows']:.0f}, "
        f"got {node['Actual Rows']:.0f} x {node['Actual Loops']:.0f}, cost {node['Total Cost']:.0f}, "
        f"buffers {_touched(node)}"
    )
    for child in node.get("Plans", ()):
        yield from _lines(child, depth + 1)
