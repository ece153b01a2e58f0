"""Refusals that commands raise. Each text is one line: what happened, to which row, what to do next."""


class WrongUse(Exception):  # noqa: N818 - a refusal
    """The command was asked something that it cannot mean."""


class CommandFailed(Exception):  # noqa: N818 - an outcome
    """What was asked could not be done."""
