"""Whether an attempt that was not acknowledged is repeated, and after how long: the engine's one retry policy. Kernels.

`[run]` says how many attempts, and which share of what is acknowledged may be repeated: without such a budget a cluster that
was away answers old attempts, which nobody waits for any more, while new ones time out. Commands to devices have a policy of
their own, in `store.commands`.
"""

from loadtests.kernels import borrowing_kernel
from loadtests.sender.outcomes import IS_HOPELESS
from loadtests.sender.state import RETRIES_UNBOUNDED, EngineLimit, Total, WireState

ATTEMPT_CREDIT = 1_000  # of Total.RETRY_CREDIT


@borrowing_kernel
def is_retried(state: WireState, place: int, kind: int) -> bool:
    """Is the operation of a place sent again, whose attempt ended for the reason `kind` (ErrorKind)?"""
    row = state.places[place]
    # What may have been applied must not be sent twice, unless the statement says that this changes nothing.
    may_repeat = state.is_idempotent[row["operation"]] == 1 or row["may_be_applied"] == 0
    has_attempts_left = row["attempt_count"] < state.limits[EngineLimit.ATTEMPTS]
    may_repeat = may_repeat and has_attempts_left and not IS_HOPELESS[kind]
    return bool(may_repeat and state.limits[EngineLimit.IS_STOPPING] == 0 and take_credit(state))


@borrowing_kernel
def take_credit(state: WireState) -> bool:
    """Take one repeated attempt out of the budget; False, and nothing is taken, where there is none left."""
    if state.limits[EngineLimit.RETRY_PER_MILLE] == RETRIES_UNBOUNDED:
        return True
    if state.totals[Total.RETRY_CREDIT] < ATTEMPT_CREDIT:
        return False
    state.totals[Total.RETRY_CREDIT] -= ATTEMPT_CREDIT
    return True


@borrowing_kernel
def earn_credit(state: WireState) -> None:
    """An operation was acknowledged: some of a repeated attempt more is allowed, up to what may be saved."""
    earned = max(state.limits[EngineLimit.RETRY_PER_MILLE], 0)
    state.totals[Total.RETRY_CREDIT] = min(
        state.totals[Total.RETRY_CREDIT] + earned, state.limits[EngineLimit.RETRY_CREDIT]
    )


@borrowing_kernel
def backoff_us(state: WireState, meter: int, attempt_count: int) -> int:
    """Doubles with each attempt up to its maximum; a half of it depends on the meter, so that retries spread."""
    longest = min(
        state.limits[EngineLimit.BACKOFF_US] << min(max(attempt_count - 1, 0), 20),
        state.limits[EngineLimit.BACKOFF_US_MAX],
    )
    mixed = (meter * 2_654_435_761 + attempt_count * 40_503) & 0xFFFF
    return int(longest // 2 + (longest // 2 * mixed >> 16))
