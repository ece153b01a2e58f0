"""OAuth: refresh tokens, access tokens and the token endpoint's throttle (sheet 1.1 to 1.4)."""

from collections import deque
from dataclasses import dataclass, field
from secrets import token_hex

from outbox.simulator.replies import Reply, to_json
from outbox.simulator.settings import FULL_ACCESS, SimulatorSettings


@dataclass(slots=True)
class Grant:
    """What one refresh token may do, and what was minted from it."""

    scopes: frozenset[str]
    revoked: bool = False
    minted_at: deque[float] = field(default_factory=deque)
    live: deque[str] = field(default_factory=deque)
    blocked_until: float = 0.0


@dataclass(frozen=True, slots=True)
class AccessToken:
    """One access token."""

    grant: Grant
    expires_at: float


def token_error(error: str) -> Reply:
    """A refusal with HTTP status 200 (sheet 1.2), such as ``{"error":"invalid_code"}``."""
    return Reply(200, to_json({"error": error}))


def throttled_reply() -> Reply:
    """The throttle's answer, word for word: HTTP 400, not 429 (sheet 1.2)."""
    return Reply(
        400,
        to_json(
            {
                "error_description": "You have made too many requests continuously. Please try again after some time.",
                "error": "Access Denied",
                "status": "failure",
            }
        ),
    )


class TokenOffice:
    """Mints, knows and kills tokens."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._grants: dict[str, Grant] = {settings.refresh_token: Grant(frozenset(settings.scopes))}
        self._access_tokens: dict[str, AccessToken] = {}
        self.minted = 0
        """Access tokens given out."""
        self.throttled = 0
        """Requests refused by the throttle."""

    def add(self, refresh_token: str, scopes: frozenset[str]) -> None:
        """Another refresh token of the same client, or other scopes for a known one (its tokens die)."""
        self.revoke(refresh_token)
        self._grants[refresh_token] = Grant(scopes)

    def revoke(self, refresh_token: str) -> bool:
        """The refresh token and all its access tokens stop working. False where it is not known."""
        grant = self._grants.get(refresh_token)
        if grant is None:
            return False
        grant.revoked = True
        self._kill(grant)
        return True

    def expire_all(self) -> int:
        """Every access token dies at once; returns how many did."""
        count = len(self._access_tokens)
        for grant in self._grants.values():
            self._kill(grant)
        return count

    def permits(self, access_token: str, scope: str | None, now: float) -> bool:
        """Whether the token lives and holds ``ZohoSubscriptions.<scope>``; None asks for life alone."""
        token = self._access_tokens.get(access_token)
        if token is None or token.expires_at <= now or token.grant.revoked:
            return False
        if scope is None:
            return True
        return FULL_ACCESS in token.grant.scopes or f"ZohoSubscriptions.{scope}" in token.grant.scopes

    def answer(self, parameters: dict[str, str], api_domain: str, now: float) -> Reply:
        """``POST /oauth/v2/token``. Codes for an unknown grant_type or a missing token are guesses."""
        settings = self._settings
        if parameters.get("client_id") != settings.client_id:
            return token_error("invalid_client")
        if parameters.get("client_secret") != settings.client_secret:
            return token_error("invalid_client_secret")
        if parameters.get("grant_type") != "refresh_token":
            return token_error("unsupported_grant_type")
        grant = self._grants.get(parameters.get("refresh_token", ""))
        if grant is None or grant.revoked:
            return token_error("invalid_code")
        if self._is_throttled(grant, now):
            self.throttled += 1
            return throttled_reply()
        return self._mint(grant, api_domain, now)

    def _is_throttled(self, grant: Grant, now: float) -> bool:
        limits = self._settings.tokens
        if limits.mints_per_window is None:
            return False
        if now < grant.blocked_until:
            return True
        while grant.minted_at and grant.minted_at[0] <= now - limits.window_seconds:
            grant.minted_at.popleft()
        if len(grant.minted_at) < limits.mints_per_window:
            return False
        if limits.block_seconds is None:
            grant.blocked_until = grant.minted_at[0] + limits.window_seconds
        else:
            grant.blocked_until = now + limits.block_seconds
        return True

    def _mint(self, grant: Grant, api_domain: str, now: float) -> Reply:
        limits = self._settings.tokens
        access_token = f"1000.{token_hex(16)}.{token_hex(16)}"
        self._access_tokens[access_token] = AccessToken(grant, now + limits.lifetime_seconds)
        grant.live.append(access_token)
        while len(grant.live) > limits.live_tokens:
            self._access_tokens.pop(grant.live.popleft(), None)
        grant.minted_at.append(now)
        self.minted += 1
        return Reply(
            200,
            to_json(
                {
                    "access_token": access_token,
                    "api_domain": api_domain,
                    "token_type": "Bearer",
                    "expires_in": int(limits.lifetime_seconds),
                }
            ),
        )

    def _kill(self, grant: Grant) -> None:
        for access_token in grant.live:
            self._access_tokens.pop(access_token, None)
        grant.live.clear()
