"""The log: valid lines, no secret in any corner of them, and never the end of the daemon."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import pytest
import structlog

from outbox.logs import REDACTED, DroppingLogger, Event, Redactor, configure_logging, is_journal
from outbox.settings import LogFormat, LogLevel

SECRET = 'pass"word-ü-of-the-database'


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def configured(
    stream: TextIO, *, level: LogLevel = LogLevel.INFO, log_format: LogFormat | None = LogFormat.JSON
) -> Redactor:
    redactor = Redactor([SECRET])
    configure_logging(level=level, log_format=log_format, stream=stream, redactor=redactor, cache=False)
    return redactor


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_a_line() -> None:
    stream = io.StringIO()
    configured(stream)
    with structlog.contextvars.bound_contextvars(entity_type="customer"):
        structlog.get_logger().info(Event.ENTRY_SENT, zoho_id="123", note="line\nbreak")
    (line,) = lines_of(stream)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert (line["event"], line["level"], line["zoho_id"]) == ("entry.sent", "info", "123")
    assert line["entity_type"] == "customer"


def test_events_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    configured(stream, level=LogLevel.WARNING)
    structlog.get_logger().info(Event.ENTRY_SENT)
    structlog.get_logger().warning(Event.ENTRY_DEAD)
    assert [line["event"] for line in lines_of(stream)] == ["entry.dead"]


def test_event_names_are_stable_and_each_is_documented() -> None:
    assert len(set(Event)) == len(Event.__members__)
    for event in Event:
        assert event.value.replace(".", "_").upper() == event.name.upper()


@pytest.mark.parametrize("log_format", LogFormat)
def test_a_secret_is_blanked_in_every_corner(log_format: LogFormat) -> None:
    stream = io.StringIO()
    redactor = configured(stream, log_format=log_format)
    late = "1000.0123456789abcdef0123.fedcba98765432100123"
    redactor.register("a-secret-that-came-later")
    log = structlog.get_logger()
    try:
        raise ValueError(f"connecting with {SECRET}") from RuntimeError("a-secret-that-came-later")
    except ValueError:
        log.exception(Event.ENTRY_CRASHED, nested={"deep": [{"dsn": f"x {SECRET} y"}]})
    log.info(f"in the event {SECRET}")
    log.info("headers", headers={"Authorization": "Zoho-oauthtoken abc", "Cookie": "session=1"})
    log.info("text", text=f"Authorization: Zoho-oauthtoken {late}", bare=late, bearer="Bearer abcdef")
    log.info("form", form={"client_secret": "s", "refresh_token": "t", "password": "p"})
    text = stream.getvalue()
    for secret in (
        SECRET,
        json.dumps(SECRET)[1:-1],
        "a-secret-that-came-later",
        late,
        "session=1",
        'abcdef"',
    ):
        assert secret not in text
    assert "oauthtoken abc" not in text
    assert text.count(REDACTED) >= 10


def test_exceptions_are_shown_without_local_variables() -> None:
    stream = io.StringIO()
    configured(stream)

    def fails() -> None:
        local_variable = "a name of a customer"
        raise ValueError(f"of length {len(local_variable)}")

    try:
        fails()
    except ValueError:
        structlog.get_logger().exception(Event.LOOP_FAILING)
    (line,) = lines_of(stream)
    assert "ValueError: of length 20" in line["exception"]
    assert "a name of a customer" not in line["exception"]


def test_libraries_speak_through_the_same_stream_and_httpx_keeps_its_urls() -> None:
    stream = io.StringIO()
    configured(stream)
    root = logging.getLogger()
    root.handlers[:] = root.handlers[-1:]  # without those of pytest, which refuse a wrong format
    logging.getLogger("httpx").info("HTTP Request: GET https://x/customers?email=joe@example.com")
    logging.getLogger("asyncio").error("broken %s", SECRET)
    logging.getLogger("odd").log(35, "wrong %d", "format")
    first, second = lines_of(stream)
    assert (first["event"], first["logger"], first["message"]) == (
        "library.message",
        "asyncio",
        f"broken {REDACTED}",
    )
    assert (second["level"], second["message"]) == ("warning", "wrong %d")


def test_values_that_json_has_not_are_written_as_text() -> None:
    stream = io.StringIO()
    configured(stream)
    structlog.get_logger().info(Event.ENTRY_SENT, value=object, surrogate="\ud800")
    assert "surrogate" in lines_of(stream)[0]


def test_a_terminal_gets_console_lines_and_a_pipe_json() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, pipe = Terminal(), io.StringIO()
    configured(terminal, log_format=None)
    structlog.get_logger().info(Event.DAEMON_STARTED)
    configured(pipe, log_format=None)
    structlog.get_logger().info(Event.DAEMON_STARTED)
    assert not terminal.getvalue().startswith("{")
    assert lines_of(pipe)[0]["event"] == "daemon.started"


def test_a_reader_that_went_away_does_not_end_the_process() -> None:
    program = (
        "import sys, structlog\n"
        "from outbox.logs import is_journal, Event, Redactor, configure_logging\n"
        "from outbox.settings import LogFormat, LogLevel\n"
        "configure_logging(level=LogLevel.INFO, log_format=LogFormat.JSON, stream=sys.stdout,"
        " redactor=Redactor())\n"
        "sys.stdin.readline()\n"
        "for _ in range(100): structlog.get_logger().info(Event.ENTRY_SENT, filler='x' * 1000)\n"
        "sys.stderr.write('alive')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, errors = process.communicate("go\n", timeout=60)
    assert (errors, process.returncode) == ("alive", 0)


def test_a_full_or_closed_stream_drops_the_line() -> None:
    closed = io.StringIO()
    closed.close()
    DroppingLogger(closed).msg("lost")
    with open("/dev/full", "w") as full:  # noqa: PTH123
        DroppingLogger(full).msg("lost")


def test_whole_lines_reach_a_file_descriptor() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "w") as sink:
        DroppingLogger(sink).msg("ünïcode")
        assert source.readline().decode() == "ünïcode\n"


def test_short_values_are_hidden_by_their_key_and_do_not_eat_words() -> None:
    redactor = Redactor(["is"])
    assert redactor.text("this is whole") == "this is whole"
    assert redactor.value({"password": "is"}) == {"password": REDACTED}
    assert "is" not in repr(redactor).split()


def test_lines_for_systemds_journal_carry_their_level_before_them() -> None:
    program = (
        "import os, sys, structlog\n"
        "behind = os.fstat(1)\n"
        "os.environ['JOURNAL_STREAM'] = f'{behind.st_dev}:{behind.st_ino}'\n"
        "from outbox.logs import *\n"
        "from outbox.settings import LogFormat, LogLevel\n"
        "configure_logging(level=LogLevel.INFO, log_format=LogFormat.JSON, stream=sys.stdout, redactor=Redactor())\n"
        "structlog.get_logger().info('one')\n"
        "structlog.get_logger().warning('two')\n"
        "structlog.get_logger().error('three')\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert [line[:4] for line in said.splitlines()] == ["<6>{", "<4>{", "<3>{"]


def test_elsewhere_they_do_not() -> None:
    with open("/dev/null", "w") as nothing:  # noqa: PTH123
        assert not is_journal(nothing, {"JOURNAL_STREAM": "8:1"})
        assert not is_journal(nothing, {})
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": "8:1"})


def test_the_secrets_of_the_settings_are_known_for_as_long_as_the_process_lives() -> None:
    # A token an hour: after twelve days the oldest of what was registered had gone, and those were among it.
    redactor = Redactor([SECRET, "another-secret-of-the-settings"])
    for hour in range(400):
        redactor.register(f"1000.an-access-token-of-hour-{hour}")
    assert redactor.text(f"{SECRET} another-secret-of-the-settings") == f"{REDACTED} {REDACTED}"
    assert redactor.text("of 1000.an-access-token-of-hour-399") == f"of {REDACTED}"
