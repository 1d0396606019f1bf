"""A line now and then while a long step says nothing by itself: silence looks like a standstill."""

import threading
import time
from collections.abc import Callable

EVERY_S = 10.0


class Heartbeat:
    """Tells of what was begun last, every `every_s` [s] until something else begins or it is stopped."""

    def __init__(self, tell: Callable[[str, float], None], every_s: float = EVERY_S) -> None:
        self._tell = tell
        self._every_s = every_s
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._doing: str | None = None
        self._began_s = 0.0
        self._due_s = 0.0

    def begin(self, doing: str) -> None:
        """A step begins, and ends the one before. May be called often: nothing is started anew."""
        with self._changed:
            self._doing, self._began_s = doing, time.monotonic()
            self._due_s = self._began_s + self._every_s
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Nothing goes on any more that is worth a line."""
        with self._changed:
            self._doing = None
            self._changed.notify()

    def _beat(self) -> None:
        while True:
            with self._changed:
                if self._doing is None:
                    self._thread = None
                    return
                now_s = time.monotonic()
                if now_s < self._due_s:
                    self._changed.wait(self._due_s - now_s)
                    continue
                self._due_s = now_s + self._every_s
                doing, for_s = self._doing, now_s - self._began_s
            self._tell(doing, for_s)
