"""Zoho as reconciliation may use it: reads alone, at the lowest urgency, counted."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NoReturn
from uuid import UUID

from outbox.entities.contract import AnyEntity, Listing
from outbox.store.listing import ListingStore
from outbox.vocabulary import Urgency
from outbox.zoho.call_log import CallLog
from outbox.zoho.client import PAGE_SIZE, ZohoClient
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.json_text import JsonValue


class ReadingRemote:
    """Implements :class:`outbox.entities.contract.Remote` for one type of record. Its writes are mistakes of ours."""

    def __init__(self, client: ZohoClient, listings: ListingStore, entity: AnyEntity) -> None:
        self._client = client
        self._listings = listings
        self._entity = entity
        self.listing: UUID | None = None
        """The list that this run read; None: not yet."""
        self.requests = 0
        """Requests that left, repeated ones included."""

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, JsonValue]:
        """GET; the reply's envelope."""
        log = CallLog()
        try:
            reply = await self._client.send(
                ApiRequest("GET", path, query or {}), urgency=Urgency.RECONCILE, call_log=log
            )
        finally:
            self.requests += len(log.exchanges)
        return reply.body

    async def rows(
        self, path: str, key: str, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[Mapping[str, JsonValue]]:
        """The rows of a list, over all its pages."""
        log = CallLog()
        try:
            async for page in self._client.pages(
                ApiRequest("GET", path, query or {}), urgency=Urgency.RECONCILE, call_log=log
            ):
                for row in rows_in(page.body, key):
                    yield row
        finally:
            self.requests += len(log.exchanges)

    async def list_page(self, listing: Listing, number: int) -> tuple[list[Mapping[str, JsonValue]], bool]:
        """One page of Zoho's list of the type, from 1, and whether another one follows."""
        query = {**listing.query, "page": str(number), "per_page": str(PAGE_SIZE)}
        body = await self.read(listing.path, query)
        context = body.get("page_context")
        more = isinstance(context, Mapping) and context.get("has_more_page") in (True, "true")
        return rows_in(body, listing.key), more

    async def listed(
        self,
        keys: Sequence[str],
        *,
        make: bool = False,  # noqa: ARG002 - this run's list is made before anything is looked up in it
    ) -> Sequence[Mapping[str, JsonValue]] | None:
        """The rows of this run's list that are known under one of ``keys``."""
        return None if self.listing is None else await self._listings.find(self.listing, keys)

    async def write(self, request: ApiRequest) -> ApiReply:
        """Never."""
        self._refuse(request)

    async def act(self, request: ApiRequest, look_key: str) -> ApiReply:  # noqa: ARG002
        """Never."""
        self._refuse(request)

    def _refuse(self, request: ApiRequest) -> NoReturn:
        raise AssertionError(
            f"reconciliation of {self._entity.entity_type}s was about to write: {request.method} {request.path}"
        )


def rows_in(body: Mapping[str, JsonValue], key: str) -> list[Mapping[str, JsonValue]]:
    """The objects of a list reply."""
    rows = body.get(key)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
