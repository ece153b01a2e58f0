"""The image as somebody builds and runs it, and the compose file beside it. Slow tier: needs a container engine."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest
import simplejson
import yaml

from outbox.simulator import LimitSettings, RunningSimulator, SimulatorSettings, running_simulator
from outbox.simulator.serving import environment
from tests.container import base_image
from tests.host.databases import Database
from tests.migration.migrated import DAEMON

ROOT = Path(__file__).parents[2]
ENGINE = ["docker"]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/container/compose.yaml").read_text())


def engine(*words: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Runs the container engine's command."""
    return subprocess.run([*ENGINE, *words], capture_output=True, text=True, check=False, **options)


def test_compose_points_at_the_simulator_with_its_own_credentials() -> None:
    daemon = COMPOSE["services"]["daemon"]["environment"]
    for name, value in environment("http://127.0.0.1:8026", SimulatorSettings()).items():
        assert daemon[name] == value


def test_compose_gives_every_container_of_ours_a_read_only_root_and_no_rights() -> None:
    ours = [service for service in COMPOSE["services"].values() if service["image"] == "zoho-outbox"]
    assert len(ours) == 3
    for service in ours:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if shutil.which(ENGINE[0]) is None or engine("info").returncode != 0:
        pytest.skip("no container engine answers (docker info)")
    if engine("image", "inspect", base_image.NAME).returncode != 0:
        base_image.make(ENGINE)
    context = tmp_path_factory.mktemp("context")
    for name in ("daemon", "outbox", "sql", "deploy", "LICENSE", "README.md", "pyproject.toml"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, context / name)
    shutil.copy(ROOT / "deploy/container/Containerfile.dockerignore", context / ".dockerignore")
    pip = [str(Path(shutil.which("python3") or "python3")), "-m", "pip", "download", "--quiet", "--dest", "wheels"]
    subprocess.run([*pip, "./[binary]", "hatchling"], cwd=context, check=True, capture_output=True)
    name = f"zoho-outbox-test:{uuid4().hex[:12]}"
    built = engine(
        "build", "--network=none", "--file=deploy/container/Containerfile", f"--tag={name}",
        f"--build-arg=BASE={base_image.NAME}", "--build-arg=PIP_NO_INDEX=1",
        "--build-arg=PIP_FIND_LINKS=/source/wheels", ".",
        cwd=context,
        env={"DOCKER_BUILDKIT": "0", **_engine_environment()},
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    yield name
    engine("image", "rm", name)


def _engine_environment() -> dict[str, str]:
    import os  # noqa: PLC0415

    return {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_is_small_runs_as_nobody_and_needs_no_writable_root(image: str) -> None:
    said = engine("run", "--rm", "--network=none", "--read-only", image, "--version")
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("zoho-outbox ")
    inspected = simplejson.loads(engine("image", "inspect", image).stdout)[0]
    base = simplejson.loads(engine("image", "inspect", base_image.NAME).stdout)[0]
    assert inspected["Config"]["User"] == "65532:65532"
    assert inspected["Size"] - base["Size"] < 100_000_000
    without_settings = engine("run", "--rm", "--network=none", "--read-only", image)
    assert without_settings.returncode == 2
    assert "DATABASE_URL: required, and not set" in without_settings.stderr + without_settings.stdout


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.timeout(600)
async def test_the_daemon_in_it_becomes_healthy_and_ends_when_it_is_stopped(
    image: str, migrated_database: Database
) -> None:
    async with running_simulator(SimulatorSettings(limits=LimitSettings.wide())) as zoho:
        name = f"zoho-outbox-{uuid4().hex[:12]}"
        settings = {
            **zoho.environment,
            "DATABASE_URL": migrated_database.dsn(DAEMON),
            "OUTBOX_ADMIN_TOKEN": "a token of more than 32 characters",
        }
        given = [part for setting, value in settings.items() for part in ("--env", f"{setting}={value}")]
        started = await anyio.to_thread.run_sync(
            lambda: engine(
                "run", "--detach", "--read-only", "--network=host", "--health-interval=1s", f"--name={name}",
                "--cap-drop=ALL", "--security-opt=no-new-privileges:true", "--tmpfs=/tmp", *given, image,
            )
        )  # fmt: skip
        assert started.returncode == 0, started.stderr
        try:
            await _healthy(name, zoho)
            stopped = await anyio.to_thread.run_sync(lambda: engine("stop", "--time=30", name))
            assert stopped.returncode == 0
            state = simplejson.loads(engine("inspect", name).stdout)[0]["State"]
            assert state["ExitCode"] == 0, engine("logs", name).stdout
        finally:
            await anyio.to_thread.run_sync(lambda: engine("rm", "--force", name))


async def _healthy(name: str, zoho: RunningSimulator) -> None:
    ends = time.monotonic() + 60
    while True:
        inspected = await anyio.to_thread.run_sync(lambda: engine("inspect", name))
        state = simplejson.loads(inspected.stdout)[0]["State"]
        if state["Health"]["Status"] == "healthy":
            break
        assert state["Running"], engine("logs", name).stdout
        assert time.monotonic() < ends, engine("logs", name).stdout
        await anyio.sleep(0.2)
    assert zoho.statistics.requests > 0
