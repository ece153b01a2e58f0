"""What the demo shows: a line for each thing that happened, and a bar of counts below while there is a terminal.

The lines scroll by as on any terminal and stay when the demo has ended; only the bar is drawn again in place. Where
the output is no terminal, or a dumb one, there is no bar.
"""

import contextlib
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from outbox.demo.feed import Event, Unfinished
from outbox.demo.scene import ZohoCounts
from outbox.demo.verdict import Difference, Money
from outbox.vocabulary import EntityType, EntryStatus, Outcome

PLAIN_WIDTH = 132
"""Columns of lines that go to a file."""

_STYLES = {
    "synced": "green",
    "unchanged": "green",
    "superseded": "green",
    "skipped": "yellow",
    "waiting": "yellow",
    "retrying": "yellow",
    "dead": "bold red",
    "failed": "bold red",
    "processing": "cyan",
    "pending": "cyan",
}


class OutputConsole(Console):
    """A console whose reader may go away: ``demo | head``, or a terminal that is closed."""

    def __init__(self, on_gone: Callable[[], None], stream: TextIO | None = None) -> None:
        stream = stream or sys.stdout
        self._on_gone = on_gone
        self._stream = stream
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # A terminal without UTF-8 shows a question mark; it is no reason to fail.
            reconfigure(errors="replace")
        super().__init__(file=stream, highlight=False, width=None if stream.isatty() else PLAIN_WIDTH)

    def on_broken_pipe(self) -> None:
        """Nobody reads any more: nothing is written any more, also not by Python at its end."""
        self.quiet = True
        with contextlib.suppress(OSError, ValueError):
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, self._stream.fileno())
            os.close(devnull)
        self._on_gone()


@dataclass(frozen=True)
class Progress:
    """The bar's figures."""

    rows: Mapping[EntityType, Mapping[str, int]]
    """By where they stand."""
    stopped: str | None
    """Why nothing is sent; None: sending goes on."""
    zoho: ZohoCounts
    seconds: float


@dataclass(frozen=True)
class Look:
    """How a person looks for themselves."""

    psql: str
    simulator: str
    settings_file: str
    dashboard: str
    token: str


