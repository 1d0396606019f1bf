"""A run's own metrics as a scraper saw them: each sample at each look, from the first answer to the last."""

import http.client
import socket
import threading
import time
import urllib.error
import urllib.request
from types import TracebackType
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

EVERY_S = 0.4
Series = tuple[str, frozenset[tuple[str, str]]]
"""A sample's name and labels."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def series(name: str, **labels: str) -> Series:
    return name, frozenset(labels.items())


class Scraper:
    """Scrapes a port of loopback from entering the block to leaving it, whenever it answers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.looks: list[dict[Series, float]] = []
        self.types: dict[str, str] = {}
        self.failed: list[str] = []  # once it had answered, and before it was gone for good
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def of(self, name: str, **labels: str) -> list[float]:
        """The values of all series of a name with these labels, look by look."""
        asked = set(labels.items())
        return [value for look in self.looks for (named, has), value in look.items() if named == name and asked <= has]

    def last(self, name: str, **labels: str) -> float:
        """The value of one series when it was last seen."""
        return next(look[series(name, **labels)] for look in reversed(self.looks) if series(name, **labels) in look)

    def last_sum(self, name: str, **labels: str) -> float:
        """The sum of all series of a name with these labels, at the last look that had any."""
        asked = set(labels.items())
        of_looks = [
            [value for (named, has), value in look.items() if named == name and asked <= has] for look in self.looks
        ]
        return sum(next(values for values in reversed(of_looks) if values))

    def fell(self) -> list[Series]:
        """The counters and buckets that went down between two looks."""
        fallen = []
        for before, after in zip(self.looks, self.looks[1:], strict=False):
            for one, value in after.items():
                if self.types[one[0]] in ("counter", "histogram") and value < before.get(one, 0.0):
                    fallen.append(one)
        return fallen

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                    text = answer.read().decode()
            except urllib.error.HTTPError as error:
                self.failed.append(str(error))
            except (OSError, http.client.HTTPException):
                continue  # it is not there yet, or not any more
            else:
                self._take(text)

    def _take(self, text: str) -> None:
        look = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self.types[sample.name] = family.type
                look[series(sample.name, **sample.labels)] = sample.value
        self.looks.append(look)


def wait_until_gone(port: int) -> None:
    deadline = time.monotonic() + 5
    while is_listening(port):
        assert time.monotonic() < deadline, f"somebody listens on {port} still"
        time.sleep(0.05)
