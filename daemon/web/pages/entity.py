"""One row's page: ``explain`` for people."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
import simplejson
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from daemon.web.context import Context
from daemon.web.pages.frame import page, subject, wording
from daemon.web.pages.wording import BASE, Wording
from outbox.reconciliation.differences import DifferenceKind, Mend
from outbox.settings import Settings
from outbox.store.dashboard import Dashboard
from outbox.vocabulary import Awaited, EntityType, EntryStatus, Phase
from outbox.zoho.regions import web_base

STANDINGS: Final[Mapping[str, tuple[str, str]]] = {
    "idle": ("In sync", "good"),
    "skipped": ("Skipped", "plain"),
    "not in Zoho": ("Not in Zoho", "plain"),
    "ready": ("Pending", "plain"),
    "scheduled": ("Will be retried", "warn"),
    "leased": ("Being sent", "plain"),
    "waiting": ("Waiting", "warn"),
    "waiting for the dead": ("Waiting", "warn"),
    "waiting for a package": ("Waiting", "warn"),
    "dead": ("Failed: needs a person", "bad"),
    "never_captured": ("Never captured", "plain"),
}
"""``where`` of zoho_explain, some of them told apart by what they wait for or hold: a title, and its tone."""

NEXT: Final[Mapping[str, str]] = {
    "dead": "Correct what it says. Saving the record in the application sends it again; so does “Send again”, once the "
    "cause is gone.",
    "scheduled": "Nothing needs to be done: it is tried again by itself. “Send again” tries it now.",
    "waiting for the dead": "Correct that record first. As soon as it is in Zoho, this one is sent by itself.",
    "waiting": "Nothing needs to be done: it is sent by itself as soon as that is in Zoho.",
    "not in Zoho": "“Send again” has it sent.",
    "never_captured": "Save the record in the application: every change of it is sent from now on.",
    "skipped": "Nothing is sent unless the record changes. “Send again” has it looked at once more.",
}
"""What zoho_explain answers with a command line, for people who have a button in its place."""

HELD_UP = frozenset({"scheduled"})
"""Of these, what holds all sending up is what is to be done about first."""

UNNOTICED = "triggers are missing or disabled"
"""In the sentence of zoho_explain: an edit of the row is not captured."""

CHANGES: Final[Mapping[str, str]] = {
    "inserted": "Created in the application",
    "updated": "Edited in the application",
    "deleted": "Deleted in the application",
    "truncated": "Removed with its whole table",
    "requested": "Asked for again",
    "id_set": "Its Zoho id was set by another hand",
    "related": "Something that it is made from changed",
    "resend": "To be sent again: what Zoho holds is in doubt",
}

ORIGINS: Final[Mapping[str, str]] = {
    "backfill": "Asked for by a backfill",
    "reconcile": "Asked for by a reconciliation",
    "child": "Needed by another record",
}

OUTCOMES: Final[Mapping[str, str]] = {
    "sent": "sent",
    "unchanged": "nothing to change in Zoho",
    "superseded": "went along with a newer change",
    "ineligible": "not for Zoho",
    "set_aside": "set aside",
}

STATUSES: Final[Mapping[str, str]] = {
    "pending": "on its way",
    "waiting": "waiting",
    "processing": "being sent",
    "done": "done",
    "dead": "failed",
    "skipped": "skipped",
}
"""Of an entry that has no outcome."""

MENDS: Final[Mapping[str, str]] = {
    Mend.ENQUEUE: "“Send again” mends it",
    Mend.PERSON: "a person must decide",
}

UTC_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC")


@dataclass(frozen=True)
class Step:
    """Something that happened to the row: a change that was captured, or an attempt to send it."""

    key: str
    at: datetime
    kind: str
    """``change`` or ``attempt``."""
    tone: str
    title: str
    facts: Sequence[str]
    words: str | None
    request: str | None
    reply: str | None


def routes(context: Context) -> list[BaseRoute]:
    """The page of a row."""
    dashboard = Dashboard(context.database)

    async def entity(request: Request) -> Response:
        try:
            entity_type = EntityType(request.path_params["entity_type"])
            entity_id = UUID(request.path_params["entity_id"])
        except ValueError:
            return await nothing(request)
        try:
            told = await dashboard.explained(entity_type, entity_id)
        except psycopg.errors.NoDataFound:
            return await page(
                request,
                context,
                "missing.html",
                status_code=404,
                missed=f"There is no {entity_type} {entity_id}, and nothing of it was ever captured.",
            )
        words = wording(context)
        awaited = told.get("awaited") or {}
        wanted = [(entity_type, entity_id)]
        if awaited and awaited["type"] in [*EntityType]:
            wanted.append((EntityType(awaited["type"]), UUID(awaited["id"])))
        names = await dashboard.names(wanted)
        case = _case(told)
        title, tone = STANDINGS.get(case, (str(told["where"]), "plain"))
        plainly = None if _first_something_else(told, case) else NEXT.get(case)
        return await page(
            request,
            context,
            "entity.html",
            entity_type=entity_type,
            entity_id=entity_id,
            subject=subject(names, entity_type, entity_id),
            told=told,
            standing=title,
            tone=tone,
            why=in_local_time(Wording.capital(told["why"]), words),
            next=in_local_time(plainly or _to_do(told["next"]), words),
            command=told["next"] if plainly else None,
            known=told["where"] != "never_captured",
            awaited=subject(names, awaited["type"], UUID(awaited["id"])) if awaited else None,
            awaits_package=bool(awaited) and awaited["type"] == Awaited.PACKAGE,
            zoho=zoho_address(context.settings, told),
            reconciled=[_reconciled(one) for one in told.get("reconciled") or ()],
            steps=sorted(_steps(told, words), key=lambda step: (step.at, step.kind), reverse=True),
            aside_entry=next(
                (
                    entry["id"]
                    for entry in told["entries"]
                    if entry["status"] in (EntryStatus.DEAD, EntryStatus.WAITING)
                ),
                None,
            ),
        )

    async def nothing(request: Request) -> Response:
        return await page(request, context, "missing.html", status_code=404, missed="There is no such page.")

    return [
        Route(f"{BASE}/{{entity_type}}/{{entity_id}}", entity, methods=["GET"]),
        Route(f"{BASE}/{{elsewhere:path}}", nothing, methods=["GET"]),
    ]


def _to_do(told: str) -> str:
    """'nothing: …' as a sentence for people."""
    if told == "nothing" or told.startswith("nothing: "):
        return f"Nothing needs to be done{told.removeprefix('nothing')}"
    return Wording.capital(told)


def _first_something_else(told: Mapping[str, Any], case: str) -> bool:
    """Whether the row's own next step would not help: all sending is held up, edits go unnoticed, or it is gone.

    What is to be done then is told by SQL alone.
    """
    return (
        (told["organisation"] != "running" and case in HELD_UP)
        or UNNOTICED in told["why"]
        or (case == "never_captured" and not told["row_is_there"])
    )


def _case(told: Mapping[str, Any]) -> str:
    """``where``, finer: a key of :data:`STANDINGS`."""
    where = str(told["where"])
    state, awaited = told["state"] or {}, told.get("awaited") or {}
    if where == "idle" and state.get("shown_status") == "skipped":
        return "skipped"
    if where == "idle" and not told["zoho_id"]:
        return "not in Zoho"
    if where == "waiting" and awaited.get("type") == Awaited.PACKAGE:
        return "waiting for a package"
    if where == "waiting" and awaited.get("phase") == Phase.DEAD:
        return "waiting for the dead"
    return where


def zoho_address(settings: Settings, told: Mapping[str, Any]) -> str | None:
    """The record in Zoho's own pages; None where it is not there, or where Zoho is the simulator."""
    path, organisation = told.get("zoho_path"), told.get("zoho_organization_id")
    if not path or not organisation or not told.get("zoho_id") or settings.api_is_simulated:
        return None
    return f"{web_base(settings.zoho_region)}/app/{organisation}{path}"


