"""``sync --dry-run``: the attempt itself, up to the first request that would change something.

The real attempt runs on a claim that was never taken, with a client that lets reads through and stops at the first
write: so what is printed is what would be sent, by construction. Nothing is written but the token and the budget. The
alternative, deciding a second time what would be sent, drifts.
"""

import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import assert_never
from uuid import UUID, uuid4

from outbox.clock import SystemClock
from outbox.commands.facts import State
from outbox.commands.failures import CommandFailed
from outbox.commands.sync import needs_entry, nothing_to_send, stop_in_words
from outbox.database import Database, Row
from outbox.entities.catalogue import CatalogueKind
from outbox.entities.contract import AnyEntity, Remote
from outbox.entities.registry import ENTITIES
from outbox.sending.attempt import Ended, Sender
from outbox.sending.catalogue import Catalogues
from outbox.sending.listing import Listings
from outbox.sending.present_row import attempt, named_by, read_row
from outbox.sending.probed import Probed
from outbox.sending.terms import SendingTerms
from outbox.settings import Settings
from outbox.store.access_token import DatabaseTokenVault
from outbox.store.budget import SharedBudget
from outbox.store.catalogue import CatalogueStore
from outbox.store.installation import WrongDatabase
from outbox.store.listing import ListingStore
from outbox.store.organisation import OrganisationStore
from outbox.store.probe_answers import RecentAnswers
from outbox.store.protocol import OutboxStore
from outbox.store.readings import Readings
from outbox.store.verdicts import Claim, Lease
from outbox.vocabulary import EntityType, EntryStatus, FailureClass, Outcome, Phase, Urgency
from outbox.wording import one_line
from outbox.zoho.authorization import AccessTokens
from outbox.zoho.call_log import CallLog
from outbox.zoho.client import BeforeDeparture, ZohoClient
from outbox.zoho.connection import open_http
from outbox.zoho.exchange import ApiReply, ApiRequest
from outbox.zoho.failures import Failure
from outbox.zoho.json_text import JsonValue


@dataclass(frozen=True)
class DryRun:
    """What would happen. ``would_hold``: Zoho would hold the row afterwards, or does already."""

    named: str
    said: str
    would_hold: bool
    looked: tuple[ApiRequest, ...] = ()
    """Reads that were made to find out."""
    request: ApiRequest | None = None
    """The first request that would change something."""

    def as_text(self, base_url: str) -> str:
        """For people: what was asked, what would be sent to the letter, or why nothing would be."""
        lines = [f"asked Zoho: {request.describe(base_url)}" for request in self.looked]
        lines.append(f"{self.named}: {self.said}")
        if self.request is not None:
            lines += ["", self.request.describe(base_url)]
        return "\n".join(lines)


class WouldSend(BaseException):
    """Carries the request out of the attempt. Not an ``Exception``: the attempt makes verdicts of those."""

    def __init__(self, request: ApiRequest) -> None:
        super().__init__(request.path)
        self.request = request


class ReadingClient(ZohoClient):
    """A client whose writes do not leave."""

    looked: list[ApiRequest]

    async def send(
        self,
        request: ApiRequest,
        *,
        urgency: Urgency,
        before_departure: BeforeDeparture | None = None,
        call_log: CallLog | None = None,
    ) -> ApiReply:
        """As the client's own for reads. Raises :class:`WouldSend` for anything else."""
        if not request.is_read:
            raise WouldSend(request)
        self.looked.append(request)
        return await super().send(request, urgency=urgency, before_departure=before_departure, call_log=call_log)


class ReadingStore(OutboxStore):
    """Claims no record: a dry run writes nothing."""

    async def own_record(self, claim: Claim, zoho_id: str) -> UUID | None:
        """Whose record it would be."""
        owner = await self.owner_of(claim.entity_type, zoho_id)
        return claim.entity_id if owner is None else owner


