"""A base image of this machine's own Debian: for the container's test, where no registry can be reached."""

import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

NAME = "zoho-outbox-test-base:1"

PROGRAMS = ("sh", "dash", "env", "cat", "ls", "id", "mkdir", "rm", "sleep", "cp", "ln", "python3", "python3.11")
LIBRARIES = (
    "ld-linux-*", "libc.so*", "libm.so*", "libdl.so*", "librt.so*", "libutil.so*", "libpthread.so*", "libz.so*",
    "libexpat.so*", "libssl.so*", "libcrypto.so*", "libffi.so*", "libuuid.so*", "libselinux.so*", "libpcre2-8.so*",
    "libbz2.so*", "liblzma.so*", "libacl.so*", "libattr.so*", "libcap.so*", "libgcc_s.so*", "libstdc++.so*",
    "libtinfo.so*", "libnsl.so*", "libresolv.so*", "libnss_*", "libtirpc.so*", "libcom_err.so*", "libk*.so*",
    "libgssapi*.so*",
)  # fmt: skip
WHOLE = ("usr/lib/python3.11", "usr/share/python-wheels", "usr/share/zoneinfo")
MERGED = ("bin", "sbin", "lib", "lib64")


def paths() -> Iterator[Path]:
    """What goes into it: links first, so that what they point to finds its place."""
    root = Path("/")
    for name in MERGED:
        if (root / name).is_symlink():
            yield root / name
    yield from (root / "usr/bin" / name for name in PROGRAMS)
    for folder in (root / "usr/lib/x86_64-linux-gnu", root / "usr/lib64"):
        for pattern in LIBRARIES:
            yield from sorted(folder.glob(pattern))
    yield from (root / name for name in WHOLE)
    yield from (root / name for name in ("etc/passwd", "etc/group"))


def make(engine: list[str]) -> None:
    """Imports the image; ``engine`` is the command of the container engine."""
    with subprocess.Popen(
        [*engine, "import", "-", NAME], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as importing:
        assert importing.stdin is not None
        with tarfile.open(fileobj=importing.stdin, mode="w|") as image:
            for path in paths():
                if path.exists():
                    image.add(path, str(path).lstrip("/"), filter=_without_caches)
        importing.stdin.close()
    assert importing.returncode == 0


def _without_caches(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member
