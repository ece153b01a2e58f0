"""The picture in the README, from a real run: ``python -m tests.demo.screenshot deploy/images/demo.svg``.

Plays the demo as ``zoho-outbox demo --exit`` does, and draws what its screen showed: of each act and of the summary's
table the first rows, and how many more there were. The picture loads no fonts from elsewhere. It differs from run to
run in ports, process id and times.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from daemon.demonstration import DAEMON
from outbox.demo.performance import perform
from outbox.demo.stopping import StopRequest
from outbox.demo.view import View

COLUMNS = 120

MOST_ROWS = 2
"""Shown of what an act moves."""
MOST_ROWS_OF_TABLE = 5


def main(target: Path) -> int:
    """Write the picture; returns the demo's exit status."""
    views: list[View] = []
    with StopRequest() as stop:
        status = perform(
            [sys.executable, "-c", DAEMON, "run"],
            stop=stop,
            exit_when_done=True,
            real_limits=False,
            console=Console(file=StringIO(), width=COLUMNS, highlight=False),
            on_view=views.append,
        )
    if status == 0:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(picture(views[0]), encoding="utf-8")
    return status


def picture(view: View) -> str:
    """The view's lines as SVG."""
    console = Console(
        record=True, file=StringIO(), width=COLUMNS, highlight=False, force_terminal=True, color_system="truecolor"
    )
    for line in excerpt(written(view)):
        console.print(line, soft_wrap=True)
    no_fonts = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    own_fonts = no_fonts.replace("Fira Code, monospace", "Fira Code, DejaVu Sans Mono, Menlo, Consolas, monospace")
    svg = console.export_svg(title="zoho-outbox demo", code_format=own_fonts, unique_id="demo")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def written(view: View) -> list[Text]:
    """What was on the screen, line by line."""
    console = Console(file=StringIO(), width=COLUMNS, highlight=False)
    lines: list[Text] = []
    for said in view.transcript:
        segments = console.render_lines(said, console.options, pad=False)
        lines += [Text.assemble(*((part.text, part.style or "") for part in line)) for line in segments]
    return lines


def excerpt(lines: Iterable[Text]) -> Iterator[Text]:
    """Acts and the table of rows that are not in Zoho: their titles and first rows; all of the rest."""
    title: Text | None = None
    rows: list[list[Text]] = []
    most = 0
    for line in lines:
        words = line.plain
        if words.startswith(("> ", "Rows that are not in Zoho")):
            yield from shortened(title, rows, most)
            if not words.startswith("> "):
                yield Text()
            title, rows, most = line, [], MOST_ROWS if words.startswith("> ") else MOST_ROWS_OF_TABLE
        elif title is None:
            yield line
        elif words.startswith("type "):
            title = title + Text("\n") + line
        elif words.startswith(" " * 20):
            rows[-1].append(line)
        elif words.startswith("  Zoho's books"):
            yield from shortened(title, rows, most)
            yield from (Text(), line)
            title = None
        elif words.strip():
            rows.append([line])


def shortened(title: Text | None, rows: Sequence[Sequence[Text]], most: int) -> Iterator[Text]:
    """The title, with how many rows were left out, and the others."""
    if title is not None:
        told, *heading = title.split("\n")
        left_out = len(rows) - most
        yield told + Text(f"  … {left_out} more", style="dim") if left_out > 0 else told
        yield from heading
        for row in rows[:most]:
            yield from row


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
