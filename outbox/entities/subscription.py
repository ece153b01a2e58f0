"""Subscriptions (sheet 2.3 and 4; decisions.md, Who bills and Subscriptions).

=================  ==================================================================================================
read               ``customer_services``, with its customer, its package, and whether that is published
sent               where Zoho bills (ZOHO_RECURRING_BILLING); not pending ones, not those of internal_test accounts
waits for          its customer; its package to be published (``product_integrations.sync_status`` ok and an ``sku``).
                   One that is to be cancelled waits for nobody
record             ``POST /subscriptions`` 201 ``{subscription}``; ``PUT /subscriptions/{subscription_id}`` with
                   end_of_term, seen in ``GET …/scheduledchanges``; ``POST …/reference``, ``…/customfields``,
                   ``…/autocollect``
found again        by ``reference_id``: the service's id, ``<id>#2`` for the one that follows an ended one, and the
                   customer, both compared here; ``GET /subscriptions?reference_contains=``
lifecycle          active, ending (non_renewing) or cancelled. ``POST …/cancel?cancel_at_end=``, ``…/reactivate`` while
                   it is ending; active again after it has ended: a new one
verified           ``amount`` equals monthly_price within 0.05; term, plan, customer and reference of the reply; no
                   invoice where it begins on a later day, none from a change for the next term
told               days before its first one that nobody billed, or that the host billed itself while the service waited
=================  ==================================================================================================

==================  =====================================  ==========================================================
column              field                                  conversion
==================  =====================================  ==========================================================
id                  reference_id, custom_fields            at creation; External ID as ``{label, value}`` (lessons, 6)
customer_id         customer_id                            the customer's Zoho id; a later change cannot be made
package_id          plan.plan_code                         ``service_packages.sku`` (lessons, 12); a plan of another
                                                           term than a month is refused
monthly_price       plan.price                             of a month, whatever the package costs; quantity 1
status              lifecycle                              cancelled → cancelled (ZOHO_CANCEL_AT); suspended by
                                                           ZOHO_ON_SUSPEND: active, or cancelled
billing_day,        starts_at                              at creation: the first billing day that nobody has billed,
last_invoice_date,                                         never a past one (:mod:`outbox.entities.billing_days`)
activation_date
(always)            plan.exclude_setup_fee, exclude_trial  true: the host has billed installation itself
(always)            auto_collect                           false
==================  =====================================  ==========================================================

What Zoho cannot be told of a subscription that runs is told here: another billing_day, a later activation_date, a price
that came on the day of the bill (it counts from the next term on).

The content of a cancelled service is empty: nothing of it is written any more, and what changed meanwhile is compared
with the record when it becomes active again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

import psycopg

from outbox.database import Row
from outbox.entities import service_row
from outbox.entities.catalogue import CatalogueKind, term_of
from outbox.entities.catalogue import plan_of as as_listed
from outbox.entities.contract import (
    CannotMap,
    Desired,
    Entity,
    Found,
    Listing,
    NotOurs,
    Prerequisite,
    RecordEnded,
    Remote,
    Terms,
    Updated,
)
from outbox.entities.parents import closing
from outbox.entities.records import amount, custom_field, word
from outbox.entities.service_row import READS_OF_INVOICES, ServiceRow, read_services
from outbox.entities.subscription_changes import SubscriptionInZoho
from outbox.entities.subscription_records import (
    ACTIVE,
    CANCELLED,
    ENDING,
    costs,
    customer_of,
    generation_of,
    has_fields,
    has_not_started,
    has_plan,
    lifecycle_of_record,
    plan_code_of,
    plan_of,
    reference_of,
    subscription_in,
)
from outbox.entities.text import clean
from outbox.host_tables import Capture
from outbox.settings import OnSuspend, RecurringBilling
from outbox.vocabulary import EntityType, FailureClass
from outbox.zoho.exchange import ApiReply, ApiRequest, path_segment
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import JsonValue

PLAN_MISSING = 101002
CUSTOMER_MISSING = 3004
"""Zoho's codes (sheet 3)."""

