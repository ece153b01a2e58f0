"""Which database and which organisation belong together.

A clone, a staging copy with production's secrets, or a backup restored elsewhere must not send: to Zoho it looks
like production with old data. A restored or failed-over database of the same cluster may send, but has forgotten what
it sent last: every create looks first (decisions.md, Rows and rights).
"""

from dataclasses import dataclass
from datetime import datetime

from outbox.database import Database, Row
from outbox.settings import RecurringBilling, Settings
from outbox.store.statements import statement
from outbox.zoho.organisations import Organisation


class WrongDatabase(Exception):  # noqa: N818 - a refusal
    """Sending from this database is refused; the text says why and what to do."""


@dataclass(frozen=True)
class Installation:
    """What the first run stored, as far as sending needs it."""

    installed_at: datetime
    look_first_since: datetime | None
    look_first_why: str | None
    payloads_allowed: bool
    """zoho_sync_logs is our own table; one that was there before is readable by whom its owner let."""


async def verify_installation(database: Database, settings: Settings) -> Installation:
    """Stores the identity at the first run, compares it later.

    Raises :class:`WrongDatabase`, and ``DatabaseUnavailable``.
    """
    row = await _read(database)
    if not _is_stored(row):
        await database.execute(
            statement("store_identity"),
            {
                "organization_id": settings.zoho_billing_organization_id,
                "recurring_billing": settings.zoho_recurring_billing,
                "accepting": False,
            },
        )
        row = await _read(database)
    _refuse_another(row, settings)
    if row["timeline"] != row["timeline_here"]:
        await database.execute(statement("look_first"))
        row = await _read(database)
    return Installation(
        row["installed_at"], row["look_first_since"], row["look_first_why"], payloads_allowed=row["logs_are_ours"]
    )


async def check_installation(database: Database, settings: Settings) -> None:
    """Compares the identity and stores nothing, for whoever only asks. Before the first run there is none to compare.

    Raises :class:`WrongDatabase`, and ``DatabaseUnavailable``.
    """
    row = await _read(database)
    if _is_stored(row):
        _refuse_another(row, settings)


def _is_stored(row: Row) -> bool:
    return row["system_identifier"] is not None


def _refuse_another(row: Row, settings: Settings) -> None:
    if (row["system_identifier"], row["database_name"]) != (row["system_identifier_here"], row["database_name_here"]):
        raise WrongDatabase(
            f"this database ({row['database_name_here']!r} in cluster {row['system_identifier_here']}) is not the one "
            f"that was installed ({row['database_name']!r} in cluster {row['system_identifier']}): a clone or a copy "
            "must not send. If it is meant to send from now on, and the other one never again: "
            "zoho-outbox doctor --accept-database"
        )
    if row["zoho_organization_id"] != settings.zoho_billing_organization_id:
        raise WrongDatabase(
            f"this database belongs to the Zoho organisation {row['zoho_organization_id']}, and "
            f"ZOHO_BILLING_ORGANIZATION_ID is {settings.zoho_billing_organization_id}: its Zoho ids would be wrong "
            "there. Correct the setting, or give the other organisation a database of its own"
        )
    if row["recurring_billing"] != settings.zoho_recurring_billing:
        raise WrongDatabase(
            f"ZOHO_RECURRING_BILLING was {row['recurring_billing']!r} at the first run and is "
            f"{settings.zoho_recurring_billing.value!r} now: recurring amounts would be billed twice, or not at all. "
            "Set it back; to change it for good: zoho-outbox doctor --accept-billing-mode"
        )


async def accept_database(database: Database) -> str:
    """Makes this database the one that sends; every create looks first from now on. Returns what was done."""
    row = await _read(database)
    if row["system_identifier"] is None:
        return "nothing to accept: nothing has been sent from this database yet"
    if (row["system_identifier"], row["database_name"]) == (row["system_identifier_here"], row["database_name_here"]):
        return f"nothing to accept: database {row['database_name']!r} is the one that was installed"
    await database.execute(
        statement("store_identity"), {"organization_id": None, "recurring_billing": None, "accepting": True}
    )
    return (
        f"accepted: {row['database_name_here']!r} in cluster {row['system_identifier_here']} takes the place of "
        f"{row['database_name']!r} in cluster {row['system_identifier']}; every create looks in Zoho first until a "
        "reconciliation is clean"
    )


async def accept_billing_mode(database: Database, wanted: RecurringBilling, was: str) -> bool:
    """``wanted`` raises recurring invoices from now on, in place of ``was``. False: somebody changed it meanwhile."""
    row = await database.row(statement("accept_billing_mode"), {"recurring_billing": wanted, "was": was})
    return row is not None


async def record_organisation(database: Database, organisation: Organisation) -> None:
    """Keeps what Zoho said of the organisation."""
    await database.execute(
        statement("record_organisation"),
        {
            "name": organisation.name,
            "mode": organisation.mode,
            "currency": organisation.currency_code,
            "time_zone": organisation.time_zone,
        },
    )


async def _read(database: Database) -> Row:
    row = await database.row(statement("read_installation"))
    if row is None:
        raise WrongDatabase("zoho_outbox_private.installation is empty: run zoho-outbox migrate")
    return row
