"""``python -m daemon`` is ``zoho-outbox``."""

from daemon.command_line import main

main()
