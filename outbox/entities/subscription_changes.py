"""Changing a subscription that is there: cancel, re-activate, another plan or price (sheet 2.3).

Every step follows a reading of the record and sets a state, so all of it may be done again after a failure. What Zoho
answers is read, too: a cancel that was not done goes on costing the customer, a change that was not kept for the next
term costs at once.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from outbox.entities.contract import CannotMap, Remote
from outbox.entities.records import word
from outbox.entities.subscription_records import (
    ACTIVE,
    CANCELLED,
    ENDING,
    Record,
    as_scheduled,
    generation_of,
    has_fields,
    has_not_started,
    has_plan,
    lifecycle_of_record,
    plan_of,
    shown_by,
    subscription_in,
)
from outbox.settings import CancelAt
from outbox.vocabulary import FailureClass
from outbox.zoho.exchange import ApiReply, ApiRequest, path_segment
from outbox.zoho.failures import CallFailed
from outbox.zoho.json_text import JsonValue


@dataclass(frozen=True)
class SubscriptionInZoho:
    """A subscription in Zoho, as one attempt changes it."""

    remote: Remote
    zoho_id: str

    @property
    def path(self) -> str:
        """Below the API base."""
        return f"/subscriptions/{path_segment(self.zoho_id)}"

    async def read(self) -> Record:
        """The record as it is now. Raises ``CallFailed``, of kind NOT_FOUND where there is none."""
        record = subscription_in(await self.remote.read(self.path))
        if record is None:
            raise KeyError("subscription")
        return record

    async def cancel(self, record: Record, at: CancelAt) -> None:
        """Ends it, now or with its term; one that has not started (``future``) always now: its term would come first.

        Raises :class:`CannotMap` where Zoho says that it did and shows that it did not.
        """
        if _is_ended(record, at):
            return
        at_end = at is CancelAt.TERM_END and not has_not_started(record)
        query = {"cancel_at_end": "true" if at_end else "false"}
        # Idempotent, because the record was read first: what is cancelled already is not cancelled again.
        request = ApiRequest("POST", f"{self.path}/cancel", query, idempotent=True)
        reached = (ENDING, CANCELLED) if at_end else (CANCELLED,)
        after = await self._set_state(request, reached)
        if lifecycle_of_record(after) not in reached:
            raise CannotMap(
                f"Zoho subscription {self.zoho_id} is {word(after, 'status')} after it was cancelled: cancel it in Zoho"
            )

    async def reactivate(self) -> Record:
        """Takes the end off one that is ``ending``; returns it as it is then, which may be cancelled by now.

        Raises :class:`CannotMap` where Zoho says that it did and shows that it did not.
        """
        request = ApiRequest("POST", f"{self.path}/reactivate", idempotent=True)
        after = await self._set_state(request, (ACTIVE, CANCELLED))
        if lifecycle_of_record(after) == ENDING:
            raise CannotMap(
                f"Zoho subscription {self.zoho_id} still ends with its term after it was re-activated: "
                "re-activate it in Zoho, or cancel it there at once, then replay"
            )
        return after

    async def _set_state(self, request: ApiRequest, reached: Collection[str]) -> Record:
        """Sends it; returns the record as it is then. A refusal counts only where none of ``reached`` is."""
        try:
            reply = await self.remote.write(request)
        except CallFailed as refusal:
            if refusal.failure.failure_class is not FailureClass.PERMANENT:
                raise
            after = await self.read()
            if lifecycle_of_record(after) not in reached:
                raise
            return after
        return shown_by(reply) or await self.read()

    async def scheduled(self) -> Record | None:
        """The record as it is to be from its next term on; None: no change of its plan is scheduled."""
        try:
            body = await self.remote.read(f"{self.path}/scheduledchanges")
        except CallFailed as refusal:
            # No source says how Zoho answers where nothing is scheduled; a refusal is one way of saying so.
            if refusal.failure.failure_class is not FailureClass.PERMANENT:
                raise
            return None
        record = subscription_in(body)
        return record if record is not None and plan_of(record) else None

    async def change_plan(self, record: Record, body: Mapping[str, JsonValue]) -> tuple[Record, str | None]:
        """PUT of the whole plan, from the next term on; returns the record as it will be then, and a note.

        One that has not started takes its change at once: nothing was billed yet. Raises :class:`CannotMap` where Zoho
        raised an invoice for it.
        """
        if has_not_started(record):
            reply = await self.remote.write(ApiRequest("PUT", self.path, body=body))
            return shown_by(reply) or await self.read(), None
        reply = await self.remote.write(ApiRequest("PUT", self.path, body={**body, "end_of_term": True}))
        after = shown_by(reply) or await self.read()
        self._refuse_invoice(record, after)
        scheduled = await self.scheduled()
        if scheduled is not None:
            return as_scheduled(after, scheduled), None
        # Nothing is scheduled: it was done at once, or not at all. Which of the two, the record says.
        now = await self.read()
        plan = plan_of(body)
        at_once = has_plan(now, plan) and not has_plan(record, plan)
        return now, "Zoho changed the plan at once, not with the next term" if at_once else None

    def _refuse_invoice(self, before: Record, after: Record) -> None:
        raised = word(after, "child_invoice_id")
        if raised and raised != word(before, "child_invoice_id"):
            raise CannotMap(
                f"Zoho raised invoice {raised} when the plan of subscription {self.zoho_id} was to change with its "
                "next term: void it there unless it is the one of the term that just began, then replay"
            )

    async def tell_marks(self, record: Record, service: str, fields: JsonValue) -> Record:
        """Reference, custom fields and collection where they are not as they should be; none of it bills anything.

        Returns the record as far as it is known then: the reply to custom fields does not show them all.
        """
        known = dict(record)
        if generation_of(word(record, "reference_id"), service) is None:
            shown = subscription_in((await self._mark("reference", {"reference_id": service})).body) or {}
            known["reference_id"] = shown.get("reference_id", service)
        if not has_fields(record, fields):
            await self._mark("customfields", {"custom_fields": fields})
            known.pop("custom_fields", None)
        if record.get("auto_collect") is True:
            await self._mark("autocollect", {"auto_collect": False})
        return known

    async def _mark(self, action: str, body: Mapping[str, JsonValue]) -> ApiReply:
        return await self.remote.write(ApiRequest("POST", f"{self.path}/{action}", body=body, idempotent=True))


def _is_ended(record: Record, at: CancelAt) -> bool:
    state = lifecycle_of_record(record)
    return state == CANCELLED or (state == ENDING and at is CancelAt.TERM_END)
