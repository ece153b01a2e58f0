"""The demo from curtain to curtain: set the scene, play the acts, look whether Zoho's books agree."""

import statistics
import time
from collections.abc import Callable, Sequence

import psycopg
from rich.console import Console

from outbox.demo.postgres_server import PostgresNotFoundError, PostgresServer, PostgresStartError
from outbox.demo.sample import Sample, sample
from outbox.demo.sample.days import Days
from outbox.demo.scene import Scene, SceneError, scene
from outbox.demo.stopping import Stopped, StopRequest
from outbox.demo.verdict import Difference, differences, money_of
from outbox.demo.view import Look, OutputConsole, Progress, View
from outbox.simulator import FaultRule
from outbox.vocabulary import EntryStatus

_POLL_SECONDS = 0.08
_STEP_PAUSE_SECONDS = 0.04
_ACT_PAUSE_SECONDS = 0.25
_ACT_PATIENCE_SECONDS = 2.0
"""How long the next act waits for the last one's rows, but for one that is to be later: an outage at Zoho does not stop
the applications."""

_GIVE_UP_SECONDS = 60.0
"""Where no row has come to an end for so long, nobody waits for those on their way any more: with ``--exit`` they are
named, and the demo ends.

An attempt that failed and is made again is no end: that could go on for hours.
"""


def perform(
    daemon_command: Sequence[str],
    *,
    stop: StopRequest,
    exit_when_done: bool,
    real_limits: bool,
    played: Sample | None = None,
    faults: Sequence[FaultRule] = (),
    console: Console | None = None,
    on_view: Callable[[View], None] | None = None,
) -> int:
    """Run the demo on standard output; returns the exit status.

    ``daemon_command`` starts the daemon; it gets its settings in its environment. ``played`` is the sample of today
    where it is None. ``faults`` are planted in the simulator before the daemon starts. ``stop`` is heeded wherever the
    demo waits. ``on_view`` is given the view when all is over, with its transcript.

    0 where each row stands as the sample says, or where somebody stopped a demo that was to run until then. 1 where
    one does not, where a part did not start, and where ``exit_when_done`` was stopped before its end.
    """
    view = View(OutputConsole(stop.ask) if console is None else console)
    try:
        # Before anything is said: where it is missing, the one line about that is all there is to read.
        postgres = PostgresServer(durable=False)
        with view:
            view.title()
            played = sample(Days.now()) if played is None else played
            return _Performance(view, stop, played, exit_when_done=exit_when_done).run(
                postgres, daemon_command, real_limits=real_limits, faults=faults
            )
    except (Stopped, KeyboardInterrupt):
        view.say("Stopped; nothing is left behind.")
        return 1 if exit_when_done else 0
    except (PostgresNotFoundError, PostgresStartError, SceneError) as trouble:
        view.warn(f"zoho-outbox demo: {trouble}")
        return 1
    finally:
        if on_view is not None:
            on_view(view)


class _Performance:
    def __init__(self, view: View, stop: StopRequest, played: Sample, *, exit_when_done: bool) -> None:
        self._view = view
        self._stop = stop
        self._sample = played
        self._exit_when_done = exit_when_done
        self._began = time.monotonic()
        self._moved = self._began
        self._travels: list[int] = []

    def run(
        self, postgres: PostgresServer, daemon_command: Sequence[str], *, real_limits: bool, faults: Sequence[FaultRule]
    ) -> int:
        with scene(
            postgres,
            daemon_command,
            real_limits=real_limits,
            before=self._sample.before,
            faults=faults,
            stop=self._stop,
            report=self._view.part,
        ) as stage:
            try:
                return self._play(stage)
            except Stopped:
                self._view.say("Stopping: the daemon finishes what it holds.")
                raise
            except psycopg.Error as lost:
                raise stage.trouble(f"the demo cannot reach its own PostgreSQL any more ({lost})") from None

    def _play(self, stage: Scene) -> int:
        for act in self._sample.acts:
            if act.later:
                self._settle(stage, patience=None, gives_up=True)
            self._view.act(act.told)
            for step in act.steps:
                stage.applications.take(step)
                self._watch(stage, _STEP_PAUSE_SECONDS)
            self._settle(stage, patience=_ACT_PATIENCE_SECONDS)
            self._watch(stage, _ACT_PAUSE_SECONDS)
        self._settle(stage, patience=None, gives_up=self._exit_when_done)
        found = self._sum_up(stage)
        if self._exit_when_done:
            if found:
                self._view.part("Daemon's log", str(stage.daemon.keep_log()))
            return 1 if found else 0
        self._view.look(
            Look(
                psql=stage.psql(),
                simulator=stage.zoho.url,
                settings_file=str(stage.settings_file),
                dashboard=stage.dashboard.url,
                token=stage.dashboard.token,
            )
        )
        while True:
            self._watch(stage, 1.0)

    def _settle(self, stage: Scene, *, patience: float | None, gives_up: bool = False) -> None:
        """Until nothing is pending or processing; at most ``patience`` seconds, where that is given.

        ``gives_up``: or until nothing has moved for so long that it is no use waiting.
        """
        began = time.monotonic()
        while not stage.feed.is_settled():
            now = time.monotonic()
            if patience is not None and now - began > patience:
                return
            if gives_up and now - self._moved > _GIVE_UP_SECONDS:
                return
            self._watch(stage, _POLL_SECONDS)
        self._show(stage)

    def _watch(self, stage: Scene, seconds: float) -> None:
        """Time passes, and what moves is shown."""
        until = time.monotonic() + seconds
        while True:
            stage.check()
            self._show(stage)
            left = until - time.monotonic()
            if left <= 0:
                return
            self._stop.wait(min(left, _POLL_SECONDS))

    def _show(self, stage: Scene) -> None:
        for event in stage.feed.events():
            if event.again_at is None:
                self._moved = time.monotonic()
            if event.milliseconds is not None and event.status is EntryStatus.DONE:
                self._travels.append(event.milliseconds)
            self._view.event(event)
        self._view.progress(self._progress(stage))

    def _sum_up(self, stage: Scene) -> list[Difference]:
        rows = self._sample.rows()
        found = differences(rows, stage.feed.host_rows(), stage.zoho.books())
        self._view.summary(
            self._progress(stage),
            stage.feed.not_synced(),
            found,
            rows=len(rows),
            money=money_of(rows),
            travel=self._travel_words(),
        )
        return found

    def _progress(self, stage: Scene) -> Progress:
        return Progress(stage.feed.counts(), stage.feed.stopped(), stage.zoho.counts(), time.monotonic() - self._began)

    def _travel_words(self) -> str:
        if not self._travels:
            return "nothing arrived"
        return (
            f"from the application's COMMIT to the status in its row: {statistics.median(self._travels):.0f} ms in the "
            f"middle, {max(self._travels)} ms at most; the whole demo {time.monotonic() - self._began:.1f} s"
        )
