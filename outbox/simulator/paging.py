"""Pages of lists (sheet 1.7)."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from outbox.simulator.books import Collection, Record
from outbox.simulator.calls import Call
from outbox.simulator.replies import Reply, bad_parameter, success

MOST_ROWS = 200
"""Zoho's default page and, as clients take it, its maximum."""


def list_reply(
    call: Call,
    name: str,
    rows: Iterator[Record],
    *,
    of: Collection,
    thin: Callable[[Record], Record],
    report_name: str,
    applied_filter: str,
) -> Reply:
    """One page of `rows` of one collection, as :func:`page_reply`; new records are left out for
    `list_lag_seconds`."""
    return page_reply(
        call,
        name,
        of.listed(rows, shown_if_created_before(call)),
        thin=thin,
        report_name=report_name,
        applied_filter=applied_filter,
        sort_column=of.id_field,
    )


def shown_if_created_before(call: Call) -> float | None:
    """Epoch seconds after which a record is too new for lists; None: lists lag behind nothing."""
    lag = call.settings.list_lag_seconds
    return call.now - lag if lag else None


def page_reply(
    call: Call,
    name: str,
    shown: Iterator[Record],
    *,
    thin: Callable[[Record], Record],
    report_name: str,
    applied_filter: str,
    sort_column: str,
) -> Reply:
    """One page of `shown` with its page_context.

    Raises Refusal 400/2 where page or per_page is not a positive number; more than 200 rows a page are not
    given, whatever is asked.
    """
    page = _positive(call, "page", 1)
    per_page = min(_positive(call, "per_page", MOST_ROWS), MOST_ROWS)
    start = (page - 1) * per_page
    if page > 1:
        start = max(0, start + call.page_shift)
    found = list(islice(shown, start, start + per_page + 1))
    context: dict[str, Any] = {
        "page": page,
        "per_page": per_page,
        "has_more_page": len(found) > per_page,
        "report_name": report_name,
        "applied_filter": applied_filter,
        "sort_column": sort_column,
        "sort_order": "A",
    }
    return success("success", {name: [thin(row) for row in found[:per_page]], "page_context": context})


def _positive(call: Call, name: str, default: int) -> int:
    text = call.query.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise bad_parameter(name)
    return int(text)
