"""Customers (sheet 2.1 and 4; decisions.md, Customers).

=================  ==================================================================================================
read               ``customers``; the address from ``customer_services``
sent               unless account_type is internal_test
waits for          nobody
record             ``POST /customers`` 201 ``{customer}``; ``PUT /customers/{customer_id}`` 200
found again        by the key in brackets at the end of ``display_name``, else by equal e-mail and equal name; a list
                   row carries no custom fields, so each hit is read, and another row's External ID refuses it. The
                   list is filtered by e-mail unless ``doctor --probe`` found that Zoho does not do that
lifecycle          active, or inactive when the account is cancelled, without live subscription and balance
verified           display name and External ID of the reply
=================  ==================================================================================================

================  ===========================================  =======================================================
column            field                                        conversion
================  ===========================================  =======================================================
business_name     display_name, company_name                   ``<name> [<account_number, else id>]``; over 100
                                                               characters the name part is cut (sheet 2.1)
first_name,       first_name, last_name, display_name          the whole name stands there; in display_name where
last_name                                                      there is no business_name
email             email                                        left out where empty; never a placeholder
phone             phone                                        left out at creation where empty; emptied by an update
installation_     billing_address.street, .country             of the service that was activated last and has one;
address                                                        South Africa; never parsed
id                custom_fields External ID                    ``{label, value}`` (lessons, 6)
account_number    custom_fields Account Number, display_name
account_status    lifecycle                                    cancelled → inactive; suspended stays active: they are
                                                               invoiced and can pay
(setting)         currency_code                                ZOHO_CURRENCY; at creation and with every update
================  ===========================================  =======================================================
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

import psycopg

from outbox.database import Row
from outbox.entities.contract import (
    CannotMap,
    Desired,
    Entity,
    Found,
    Listing,
    NotOurs,
    Prerequisite,
    Remote,
    Terms,
    Updated,
)
from outbox.entities.probed import Filter
from outbox.entities.records import amount, custom_field, word
from outbox.entities.text import clean, same
from outbox.host_tables import Capture
from outbox.vocabulary import EntityType, FailureClass
from outbox.zoho.exchange import ApiReply, ApiRequest, path_segment
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import JsonValue

LONGEST_DISPLAY_NAME = 100
COUNTRY = "South Africa"

READ = """
SELECT
    customer.id,
    customer.first_name,
    customer.last_name,
    customer.email,
    customer.phone,
    customer.account_type,
    customer.business_name,
    customer.account_number,
    customer.account_status,
    customer.zoho_billing_customer_id,
    address.installation_address
