"""Zoho's OpenAPI files, patched in memory, as judges of requests and replies. See README.md."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator
from jsonschema.validators import extend

FOLDER = Path(__file__).parent

Document = dict[str, Any]


@dataclass(frozen=True)
class Patch:
    """One mend of a file that Zoho published. `apply` raises LookupError where there is nothing to mend."""

    file: str
    what: str
    evidence: str
    apply: Callable[[Document], None]


@dataclass(frozen=True)
class Operation:
    """What the files say about one METHOD and path."""

    file: str
    request: Document | None
    replies: dict[int, Document]


def request_faults(method: str, template: str, body: object) -> list[str]:
    """What is wrong with a request body, unknown keys included; empty: nothing.

    `template` is a path as the files write it, such as ``/customers/{customer_id}``. Numbers may be Decimal.
    Raises LookupError where the files have no such operation, or one without a body.
    """
    operation = _operations()[method, template]
    if operation.request is None:
        raise LookupError(f"{method} {template} has no body")
    return _faults(operation.request, _strict_components(operation.file), body)


def reply_faults(method: str, template: str, status: int, body: object) -> list[str]:
    """What is wrong with a success reply; empty: nothing. More keys than specified are allowed.

    Raises LookupError where the files do not know the operation or the status.
    """
    operation = _operations()[method, template]
    return _faults(operation.replies[status], _components(operation.file), body)


def operations(file: str) -> list[tuple[str, str]]:
    """METHOD and path of every operation in `file`."""
    return [key for key, operation in _operations().items() if operation.file == file]


def request_properties(method: str, template: str) -> frozenset[str]:
    """The top-level keys of a request body."""
    operation = _operations()[method, template]
    if operation.request is None:
        raise LookupError(f"{method} {template} has no body")
    name = operation.request["$ref"].rsplit("/", 1)[1]
    return frozenset(_components(operation.file)["schemas"][name]["properties"])


def document(file: str) -> Document:
    """A whole file, patched. The caller may change it."""
    return deepcopy(_document(file))


def _faults(schema: Document, components: Document, body: object) -> list[str]:
    validator = _Validator({**schema, "components": components})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]


def _is_number(_checker: object, value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


_Validator = extend(  # type: ignore[no-untyped-call]  # jsonschema has no types here
    Draft7Validator,
    type_checker=Draft7Validator.TYPE_CHECKER.redefine("number", _is_number),
)


def _not_required(schema: str, *names: str) -> Callable[[Document], None]:
    def apply(loaded: Document) -> None:
        required: list[str] = loaded["components"]["schemas"][schema]["required"]
        for name in names:
            if name not in required:
                raise LookupError(f"{schema} does not require {name}")
            required.remove(name)

    return apply


def _lines_not_required(schema: str, *names: str) -> Callable[[Document], None]:
    def apply(loaded: Document) -> None:
        lines = loaded["components"]["schemas"][schema]["properties"]["invoice_items"]["items"]
        for name in names:
            if name not in lines["required"]:
                raise LookupError(f"invoice_items of {schema} do not require {name}")
            lines["required"].remove(name)

    return apply


_NUMBER_OR_TEXT = ["number", "string"]


def _number_or_text(*names: str) -> Callable[[Document], None]:
    def apply(loaded: Document) -> None:
        for name in names:
            schema = loaded["components"]["schemas"][name]
            if schema["type"] == _NUMBER_OR_TEXT:
                raise LookupError(f"{name} has both types already")
            schema["type"] = list(_NUMBER_OR_TEXT)

    return apply


def _not_required_within(schema: str, part: str, *names: str) -> Callable[[Document], None]:
    def apply(loaded: Document) -> None:
        required: list[str] = loaded["components"]["schemas"][schema]["properties"][part]["required"]
        for name in names:
            if name not in required:
                raise LookupError(f"{part} of {schema} does not require {name}")
            required.remove(name)

    return apply


def _new_or_old_customer(loaded: Document) -> None:
    schema = loaded["components"]["schemas"]["create-a-subscription-request"]
    for name in ("customer", "customer_id"):
        if name not in schema["required"]:
            raise LookupError(f"a subscription does not require {name}")
        schema["required"].remove(name)
    schema["oneOf"] = [{"required": ["customer"]}, {"required": ["customer_id"]}]


def _invoices_custom_fields_are_objects(loaded: Document) -> None:
    schemas = loaded["components"]["schemas"]
    read = schemas["retrieve-an-invoice-response"]["properties"]["invoice"]["properties"]["custom_fields"]
    if schemas["custom_fields"]["items"] == read["items"]:
        raise LookupError("custom_fields are objects already")
    schemas["custom_fields"]["items"] = deepcopy(read["items"])


def _update_reply_templates_are_an_object(loaded: Document) -> None:
    customer = loaded["components"]["schemas"]["update-a-customer-response"]["properties"]["customer"]
    wrong = customer["properties"]["default_templates"]
    if wrong["type"] != "array":
        raise LookupError("default_templates is no array any more")
    customer["properties"]["default_templates"] = wrong["items"]


def _no_prose_as_number(loaded: Document) -> None:
    wrong = [
        schema
        for schema in _objects(loaded)
        if schema.get("type") in {"number", "integer"} and isinstance(schema.get("default"), str)
    ]
    if not wrong:
        raise LookupError("no number has prose for its default")
    for schema in wrong:
        del schema["default"]


def _line_item_parameter_has_the_paths_name(loaded: Document) -> None:
    path = loaded["paths"]["/subscriptions/{subscription_id}/lineitems/{plan_or_addon_code}"]
    wrong = [each for each in _objects(path) if each.get("in") == "path" and each.get("name") == "plan_code"]
    if not wrong:
        raise LookupError("no parameter plan_code")
    for parameter in wrong:
        parameter["name"] = "plan_or_addon_code"


PATCHES: tuple[Patch, ...] = (
    *(
        Patch(
            "customers.yml",
            f"{schema}: tax_authority_id and tax_authority_name are not required",
            "the file's own x-required_info: for applying Tax exemption to a customer",
            _not_required(schema, "tax_authority_id", "tax_authority_name"),
        )
        for schema in ("create-a-customer-request", "update-a-customer-request")
    ),
    *(
        Patch(
            "customers.yml",
            f"{schema}: email is not required",
            "API sheet 2.1: a customer without e-mail was synced",
            _not_required(schema, "email"),
        )
        for schema in ("create-a-customer-request", "update-a-customer-request")
    ),
    Patch(
        "customers.yml",
        "update-a-customer-response: default_templates is an object",
        "the file's create and read replies; a recorded update reply",
        _update_reply_templates_are_an_object,
    ),
    Patch(
        "subscription.yml",
        "prose is no default of a number",
        "openapi-spec-validator refuses it (API sheet 7)",
        _no_prose_as_number,
    ),
    Patch(
        "subscription.yml",
        "the parameter of /lineitems/{plan_or_addon_code} has the path's name",
        "openapi-spec-validator refuses it (API sheet 7)",
        _line_item_parameter_has_the_paths_name,
    ),
    Patch(
        "subscription.yml",
        "create-a-subscription-request: one of customer and customer_id",
        "the file's own description of the operation; API sheet 2.3 and 7",
        _new_or_old_customer,
    ),
    Patch(
        "subscription.yml",
        "create-a-subscription-request: email and tax authority of its customer are not required",
        "as in customers.yml; API sheet 7",
        _not_required_within(
            "create-a-subscription-request", "customer", "email", "tax_authority_id", "tax_authority_name"
        ),
    ),
    *(
        Patch(
            "subscription.yml",
            f"{schema}: card_id and account_id are not required",
            "the file's own x-required_info: for auto_collect",
            _not_required(schema, "card_id", "account_id"),
        )
        for schema in ("create-a-subscription-request", "update-a-subscription-request")
    ),
    *(
        Patch(
            "subscription.yml",
            f"{schema}: tax_id of the plan is not required",
            "the file's own x-required_info; API sheet 7",
            _not_required_within(schema, "plan", "tax_id"),
        )
        for schema in ("create-a-subscription-request", "update-a-subscription-request")
    ),
    *(
        Patch(
            "invoices.yml",
            f"invoice_items of {schema}: product_id and rate are not required",
            "API sheet 2.4 and 7: lines without product_id are used in production; rate has no property",
            _lines_not_required(schema, "product_id", "rate"),
        )
        for schema in ("create-an-invoice-request", "update-an-invoice-request")
    ),
    Patch(
        "invoices.yml",
        "price, quantity, item_total and adjustment are numbers or text",
        "API sheet 1.7 and 7: the files type them now one way, now the other, and give numbers as examples",
        _number_or_text("price", "quantity", "item_total", "adjustment"),
    ),
    Patch(
        "invoices.yml",
        "custom_fields of the create and update replies are objects, not text",
        "the file's own read reply; API sheet 1.7",
        _invoices_custom_fields_are_objects,
    ),
)

FILES = (
    "customers.yml",
    "subscription.yml",
    "invoices.yml",
    "payments.yml",
    "refunds.yml",
    "settings.yml",
    "plans.yml",
    "products.yml",
)


@cache
def _document(file: str) -> Document:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loaded: Document = yaml.load((FOLDER / file).read_text(encoding="utf-8"), Loader=loader)
    for patch in PATCHES:
        if patch.file == file:
            patch.apply(loaded)
    return loaded


@cache
def _components(file: str) -> Document:
    components: Document = _document(file)["components"]
    return components


@cache
def _strict_components(file: str) -> Document:
    components = deepcopy(_components(file))
    for schema in _objects(components["schemas"]):
        if isinstance(schema.get("properties"), dict):
            schema["additionalProperties"] = False
    return components


@cache
def _operations() -> dict[tuple[str, str], Operation]:
    found: dict[tuple[str, str], Operation] = {}
    for file in FILES:
        for template, path in _document(file)["paths"].items():
            for method in {"get", "post", "put", "delete"} & set(path):
                body = path[method].get("requestBody")
                found[method.upper(), template] = Operation(
                    file,
                    body and body["content"]["application/json"]["schema"],
                    {
                        int(status): reply["content"]["application/json"]["schema"]
                        for status, reply in path[method]["responses"].items()
                    },
                )
    return found


def _objects(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in list(value.values()):
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)