BILLED_FROM = "billed_from"
"""In ``content``, never sent: the days of the row that decide when Zoho bills, so that another one is a change."""

ALL = {"filter_by": "SubscriptionStatus.All"}
"""Unfiltered, the list shows live ones alone (sheet 0.5)."""


@dataclass(frozen=True)
class DesiredSubscription(Desired):
    """With what is told when something is wrong."""

    package: str = ""
    begins_later: bool | None = None
    """Of a create: whether it begins after the day on which it leaves, and so must raise no invoice; None: of an
    update, whose record has invoices."""
    never_today: bool = False
    """Of a backfill, which raises no invoice, even where midnight passes while its request waits for permission."""


class Subscription(Entity[ServiceRow]):
    """The mapping between ``customer_services`` and Zoho's subscriptions."""

    entity_type: ClassVar[EntityType] = EntityType.SUBSCRIPTION
    needs: ClassVar[frozenset[CatalogueKind]] = frozenset({CatalogueKind.PLANS})
    followed: ClassVar[bool] = True
    listing: ClassVar[Listing | None] = Listing("/subscriptions", "subscriptions", ALL, "subscription_id")
    capture: ClassVar[Capture] = Capture(
        entity_type=EntityType.SUBSCRIPTION,
        # last_invoice_date changes with every invoice of the host and matters at creation alone: it is read then.
        mapped_columns=("customer_id", "package_id", "monthly_price", "status", "billing_day", "activation_date"),
        concerns_zoho="{row}.status <> 'pending'",
        shown_to_operators=("customer_id", "package_id", "package_name", "status"),
        reads={
            "customer_services": (
                "customer_id",
                "package_id",
                "package_name",
                "monthly_price",
                "status",
                "billing_day",
                "activation_date",
                "last_invoice_date",
            ),
            "customers": ("account_type", "account_number", "account_status"),
            "service_packages": ("name", "sku"),
            "product_integrations": ("service_package_id", "sync_status", "last_sync_error"),
            "customer_invoices": READS_OF_INVOICES,
        },
    )

    async def read(self, connection: psycopg.AsyncConnection[Row], ids: Sequence[UUID]) -> dict[UUID, ServiceRow]:
        """See :func:`outbox.entities.service_row.read_services`."""
        return await read_services(connection, ids)

    def named(self, row: ServiceRow) -> str:
        """'service Fibre 100 of customer CT-2025-00015'."""
        return f"service {clean(row.package_name) or row.id} of {row.customer.named}"

    def zoho_id(self, row: ServiceRow) -> str | None:
        """zoho_subscription_id."""
        return row.zoho_subscription_id

    def ineligible(self, row: ServiceRow, terms: Terms) -> str | None:
        """internal_test accounts, billing by the host, and services that are not active yet."""
        if row.account_type == "internal_test":
            return "service of an internal_test account: never sent to Zoho"
        left_over = clean(row.zoho_subscription_id) and _ended(row, terms) is not None
        # One that Zoho has from before is ended all the same: cancelled here, it must not go on billing there.
        if terms.recurring_billing is RecurringBilling.HOST and not left_over:
            return "ZOHO_RECURRING_BILLING=host: the host raises the recurring invoices, and no subscription is sent"
        match row.status:
            case "active" | "suspended" | "cancelled":
                return None
            case "pending":
                remains = f" (Zoho subscription {row.zoho_subscription_id} is left as it is)"
                return "not active yet: sent when it becomes active" + (remains if row.zoho_subscription_id else "")
            case unknown:
                return (
                    f"customer_services.status {unknown!r} is not known: it is pending, active, suspended or cancelled"
                )

    def unblocks(self, row: ServiceRow, *, sent: bool) -> Sequence[tuple[EntityType, UUID]]:
        """A cancelled customer, who could not be made inactive before."""
        return closing(row.customer_id, row.account_status) if sent else ()

    def prerequisites(self, row: ServiceRow, terms: Terms) -> Sequence[Prerequisite]:
        """The customer, then the package. Nobody may keep a cancelled service from being cancelled in Zoho."""
        if _ended(row, terms) is not None:
            return ()
        missing = (row.customer.prerequisite(), service_row.publishing_of(row))
        return [prerequisite for prerequisite in missing if prerequisite is not None]

    def needs_of(self, row: ServiceRow, terms: Terms) -> frozenset[CatalogueKind]:
        """Plans, for what is to be billed: nothing may keep a cancelled service from being cancelled in Zoho."""
        return frozenset() if _ended(row, terms) is not None or row.package_id is None else self.needs

    def desired(self, row: ServiceRow, terms: Terms) -> Desired:
        """The plan at the service's price; nothing but the end of one that is cancelled."""
        service = str(row.id)
        if (ended := _ended(row, terms)) is not None:
            return DesiredSubscription({}, CANCELLED, service, only_if_there=ended, package=row.package)
        plan_code = service_row.plan_code_of(row)
        if terms.plans is not None:
            service_row.refuse_other_terms(row, terms.plans.get(plan_code))
        content: dict[str, JsonValue] = {
            "customer_id": service_row.customer_of(row),
            "plan": {
                "plan_code": plan_code,
                "price": service_row.price_of(row),
                "quantity": 1,
                "exclude_setup_fee": True,
                "exclude_trial": True,
            },
            "auto_collect": False,
            BILLED_FROM: f"{row.billing_day} {row.activation_date or ''}",
        }
        if terms.external_id_label is not None:
            content["custom_fields"] = [{"label": terms.external_id_label, "value": service}]
        # The reference stays out of the content: an edit must not tell '<id>#2' from '<id>'.
        at_creation: dict[str, JsonValue] = {"reference_id": service}
        start = service_row.start_of(row, terms)
        if start is not None:
            at_creation["starts_at"] = start.day.isoformat()
        note = service_row.untold_before(row, terms, start.day) if start is not None else None
        return DesiredSubscription(content, ACTIVE, service, at_creation, note=note, package=row.package)

    async def prepare(self, remote: Remote, row: ServiceRow, desired: Desired, terms: Terms) -> Desired:
        """Marks it as a create. Raises :class:`CannotMap` where no day is known on which it could begin, and where its
        plan, which is not in the list, bills otherwise than by the month.
        """
        if not isinstance(desired, DesiredSubscription):
            raise TypeError(f"{type(desired).__name__} is none of a subscription")
        await self._refuse_other_terms(remote, row, desired, terms)
        starts_at = desired.at_creation.get("starts_at")
        if not isinstance(starts_at, str):
            raise CannotMap(service_row.undated(row))
        return replace(desired, begins_later=starts_at > terms.today.isoformat(), never_today=terms.in_backfill)

    def create(self, desired: Desired) -> ApiRequest:
        """``POST /subscriptions``. Raises ``ValueError`` without starts_at: Zoho would bill from today."""
        if "starts_at" not in desired.at_creation:
            raise ValueError("a subscription is created with its first day")
        return ApiRequest("POST", "/subscriptions", body={**_sent(desired), **desired.at_creation})

    def created(self, reply: ApiReply) -> Found:
        """``{subscription: {subscription_id}}`` (lessons, 12: read otherwise, a success looks like a failure)."""
        return _found(reply.body)

    async def find(
        self,
        remote: Remote,
        row: ServiceRow,
        desired: Desired,
        earlier_keys: Sequence[str],  # noqa: ARG002 - all of a service's keys begin with its id
        terms: Terms,
    ) -> list[Found | NotOurs]:
        """By reference and customer. What ended is history, unless it is the generation that is looked for.

        A living one of another customer is refused: it would be billed beside the one that is created.
        """
        service = str(row.id)
        wanted = generation_of(desired.look_key, service) or 1
        # A list is up to a day old. A backfill goes by it; whoever was just told that the first subscription has ended
        # would find it alive there.
        listed = await remote.listed([service], make=True) if terms.in_backfill and wanted == 1 else None
        if listed is None:
            listed = await _listed(remote, service, row.customer_zoho_id)
        living: list[Found | NotOurs] = []
        ended: list[tuple[int, str, Found]] = []
        for record in listed:
            generation = generation_of(word(record, "reference_id"), service)
            if generation is None:
                continue
            found = Found(word(record, "subscription_id"), record, from_list=True)
            state, stranger = lifecycle_of_record(record), _stranger(found, row, terms)
            if stranger is not None:
                if state == ACTIVE:
                    living.append(NotOurs(found.zoho_id, f"{stranger}: cancel it in Zoho, then replay"))
            elif state == CANCELLED:
                ended.append((generation, word(record, "created_time"), found))
            else:
                living.append(found)
        if living:
            return living
        newest = max(ended, key=lambda each: each[:2], default=None)
        return [newest[2]] if newest is not None and newest[0] >= wanted else []

    def listed_under(self, listed: Mapping[str, JsonValue]) -> Sequence[str]:
        """Its reference, without the generation."""
        service, _, _ = word(listed, "reference_id").partition("#")
        return [service] if service else []

    async def fetch(self, remote: Remote, zoho_id: str) -> Found:
        """``GET /subscriptions/{subscription_id}``."""
        return Found(zoho_id, await SubscriptionInZoho(remote, zoho_id).read())

    def lifecycle(self, record: Mapping[str, JsonValue]) -> str:
        """'active', 'ending' or 'cancelled'."""
        return lifecycle_of_record(record)

    async def examine(
        self,
        remote: Remote,
        row: ServiceRow,
        zoho_id: str,
        desired: Desired,  # noqa: ARG002
        terms: Terms,
    ) -> Found | NotOurs:
        """By External ID where it is set, else by the reference; never one of another customer."""
        try:
            found = await self.fetch(remote, zoho_id)
        except CallFailed as refusal:
            if refusal.failure.kind is FailureKind.NOT_FOUND:
                return NotOurs(zoho_id, f"Zoho has no subscription {zoho_id}: correct or clear zoho_subscription_id")
            raise
        if (stranger := _stranger(found, row, terms)) is not None:
            return NotOurs(zoho_id, f"{stranger}: correct or clear zoho_subscription_id, or correct it in Zoho")
        reference = word(found.record, "reference_id")
        if custom_field(found.record, terms.external_id_label) or generation_of(reference, str(row.id)) is not None:
            return found
        shown = f"the reference {reference!r}" if reference else "no reference"
        return NotOurs(
            zoho_id,
            f"Zoho subscription {zoho_id} has {shown} and no External ID: "
            f"set its reference to {row.id} in Zoho if it is this service's, else clear zoho_subscription_id",
        )

    def differs(self, found: Found, desired: Desired) -> bool:
        """Compares what we send with what the record shows; a list row shows no price, but what it comes to."""
        if desired.lifecycle == CANCELLED:
            return False
        record, plan = found.record, plan_of(desired.content)
        if found.from_list:
            equal = plan_code_of(record) == plan["plan_code"] and amount(record, "amount") == plan["price"]
        else:
            equal = has_plan(record, plan) and costs(record, _price_of(plan))
        service, _, _ = desired.look_key.partition("#")
        return (
            not equal
            or generation_of(word(record, "reference_id"), service) is None
            or not has_fields(record, desired.content.get("custom_fields", []))
            or record.get("auto_collect") is True
        )

    async def update(
        self,
        remote: Remote,
        row: ServiceRow,
        zoho_id: str,
        desired: Desired,
        terms: Terms,
        *,
        was: str | None,
        found: Found | None,
        write_content: bool,
    ) -> Updated:
        """Cancels it; or re-activates it, puts plan and price, and tells the marks that bill nothing."""
        subscription = SubscriptionInZoho(remote, zoho_id)
        if desired.lifecycle == CANCELLED:
            return await _end(subscription, found, terms)
        if was == ACTIVE and not write_content:
            return Updated(ACTIVE)
        in_hand = found is not None and not found.from_list
        record = found.record if found is not None and in_hand else await subscription.read()
        stranger = _of_another(Found(zoho_id, record), row)
        if lifecycle_of_record(record) == ENDING and stranger is None:
            record = await subscription.reactivate()
        if lifecycle_of_record(record) != ACTIVE:
            raise RecordEnded(_following(record, row, desired, terms))
        if stranger is not None:
            raise CannotMap(
                f"{stranger}, and Zoho moves no subscription: cancel it in Zoho, then replay; a new one is created"
            )
        plan = plan_of(desired.content)
        note = None
        if not has_plan(record, plan) or await _is_to_change(subscription, found, plan):
            await self._refuse_other_terms(remote, row, desired, terms)
            body = {**_sent(desired), "reference_id": _reference_kept(record, row)}
            told = _billed_today(record, plan, terms)
            try:
                record, note = await subscription.change_plan(record, body)
                note = note or told
            except CallFailed as refusal:
                # The subscription is there: what does not exist is what the body names.
                if (advice := self.advice(refusal.failure, desired)) is not None:
                    raise CannotMap(advice) from None
                raise
        told_days = service_row.other_days(row, terms, *_bills_on(record)) if was is not None else None
        record = await subscription.tell_marks(record, str(row.id), desired.content.get("custom_fields", []))
        return Updated(ACTIVE, record, "; ".join(filter(None, (note, told_days))) or None)

    async def _refuse_other_terms(self, remote: Remote, row: ServiceRow, desired: Desired, terms: Terms) -> None:
        """A plan that was made after the list was read is asked for by its code. Raises :class:`CannotMap`."""
        code = word(plan_of(desired.content), "plan_code")
        if not code or terms.plans is None or code in terms.plans:
            return
        try:
            shown = (await remote.read(f"/plans/{path_segment(code)}")).get("plan")
        except CallFailed as refusal:
            if (advice := self.advice(refusal.failure, desired)) is not None:
                raise CannotMap(advice) from None
            raise
        if isinstance(shown, Mapping) and shown.get("plan_code") == code:
            service_row.refuse_other_terms(row, as_listed(shown))

    def told_late(self, row: ServiceRow, record: Mapping[str, JsonValue], terms: Terms) -> str | None:
        """What is billed by nobody before the record begins, whichever of the service's it is."""
        begins = _day(record, "activated_at") or _day(record, "next_billing_at")
        if begins is None:
            return None
        if (generation_of(word(record, "reference_id"), str(row.id)) or 1) > 1:
            return _again_from(begins)
        return service_row.untold_before(row, terms, begins)

    def advice(self, failure: Failure, desired: Desired) -> str | None:
        """What a create or a change names that is not in Zoho."""
        if failure.failure_class is not FailureClass.PERMANENT:
            return None
        if failure.code == PLAN_MISSING:
            package = desired.package if isinstance(desired, DesiredSubscription) else ""
            return (
                f"Zoho has no plan with the plan_code {plan_of(desired.content).get('plan_code', '')!r}, which is the "
                f"sku of package {package!r}: create the plan in Zoho or correct the sku, then replay"
            )
        if failure.code == CUSTOMER_MISSING:
            return (
                f"Zoho has no customer {desired.content.get('customer_id', '')}: clear zoho_billing_customer_id "
                "of the customer and have it sent again, then replay"
            )
        return None

    def mismatch(self, record: Mapping[str, JsonValue], desired: Desired) -> str | None:
        """Nothing billed too early, what a term costs, and what the record hangs on."""
        if desired.lifecycle == CANCELLED:
            return None
        problems = [*_born_wrong(record, desired), *_kept_wrong(record, desired)]
        if not problems:
            return None
        return f"Zoho subscription {word(record, 'subscription_id')} {'; it '.join(problems)}"

    def verified(self, record: Mapping[str, JsonValue], desired: Desired) -> Decimal | None:
        """What a term costs."""
        theirs, ours = amount(record, "amount"), amount(plan_of(desired.content), "price")
        return None if theirs is None or ours is None else theirs - ours


