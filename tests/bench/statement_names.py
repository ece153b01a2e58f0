"""Which of the store's statements a text is, as the daemon sends it or as pg_stat_statements keeps it."""

import re
from functools import cache
from importlib.resources import files
from itertools import takewhile

LIKE_ENOUGH = 40
"""Characters."""

_VALUE = re.compile(r"%\(\w+\)s|\$\d+|'[^']*'|\b\d+\b")


@cache
def statement_name(text: str) -> str:
    """The file of the statement, by the longest beginning that both have: some have sections that were left out."""
    bare = _bare(text)
    alike = {
        name: sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(bare, statement, strict=False)))
        for name, statement in _known().items()
    }
    best = max(alike, key=lambda name: alike[name])
    return best if alike[best] >= LIKE_ENOUGH else bare[:50]


@cache
def _known() -> dict[str, str]:
    return {
        file.name.removesuffix(".sql"): _bare(file.read_text(encoding="utf-8"))
        for file in files("outbox.store.statements").iterdir()
        if file.name.endswith(".sql")
    }


def _bare(statement: str) -> str:
    """Without comments, and with one sign for whatever is a parameter or a constant: the server writes $1 for both."""
    lines = (line.partition("--")[0] for line in statement.splitlines())
    return _VALUE.sub("$", " ".join(" ".join(lines).split()))
