"""Child processes that end when the benchmark that started them is gone: a killed one must not leave a core burning.

The parent starts the child with ``stdin=PIPE``, and the child calls :func:`end_with_the_parent`: however the parent
ends, the pipe closes.
"""

import os
import signal
import sys
import threading


def end_with_the_parent() -> None:
    """SIGTERM to ourselves as soon as standard input ends."""
    threading.Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    # Not through sys.stdin: its lock, held by a thread that still reads, makes the interpreter abort at its end.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
