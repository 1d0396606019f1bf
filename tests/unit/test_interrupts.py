"""An interrupt that is held back waits for the block's end, whichever thread the kernel gives the signal to."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from loadtests import interrupts


@pytest.fixture
def another_thread() -> Iterator[None]:
    """A thread that masks nothing, as a sampling one: the kernel may give it what is sent to the process."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.fixture
def interrupt() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    interrupts._interrupt._last_s = 0.0  # no test before this one was interrupted just now
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("listens", [True, False])
def test_what_is_begun_is_ended(listens: bool, another_thread: None, interrupt: None) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if listens:
        interrupts.listen()
    handler, is_whole = signal.getsignal(signal.SIGINT), False
    with pytest.raises(KeyboardInterrupt), interrupts.held():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        is_whole = True
    assert is_whole and signal.getsignal(signal.SIGINT) is handler


def test_a_handler_of_somebody_elses_stays(interrupt: None) -> None:
    heard: list[Any] = []
    signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    with interrupts.held():
        signal.raise_signal(signal.SIGINT)
    assert heard == [signal.SIGINT]


def test_in_another_thread_nothing_is_set(interrupt: None) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    found: list[Any] = []

    def hold() -> None:
        with interrupts.held():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


def test_nothing_is_raised_where_nothing_came(interrupt: None) -> None:
    with contextlib.suppress(ValueError), interrupts.held():
        raise ValueError
    with interrupts.held():
        pass
