"""Whether a program may work with the database as it is: the question of ``run`` and of commands at their start."""

from collections.abc import Sequence
from typing import Any, assert_never

import psycopg

from outbox.host_tables import Capture
from outbox.migration.host_shape import Ledger, read_host
from outbox.migration.runner import MigrationRefused, current_role, refuse_unsuitable
from outbox.migration.steps import due_steps, numbered_steps, schema_number


class Unfit(Exception):  # noqa: N818 - a refusal
    """The program must not work with this database; the text says why and which command mends it."""


def check_fitness(connection: psycopg.Connection[Any], captures: Sequence[Capture]) -> list[str]:
    """Names of steps that are due and do no harm while they wait: a matter for a warning.

    Raises :class:`Unfit` where host tables or numbered migrations are missing, the schema is too new, or the role has
    not got its rights. A newer schema that names this program's number as one it works with is fit: then nothing is
    compared but that.
    """
    host = read_host(connection)
    try:
        refuse_unsuitable(host)
    except MigrationRefused as refusal:
        raise Unfit(str(refusal)) from None
    match host.ledger:
        case Ledger.ABSENT:
            raise Unfit("the database is not migrated: run zoho-outbox migrate")
        case Ledger.UNREADABLE:
            raise Unfit(
                f"role {current_role(connection)} may not read zoho_outbox_private.migration: connect as "
                "zoho_outbox_daemon; where that is the role, a migrate was interrupted: run zoho-outbox migrate"
            )
        case Ledger.READABLE:
            pass
        case _:
            assert_never(host.ledger)
    missing = [step.name for step in numbered_steps() if step.name not in host.applied]
    if missing:
        raise Unfit(
            f"the database is not up to date, {len(missing)} of {len(numbered_steps())} numbered migrations "
            f"are missing ({', '.join(missing)}): run zoho-outbox migrate"
        )
    if host.schema_number > schema_number():
        return []
    return [step.name for step in due_steps(host, captures)]
