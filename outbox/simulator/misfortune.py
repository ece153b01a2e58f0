"""What a fault makes of a request."""

from collections.abc import Callable
from typing import assert_never

from outbox.simulator import replies
from outbox.simulator.faults import Fault, FaultKind
from outbox.simulator.replies import BrokenConnection, Refusal, Reply
from outbox.simulator.state import Simulator
from outbox.simulator.tokens import throttled_reply, token_error

CarryOut = Callable[[int], Reply]
"""Does what was asked, with the displacement of a list's rows, and gives the honest reply."""

Outcome = Reply | BrokenConnection


async def befall(fault: Fault, simulator: Simulator, carry_out: CarryOut) -> Outcome:
    """The outcome of a request under `fault`; `carry_out` runs once or not at all."""
    rule = fault.rule
    match rule.kind:
        case FaultKind.SLOW_BEFORE:
            await simulator.wait(rule.seconds)
            return carry_out(0)
        case FaultKind.HELD_BEFORE:
            await fault.released()
            await simulator.wait(rule.seconds)
            return carry_out(0)
        case FaultKind.HELD_AFTER:
            done = carry_out(0)
            await fault.released()
            await simulator.wait(rule.seconds)
            return done
        case _:
            outcome = _outcome(fault, simulator, carry_out)
            if rule.seconds:
                await simulator.wait(rule.seconds)
            return outcome


def _outcome(fault: Fault, simulator: Simulator, carry_out: CarryOut) -> Outcome:  # noqa: PLR0912 - one per kind
    rule = fault.rule
    match rule.kind:
        case FaultKind.SLOW_BEFORE | FaultKind.HELD_BEFORE | FaultKind.SLOW_AFTER | FaultKind.HELD_AFTER:
            return carry_out(0)
        case FaultKind.DONE_THEN_LOST:
            carry_out(0)
            return BrokenConnection(rule.reset)
        case FaultKind.DONE_THEN_CUT:
            return replies.cut_short(carry_out(0))
        case FaultKind.LOST_THEN_NOT_DONE:
            return BrokenConnection(rule.reset)
        case FaultKind.SERVER_ERROR_BEFORE:
            return replies.internal_error().reply()
        case FaultKind.SERVER_ERROR_AFTER:
            carry_out(0)
            return replies.internal_error().reply()
        case FaultKind.BAD_GATEWAY_BEFORE:
            return replies.bad_gateway()
        case FaultKind.BAD_GATEWAY_AFTER:
            carry_out(0)
            return replies.bad_gateway()
        case FaultKind.HTML_BEFORE:
            return replies.html_page()
        case FaultKind.HTML_AFTER:
            carry_out(0)
            return replies.html_page()
        case FaultKind.TRUNCATED_JSON_BEFORE:
            return replies.truncated_json(replies.success("success"))
        case FaultKind.TRUNCATED_JSON_AFTER:
            return replies.truncated_json(carry_out(0))
        case FaultKind.REFUSED_WITH_200:
            return Refusal(200, rule.code, rule.message).reply()
        case FaultKind.REFUSED:
            return Refusal(rule.status, rule.code, rule.message).reply()
        case FaultKind.RATE_LIMITED_43:
            return replies.blocked_for_security(rule.retry_after_seconds).reply()
        case FaultKind.RATE_LIMITED_44:
            return replies.organisation_blocked().reply()
        case FaultKind.RATE_LIMITED_45:
            return replies.day_used_up(simulator.settings.limits.requests_per_day or 1000).reply()
        case FaultKind.RATE_LIMITED_1070:
            return replies.too_many_in_process().reply()
        case FaultKind.UNAUTHENTICATED_14:
            return replies.unauthenticated().reply()
        case FaultKind.UNAUTHORISED_57:
            return replies.unauthorised().reply()
        case FaultKind.FOREIGN_ORGANISATION:
            return replies.foreign_organisation(simulator.settings.organisation.organization_id).reply()
        case FaultKind.ROW_REPEATED:
            return carry_out(-1)
        case FaultKind.ROW_SKIPPED:
            return carry_out(1)
        case FaultKind.TOKEN_THROTTLED:
            return throttled_reply()
        case FaultKind.TOKEN_INVALID_CODE:
            return token_error("invalid_code")
        case FaultKind.TOKEN_INVALID_CLIENT:
            return token_error("invalid_client")
        case FaultKind.TOKEN_INVALID_SECRET:
            return token_error("invalid_client_secret")
        case FaultKind.TOKEN_MISSING:
            return Reply(200, b"{}")
        case _:
            assert_never(rule.kind)
