"""The wheel holds all that an installation needs and nothing else, and works where nothing else is."""

import configparser
import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

BUILD = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"


def run(*command: str | Path, cwd: Path = CHECKOUT) -> str:
    # Without our own search path: what is installed must do without the checkout.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    if importlib.util.find_spec("hatchling"):
        run(sys.executable, "-c", BUILD, target)
    else:
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", target, CHECKOUT)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def files_below(directory: str, pattern: str = "*") -> set[str]:
    top = CHECKOUT / directory
    found = {path.relative_to(top).as_posix() for path in top.rglob(pattern) if path.is_file()}
    return {name for name in found if "__pycache__" not in name}


def test_the_wheel_carries_every_sql_file(names: set[str]) -> None:
    sql = files_below("sql")
    assert sql
    assert {f"outbox/_sql/{name}" for name in sql} <= names


def test_the_wheel_carries_every_module_and_what_stands_beside_it(names: set[str]) -> None:
    for package in ("outbox", "daemon"):
        assert {f"{package}/{name}" for name in files_below(package)} <= names
    assert {"outbox/py.typed", "outbox/demo/host_schema.sql"} <= names


def test_the_wheel_carries_nothing_else(names: set[str]) -> None:
    tops = {name.split("/", 1)[0] for name in names}
    (metadata,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {"outbox", "daemon", metadata}
    assert f"{metadata}/licenses/LICENSE" in names
    segments = {segment for name in names for segment in name.split("/")}
    assert not [segment for segment in segments if segment == "tests" or segment.startswith(("test_", "conftest"))]
    assert not [name for name in names if name.endswith(".pyc")]


def test_the_wheel_has_one_command(wheel: Path, names: set[str]) -> None:
    (entry_points,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
    parser = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        parser.read_string(archive.read(entry_points).decode())
    assert dict(parser["console_scripts"]) == {"zoho-outbox": "daemon.command_line:main"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    scripts = tmp_path / "venv" / "bin"
    run(scripts / "python", "-m", "pip", "install", "--quiet", f"{wheel}[try]")
    said = run(scripts / "zoho-outbox", "--help", cwd=tmp_path)
    for command in ("demo", "run", "migrate", "status", "simulate-zoho"):
        assert command in said
    where = run(
        scripts / "python",
        "-c",
        "from outbox.sql_files import sql_directory;print(sql_directory(), sum(1 for _ in sql_directory().iterdir()))",
        cwd=tmp_path,
    )
    assert "/outbox/_sql " in where
    assert not where.rstrip().endswith(" 0")
