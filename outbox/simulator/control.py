"""``/_simulator/...``: the simulator's own controls, JSON, for the loopback alone.

- ``GET /_simulator/statistics``: counts, see :class:`~outbox.simulator.statistics.Statistics`
- ``GET /_simulator/books``: every record whole
- ``GET /_simulator/requests?path=``: the last requests, oldest first; `path` is a shell pattern
- ``POST /_simulator/reset``: as if just started
- ``GET /_simulator/settings``: all settings
- ``PATCH /_simulator/settings``: a nested change: ``{"limits": {"requests_per_minute": 60}}``
- ``GET /_simulator/faults``: planted faults and how often they fired
- ``POST /_simulator/faults``: a :class:`~outbox.simulator.faults.FaultRule`, or a list of them
- ``DELETE /_simulator/faults``: take all out, release what they hold
- ``DELETE /_simulator/faults/{id}``: take one out, release what it holds
- ``POST /_simulator/faults/{id}/release``: let held requests go on
- ``POST /_simulator/records``: ``{"customers": [{"display_name": …}], "invoices": [{"customer_id": …, "total": …}],
  "payments": […]}``, and any other collection
- ``PATCH /_simulator/records/{name}/{id}``: change a record by hand
- ``DELETE /_simulator/records/{name}/{id}``: delete a record by hand
- ``POST /_simulator/refresh-tokens``: ``{"refresh_token": …, "scopes":
  ["ZohoSubscriptions.customers.READ"]}``
- ``DELETE /_simulator/refresh-tokens``: ``{"refresh_token": …}``: revoked, with its access tokens
- ``POST /_simulator/tokens/expire``: every access token dies
- ``POST /_simulator/limits``: ``{"used_today": 990}``, ``{"block": {"code": 43, "seconds": 120}}``
- ``DELETE /_simulator/limits``: forget block, minute and day
- ``POST /_simulator/clock``: ``{"advance_seconds": 3600}``

A request that cannot be carried out is 400 with ``{"error": …}``; an address that does not exist 404.
"""

from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, PositiveFloat, TypeAdapter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from outbox.simulator.faults import FaultRule
from outbox.simulator.replies import JSON_CONTENT_TYPE, from_json, to_json
from outbox.simulator.state import Simulator


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Grant(_Asked):
    refresh_token: str
    scopes: frozenset[str]


class _Revocation(_Asked):
    refresh_token: str


class _Block(_Asked):
    code: Literal[43, 44]
    seconds: PositiveFloat


class _LimitChange(_Asked):
    used_today: NonNegativeInt | None = None
    block: _Block | None = None


class _Advance(_Asked):
    advance_seconds: NonNegativeFloat


_RULES: TypeAdapter[FaultRule | list[FaultRule]] = TypeAdapter(FaultRule | list[FaultRule])


