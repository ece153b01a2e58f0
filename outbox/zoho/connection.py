"""The one place that opens connections to Zoho: transport, proxies, TLS, time-outs."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
import anyio
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


class Http(Protocol):
    """What is asked of an HTTP client; :class:`httpx.AsyncClient` is one, too."""

    def stream(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AbstractAsyncContextManager[httpx.Response]:
        """One exchange; its response is read within the block."""
        ...


class BareClient:
    """httpx's requests, responses and transports, without the client between them.

    Of what :class:`httpx.AsyncClient` does for each request (merged URLs, headers, cookies and parameters, flows of
    authentication, redirects, cookie jars, hooks) nothing is wanted here, and it took a fifth of the daemon's time.
    """

    def __init__(
        self,
        transports: Mapping[str, httpx.AsyncBaseTransport],
        default: httpx.AsyncBaseTransport,
        *,
        headers: Mapping[str, str],
        timeout: httpx.Timeout,
    ) -> None:
        """``transports`` are those for single hosts, by ``scheme://host``."""
        self._transports = dict(transports)
        self._default = default
        self._headers = dict(headers)
        self._extensions = {"timeout": timeout.as_dict()}

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """One exchange. Raises what the transport raises; redirects are answers like others."""
        request = httpx.Request(
            method,
            url,
            headers={**self._headers, **(headers or {})},
            content=content,
            data=data,
            extensions=self._extensions,
        )
        transport = self._transports.get(f"{request.url.scheme}://{request.url.host}", self._default)
        response = await transport.handle_async_request(request)
        response.request = request
        try:
            yield response
        finally:
            await response.aclose()

    async def __aenter__(self) -> "BareClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.CancelScope(shield=True):
            for transport in (self._default, *self._transports.values()):
                await transport.aclose()


def open_http(settings: Settings) -> BareClient:
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
    proxied: dict[str, httpx.AsyncBaseTransport] = {}
    for url in (settings.zoho_api_base_url, settings.zoho_accounts_base_url):
        proxy = _environment_proxy(url)
        if proxy is not None:
            parts = urlsplit(url)
            proxied[f"{parts.scheme}://{parts.hostname}"] = _transport(limits, proxy)
    return BareClient(
        proxied,
        _transport(limits, None),
        timeout=httpx.Timeout(connect=connect, pool=connect, read=total, write=total),
        # As httpx's client says it.
        headers={"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip, deflate"},
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
