"""The kinds of record that this version sends."""

from outbox.entities.contract import AnyEntity
from outbox.entities.customer import Customer
from outbox.host_tables import Capture
from outbox.vocabulary import EntityType

ENTITIES: dict[EntityType, AnyEntity] = {entity.entity_type: entity for entity in (Customer(),)}

CAPTURES: tuple[Capture, ...] = tuple(entity.capture for entity in ENTITIES.values())
"""What ``migrate`` captures."""
