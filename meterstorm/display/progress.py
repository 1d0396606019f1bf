"""What a person sees while a run goes on: one interface, shown by `meterstorm.display.run` or by nothing at all."""

from typing import Protocol

from loadtests.storm.coordinator import Live


class Progress(Protocol):
    """Told what goes on; never asked for anything."""

    def phase(self, name: str) -> None:
        """A phase begins."""

    def detail(self, text: str) -> None:
        """Something worth a line happened in it."""

    def live(self, live: Live, wall_s: float) -> None:
        """How far the storm is, of `wall_s`."""


class Silent:
    """Implements `Progress` by keeping quiet."""

    def phase(self, name: str) -> None: ...

    def detail(self, text: str) -> None: ...

    def live(self, live: Live, wall_s: float) -> None: ...