def _ended(row: ServiceRow, terms: Terms) -> str | None:
    """Why its subscription is to be cancelled, in words for one that has none; None: it is not."""
    match row.status:
        case "cancelled":
            return "cancelled, and Zoho has no subscription of it: none is created"
        case "suspended" if terms.on_suspend is OnSuspend.CANCEL:
            return "suspended (ZOHO_ON_SUSPEND=cancel), and Zoho has no subscription of it: none is created"
        case _:
            return None


def _sent(desired: Desired) -> dict[str, JsonValue]:
    return {key: value for key, value in desired.content.items() if key != BILLED_FROM}


def _bills_on(record: Mapping[str, JsonValue]) -> tuple[date | None, bool]:
    """When it bills next, and whether that is its first day."""
    return _day(record, "next_billing_at"), has_not_started(record)


def _price_of(plan: Mapping[str, JsonValue]) -> Decimal:
    price = plan["price"]
    if not isinstance(price, Decimal):
        raise TypeError(f"plan.price is {type(price).__name__}")
    return price


def _following(record: Mapping[str, JsonValue], row: ServiceRow, desired: Desired, terms: Terms) -> Desired:
    """What is created after ``record``, which has ended: the same under the next reference."""
    service = str(row.id)
    generation = generation_of(word(record, "reference_id"), service) or 1
    reference = reference_of(service, generation + 1)
    at_creation: dict[str, JsonValue] = {"reference_id": reference}
    note = None
    if (day := service_row.restart_of(row, terms, paid_to=_term_end(record))) is not None:
        at_creation["starts_at"] = day.isoformat()
        note = _again_from(day)
    return replace(desired, look_key=reference, at_creation=at_creation, note=note)


