"""Bodies of requests: read once, within a bound."""

from urllib.parse import parse_qsl

from starlette.requests import Request

LONGEST_BODY = 64 * 1024
"""Bytes. The longest that anybody sends is a reason in a form."""

MOST_FIELDS = 100

BODY_IN_SCOPE = "zoho_outbox.body"
"""Where it is kept for the next who asks."""


class BodyTooLarge(Exception):  # noqa: N818 - a refusal
    """Longer than :data:`LONGEST_BODY`."""


async def body_of(request: Request) -> bytes:
    """The body; also for whoever asks after somebody else did. Raises :class:`BodyTooLarge`."""
    kept: bytes | None = request.scope.get(BODY_IN_SCOPE)
    if kept is None:
        declared = request.headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared) > LONGEST_BODY:
            raise BodyTooLarge
        parts: list[bytes] = []
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > LONGEST_BODY:
                raise BodyTooLarge
            parts.append(part)
        kept = b"".join(parts)
        request.scope[BODY_IN_SCOPE] = kept
    return kept


async def form_of(request: Request) -> dict[str, str]:
    """The fields of an urlencoded form; of a name that comes twice, the last. Empty where it is no such form.

    Parsed here and not by Starlette, which would want another library for it; forms with files are not among ours.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return {}
    text = (await body_of(request)).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        return {}
