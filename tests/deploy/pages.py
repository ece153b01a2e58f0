"""The guides as tests read them: blocks of SQL, commands that a person types, links, headings."""

import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "deploy" / "docs"
RUNBOOK = DOCS / "runbook"

_BLOCK = re.compile(r"^( *)```(\w+)(?: (\w+))?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^]]+\]\(([^)#:]+)(#[^)]*)?\)")


@dataclass(frozen=True)
class Block:
    """A fenced block. ``word`` is what stands behind its language: ``owner``, or nothing."""

    page: str
    number: int
    heading: str
    language: str
    word: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"

    @property
    def statements(self) -> list[str]:
        """The statements of a block of SQL."""
        return [part.strip() for part in re.split(r";\s*(?:\n|\Z)", self.text) if part.strip()]

    @property
    def typed(self) -> list[str]:
        """The lines that a person types, continued ones joined."""
        joined = self.text.replace("\\\n", " ")
        return [line.removeprefix("$ ").strip() for line in joined.splitlines() if line.startswith("$ ")]


def pages() -> list[Path]:
    """The runbook, and the guides beside it that tell what to type."""
    guides = ("install", "upgrade", "roll-back", "uninstall", "supabase", "pgbouncer")
    return [*sorted(RUNBOOK.glob("*.md")), *(DOCS / f"{name}.md" for name in guides)]


def blocks(language: str) -> list[Block]:
    """Every block of a language, in the order of the pages."""
    found = []
    for page in pages():
        whole = page.read_text(encoding="utf-8")
        for number, match in enumerate(_BLOCK.finditer(whole), 1):
            _, kind, word, text = match.groups(default="")
            if kind == language:
                before = re.findall(r"^#+ (.+)$", _BLOCK.sub("", whole[: match.start()]), re.MULTILINE)
                found.append(Block(page.stem, number, before[-1], kind, word, textwrap.dedent(text)))
    return found


def commands_in(line: str) -> list[list[str]]:
    """Words of each ``zoho-outbox …`` in a line, without the program's name; options of sudo and env aside."""
    found = []
    for part in re.split(r"\s(?:\||&&|;)\s", line):
        words = shlex.split(part)
        for place, word in enumerate(words):
            if word.rpartition("/")[2] == "zoho-outbox" and _is_program(words[:place]):
                found.append(words[place + 1 :])
                break
    return found


def _is_program(before: list[str]) -> bool:
    """Whether only sudo, env and settings stand before the word."""
    return all(word in {"sudo", "env"} or re.fullmatch(r"[A-Z_]+=.*", word) for word in before)


def links(page: Path) -> list[Path]:
    """Files that a page points at."""
    return [(page.parent / target).resolve() for target, _ in _LINK.findall(page.read_text(encoding="utf-8"))]


def headings(page: Path) -> list[str]:
    """Its headings, with their marks."""
    outside = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    return re.findall(r"^#+ .+$", outside, re.MULTILINE)