def _billed_today(record: Mapping[str, JsonValue], plan: Mapping[str, JsonValue], terms: Terms) -> str | None:
    """A price that reaches Zoho on the day on which a term began was perhaps meant for it: a change of this morning, or
    of last night while Zoho could not be told. It counts from the next term on (decisions.md, Subscriptions)."""
    begun, before, price = _day(record, "current_term_starts_at"), amount(record, "amount"), _price_of(plan)
    if begun != terms.today or before is None or before == price:
        return None
    return (
        f"Zoho billed the term from {begun} at {before} before it was told of {price}, which counts from the next term "
        "on: correct its invoice in Zoho by hand if the new price was agreed for it"
    )


def _again_from(day: date) -> str:
    return f"billed by Zoho again from {day}: raise by hand what is owed for the days before"


def _term_end(record: Mapping[str, JsonValue]) -> date | None:
    """To when Zoho has billed: a cancellation at once leaves the rest of its term paid for."""
    return _day(record, "current_term_ends_at")


def _day(record: Mapping[str, JsonValue], key: str) -> date | None:
    try:
        return date.fromisoformat(word(record, key)[:10])
    except ValueError:
        return None


def _stranger(found: Found, row: ServiceRow, terms: Terms) -> str | None:
    """Whose it is, where it is not this row's, whatever its reference says."""
    holder = custom_field(found.record, terms.external_id_label)
    if holder and holder != str(row.id):
        return f"Zoho subscription {found.zoho_id} has the External ID {holder}, which is another row's"
    return _of_another(found, row)


