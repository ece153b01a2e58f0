"""Customers: create, list, read, change, delete, activate, deactivate (sheet 2.1)."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from outbox.simulator import custom_fields, undocumented
from outbox.simulator.books import Books, Record
from outbox.simulator.calls import Call
from outbox.simulator.clock import zoho_time
from outbox.simulator.paging import list_reply
from outbox.simulator.replies import (
    Creation,
    Reply,
    bad_parameter,
    bad_value,
    customer_has_subscription,
    customer_has_transactions,
    customer_missing,
    customer_name_taken,
    success,
    unknown_address,
    wrong_method,
)
from outbox.simulator.settings import SimulatorSettings, Undocumented
from outbox.simulator.subscriptions import has_living_subscription

TEXT_FIELDS: dict[str, int | None] = {
    "display_name": 100,
    "salutation": None,
    "first_name": None,
    "last_name": None,
    "email": None,
    "company_name": None,
    "phone": 50,
    "mobile": 50,
    "department": None,
    "designation": None,
    "website": None,
    "payment_terms_label": 100,
    "currency_code": None,
    "twitter": None,
    "facebook": None,
    "skype": None,
    "notes": None,
    "fax": None,
    "gst_no": None,
    "gst_treatment": None,
    "place_of_contact": None,
    "vat_treatment": None,
    "vat_reg_no": None,
    "tax_reg_no": None,
    "tds_tax_id": None,
    "tax_treatment": None,
    "tax_regime": None,
    "tax_id": None,
    "tax_authority_id": None,
    "tax_authority_name": None,
    "tax_exemption_id": None,
    "tax_exemption_code": None,
}
"""Text fields of the bodies, with the longest value accepted where the sheet has a (guessed) figure."""

BOOLEAN_FIELDS = frozenset({"is_portal_enabled", "ach_supported", "is_tds_registered"})

ADDRESS_FIELDS = ("attention", "street", "city", "state", "zip", "country", "state_code", "fax")
LONGEST_ADDRESS_LINE = 255

_COMPOUND_FIELDS = frozenset(
    {"billing_address", "shipping_address", "custom_fields", "tags", "default_templates", "is_taxable"}
)
_ONLY_IN_UPDATE = frozenset({"fax"})
_ONLY_IN_CREATE = frozenset(
    {"department", "designation", "website", "notes", "payment_terms", "payment_terms_label", "ach_supported"}
)
_EVERY_FIELD = frozenset(TEXT_FIELDS) | BOOLEAN_FIELDS | _COMPOUND_FIELDS | {"payment_terms"}

CREATE_FIELDS = _EVERY_FIELD - _ONLY_IN_UPDATE
"""Keys of create-a-customer-request."""
UPDATE_FIELDS = _EVERY_FIELD - _ONLY_IN_CREATE
"""Keys of update-a-customer-request: it lacks notes, payment terms and a few more (sheet 2.1)."""

SHAPED_FIELDS = frozenset({"billing_address", "shipping_address", "custom_fields", "tags"})
"""Fields that are read in another shape than they are written in."""

_SHOWN_AS_GIVEN = _EVERY_FIELD - SHAPED_FIELDS - {"fax"}

LIST_FIELDS = (
    "customer_id",
    "display_name",
    "salutation",
    "company_name",
    "first_name",
    "last_name",
    "email",
    "phone",
    "mobile",
    "website",
    "department",
    "designation",
    "status",
    "currency_code",
    "unused_credits",
    "outstanding",
    "payment_terms",
    "payment_terms_label",
    "is_gapps_customer",
    "created_time",
    "updated_time",
)
"""What a list row keeps of a customer: no addresses, no custom fields, no notes (sheet 2.1)."""


def create(call: Call) -> Reply:
    """``POST /customers``: 201. Creates whatever it is asked; nothing makes it idempotent (sheet 0.3)."""
    customer = add(call, call.body_object(CREATE_FIELDS))
    return success(
        "The customer has been added.",
        {"customer": customer},
        status=HTTPStatus.CREATED,
        creation=creation_of(customer),
    )


def add(call: Call, sent: dict[str, Any]) -> Record:
    """A new customer in the books, from a body without unknown keys. Raises Refusal 400, with nothing done."""
    if not isinstance(sent.get("display_name"), str) or not sent["display_name"].strip():
        raise bad_value("display_name")
    if call.settings.customers.email_required and not sent.get("email"):
        raise bad_value("email")
    _check(call, sent)
    _check_name(call, sent["display_name"], None)
    customer = blank_customer(call.books, call.now)
    write(customer, sent, call.settings)
    call.books.customers.put(customer, call.now)
    return customer


def creation_of(customer: Record) -> Creation:
    """A made customer by the keys by which one would find it again."""
    return Creation("customers", {"display_name": customer["display_name"], **custom_fields.keys_of(customer)})


def create_without_id(call: Call) -> Reply:
    """``PUT /customers`` as Books has it (sheet 0.1); the key that its headers name is not looked at."""
    match call.settings.undocumented.customers_upsert:
        case Undocumented.ON | Undocumented.IGNORED:
            return create(call)
        case Undocumented.BAD_REQUEST:
            raise wrong_method()
        case Undocumented.NOT_FOUND:
            raise unknown_address()


def list_all(call: Call) -> Reply:
    """``GET /customers``: thin rows. Unknown parameters are ignored; an unknown filter_by is 400/2."""
    wanted = call.query.get("filter_by", "Status.All")
    accepts = _FILTERS.get(wanted)
    if accepts is None:
        raise bad_parameter("filter_by")
    customers = call.books.customers
    switches = call.settings.undocumented
    asked = undocumented.honoured(call, "email", switches.customers_email)
    asked |= undocumented.honoured(call, "phone", switches.customers_phone)
    rows = customers.matching(asked)
    if wanted != "Status.All":
        rows = (row for row in rows if accepts(call.books, row))
    return list_reply(
        call,
        "customers",
        rows,
        of=customers,
        thin=list_row,
        report_name="All Contacts",
        applied_filter=wanted,
    )


def read(call: Call) -> Reply:
    """``GET /customers/{customer_id}``: 200, or 400/3004."""
    return success("success", {"customer": _existing(call)})


def read_by_crm_reference(call: Call) -> Reply:
    """``GET /customers/reference/{reference_id}``: by the id of a CRM account or contact alone."""
    kind = call.query.get("reference_id_type", "zcrm_account_id")
    if kind not in {"zcrm_account_id", "zcrm_contact_id"}:
        raise bad_parameter("reference_id_type")
    wanted = call.arguments["reference_id"]
    for customer in call.books.customers:
        if customer[kind] == wanted:
            return success("success", {"customer": customer})
    raise customer_missing()


def update(call: Call) -> Reply:
    """``PUT /customers/{customer_id}``: 200.

    What is not sent stays; a custom field not sent stays; an address sent replaces the whole address. The
    sheet is silent on all three.
    """
    old = _existing(call)
    sent = call.body_object(UPDATE_FIELDS)
    if "display_name" in sent and (not isinstance(sent["display_name"], str) or not sent["display_name"].strip()):
        raise bad_value("display_name")
    _check(call, sent)
    if "display_name" in sent:
        _check_name(call, sent["display_name"], old["customer_id"])
    changed = dict(old)
    write(changed, sent, call.settings)
    changed["updated_time"] = zoho_time(call.now, call.books.zone)
    call.books.customers.put(changed)
    return success("Customer information has been saved.", {"customer": changed})


def delete(call: Call) -> Reply:
    """``DELETE /customers/{customer_id}``: 200; a second time 400/3004; refused with transactions (a
    guess)."""
    customer_id = _existing(call)["customer_id"]
    books = call.books
    if any(kind.having("customer_id", customer_id) for kind in (books.transactions, books.invoices, books.payments)):
        raise customer_has_transactions()
    call.books.customers.remove(customer_id)
    return success("The customer has been deleted.")


def mark_as_active(call: Call) -> Reply:
    """``POST /customers/{customer_id}/markasactive``: 200, also where it is active (a guess)."""
    _set_status(call, _existing(call), "active")
    return success("The customer has been marked as active.")


def mark_as_inactive(call: Call) -> Reply:
    """``POST /customers/{customer_id}/markasinactive``: 200, refused where a subscription lives."""
    customer = _existing(call)
    if has_living_subscription(call.books, customer["customer_id"]):
        raise customer_has_subscription()
    _set_status(call, customer, "inactive")
    return success("The customer has been marked as inactive.")


def blank_customer(books: Books, now: float) -> Record:
    """A customer as the create reply was recorded (sheet 2.1), with "" for what is absent."""
    organisation = books.organisation
    time = zoho_time(now, books.zone)
    return {
        "customer_id": books.next_id(),
        "display_name": "",
        "salutation": "",
        "company_name": "",
        "status": "active",
        "currency_id": books.currency_id,
        "currency_code": organisation.currency_code,
        "currency_symbol": organisation.currency_symbol,
        "price_precision": organisation.price_precision,
        "source": "api",
        "payment_reminder_enabled": True,
        "unused_credits": 0,
        "outstanding_receivable_amount": 0,
        "outstanding": 0,
        "first_name": "",
        "last_name": "",
        "email": "",
        "phone": "",
        "mobile": "",
        "website": "",
        "department": "",
        "designation": "",
        "pricebook_id": "",
        "zcrm_account_id": "",
        "zcrm_contact_id": "",
        "custom_fields": [],
        "tags": [],
        "documents": [],
        "payment_terms": 0,
        "payment_terms_label": "Due On Receipt",
        "is_portal_enabled": False,
        "is_gapps_customer": False,
        "is_linked_with_zohocrm": False,
        "billing_address": _address({}),
        "shipping_address": _address({}),
        "primary_contactperson_id": books.next_id(),
        "can_add_card": True,
        "can_add_bank_account": False,
        "notes": "",
        "created_time": time,
        "updated_time": time,
        "default_templates": {},
    }


def list_row(customer: Record) -> Record:
    """The thin row of a list. `contact_id`, `customer_name` and `created_by` are as Airbyte's connector reads
    them."""
    row = {name: customer[name] for name in LIST_FIELDS}
    row["contact_id"] = row["customer_id"]
    row["customer_name"] = row["display_name"]
    row["created_by"] = "api"
    row["has_attachment"] = False
    return row


def _existing(call: Call) -> Record:
    customer = call.books.customers.get(call.arguments["customer_id"])
    if customer is None:
        raise customer_missing()
    return customer


def _set_status(call: Call, customer: Record, status: str) -> None:
    call.books.customers.put(
        {**customer, "status": status, "updated_time": zoho_time(call.now, call.books.zone)},
    )


def write(customer: Record, sent: dict[str, Any], settings: SimulatorSettings) -> None:
    """Put the fields of a checked body into `customer`, in Zoho's read shape; what is not sent stays."""
    for name, value in sent.items():
        if name in _SHOWN_AS_GIVEN:
            customer[name] = value
    for name in ("billing_address", "shipping_address"):
        if name in sent:
            customer[name] = _address(sent[name])
    if "tags" in sent:
        customer["tags"] = [{**tag, "is_tag_mandatory": "false"} for tag in sent["tags"]]
    if "custom_fields" in sent:
        customer["custom_fields"] = custom_fields.merged(customer["custom_fields"], sent["custom_fields"], settings)


