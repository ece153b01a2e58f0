"""Puts the parts together for whoever sends: the daemon, and the commands that send.

The one place that knows which class stands behind which port.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

from outbox.clock import Clock, SystemClock
from outbox.database import Database
from outbox.entities.contract import AnyEntity
from outbox.entities.registry import ENTITIES
from outbox.sending.attempt import Sender
from outbox.sending.catalogue import Catalogues
from outbox.sending.listing import Listings
from outbox.sending.probed import Probed
from outbox.sending.terms import SendingTerms
from outbox.settings import Settings
from outbox.store.access_token import DatabaseTokenVault
from outbox.store.budget import SharedBudget
from outbox.store.catalogue import CatalogueStore
from outbox.store.installation import Installation, verify_installation
from outbox.store.listing import ListingStore
from outbox.store.organisation import OrganisationStore
from outbox.store.probe_answers import RecentAnswers
from outbox.store.protocol import OutboxStore
from outbox.store.sessions import SessionStore
from outbox.vocabulary import EntityType
from outbox.zoho.authorization import AccessTokens
from outbox.zoho.client import ZohoClient
from outbox.zoho.connection import open_http

CONNECTIONS = 6
"""Of the pool: dispatcher, settlement, heartbeat, maintenance, and two for requests' permits and intents."""


@dataclass(frozen=True)
class Engine:
    """Everything that sends, of one process. ``session`` is made anew by each process."""

    settings: Settings
    session: UUID
    clock: Clock
    database: Database
    installation: Installation
    store: OutboxStore
    organisation: OrganisationStore
    sessions: SessionStore
    budget: SharedBudget
    client: ZohoClient
    sender: Sender
    listings: Listings
    entities: dict[EntityType, AnyEntity]


@asynccontextmanager
async def open_engine(
    settings: Settings, database: Database, *, kind: str, on_secret: Callable[..., None]
) -> AsyncIterator[Engine]:
    """An engine on an open database, whose identity it verifies first.

    ``kind`` is 'daemon' or 'command'; ``on_secret`` learns each new access token, for redaction.
    Raises :class:`outbox.store.installation.WrongDatabase` and ``DatabaseUnavailable``.
    """
    installation = await verify_installation(database, settings)
    session = uuid4()
    clock = SystemClock()
    organisation = OrganisationStore(database, settings.zoho_time_zone)
    store = OutboxStore(database, session, clock, settings.outbox_lease_seconds, tuple(ENTITIES))
    budget = SharedBudget(database, settings, session)
    async with open_http(settings) as http:
        tokens = AccessTokens(DatabaseTokenVault(database, session), http, settings, clock, on_secret=on_secret)
        client = ZohoClient(http, tokens, budget, settings, clock)
        terms = SendingTerms.from_settings(settings, payloads_allowed=installation.payloads_allowed)
        catalogues = Catalogues(CatalogueStore(database))
        listings = Listings(ListingStore(database, clock))
        probed = Probed(RecentAnswers(database, settings.zoho_billing_organization_id))
        yield Engine(
            settings=settings,
            session=session,
            clock=clock,
            database=database,
            installation=installation,
            store=store,
            organisation=organisation,
            sessions=SessionStore(database, session, kind),
            budget=budget,
            client=client,
            sender=Sender(client, store, organisation, clock, terms, catalogues, listings, probed=probed),
            listings=listings,
            entities=ENTITIES,
        )
