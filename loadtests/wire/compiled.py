"""Kernels ready to run: compiled before the storm, and called without Numba's dispatch in its beats."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadtests.wire.block import OPERATION
from loadtests.wire.scan import scan_responses
from loadtests.wire.settle import end_all, expire, lose_link
from loadtests.wire.state import Limit, LinkField, LinkStatus, Progress, WireState
from loadtests.wire.submit import hold_back, refuse_unsent, submit_due

NO_ROWS = np.zeros(0, dtype=OPERATION)
NO_FRAMES = np.zeros(0, dtype=np.uint8)


def no_progress() -> NDArray[np.int64]:
    """The progress of a block that nothing was done of: int64[Progress]."""
    return np.zeros(len(Progress), dtype=np.int64)


class Kernels(NamedTuple):
    """The kernels that a beat calls, compiled for one state's types."""

    scan_responses: Callable[[WireState, int], int]
    submit_due: Callable[[WireState, NDArray[np.void], NDArray[np.uint8], NDArray[np.int64], int], int]


def compile_kernels(state: WireState) -> Kernels:
    """Run every kernel once with nothing to do: compiling in the middle of a storm would cost it seconds.

    The two of each beat are called past Numba's dispatcher, which would look at the types of all 24 arrays each time:
    6 us a call, against 1 us for the compiled function itself (2026-07).
    """
    progress = no_progress()
    kernels = Kernels(
        _compiled(scan_responses, state, 0), _compiled(submit_due, state, NO_ROWS, NO_FRAMES, progress, 0)
    )
    hold_back(state, NO_ROWS, progress, 0)
    refuse_unsent(state, NO_ROWS, progress, 0)
    expire(state, 0)
    lose_link(state, 0, 0)
    end_all(state, 0)
    state.limits[Limit.IS_STOPPING] = 0
    assert (state.links[:, LinkField.STATUS] == LinkStatus.CLOSED).all(), "kernels are compiled before links are open"
    return kernels


def _compiled(kernel: Any, *arguments: Any) -> Any:
    """The function compiled for the types of `arguments`, without Numba's dispatch. Runs it once."""
    kernel(*arguments)
    return kernel.overloads[kernel.signatures[-1]].entry_point
