"""Receivers on the loopback: a mail server, and a web hook that answers as it is told to."""

import email
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class MailBox:
    """What a mail server was given."""

    url: str
    mails: list[EmailMessage] = field(default_factory=list)

    def text(self, place: int) -> str:
        return self._part(place, "plain")

    def html(self, place: int) -> str:
        return self._part(place, "html")

    def _part(self, place: int, kind: str) -> str:
        part = self.mails[place].get_body((kind,))
        assert part is not None
        content = part.get_content()
        assert isinstance(content, str)
        return content


@contextmanager
def mail_server() -> Iterator[MailBox]:
    """An SMTP server that takes everything."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    box = MailBox(f"mailto://127.0.0.1:{port}?from=outbox@example.com&to=ops@example.com&mode=insecure")

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
            message = email.message_from_bytes(envelope.content, policy=default)
            assert isinstance(message, EmailMessage)
            box.mails.append(message)
            return "250 OK"

    controller = Controller(Handler(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@dataclass(frozen=True)
class Post:
    """One request."""

    path: str
    content_type: str
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Hook:
    """A web server that keeps what is posted. ``status`` is what it answers."""

    address: str
    posts: list[Post] = field(default_factory=list)
    status: int = 200
    hold: threading.Event | None = None
    """Answers only when it is set."""
    asked: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"json://{self.address}/hook"


@contextmanager
def hook() -> Iterator[Hook]:
    """A web hook."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.asked.set()
            if told.hold is not None:
                told.hold.wait(30)
            if told.status < 300:
                told.posts.append(Post(self.path, self.headers["Content-Type"], body))
            with suppress(OSError):  # Who asked may have given up.
                self.send_response(told.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told = Hook(f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        if told.hold is not None:
            told.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
