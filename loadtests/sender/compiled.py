"""Kernels ready to run: compiled before the storm, and called without Numba's dispatch in its ticks."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadtests.sender.block import OPERATION
from loadtests.sender.completion import end_all, lose_link, update_live
from loadtests.sender.event_loop import needs_python, run_stretch, wait_us
from loadtests.sender.responses import scan_responses
from loadtests.sender.state import BlockProgress, LinkField, LinkStatus, WireState
from loadtests.sender.submit import hold_back, refuse_unsent, submit_due

NO_ROWS = np.zeros(0, dtype=OPERATION)
NO_FRAMES = np.zeros(0, dtype=np.uint8)


def no_progress() -> NDArray[np.int64]:
    """The progress of a block that nothing was done of: int64[Progress]."""
    return np.zeros(len(BlockProgress), dtype=np.int64)


class Kernels(NamedTuple):
    """The kernels of a tick, compiled for one state's types. `run_stretch` is whole ticks; the others are its parts."""

    run_stretch: Callable[..., None]
    scan_responses: Callable[..., int]
    submit_due: Callable[..., int]
    needs_python: Callable[..., bool]
    wait_us: Callable[..., int]


def compile_kernels(state: WireState, *, is_native: bool) -> Kernels:
    """Run every kernel once with nothing to do: compiling in the middle of a storm would cost it seconds.

    is_native: ticks run as `run_stretch`; without, as its parts. The part that is not needed is not compiled.
    """
    before = state.limits.copy(), state.totals.copy(), state.live.copy()
    progress = no_progress()
    block = NO_ROWS, NO_FRAMES, progress
    kernels = Kernels(
        run_stretch=_ready(run_stretch, is_native, state, *block, 0, 0),
        scan_responses=_ready(scan_responses, not is_native, state, 0),
        submit_due=_ready(submit_due, not is_native, state, *block, 0),
        needs_python=_ready(needs_python, not is_native, state, 0, progress, False, 0),
        wait_us=_ready(wait_us, not is_native, state, 0, 0, 0),
    )
    hold_back(state, NO_ROWS, progress, 0)
    refuse_unsent(state, NO_ROWS, progress, 0)
    lose_link(state, 0, 0)
    end_all(state, 0)
    update_live(state, 0)
    state.limits[:], state.totals[:], state.live[:] = before
    assert (state.links[:, LinkField.STATUS] == LinkStatus.CLOSED).all(), "kernels are compiled before links are open"
    return kernels


def _ready(kernel: Any, is_needed: bool, *arguments: Any) -> Any:
    """The function compiled for the types of `arguments`, called without Numba's dispatch; or `kernel` as it is.

    The dispatcher looks at the types of all 25 arrays at each call: 6 us, against 1 us for the compiled function
    (November 2026).
    """
    if not is_needed:
        return kernel
    kernel(*arguments)
    # Of these types, and not the latest that was compiled: it takes what it is given for arrays of its own types.
    return kernel.overloads[tuple(map(kernel.typeof_pyval, arguments))].entry_point
