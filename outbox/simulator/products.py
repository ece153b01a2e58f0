"""Products: the groups that plans belong to (sheet 2.2)."""

from http import HTTPStatus

from outbox.simulator.books import Books, Record
from outbox.simulator.calls import Call
from outbox.simulator.clock import zoho_time
from outbox.simulator.invoice_refusals import product_missing
from outbox.simulator.paging import list_reply
from outbox.simulator.replies import Creation, Reply, bad_value, success
from outbox.simulator.subscription_refusals import product_in_use

FIELDS = frozenset({"name", "description", "email_ids", "redirect_url"})
"""Keys of create-a-product-request and of update-a-product-request; all text."""


def create(call: Call) -> Reply:
    """``POST /products``: 201. That names may repeat is a guess."""
    sent = _checked(call)
    product = {**blank_product(call.books, call.now), **sent}
    call.books.products.put(product, call.now)
    return success(
        "The product has been added.",
        {"product": product},
        status=HTTPStatus.CREATED,
        creation=Creation("products", {"name": product["name"]}),
    )


def list_all(call: Call) -> Reply:
    """``GET /products``: whole rows; there is no filter (sheet 2.2)."""
    products = call.books.products
    return list_reply(
        call,
        "products",
        iter(products),
        of=products,
        thin=dict,
        report_name="All Products",
        applied_filter="ProductStatus.All",
    )


def read(call: Call) -> Reply:
    """``GET /products/{product_id}``: 200, or 400/2006."""
    return success("success", {"product": _existing(call)})


def update(call: Call) -> Reply:
    """``PUT /products/{product_id}``: 200; what is not sent stays (a guess)."""
    old = _existing(call)
    product = {**old, **_checked(call), "updated_time": zoho_time(call.now, call.books.zone)}
    call.books.products.put(product)
    return success("The product details have been updated.", {"product": product})


def delete(call: Call) -> Reply:
    """``DELETE /products/{product_id}``: 200; refused while a plan belongs to it (a guess)."""
    product_id = _existing(call)["product_id"]
    if call.books.plans.having("product_id", product_id):
        raise product_in_use()
    call.books.products.remove(product_id)
    return success("The product has been deleted.")


def mark_as_active(call: Call) -> Reply:
    """``POST /products/{product_id}/markasactive``: 200."""
    _set_status(call, "active")
    return success("The product has been marked as active.")


def mark_as_inactive(call: Call) -> Reply:
    """``POST /products/{product_id}/markasinactive``: 200."""
    _set_status(call, "inactive")
    return success("The product has been marked as inactive.")


def blank_product(books: Books, now: float) -> Record:
    """A product with nothing on it, as the create reply was recorded."""
    time = zoho_time(now, books.zone)
    return {
        "product_id": books.next_id(),
        "name": "",
        "description": "",
        "status": "active",
        "redirect_url": "",
        "email_ids": "",
        "created_time": time,
        "updated_time": time,
    }


def _checked(call: Call) -> Record:
    sent = call.body_object(FIELDS)
    if not isinstance(sent.get("name"), str) or not sent["name"].strip():
        raise bad_value("name")
    for name, value in sent.items():
        if not isinstance(value, str):
            raise bad_value(name)
    return sent


def _existing(call: Call) -> Record:
    product = call.books.products.get(call.arguments["product_id"])
    if product is None:
        raise product_missing()
    return product


def _set_status(call: Call, status: str) -> None:
    product = _existing(call)
    call.books.products.put({**product, "status": status, "updated_time": zoho_time(call.now, call.books.zone)})
