"""Ctrl-C and SIGTERM as KeyboardInterrupt: once a second at most, and never in the middle of what must be whole.

For the main thread of a process of our own, as all of Python's signal handling. A mask of signals would not do: it is a thread's,
and the kernel gives a signal of the process to any other thread, upon which Python runs the handler in the main one all the same.
"""

import atexit
import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

APART_S = 1.0


class _Interrupt:
    """The handler. `uv run` and `timeout` pass a signal on that the process group was sent already: one Ctrl-C, not two."""

    def __init__(self) -> None:
        self._last_s = 0.0
        self._hold_count = 0
        self._is_pending = False
        self.deliver: Callable[[], None] = _raise

    def __call__(self, _signal: int, _frame: Any) -> None:
        now_s = time.monotonic()
        if now_s - self._last_s <= APART_S:
            return
        self._last_s = now_s
        if self._hold_count:
            self._is_pending = True
        else:
            self.deliver()

    def hold(self) -> None:
        self._hold_count += 1

    def release(self) -> bool:
        """Whether an interrupt came meanwhile, and nobody holds it back any more."""
        self._hold_count -= 1
        is_due, self._is_pending = (
            self._is_pending and not self._hold_count,
            self._is_pending and bool(self._hold_count),
        )
        return is_due


def _raise() -> None:
    raise KeyboardInterrupt


_interrupt = _Interrupt()


def listen(*, even_if_ignored: bool = True) -> None:
    """Install the handler. even_if_ignored: also where whoever started us has SIGINT or SIGTERM ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if even_if_ignored or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def deliver_by(deliver: Callable[[], None]) -> None:
    """Have interrupts delivered otherwise than by raising KeyboardInterrupt wherever Python is just then."""
    _interrupt.deliver = deliver


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Keep an interrupt waiting while the block runs, which is short; it is raised at the block's end.

    In a program that is not ours, and has Python's own handler of Ctrl-C, ours takes its place for the while; any other handler
    stays, and does what it does.
    """
    with _in_place_of_pythons():
        _interrupt.hold()
        try:
            yield
        finally:
            if _interrupt.release():
                _interrupt.deliver()


@contextlib.contextmanager
def _in_place_of_pythons() -> Iterator[None]:
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def clean_up_at_exit(clean_up: Callable[[], Any]) -> None:
    """Have the process clean up whatever ends it, as `atexit` does, and keep interrupts from that. Call it within `held`."""
    atexit.register(_interrupt.release)
    atexit.register(clean_up)
    atexit.register(_interrupt.hold)  # the last that is registered is the first that is called
