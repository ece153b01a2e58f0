"""The log: one JSON object a line, a fixed vocabulary of events, no secret, and no way to stop the daemon.

Levels say whose matter it is: *info* is a change of state, *warning* something that the data, Zoho or the
environment must answer for (a refusal of the API is a warning about their data), *error* a mistake of ours.
"""

import json
import logging
import os
import re
import threading
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from enum import StrEnum
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from outbox.settings import LogFormat, LogLevel

REDACTED = "[redacted]"


class Event(StrEnum):
    """Stable names of what the log reports. Scripts and alerts may rely on them."""

    DAEMON_STARTED = "daemon.started"
    """info: settings and database are verified; claiming begins after ``organisation.verified``."""
    DAEMON_REFUSED = "daemon.refused"
    """error: start-up found something that a person must mend first; ``reason`` says what."""
    SCHEMA_OUTDATED = "schema.outdated"
    """warning: a step of ``migrate`` is due that does no harm while it waits; ``step`` names it."""
    DAEMON_DRAINING = "daemon.draining"
    """info: a signal asked to stop; nothing more is claimed, what is in flight is finished."""
    DAEMON_STOPPED = "daemon.stopped"
    """info: the last event of a process that ended in order."""

    ENTRY_CLAIMED = "entry.claimed"
    """debug: an entity's pending entries were absorbed into one attempt; how many: ``entries``."""
    ENTRY_RETURNED = "entry.returned"
    """debug: a claim was given back without a verdict: the daemon stops, the organisation does not run, the database
    was away, the lease was too short for another request."""
    ENTRY_SENT = "entry.sent"
    """info: Zoho holds the row as it stands; ``zoho_id``, ``milliseconds``, ``api_calls``; where Zoho showed what it
    comes to, ``verified_total``: true, or false with the difference in ``off_by`` (at most 0.05, else it is dead)."""
    ENTRY_UNCHANGED = "entry.unchanged"
    """info: Zoho holds the row as it stands already; nothing was written there."""
    ENTRY_RETRIED = "entry.retried"
    """warning: the attempt failed (``reason``) and will be made again in ``next_attempt_in_seconds``."""
    ENTRY_ADOPTED = "entry.adopted"
    """info: the record was found in Zoho and taken over in place of creating it."""
    ENTRY_DEAD = "entry.dead"
    """warning: no attempt is left, or none would help; ``reason`` holds the next step."""
    ENTRY_SKIPPED = "entry.skipped"
    """info: the row is not eligible; ``reason`` says why."""
    ENTRY_WAITING = "entry.waiting"
    """info: a prerequisite is not in Zoho yet; it wakes the entry."""
    ENTRY_CRASHED = "entry.crashed"
    """error: a mistake of ours while an entry was worked on; the exception is in the event."""

    LEASE_TAKEN_OVER = "lease.taken_over"
    """warning: another worker's lease had ended; its attempt is recorded as "fate unknown"."""
    ACKNOWLEDGEMENT_REFUSED = "acknowledgement.refused"
    """warning: the token was no longer ours; where something had been sent, the entity is enqueued again."""
    LOG_ROW_LOST = "log_row.lost"
    """error: an attempt was settled without its log row or its status columns, or could not be settled at all and is
    left to its lease; ``reason`` says which."""

    ORGANISATION_VERIFIED = "organisation.verified"
    """info: the organisation exists, and its currency is ours; ``remarks`` lists what differs."""
    ORGANISATION_UNVERIFIED = "organisation.unverified"
    """warning: Zoho could not be asked whether the organisation is ours; nothing is sent before; tried again."""
    ORGANISATION_RUNNING = "organisation.running"
    """info: sending goes on after a pause, throttle, outage or refusal."""
    ORGANISATION_PAUSED = "organisation.paused"
    """warning: an operator stopped sending."""
    ORGANISATION_THROTTLED = "organisation.throttled"
    """warning: Zoho wants silence until ``until``; no attempt is burned."""
    ORGANISATION_BROKEN = "organisation.broken"
    """warning: Zoho is unwell; single probes until it answers."""
    ORGANISATION_FORBIDDEN = "organisation.forbidden"
    """error: token, scope or organisation was refused; a person must act, ``reason`` says how."""
    BUDGET_SPENT = "budget.spent"
    """warning: a day's share, or the tokens of ten minutes, is used up until ``until``; ``reason`` says which."""
    BUDGET_OPEN = "budget.open"
    """info: what was used up (``after`` says what) is open again."""

    TOKEN_MINTED = "token.minted"  # noqa: S105 - the name of an event
    """info: a new access token for all replicas; ``generation`` names it."""
    TOKEN_REFUSED = "token.refused"  # noqa: S105
    """error: the accounts host refused our credentials; ``advice`` says what to mend."""
    TOKEN_THROTTLED = "token.throttled"  # noqa: S105
    """warning: too many tokens were asked for; nobody asks again during the cooldown."""
    TOKEN_UNAVAILABLE = "token.unavailable"  # noqa: S105
    """warning: the accounts host is unwell; asked again after a short cooldown."""
    TOKEN_NOT_STORED = "token.not_stored"  # noqa: S105
    """warning: a minted token could not be stored; this process alone uses it."""

    REQUEST_SENT = "request.sent"
    """debug: one exchange with Zoho; method, path, status, code, milliseconds, no payload."""

    PERMIT_NOT_RETURNED = "permit.not_returned"
    """warning: a request ended, but its place among those in flight could not be given back at once."""

    DATABASE_LOST = "database.lost"
    """warning: the database does not answer; asked again with a capped backoff."""
    DATABASE_BACK = "database.back"
    """info: the database answers again."""
    LISTENER_DEAF = "listener.deaf"
    """warning: notifications do not arrive (connection, pooler); polling carries on."""
    LISTENER_HEARS = "listener.hears"
    """info: a notification made the round trip."""

    PAST_PRUNED = "past.pruned"
    """info: finished entries and log rows past OUTBOX_RETENTION_DAYS were deleted; ``entries``, ``log_rows``."""

    LOOP_FAILING = "loop.failing"
    """error: a loop of the daemon failed and will be started again; once per change of state."""
    LOOP_RECOVERED = "loop.recovered"
    """info: a loop that failed is moving again."""
    LOOP_STALLED = "loop.stalled"
    """error: a loop neither fails nor moves; the watchdog is not fed any more, and systemd starts the daemon anew."""
    HTTP_LISTENING = "http.listening"
    """info: dashboard, API, health and metrics are served at ``address``."""
    HTTP_NOT_LISTENING = "http.not_listening"
    """warning: the address is in use; tried again, the daemon works on."""
    HTTP_FAILED = "http.failed"
    """error: a mistake of ours while a request was answered; the daemon works on."""
    HTTP_UNAVAILABLE = "http.unavailable"
    """warning: a request was not answered, because the database was not reached: ``method``, ``path``, ``reason``."""
    OPERATOR_SIGNED_IN = "operator.signed_in"
    """info: somebody who knows the admin token gave their name at the dashboard: ``operator``."""
    OPERATOR_REFUSED = "operator.refused"
    """warning: a wrong admin token; ``address`` says whence."""
    OPERATOR_ACTED = "operator.acted"
    """info: ``operator`` did ``action`` through dashboard or API; ``why`` where a reason was asked for."""
    LIBRARY_MESSAGE = "library.message"
    """as the library says: a message of a library's own logger, named in ``logger``."""


