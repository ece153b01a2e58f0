"""Zoho as one claim may use it: every request leaves under the lease, every create under a committed intent."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager

from outbox.clock import Clock
from outbox.entities.contract import AnyEntity
from outbox.sending.listing import Listings
from outbox.store.protocol import OutboxStore
from outbox.store.verdicts import Claim
from outbox.vocabulary import FailureClass, Urgency
from outbox.zoho.call_log import CallLog
from outbox.zoho.client import BeforeDeparture, ZohoClient
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import CallFailed
from outbox.zoho.json_text import JsonValue
from outbox.zoho.ports import SendingStopped


class LeaseSpent(Exception):  # noqa: N818 - a refusal
    """The lease is lost, or too short for another request: nothing more may leave for this claim."""


class LookAgain(Exception):  # noqa: N818 - a refusal
    """An act that may have been done already must be found undone twice before it is done again."""


class ClaimedRemote:
    """Implements :class:`outbox.entities.contract.Remote` for one claim."""

    def __init__(
        self,
        client: ZohoClient,
        store: OutboxStore,
        listings: Listings,
        clock: Clock,
        *,
        entity: AnyEntity,
        claim: Claim,
        request_seconds: float,
    ) -> None:
        self._client = client
        self._store = store
        self._listings = listings
        self._clock = clock
        self._entity = entity
        self._claim = claim
        self._request_seconds = request_seconds
        self._urgency = Urgency(claim.urgency)
        self.call_log = CallLog()
        self.in_flight = False
        """A request left and has not been answered."""
        self.wrote = False
        """A request that changes something left and was not clearly refused."""
        self.looks_live = False
        """Lists that were read before prove nothing any more."""
        self.fate_open = False
        """An intent was committed, and what came of it is not known yet. Whoever learns it sets this."""
        self.intent_left = False
        """What was intended left, or may have; not so where the lease ran out right after the intent."""

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, JsonValue]:
        """GET; the reply's envelope."""
        with self._answered():
            reply = await self._client.send(
                ApiRequest("GET", path, query or {}),
                urgency=self._urgency,
                before_departure=self._check_lease,
                call_log=self.call_log,
            )
        return reply.body

    async def rows(
        self, path: str, key: str, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[Mapping[str, JsonValue]]:
        """The rows of a list, over all its pages."""
        async for page in self._client.pages(
            ApiRequest("GET", path, query or {}),
            urgency=self._urgency,
            before_departure=self._check_lease,
            call_log=self.call_log,
        ):
            rows = page.body.get(key)
            if isinstance(rows, list):
                for row in rows:
                    if isinstance(row, Mapping):
                        yield row

    async def write(self, request: ApiRequest) -> ApiReply:
        """A write that may be repeated."""
        if not request.may_be_repeated:
            raise ValueError(f"{request.method} {request.path} may not be repeated: it needs an intent, use create()")
        return await self._send_write(request, self._check_lease)

    async def listed(self, keys: Sequence[str], *, make: bool = False) -> Sequence[Mapping[str, JsonValue]] | None:
        """Rows of a list that was read before; see the contract."""
        if self.looks_live:
            return None
        return await self._listings.look(self._entity, self._claim, self, keys, make=make)

    async def act(self, request: ApiRequest, look_key: str) -> ApiReply:
        """The write on an existing record that may not be repeated. Raises :class:`LookAgain`."""
        if self._claim.fate_unknown_seconds is not None and self._claim.clean_look_seconds is None:
            raise LookAgain
        reply = await self.create(request, look_key)
        self.fate_open = False
        return reply

    async def create(self, request: ApiRequest, look_key: str) -> ApiReply:
        """The write that may not be repeated. Its intent is committed immediately before it leaves."""

        async def depart() -> None:
            await self._check_lease()
            if not await self._store.commit_intent(self._claim, look_key):
                self._claim.lease.lost = True
                raise LeaseSpent
            self.fate_open = True
            # The database may have taken its time.
            await self._check_lease()
            self.intent_left = True

        self.intent_left = False
        return await self._send_write(request, depart)

    async def _send_write(self, request: ApiRequest, depart: BeforeDeparture) -> ApiReply:
        wrote_before, self.wrote = self.wrote, True
        try:
            with self._answered():
                return await self._client.send(
                    request, urgency=self._urgency, before_departure=depart, call_log=self.call_log
                )
        except CallFailed as failed:
            if not failed.failure.request_left or failed.failure.failure_class in CLEARLY_REFUSED:
                self.wrote = wrote_before
            raise
        except (SendingStopped, LeaseSpent):
            self.wrote = wrote_before
            raise

    @contextmanager
    def _answered(self) -> Iterator[None]:
        """A call that returns or fails was answered, or never left; one that is cancelled was not."""
        try:
            yield
        except Exception:
            self.in_flight = False
            raise
        self.in_flight = False

    async def _check_lease(self) -> None:
        if not self._claim.lease.may_send(self._clock.monotonic(), self._request_seconds):
            raise LeaseSpent
        self.in_flight = True


CLEARLY_REFUSED = frozenset({FailureClass.THROTTLED, FailureClass.AUTH, FailureClass.PERMANENT})
"""Zoho said no before it did anything."""
