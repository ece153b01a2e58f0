"""What operators start: each through the SQL function that psql would call, under the operator's name, logged.

The gate has checked session and CSRF token. After each there is a redirect with what came of it, so that a reload
repeats nothing; a refusal says in the function's own words why, and what to do.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from daemon.web.authority import acting, is_own_page, log_action, operator_of
from daemon.web.context import Context
from daemon.web.forms import form_of
from daemon.web.pages.frame import LONGEST_REASON, page
from daemon.web.pages.said import Said, answered
from daemon.web.pages.wording import BASE, SINGULAR, Wording
from outbox.store.dashboard import MOST_REPLAYED, NEWEST, Cause, Dashboard, Operating, Refused
from outbox.vocabulary import EntityType, OrganisationState

PAUSED_STILL = "Sending is paused: it leaves when somebody resumes."


def routes(context: Context) -> list[BaseRoute]:
    """Every change."""
    act = _Actions(context)
    return [
        Route(f"{BASE}/pause", act.pause, methods=["POST"]),
        Route(f"{BASE}/resume", act.resume, methods=["POST"]),
        Route(f"{BASE}/failed/{{key}}/retry", act.retry_cause, methods=["POST"]),
        Route(f"{BASE}/entries/{{entry_id:int}}/skip", act.skip, methods=["POST"]),
        Route(f"{BASE}/{{entity_type}}/{{entity_id}}/retry", act.retry, methods=["POST"]),
    ]


class _Actions:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._dashboard = Dashboard(context.database)

    async def pause(self, request: Request) -> Response:
        """Nothing more is sent."""
        form = await form_of(request)
        reason = _reason(form)
        if not reason:
            return _back(form, Said(False, "Sending was not paused.", "Say why: whoever looks next will ask."))

        async def run(operating: Operating) -> Said:
            said = await operating.pause(reason)
            if not said.startswith("paused;"):  # Somebody was faster.
                return Said(False, f"{Wording.capital(said)}.", "It stays so until somebody resumes.")
            return Said(True, "Sending is paused.", "What is in flight is finished. Changes are still collected.")

        return await self._act(request, form, "pause", run, why=reason)

    async def resume(self, request: Request) -> Response:
        """And sending goes on."""
        form = await form_of(request)

        async def run(operating: Operating) -> Said:
            said = await operating.resume()
            if said == "was not paused":
                return Said(False, "Sending was not paused.", "Somebody else may have resumed it.")
            return Said(True, "Sending goes on.", f"{Wording.capital(said.removeprefix('resumed; '))}.")

        return await self._act(request, form, "resume", run)

    async def retry(self, request: Request) -> Response:
        """One row again."""
        form = await form_of(request)
        known = _row_of(request.path_params)
        if known is None:
            return await self._missing(request)
        entity_type, entity_id = known
        named = (await self._dashboard.names([known])).get(known)
        called = f"{SINGULAR[entity_type]} {named.title if named else entity_id}"
        when = await self._when()

        async def run(operating: Operating) -> Said:
            done = await operating.replay(entity_type, entity_id)
            if done.remarks:
                return Said(True, f"{called} is being sent at this moment.", "It is sent once more after that.")
            return Said(True, f"{called} is sent again.", when)

        return await self._act(
            request,
            {"back": Wording.entity(entity_type, entity_id)} | form,
            "retry",
            run,
            entity_type=str(entity_type),
            entity_id=str(entity_id),
        )

    async def retry_cause(self, request: Request) -> Response:
        """All dead letters of one cause."""
        form = await form_of(request)
        key = request.path_params["key"]
        cause = Cause.of(key)
        if cause is None:
            return await self._missing(request)
        letters, more = await self._dashboard.dead_letters(cause, NEWEST, MOST_REPLAYED)
        entries = [letter["entry_id"] for letter in letters if letter["entry_id"] is not None]
        when = await self._when()

        async def run(operating: Operating) -> Said:
            done = await operating.replay_letters(entries)
            if not done.rows:
                return Said(False, "Nothing of this cause is dead any more.", "Somebody else may have retried it.")
            again = Wording.count(len(done.rows), "record is", "records are")
            hint = "There are more of this cause: press again for the next. " if more else ""
            return Said(True, f"{again} sent again.", hint + when)

        return await self._act(request, form, "retry cause", run, entries=len(entries))

    async def skip(self, request: Request) -> Response:
        """One dead or waiting entry is set aside."""
        form = await form_of(request)
        entry_id = request.path_params["entry_id"]
        reason = _reason(form)

        async def run(operating: Operating) -> Said:
            done = await operating.skip(entry_id, reason)
            return Said(
                True,
                f"{Wording.capital(_called(done.rows))} is set aside.",
                " ".join(done.remarks) or "Nothing is sent of it unless the row is edited or retried.",
            )

        if not reason:
            return _back(form, Said(False, "Nothing was set aside.", "Say why: the reason stands beside the row."))
        if entry_id >= 2**63:
            return await self._missing(request)
        return await self._act(request, form, "skip", run, why=reason, entry=entry_id)

    async def _act(
        self,
        request: Request,
        form: Mapping[str, str],
        action: str,
        run: Callable[[Operating], Awaitable[Said]],
        *,
        why: str | None = None,
        **facts: Any,
    ) -> Response:
        # `run` asks on this connection alone: whoever holds one of a few and waits for a second waits for others that
        # do the same.
        operator = operator_of(request)
        try:
            async with acting(self._context.database, operator) as connection:
                said = await run(Operating(connection))
        except Refused as refused:
            said = Said(False, f"{Wording.capital(refused.words)}.", refused.hint)
        log_action(operator, action, why=why, done=said.done, **facts)
        return _back(form, said)

    async def _when(self) -> str:
        state = (await self._context.organisation.now()).state
        return PAUSED_STILL if state is OrganisationState.PAUSED else "Look again in a moment."

    async def _missing(self, request: Request) -> Response:
        return await page(
            request, self._context, "missing.html", status_code=404, missed="There is nothing of that kind to act on."
        )


def _row_of(given: Mapping[str, Any]) -> tuple[EntityType, UUID] | None:
    try:
        return EntityType(given["entity_type"]), UUID(given["entity_id"])
    except ValueError:
        return None


def _reason(form: Mapping[str, str]) -> str:
    return " ".join(form.get("reason", "").split())[:LONGEST_REASON]


def _called(rows: Any) -> str:
    return f"{rows[0]['entity_type']} {rows[0]['entity_id']}" if rows else "the entry"


def _back(form: Mapping[str, str], said: Said) -> Response:
    wanted = form.get("back", "")
    return answered(said, wanted if is_own_page(wanted) else BASE)
