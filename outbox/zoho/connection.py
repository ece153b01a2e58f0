"""The one place that opens connections to Zoho: transport, proxies, TLS, time-outs."""

from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

import outbox
from outbox.settings import Settings
from outbox.zoho.failures import ReplyTooLarge
from outbox.zoho.regions import is_loopback_url

USER_AGENT = f"zoho-outbox/{outbox.__version__}"

# A connection that was idle for longer is opened anew: a write on one that the server is about to close is
# lost with an unknown fate, and for a create that costs two look-ups.
KEEPALIVE_SECONDS = 15.0
LONGEST_CONNECT_SECONDS = 10.0


class _BareTransport(AiohttpTransport):
    """httpx's interface on aiohttp's pool (httpx's own collapses when many are in flight), and no extras."""

    def get_client(self) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self.ssl_context,
                limit=self.limits.max_connections or 0,
                keepalive_timeout=self.limits.keepalive_expiry or KEEPALIVE_SECONDS,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # would look for a proxy in a thread, and for credentials in ~/.netrc, each time
        )
        # aiohttp repeats GET, PUT and DELETE by itself when a kept-alive connection turns out dead: a request
        # that no budget permitted and no lease covers. There is no public switch; a test holds this line.
        session._retry_connection = False
        return session


def open_http(settings: Settings) -> httpx.AsyncClient:
    """The HTTP client for the API and accounts hosts. The caller closes it (``async with``).

    No redirects, no cookies, TLS verified. Proxies of the environment (HTTPS_PROXY, NO_PROXY) are honoured
    for Zoho's hosts, looked up once, and never for loopback. It connects within 10 s or half the request
    time-out; the whole exchange is bounded by the caller.
    """
    total = settings.zoho_request_timeout_seconds
    connect = min(LONGEST_CONNECT_SECONDS, total / 2)
    limits = httpx.Limits(
        max_connections=settings.zoho_max_concurrency + 1,  # one for the accounts host
        max_keepalive_connections=None,
        keepalive_expiry=KEEPALIVE_SECONDS,
    )
    mounts: dict[str, httpx.AsyncBaseTransport | None] = {}
    for url in (settings.zoho_api_base_url, settings.zoho_accounts_base_url):
        proxy = _environment_proxy(url)
        if proxy is not None:
            parts = urlsplit(url)
            mounts[f"{parts.scheme}://{parts.hostname}"] = _transport(limits, proxy)
    return httpx.AsyncClient(
        transport=_transport(limits, None),
        mounts=mounts,
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        timeout=httpx.Timeout(connect=connect, pool=connect, read=total, write=total),
        headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
    )


def _transport(limits: httpx.Limits, proxy: httpx.Proxy | None) -> AiohttpTransport:
    extra: dict[str, Any] = {} if proxy is None else {"proxy": proxy}
    return _BareTransport(limits=limits, trust_env=True, **extra)  # trust_env: SSL_CERT_FILE and SSL_CERT_DIR


def _environment_proxy(url: str) -> httpx.Proxy | None:
    parts = urlsplit(url)
    if is_loopback_url(url) or proxy_bypass(parts.hostname or ""):
        return None
    address = getproxies_environment().get(parts.scheme)
    return httpx.Proxy(address) if address else None


async def read_limited(response: httpx.Response, limit: int) -> bytes:
    """The whole decoded body. Raises :class:`ReplyTooLarge` past ``limit`` bytes: memory is bounded."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > limit:
            raise ReplyTooLarge(f"the reply is larger than {limit} bytes")
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
