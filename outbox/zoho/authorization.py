"""Access tokens: one for all replicas, minted by one of them at a time, told apart when they are refused.

The accounts host allows 10 mints in 10 minutes and keeps 10 tokens alive (sheet 1.3); whoever asks more often
is refused for longer. So a token lives in the vault that all replicas share, the vault says whose turn it is
to mint, and a refusal puts a cooldown on everybody.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from decimal import Decimal
from enum import StrEnum
from urllib.parse import urlsplit

import anyio
import structlog
from pydantic import SecretStr

from outbox.clock import Clock
from outbox.logs import Event
from outbox.settings import Settings
from outbox.vocabulary import FailureClass, OrganisationState
from outbox.zoho.connection import Http, read_limited
from outbox.zoho.exchange import ApiRequest
from outbox.zoho.failures import CallFailed, Failure, FailureKind, classify_transport
from outbox.zoho.json_text import JsonValue, decode_text
from outbox.zoho.ports import (
    CoolingDown,
    SendingStopped,
    StoredToken,
    TokenVault,
    TurnGranted,
    TurnTaken,
)
from outbox.zoho.regions import region_of_api_domain

# A token of 3,600 s that is replaced when 120 s are left serves 3,480 s: 86,400 / 3,480 = 24.8, so 25 mints
# in any 24 h, and of the 26 that are allowed one is spare for a token that Zoho kills early. Replaced more
# than 277 s before its end it would be 27. 120 s are four request time-outs: no request outlives its token.
RENEW_SECONDS_LEFT = 120.0
TOKEN_LIFETIME_SECONDS = 3600.0
THROTTLED_COOLDOWN_SECONDS = 600.0
"""Sheet 1.2: after at least 10 minutes; retries prolong it."""
REFUSED_COOLDOWN_SECONDS = 120.0
"""A refusal that a person must mend: seldom enough for 10 mints in 10 minutes, soon enough after the mend."""
OUTAGE_COOLDOWN_SECONDS = 10.0
HOLD_ON_SECONDS = 5.0
TURN_POLL_SECONDS = 0.25
TURN_PATIENCE_SECONDS = 45.0
_STORE_SECONDS = 10.0
_LARGEST_TOKEN_REPLY = 65536


class CredentialsProblem(StrEnum):
    """Why the accounts host, or we, refuse the configured credentials."""

    INVALID_CODE = "invalid_code"
    INVALID_CLIENT = "invalid_client"
    INVALID_CLIENT_SECRET = "invalid_client_secret"  # noqa: S105
    WRONG_REGION = "wrong_region"
    OTHER = "other"


class CredentialsRefused(CallFailed):
    """No token can be minted until a person mends the credentials; ``advice`` says which. Class AUTH."""

    def __init__(self, problem: CredentialsProblem, message: str, advice: str) -> None:
        kind = (
            FailureKind.WRONG_REGION if problem is CredentialsProblem.WRONG_REGION else FailureKind.CREDENTIALS_REFUSED
        )
        super().__init__(Failure(FailureClass.AUTH, kind, message, advice, request_left=False))
        self.problem = problem
        self.advice = advice


class TokenUnavailable(CallFailed):
    """No token for the moment, and nobody at fault who could mend it here. Class OUTAGE; nothing was sent."""


@dataclass(frozen=True)
class MintedToken:
    """A good reply of the token endpoint."""

    secret: SecretStr
    lifetime_seconds: float
    api_domain: str | None


@dataclass(frozen=True)
class MintThrottled:
    """The accounts host wants silence."""

    cooldown_seconds: float
    message: str


@dataclass(frozen=True)
class MintRefused:
    """The accounts host does not accept what it was given."""

    problem: CredentialsProblem
    message: str
    advice: str


@dataclass(frozen=True)
class MintUnavailable:
    """The accounts host is unwell or not reachable."""

    failure: Failure


MintOutcome = MintedToken | MintThrottled | MintRefused | MintUnavailable

_ADVICE = {
    CredentialsProblem.INVALID_CODE: "The refresh token was revoked, or belongs to another client or data"
    " centre: authorise again and set ZOHO_REFRESH_TOKEN.",
    CredentialsProblem.INVALID_CLIENT: "Check ZOHO_CLIENT_ID, and that ZOHO_REGION is the data centre where"
    " the client was registered.",
    CredentialsProblem.INVALID_CLIENT_SECRET: "Set ZOHO_CLIENT_SECRET to the secret of ZOHO_CLIENT_ID.",
    CredentialsProblem.OTHER: "Check ZOHO_CLIENT_ID, ZOHO_CLIENT_SECRET, ZOHO_REFRESH_TOKEN and ZOHO_REGION.",
}
_UNWELL_ERRORS = frozenset({"general_error", "internal_error", "server_error", "temporarily_unavailable"})


def classify_token_reply(http_status: int, content: bytes) -> MintOutcome:
    """Reads a reply of ``/oauth/v2/token`` (sheet 1.2): errors come with HTTP 200 as well as with 400."""
    try:
        reply = decode_text(content)
    except ValueError:
        reply = None
    if not isinstance(reply, Mapping):
        if http_status == 429:
            return MintThrottled(THROTTLED_COOLDOWN_SECONDS, "HTTP 429")
        return _unavailable(f"the accounts host answered HTTP {http_status} without JSON")
    token = reply.get("access_token")
    if http_status == 200 and isinstance(token, str) and token:
        domain = reply.get("api_domain")
        return MintedToken(
            SecretStr(token), _lifetime(reply.get("expires_in")), domain if isinstance(domain, str) else None
        )
    error = str(reply.get("error") or "")
    description = str(reply.get("error_description") or "")
    words = f"{error}: {description}" if description else error or f"HTTP {http_status} without an error"
    if http_status == 429 or error.casefold() == "access denied" or "too many requests" in description.casefold():
        return MintThrottled(THROTTLED_COOLDOWN_SECONDS, words)
    if http_status >= 500 or error.casefold() in _UNWELL_ERRORS:
        return _unavailable(f"the accounts host answered HTTP {http_status}: {words}")
    try:
        problem = CredentialsProblem(error)
    except ValueError:
        problem = CredentialsProblem.OTHER
    return MintRefused(problem, f"the accounts host refused: {words}", _ADVICE[problem])


def _lifetime(expires_in: JsonValue) -> float:
    if isinstance(expires_in, int | Decimal) and not isinstance(expires_in, bool) and expires_in > 0:
        return float(expires_in)
    return TOKEN_LIFETIME_SECONDS


def _unavailable(message: str, kind: FailureKind = FailureKind.SERVER_ERROR) -> MintUnavailable:
    advice = "Sending goes on by itself once the accounts host answers; else check ZOHO_ACCOUNTS_BASE_URL."
    return MintUnavailable(Failure(FailureClass.OUTAGE, kind, message, advice, request_left=False))


@dataclass(frozen=True)
class AccessToken:
    """A token to send with. ``generation`` names it in logs."""

    secret: SecretStr
    generation: int


@dataclass(frozen=True)
class _Held:
    token: AccessToken
    renew_at: float
    """On the monotonic clock: from here on a new one is asked for."""


class AccessTokens:
    """Hands out the shared token and has it replaced in time. One instance for each process."""

    def __init__(
        self,
        vault: TokenVault,
        http: Http,
        settings: Settings,
        clock: Clock,
        *,
        on_secret: Callable[[str], None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """``on_secret`` is told each token in clear, for the redaction of logs (``Redactor.register``)."""
        self._vault = vault
        self._http = http
        self._settings = settings
        self._clock = clock
        self._on_secret = on_secret
        self._sleep = sleep
        self._lock = anyio.Lock()
        self._held: _Held | None = None
        self._refusal: tuple[float, MintRefused] | None = None
        self._log = structlog.get_logger()

    def __repr__(self) -> str:
        generation = self._held.token.generation if self._held is not None else None
        return f"<AccessTokens generation={generation}>"

    async def current(self) -> AccessToken:
        """A token with life enough for a request.

        Raises :class:`SendingStopped` (THROTTLED) while nobody may mint, :class:`CredentialsRefused` where a
        person must act, :class:`TokenUnavailable` where the accounts host is unwell.
        """
        held = self._held
        if held is not None and self._clock.monotonic() < held.renew_at:
            return held.token
        async with self._lock:
            held = self._held
            if held is not None and self._clock.monotonic() < held.renew_at:
                return held.token
            return await self._obtain(refused=None)

    async def replace(self, refused: AccessToken) -> AccessToken:
        """Another token than the one that the API has just refused; minted only if nobody has done so yet."""
        async with self._lock:
            held = self._held
            if held is not None and held.token.secret != refused.secret and self._clock.monotonic() < held.renew_at:
                return held.token
            self._held = None
            return await self._obtain(refused)

    async def _obtain(self, refused: AccessToken | None) -> AccessToken:
        if self._refusal is not None and (seconds := self._refusal[0] - self._clock.monotonic()) > 0:
            # Not a refusal again: nobody was asked. Another process may have been started with mended credentials, and
            # what is told here must not look newer than its success.
            raise SendingStopped(
                OrganisationState.THROTTLED,
                f"{self._refusal[1].message}: {self._refusal[1].advice}",
                self._clock.now(UTC) + timedelta(seconds=seconds),
            )
        stored = await self._vault.read()
        if stored is not None and refused is not None and stored.secret == refused.secret:
            candidate, seen = None, stored.generation
        else:
            candidate, seen = stored, stored.generation if stored is not None else 0
        if candidate is not None and candidate.seconds_left > RENEW_SECONDS_LEFT:
            return self._hold(candidate).token
        return await self._take_turn(seen, candidate)

    async def _take_turn(self, seen: int, candidate: StoredToken | None) -> AccessToken:
        """Mints, or waits for the one who does. ``candidate`` still works, but not for much longer."""
        patience_ends = self._clock.monotonic() + TURN_PATIENCE_SECONDS
        while True:
            turn = await self._vault.take_turn(seen)
            match turn:
                case StoredToken() if turn.seconds_left > self._settings.zoho_request_timeout_seconds:
                    return self._hold(turn, lifetime=turn.seconds_left).token
                case StoredToken():
                    seen = turn.generation
                case TurnGranted():
                    return await self._mint(turn, candidate)
                case CoolingDown():
                    still_good = self._hold_on(candidate)
                    if still_good is not None:
                        return still_good
                    raise SendingStopped(OrganisationState.THROTTLED, turn.reason, turn.until, is_told=turn.is_told)
                case TurnTaken():
                    still_good = self._hold_on(candidate)
                    if still_good is not None:
                        return still_good
                    if self._clock.monotonic() >= patience_ends:
                        raise TokenUnavailable(_turn_never_came())
                    await self._sleep(TURN_POLL_SECONDS)

    def _hold(self, stored: StoredToken, lifetime: float | None = None) -> _Held:
        now = self._clock.monotonic()
        # A token that is born short (a test's, or a change at Zoho) is replaced in the middle of its life:
        # renewing 120 s before an end that is 60 s away would mint with every request.
        margin = min(RENEW_SECONDS_LEFT, lifetime / 2) if lifetime is not None else RENEW_SECONDS_LEFT
        held = _Held(
            AccessToken(stored.secret, stored.generation),
            renew_at=now + stored.seconds_left - margin,
        )
        self._held = held
        self._announce(stored.secret)
        return held

    def _hold_on(self, candidate: StoredToken | None) -> AccessToken | None:
        """The old token for a few seconds more: no new one is to be had, and it outlives a request."""
        if candidate is None or candidate.seconds_left <= self._settings.zoho_request_timeout_seconds:
            return None
        token = AccessToken(candidate.secret, candidate.generation)
        spare = candidate.seconds_left - self._settings.zoho_request_timeout_seconds
        self._held = _Held(token, renew_at=self._clock.monotonic() + min(HOLD_ON_SECONDS, spare))
        self._announce(candidate.secret)
        return token

    def _announce(self, secret: SecretStr) -> None:
        if self._on_secret is not None:
            self._on_secret(secret.get_secret_value())

    async def _mint(self, turn: TurnGranted, candidate: StoredToken | None) -> AccessToken:
        # Within the turn: whoever is still asking when it ends is one of two who ask.
        outcome = await self._ask(min(self._settings.zoho_request_timeout_seconds, 0.8 * turn.seconds))
        if isinstance(outcome, MintedToken):
            outcome = self._of_our_region(outcome)
        match outcome:
            case MintedToken():
                return await self._keep(turn, outcome)
            case MintThrottled():
                await self._give_up(turn, outcome.cooldown_seconds, f"token endpoint throttled: {outcome.message}")
                self._log.warning(Event.TOKEN_THROTTLED, cooldown_seconds=outcome.cooldown_seconds)
                still_good = self._hold_on(candidate)
                if still_good is not None:
                    return still_good
                raise SendingStopped(
                    OrganisationState.THROTTLED,
                    f"the token endpoint is throttled: {outcome.message}",
                    self._clock.now(UTC) + timedelta(seconds=outcome.cooldown_seconds),
                )
            case MintRefused():
                await self._give_up(turn, REFUSED_COOLDOWN_SECONDS, outcome.message)
                self._refusal = (self._clock.monotonic() + REFUSED_COOLDOWN_SECONDS, outcome)
                self._log.error(Event.TOKEN_REFUSED, reason=outcome.message, advice=outcome.advice)
                raise _credentials_refused(outcome)
            case MintUnavailable():
                await self._give_up(turn, OUTAGE_COOLDOWN_SECONDS, outcome.failure.message)
                self._log.warning(Event.TOKEN_UNAVAILABLE, reason=outcome.failure.message)
                still_good = self._hold_on(candidate)
                if still_good is not None:
                    return still_good
                raise TokenUnavailable(outcome.failure)

    def _of_our_region(self, minted: MintedToken) -> MintedToken | MintRefused:
        """Refuses a token of another data centre than that of the API base (sheet 1.6)."""
        settings = self._settings
        if settings.api_is_simulated or minted.api_domain is None:
            return minted
        ours, theirs = urlsplit(settings.zoho_api_base_url).hostname, urlsplit(minted.api_domain).hostname
        if ours == theirs:
            return minted
        region = region_of_api_domain(minted.api_domain)
        mend = (
            f"Set ZOHO_REGION={region} and leave ZOHO_API_BASE_URL and ZOHO_ACCOUNTS_BASE_URL unset."
            if region is not None
            else f"Set ZOHO_API_BASE_URL to {minted.api_domain}/billing/v1."
        )
        return MintRefused(
            CredentialsProblem.WRONG_REGION,
            f"the token is for {theirs}, but requests would go to {ours} (ZOHO_REGION={settings.zoho_region})",
            mend,
        )

    async def _ask(self, seconds: float) -> MintOutcome:
        settings = self._settings
        form = {
            "grant_type": "refresh_token",
            "refresh_token": settings.zoho_refresh_token.get_secret_value(),
            "client_id": settings.zoho_client_id,
            "client_secret": settings.zoho_client_secret.get_secret_value(),
        }
        outcome: MintOutcome
        try:
            with anyio.fail_after(seconds):
                # In the body, not the query that Zoho's page shows: queries are written to access logs.
                async with self._http.stream(
                    "POST", f"{settings.zoho_accounts_base_url}/oauth/v2/token", data=form
                ) as response:
                    content = await read_limited(response, _LARGEST_TOKEN_REPLY)
                    outcome = classify_token_reply(response.status_code, content)
        except Exception as error:
            # Outside the exception's reach nothing of httpx's survives: its request holds the client secret.
            failure = classify_transport(_TOKEN_REQUEST, error)
            outcome = _unavailable(f"the accounts host: {failure.message}", failure.kind)
        return outcome

    async def _keep(self, turn: TurnGranted, minted: MintedToken) -> AccessToken:
        # Registered before anything can log it. Shielded: a minted token that is forgotten is one of ten.
        self._announce(minted.secret)
        stored: StoredToken | None = None
        with anyio.CancelScope(shield=True), anyio.move_on_after(_STORE_SECONDS):
            try:
                stored = await self._vault.store(turn, minted.secret, minted.lifetime_seconds)
            except Exception as error:
                self._log.warning(Event.TOKEN_NOT_STORED, generation=turn.generation, error=type(error).__name__)
        self._refusal = None
        if stored is None:
            # Kept and used here: minting again and again until the database answers would use up the limit.
            stored = StoredToken(minted.secret, turn.generation, minted.lifetime_seconds)
        else:
            self._log.info(Event.TOKEN_MINTED, generation=stored.generation)
        return self._hold(stored, lifetime=minted.lifetime_seconds).token

    async def _give_up(self, turn: TurnGranted, cooldown_seconds: float, reason: str) -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(_STORE_SECONDS):
            try:
                await self._vault.give_up(turn, cooldown_seconds, reason)
            except Exception as error:
                # The turn ends by itself; what happened at the accounts host must still reach the caller.
                self._log.warning(Event.TOKEN_NOT_STORED, generation=turn.generation, error=type(error).__name__)


_TOKEN_REQUEST = ApiRequest("POST", "/oauth/v2/token", idempotent=True)


def _credentials_refused(refused: MintRefused) -> CredentialsRefused:
    return CredentialsRefused(refused.problem, refused.message, refused.advice)


def _turn_never_came() -> Failure:
    return Failure(
        FailureClass.OUTAGE,
        FailureKind.UNREACHABLE,
        f"another process has been minting an access token for more than {TURN_PATIENCE_SECONDS:.0f} s",
        "Its turn ends by itself; look for a process that hangs, and at the accounts host.",
        request_left=False,
    )