class View:
    """Writes on a console. ``transcript`` keeps what was written, for a picture of it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        bar = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, auto_refresh=False, transient=True) if bar else None
        self._headed = False
        self.transcript: list[RenderableType] = []

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            with _output():
                self._live.stop()
            self._live = None

    def say(self, line: RenderableType) -> None:
        """One thing, kept on the screen."""
        self.transcript.append(line)
        with _output():
            self._console.print(line, soft_wrap=not self._console.is_terminal)

    def title(self) -> None:
        """The first thing on the screen."""
        self.say(
            Text.assemble(
                ("zoho-outbox demo", "bold"),
                "  CircleTel's customers, services, invoices and payments travel from PostgreSQL to Zoho Billing",
            )
        )

    def part(self, name: str, words: str) -> None:
        """A part of the scene stands."""
        self.say(_indented(name, words))

    def act(self, told: str) -> None:
        """Somebody does something in the host's database."""
        self.say(Text.assemble("\n", ("> ", "bold blue"), (told, "bold"), overflow="fold"))
        if not self._headed:
            self._headed = True
            self.say(_line(self._width, _HEADINGS, "dim"))

    def event(self, event: Event) -> None:
        """An outbox entry came somewhere."""
        self.say(_event_line(self._width, event))

    def progress(self, progress: Progress) -> None:
        """Draw the bar again."""
        if self._live is not None:
            with _output():
                self._live.update(_bar(progress), refresh=True)

    def summary(
        self,
        progress: Progress,
        unfinished: Sequence[Unfinished],
        found: Sequence[Difference],
        *,
        rows: int,
        money: Money,
        travel: str,
    ) -> None:
        """How it ended: what is not synced, what it cost, and whether that is as it should be."""
        self.say(Text())
        if unfinished:
            self.say(Text("Rows that are not in Zoho, and why (the sample has them on purpose)", style="bold"))
            self.say(_unfinished_table(unfinished))
            self.say(Text())
        zoho = progress.zoho
        once = f"{zoho.repeated} of them MORE THAN ONCE" if zoho.repeated else "each of them exactly once"
        held = ", ".join(f"{count} {entity_type}s" for entity_type, count in zoho.records.items())
        sums = f"{money.invoices} invoices over R {money.invoiced:,}, {money.payments} payments over R {money.paid:,}"
        facts = [
            ("Zoho's books", f"{held}; {zoho.creates} were created, {once}"),
            ("Money", sums if found else f"{sums}: the same on both sides, to the cent"),
            (
                "Requests",
                f"{zoho.requests}: {zoho.requests - zoho.reads} to write, {zoho.reads} to read; "
                f"refused as too many: {zoho.refused}",
            ),
            ("Travel time", travel),
        ]
        for name, words in facts:
            self.part(name, words)
        if found:
            self.say(Text(f"\nNOT as the sample data says, {len(found)} differences:", style="bold red"))
            for difference in found:
                self.say(Text(f"  {difference.key}  {difference.name}: {difference.what}", overflow="fold"))
        else:
            words = (
                f"\nAll {rows} rows stand as they should: Zoho's books compared field by field with the sample data."
            )
            self.say(Text(words, style="bold green"))

    def look(self, look: Look) -> None:
        """How to go on from here."""
        self.say(Text("\nIt goes on until Ctrl-C. Change something and see it travel:", style="bold"))
        self._command("Dashboard", f"{look.dashboard}  (any name, and the token {look.token})")
        self._command("Database", look.psql)
        self._command("", "UPDATE customers SET phone = '+27 82 555 0000' WHERE account_number = 'CT-2025-00015';")
        self._command("", "UPDATE payment_transactions SET status = 'refunded' WHERE transaction_id = 'NC-10009';")
        self._command("", "UPDATE customer_invoices SET status = 'sent' WHERE invoice_number = 'INV-2025-00043';")
        self._command("", "SELECT id, entity_type, change, status, outcome, zoho_id FROM zoho_outbox ORDER BY id;")
        self._command("Zoho's books", f"curl -s {look.simulator}/_simulator/books")
        self._command("Commands", f"export ZOHO_OUTBOX_ENV_FILE={look.settings_file}; zoho-outbox status")
        self._command("", "zoho-outbox explain payment NC-10014")
        self.say(Text())

    def warn(self, words: str) -> None:
        """Something went wrong: for standard error. The bar must be gone by then."""
        with _output():
            sys.stderr.write(f"{words}\n")

    def _command(self, name: str, words: str) -> None:
        """Something to copy: the terminal breaks the line, not we."""
        line = Text.assemble("  ", (f"{name:<14}", "bold"), words)
        self.transcript.append(line)
        with _output():
            self._console.print(line, soft_wrap=True)

    @property
    def _width(self) -> int:
        return self._console.width


@contextlib.contextmanager
def _output() -> Iterator[None]:
    """A terminal that is gone (its window was closed) cannot be written to; SIGHUP tells so as well."""
    with contextlib.suppress(OSError):
        yield