FROM public.customers AS customer
LEFT JOIN (
    SELECT DISTINCT ON (service.customer_id)
        service.customer_id,
        service.installation_address
    FROM public.customer_services AS service
    WHERE service.customer_id = ANY (%(ids)s)
        AND service.activation_date IS NOT NULL
        AND btrim(service.installation_address) <> ''
    ORDER BY service.customer_id, service.activation_date DESC, service.created_at DESC, service.id
) AS address ON address.customer_id = customer.id
WHERE customer.id = ANY (%(ids)s)
"""

_KEY = re.compile(r"\[([^\[\]]+)\]\s*$")


@dataclass(frozen=True)
class CustomerRow:
    """A row of ``customers``, with the address of the service that was activated last."""

    id: UUID
    first_name: str
    last_name: str
    email: str
    phone: str
    account_type: str
    business_name: str | None
    account_number: str | None
    account_status: str | None
    zoho_billing_customer_id: str | None
    installation_address: str | None

    @property
    def name(self) -> str:
        """The name people use: the business's, else the person's."""
        return clean(self.business_name) or clean(f"{clean(self.first_name)} {clean(self.last_name)}")

    @property
    def key(self) -> str:
        """What tells this customer from all others, in the display name."""
        return clean(self.account_number) or str(self.id)

    @property
    def keys(self) -> frozenset[str]:
        """Every key that an earlier send may have used: the account number may have come later."""
        return frozenset({self.key, str(self.id)})


@dataclass(frozen=True)
class _Look:
    """What a record is compared with: keys and e-mails that this row is or was sent under."""

    keys: frozenset[str]
    mails: frozenset[str]
    external_id_label: str | None


class Customer(Entity[CustomerRow]):
    """See the head of this file."""

    entity_type: ClassVar[EntityType] = EntityType.CUSTOMER
    listing: ClassVar[Listing | None] = Listing(
        "/customers",
        "customers",
        {"filter_by": "Status.All"},
        "customer_id",
        # Names and e-mail are what a customer is found again by.
        forgotten=frozenset({"phone", "mobile", "website", "customer_name"}),
    )
    capture: ClassVar[Capture] = Capture(
        entity_type=EntityType.CUSTOMER,
        mapped_columns=(
            "first_name",
            "last_name",
            "email",
            "phone",
            "account_type",
            "business_name",
            "account_number",
            "account_status",
        ),
        shown_to_operators=("account_number", "account_type", "account_status"),
        reads={
            "customers": (
                "first_name",
                "last_name",
                "email",
                "phone",
                "account_type",
                "business_name",
                "account_number",
                "account_status",
            ),
            "customer_services": ("customer_id", "installation_address", "activation_date", "created_at"),
        },
    )

    async def read(self, connection: psycopg.AsyncConnection[Row], ids: Sequence[UUID]) -> dict[UUID, CustomerRow]:
        """One statement for all ``ids``."""
        rows = await (await connection.execute(READ, {"ids": list(ids)}, prepare=True)).fetchall()
        return {row["id"]: CustomerRow(**row) for row in rows}

    def named(self, row: CustomerRow) -> str:
        """'customer CT-2025-00015'."""
        return f"customer {row.key}"

    def zoho_id(self, row: CustomerRow) -> str | None:
        """zoho_billing_customer_id."""
        return row.zoho_billing_customer_id

    def ineligible(self, row: CustomerRow, terms: Terms) -> str | None:  # noqa: ARG002
        """internal_test accounts are never sent."""
        if row.account_type == "internal_test":
            return "internal_test account: never sent to Zoho"
        return None

    def prerequisites(self, row: CustomerRow, terms: Terms) -> Sequence[Prerequisite]:  # noqa: ARG002
        """A customer waits for nobody."""
        return ()

    def desired(self, row: CustomerRow, terms: Terms) -> Desired:
        """The body of create and update alike: Zoho's update takes the same keys (sheet 2.1)."""
        if not row.name:
            raise CannotMap("the customer has no name: give it a business_name, or a first_name and last_name")
        body: dict[str, JsonValue] = {
            "display_name": display_name(row.name, row.key),
            "currency_code": terms.currency,
        }
        optional = {
            "first_name": clean(row.first_name),
            "last_name": clean(row.last_name),
            "company_name": clean(row.business_name),
            "phone": clean(row.phone),
        }
        # Blank texts stay in: an update must empty in Zoho what was emptied here. A create leaves them out.
        body |= optional
        if mail := clean(row.email):
            body["email"] = mail
        street = clean(row.installation_address)
        body["billing_address"] = {"street": street, "country": COUNTRY if street else ""}
        fields: list[JsonValue] = []
        if terms.external_id_label is not None:
            fields.append({"label": terms.external_id_label, "value": str(row.id)})
        if terms.account_number_label is not None:
            fields.append({"label": terms.account_number_label, "value": clean(row.account_number)})
        if fields:
            body["custom_fields"] = fields
        lifecycle = "inactive" if row.account_status == "cancelled" else "active"
        return Desired(content=body, lifecycle=lifecycle, look_key=f"{clean(row.email)}\n{row.key}")

    def create(self, desired: Desired) -> ApiRequest:
        """``POST /customers``."""
        return ApiRequest("POST", "/customers", body=_without_blanks({**desired.content, **desired.at_creation}))

    def created(self, reply: ApiReply) -> Found:
        """``{customer: {customer_id}}``."""
        return _found(reply.body)

    def requests_to_create(self, row: CustomerRow, terms: Terms) -> int:  # noqa: ARG002
        """A cancelled one is read, its subscriptions are, and it is made inactive."""
        return 4 if row.account_status == "cancelled" else 1

    async def find(
        self, remote: Remote, row: CustomerRow, desired: Desired, earlier_keys: Sequence[str], terms: Terms
    ) -> list[Found | NotOurs]:
        """By the key in the display name, else by e-mail and name.

        ``email=`` is undocumented and may be ignored: then the list is everybody, and the exact comparison below is
        what counts (lessons, 5). Or it may be refused: then everybody is asked for, as where there is no e-mail; at
        once where ``doctor --probe`` found out either.
        """
        looks = [_look_of(text) for text in (desired.look_key, *earlier_keys)]
        mails = {mail for mail, _ in looks}
        keys = row.keys | {key for _, key in looks if key}
        look = _Look(keys, frozenset(mails), terms.external_id_label)
        known = await remote.listed(_listed_under(keys, mails), make=True)
        listed = await _listed(remote, mails, terms.known.customers_by_email) if known is None else known
        by_key = [record for record in listed if key_in(word(record, "display_name")) in keys]
        if len(by_key) == 1 and known is not None and _is_to_the_letter(by_key[0], desired):
            # Our key, our name and our e-mail: one write tells Zoho all that a list row does not show. To read each of
            # them would cost a request a record (wanted: under 0.02 look-ups for each that is there already).
            return [Found(word(by_key[0], "customer_id"), by_key[0], from_list=True)]
        candidates = by_key or [record for record in listed if _is_namesake(record, row, mails)]
        answers = [await self._examine(remote, row, word(record, "customer_id"), look) for record in candidates]
        if by_key:
            return answers
        # A namesake that is somebody else's is simply another customer.
        return [answer for answer in answers if isinstance(answer, Found)]

    def listed_under(self, listed: Mapping[str, JsonValue]) -> Sequence[str]:
        """Its key in brackets, and its e-mail."""
        key = key_in(word(listed, "display_name"))
        return _listed_under([] if key is None else [key], [word(listed, "email")])

    async def fetch(self, remote: Remote, zoho_id: str) -> Found:
        """``GET /customers/{customer_id}``."""
        return _found(await remote.read(f"/customers/{path_segment(zoho_id)}"))

    def lifecycle(self, record: Mapping[str, JsonValue]) -> str:
        """Zoho's own word."""
        return word(record, "status") or "active"

    async def examine(
        self, remote: Remote, row: CustomerRow, zoho_id: str, desired: Desired, terms: Terms
    ) -> Found | NotOurs:
        """By External ID where it is set; else by our key in its name; else by name and e-mail."""
        mail, _ = _look_of(desired.look_key)
        look = _Look(row.keys, frozenset({mail}), terms.external_id_label)
        return await self._examine(remote, row, zoho_id, look)

    async def _examine(self, remote: Remote, row: CustomerRow, zoho_id: str, look: "_Look") -> Found | NotOurs:
        try:
            found = await self.fetch(remote, zoho_id)
        except CallFailed as refusal:
            if refusal.failure.kind is FailureKind.NOT_FOUND:
                return NotOurs(zoho_id, f"Zoho has no customer {zoho_id}: correct or clear zoho_billing_customer_id")
            raise
        holder = custom_field(found.record, look.external_id_label)
        if holder and holder != str(row.id):
            return NotOurs(
                zoho_id,
                f"Zoho customer {zoho_id} has the External ID {holder}, which is another row's: "
                "correct zoho_billing_customer_id, or the field in Zoho",
            )
        if holder or key_in(word(found.record, "display_name")) in look.keys:
            return found
        if _is_namesake(found.record, row, look.mails):
            return found
        return NotOurs(
            zoho_id,
            f"Zoho customer {zoho_id} has another name or e-mail than this row and no External ID: "
            f"set External ID to {row.id} in Zoho if it is the same customer, else clear zoho_billing_customer_id",
        )

    def differs(self, found: Found, desired: Desired) -> bool:
        """Compares what we send with what the record shows; what Zoho adds does not count."""
        return found.from_list or any(not _holds(found.record, key, value) for key, value in desired.content.items())

    async def update(
        self,
        remote: Remote,
        row: CustomerRow,  # noqa: ARG002
        zoho_id: str,
        desired: Desired,
        terms: Terms,  # noqa: ARG002
        *,
        was: str | None,
        found: Found | None,  # noqa: ARG002
        write_content: bool,
    ) -> Updated:
        """PUT, and active or inactive where that changed."""
        path = f"/customers/{path_segment(zoho_id)}"
        record: Mapping[str, JsonValue] | None = None
        if desired.lifecycle == "active" and was == "inactive":
            await remote.write(ApiRequest("POST", f"{path}/markasactive", idempotent=True))
        if write_content:
            reply = await remote.write(ApiRequest("PUT", path, body=desired.content))
            record = _found(reply.body).record
        if desired.lifecycle == "inactive" and was != "inactive":
            note = await _deactivate(remote, path, zoho_id)
            return Updated("inactive" if note is None else was or "active", record, note)
        return Updated(desired.lifecycle, record)

    def advice(self, failure: Failure, desired: Desired) -> str | None:
        """An organisation may insist on an e-mail."""
        if "email" not in desired.content and "mail" in failure.message.casefold():
            return "give the customer an e-mail"
        return None

    def mismatch(self, record: Mapping[str, JsonValue], desired: Desired) -> str | None:
        """The display name is what a look-up goes by; the External ID is what an adoption goes by."""
        if not same(word(record, "display_name"), str(desired.content["display_name"])):
            return (
                f"Zoho stored another display name than it was told for Zoho customer {word(record, 'customer_id')}: "
                "look for an automation in Zoho that renames customers"
            )
        sent = desired.content.get("custom_fields")
        if isinstance(sent, list) and record.get("custom_fields"):
            for field in sent:
                if isinstance(field, Mapping):
                    label, value = str(field["label"]), field["value"]
                    if (custom_field(record, label) or "") != value:
                        return f"Zoho did not keep the custom field {label!r}: check it in Zoho under Settings"
        return None


