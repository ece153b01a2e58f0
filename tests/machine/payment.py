"""A kind of record that waits for its customer: small, and complete as far as the protocol asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

import psycopg

from outbox.database import Row
from outbox.entities.contract import Desired, Entity, Found, NotOurs, Prerequisite, Remote, Terms, Updated
from outbox.entities.parents import Parent
from outbox.entities.payment_row import READS
from outbox.host_tables import Capture
from outbox.vocabulary import Awaited, EntityType
from outbox.zoho.exchange import ApiReply, ApiRequest, path_segment
from outbox.zoho.failures import CallFailed, FailureKind
from outbox.zoho.json_text import JsonValue

# The parent's id is read where the wake-up looks for it, in the state row: the host's column can be empty
# (not written back yet, or cleared by hand), and a child that went by it would be woken and wait in a circle.
READ = """
SELECT
    payment.id,
    payment.amount,
    payment.customer_id,
    payment.zoho_payment_id,
    customer.id IS NOT NULL AS customer_exists,
    parent.usable_id AS parent_zoho_id,
    parent.phase AS parent_phase
FROM public.payment_transactions AS payment
LEFT JOIN public.customers AS customer ON customer.id = payment.customer_id
LEFT JOIN zoho_outbox_private.entity_state AS parent
    ON parent.entity_id = payment.customer_id AND parent.entity_type = 'customer'
WHERE payment.id = ANY (%(ids)s)
"""


@dataclass(frozen=True)
class PaymentRow:
    """A payment and its customer's record."""

    id: UUID
    amount: Decimal
    customer_id: UUID | None
    zoho_payment_id: str | None
    customer_exists: bool
    parent_zoho_id: str | None
    parent_phase: str | None


class Payment(Entity[PaymentRow]):
    """Known in Zoho by its reference number, which is the row's id."""

    entity_type: ClassVar[EntityType] = EntityType.PAYMENT
    capture: ClassVar[Capture] = Capture(
        entity_type=EntityType.PAYMENT,
        mapped_columns=("amount",),
        reads=READS,
        shown_to_operators=(),
    )

    async def read(self, connection: psycopg.AsyncConnection[Row], ids: Sequence[UUID]) -> dict[UUID, PaymentRow]:
        rows = await (await connection.execute(READ, {"ids": list(ids)})).fetchall()
        return {row["id"]: PaymentRow(**row) for row in rows}

    def named(self, row: PaymentRow) -> str:
        return f"payment {row.id}"

    def zoho_id(self, row: PaymentRow) -> str | None:
        return row.zoho_payment_id

    def ineligible(self, row: PaymentRow, terms: Terms) -> str | None:
        return None

    def prerequisites(self, row: PaymentRow, terms: Terms) -> Sequence[Prerequisite]:
        if row.customer_id is None:
            return ()
        customer = Parent(
            Awaited.CUSTOMER,
            row.customer_id,
            f"customer {row.customer_id}",
            row.parent_zoho_id,
            row.parent_phase,
            exists=row.customer_exists,
        )
        prerequisite = customer.prerequisite()
        return () if prerequisite is None else (prerequisite,)

    def desired(self, row: PaymentRow, terms: Terms) -> Desired:
        return Desired({"reference_number": str(row.id), "amount": row.amount}, "active", str(row.id))

    def create(self, desired: Desired) -> ApiRequest:
        return ApiRequest("POST", "/payments", body=desired.content)

    def created(self, reply: ApiReply) -> Found:
        return _found(reply.body)

    async def find(
        self, remote: Remote, row: PaymentRow, desired: Desired, earlier_keys: Sequence[str], terms: Terms
    ) -> list[Found | NotOurs]:
        return [
            Found(str(listed["payment_id"]), listed)
            async for listed in remote.rows("/payments", "payments")
            if listed["reference_number"] == str(row.id)
        ]

    async def fetch(self, remote: Remote, zoho_id: str) -> Found:
        return _found(await remote.read(f"/payments/{path_segment(zoho_id)}"))

    def lifecycle(self, record: Mapping[str, JsonValue]) -> str:
        return str(record["status"])

    async def examine(
        self, remote: Remote, row: PaymentRow, zoho_id: str, desired: Desired, terms: Terms
    ) -> Found | NotOurs:
        try:
            found = await self.fetch(remote, zoho_id)
        except CallFailed as refusal:
            if refusal.failure.kind is FailureKind.NOT_FOUND:
                return NotOurs(zoho_id, f"Zoho has no payment {zoho_id}")
            raise
        if found.record["reference_number"] == str(row.id):
            return found
        return NotOurs(zoho_id, f"Zoho payment {zoho_id} is another's")

    def differs(self, found: Found, desired: Desired) -> bool:
        return found.record["amount"] != desired.content["amount"]

    async def update(
        self,
        remote: Remote,
        row: PaymentRow,
        zoho_id: str,
        desired: Desired,
        terms: Terms,
        *,
        was: str | None,
        found: Found | None,
        write_content: bool,
    ) -> Updated:
        if not write_content:
            return Updated(desired.lifecycle)
        reply = await remote.write(ApiRequest("PUT", f"/payments/{path_segment(zoho_id)}", body=desired.content))
        return Updated(desired.lifecycle, _found(reply.body).record)

    def mismatch(self, record: Mapping[str, JsonValue], desired: Desired) -> str | None:
        if record["amount"] != desired.content["amount"]:
            return f"Zoho stored {record['amount']} in place of {desired.content['amount']}"
        return None


def _found(body: Mapping[str, JsonValue]) -> Found:
    record = body["payment"]
    assert isinstance(record, Mapping)
    return Found(str(record["payment_id"]), record)
