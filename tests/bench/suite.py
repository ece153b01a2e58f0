"""Runs parts one after another; one that fails says so in its place."""

import json
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.parts import Options, Part
from tests.bench.report import Report, machine

LIFE_SECONDS = 30.0
"""Between lines that say that a part still runs."""

DONE, FAILED, INTERRUPTED = 0, 1, 130
"""Exit statuses; the last is a shell's for SIGINT."""


@dataclass(frozen=True)
class Outcome:
    """How one part ended."""

    name: str
    seconds: float
    report: Report | None = None
    failure: str | None = None
    """Why there is no report."""

    def as_json(self) -> dict[str, Any]:
        """As it is saved."""
        ended: dict[str, Any] = {"seconds": round(self.seconds, 1)}
        return ended | (dict(self.report.as_json()) if self.report is not None else {"failed": self.failure})


@dataclass
class Suite:
    """One run of several parts."""

    options: Options
    file: Path | None = None
    """Saved anew after each part: what was measured is kept, whatever comes after."""
    outcomes: list[Outcome] = field(default_factory=list)
    _began: datetime = field(default_factory=lambda: datetime.now(UTC), init=False)
    _interrupted: bool = field(default=False, init=False)

    def run(self, parts: Sequence[Part]) -> int:
        """The exit status: :data:`FAILED` where a part failed, :data:`INTERRUPTED` after Ctrl-C. What is missed of what
        is wanted is told, and is no failure. For the main thread: it listens for Ctrl-C."""
        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            return self._run(parts)
        finally:
            signal.signal(signal.SIGINT, before)

    def _interrupt(self, *_: object) -> None:
        self._interrupted = True
        raise KeyboardInterrupt

    def _run(self, parts: Sequence[Part]) -> int:
        for number, part in enumerate(parts, 1):
            _say(f"[{number}/{len(parts)}] {part.name}: {part.about}")
            try:
                outcome = self._measured(part)
            except KeyboardInterrupt:
                self._keep(Outcome(part.name, 0.0, failure="interrupted"))
                _say(f"interrupted in {part.name}; measured so far: {len(self.outcomes) - 1} of {len(parts)} parts")
                return INTERRUPTED
            self._keep(outcome)
            if outcome.report is not None:
                outcome.report.show()
            print(flush=True)
        self._sum_up()
        return FAILED if any(outcome.failure for outcome in self.outcomes) else DONE

    def as_json(self) -> dict[str, Any]:
        """All that was measured."""
        return {
            "taken": f"{self._began:%Y-%m-%d}",
            "commit": _commit(),
            "quick": self.options.quick,
            "machine": machine(),
            "parts": {outcome.name: outcome.as_json() for outcome in self.outcomes},
        }

    def _measured(self, part: Part) -> Outcome:
        began = time.monotonic()
        try:
            with _showing_life(part.name):
                report = part.measure(self.options)
        except Exception as error:
            if self._interrupted:
                # What a part was just using was interrupted with it, and complained while it was put away.
                raise KeyboardInterrupt from error
            # Whatever it is, it must not cost the figures of the others.
            traceback.print_exc()
            reason = " ".join(str(error).split())[:500]
            print(f"{part.name} FAILED: {type(error).__name__}: {reason}", flush=True)
            return Outcome(part.name, time.monotonic() - began, failure=f"{type(error).__name__}: {reason}")
        _say(f"  {part.name}: done in {_span(time.monotonic() - began)}")
        return Outcome(part.name, time.monotonic() - began, report)

    def _keep(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if self.file is not None:
            text = json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n"
            self.file.write_text(text, encoding="utf-8")

    def _sum_up(self) -> None:
        for outcome in self.outcomes:
            if outcome.report is not None:
                for missed in outcome.report.missed:
                    print(f"missed: {outcome.name}: {missed}")
            else:
                print(f"FAILED: {outcome.name}: {outcome.failure}")


@contextmanager
def _showing_life(name: str) -> Iterator[None]:
    over, began = threading.Event(), time.monotonic()

    def tick() -> None:
        while not over.wait(LIFE_SECONDS):
            _say(f"  {name}: {_span(time.monotonic() - began)}")

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _commit() -> str:
    """Of the checkout, with a plus sign where something in it was changed; '' outside of one."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip()


def _span(seconds: float) -> str:
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s" if seconds >= 60 else f"{seconds:.0f} s"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