def display_name(name: str, key: str) -> str:
    """``<name> [<key>]`` in at most 100 characters: the name is cut, never the key."""
    room = LONGEST_DISPLAY_NAME - len(key) - 3
    return f"{name[:room].rstrip()} [{key}]"


async def _deactivate(remote: Remote, path: str, zoho_id: str) -> str | None:
    """Inactive only without balance and live subscription: Zoho would go on billing somebody nobody sees."""
    record = _found(await remote.read(path)).record
    for key in ("outstanding_receivable_amount", "outstanding", "unused_credits"):
        if left := amount(record, key):
            return f"stays active in Zoho: {key} is {left}"
    async for subscription in remote.rows(
        "/subscriptions", "subscriptions", {"customer_id": zoho_id, "filter_by": "SubscriptionStatus.All"}
    ):
        if word(subscription, "customer_id") == zoho_id and word(subscription, "status") not in ENDED:
            return f"stays active in Zoho: subscription {word(subscription, 'subscription_id')} has not ended"
    await remote.write(ApiRequest("POST", f"{path}/markasinactive", idempotent=True))
    return None


ENDED = frozenset({"cancelled", "cancelled_from_dunning", "expired", "trial_expired", "creation_failed"})
"""Subscription states that bill nothing any more (sheet 2.3). An unknown state counts as alive."""


