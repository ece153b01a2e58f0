"""systemd booted for real, by systemd-nspawn, over an overlay of this machine's root file system.

Nothing of the machine is written: what the container writes goes into a memory file system that is mounted in a mount
namespace of its own and is gone with it. The container has no network but its own loopback; PostgreSQL is reached by
the directory of its socket, which is bound into it; the Zoho simulator runs inside as a service.

Only ever nspawn: systemd that is booted on the real root, by plain `unshare`, empties the real /tmp.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.deploy.pages import blocks

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNIT = "zoho-outbox.service"
SYSTEM = "usr/lib/systemd/system"
PROGRAM = "/opt/zoho-outbox/bin/zoho-outbox"
INSIDE = "/srv/tested"
"""Where the working tree, its libraries and the interpreter are bound."""

BOOT = r"""
set -eu
name=$1 room=$2 stage=$3
shift 3
mount -t tmpfs -o mode=0755 tmpfs "$room"
mkdir "$room/upper" "$room/work" "$room/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$room/upper,workdir=$room/work" "$room/root"
umask 022
cp -r "$stage/." "$room/root/"
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
for tree in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    if [ -w "$tree/cgroup.procs" ]; then
        mkdir "$tree/$name"
        echo $$ >"$tree/$name/cgroup.procs"
    fi
done
exec systemd-nspawn -q -D "$room/root" --machine="$name" --boot --register=no --keep-unit --private-network \
    --console=pipe --link-journal=no "$@" -- systemd.unit=t.target