def _indented(name: str, words: str) -> Table:
    """A name, and words that stay right of it where the line is too long."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=1)
    grid.add_column(width=13, style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("", name, Text(words))
    return grid


@dataclass(frozen=True)
class _Cells:
    kind: str
    key: str
    name: str
    change: str
    entry: str
    request: str
    zoho_id: str
    time: str
    status: str


_HEADINGS = _Cells("type", "row", "who or what", "change", "entry", "last sent to Zoho", "Zoho id", "ms", "status")

_WIDE = 118
"""Columns in which there is room for everything but the entries, which come with 9 more."""


def _line(width: int, cells: _Cells, style: str = "", reason: str | None = None) -> Text:
    """One line of a table that is never drawn whole. Where it is narrow, the entries go first, then change and id.

    A ``reason`` stands where request and Zoho id would; one that is too long for that has lines of its own.
    """
    wide = width >= _WIDE
    entry = 8 if width >= _WIDE + 9 else 0
    name = max(0, min(28, width - (97 if wide else 68) - (entry and entry + 1)))
    columns = [
        (cells.kind, 12, "left"),
        (cells.key, 14, "left"),
        (cells.name, name if name >= 8 else 0, "left"),
        (cells.change, 9 if wide else 0, "left"),
        (cells.entry, entry, "left"),
    ]
    request, zoho_id = (24, 16) if wide else (22, 0)
    room = request + (zoho_id + 1 if zoho_id else 0)
    below = reason if reason is not None and len(reason) > room else None
    if reason is None or below:
        columns += [
            ("" if below else cells.request, request, "left"),
            ("" if below else cells.zoho_id, zoho_id, "left"),
        ]
    else:
        columns.append((reason, room, "left"))
    columns.append((cells.time, 5, "right"))
    line = Text(style=style, no_wrap=True, overflow="ellipsis")
    for text, wide_by, side in columns:
        if wide_by:
            cut = text if len(text) <= wide_by else f"{text[: wide_by - 1]}…"
            line.append(f"{cut:<{wide_by}} " if side == "left" else f"{cut:>{wide_by}} ")
    line.append(cells.status, style=_STYLES.get(cells.status, ""))
    if below:
        line.append(_below(width, below), style=_STYLES.get(cells.status, ""))
    return line


def _below(width: int, reason: str) -> str:
    """In lines of its own, under who or what it is about."""
    indent = " " * 28
    return "".join(f"\n{indent}{part}" for part in textwrap.wrap(reason, max(40, width - len(indent))))


def _event_line(width: int, event: Event) -> Text:
    if event.status is EntryStatus.DONE:
        status = "synced" if event.outcome is Outcome.SENT else str(event.outcome)
    elif event.again_at is not None:
        status = "retrying"
    else:
        status = str(event.status)
    cells = _Cells(
        kind=event.entity_type,
        key=event.key,
        name=event.name,
        change=event.change,
        entry=_entry_words(event.entries),
        request=_request_words(event),
        zoho_id=event.zoho_id or "",
        time="" if event.milliseconds is None else str(event.milliseconds),
        status=status,
    )
    carried = event.outcome is Outcome.SUPERSEDED
    done = event.status is EntryStatus.DONE
    line = _line(width, cells, style="dim" if carried else "", reason=None if done else event.reason or "")
    if done and event.reason and not carried:
        line.append(_below(width, event.reason), style="dim")
    return line


def _entry_words(entries: Sequence[int]) -> str:
    if len(entries) > 2:
        return f"#{entries[0]}…{entries[-1]}"
    return " ".join(f"#{entry}" for entry in entries)


def _request_words(event: Event) -> str:
    if event.outcome is Outcome.SUPERSEDED:
        return "(with another entry)"
    if event.request is None:
        return "(nothing to send)"
    # The record's id has a column of its own; what is done to the record is what matters here.
    return re.sub(r"/\d{6,}$", "/…", re.sub(r"/\w+/\d{6,}/", "…/", event.request))


def _bar(progress: Progress) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for entity_type, standings in progress.rows.items():
        counts = Text()
        for standing, count in sorted(standings.items(), key=lambda pair: -pair[1]):
            counts.append(f"{count} {standing}   ", style=_STYLES.get(standing, ""))
        grid.add_row(f"{entity_type}s", str(sum(standings.values())), counts)
    if progress.stopped is not None:
        grid.add_row("", "", Text(progress.stopped, style="bold yellow"))
    zoho = progress.zoho
    there = f"{sum(zoho.records.values())} records, {zoho.requests} requests"
    grid.add_row("Zoho", "", f"{there}   |   {progress.seconds:.0f} s   |   Ctrl-C ends")
    return Panel(grid, title="rows here, and where they stand", title_align="left")


def _unfinished_table(unfinished: Sequence[Unfinished]) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=1)
    for _ in range(3):
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for row in unfinished:
        status = Text(row.status, style=_STYLES.get(row.status, ""))
        grid.add_row("", status, row.entity_type, row.key, Text(row.reason))
    return grid