def _address(sent: dict[str, str]) -> dict[str, str]:
    return {name: sent.get(name, "") for name in ADDRESS_FIELDS}


def _check_name(call: Call, name: str, own_id: str | None) -> None:
    if call.settings.customers.allow_duplicate_display_names:
        return
    if any(other["customer_id"] != own_id for other in call.books.customers.having("display_name", name)):
        raise customer_name_taken(name)


def _check(call: Call, sent: dict[str, Any]) -> None:
    limited = call.settings.customers.enforce_length_limits
    for name, value in sent.items():
        if name in TEXT_FIELDS:
            _check_text(name, value, TEXT_FIELDS[name] if limited else None)
        elif name in BOOLEAN_FIELDS and not isinstance(value, bool):
            raise bad_value(name)
    terms = sent.get("payment_terms", 0)
    if isinstance(terms, bool) or not isinstance(terms, int):
        raise bad_value("payment_terms")
    if not isinstance(sent.get("is_taxable", True), bool | str):
        raise bad_value("is_taxable")
    if not isinstance(sent.get("default_templates", {}), dict):
        raise bad_value("default_templates")
    tags = sent.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, dict) for tag in tags):
        raise bad_value("tags")
    email = sent.get("email", "")
    if email and ("@" not in email or email != email.strip()):
        raise bad_value("email")
    for name in ("billing_address", "shipping_address"):
        _check_address(call, name, sent.get(name, {}), LONGEST_ADDRESS_LINE if limited else None)
    custom_fields.check(call, sent.get("custom_fields", []), custom_fields.LONGEST_VALUE if limited else None)


def _check_text(name: str, value: object, longest: int | None) -> None:
    if not isinstance(value, str) or (longest is not None and len(value) > longest):
        raise bad_value(name)


def _check_address(call: Call, name: str, address: object, longest: int | None) -> None:
    if not isinstance(address, dict):
        raise bad_value(name)
    for line, text in address.items():
        if line in ADDRESS_FIELDS:
            _check_text(line, text, longest)
        else:
            call.note_unknown([f"{name}.{line}"])


_FILTERS: dict[str, Callable[[Books, Record], bool]] = {
    "Status.All": lambda _books, _row: True,
    "Status.Active": lambda _books, row: bool(row["status"] == "active"),
    "Status.Inactive": lambda _books, row: bool(row["status"] == "inactive"),
    "Status.Gapps": lambda _books, row: bool(row["is_gapps_customer"]),
    "Status.Crm": lambda _books, row: bool(row["is_linked_with_zohocrm"]),
    "Status.NonSubscribers": lambda books, row: not books.subscriptions.having("customer_id", row["customer_id"]),
    "Status.PortalEnabled": lambda _books, row: bool(row["is_portal_enabled"]),
    "Status.PortalDisabled": lambda _books, row: not row["is_portal_enabled"],
}
