"""What of requests and replies may be kept in ``zoho_sync_logs`` (``OUTBOX_LOG_PAYLOADS``).

Masked are names, e-mail, phones, addresses, tax numbers, notes and contact persons: their first letter stays.
Ids, amounts, dates, states and codes stay whole, so that a masked log still explains what happened.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from enum import Enum, auto
from functools import lru_cache
from typing import assert_never

from outbox.settings import LogPayloads

DEFAULT_KEPT_LABELS = ("External ID", "Account Number")

_PERSONAL_KEYS = frozenset(
    {
        "attention",
        "street",
        "street1",
        "street2",
        "city",
        "county",
        "state",
        "zip",
        "zipcode",
        "zip_code",
        "postal_code",
        "phone",
        "mobile",
        "fax",
        "email",
        "salutation",
        "designation",
        "department",
        "website",
        "twitter",
        "facebook",
        "skype",
        "notes",
        "note",
        "comments",
        "remarks",
        "gst_no",
        "vat_reg_no",
        "tax_number",
        "tax_reg_no",
        "tax_registration_number",
        "abn",
        "id_number",
        "bank_account_number",
        "last_four_digits",
    }
)
_PERSONAL_ENDINGS = ("email", "phone", "mobile", "fax", "_notes")
# Names of things, not of people.
_IMPERSONAL_NAMES = frozenset(
    {
        "plan_name",
        "product_name",
        "addon_name",
        "coupon_name",
        "item_name",
        "tax_name",
        "tax_authority_name",
        "template_name",
        "report_name",
        "currency_name",
        "payment_mode_name",
        "entity_name",
        "field_name",
        "api_name",
        "pricebook_name",
    }
)
_THINGS = frozenset(
    {
        "plan",
        "plans",
        "product",
        "products",
        "addon",
        "addons",
        "item",
        "items",
        "invoice_items",
        "line_items",
        "tax",
        "taxes",
        "coupon",
        "templates",
        "default_templates",
    }
)
_ADDRESS_KEPT = frozenset({"country", "country_code", "state_code", "address_id"})

_EMAIL = re.compile(r"[^\s\"'<>@,;=]+@[^\s\"'<>@,;]+")
# From the first to the last quote: a quoted name may hold quotes itself, and hiding too much is safe.
_QUOTED = re.compile(r"([\"“])(.+)([\"”])", re.DOTALL)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """``text`` with what PostgreSQL's jsonb cannot hold (NUL, lone surrogates) replaced by U+FFFD."""
    if text.isascii() and "\0" not in text:  # nearly all of it; the pattern costs five times as much
        return text
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def mask_text(text: str) -> str:
    """The first letter and three dots, whatever the length; empty stays empty."""
    return f"{storable(text[0])}•••" if text else text


def mask_message(message: str, mode: LogPayloads = LogPayloads.MASKED) -> str:
    """Zoho's words without what they quote: ``The customer "X…" already exists`` names a customer (3062).

    ``full`` keeps them; ``none`` masks like ``masked``: an error that says nothing helps nobody.
    """
    message = storable(message)
    if mode is LogPayloads.FULL:
        return message
    hidden = _QUOTED.sub(lambda found: found[1] + mask_text(found[2]) + found[3], message)
    return _EMAIL.sub(lambda found: mask_text(found[0]), hidden)


def mask(payload: object, mode: LogPayloads, *, kept_labels: Collection[str] = DEFAULT_KEPT_LABELS) -> object | None:
    """A copy of a JSON payload that may be stored: None in mode ``none``, unmasked in ``full``.

    ``kept_labels`` are the labels of the custom fields whose values are ids (``ZOHO_EXTERNAL_ID_FIELD``,
    ``ZOHO_ACCOUNT_NUMBER_FIELD``). Decimals stay Decimals; text that jsonb refuses is replaced in every mode.
    """
    if mode is LogPayloads.NONE:
        return None
    if mode is LogPayloads.FULL:
        return _storable_tree(payload)
    kept = frozenset(_normal_label(label) for label in kept_labels)
    return _masked(payload, parent="", kept=kept)


def _normal_label(label: str) -> str:
    return label.casefold().replace(" ", "_").removeprefix("cf_")


def _storable_tree(value: object) -> object:
    if isinstance(value, Mapping):
        return {storable(str(key)): _storable_tree(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_storable_tree(item) for item in value]
    return _storable_leaf(value)


def _storable_leaf(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Decimal) and not value.is_finite():
        return str(value)
    return value


def _masked(value: object, *, parent: str, kept: frozenset[str]) -> object:
    if isinstance(value, str):
        text = storable(value)
        return _EMAIL.sub(lambda found: mask_text(found[0]), text) if "@" in text else text
    if value is None or isinstance(value, int | Decimal):  # before the abstract classes, which ask ten times as long
        return _storable_leaf(value)
    if isinstance(value, Mapping):
        if parent in {"custom_fields", "custom_field"}:
            return _masked_custom_field(value, kept)
        return {storable(str(key)): _masked_item(str(key), item, parent, kept) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_masked(item, parent=parent, kept=kept) for item in value]
    return _storable_leaf(value)


class _Handling(Enum):
    """What is done to the value of a key."""

    MESSAGE = auto()
    ADDRESS = auto()
    HIDDEN = auto()
    LOOKED_INTO = auto()


def _masked_item(key: str, value: object, parent: str, kept: frozenset[str]) -> object:
    name, handling = _handling(key, parent, kept)
    match handling:
        case _Handling.MESSAGE if isinstance(value, str):
            return mask_message(value)
        case _Handling.ADDRESS:
            return _masked_address(value)
        case _Handling.HIDDEN:
            return _hidden(value)
        case _Handling.MESSAGE | _Handling.LOOKED_INTO:
            return _masked(value, parent=name, kept=kept)
        case _:
            assert_never(handling)


@lru_cache(maxsize=4096)  # Zoho's keys are few hundred, and each reply has a hundred of them
def _handling(key: str, parent: str, kept: frozenset[str]) -> tuple[str, _Handling]:
    """The key's name, case apart, and how its value is handled below ``parent``."""
    name = key.casefold()
    if name == "message":
        return name, _Handling.MESSAGE
    if name.startswith("cf_"):
        return name, _Handling.LOOKED_INTO if _normal_label(name) in kept else _Handling.HIDDEN
    if name.endswith("address"):
        return name, _Handling.ADDRESS
    return name, _Handling.HIDDEN if _is_personal(name, parent) else _Handling.LOOKED_INTO


def _is_personal(name: str, parent: str) -> bool:
    if name in _PERSONAL_KEYS or name.endswith(_PERSONAL_ENDINGS):
        return True
    if name == "name" or name.endswith("_name"):
        return name not in _IMPERSONAL_NAMES and not (name == "name" and parent in _THINGS)
    return False


def _masked_address(value: object) -> object:
    if not isinstance(value, Mapping):
        return _hidden(value)
    return {
        storable(str(key)): _storable_leaf(item) if str(key) in _ADDRESS_KEPT else _hidden(item)
        for key, item in value.items()
    }


def _masked_custom_field(field: Mapping[object, object], kept: frozenset[str]) -> object:
    keep = _normal_label(str(field.get("label", ""))) in kept
    return {
        storable(str(key)): _hidden(item) if str(key).startswith("value") and not keep else _storable_leaf(item)
        for key, item in field.items()
    }


def _hidden(value: object) -> object:
    if isinstance(value, str):
        return mask_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {storable(str(key)): _hidden(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_hidden(item) for item in value]
    return "•••"
