"""Once this is imported, Ctrl-C and SIGTERM end Locust without a traceback; the locustfile imports it before what takes seconds.

Python runs a signal's handler wherever it is just then: in any of gevent's greenlets, each of which would die of it and be
told of with its stack. So the main one alone is interrupted, and what the others are at is done whole. A program that
somebody ends tells nobody of its stack: its exit code is 130.
"""

import sys
from types import TracebackType

import gevent

from loadtests import interrupts

_tell = sys.excepthook


def _tell_no_interrupt(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        _tell(kind, error, trace)


def _interrupt_main() -> None:
    hub = gevent.get_hub()
    if gevent.getcurrent() is hub.parent:
        raise KeyboardInterrupt
    hub.loop.run_callback_threadsafe(hub.parent.throw, KeyboardInterrupt)


sys.excepthook = _tell_no_interrupt
interrupts.deliver_by(_interrupt_main)
# Locust hears SIGTERM only once its workers are there; until then it is as Ctrl-C. What a script has us ignore stays ignored.
interrupts.listen(even_if_ignored=False)
