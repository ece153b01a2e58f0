"""Money is Decimal from the column to the JSON and back: no code on its way makes, reads or compares a float.

The runtime half is elsewhere: bodies refuse floats (test_zoho_bodies.py), generated rows run under a context that traps
them (entities/test_contract_by_property.py), and what jsonb keeps comes back as Decimal
(tests/scenarios/test_amounts_in_jsonb.py).
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import outbox

PACKAGE = Path(outbox.__file__).parent
ROOMS = ("entities", "zoho", "sending", "store", "database")
FILES = [path for room in ROOMS for path in sorted((PACKAGE / room).rglob("*.py"))] + [PACKAGE / "masking.py"]

TIME = re.compile(
    r"second|wait|sleep|jitter|retry|recheck|request$|_at$|^at$|_after|age$|begun|until$|due_in|lifetime|_hold|_held"
    r"|renew|refusal|cooldown|now$|_ask$|deadline|monotonic|multiplier|_ms$|percent$|success_rate|notification_queue"
)
"""Names of spans, moments and shares of a whole: the only floats there are."""

FLOATING_MODULES = frozenset({"json", "math", "statistics", "random", "fractions", "numpy"})


def faults(source: str, *, entities: bool) -> list[str]:
    """Where a float could touch an amount, as 'line: what'. In entities there is no time either, and so no float."""
    return [f"{line}: {what}" for line, what in _Reader(entities=entities).read(ast.parse(source))]


class _Reader:
    def __init__(self, *, entities: bool) -> None:
        self._entities = entities

    def read(self, node: ast.AST, subject: str = "") -> Iterator[tuple[int, str]]:
        """``subject``: whose value, parameter or result it is, in the code's own name."""
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield from self._inside(node, name)
            case ast.arg(arg=name, annotation=annotation):
                if annotation is not None:
                    yield from self.read(annotation, name)
            case ast.AnnAssign(target=target):
                yield from self._inside(node, ast.unparse(target))
            case ast.Assign(targets=[target]):
                yield from self._inside(node, ast.unparse(target))
            case ast.keyword(arg=str(name)):
                yield from self._inside(node, name)
            case ast.arguments(args=positional, kwonlyargs=named):
                both = [*zip(reversed(positional), reversed(node.defaults), strict=False)]
                both += [(arg, default) for arg, default in zip(named, node.kw_defaults, strict=True) if default]
                for arg, default in both:
                    yield from self.read(default, arg.arg)
                for arg in (*node.posonlyargs, *positional, *named):
                    yield from self.read(arg)
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    if key is not None:
                        yield from self.read(key, "a key")
                    known_as = ast.unparse(key) if isinstance(key, ast.Constant) else subject
                    yield from self.read(value, known_as)
            case ast.Compare() | ast.BinOp() | ast.Call(func=ast.Name(id="round" | "max" | "min")):
                yield from self._inside(node, f"{subject} {ast.unparse(node)}")
            case ast.Constant(value=float()):
                yield from self._float(node, f"the literal {ast.unparse(node)}", subject)
            case ast.Name(id="float"):
                yield from self._float(node, "float", subject)
            case ast.Name(id="round" | "divmod" | "pow"):
                yield from self._float(node, f"{node.id}()", subject)
            case ast.Import(names=imported):
                for each in imported:
                    yield from self._module(node, each.name)
            case ast.ImportFrom(module=module):
                yield from self._module(node, module or "")
                if module in ("simplejson", "json"):
                    yield node.lineno, "loads or dumps under another name: call simplejson.loads(…, use_decimal=True)"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="simplejson"), attr="loads" | "dumps")):
                if not _has(node, "use_decimal"):
                    yield node.lineno, "simplejson without use_decimal=True"
                yield from self._inside(node, subject)
            case ast.Call(func=ast.Attribute(attr="json"), args=[]):
                yield node.lineno, "a client's own .json(): numbers become floats"
            case _:
                yield from self._inside(node, subject)

    def _inside(self, node: ast.AST, subject: str) -> Iterator[tuple[int, str]]:
        for child in ast.iter_child_nodes(node):
            yield from self.read(child, subject)

    def _float(self, node: ast.expr, what: str, subject: str) -> Iterator[tuple[int, str]]:
        if self._entities or not any(TIME.search(name.casefold()) for name in re.findall(r"\w+", subject)):
            yield node.lineno, f"{what} for {subject or 'nothing named'}"

    def _module(self, node: ast.stmt, name: str) -> Iterator[tuple[int, str]]:
        allowed = () if self._entities else ("random",)
        if name.partition(".")[0] in FLOATING_MODULES.difference(allowed):
            yield node.lineno, f"import of {name}, which works in floats"


def _has(call: ast.Call, flag: str) -> bool:
    return any(
        keyword.arg == flag and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        for keyword in call.keywords
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_float_stands_where_an_amount_passes(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8"), entities=path.parent.name == "entities") == []


@pytest.mark.parametrize(
    "planted",
    [
        "price = float(row.monthly_price)",
        "TOLERANCE = 0.05",
        "def left(total: Decimal, taken: Decimal) -> float: ...",
        "def left(total: float) -> Decimal: ...",
        "class Line:\n    price: float",
        "if abs(theirs - ours) > 0.05: ...",
        "amount = round(total, 2)",
        "amount = round(total / 1.15, 2)",
        "import json\nlines = json.loads(text)",
        "from json import loads",
        "from math import floor",
        "record = simplejson.loads(text)",
        "record = simplejson.loads(text, use_decimal=False)",
        "body = simplejson.dumps(content)",
        "record = reply.json()",
        "send(amount=799.00)",
        "rates = {15.0: 'tax'}",
        "body = {'price': 799.0}",
        "seconds = {'price': 799.0}",
        "def send(seconds: float, price=1.5): ...",
    ],
)
@pytest.mark.parametrize("entities", [True, False], ids=["entities", "elsewhere"])
def test_a_planted_float_is_seen(planted: str, entities: bool) -> None:
    assert faults(planted, entities=entities) != []


@pytest.mark.parametrize(
    "innocent",
    [
        "seconds: float = 10.0",
        "def wait(seconds: float) -> None: ...",
        "verdicts.retried(claim, seconds=0.0)",
        "milliseconds = round((clock.monotonic() - started) * 1000)",
        "record = simplejson.loads(text, use_decimal=True)",
        "price = Decimal('799.00') / 3",
    ],
)
def test_time_is_no_amount(innocent: str) -> None:
    assert faults(innocent, entities=False) == []
