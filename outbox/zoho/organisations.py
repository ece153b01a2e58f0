"""Is this the organisation that the settings mean? Asked before anything is sent (sheet 1.5 and 2.0).

Without a valid organisation header Zoho falls back to the user's default organisation: the wrong books.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from outbox.settings import Settings
from outbox.vocabulary import Urgency
from outbox.zoho.client import ZohoClient
from outbox.zoho.exchange import ApiRequest
from outbox.zoho.json_text import JsonValue

LIST_ORGANISATIONS = ApiRequest("GET", "/organizations", names_organisation=False)


@dataclass(frozen=True)
class Organisation:
    """The organisation as Zoho describes it. ``mode`` is ``test`` for a trial organisation.

    ``remarks`` are differences that are reported and not refused, one sentence each.
    """

    id: str
    name: str
    mode: str
    currency_code: str
    time_zone: str
    is_active: bool
    remarks: tuple[str, ...] = ()


class OrganisationRefused(Exception):  # noqa: N818
    """The settings and the organisation do not belong together; the text says what to mend."""


async def verify_organisation(
    client: ZohoClient, settings: Settings, *, urgency: Urgency = Urgency.LIVE
) -> Organisation:
    """Reads the organisations of the token's user and finds ours among them.

    Raises :class:`OrganisationRefused` where it is not there or keeps its books in another currency, and what
    :meth:`ZohoClient.send` raises.
    """
    reply = await client.send(LIST_ORGANISATIONS, urgency=urgency)
    return find_organisation(reply.body, settings)


def find_organisation(body: Mapping[str, JsonValue], settings: Settings) -> Organisation:
    """The pure part of :func:`verify_organisation`: ``body`` is the envelope of ``GET /organizations``."""
    rows = body.get("organizations")
    found = [
        _organisation(row)
        for row in (rows if isinstance(rows, Sequence) and not isinstance(rows, str) else ())
        if isinstance(row, Mapping)
    ]
    wanted = settings.zoho_billing_organization_id
    ours = next((organisation for organisation in found if organisation.id == wanted), None)
    if ours is None:
        known = ", ".join(f"{organisation.id} ({organisation.name})" for organisation in found)
        raise OrganisationRefused(
            f"Organisation {wanted} is not among those of the refresh token's user: "
            f"{known or 'there is none'}."
            " Set ZOHO_BILLING_ORGANIZATION_ID to one of them (a Zoho Books id is no Zoho Billing id), or"
            " authorise as a user of that organisation."
        )
    if ours.currency_code != settings.zoho_currency:
        raise OrganisationRefused(
            f"Organisation {wanted} ({ours.name}) keeps its books in"
            f" {ours.currency_code or 'no known currency'}, and ZOHO_CURRENCY is {settings.zoho_currency}:"
            " set the one that the host's amounts are in, or use the organisation of that currency."
        )
    remarks = []
    if ours.time_zone != settings.zoho_time_zone:
        remarks.append(
            f"The organisation's time zone is {ours.time_zone or 'unknown'}, ZOHO_TIME_ZONE is"
            f" {settings.zoho_time_zone}: dates are sent in the latter."
        )
    if not ours.is_active:
        remarks.append("Zoho says that the organisation is not active: it may refuse everything.")
    return replace(ours, remarks=tuple(remarks))


def _organisation(row: Mapping[str, JsonValue]) -> Organisation:
    return Organisation(
        id=_text(row, "organization_id"),
        name=_text(row, "name"),
        mode=_text(row, "mode"),
        currency_code=_text(row, "currency_code"),
        time_zone=_text(row, "time_zone"),
        is_active=row.get("is_org_active") is not False,
    )


def _text(row: Mapping[str, JsonValue], key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value)