def control_application(simulator: Simulator) -> Starlette:
    """The ASGI application that answers below ``/_simulator``."""
    controls = Controls(simulator)
    root = "/_simulator"
    return Starlette(
        routes=[
            Route(f"{root}/statistics", controls.statistics, methods=["GET"]),
            Route(f"{root}/books", controls.books, methods=["GET"]),
            Route(f"{root}/requests", controls.requests, methods=["GET"]),
            Route(f"{root}/reset", controls.reset, methods=["POST"]),
            Route(f"{root}/settings", controls.show_settings, methods=["GET"]),
            Route(f"{root}/settings", controls.change_settings, methods=["PATCH"]),
            Route(f"{root}/faults", controls.show_faults, methods=["GET"]),
            Route(f"{root}/faults", controls.plant_faults, methods=["POST"]),
            Route(f"{root}/faults", controls.clear_faults, methods=["DELETE"]),
            Route(f"{root}/faults/{{fault_id:int}}", controls.remove_fault, methods=["DELETE"]),
            Route(f"{root}/faults/{{fault_id:int}}/release", controls.release_fault, methods=["POST"]),
            Route(f"{root}/records", controls.plant_records, methods=["POST"]),
            Route(f"{root}/records/{{name}}/{{record_id}}", controls.edit_record, methods=["PATCH"]),
            Route(f"{root}/records/{{name}}/{{record_id}}", controls.remove_record, methods=["DELETE"]),
            Route(f"{root}/refresh-tokens", controls.add_refresh_token, methods=["POST"]),
            Route(f"{root}/refresh-tokens", controls.revoke_refresh_token, methods=["DELETE"]),
            Route(f"{root}/tokens/expire", controls.expire_tokens, methods=["POST"]),
            Route(f"{root}/limits", controls.change_limits, methods=["POST"]),
            Route(f"{root}/limits", controls.lift_limits, methods=["DELETE"]),
            Route(f"{root}/clock", controls.advance_clock, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _http_error, ValueError: _bad_request},
    )


class Controls:
    """The endpoints. Every one refuses callers from elsewhere than the loopback with 403."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def statistics(self, request: Request) -> Response:
        """Counts, with tokens and quota beside them."""
        _only_from_loopback(request)
        simulator = self._simulator
        limits = simulator.limits
        return _answer(
            {
                **simulator.statistics.summary(),
                "tokens_minted": simulator.tokens.minted,
                "tokens_throttled": simulator.tokens.throttled,
                "used_today": limits.used_today,
                "blocked_for_seconds": max(0.0, limits.blocked_until - simulator.clock.now()),
                "faults_waiting": sum(not fault.is_used_up for fault in simulator.faults),
            }
        )

    async def books(self, request: Request) -> Response:
        """Every record."""
        _only_from_loopback(request)
        return _answer(self._simulator.holdings())

    async def requests(self, request: Request) -> Response:
        """The journal."""
        _only_from_loopback(request)
        pattern = request.query_params.get("path", "*")
        lines = [line.summary() for line in self._simulator.journal if fnmatchcase(line.path, pattern)]
        return _answer({"requests": lines})

    async def reset(self, request: Request) -> Response:
        """As if just started."""
        _only_from_loopback(request)
        self._simulator.reset()
        return _answer({})

    async def show_settings(self, request: Request) -> Response:
        """All settings."""
        _only_from_loopback(request)
        return _answer(self._simulator.settings.model_dump(mode="json"))

    async def change_settings(self, request: Request) -> Response:
        """A nested change; answers with all settings."""
        changes = await _json_object(request)
        self._simulator.change_settings(changes)
        return _answer(self._simulator.settings.model_dump(mode="json"))

    async def show_faults(self, request: Request) -> Response:
        """Planted faults."""
        _only_from_loopback(request)
        return _answer({"faults": [fault.summary() for fault in self._simulator.faults]})

    async def plant_faults(self, request: Request) -> Response:
        """One rule or a list; none is planted where one is wrong. Answers with them, 201."""
        _only_from_loopback(request)
        rules = _RULES.validate_python(from_json(await request.body()))
        planted = [self._simulator.faults.add(rule) for rule in (rules if isinstance(rules, list) else [rules])]
        return _answer({"faults": [fault.summary() for fault in planted]}, 201)

    async def clear_faults(self, request: Request) -> Response:
        """All out."""
        _only_from_loopback(request)
        self._simulator.faults.clear()
        return _answer({})

    async def remove_fault(self, request: Request) -> Response:
        """One out, or 404."""
        _only_from_loopback(request)
        return _found(self._simulator.faults.remove(request.path_params["fault_id"]))

    async def release_fault(self, request: Request) -> Response:
        """Held requests go on, or 404."""
        _only_from_loopback(request)
        fault = self._simulator.faults.get(request.path_params["fault_id"])
        if fault is not None:
            fault.release()
        return _found(fault is not None)

    async def plant_records(self, request: Request) -> Response:
        """Records that exist already; answers with their ids by collection, 201. Those before a wrong one
        stay."""
        sent = await _json_object(request)
        ids = {
            name: [self._simulator.plant(name, fields) for fields in rows]
            for name, rows in _lists(self._simulator, sent).items()
        }
        return _answer(ids, 201)

    async def edit_record(self, request: Request) -> Response:
        """A change by hand, or 404."""
        fields = await _json_object(request)
        name = _collection_name(self._simulator, request)
        return _found(self._simulator.edit(name, request.path_params["record_id"], fields))

    async def remove_record(self, request: Request) -> Response:
        """A deletion by hand, or 404."""
        _only_from_loopback(request)
        name = _collection_name(self._simulator, request)
        return _found(self._simulator.remove(name, request.path_params["record_id"]))

    async def add_refresh_token(self, request: Request) -> Response:
        """Another refresh token, or other scopes for a known one."""
        grant = _Grant.model_validate(await _json_object(request))
        self._simulator.tokens.add(grant.refresh_token, grant.scopes)
        return _answer({}, 201)

    async def revoke_refresh_token(self, request: Request) -> Response:
        """A refresh token dies, or 404."""
        revocation = _Revocation.model_validate(await _json_object(request))
        return _found(self._simulator.tokens.revoke(revocation.refresh_token))

    async def expire_tokens(self, request: Request) -> Response:
        """Every access token dies; answers with how many did."""
        _only_from_loopback(request)
        return _answer({"expired": self._simulator.tokens.expire_all()})

    async def change_limits(self, request: Request) -> Response:
        """A day nearly used up, or a block."""
        change = _LimitChange.model_validate(await _json_object(request))
        now = self._simulator.clock.now()
        if change.used_today is not None:
            self._simulator.limits.use_today(change.used_today, now)
        if change.block is not None:
            self._simulator.limits.block(change.block.code, change.block.seconds, now)
        return _answer({})

    async def lift_limits(self, request: Request) -> Response:
        """No block, nothing used."""
        _only_from_loopback(request)
        self._simulator.limits.lift()
        return _answer({})

    async def advance_clock(self, request: Request) -> Response:
        """Time passes; answers with the simulator's epoch seconds."""
        advance = _Advance.model_validate(await _json_object(request))
        self._simulator.clock.advance(advance.advance_seconds)
        return _answer({"now": self._simulator.clock.now()})


def _only_from_loopback(request: Request) -> None:
    host = request.client.host if request.client is not None else ""
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise HTTPException(403, "the simulator is controlled from its own machine alone")


async def _json_object(request: Request) -> dict[str, Any]:
    _only_from_loopback(request)
    sent = from_json(await request.body())
    if not isinstance(sent, dict):
        raise ValueError("a JSON object is expected")  # noqa: TRY004 - answered with 400 like every wrong value
    return sent


def _lists(simulator: Simulator, sent: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    for name, rows in sent.items():
        if name not in simulator.books.collections:
            raise ValueError(f"no collection {name}")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError(f"{name} must be a list of objects")
    return sent


def _collection_name(simulator: Simulator, request: Request) -> str:
    name: str = request.path_params["name"]
    if name not in simulator.books.collections:
        raise HTTPException(404, f"no collection {name}")
    return name


def _answer(payload: Any, status: int = 200) -> Response:
    return Response(to_json(payload), status, media_type=JSON_CONTENT_TYPE.decode())


def _found(is_found: bool) -> Response:
    return _answer({}) if is_found else _answer({"error": "there is none"}, 404)


async def _http_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return _answer({"error": error.detail}, error.status_code)


async def _bad_request(_request: Request, error: Exception) -> Response:
    return _answer({"error": str(error)}, 400)