_SECRET_KEYS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "password",
        "client_secret",
        "refresh_token",
        "access_token",
        "admin_token",
        "api_key",
        "token",
        "secret",
    }
)
# The scheme words of an Authorization header, and the shape of Zoho's tokens (sheet 1.1: 1000.x.y).
_CREDENTIALS = r"(?i:Zoho-oauthtoken|Bearer)\s+[^\s\"'\\,;]+|\b1000\.[0-9a-f]{16,}\.[0-9a-f]{16,}\b"
_SHORTEST_SECRET = 6
_MOST_PASSING = 300
"""Texts: a secret has up to three."""


class Redactor:
    """Blanks secrets: registered values wherever they stand, credential keys, whatever looks like a token.

    Secrets that come into being later (an access token) are registered with :meth:`register`. A value of
    fewer than 6 characters is not registered as text: blanking it would eat words; its key still hides it.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """``secrets`` are known as long as the process lives."""
        self._settled = _forms(secrets)
        self._passing: dict[str, None] = {}
        """Those that came into being later, the oldest first."""
        self._pattern = self._made()

    def __repr__(self) -> str:
        return f"<Redactor of {len(self._settled) + len(self._passing)} secrets>"

    def register(self, *secrets: str) -> None:
        """Adds secret values, plain and as they look inside JSON text. The newest 100 of these are kept."""
        for form in _forms(secrets):
            self._passing.pop(form, None)
            self._passing[form] = None
        while len(self._passing) > _MOST_PASSING:
            del self._passing[next(iter(self._passing))]
        self._pattern = self._made()

    def _made(self) -> re.Pattern[str]:
        # The longest first: one may contain another.
        known = sorted({**self._settled, **self._passing}, key=len, reverse=True)
        return re.compile("|".join([*map(re.escape, known), _CREDENTIALS]))

    def text(self, text: str) -> str:
        """``text`` with every secret blanked."""
        return self._pattern.sub(REDACTED, text)

    def value(self, value: Any) -> Any:
        """A copy of a nested value in which the values of credential keys are blanked."""
        if isinstance(value, Mapping):
            return {
                key: REDACTED if str(key).lower() in _SECRET_KEYS and item else self.value(item)
                for key, item in value.items()
            }
        if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
            return [self.value(item) for item in value]
        return value


def _forms(secrets: Iterable[str]) -> dict[str, None]:
    return {
        form: None
        for secret in secrets
        if len(secret) >= _SHORTEST_SECRET
        for form in (secret, json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1])
    }


class _RedactingRenderer:
    """Renders with another renderer and redacts what comes out: the one place that no text can pass by."""

    def __init__(self, render: Processor, redactor: Redactor) -> None:
        self._render = render
        self._redactor = redactor

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        return self._redactor.text(str(self._render(logger, method, self._redactor.value(event))))


class DroppingLogger:
    """Writes whole lines, and drops the line where that fails.

    A reader that went away (EPIPE) or a full disk must not stop the daemon. The file descriptor is written
    directly: a failed flush would leave the line in Python's buffer, to fail again at exit with status 120.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        try:
            self._descriptor: int | None = stream.fileno()
        except (OSError, ValueError, AttributeError):
            self._descriptor = None

    def msg(self, line: str) -> None:
        """Writes one line."""
        try:
            with self._lock:
                if self._descriptor is None:
                    self._stream.write(line + "\n")
                    self._stream.flush()
                    return
                rest = memoryview(f"{line}\n".encode("utf-8", "backslashreplace"))
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
        except (OSError, ValueError):  # ValueError: the stream is closed
            return

    debug = info = warning = warn = error = critical = exception = fatal = log = msg


