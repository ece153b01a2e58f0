"""The picture in the README, from a real run: ``python -m tests.demo.screenshot deploy/images/demo.svg``.

Plays the demo as ``zoho-outbox demo --exit`` does, and draws what its screen showed. The picture loads no fonts
from elsewhere. It differs from run to run in ports, process id and times.
"""

import re
import sys
from io import StringIO
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from daemon.demonstration import DAEMON
from outbox.demo.performance import perform
from outbox.demo.stopping import StopRequest
from outbox.demo.view import View

COLUMNS = 120


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
    for line in view.transcript:
        console.print(line)
    no_fonts = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    own_fonts = no_fonts.replace("Fira Code, monospace", "Fira Code, DejaVu Sans Mono, Menlo, Consolas, monospace")
    svg = console.export_svg(title="zoho-outbox demo", code_format=own_fonts, unique_id="demo")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
