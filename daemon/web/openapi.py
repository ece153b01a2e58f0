"""The API's description, OpenAPI 3.1, served without sign-in: it names no row and no secret.

Written by hand beside the handlers; a test has schemathesis hold the two together.
"""

from typing import Any

from outbox import __version__
from outbox.store.api import WINDOW
from outbox.vocabulary import EntityType, FailureClass, LogStatus, OrganisationState

ENTITY_TYPES = [str(entity_type) for entity_type in EntityType]
LOG_STATUSES = ["pending", *map(str, LogStatus)]

Json = dict[str, Any]


def description() -> Json:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "zoho-outbox",
            "version": __version__,
            "description": (
                "Where customers, subscriptions, invoices and payments stand on their way into Zoho Billing, what "
                "became of each attempt, and trying again."
            ),
        },
        "servers": [{"url": "/"}],
        "security": [{"token": [], "operator": []}, {"session": []}],
        "paths": {
            "/api/admin/zoho-sync/status": {"get": _status()},
            "/api/admin/zoho-sync/logs": {"get": _logs()},
            "/api/admin/zoho-sync/retry": {"post": _retry()},
        },
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "OUTBOX_ADMIN_TOKEN"},
                "operator": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Operator",
                    "description": "Who acts: 1 to 64 printable characters. Goes with the token.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "zoho_outbox_session",
                    "description": (
                        "Set by the sign-in page. A POST also needs the session's token in a header X-CSRF-Token."
                    ),
                },
            },
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {"type": "string", "description": "What is wrong, and what to do."}},
                },
                "Attempt": _attempt(),
                "Counts": {"type": "object", "required": list(_COUNTS), "properties": _COUNTS},
                "TypeCounts": _type_counts(),
                "Organisation": _organisation(),
            },
        },
    }


def _error(what: str) -> Json:
    return {
        "description": what,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def _ok(what: str, schema: Json) -> Json:
    return {"description": what, "content": {"application/json": {"schema": schema}}}


_REFUSALS: Json = {
    "400": _error("A parameter, the body, the Host or X-Operator makes no sense."),
    "401": _error("No token, a wrong one, or no session."),
    "429": _error("Too many wrong tokens came from this address, or from all together; Retry-After says when."),
    "503": _error("OUTBOX_ADMIN_TOKEN is not set, the database does not answer, or it took too long."),
}


def _nullable(kind: str, **more: Any) -> Json:
    return {"type": [kind, "null"], **more}


_MOMENT: Json = {"type": "string", "format": "date-time"}
_NO_MOMENT: Json = {"type": ["string", "null"], "format": "date-time"}


def _count(what: str) -> Json:
    return {"type": ["integer", "null"], "minimum": 0, "description": what}


_COUNTS: Json = {
    "total": _count("Rows that are to be in Zoho; null where the daemon's role may not count them."),
    "synced": _count("Those of them that are; a row with a change on its way counts here and there."),
    "pending": _count("Rows whose change is due."),
    "waiting": _count("Rows that wait for a prerequisite."),
    "failed": _count("Rows that are dead: they need a person, or an edit."),
    "syncing": _count("Rows that are being sent at this moment."),
    "retrying": _count("Rows between two attempts."),
    "skipped": _count("Rows that are not eligible, or were set aside."),
}


def _rate(what: str) -> Json:
    return {"type": ["number", "null"], "minimum": 0, "maximum": 100, "description": what}


_RATE = "Percent of the attempts of seven days that came to an end and succeeded; null where there were none."


def _type_counts() -> Json:
    return {
        "type": "object",
        "required": [*_COUNTS, "success_rate", "oldest_seconds"],
        "properties": {
            **_COUNTS,
            "success_rate": _rate(_RATE),
            "oldest_seconds": _nullable(
                "number", description="Age of the oldest change on its way; null where there is none."
            ),
        },
    }


def _organisation() -> Json:
    return {
        "type": "object",
        "required": ["state", "since", "until", "why", "last_good_reply_at", "id", "name", "mode"],
        "properties": {
            "state": {"type": "string", "enum": [str(state) for state in OrganisationState]},
            "since": _NO_MOMENT,
            "until": _NO_MOMENT,
            "why": _nullable("string"),
            "last_good_reply_at": _NO_MOMENT,
            "id": _nullable("string"),
            "name": _nullable("string"),
            "mode": _nullable("string"),
        },
    }


def _attempt() -> Json:
    properties: Json = {
        "id": {"type": "string", "format": "uuid"},
        "created_at": _MOMENT,
        "entity_type": {
            "type": "string",
            "description": f"{', '.join(ENTITY_TYPES)}; in rows from before the installation others, too.",
        },
        "entity_id": {"type": "string", "format": "uuid"},
        "name": _nullable("string", description="The customer's name, the invoice's number, and so on."),
        "detail": _nullable("string", description="Account number, whose it is, how much."),
        "status": {"type": "string", "enum": LOG_STATUSES},
        "attempt_number": _nullable("integer"),
        "duration_ms": _nullable("integer"),
        "api_calls": _nullable("integer"),
        "failure_class": {
            "type": ["string", "null"],
            "enum": [*map(str, FailureClass), None],
        },
        "zoho_code": _nullable("integer"),
        "zoho_entity_id": _nullable("string"),
        "outbox_id": _nullable("integer"),
        "error_message": _nullable("string"),
    }
    return {
        "type": "object",
        "description": "A row of zoho_sync_logs without its payloads.",
        "required": list(properties),
        "properties": properties,
    }


def _status() -> Json:
    return {
        "operationId": "status",
        "summary": "Counts, recent failures, health, and what stops sending",
        "description": "Counted now and then for everybody who asks; `as_of` says when.",
        "responses": {
            "200": _ok(
                "As of `as_of`.",
                {
                    "type": "object",
                    "required": [
                        "overall",
                        "by_type",
                        "recent_failures_24h",
                        "health",
                        "organisation",
                        "as_of",
                        "remarks",
                    ],
                    "properties": {
                        "overall": {"$ref": "#/components/schemas/Counts"},
                        "by_type": {
                            "type": "object",
                            "required": ENTITY_TYPES,
                            "properties": {
                                entity_type: {"$ref": "#/components/schemas/TypeCounts"} for entity_type in ENTITY_TYPES
                            },
                        },
                        "recent_failures_24h": {
                            "type": "array",
                            "maxItems": 20,
                            "items": {"$ref": "#/components/schemas/Attempt"},
                        },
                        "health": {
                            "type": "object",
                            "required": ["success_rate", "failure_count"],
                            "properties": {
                                "success_rate": _rate(_RATE),
                                "failure_count": {
                                    "type": "integer",
                                    "description": "Attempts of the last 24 hours that failed for good.",
                                },
                            },
                        },
                        "organisation": {"$ref": "#/components/schemas/Organisation"},
                        "as_of": _MOMENT,
                        "remarks": {"type": "array", "items": {"type": "string"}},
                    },
                },
            ),
            **_REFUSALS,
        },
    }


_NONE: Json = {"type": "string", "maxLength": 0}


def _parameter(name: str, what: str, *schemas: Json) -> Json:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": f"{what} An empty value is none.",
        "schema": {"anyOf": [*schemas, _NONE]},
    }


