"""systemd's unit files, as far as tests read them."""

from collections import defaultdict
from pathlib import Path

SYSTEMD = Path(__file__).parents[2] / "deploy" / "systemd"

SERVICES = sorted(path.name for path in SYSTEMD.glob("*.service"))
TIMERS = sorted(path.name for path in SYSTEMD.glob("*.timer"))


def directives(name: str) -> dict[str, list[str]]:
    """Values of each directive of a unit, in their order; sections do not matter."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in (SYSTEMD / name).read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            found[key].append(value)
    return dict(found)


def seconds(value: str) -> float:
    """A time as these units write it: plain seconds."""
    return float(value)
