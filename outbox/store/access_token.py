"""The shared access token, and whose turn it is to mint the next one."""

from uuid import UUID, uuid4

from pydantic import SecretStr

from outbox.database import Database
from outbox.store.statements import statement
from outbox.zoho.ports import CoolingDown, StoredToken, TurnGranted, TurnTaken

MOST_MINTS = 8
"""In 10 minutes. Zoho allows 10 and then refuses for 10 to 20 minutes (sheet 1.3); two are left for people."""

TURN_SECONDS = 60.0
"""How long a mint may take before somebody else may try."""


class DatabaseTokenVault:
    """Implements :class:`outbox.zoho.ports.TokenVault`. One turn at a time; the client sees to that."""

    def __init__(self, database: Database, session: UUID) -> None:
        self._database = database
        self._session = session
        self._turn: UUID | None = None

    def __repr__(self) -> str:
        return "<DatabaseTokenVault>"

    async def read(self) -> StoredToken | None:
        """See the port."""
        row = await self._database.row(statement("read_token"))
        return None if row is None else _stored(row["secret"], row["generation"], row["seconds_left"])

    async def take_turn(self, seen_generation: int) -> StoredToken | TurnGranted | TurnTaken | CoolingDown:
        """See the port."""
        turn = uuid4()
        row = await self._database.row(
            statement("take_token_turn"),
            {
                "seen_generation": seen_generation,
                "most_mints": MOST_MINTS,
                "turn_token": turn,
                "turn_seconds": TURN_SECONDS,
                "session": self._session,
            },
        )
        if row is None:
            raise LookupError("zoho_outbox_private.access_token is empty; run zoho-outbox migrate")
        match row["answer"]:
            case "granted":
                self._turn = turn
                return TurnGranted(row["generation"] + 1, TURN_SECONDS)
            case "newer":
                return _stored(row["secret"], row["generation"], row["seconds_left"])
            case "cooling":
                return CoolingDown(row["until"], row["cooldown_why"] or "the accounts host asked for patience")
            case "limit":
                return CoolingDown(
                    row["until"], f"{MOST_MINTS} tokens were minted within 10 minutes; Zoho allows 10", is_told=False
                )
            case _:
                return TurnTaken()

    async def store(self, turn: TurnGranted, secret: SecretStr, lifetime_seconds: float) -> StoredToken:
        """See the port."""
        row = await self._database.row(
            statement("store_token"),
            {
                "secret": secret.get_secret_value(),
                "lifetime_seconds": lifetime_seconds,
                "turn_token": self._turn,
            },
        )
        generation = turn.generation if row is None else row["generation"]
        return StoredToken(secret, generation, lifetime_seconds)

    async def give_up(self, turn: TurnGranted, cooldown_seconds: float, reason: str) -> None:  # noqa: ARG002
        """See the port."""
        await self._database.execute(
            statement("give_up_token_turn"),
            {"seconds": cooldown_seconds, "why": reason, "turn_token": self._turn},
        )


def _stored(secret: str, generation: int, seconds_left: float) -> StoredToken:
    return StoredToken(SecretStr(secret), generation, seconds_left)
