"""Parameters and addresses that no specification lists and that clients use (sheet 6)."""

from typing import assert_never

from outbox.simulator.calls import Call
from outbox.simulator.replies import bad_parameter, unknown_address
from outbox.simulator.settings import Undocumented


def honoured(call: Call, name: str, feature: Undocumented) -> dict[str, str]:
    """The parameter `name` where it was sent and counts, else nothing.

    Raises Refusal 400/2 or 404/5 where it was sent and `feature` says so.
    """
    value = call.query.get(name)
    if value is None:
        return {}
    match feature:
        case Undocumented.ON:
            return {name: value}
        case Undocumented.IGNORED:
            return {}
        case Undocumented.BAD_REQUEST:
            raise bad_parameter(name)
        case Undocumented.NOT_FOUND:
            raise unknown_address()
        case _:
            assert_never(feature)


def sent(call: Call, *names: str) -> dict[str, str]:
    """Documented parameters among `names` that were sent."""
    return {name: call.query[name] for name in names if name in call.query}
