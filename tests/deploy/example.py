"""The example environment file as tests read it, and which settings are secrets."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr

from outbox.settings import Settings

EXAMPLE = Path(__file__).parents[2] / "deploy" / "zoho-outbox.env"


def _holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_holds_secret(part) for part in get_args(annotation))


SECRETS = sorted(name for name, field in Settings.model_fields.items() if _holds_secret(field.annotation))
"""Lower-case names: those of their credentials."""


@dataclass(frozen=True)
class Described:
    """A setting as the example describes it."""

    name: str
    value: str
    is_default: bool
    """Shown behind a '#'."""
    comment: str
    """What stands before it; of several in a row, before the first."""


def described() -> list[Described]:
    """Every line of the example that is a setting."""
    found = []
    comment: list[str] = []
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if setting := re.fullmatch(r"(#?)([A-Z][A-Z_]+)=(.*)", line):
            found.append(Described(setting[2], setting[3], setting[1] == "#", " ".join(comment)))
        elif line.startswith("# "):
            comment.append(line[2:])
        else:
            comment = []
    return found