def _of_another(found: Found, row: ServiceRow) -> str | None:
    """Whose it is, where it is another customer's, as far as both are known."""
    customer = customer_of(found.record)
    if not customer or row.customer_zoho_id in (None, customer):
        return None
    return (
        f"Zoho subscription {found.zoho_id} belongs to Zoho customer {customer}, and the service to "
        f"{row.customer_zoho_id} ({row.customer.named})"
    )


def _reference_kept(record: Mapping[str, JsonValue], row: ServiceRow) -> str:
    """The record's own where it is one of this service's: no source says that a PUT keeps what it does not name."""
    reference = word(record, "reference_id")
    return str(row.id) if generation_of(reference, str(row.id)) is None else reference


async def _is_to_change(subscription: SubscriptionInZoho, found: Found | None, plan: Mapping[str, JsonValue]) -> bool:
    """Whether another plan or price is scheduled: a price that went up and back is right today and wrong next term.

    One that was found in a list is new to us, and nothing of ours can be scheduled for it.
    """
    if found is not None and found.from_list:
        return False
    scheduled = await subscription.scheduled()
    return scheduled is not None and not has_plan(scheduled, plan)


async def _end(subscription: SubscriptionInZoho, found: Found | None, terms: Terms) -> Updated:
    note = None
    try:
        ended = found is not None and lifecycle_of_record(found.record) == CANCELLED
        if not ended:
            # A list is up to a day old, and may call future what began since.
            fresh = found is not None and not found.from_list
            record = found.record if found is not None and fresh else await subscription.read()
            await subscription.cancel(record, terms.cancel_at)
            note = _paid_beyond(record)
    except CallFailed as refusal:
        if refusal.failure.kind is not FailureKind.NOT_FOUND:
            raise
        return Updated(CANCELLED, note=f"Zoho has no subscription {subscription.zoho_id} any more: nothing to cancel")
    return Updated(CANCELLED, note=note)