def in_local_time(text: str, words: Wording) -> Markup:
    """Escaped, with its moments (SQL writes them in UTC) in the company's zone, and a full stop."""
    sentence = text if text.endswith((".", "!", "?", "…")) else f"{text}."
    parts = UTC_MOMENT.split(sentence)
    shown = Markup()
    for place in range(0, len(parts) - 1, 3):
        moment = f"{parts[place + 1]}T{parts[place + 2]}+00:00"
        shown += escape(parts[place]) + Markup('<time datetime="{}" title="{}">{}</time>').format(
            moment, words.whole(moment), words.moment(moment)
        )
    return shown + escape(parts[-1])


def _steps(told: Mapping[str, Any], words: Wording) -> Iterator[Step]:
    for attempt in told["attempts"]:
        if attempt["at"] is not None:
            yield _attempt(attempt, words)
    for entry in told["entries"]:
        yield _change(entry, words)


@dataclass(frozen=True)
class Reconciled:
    """What the latest comparison with Zoho said of the row."""

    tone: str
    title: str
    said: str
    mend: str
    """Who mends it, where that is known."""
    found_at: str
    enqueued_at: str | None


def _reconciled(one: Mapping[str, Any]) -> Reconciled:
    match one["finding"]:
        case "difference":
            tone, title = "warn", Wording.capital(DifferenceKind(one["kind"]).in_words)
        case "not_compared":
            tone, title = "plain", "Not compared"
        case _:
            tone, title = "good", "Equal, as decided"
    mend = MENDS.get(one["mend"] or "", "")
    return Reconciled(tone, title, one["said"], mend, one["found_at"], one["enqueued_at"])


