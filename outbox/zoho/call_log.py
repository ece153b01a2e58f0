"""What was exchanged during one attempt: calls, duration and payloads of a row in ``zoho_sync_logs``."""

from dataclasses import dataclass, field

from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import Failure


@dataclass(frozen=True)
class Exchange:
    """One request that was handed to the transport and how it ended. Refreshing a token is none."""

    request: ApiRequest
    outcome: ApiReply | Failure
    milliseconds: int


@dataclass
class CallLog:
    """The exchanges of one attempt in their order. The caller makes one and passes it to every call."""

    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def api_calls(self) -> int:
        """Requests that count against Zoho's quota: those that may have left."""
        return sum(
            1 for exchange in self.exchanges if isinstance(exchange.outcome, ApiReply) or exchange.outcome.request_left
        )

    @property
    def milliseconds(self) -> int:
        """Time spent waiting for Zoho, the waits for permission not included."""
        return sum(exchange.milliseconds for exchange in self.exchanges)
