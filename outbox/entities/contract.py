"""What every kind of record says about itself, in values. Nothing here sends anything.

An entity is asked in this order: :meth:`Entity.read`, :meth:`Entity.ineligible`, :meth:`Entity.prerequisites`,
:meth:`Entity.desired`; then, where there is no record in Zoho, :meth:`Entity.find` (unless no look-up is needed),
:meth:`Entity.prepare` and the create; and where there is one, :meth:`Entity.update`. :mod:`outbox.sending` does the
asking, and all that protects it: lease, intent, permission, log.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg

from outbox.database import Row
from outbox.entities.catalogue import CatalogueKind, Plan, Tax
from outbox.entities.probed import Known
from outbox.host_tables import Capture
from outbox.settings import CancelAt, OnSuspend, RecurringBilling, RecurringPayments
from outbox.vocabulary import Awaited, EntityType
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import Failure
from outbox.zoho.json_text import JsonValue, encode_body

R = TypeVar("R")


class CannotMap(Exception):  # noqa: N818 - a finding about a row
    """The row cannot be sent as it is. The text is for the operator and ends with what to do.

    ``looked_in``: the catalogue that did not hold what the row needs; it is read anew before this is final.
    """

    def __init__(self, text: str, *, looked_in: CatalogueKind | None = None) -> None:
        super().__init__(text)
        self.looked_in = looked_in


class TakenUnseen(CannotMap):
    """Zoho took an act that must not be done twice, and does not show it. ``reached``: the lifecycle that it led to."""

    def __init__(self, text: str, *, reached: str) -> None:
        super().__init__(text)
        self.reached = reached


@dataclass(frozen=True)
class Terms:
    """What the mapping needs to know beside the row: settings, the day, and Zoho's catalogues."""

    currency: str
    external_id_label: str | None
    account_number_label: str | None
    zone: ZoneInfo
    """Dates sent are of this zone."""
    today: date
    """In ``zone``."""
    recurring_billing: RecurringBilling = RecurringBilling.ZOHO
    recurring_payments: RecurringPayments = RecurringPayments.MATCH
    cancel_at: CancelAt = CancelAt.TERM_END
    on_suspend: OnSuspend = OnSuspend.KEEP
    tax_ids: Mapping[Decimal, str] = field(default_factory=dict)
    """ZOHO_TAX_IDS: by rate in percent. What stands here goes before the catalogue."""
    in_backfill: bool = False
    """The entity is sent by a backfill: nothing may begin today (decisions.md, Subscriptions)."""
    taxes: tuple[Tax, ...] | None = None
    """None: not asked for (:attr:`Entity.needs`)."""
    plans: Mapping[str, Plan] | None = None
    known: Known = field(default_factory=Known)


@dataclass(frozen=True)
class Prerequisite:
    """Something that must be in Zoho first."""

    awaited: Awaited
    id: UUID
    named: str
    """As people know it, and why it is not there where that is known: 'customer CT-2025-00015', 'invoice INV-7, which
    failed', 'package Fibre 100 to be published to Zoho (…)'."""
    dead: bool = False
    """Its own sending has failed, and ``named`` says so."""
    enqueue: bool = True
    """It is enqueued where nobody did. False: it is no row that we send, or it is not there."""
    rest: bool = False
    """It is in Zoho, and a change of it is due that must go first."""


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
    at_creation: Mapping[str, JsonValue] = field(default_factory=dict)
    """Keys that only the create carries, over those of ``content``: what depends on the day, or on other rows."""
    only_if_there: str | None = None
    """Why nothing is created where Zoho has no record: it would be born ended. What is there is still brought to it."""
    note: str | None = None
    """Worth telling with a create, and no failure: a period that nobody billed."""

    @property
    def hash(self) -> str:
        """``<digest of the content>:<lifecycle>``: the second part can be read back."""
        return f"{hashlib.sha256(encode_body(self.content)).hexdigest()[:32]}:{self.lifecycle}"


def lifecycle_of(sent_hash: str | None) -> str | None:
    """The lifecycle that was last reached."""
    return None if sent_hash is None else sent_hash.rpartition(":")[2]


