"""Answers: Zoho's envelope, its refusals, and the JSON they are written in (sheet 1.7 and 3)."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import simplejson

JSON_CONTENT_TYPE = b"application/json;charset=UTF-8"
HTML_CONTENT_TYPE = b"text/html;charset=UTF-8"


def to_json(payload: Any) -> bytes:
    """JSON text of `payload`; Decimals become numbers with the digits they have."""
    text: str = simplejson.dumps(payload, use_decimal=True, separators=(",", ":"))
    return text.encode()


def from_json(content: bytes) -> Any:
    """What `content` says, fractions as Decimal. Raises ValueError where it is not JSON."""
    return simplejson.loads(content, use_decimal=True)


@dataclass(frozen=True, slots=True)
class Creation:
    """A record that a request made, by the keys by which one would find it again."""

    collection: str
    keys: dict[str, str]
    """For example ``{"display_name": "Acme Ltd [C-1042]", "External ID": "…"}``."""
    also: "Creation | None" = None
    """A second record of the same request: the customer that a subscription was made with."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer."""

    status: int
    content: bytes
    content_type: bytes = JSON_CONTENT_TYPE
    headers: tuple[tuple[bytes, bytes], ...] = ()
    code: int | None = None
    """The body's `code`, where it has one."""
    creation: Creation | None = None


class Refusal(Exception):  # noqa: N818 - a refusal is Zoho's answer, not a fault of the simulator
    """Zoho says no: an HTTP status with ``{"code": …, "message": …}``."""

    def __init__(self, status: int, code: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(f"{status}/{code} {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    def reply(self) -> Reply:
        """The refusal as it goes over the wire."""
        return Reply(
            self.status,
            to_json({"code": self.code, "message": self.message}),
            headers=self.headers,
            code=self.code,
        )


def success(
    message: str,
    resources: dict[str, Any] | None = None,
    *,
    status: int = HTTPStatus.OK,
    creation: Creation | None = None,
) -> Reply:
    """``{"code": 0, "message": …}`` with the named resources beside it."""
    payload: dict[str, Any] = {"code": 0, "message": message}
    if resources:
        payload.update(resources)
    return Reply(status, to_json(payload), code=0, creation=creation)


def bad_value(name: str) -> Refusal:
    """400/4 for a missing or malformed body field (recorded on Books, sheet 3)."""
    return Refusal(400, 4, f"Invalid value passed for {name}")


def bad_parameter(name: str) -> Refusal:
    """400/2 for a malformed query parameter (sheet 3; the status is a guess)."""
    return Refusal(400, 2, f"Invalid value passed for {name}")


def unknown_address() -> Refusal:
    """404/5 (sheet 3, unverified)."""
    return Refusal(404, 5, "Invalid URL Passed")


def wrong_method() -> Refusal:
    """405/37 (sheet 3, unverified)."""
    return Refusal(405, 37, "The HTTP method is not allowed for the requested resource")


def unauthenticated() -> Refusal:
    """401/14: no usable Authorization header (recorded in all data centres)."""
    return Refusal(
        401,
        14,
        "The request could not be authenticated as the authentication value you entered is invalid."
        " Enter a valid authentication value and try again.",
    )


def unauthorised() -> Refusal:
    """401/57: a dead token, a missing scope, or a wrong organisation; Zoho does not say which (sheet 0.8)."""
    return Refusal(401, 57, "You are not authorized to perform this operation")


def foreign_organisation(organization_id: str) -> Refusal:
    """400/6041: the user has no such organisation (the status is a guess)."""
    return Refusal(400, 6041, f"This user is not associated with the CompanyID/CompanyName:{organization_id}.")


def internal_error() -> Refusal:
    """500/1000 (sheet 3)."""
    return Refusal(500, 1000, "Internal error")


def blocked_for_security(retry_after_seconds: int | None) -> Refusal:
    """429/43: the burst block, as it was recorded with ``Retry-After: 3600``."""
    headers = () if retry_after_seconds is None else ((b"retry-after", str(retry_after_seconds).encode()),)
    return Refusal(
        429,
        43,
        "For security reasons you have been blocked for some time as you have exceeded the maximum number of"
        " requests per minute.",
        headers,
    )


def organisation_blocked() -> Refusal:
    """429/44: the organisation's requests per minute."""
    return Refusal(
        429,
        44,
        "For security reasons your organization has been blocked as it have exceeded the maximum number of"
        " requests per minute that can originate from an organization.",
    )


def day_used_up(limit: int) -> Refusal:
    """429/45: the organisation's requests per day."""
    return Refusal(429, 45, f"The API call for this organization has exceeded the maximum call rate limit of {limit}.")


def too_many_in_process() -> Refusal:
    """429/1070: concurrency."""
    return Refusal(
        429,
        1070,
        "You have reached the maximum number of in process requests allowed. Kindly try again after some time.",
    )


def customer_missing() -> Refusal:
    """400/3004, not 404 (recorded, sheet 0.7)."""
    return Refusal(400, 3004, "Please enter a valid reference for the customer")


def customer_name_taken(name: str) -> Refusal:
    """400/3062, where the organisation forbids duplicates (recorded on Books)."""
    return Refusal(400, 3062, f'The customer "{name}" already exists. Please specify a different name.')


def customer_has_subscription() -> Refusal:
    """Deactivation refused (the rule is documented, code and text are guesses)."""
    return Refusal(
        400,
        3029,
        "The customer cannot be marked as inactive as there are active subscriptions associated with it.",
    )


def customer_has_transactions() -> Refusal:
    """Deletion refused (rule, code and text are guesses, sheet 2.1)."""
    return Refusal(400, 3007, "Customers with transactions cannot be deleted. Instead, mark them as inactive.")


def unknown_custom_field(label: str) -> Refusal:
    """400/120129: the label is not defined in the organisation (code recorded on Books, text a guess)."""
    return Refusal(400, 120129, f"Invalid value passed for custom field {label}")


def subscription_missing() -> Refusal:
    """404/1002, the one recorded 404."""
    return Refusal(404, 1002, "Subscription ID does not exist.")


@dataclass(frozen=True, slots=True)
class BrokenConnection:
    """No whole answer: the TCP connection ends, after `partial` bytes of the raw reply if there are any."""

    reset: bool = False
    """End with RST instead of FIN."""
    partial: bytes = b""


def cut_short(reply: Reply) -> BrokenConnection:
    """The head of `reply`, promising its whole length, and half of its body."""
    head = (
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n"
        f"content-type: {reply.content_type.decode()}\r\ncontent-length: {len(reply.content)}\r\n\r\n"
    )
    return BrokenConnection(partial=head.encode() + reply.content[: len(reply.content) // 2])


def bad_gateway() -> Reply:
    """A 502 as a proxy writes it: HTML."""
    return Reply(502, b"<html><head><title>502 Bad Gateway</title></head></html>", HTML_CONTENT_TYPE)


def html_page() -> Reply:
    """An HTML page with status 200, as a maintenance page or a captive portal is served."""
    return Reply(200, b"<!DOCTYPE html><html><body>We will be back soon.</body></html>", HTML_CONTENT_TYPE)


def truncated_json(reply: Reply) -> Reply:
    """Status 200 and a complete HTTP message whose JSON ends in the middle."""
    return Reply(200, reply.content[: max(1, len(reply.content) // 2)])
