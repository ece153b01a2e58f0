"""Values that nobody could mistake, and where they must not be found."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from tests.store.host import Host

CLIENT_SECRET = "planted-client-secret-7f3a"
REFRESH_TOKEN = "1000.plantedrefresh7f3a.plantedrefresh9b21"
DATABASE_PASSWORD = "planted-database-password-7f3a"
ADMIN_TOKEN = "planted-admin-token-7f3a-0123456789abcdef"
ALERT_PATH = "planted-alert-path-7f3a"

SECRETS = {
    "client secret": CLIENT_SECRET,
    "refresh token": REFRESH_TOKEN,
    "database password": DATABASE_PASSWORD,
    "admin token": ADMIN_TOKEN,
    "alert address": ALERT_PATH,
}

PERSON: dict[str, Any] = {
    "first_name": "Zelindra",
    "last_name": "Quorvath",
    "business_name": "Planthorne Traders",
    "email": "zelindra.quorvath@planted.example",
    "phone": "+27 31 987 6543",
}
STREET = "77 Wyrmwood Crescent"

PERSONAL = {
    "first name": PERSON["first_name"],
    "last name": PERSON["last_name"],
    "company": PERSON["business_name"],
    "e-mail": PERSON["email"],
    "phone": PERSON["phone"],
    "phone without blanks": PERSON["phone"].replace(" ", ""),
    "street": STREET,
}

NAMES = ("first name", "last name", "company")
"""What people call a row: pages and API tell it to those who are signed in (interface.md), and to nobody else."""

_ACCESS_TOKEN = re.compile(r"\b1000\.[0-9a-f]{16,}\.[0-9a-f]{16,}\b")


@dataclass(frozen=True)
class Leak:
    """Something that stands where it must not."""

    where: str
    what: str


def secrets_in(texts: Mapping[str, str]) -> list[Leak]:
    """Every secret in any of the texts, also as it looks in an address or in JSON; access tokens by their shape."""
    return [
        Leak(where, what)
        for where, text in texts.items()
        for what, forms in _secret_forms()
        if any(form in text for form in forms)
    ] + [Leak(where, "access token") for where, text in texts.items() if _ACCESS_TOKEN.search(text)]


def persons_in(texts: Mapping[str, str], *, but: Collection[str] = ()) -> list[Leak]:
    """Every piece of personal data in any of the texts, in any case; not those that are named in ``but``."""
    return [
        Leak(where, what)
        for where, text in texts.items()
        for what, value in PERSONAL.items()
        if what not in but and (value.casefold() in text.casefold() or quote(value).casefold() in text.casefold())
    ]


def _secret_forms() -> Iterator[tuple[str, set[str]]]:
    for what, value in SECRETS.items():
        yield what, {value, quote(value, safe="")}


SECRET_COLUMNS = {("zoho_outbox_private", "access_token", "secret")}
"""The one access token of all replicas: readable by the daemon alone (tests/migration/test_rights.py)."""

PERSONAL_COLUMNS = {
    # What a create that was lost is looked for by; no operator may read it.
    ("zoho_outbox_private", "entity_state", "intent_keys"),
    # A list that was read for a backfill: what look-ups ask for, for two days at most.
    ("zoho_outbox_private", "listed_record", "found_by"),
    ("zoho_outbox_private", "listed_record", "record"),
}
"""Kept on purpose, each with its reason; in them personal data may stand, secrets may not."""

OURS = ("zoho_outbox", "zoho_sync_logs", "zoho_outbox_overview")


def tables_of(host: Host, *, without: set[tuple[str, str, str]]) -> dict[str, str]:
    """Every row of every table of ours, and the status columns of the host's, as text; by name."""
    columns: dict[tuple[str, str], list[str]] = {}
    for row in host.rows(
        """
        SELECT namespace.nspname AS schema, class.relname AS "table", attribute.attname AS "column"
        FROM pg_attribute AS attribute
        JOIN pg_class AS class ON class.oid = attribute.attrelid AND class.relkind IN ('r', 'v')
        JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
        WHERE attribute.attnum > 0
            AND NOT attribute.attisdropped
            AND (
                namespace.nspname = 'zoho_outbox_private'
                OR (namespace.nspname = 'public' AND class.relname = ANY (%s))
                OR (namespace.nspname = 'public' AND attribute.attname LIKE 'zoho\\_%%')
            )
        ORDER BY attribute.attnum
        """,
        [list(OURS)],
    ):
        place = (row["schema"], row["table"])
        if (*place, row["column"]) not in without:
            columns.setdefault(place, []).append(row["column"])
    return {f"table {schema}.{table}": _text(host, schema, table, names) for (schema, table), names in columns.items()}


def _text(host: Host, schema: str, table: str, columns: list[str]) -> str:
    query = sql.SQL("SELECT row_to_json(found)::text AS row FROM (SELECT {} FROM {}) AS found").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(schema, table)
    )
    return "\n".join(row["row"] for row in host.rows(query))


def with_password(dsn: str) -> str:
    """The address with the planted password; a server that trusts its callers takes any."""
    return psycopg.conninfo.make_conninfo(dsn, password=DATABASE_PASSWORD)