class _ToStructlog(logging.Handler):
    """Carries messages of libraries (asyncio, aiohttp, uvicorn) into the same stream."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # a library's wrong format arguments
            message = str(record.msg)
        log = structlog.get_logger()
        log.log(
            max((known for known in _LEVELS.values() if known <= record.levelno), default=logging.DEBUG),
            Event.LIBRARY_MESSAGE,
            logger=record.name,
            message=message,
            exc_info=record.exc_info or None,
        )


_LEVELS = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}


def _to_json(event: Mapping[str, Any], **_: Any) -> str:
    first = {key: event[key] for key in ("timestamp", "level", "event") if key in event}
    return json.dumps({**first, **event}, default=str, ensure_ascii=False)


_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""sd-daemon(3), by structlog's name of the level."""


class _JournalRenderer:
    """Puts the level before the line as systemd's journal reads it, so that ``journalctl -p warning`` finds it."""

    def __init__(self, render: Processor) -> None:
        self._render = render

    def __call__(self, logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
        priority = _PRIORITIES.get(str(event.get("level")), 6)
        return f"<{priority}>" + str(self._render(logger, name, event))


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether ``stream`` goes to systemd's journal: ``$JOURNAL_STREAM`` names it by device and inode."""
    try:
        behind = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{behind.st_dev}:{behind.st_ino}"


def configure_logging(
    *, level: LogLevel, log_format: LogFormat | None, stream: TextIO, redactor: Redactor, cache: bool = True
) -> None:
    """Sends structlog's and the libraries' messages to ``stream`` (stdout for ``run``, stderr for commands).

    ``log_format`` None: console where ``stream`` is a terminal, else JSON. Exceptions are rendered without
    local variables, which hold tokens and personal data. ``cache=False`` lets a test configure again.
    """
    console = log_format is LogFormat.CONSOLE or (log_format is None and stream.isatty())
    render: Processor
    if console:
        render = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        exceptions: list[Processor] = []
    else:
        render = structlog.processors.JSONRenderer(serializer=_to_json)
        exceptions = [structlog.processors.format_exc_info]
    redacting = _RedactingRenderer(render, redactor)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *exceptions,
            _JournalRenderer(redacting) if is_journal(stream, os.environ) else redacting,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: logger,
        cache_logger_on_first_use=cache,
    )
    logger = DroppingLogger(stream)

    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _ToStructlog)]:
        root.removeHandler(handler)
    root.addHandler(_ToStructlog())
    root.setLevel(_LEVELS[level])
    for chatty in ("httpx", "httpcore", "aiohttp", "asyncio", "psycopg", "uvicorn"):
        # Their info lines repeat ours, and httpx's carry whole URLs: an e-mail address can be in a query.
        logging.getLogger(chatty).setLevel(max(_LEVELS[level], logging.WARNING))