def _logs() -> Json:
    return {
        "operationId": "logs",
        "summary": "Attempts, newest first",
        "description": (
            f"One answer looks through the newest {WINDOW:,} attempts between `since` and `until` at most. Where there "
            "are more, `total` counts the matching ones among these, `total_is_exact` is false, and `searched_to` is "
            "the oldest one's moment: ask again with `until=<searched_to>` for what lies before."
        ),
        "parameters": [
            _parameter("entity_type", "Only these.", {"type": "string", "enum": ENTITY_TYPES}),
            _parameter("status", "Only these.", {"type": "string", "enum": LOG_STATUSES}),
            _parameter(
                "since",
                "From this moment on. Without an offset it is one of ZOHO_TIME_ZONE.",
                {"type": "string", "format": "date-time"},
                {"type": "string", "format": "date"},
            ),
            _parameter(
                "until",
                "Before this moment.",
                {"type": "string", "format": "date-time"},
                {"type": "string", "format": "date"},
            ),
            _parameter("limit", "Items; more than 200 count as 200. Default 50.", {"type": "integer", "minimum": 1}),
            _parameter("offset", "Matching items to leave out. Default 0.", {"type": "integer", "minimum": 0}),
        ],
        "responses": {
            "200": _ok(
                "A page.",
                {
                    "type": "object",
                    "required": ["items", "total", "total_is_exact", "searched_to", "limit", "offset"],
                    "properties": {
                        "items": {
                            "type": "array",
                            "maxItems": 200,
                            "items": {"$ref": "#/components/schemas/Attempt"},
                        },
                        "total": {"type": "integer", "minimum": 0},
                        "total_is_exact": {"type": "boolean"},
                        "searched_to": _NO_MOMENT,
                        "limit": {"type": "integer", "minimum": 1, "maximum": 200},
                        "offset": {"type": "integer", "minimum": 0},
                    },
                },
            ),
            **_REFUSALS,
        },
    }


def _retry() -> Json:
    return {
        "operationId": "retry",
        "summary": "Has a row sent again",
        "description": (
            "Reopens its unfinished entries, or appends a new one. What an operator asks for is sent although nothing "
            "changed, and never without the look-up before a create."
        ),
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["entity_type", "entity_id"],
                        "additionalProperties": False,
                        "properties": {
                            "entity_type": {"type": "string", "enum": ENTITY_TYPES},
                            "entity_id": {
                                "type": "string",
                                "format": "uuid",
                                "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
                            },
                        },
                    }
                }
            },
        },
        "responses": {
            "202": _ok(
                "It will be sent.",
                {
                    "type": "object",
                    "required": ["outbox_id", "status"],
                    "properties": {
                        "outbox_id": {"type": "integer", "description": "The newest entry that was reopened or made."},
                        "status": {"type": "string", "description": "Its status: pending."},
                    },
                },
            ),
            **_REFUSALS,
            "403": _error("A session without its token in X-CSRF-Token, or a request that another site sent."),
            "404": _error("Nothing of this row was ever captured."),
            "409": _error("It is being sent at this moment."),
            "413": _error("The body is too large."),
            "415": _error("The body is not JSON."),
        },
    }