"""
"""In a mount namespace of its own; a cgroup of its own, so that two containers do not meet in one."""

TARGET = """
[Unit]
Description=what these tests need
DefaultDependencies=no
Wants=systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket
"""


def unavailable() -> str | None:
    """Why no container can be had here; None: one can be tried."""
    if sys.platform != "linux":
        return "systemd-nspawn is Linux's"
    if os.geteuid() != 0:
        return "systemd-nspawn needs root"
    missing = [name for name in ("systemd-nspawn", "unshare", "nsenter", "setpriv") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed (apt-get install systemd-container util-linux)"
    return None


class NotBooted(Exception):  # noqa: N818 - a reason to skip
    """No container came up; the text is what systemd-nspawn said."""


class Container:
    """A booted container."""

    def __init__(self, leader: int) -> None:
        self._leader = leader

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a command inside as root."""
        done = subprocess.run(
            ["nsenter", f"--target={self._leader}", "--mount", "--pid", "--net", "--uts", "--ipc", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_PAGER": ""},
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def type(self, page: str, *headings: str) -> None:
        """Types every command that a guide tells below these headings, in ``deploy/`` as its reader does, as root."""
        for block in blocks("console"):
            if block.page == page and block.heading in headings:
                for line in block.typed:
                    as_root = re.sub(r"\bsudo ", "", line)
                    self.run("sh", "-c", f"cd {INSIDE}/source/deploy && {as_root}")

    def systemctl(self, *words: str, check: bool = True) -> str:
        """``systemctl`` inside; what it printed."""
        return self.run("systemctl", "--no-pager", *words, check=check).stdout.strip()

    def files(self) -> set[str]:
        """Every file where an installation may put one."""
        places = ("/etc", "/usr/lib/systemd", "/usr/lib/sysusers.d", "/usr/lib/tmpfiles.d", "/usr/local", "/opt")
        return set(self.run("find", *places, "-xdev").stdout.splitlines())

    def shows(self, name: str, unit: str = UNIT) -> str:
        """A property of a unit."""
        return self.systemctl("show", "--value", f"--property={name}", unit)

    def journal(self, unit: str = UNIT) -> list[str]:
        """What a unit has said, line by line."""
        return self.run("journalctl", "-q", "-o", "cat", "-u", unit).stdout.splitlines()

    def events(self, name: str, unit: str = UNIT) -> list[dict[str, Any]]:
        """Lines of the journal that are events of this name."""
        found = []
        for line in self.journal(unit):
            with suppress(json.JSONDecodeError):
                found.append(json.loads(line))
        return [event for event in found if isinstance(event, dict) and event.get("event") == name]

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file inside."""
        inside = Path(f"/proc/{self._leader}/root") / path.lstrip("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.write_text(text, encoding="utf-8")
        inside.chmod(mode)

    def until(self, condition: Callable[[], object], what: str, *, seconds: float = 60.0) -> None:
        """Waits for a condition. Fails with the unit's status and journal."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                status = self.systemctl("status", "-l", "-n", "30", UNIT, check=False)
                raise AssertionError(f"after {seconds:g} s still not: {what}\n{status}")
            time.sleep(0.1)


@contextmanager
def booted(folder: Path, binds: dict[Path, str], files: dict[str, str]) -> Iterator[Container]:
    """A container in which nothing is installed yet but the program.

    ``binds``: directories that are bound into it, read-only; ``files``: more files by their paths inside.

    Raises :class:`NotBooted`.
    """
    name = f"zoho-outbox-{uuid4().hex[:8]}"
    stage = folder / "stage"
    _lay_out(stage, files)
    room = folder / "room"
    room.mkdir()
    said = folder / "nspawn.log"
    options = [f"--bind-ro={source}:{target}" for source, target in (binds | _python_binds()).items()]
    shell = ("unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", BOOT)
    with said.open("wb") as stream:
        nspawn = subprocess.Popen(
            [*shell, "boot", name, str(room), str(stage), *options],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _came_up(nspawn, said)
    finally:
        for leader in _children(nspawn.pid):
            with suppress(ProcessLookupError):
                os.kill(leader, 9)  # PID 1 of the container: all of it ends with it.
        try:
            nspawn.wait(20)
        except subprocess.TimeoutExpired:
            nspawn.kill()
            nspawn.wait()
        _remove_cgroups(name)


def _came_up(nspawn: subprocess.Popen[bytes], said: Path) -> Container:
    end = time.monotonic() + 60
    while time.monotonic() < end and nspawn.poll() is None:
        for leader in _children(nspawn.pid):
            container = Container(leader)
            state = container.run("systemctl", "is-system-running", check=False).stdout.strip()
            if state in {"running", "degraded"}:
                return container
        time.sleep(0.1)
    raise NotBooted(f"systemd-nspawn brought no container up here: {said.read_text(errors='replace').strip()}")


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _python_binds() -> dict[Path, str]:
    """This interpreter with its libraries, where a service may read them: it may not look below /root or /home."""
    binds = {ROOT: f"{INSIDE}/source", Path(sysconfig.get_paths()["purelib"]): f"{INSIDE}/site"}
    if Path(sys.base_prefix) != Path("/usr"):
        binds[Path(sys.base_prefix)] = f"{INSIDE}/python"
    return binds


def _lay_out(stage: Path, files: dict[str, str]) -> None:
    """What is there before an installation: the program alone, which runs from the working tree."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    prefix = "/usr" if Path(sys.base_prefix) == Path("/usr") else f"{INSIDE}/python"
    for directory in ("source", "site", "python"):
        (stage / INSIDE.lstrip("/") / directory).mkdir(parents=True)
    given = {
        f"{SYSTEM}/t.target": TARGET,
        PROGRAM: f"""#!/bin/sh
export LD_LIBRARY_PATH={prefix}/lib PYTHONPATH={INSIDE}/source:{INSIDE}/site
exec {prefix}/bin/python{version} -c 'from daemon.command_line import main; main()' "$@"
""",
    }
    for path, text in (given | files).items():
        file = stage / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755 if "bin/" in path else 0o644)


def _remove_cgroups(name: str) -> None:
    for tree in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"):
        own = Path(tree, name)
        for folder, _, _ in os.walk(own, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