@dataclass(frozen=True)
class Found:
    """A record in Zoho that is this row's."""

    zoho_id: str
    record: Mapping[str, JsonValue]
    from_list: bool = False
    """``record`` is a list row, which does not show everything: it must be written to be known."""


@dataclass(frozen=True)
class NotOurs:
    """A record that looks like this row's and is not, or cannot be told. ``reason`` names it and what to do."""

    zoho_id: str
    reason: str


@dataclass(frozen=True)
class Updated:
    """What an update came to."""

    reached: str
    """The lifecycle that the record has now; another than the desired one is tried again with the next change."""
    record: Mapping[str, JsonValue] | None = None
    """As Zoho last showed it after a write of its content; None: the content was not written."""
    note: str | None = None
    """Something could not be done that is no failure."""


class RecordEnded(Exception):  # noqa: N818 - a finding about a record
    """The record has ended for good and the row lives: another record must be created, as ``desired`` says."""

    def __init__(self, desired: Desired) -> None:
        super().__init__(desired.look_key)
        self.desired = desired


@dataclass(frozen=True)
class Listing:
    """A list of Zoho's that shows every record of a kind, ``key`` being the name of its rows (sheet 1.7)."""

    path: str
    key: str
    query: Mapping[str, str]
    id_key: str
    """Of a row."""
    forgotten: frozenset[str] = frozenset(
        {"phone", "mobile", "website", "customer_name", "company_name", "first_name", "last_name", "email"}
    )
    """Keys that are not kept: a list is everybody's, and only what a look-up compares may stay in the database."""


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

    async def listed(self, keys: Sequence[str], *, make: bool = False) -> Sequence[Mapping[str, JsonValue]] | None:
        """List rows of this kind that have one of ``keys`` (:meth:`Entity.listed_under`), from a list read before.

        None: there is no such list that would do for this claim; ask Zoho. ``make``: read it now, whole, where there
        is none; None all the same where the fate of a create is unknown: that needs a fresh look.
        """
        ...

    async def write(self, request: ApiRequest) -> ApiReply:
        """A write that may be repeated: PUT, or a POST that sets a state."""
        ...

    async def act(self, request: ApiRequest, look_key: str) -> ApiReply:
        """A write on an existing record that may not be repeated (a refund).

        Its intent is committed before it leaves. The caller has looked immediately before, and found it not done;
        where an earlier one may have left, this raises until that has been found twice.
        """
        ...


