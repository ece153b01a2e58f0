"""A service manager's end of sd_notify: a datagram socket that keeps what it is told."""

import socket
import tempfile
import threading
from pathlib import Path
from typing import Self


class Manager:
    """Receives from its creation to its end, in a thread of its own."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="notify-")  # short: a socket's path has 107 bytes
        self.address = str(Path(self._folder.name, "notify"))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._lock = threading.Lock()
        self._messages: list[dict[str, str]] = []
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.connect(self.address)
            connection.send(b"")
        self._thread.join()
        self._socket.close()
        self._folder.cleanup()

    def environment(self, *, watchdog_seconds: float | None = None) -> dict[str, str]:
        """What a manager gives to a service."""
        given = {"NOTIFY_SOCKET": self.address}
        if watchdog_seconds is not None:
            given["WATCHDOG_USEC"] = str(round(watchdog_seconds * 1_000_000))
        return given

    @property
    def messages(self) -> list[dict[str, str]]:
        """All that was said so far; a message's lines as keys and values."""
        with self._lock:
            return list(self._messages)

    def values(self, name: str) -> list[str]:
        """Each value that was said of a name, in their order."""
        return [message[name] for message in self.messages if name in message]

    @property
    def status(self) -> str:
        """The present status; '' before the first."""
        return next(reversed(self.values("STATUS")), "")

    @property
    def ready(self) -> bool:
        return "1" in self.values("READY")

    def _receive(self) -> None:
        while data := self._socket.recv(65536):
            message = dict(line.split("=", 1) for line in data.decode().splitlines())
            with self._lock:
                self._messages.append(message)
