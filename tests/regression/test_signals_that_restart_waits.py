"""Ctrl-C in a simulation was heard at its end alone where a library has SIGINT restart waits: polars, once it is imported."""

import signal
import threading
import time
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.progress import Progress

from meterstorm.jobs import simulate


def test_ctrl_c_ends_a_simulation_all_the_same() -> None:
    told: list[float] = []

    def work(tell: Callable[[float], None]) -> None:
        for number in range(500):
            time.sleep(0.01)
            tell(number / 500)
            told.append(number / 500)

    main = threading.main_thread().ident
    assert main is not None
    signal.siginterrupt(signal.SIGINT, False)
    try:
        threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt), Progress(console=Console(quiet=True)) as bar:
            simulate._step(bar, "working", work)
    finally:
        signal.siginterrupt(signal.SIGINT, True)
    assert len(told) < 499
