"""What every kind of record says about itself, in values. Nothing here sends anything.

An entity is asked in this order: :meth:`Entity.read`, :meth:`Entity.ineligible`, :meth:`Entity.prerequisites`,
:meth:`Entity.desired`; then, where there is no record in Zoho, :meth:`Entity.find` (unless no look-up is needed) and
the create; else :meth:`Entity.update`. :mod:`outbox.sending` does the asking, and all that protects it: lease,
intent, permission, log.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from uuid import UUID

import psycopg

from outbox.database import Row
from outbox.host_tables import Capture
from outbox.vocabulary import EntityType
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import Failure
from outbox.zoho.json_text import JsonValue, encode_body

R = TypeVar("R")


class CannotMap(Exception):  # noqa: N818 - a finding about a row
    """The row cannot be sent as it is. The text is for the operator and ends with what to do."""


@dataclass(frozen=True)
class Terms:
    """What the mapping needs to know of the settings."""

    currency: str
    external_id_label: str | None
    account_number_label: str | None


@dataclass(frozen=True)
class Prerequisite:
    """A record that must be in Zoho first."""

    entity_type: EntityType
    entity_id: UUID
    named: str
    """As people know it: 'customer CT-2025-00015'."""


@dataclass(frozen=True)
class Desired:
    """What Zoho should hold for a row.

    ``content`` is the body; ``lifecycle`` the state that is set by an action of its own ('active', 'void'); both
    together decide whether anything changed since the last send. ``look_key`` is what a look-up goes by, in the
    entity's own form, remembered with each intent to create: the row may have changed by the time somebody looks.
    """

    content: Mapping[str, JsonValue]
    lifecycle: str
    look_key: str

    @property
    def hash(self) -> str:
        """``<digest of the content>:<lifecycle>``: the second part can be read back."""
        return f"{hashlib.sha256(encode_body(self.content)).hexdigest()[:32]}:{self.lifecycle}"


def lifecycle_of(sent_hash: str | None) -> str | None:
    """The lifecycle that was last sent."""
    return None if sent_hash is None else sent_hash.rpartition(":")[2]


@dataclass(frozen=True)
class Found:
    """A record in Zoho that is this row's. ``record`` is its detail, never a list row."""

    zoho_id: str
    record: Mapping[str, JsonValue]


@dataclass(frozen=True)
class NotOurs:
    """A record that looks like this row's and is not, or cannot be told. ``reason`` names it and what to do."""

    zoho_id: str
    reason: str


class Remote(Protocol):
    """What an entity may ask of Zoho. Each call has its permission, lease check and log row behind it.

    Calls raise :class:`outbox.zoho.failures.CallFailed`; an entity lets it pass unless it knows better.
    """

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, JsonValue]:
        """GET; the reply's envelope."""
        ...

    def rows(
        self, path: str, key: str, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[Mapping[str, JsonValue]]:
        """The rows of a list, over all its pages."""
        ...

    async def write(self, request: ApiRequest) -> ApiReply:
        """A write that may be repeated: PUT, or a POST that sets a state."""
        ...


class Entity(ABC, Generic[R]):
    """One kind of record; ``R`` is its host row with all that its payload needs."""

    entity_type: ClassVar[EntityType]
    capture: ClassVar[Capture]

    @abstractmethod
    async def read(self, connection: psycopg.AsyncConnection[Row], ids: Sequence[UUID]) -> dict[UUID, R]:
        """The present rows, in one statement however many. An id that is missing could not be read."""

    @abstractmethod
    def named(self, row: R) -> str:
        """As people know it; no personal data: 'customer CT-2025-00015'."""

    @abstractmethod
    def zoho_id(self, row: R) -> str | None:
        """The Zoho id column of the host row, to the letter."""

    @abstractmethod
    def ineligible(self, row: R) -> str | None:
        """Why the row is not to be sent, or None."""

    @abstractmethod
    def prerequisites(self, row: R) -> Sequence[Prerequisite]:
        """What is not in Zoho yet and must be first."""

    @abstractmethod
    def desired(self, row: R, terms: Terms) -> Desired:
        """What Zoho should hold. Raises :class:`CannotMap`."""

    @abstractmethod
    def create(self, desired: Desired) -> ApiRequest:
        """The one request that creates it."""

    @abstractmethod
    def created(self, reply: ApiReply) -> Found:
        """The record in the create's reply. Raises ``KeyError`` where it is not there: the fate is unknown."""

    @abstractmethod
    async def find(
        self, remote: Remote, row: R, desired: Desired, earlier_keys: Sequence[str], terms: Terms
    ) -> list[Found | NotOurs]:
        """Every record in Zoho that could be this row's, exact matches only.

        ``earlier_keys`` are the look keys of creates that may have happened.
        """

    @abstractmethod
    async def fetch(self, remote: Remote, zoho_id: str) -> Found:
        """The record as it is in Zoho. Raises ``CallFailed`` of kind NOT_FOUND where there is none."""

    @abstractmethod
    def lifecycle(self, record: Mapping[str, JsonValue]) -> str:
        """The lifecycle that a record shows."""

    @abstractmethod
    async def examine(self, remote: Remote, row: R, zoho_id: str, desired: Desired, terms: Terms) -> Found | NotOurs:
        """Whether the record that somebody says is this row's, is."""

    @abstractmethod
    def differs(self, found: Found, desired: Desired) -> bool:
        """Whether the record's content must be written."""

    @abstractmethod
    async def update(
        self, remote: Remote, zoho_id: str, desired: Desired, was: str | None, *, write_content: bool
    ) -> tuple[Mapping[str, JsonValue] | None, str | None]:
        """Brings an existing record up to ``desired``; ``was`` is the lifecycle it is known to have.

        Returns the record as Zoho last showed it (None: nothing was written), and a note where something could not
        be done that is no failure.
        """

    def advice(self, failure: Failure, desired: Desired) -> str | None:  # noqa: ARG002
        """What to do about a refusal, where this kind of record knows better than Zoho's words."""
        return None

    @abstractmethod
    def mismatch(self, record: Mapping[str, JsonValue], desired: Desired) -> str | None:
        """What Zoho made otherwise than it was told, with both figures; None: nothing."""


AnyEntity = Entity[Any]
