"""How doctor asks Zoho: through the budget and with the shared token like everybody else, seldom, and counting.

What differs from sending: nothing of what Zoho answers is reported to the organisation's state (doctor writes nothing
but token and budget); a refused token is replaced at most once; and where sending is forbidden because of credentials
that somebody may have mended just now, it asks at once.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import assert_never
from uuid import UUID, uuid4

import httpx

from outbox.clock import Clock
from outbox.commands.doctor.zoho import Answer, Barred, barred_by, is_throttled_or_away, stops_everything
from outbox.database import Database, DatabaseUnavailable
from outbox.settings import Settings
from outbox.store.access_token import DatabaseTokenVault
from outbox.store.budget import SharedBudget
from outbox.store.doctor import DoctorReadings
from outbox.store.organisation import OrganisationStore
from outbox.vocabulary import FailureClass, Urgency
from outbox.zoho.authorization import AccessToken, AccessTokens
from outbox.zoho.call_log import CallLog
from outbox.zoho.client import ZohoClient
from outbox.zoho.connection import Http, open_http
from outbox.zoho.exchange import ApiRequest
from outbox.zoho.failures import SCOPE_ADVICE, CallFailed, Failure, FailureKind
from outbox.zoho.json_text import JsonValue
from outbox.zoho.ports import CoolingDown, Permit, SendingStopped, StoredToken, TurnGranted, TurnTaken


class CountingVault(DatabaseTokenVault):
    """Counts the mints of this process."""

    minted = 0

    async def take_turn(self, seen_generation: int) -> StoredToken | TurnGranted | TurnTaken | CoolingDown:
        """As the vault's own."""
        turn = await super().take_turn(seen_generation)
        if isinstance(turn, TurnGranted):
            self.minted += 1
        return turn


class CountingBudget:
    """Counts what left, and asks at once where sending is forbidden (see the head of this module)."""

    def __init__(self, database: Database, settings: Settings, session: UUID) -> None:
        self._inner = SharedBudget(database, settings, session)
        self._organisation = OrganisationStore(database, settings.zoho_time_zone)
        self.requests = 0

    @asynccontextmanager
    async def permit(self, urgency: Urgency) -> AsyncIterator[Permit]:
        """As the budget's own."""
        await self._organisation.probe_at_once()
        async with self._inner.permit(urgency) as permit:
            try:
                yield permit
            finally:
                self.requests += permit.requests

    async def leave(self) -> None:
        """Whoever sends may probe at once: doctor has taken its turn."""
        await self._organisation.probe_at_once()


class ProvedTokens(AccessTokens):
    """Once a token was minted here, a refusal of it is about its rights: another mint would be refused as well, and
    the accounts host allows ten in ten minutes (sheet 0.8).
    """

    proved = False

    async def replace(self, refused: AccessToken) -> AccessToken:
        """Another token, where none was minted here. Raises :class:`CallFailed` where one was."""
        if self.proved:
            raise CallFailed(
                Failure(
                    FailureClass.AUTH,
                    FailureKind.SCOPE_OR_ORGANISATION,
                    "You are not authorized to perform this operation",
                    SCOPE_ADVICE,
                    http_status=401,
                    code=57,
                )
            )
        token = await super().replace(refused)
        self.proved = True
        return token