def _paid_beyond(record: Mapping[str, JsonValue]) -> str | None:
    """One that was made elsewhere on a plan of a year: its customer has paid far ahead, and Zoho pays nothing back."""
    term, ends = term_of(record), _term_end(record)
    if term is None or term.is_a_month or ends is None:
        return None
    return f"Zoho has billed it to {ends} ({term.words}): raise a credit note in Zoho for what is not used of it"


async def _listed(remote: Remote, service: str, customer_zoho_id: str | None) -> list[Mapping[str, JsonValue]]:
    """List rows to compare with: by reference; where that is refused, those of the customer, or all."""
    of_customer = ALL if customer_zoho_id is None else {**ALL, "customer_id": customer_zoho_id}
    for query in ({**ALL, "reference_contains": service}, of_customer):
        try:
            return [row async for row in remote.rows("/subscriptions", "subscriptions", query)]
        except CallFailed as refusal:
            if query is of_customer or refusal.failure.failure_class is not FailureClass.PERMANENT:
                raise
    raise AssertionError("the second list was read or raised")


def _born_wrong(record: Mapping[str, JsonValue], desired: Desired) -> Iterator[str]:
    """What is wrong with a record that was just created."""
    if not isinstance(desired, DesiredSubscription) or desired.begins_later is None:
        return
    if lifecycle_of_record(record) == CANCELLED:
        yield f"is {word(record, 'status')} right after it was created: look in Zoho why, then replay"
    invoice = word(record, "child_invoice_id")
    # It was made ready before midnight and arrived after it: then its first day had come.
    has_come = not desired.never_today and word(record, "created_time")[:10] == desired.at_creation["starts_at"]
    if desired.begins_later and invoice and not has_come:
        yield f"has invoice {invoice} although it begins on {desired.at_creation['starts_at']}: void it in Zoho"