def _found(body: Mapping[str, JsonValue]) -> Found:
    record = body["customer"]
    if not isinstance(record, Mapping) or not word(record, "customer_id"):
        raise KeyError("customer_id")
    return Found(word(record, "customer_id"), record)


async def _listed(remote: Remote, mails: set[str], by_email: Filter) -> list[Mapping[str, JsonValue]]:
    """List rows to compare with: those of the e-mails, or everybody."""
    found: dict[str, Mapping[str, JsonValue]] = {}
    everybody: list[dict[str, str]] = [{}]
    filters = everybody if "" in mails or not by_email.helps else [{"email": mail} for mail in sorted(mails)]
    while True:
        try:
            for filter_ in filters:
                async for record in remote.rows("/customers", "customers", {"filter_by": "Status.All", **filter_}):
                    found[word(record, "customer_id")] = record
        except CallFailed as refusal:
            if filters is everybody or refusal.failure.failure_class is not FailureClass.PERMANENT:
                raise
            filters = everybody
        else:
            return list(found.values())


def _listed_under(keys: Collection[str], mails: Collection[str]) -> list[str]:
    return [*(f"key {key}" for key in keys), *(f"mail {mail.strip().casefold()}" for mail in mails if mail.strip())]


def _look_of(text: str) -> tuple[str, str]:
    """E-mail and key of a look key: what a create was sent under, whatever the row says by now."""
    mail, _, key = text.partition("\n")
    return mail, key


def _without_blanks(content: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    kept = {name: _without_blank_parts(value) for name, value in content.items()}
    return {name: value for name, value in kept.items() if value not in ("", {}, [])}


def _without_blank_parts(value: JsonValue) -> JsonValue:
    if isinstance(value, Mapping):
        return _without_blanks(value)
    if isinstance(value, list):
        return [field for field in value if not isinstance(field, Mapping) or field.get("value") != ""]
    return value


def key_in(shown_name: str) -> str | None:
    """Our key in brackets at the end of a display name; None: it has none."""
    match = _KEY.search(shown_name)
    return match[1] if match else None


def _is_to_the_letter(listed: Mapping[str, JsonValue], desired: Desired) -> bool:
    return word(listed, "display_name") == desired.content["display_name"] and same(
        word(listed, "email"), word(desired.content, "email")
    )


def _is_namesake(record: Mapping[str, JsonValue], row: CustomerRow, mails: Collection[str]) -> bool:
    """Equal e-mail and equal name. A name that ends in another's key is another's, unless it is our name to the end."""
    mail = word(record, "email")
    if not mail or not any(same(mail, ours) for ours in mails if ours):
        return False
    shown = word(record, "display_name")
    if same(shown, row.name):
        return True
    if key_in(shown) is not None:
        return False
    person = f"{word(record, 'first_name')} {word(record, 'last_name')}"
    return any(name.strip() and same(name, row.name) for name in (word(record, "company_name"), person))


def _holds(record: Mapping[str, JsonValue], key: str, value: JsonValue) -> bool:
    shown = record.get(key, "")
    if key == "custom_fields" and isinstance(value, list):
        return all(
            isinstance(field, Mapping) and (custom_field(record, str(field["label"])) or "") == field["value"]
            for field in value
        )
    if isinstance(value, Mapping):
        parts = shown if isinstance(shown, Mapping) else {}
        return all((parts.get(part) or "") == wanted for part, wanted in value.items())
    return shown == value