class Entity(ABC, Generic[R]):
    """One kind of record; ``R`` is its host row with all that its payload needs."""

    entity_type: ClassVar[EntityType]
    capture: ClassVar[Capture]
    needs: ClassVar[frozenset[CatalogueKind]] = frozenset()
    """Catalogues that :meth:`desired` and what follows look into."""
    followed: ClassVar[bool] = False
    """Whether a record that has ended may be followed by another (:class:`RecordEnded`): so that a create may have left
    although a record is known."""
    never_twice: ClassVar[frozenset[str]] = frozenset()
    """Lifecycles that Zoho need not show, and that are not aimed at again once it took one (a refund). In SQL:
    ``reclaim_expired.sql`` and ``zoho_outbox_skip`` keep them."""
    listing: ClassVar[Listing | None] = None
    """The list that shows which records exist, for many look-ups at once; None: there is none that helps."""

    @abstractmethod
    async def read(self, connection: psycopg.AsyncConnection[Row], ids: Sequence[UUID]) -> dict[UUID, R]:
        """The present rows, in a bounded number of statements however many. An id that is missing could not be read."""

    @abstractmethod
    def named(self, row: R) -> str:
        """As people know it; no personal data: 'customer CT-2025-00015'."""

    @abstractmethod
    def zoho_id(self, row: R) -> str | None:
        """The Zoho id column of the host row, to the letter."""

    @abstractmethod
    def ineligible(self, row: R, terms: Terms) -> str | None:
        """Why the row is not to be sent, whether or not Zoho has it; or None. Asked without catalogues."""

    @abstractmethod
    def prerequisites(self, row: R, terms: Terms) -> Sequence[Prerequisite]:
        """What is not in Zoho yet and must be first. Asked without catalogues."""

    def needs_of(self, row: R, terms: Terms) -> frozenset[CatalogueKind]:  # noqa: ARG002
        """Those of :attr:`needs` that this row takes."""
        return self.needs

    @abstractmethod
    def desired(self, row: R, terms: Terms) -> Desired:
        """What Zoho should hold. Raises :class:`CannotMap`."""

    async def prepare(self, remote: Remote, row: R, desired: Desired, terms: Terms) -> Desired:  # noqa: ARG002
        """``desired`` as the create that leaves next is to carry it: what only Zoho can tell is asked here."""
        return desired

    @abstractmethod
    def create(self, desired: Desired) -> ApiRequest:
        """The one request that creates it: ``content`` with ``at_creation`` over it."""

    @abstractmethod
    def created(self, reply: ApiReply) -> Found:
        """The record in the create's reply. Raises ``KeyError`` where it is not there: the fate is unknown."""

    def requests_to_create(self, row: R, terms: Terms) -> int:  # noqa: ARG002
        """How many requests its first send takes where nothing is looked up: what a dry run of a backfill promises."""
        return 1

    async def recompose(
        self,
        remote: Remote,  # noqa: ARG002
        row: R,  # noqa: ARG002
        desired: Desired,  # noqa: ARG002
        failure: Failure,  # noqa: ARG002
        terms: Terms,  # noqa: ARG002
    ) -> Desired | None:
        """Another form of a create that was clearly refused, worth one more try; the same where its reason may have
        passed; None: there is none. Asked again where the next one is refused too, after the same form not again."""
        return None

    @abstractmethod
    async def find(
        self, remote: Remote, row: R, desired: Desired, earlier_keys: Sequence[str], terms: Terms
    ) -> list[Found | NotOurs]:
        """Every record in Zoho that could be this row's, exact matches only.

        ``earlier_keys`` are the look keys of creates that may have happened.
        """

    def listed_under(self, listed: Mapping[str, JsonValue]) -> Sequence[str]:  # noqa: ARG002
        """The keys under which a row of :attr:`listing` is remembered for :meth:`Remote.listed`."""
        return ()

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
        self,
        remote: Remote,
        row: R,
        zoho_id: str,
        desired: Desired,
        terms: Terms,
        *,
        was: str | None,
        found: Found | None,
        write_content: bool,
    ) -> Updated:
        """Brings an existing record up to ``desired``; also what remains to be done right after its create.

        ``was`` is the lifecycle it is known to have (None or '?': unknown), ``found`` the record where it was read or
        created in this attempt. Every step sets a state, so that all of it may be done again after a failure; what may
        not goes through :meth:`Remote.act`. Raises :class:`CannotMap` where the change must not be made, and
        :class:`RecordEnded`.
        """

    def advice(self, failure: Failure, desired: Desired) -> str | None:  # noqa: ARG002
        """What to do about a refusal, where this kind of record knows better than Zoho's words."""
        return None

    @abstractmethod
    def mismatch(self, record: Mapping[str, JsonValue], desired: Desired) -> str | None:
        """What Zoho made otherwise than it was told, with both figures; None: nothing."""

    def told_late(
        self,
        row: R,  # noqa: ARG002
        record: Mapping[str, JsonValue],  # noqa: ARG002
        terms: Terms,  # noqa: ARG002
    ) -> str | None:
        """What was worth telling with the create that ``record`` came of (:attr:`Desired.note`): its reply was lost."""
        return None

    def unblocks(self, row: R, *, sent: bool) -> Sequence[tuple[EntityType, UUID]]:  # noqa: ARG002
        """Entities that may reach their end now: they are looked at once more. ``sent``: something of this one was
        written to Zoho; else it was skipped.
        """
        return ()

    def verified(self, record: Mapping[str, JsonValue], desired: Desired) -> Decimal | None:  # noqa: ARG002
        """Zoho's total less the row's, where :meth:`mismatch` lets it pass; None: there is none, or it is not shown."""
        return None


AnyEntity = Entity[Any]
