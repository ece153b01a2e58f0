"""The words that Python, SQL, logs and people share. One place; a test holds SQL's CHECKs equal to it."""

from enum import IntEnum, StrEnum


class EntityType(StrEnum):
    """The four kinds of record that travel to Zoho, in their order of dependence."""

    CUSTOMER = "customer"
    SUBSCRIPTION = "subscription"
    INVOICE = "invoice"
    PAYMENT = "payment"


class Awaited(StrEnum):
    """What an entity may wait for, as ``waits_for_type`` of its state says."""

    CUSTOMER = "customer"
    SUBSCRIPTION = "subscription"
    INVOICE = "invoice"
    PAYMENT = "payment"
    PACKAGE = "package"
    """A row of ``service_packages`` that is not published to Zoho."""


class EntryStatus(StrEnum):
    """Where an outbox entry stands, as ``zoho_outbox.status`` shows it."""

    PENDING = "pending"
    WAITING = "waiting"
    PROCESSING = "processing"
    DONE = "done"
    DEAD = "dead"
    SKIPPED = "skipped"


class Outcome(StrEnum):
    """How a finished entry ended, as ``zoho_outbox.outcome`` shows it."""

    SENT = "sent"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    INELIGIBLE = "ineligible"
    SET_ASIDE = "set_aside"


class Origin(StrEnum):
    """Who appended an entry."""

    TRIGGER = "trigger"
    OPERATOR = "operator"
    BACKFILL = "backfill"
    RECONCILE = "reconcile"
    CHILD = "child"


class Change(StrEnum):
    """What happened to the host row, as the capture trigger saw it."""

    INSERTED = "inserted"
    UPDATED = "updated"
    DELETED = "deleted"
    TRUNCATED = "truncated"
    REQUESTED = "requested"
    """``zoho_sync_status`` was set to 'pending' by hand, or an entry was replayed."""
    ID_SET = "id_set"
    """The Zoho id was set by another hand: a request to adopt."""
    RELATED = "related"
    """A row that its payload is made from changed."""
    RESEND = "resend"
    """What Zoho holds is in doubt: an acknowledgement was refused."""


class Urgency(IntEnum):
    """``priority`` of entries and of work: lower is sooner."""

    LIVE = 10
    RETRY = 20
    BULK = 25
    """Live, but one of hundreds committed in one transaction: a single edit goes first, and its retries do. (Before
    retries, one lost reply put a live change behind the whole import: at 95 a minute 10 hours of 60,000 rows.)"""
    BACKFILL = 30
    RECONCILE = 40

    @classmethod
    def _missing_(cls, value: object) -> "Urgency | None":
        """A number of another version's: the next that is less urgent."""
        return next((known for known in cls if isinstance(value, int) and value < known), None)

    @property
    def may_use_reserve(self) -> bool:
        """Whether this work may use the share of the day that is kept for live changes."""
        return self < Urgency.BACKFILL


class Phase(StrEnum):
    """Where an entity's state row stands. Transitions: see ``outbox.store.protocol``."""

    IDLE = "idle"
    READY = "ready"
    SCHEDULED = "scheduled"
    LEASED = "leased"
    WAITING = "waiting"
    DEAD = "dead"


class SyncStatus(StrEnum):
    """``zoho_sync_status`` on the host's tables, as far as the daemon writes it."""

    RETRYING = "retrying"
    SYNCED = "synced"
    FAILED = "failed"
    SKIPPED = "skipped"


class LogStatus(StrEnum):
    """``zoho_sync_logs.status`` of one attempt."""

    SUCCESS = "success"
    FAILED = "failed"
    RETRYING = "retrying"


class FailureClass(StrEnum):
    """What a failure means for what happens next. Decided in ``outbox.zoho.failures``."""

    TRANSIENT = "transient"
    """It may go better later, and nothing of a write is in doubt."""
    OUTAGE = "outage"
    """Zoho itself is unwell (5xx, no connection, HTML): transient, and it feeds the breaker."""
    THROTTLED = "throttled"
    """The whole organisation must be silent until a moment."""
    AUTH = "auth"
    """A person must act: token, scope, organisation."""
    AMBIGUOUS = "ambiguous"
    """A write left and its fate is unknown."""
    PERMANENT = "permanent"
    """Zoho understood and refused."""


class OrganisationState(StrEnum):
    """What sending as a whole may do, shared by all replicas."""

    RUNNING = "running"
    PAUSED = "paused"
    THROTTLED = "throttled"
    BROKEN = "broken"
    FORBIDDEN = "forbidden"


ZOHO_MODULES: dict[EntityType, str] = {
    EntityType.CUSTOMER: "Contacts",
    EntityType.SUBSCRIPTION: "Subscriptions",
    EntityType.INVOICE: "Invoices",
    EntityType.PAYMENT: "Payments",
}
"""``zoho_sync_logs.zoho_entity_type`` by entity. 'Estimates' and 'Deals' are the host's own older rows."""
