"""What became of an operation, and which answers of a server mean what. Pure tables; kernels use the arrays.

An attempt is *acknowledged*, *failed* (the server says that it did not apply it, or it never left the client) or
*indeterminate* (it may have been applied: nobody can say). An operation is ok when any of its attempts is acknowledged;
otherwise it is indeterminate when any attempt was, and failed only when every single attempt was.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from loadtests.kernels import borrowing_kernel


class RequestOutcome(IntEnum):
    """Of an attempt, and in the end of an operation."""

    OK = 0
    FAILED = 1
    INDETERMINATE = 2


class ErrorKind(IntEnum):
    """Why an attempt was not acknowledged: the server's error codes by name, then the client's own reasons."""

    SERVER_ERROR = 0
    PROTOCOL_ERROR = 1
    BAD_CREDENTIALS = 2
    UNAVAILABLE = 3
    OVERLOADED = 4
    IS_BOOTSTRAPPING = 5
    TRUNCATE_ERROR = 6
    WRITE_TIMEOUT = 7
    READ_TIMEOUT = 8
    READ_FAILURE = 9
    FUNCTION_FAILURE = 10
    WRITE_FAILURE = 11
    CDC_WRITE_FAILURE = 12
    CAS_WRITE_UNKNOWN = 13
    SYNTAX_ERROR = 14
    UNAUTHORIZED = 15
    INVALID = 16
    CONFIG_ERROR = 17
    ALREADY_EXISTS = 18
    UNPREPARED = 19
    UNKNOWN_CODE = 20
    CLIENT_TIMEOUT = 21  # no answer within the client's limit
    CONNECTION_LOST = 22  # the connection broke with the operation in flight
    NO_CONNECTION = 23  # no node of the operation's data centre could be sent to
    NOT_DRAINED = 24  # still unanswered when the run ended
    NOT_SENT = 25  # due, but the run ended before there was room in the window
    UNEXPECTED_ANSWER = 26  # a frame that no EXECUTE may be answered with
    SHED = 27  # due, and waited for room longer than the scenario lets it: never sent

    @property
    def label(self) -> str:
        """The name in histories and reports."""
        return self.name.lower()


# [error code, kind, outcome of the attempt]. A SERVER_ERROR may come from a coordinator that had already sent the
# mutation on; a WRITE_FAILURE may have been applied by the replicas that did not fail: both are indeterminate.
# A read changes nothing, so that its time-outs and failures say "no answer", which for a read is indeterminate too.
_SERVER_CODES = (
    (0x0000, ErrorKind.SERVER_ERROR, RequestOutcome.INDETERMINATE),
    (0x000A, ErrorKind.PROTOCOL_ERROR, RequestOutcome.FAILED),
    (0x0100, ErrorKind.BAD_CREDENTIALS, RequestOutcome.FAILED),
    (0x1000, ErrorKind.UNAVAILABLE, RequestOutcome.FAILED),
    (0x1001, ErrorKind.OVERLOADED, RequestOutcome.FAILED),
    (0x1002, ErrorKind.IS_BOOTSTRAPPING, RequestOutcome.FAILED),
    (0x1003, ErrorKind.TRUNCATE_ERROR, RequestOutcome.FAILED),
    (0x1100, ErrorKind.WRITE_TIMEOUT, RequestOutcome.INDETERMINATE),
    (0x1200, ErrorKind.READ_TIMEOUT, RequestOutcome.INDETERMINATE),
    (0x1300, ErrorKind.READ_FAILURE, RequestOutcome.INDETERMINATE),
    (0x1400, ErrorKind.FUNCTION_FAILURE, RequestOutcome.FAILED),
    (0x1500, ErrorKind.WRITE_FAILURE, RequestOutcome.INDETERMINATE),
    (0x1600, ErrorKind.CDC_WRITE_FAILURE, RequestOutcome.INDETERMINATE),
    (0x1700, ErrorKind.CAS_WRITE_UNKNOWN, RequestOutcome.INDETERMINATE),
    (0x2000, ErrorKind.SYNTAX_ERROR, RequestOutcome.FAILED),
    (0x2100, ErrorKind.UNAUTHORIZED, RequestOutcome.FAILED),
    (0x2200, ErrorKind.INVALID, RequestOutcome.FAILED),
    (0x2300, ErrorKind.CONFIG_ERROR, RequestOutcome.FAILED),
    (0x2400, ErrorKind.ALREADY_EXISTS, RequestOutcome.FAILED),
    (0x2500, ErrorKind.UNPREPARED, RequestOutcome.FAILED),
)
_CLIENT_OUTCOMES = {
    ErrorKind.UNKNOWN_CODE: RequestOutcome.INDETERMINATE,
    ErrorKind.CLIENT_TIMEOUT: RequestOutcome.INDETERMINATE,
    ErrorKind.CONNECTION_LOST: RequestOutcome.INDETERMINATE,
    ErrorKind.NO_CONNECTION: RequestOutcome.FAILED,
    ErrorKind.NOT_DRAINED: RequestOutcome.INDETERMINATE,
    ErrorKind.NOT_SENT: RequestOutcome.FAILED,
    ErrorKind.UNEXPECTED_ANSWER: RequestOutcome.INDETERMINATE,
    ErrorKind.SHED: RequestOutcome.FAILED,
}
# Sending the same request again can't mend these: they are answered the same each time.
_HOPELESS = frozenset(
    {
        ErrorKind.PROTOCOL_ERROR,
        ErrorKind.SYNTAX_ERROR,
        ErrorKind.UNAUTHORIZED,
        ErrorKind.INVALID,
        ErrorKind.CONFIG_ERROR,
        ErrorKind.ALREADY_EXISTS,
        ErrorKind.FUNCTION_FAILURE,
    }
)

KIND_COUNT = len(ErrorKind)
CODES: NDArray[np.int64] = np.array([code for code, _, _ in _SERVER_CODES], dtype=np.int64)
CODE_KINDS: NDArray[np.int64] = np.array([kind for _, kind, _ in _SERVER_CODES], dtype=np.int64)


def _outcome_by_kind() -> NDArray[np.int64]:
    outcomes = {kind: outcome for _, kind, outcome in _SERVER_CODES} | _CLIENT_OUTCOMES
    return np.array([outcomes[kind] for kind in ErrorKind], dtype=np.int64)


OUTCOME_BY_KIND: NDArray[np.int64] = _outcome_by_kind()
IS_HOPELESS: NDArray[np.bool_] = np.array([kind in _HOPELESS for kind in ErrorKind], dtype=np.bool_)


@borrowing_kernel
def kind_of_code(code: int) -> int:
    """The ErrorKind of a server's error code; UNKNOWN_CODE for one that is not in the protocol."""
    for i in range(CODES.size):
        if CODES[i] == code:
            return int(CODE_KINDS[i])
    return 20  # ErrorKind.UNKNOWN_CODE