class Asking:
    """Made by :func:`open_asking`."""

    def __init__(self, client: ZohoClient, tokens: ProvedTokens, vault: CountingVault, budget: CountingBudget) -> None:
        self._client = client
        self._tokens = tokens
        self._vault = vault
        self._budget = budget
        self._barred: Barred | None = None
        self._bars = stops_everything
        self.altered: dict[str, str] = {}
        """Headers that take the place of the client's own."""
        self.dates: list[tuple[datetime, datetime]] = []
        """Zoho's Date headers, each with this machine's time when it came."""

    @property
    def requests(self) -> int:
        """To Zoho's API, that left."""
        return self._budget.requests

    @property
    def tokens_minted(self) -> int:
        """Asked of the accounts host, well or not."""
        return self._vault.minted

    async def prove_credentials(self, readings: DoctorReadings) -> int | SendingStopped | CallFailed | None:
        """Mints a token: one that is stored proves nothing of the settings. See :func:`check_credentials`."""
        await readings.lift_refusal()
        stored = await self._vault.read()
        try:
            if stored is None:
                token = await self._tokens.current()
            else:
                token = await self._tokens.replace(AccessToken(stored.secret, stored.generation))
        except SendingStopped as stopped:
            return stopped
        except CallFailed as problem:
            self._barred = Barred("there is no access token, see credentials")
            return problem
        self._tokens.proved = True
        return token.generation if self._vault.minted else None

    def is_bold(self) -> None:
        """From now on only what stops everybody stops the asking: it is tried what Zoho does with odd requests."""
        self._bars = is_throttled_or_away

    async def ask(self, request: ApiRequest, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Sends it, unless an earlier answer says that it is of no use. With ``headers`` the answer is Zoho's first,
        whatever the client made of it.
        """
        if self._barred is not None:
            return self._barred
        log = CallLog()
        self.altered = dict(headers or {})
        try:
            return await self._client.send(request, urgency=Urgency.LIVE, call_log=log)
        except CallFailed as problem:
            return log.exchanges[0].outcome if headers and log.exchanges else self._noted(problem)
        except SendingStopped as problem:
            return self._noted(problem)
        finally:
            self.altered = {}

    async def rows(self, request: ApiRequest, key: str) -> tuple[Answer, list[Mapping[str, JsonValue]]]:
        """All rows of a list, with the answer to its last page."""
        rows: list[Mapping[str, JsonValue]] = []
        answer: Answer = self._barred or Barred("the list has no pages")
        if self._barred is None:
            try:
                async for answer in self._client.pages(request, urgency=Urgency.LIVE):
                    of_page = answer.body.get(key)
                    rows += [row for row in (of_page if isinstance(of_page, list) else ()) if isinstance(row, Mapping)]
            except (SendingStopped, CallFailed) as problem:
                answer = self._noted(problem)
        return answer, rows

    def _noted(self, problem: SendingStopped | CallFailed) -> Answer:
        match problem:
            case SendingStopped():
                self._barred = barred_by(problem)
                return self._barred
            case CallFailed(failure=failure):
                if self._bars(failure):
                    self._barred = Barred(f"an earlier request failed ({failure})")
                return failure
            case _:
                assert_never(problem)


class _WatchedHttp:
    """Notes the moments that Zoho names, and says to the API what is to be said otherwise than usual."""

    def __init__(self, http: Http, api_base_url: str, clock: Clock) -> None:
        self._http = http
        self._api_base_url = api_base_url
        self._clock = clock
        self.asking: Asking | None = None

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
        """See :meth:`outbox.zoho.connection.Http.stream`."""
        said = dict(headers or {})
        if self.asking is not None and url.startswith(self._api_base_url):
            said |= self.asking.altered
        async with self._http.stream(method, url, content=content, data=data, headers=said) as response:
            with suppress(ValueError):
                theirs = parsedate_to_datetime(response.headers.get("Date", ""))
                if self.asking is not None:
                    aware = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
                    self.asking.dates.append((aware, self._clock.now(UTC)))
            yield response


@asynccontextmanager
async def open_asking(
    settings: Settings, database: Database, clock: Clock, on_secret: Callable[..., None]
) -> AsyncIterator[Asking]:
    """For the block. At its end whoever sends may ask at once."""
    session = uuid4()
    async with open_http(settings) as plain:
        vault = CountingVault(database, session)
        http = _WatchedHttp(plain, settings.zoho_api_base_url, clock)
        tokens = ProvedTokens(vault, http, settings, clock, on_secret=on_secret)
        budget = CountingBudget(database, settings, session)
        asking = Asking(ZohoClient(http, tokens, budget, settings, clock), tokens, vault, budget)
        http.asking = asking
        try:
            yield asking
        finally:
            with suppress(DatabaseUnavailable):
                await budget.leave()
