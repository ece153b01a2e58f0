"""Where a drain's time goes: statements by name, functions by CPU time."""

import pstats
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.draining import Drained
from tests.bench.statement_names import statement_name

FUNCTIONS_SHOWN = 25
STATEMENTS_SHOWN = 16

Facts = Iterator[tuple[str, str]]


def cpu_facts(drained: Drained) -> Facts:
    """CPU time per entity, by who used it."""
    for who, seconds in (
        ("daemon", drained.daemon_cpu_seconds),
        ("PostgreSQL, the daemon's connections", drained.backend_cpu_seconds),
        ("PostgreSQL, other processes", drained.server_cpu_seconds),
    ):
        yield f"CPU ms per entity: {who}", f"{seconds * 1000 / drained.sent:.3f}"


def statement_facts(drained: Drained) -> Facts:
    """Statements per entity and what each costs the server, the dearest first."""
    yield "transactions per entity", f"{drained.transactions / drained.sent:.3f}"
    calls = sum(statement[1] for statement in drained.statements)
    planning = sum(statement[2] for statement in drained.statements)
    executing = sum(statement[3] for statement in drained.statements)
    yield (
        "statements per entity",
        f"{calls / drained.sent:.3f} calls, ms planning {planning / drained.sent:.3f} "
        f"+ executing {executing / drained.sent:.3f}",
    )
    for text, count, planned, executed, pages in drained.statements[:STATEMENTS_SHOWN]:
        share = (
            f"{count / drained.sent:.3f} calls, {planned / drained.sent:.4f} + {executed / drained.sent:.4f} ms, "
            f"{pages / drained.sent:.1f} pages ({pages / count:,.0f} a call)"
        )
        yield f"  {statement_name(text)}", share


def pages_a_call(drained: Drained, name: str) -> float:
    """Pages that one execution of the store's statement ``name`` touched on average during the drain."""
    calls = pages = 0
    for text, count, _, _, touched in drained.statements:
        if statement_name(text) == name:
            calls, pages = calls + count, pages + touched
    return pages / calls if calls else 0.0


def function_facts(profile: Path, entities: int) -> Facts:
    """Functions by CPU time: those that use it themselves, then ours with all that they call."""
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]] = vars(pstats.Stats(str(profile)))["stats"]
    whole = sum(entry[2] for entry in stats.values())
    yield "below cProfile: CPU ms per entity", f"{whole * 1000 / entities:.3f}"
    ours = {key: entry for key, entry in stats.items() if {"outbox", "daemon", "sending"} & set(_parents(key[0]))}
    for kind, functions, place in (("own", stats, 2), ("with what it calls", ours, 3)):
        ordered = sorted(functions.items(), key=lambda item: item[1][place], reverse=True)
        for (file, line, name), entry in ordered[:FUNCTIONS_SHOWN]:
            where = f"{'/'.join(Path(file).parts[-2:])}:{line} {name}" if line else name
            yield f"  {kind}: {where[:70]}", f"{entry[place] * 1000 / entities:.4f} ms, {entry[0] / entities:.2f} calls"


def _parents(file: str) -> tuple[str, ...]:
    return Path(file).parts[:-1]