def _attempt(attempt: Mapping[str, Any], words: Wording) -> Step:
    facts = [
        f"attempt {attempt['number']}" if attempt["number"] else "",
        words.duration(attempt["duration_ms"]) if attempt["duration_ms"] is not None and attempt["api_calls"] else "",
        _requests(attempt["api_calls"], words),
        f"Zoho’s code {attempt['zoho_code']}" if attempt["zoho_code"] else "",
    ]
    return Step(
        key=f"attempt-{attempt['id']}",
        at=words.local(attempt["at"]),
        kind="attempt",
        tone={"success": "good", "failed": "bad"}.get(attempt["status"], "warn"),
        title={"success": "Sent to Zoho", "failed": "Failed", "retrying": "Did not succeed, will be retried"}.get(
            attempt["status"], str(attempt["status"])
        ),
        facts=[fact for fact in facts if fact],
        words=attempt["error"],
        request=_json(attempt["request"]),
        reply=_json(attempt["response"]),
    )


def _requests(number: int | None, words: Wording) -> str:
    if number is None:
        return ""
    return words.count(number, "request", "requests") if number else "nothing was asked of Zoho"


def _change(entry: Mapping[str, Any], words: Wording) -> Step:
    by = f" by {entry['requested_by']}" if entry["requested_by"] else ""
    outcome = OUTCOMES.get(entry["outcome"] or "", "")
    if entry["outcome"] == "set_aside":
        title = CHANGES.get(entry["change"], str(entry["change"]))
        outcome += by
    else:
        title = ORIGINS.get(entry["origin"]) or CHANGES.get(entry["change"], str(entry["change"])) + by
    return Step(
        key=f"entry-{entry['id']}",
        at=words.local(entry["created_at"]),
        kind="change",
        tone="plain",
        title=title,
        facts=[
            fact
            for fact in (f"entry {entry['id']}", outcome or STATUSES.get(entry["status"], str(entry["status"])))
            if fact
        ],
        words=f"Waits for {entry['waiting_for']}" if entry["waiting_for"] else None,
        request=None,
        reply=None,
    )


def _json(payload: Any) -> str | None:
    return None if payload is None else simplejson.dumps(payload, indent=2, ensure_ascii=False, use_decimal=True)
