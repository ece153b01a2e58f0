"""Rows in every standing, written as the protocol leaves them."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from tests.store.host import Host


class Stories:
    """Makes host rows and what the sync knows of them."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._numbers = iter(range(1, 100_000))

    def customer(self, **columns: Any) -> UUID:
        """A customer, captured and admitted."""
        return self.host.add_customer(next(self._numbers), **columns)

    def admit(self, entity_id: UUID, **columns: Any) -> int:
        """Its entry as the daemon leaves it; returns the entry's id."""
        given = {"admitted": True, **columns}
        assignments = ", ".join(f"{name} = %({name})s" for name in given)
        self.host.interfere(
            f"UPDATE public.zoho_outbox SET {assignments}, revision = revision + 1 WHERE entity_id = %(entity_id)s",
            {**given, "entity_id": entity_id},
        )
        return int(self.host.value("SELECT max(id) FROM public.zoho_outbox WHERE entity_id = %s", [entity_id]))

    def state(self, entity_id: UUID, phase: str, entity_type: str = "customer", **columns: Any) -> None:
        """Its state row."""
        given = {"entity_id": entity_id, "entity_type": entity_type, "phase": phase, **columns}
        names, places = ", ".join(given), ", ".join(f"%({name})s" for name in given)
        self.host.interfere(f"INSERT INTO zoho_outbox_private.entity_state ({names}) VALUES ({places})", given)

    def attempt(self, entity_id: UUID, status: str = "success", entity_type: str = "customer", **columns: Any) -> UUID:
        """A row of the log."""
        given: dict[str, Any] = {
            "id": uuid4(),
            "entity_id": entity_id,
            "entity_type": entity_type,
            "status": status,
            "duration_ms": 140,
            "api_calls": 1,
            "failure_class": None if status == "success" else "permanent",
            "outbox_id": 1,
            **columns,
        }
        for name in ("request_payload", "response_payload"):
            if isinstance(given.get(name), Mapping):
                given[name] = json.dumps(given[name])
        names, places = ", ".join(given), ", ".join(f"%({name})s" for name in given)
        self.host.interfere(f"INSERT INTO public.zoho_sync_logs ({names}) VALUES ({places})", given)
        return UUID(str(given["id"]))

    def synced(self, **columns: Any) -> UUID:
        """A customer that is in Zoho."""
        entity_id = self.customer(**columns)
        zoho_id = str(460_000_000 + next(self._numbers))
        self.admit(entity_id, status="done", outcome="sent", finished_at="now", attempts=1, zoho_id=zoho_id)
        self.state(entity_id, "idle", zoho_id=zoho_id, sent_at="now", shown_status="synced")
        self.host.interfere(
            "UPDATE public.customers SET zoho_billing_customer_id = %s, zoho_sync_status = 'synced' WHERE id = %s",
            [zoho_id, entity_id],
        )
        self.host.interfere("DELETE FROM public.zoho_outbox WHERE entity_id = %s AND NOT admitted", [entity_id])
        self.attempt(entity_id, zoho_entity_id=zoho_id)
        return entity_id

    def dead(self, error: str = "HTTP 400 code 3062: refused. Correct it", **columns: Any) -> tuple[UUID, int]:
        """A customer that failed for good, and its entry."""
        entity_id = self.customer(**columns)
        entry_id = self.admit(entity_id, status="dead", attempts=1, last_error=error)
        self.state(entity_id, "dead", last_error=error, attempts=1, shown_status="failed")
        self.attempt(entity_id, "failed", error_message=error, zoho_code=3062)
        return entity_id, entry_id

    def invoice(self, of_customer: UUID) -> UUID:
        """An installation invoice, captured."""
        invoice_id = uuid4()
        self.host.interfere(
            """
            INSERT INTO public.customer_invoices (
                id, customer_id, invoice_number, invoice_date, due_date, subtotal, tax_amount, total_amount, amount_due,
                status, invoice_type
            )
            VALUES (%s, %s, %s, '2026-01-01', '2026-01-08', 100, 15, 115, 115, 'sent', 'installation')
            """,
            [invoice_id, of_customer, f"INV-2026-{next(self._numbers):05}"],
        )
        return invoice_id

    def waiting(self, for_customer: UUID) -> UUID:
        """A customer's invoice that waits for the customer."""
        invoice_id = self.invoice(for_customer)
        self.admit(invoice_id, status="waiting", waiting_for="customer CT-1")
        self.state(invoice_id, "waiting", "invoice", waits_for_type="customer", waits_for_id=for_customer)
        return invoice_id
