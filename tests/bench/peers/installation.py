"""The peers' own environments, outside the repository: a virtual environment and a folder of npm's.

They are no dependencies of the project. What cannot be had (no network, no node, a Python that a peer does not take)
is a reason in the table, never a failure: :class:`Missing`.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

INSTALL_SECONDS = 600.0
OLDEST_NODE = 20
"""What pg-boss 10 takes."""

_HERE = Path(__file__).parent
_REQUIREMENTS = _HERE / "requirements.txt"
_PACKAGE = _HERE / "package.json"


@dataclass(frozen=True)
class Missing:
    """Something is not to be had, and why: for the table."""

    why: str


@dataclass(frozen=True)
class Installation:
    """What was installed."""

    python: Path | Missing
    """The virtual environment's interpreter."""
    python_version: tuple[int, ...]
    npm_folder: Path | Missing
    """Where ``node_modules`` stands."""


def default_folder() -> Path:
    """Where the environments are kept from run to run."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "zoho-outbox-bench"


def install(folder: Path, python: str = sys.executable, npm: str = "npm", node: str = "node") -> Installation:
    """Installs below ``folder`` what is not there already. Takes half a minute where nothing is."""
    return Installation(_virtual_environment(folder / "venv", python), sys.version_info[:3], _npm(folder, npm, node))


def _virtual_environment(folder: Path, python: str) -> Path | Missing:
    ours = folder / "bin" / "python"
    stamp = _Stamp(folder / "bench-peers", _REQUIREMENTS, platform.python_version())
    if stamp.stands and ours.exists():
        return ours
    failed = _run([python, "-m", "venv", str(folder)]) or _run(
        [
            *(str(ours), "-m", "pip", "install"),
            *("--quiet", "--no-input", "--disable-pip-version-check", "--requirement", str(_REQUIREMENTS)),
        ]
    )
    if failed is not None:
        return failed
    stamp.set()
    return ours


def _npm(folder: Path, npm: str, node: str) -> Path | Missing:
    version = _node_version(node)
    if isinstance(version, Missing):
        return version
    modules = folder / "npm"
    stamp = _Stamp(modules / "bench-peers", _PACKAGE, str(version))
    if stamp.stands:
        return modules
    modules.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_PACKAGE, modules / _PACKAGE.name)
    # No package's own scripts: none of the three needs one.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error", "--prefix", str(modules)]
    if (failed := _run([npm, "install", *options])) is not None:
        return failed
    stamp.set()
    return modules


def _node_version(node: str) -> int | Missing:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return Missing(f"node is not to be had: {error}")
    major = int(said.strip().removeprefix("v").partition(".")[0])
    return major if major >= OLDEST_NODE else Missing(f"node {OLDEST_NODE} is needed, this is {said.strip()}")


@dataclass(frozen=True)
class _Stamp:
    """Says that an installation is whole, and of which list."""

    path: Path
    wanted: Path
    version: str

    @property
    def _text(self) -> str:
        return f"{hashlib.sha256(self.wanted.read_bytes()).hexdigest()} {self.version}\n"

    @property
    def stands(self) -> bool:
        return self.path.exists() and self.path.read_text(encoding="ascii") == self._text

    def set(self) -> None:
        self.path.write_text(self._text, encoding="ascii")


def _run(command: Sequence[str]) -> Missing | None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Missing(f"{command[0]}: {error}")
    if done.returncode == 0:
        return None
    return Missing(f"{Path(command[0]).name} {command[1]} failed: {last_line(done.stderr)}")


def last_line(text: str) -> str:
    """What a program said last, which is where it says what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"
