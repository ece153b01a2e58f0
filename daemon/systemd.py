"""sd_notify: readiness, status and watchdog. Ten lines of our own: `sdnotify` is from 2017, `systemd-python` needs
a compiler."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


class Notifier:
    """Talks to the service manager where there is one; says nothing elsewhere."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        microseconds = environ.get("WATCHDOG_USEC", "")
        meant_for_us = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds: float | None = (
            int(microseconds) / 1_000_000 if microseconds.isdigit() and int(microseconds) and meant_for_us else None
        )

    def send(self, **states: str) -> None:
        """Sends ``READY=1`` and the like. A manager that does not listen is not our failure."""
        if not self._address:
            return
        message = "\n".join(f"{name}={value}" for name, value in states.items())
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.connect(self._address)
            connection.sendall(message.encode())
