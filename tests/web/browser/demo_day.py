"""The demo's company on an ordinary morning, behind a daemon that serves the dashboard: for screenshots.

What the sample data leads to is real: daemon, simulator, refusals. What a day before it would have left in the log is
written by SQL.
"""

import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import psycopg

from daemon.demonstration import DAEMON
from outbox.demo import host
from outbox.demo.daemon_process import DaemonProcess
from outbox.demo.postgres_server import PostgresServer
from outbox.demo.sample import sample
from outbox.demo.sample.days import Days
from outbox.demo.scene import QUICK_SETTINGS, Scene, scene
from outbox.demo.stopping import StopRequest
from outbox.simulator import FaultRule
from outbox.simulator.faults import FaultKind

PATIENCE_SECONDS = 60.0

DAY_BEFORE = """
WITH hour AS (
    SELECT
        date_trunc('hour', now()) - number * interval '1 hour' AS begins,
        (ARRAY[4, 2, 2, 1, 1, 3, 8, 22, 41, 58, 52, 47, 38, 44, 49, 36, 28, 21, 15, 11, 9, 8, 6, 5])[
            1 + extract(hour FROM date_trunc('hour', now()) - number * interval '1 hour')::integer
        ] AS attempts
    FROM generate_series(1, 23) AS number
),
attempt AS (
    SELECT
        hour.begins + random() * interval '59 minutes' AS at,
        row_number() OVER () AS number
    FROM hour
    CROSS JOIN LATERAL generate_series(1, hour.attempts)
),
known AS (
    SELECT log.*, row_number() OVER (ORDER BY log.created_at, log.id) AS number, count(*) OVER () AS all_of_them
    FROM public.zoho_sync_logs AS log
    WHERE log.status = 'success'
)
INSERT INTO public.zoho_sync_logs (
    entity_type, entity_id, zoho_entity_type, zoho_entity_id, status, attempt_number, error_message, duration_ms,
    api_calls, outbox_id, failure_class, created_at
)
SELECT
    known.entity_type,
    known.entity_id,
    known.zoho_entity_type,
    known.zoho_entity_id,
    CASE WHEN attempt.number % 61 = 0 THEN 'failed' WHEN attempt.number % 19 = 0 THEN 'retrying' ELSE 'success' END,
    1,
    CASE
        WHEN attempt.number % 61 = 0 THEN 'HTTP 400 code 3006: Invalid value passed for phone. Correct the phone number'
        WHEN attempt.number % 19 = 0 THEN 'no answer within 30 s'
    END,
    (180 + 900 * random() * random())::integer,
    1 + (attempt.number % 7 = 0)::integer,
    known.outbox_id,
    CASE WHEN attempt.number % 61 = 0 THEN 'permanent' WHEN attempt.number % 19 = 0 THEN 'transient' END,
    attempt.at
FROM attempt
JOIN known ON known.number = 1 + attempt.number % known.all_of_them
"""

SPENT = """
UPDATE zoho_outbox_private.day_budget SET requests = CASE urgency WHEN 10 THEN 388 WHEN 20 THEN 21 ELSE requests END;
UPDATE zoho_outbox_private.request_budget SET requests = (
    SELECT sum(used.requests) FROM zoho_outbox_private.day_budget AS used WHERE used.day = request_budget.day
);
"""


REFUSED_PAYMENTS = FaultRule(
    kind=FaultKind.REFUSED,
    method="POST",
    path="/payments",
    code=24016,
    message="The amount exceeds the balance due",
    skip=3,
    times=8,
)
"""What Zoho refuses of several records alike."""


@dataclass(frozen=True)
class Morning:
    """What there is to look at."""

    url: str
    token: str
    stage: Scene
    superuser_dsn: str


@contextmanager
def demo_day() -> Iterator[Morning]:
    """Starts it all; ends it all."""
    token = secrets.token_hex(24)
    played = sample(Days.now())
    postgres = PostgresServer(durable=False)
    with (
        StopRequest() as stop,
        scene(
            postgres,
            [sys.executable, "-c", DAEMON, "run"],
            real_limits=False,
            before=played.before,
            faults=[REFUSED_PAYMENTS],
            stop=stop,
            report=_report,
        ) as stage,
    ):
        for act in played.acts:
            for step in act.steps:
                stage.applications.take(step)
            _settled(stage, stop)
        superuser_dsn = postgres.dsn(host.DATABASE)
        with psycopg.connect(superuser_dsn, autocommit=True) as superuser:
            superuser.execute(DAY_BEFORE)
            superuser.execute(SPENT)
        _compare(stage)
        port = free_port()
        with DaemonProcess([sys.executable, "-c", DAEMON, "run"]) as serving:
            serving.start(
                {
                    **_environment(stage),
                    **QUICK_SETTINGS,
                    "ZOHO_DAILY_REQUEST_LIMIT": "1000",
                    "OUTBOX_HTTP_LISTEN": f"127.0.0.1:{port}",
                    "OUTBOX_ADMIN_TOKEN": token,
                }
            )
            url = f"http://127.0.0.1:{port}"
            _answering(url, serving, stop)
            yield Morning(url, token, stage, superuser_dsn)


def free_port() -> int:
    """One that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _report(part: str, words: str) -> None:
    sys.stderr.write(f"{part}: {words}\n")


def _environment(stage: Scene) -> dict[str, str]:
    lines = stage.settings_file.read_text(encoding="utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines)
    return {name: value.strip("'") for name, value in settings.items()} | {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": ":".join(sys.path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LOG_FORMAT": "json",
    }


def _compare(stage: Scene) -> None:
    """As the timer does each night. Something differs, so its exit status is 1."""
    subprocess.run(
        [sys.executable, "-c", DAEMON, "reconcile"],
        env={**_environment(stage), **QUICK_SETTINGS},
        check=False,
        stdout=subprocess.DEVNULL,
        timeout=PATIENCE_SECONDS,
    )


def _settled(stage: Scene, stop: StopRequest) -> None:
    for _ in range(int(PATIENCE_SECONDS / 0.1)):
        stage.check()
        if stage.feed.is_settled():
            return
        stop.wait(0.1)
    raise stage.trouble("it does not come to rest")


def _answering(url: str, serving: DaemonProcess, stop: StopRequest) -> None:
    for _ in range(int(PATIENCE_SECONDS / 0.1)):
        if serving.exit_status is not None:
            break
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        stop.wait(0.1)
    raise RuntimeError(f"the daemon does not serve; it said:\n{serving.last_words(20)}")
