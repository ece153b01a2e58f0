"""The kinds of record that are sent, in their order of dependence."""

from outbox.entities.contract import AnyEntity
from outbox.entities.customer import Customer
from outbox.entities.invoice import Invoice
from outbox.entities.payment import Payment
from outbox.entities.subscription import Subscription
from outbox.host_tables import Capture
from outbox.vocabulary import EntityType

ENTITIES: dict[EntityType, AnyEntity] = {
    entity.entity_type: entity for entity in (Customer(), Subscription(), Invoice(), Payment())
}

CAPTURES: tuple[Capture, ...] = tuple(entity.capture for entity in ENTITIES.values())
"""What ``migrate`` captures."""
