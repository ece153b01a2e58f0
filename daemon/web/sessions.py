"""The cookie of who is signed in: name and end of the session, signed.

No table: the key is derived from the admin token, so another token ends every session, and a session that is signed out
is gone from the browser (a copy of its cookie would live until its end, 12 hours after the sign-in).
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass

COOKIE = "zoho_outbox_session"

SESSION_SECONDS = 12 * 3600
"""A working day; not prolonged by use."""

LONGEST_COOKIE = 1024
"""Characters; a longer one is not looked at."""


@dataclass(frozen=True)
class Session:
    """Who is signed in, until when."""

    name: str
    ends_at: int
    """Seconds since 1970."""
    nonce: str
    """Tells one sign-in from another."""


class SessionSigner:
    """Signs and reads cookies. Holds keys made from the admin token, and not the token."""

    def __init__(self, admin_token: str) -> None:
        token = admin_token.encode()
        self._signing = hmac.digest(token, b"zoho-outbox session", "sha256")
        self._csrf = hmac.digest(token, b"zoho-outbox csrf", "sha256")
        self._presented = hmac.digest(token, b"zoho-outbox compare", "sha256")

    def __repr__(self) -> str:
        return "<SessionSigner>"

    def is_admin_token(self, presented: str) -> bool:
        """Compares in constant time, whatever the length of what was presented."""
        digest = hmac.digest(presented.encode("utf-8", "surrogatepass"), b"zoho-outbox compare", "sha256")
        return hmac.compare_digest(digest, self._presented)

    def sign(self, name: str, now: float) -> tuple[Session, str]:
        """A new session and its cookie."""
        session = Session(name, int(now) + SESSION_SECONDS, secrets.token_urlsafe(12))
        payload = json.dumps([session.name, session.ends_at, session.nonce]).encode()
        return session, f"{_text(payload)}.{_text(hmac.digest(self._signing, payload, hashlib.sha256))}"

    def read(self, cookie: str, now: float) -> Session | None:
        """The session of a cookie; None where it was not signed by us, or has ended."""
        payload_text, _, signature_text = cookie.partition(".")
        if len(cookie) > LONGEST_COOKIE:
            return None
        try:
            payload, signature = _bytes(payload_text), _bytes(signature_text)
        except (binascii.Error, ValueError):
            return None
        if not hmac.compare_digest(hmac.digest(self._signing, payload, hashlib.sha256), signature):
            return None
        name, ends_at, nonce = json.loads(payload)
        return Session(name, ends_at, nonce) if now < ends_at else None

    def csrf_token(self, session: Session) -> str:
        """What a change in this session must carry."""
        return _text(hmac.digest(self._csrf, f"{session.nonce}.{session.ends_at}".encode(), hashlib.sha256))

    def is_csrf_token(self, session: Session, presented: str) -> bool:
        """Compares in constant time."""
        return hmac.compare_digest(self.csrf_token(session).encode(), presented.encode("utf-8", "surrogatepass"))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