def _kept_wrong(record: Mapping[str, JsonValue], desired: Desired) -> Iterator[str]:
    """What the record shows otherwise than it was sent. A reply need not show everything, but what it costs."""
    plan, fields = plan_of(desired.content), desired.content.get("custom_fields", [])
    term = term_of(record)
    if term is not None and not term.is_a_month:
        yield (
            f"bills {term.words}, and monthly_price {plan['price']} is for one month: cancel it in Zoho, sell the "
            "service under a package whose plan bills every month, then replay"
        )
    if not costs(record, _price_of(plan)):
        yield (
            f"costs {amount(record, 'amount')} a term where monthly_price is {plan['price']}: prices include tax, so "
            "look in Zoho at the plan's tax, its add-ons and coupons, correct them, then replay"
        )
    for key, shown, sent in (
        ("plan", plan_code_of(record), plan["plan_code"]),
        ("customer", customer_of(record), desired.content["customer_id"]),
    ):
        if shown and shown != sent:
            yield f"has the {key} {shown} where {sent} was sent: look in Zoho who changed it, then replay"
    service, _, _ = desired.look_key.partition("#")
    if "reference_id" in record and generation_of(word(record, "reference_id"), service) is None:
        yield f"did not keep its reference: set it to {desired.look_key} in Zoho"
    if record.get("custom_fields") and not has_fields(record, fields):
        yield "did not keep the custom field that holds the row's id: check it in Zoho under Settings"


def _found(body: Mapping[str, JsonValue]) -> Found:
    record = subscription_in(body)
    if record is None or not word(record, "subscription_id"):
        raise KeyError("subscription_id")
    return Found(word(record, "subscription_id"), record)