class SilentOrganisation(OrganisationStore):
    """Reads the organisation's state and reports nothing: a dry run writes nothing."""

    async def answered(self, seconds: float = 0.0) -> None:
        """Not reported."""

    async def failed(self, failure: Failure) -> bool:
        """Not reported; whether it would stop everything."""
        return failure.failure_class in (FailureClass.THROTTLED, FailureClass.AUTH)


class ReadingCatalogues(CatalogueStore):
    """Keeps nothing of what Zoho was asked."""

    async def store(self, kind: CatalogueKind, rows: Sequence[Mapping[str, JsonValue]]) -> None:
        """Not kept."""


class ReadingListings(Listings):
    """Goes by a list that is there, and makes none."""

    async def look(
        self,
        entity: AnyEntity,
        claim: Claim,
        remote: Remote,
        keys: Sequence[str],
        *,
        make: bool,  # noqa: ARG002
    ) -> Sequence[Mapping[str, JsonValue]] | None:
        """As the sending one, but for making a list."""
        return await super().look(entity, claim, remote, keys, make=False)


async def dry_run(
    database: Database,
    settings: Settings,
    entity_type: EntityType,
    entity_id: UUID,
    *,
    force: bool,
    on_secret: Callable[..., None],
) -> DryRun:
    """What ``sync`` would send. Raises :class:`CommandFailed`, ``WrongDatabase``, ``DatabaseUnavailable``."""
    readings = Readings(database)
    entity = ENTITIES[entity_type]
    installation = await readings.installation()
    _refuse_wrong_database(installation, settings)
    row = await read_row(database, entity, entity_id)
    state = await readings.state(entity_type, entity_id, with_keys=True)
    entries = await readings.open_entries(entity_type, entity_id)
    if row is None and state is None and not entries["entries"]:
        raise CommandFailed(f"there is no {entity_type} {entity_id}: check it")
    async with _sender(database, settings, on_secret) as (sender, client):
        named = named_by(entity, row, entity_id)
        if state is not None and state["phase"] == Phase.LEASED:
            holder = State.from_row(state).holder
            return DryRun(named, f"nothing would be sent by this command: {holder} sends it now", False)
        if not force and not entries["entries"]:
            answer = await nothing_to_send(entity, row, state, sender)
            if answer is not None:
                return DryRun(named, answer.said, answer.in_zoho)
        claim = _imagined_claim(entity, entity_id, state, entries, installation, force=force)
        try:
            ended = await attempt(sender, entity, claim, row, _not_interrupted)
        except WouldSend as would:
            return DryRun(named, "would send", True, tuple(client.looked), would.request)
    return _nothing_sent(named, ended, tuple(client.looked))


@asynccontextmanager
async def _sender(
    database: Database, settings: Settings, on_secret: Callable[..., None]
) -> AsyncIterator[tuple[Sender, ReadingClient]]:
    # Not outbox.assembly.open_engine: that stores the database's identity at the first run.
    session, clock = uuid4(), SystemClock()
    async with open_http(settings) as http:
        tokens = AccessTokens(DatabaseTokenVault(database, session), http, settings, clock, on_secret=on_secret)
        client = ReadingClient(http, tokens, SharedBudget(database, settings, session), settings, clock)
        client.looked = []
        store = ReadingStore(database, session, clock, settings.outbox_lease_seconds)
        organisation = SilentOrganisation(database, settings.zoho_time_zone)
        terms = SendingTerms.from_settings(settings, payloads_allowed=False)
        catalogues = Catalogues(ReadingCatalogues(database))
        listings = ReadingListings(ListingStore(database, clock))
        probed = Probed(RecentAnswers(database, settings.zoho_billing_organization_id))
        yield Sender(client, store, organisation, clock, terms, catalogues, listings, probed=probed), client


