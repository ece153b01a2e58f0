"""Whoever ALERT_URLS names, through apprise. Imported only where something is told: it takes a second to load.

An entry of ALERT_URLS is a secret as a whole (a webhook's path is its password): it stands in no output. A receiver is
shown by its place in the list and its service; mail and plain webhooks, whose host is no secret, with their host.
Apprise and the libraries under it log addresses, so their loggers are closed, whatever LOG_LEVEL says.
"""

import asyncio
import hashlib
import logging
import threading
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio
import apprise
from pydantic import SecretStr

from outbox.commands.alert.message import Message
from outbox.commands.failures import WrongUse

SEND_SECONDS = 60.0
"""For one receiver. Apprise itself bounds each wait for a byte at 4 s, of mail at 15."""

TALKATIVE = ("apprise", "urllib3", "requests", "requests_oauthlib", "oauthlib")

HOST_IS_NO_SECRET = frozenset({"mailto", "mailtos", "json", "jsons", "form", "forms", "xml", "xmls"})


@dataclass(frozen=True)
class Receiver:
    """An entry of ALERT_URLS that can be used."""

    id: str
    """SHA-256 of the entry, in hexadecimal: as what it is remembered."""
    shown: str
    """Its place in the list, its service and, where that is no secret, its host."""
    service: Any
    """Apprise's, whose class is made at run time."""

    def __repr__(self) -> str:
        return f"<Receiver {self.shown}>"


def receivers(urls: Sequence[SecretStr]) -> tuple[Receiver, ...]:
    """Every entry, each once. Raises :class:`WrongUse` for the first that cannot be used, by its place."""
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False
    if not urls:
        raise WrongUse("ALERT_URLS is not set: there is nobody to tell (comma-separated addresses, as mailto://…)")
    # No plugins from disk, nothing kept on disk, no pictures that whoever reads the message would fetch from elsewhere.
    asset = apprise.AppriseAsset(
        app_id="zoho-outbox",
        app_desc="zoho-outbox",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        plugin_paths=[],
        secure_logging=True,
    )
    found: dict[str, Receiver] = {}
    for place, url in enumerate(urls, 1):
        service = _service(url, asset)
        if service is None:
            raise WrongUse(
                f"ALERT_URLS: entry {place} of {len(urls)} is no address that can be used: see "
                "https://appriseit.com/services/ for its form; a comma inside an address is written %2C"
            )
        if service.overflow_mode is apprise.OverflowMode.UPSTREAM:
            # Not to be refused for its length: chat services take 2,000 characters.
            service.overflow_mode = apprise.OverflowMode.SPLIT
        identity = hashlib.sha256(url.get_secret_value().encode()).hexdigest()
        found.setdefault(identity, Receiver(identity, _shown(place, url, service), service))
    return tuple(found.values())


def _service(url: SecretStr, asset: apprise.AppriseAsset) -> Any:
    # The first one loads every plugin that there is; what those import may be deprecated, which is not our reader's
    # matter.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return apprise.Apprise.instantiate(url.get_secret_value(), asset=asset, suppress_exceptions=True)


def _shown(place: int, url: SecretStr, service: Any) -> str:
    scheme = url.get_secret_value().partition("://")[0].lower()
    host = f" at {service.host}" if scheme in HOST_IS_NO_SECRET and getattr(service, "host", None) else ""
    return f"receiver {place} ({service.service_name}{host})"


async def tell(receiver: Receiver, message: Message) -> bool:
    """Sends; whether the receiver took it within :data:`SEND_SECONDS`.

    In a thread, because apprise waits; one that nobody joins, because it bounds each read and not the whole: a server
    that sends a byte now and then would hold the process for ever.
    """
    loop, answered = asyncio.get_running_loop(), anyio.Event()
    took: list[bool] = []

    def send() -> None:
        try:
            took.append(_tell(receiver, message))
        finally:
            with suppress(RuntimeError):  # The loop has ended: nobody waits any more.
                loop.call_soon_threadsafe(answered.set)

    threading.Thread(target=send, name=receiver.shown, daemon=True).start()
    with anyio.move_on_after(SEND_SECONDS):
        await answered.wait()
    return any(took)


def _tell(receiver: Receiver, message: Message) -> bool:
    formats = receiver.service.notify_format
    first = formats[0] if isinstance(formats, tuple | list) else formats
    html = first == apprise.NotifyFormat.HTML
    one = apprise.Apprise(asset=receiver.service.asset)
    one.add(receiver.service)
    # Mail gets HTML, from which apprise makes the text part.
    return bool(
        one.notify(
            title=message.title,
            body=message.as_html() if html else message.as_chat(),
            body_format=apprise.NotifyFormat.HTML if html else apprise.NotifyFormat.TEXT,
            notify_type=apprise.NotifyType.WARNING,
        )
    )