def _imagined_claim(
    entity: AnyEntity, entity_id: UUID, state: Row | None, entries: Row, installation: Row, *, force: bool
) -> Claim:
    """The claim that ``sync`` would get: as admission and claim would make it of the state row and the entries."""
    appended = needs_entry(state, entries, force=force)
    known = state or {}
    fresh_attempts = appended or known.get("phase") == Phase.DEAD
    return Claim(
        entity_type=entity.entity_type,
        entity_id=entity_id,
        lease=Lease(uuid4(), math.inf),
        attempts=1 if fresh_attempts else known.get("attempts", 0) + 1,
        urgency=Urgency.LIVE,
        born_here=known.get("born_here", False)
        or (entries["inserted"] and not known.get("intents", 0) and known.get("zoho_id") is None),
        zoho_id=known.get("zoho_id"),
        sent_hash=known.get("sent_hash"),
        intents=known.get("intents", 0),
        intent_keys=tuple(known.get("intent_keys", ())),
        fate_unknown_seconds=known.get("fate_unknown_seconds"),
        clean_look_seconds=known.get("clean_look_seconds"),
        host_deleted=known.get("host_deleted_at") is not None or entries["deleted"],
        id_not_written=known.get("id_not_written", False),
        last_error=known.get("last_error"),
        entries=entries["entries"] + appended,
        newest_entry=entries["newest_entry"],
        oldest_change=entries["oldest_change"],
        resend=appended or entries["resend"],
        deleted_zoho_id=entries["deleted_zoho_id"],
        look_first=installation["look_first_since"] is not None
        or (installation["stored"] and not installation["same_timeline"]),
    )


def _refuse_wrong_database(installation: Row, settings: Settings) -> None:
    """As :func:`outbox.store.installation.verify_installation`, without storing anything."""
    if installation["stored"] and not installation["same"]:
        raise WrongDatabase(
            f"nothing would be sent: this database ({installation['database_name']!r}) is not the one that was "
            f"installed ({installation['stored_name']!r}): zoho-outbox doctor --accept-database, if it is meant to send"
        )
    stored = installation["organization_id"]
    if stored is not None and stored != settings.zoho_billing_organization_id:
        raise WrongDatabase(
            f"nothing would be sent: this database belongs to the Zoho organisation {stored}, and "
            f"ZOHO_BILLING_ORGANIZATION_ID is {settings.zoho_billing_organization_id}: correct the setting"
        )
    billing = installation["recurring_billing"]
    if billing is not None and billing != settings.zoho_recurring_billing:
        raise WrongDatabase(
            f"nothing would be sent: ZOHO_RECURRING_BILLING was {billing!r} at the first run and is "
            f"{settings.zoho_recurring_billing.value!r} now: set it back, or zoho-outbox doctor --accept-billing-mode"
        )


def _nothing_sent(named: str, ended: Ended, looked: tuple[ApiRequest, ...]) -> DryRun:
    verdict = ended.verdict
    reason = one_line(verdict.error)
    match verdict.entry_status:
        case EntryStatus.DONE if verdict.outcome is Outcome.UNCHANGED:
            note = f" ({verdict.error})" if verdict.error else ""
            return DryRun(named, f"nothing would be sent, Zoho has it as {verdict.zoho_id}{note}", True, looked)
        case EntryStatus.SKIPPED:
            return DryRun(named, f"nothing would be sent, skipped: {reason}", False, looked)
        case EntryStatus.WAITING:
            return DryRun(named, f"nothing would be sent, waiting for {verdict.waiting_for}", False, looked)
        case EntryStatus.DEAD:
            return DryRun(named, f"nothing would be sent, it would be dead: {reason}", False, looked)
        case EntryStatus.PENDING if ended.stopped is not None:
            return DryRun(
                named, f"cannot tell, Zoho may not be asked now: {stop_in_words(ended.stopped)}", False, looked
            )
        case EntryStatus.PENDING | EntryStatus.PROCESSING | EntryStatus.DONE:
            return DryRun(named, f"nothing would be sent now: {reason}", False, looked)
        case _:
            assert_never(verdict.entry_status)


def _not_interrupted(_: Ended) -> None:
    """There is no claim to give back."""
