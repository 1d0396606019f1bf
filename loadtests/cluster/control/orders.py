"""Orders to one node, and what came of them: files in its folder that `NodeControl` reads and writes."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from loadtests.errors import HarnessError

FOLDER_NAME = "control"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One that was given."""

    node: str
    words: str
    answer_path: Path

    def answer(self) -> str | None:
        """What came of it; None as long as it goes on. Raises HarnessError when it failed, or can't be read."""
        try:
            outcome, _, said = self.answer_path.read_text(encoding="utf-8").partition(" ")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HarnessError(f"node {self.node} does not tell what came of '{self.words}': {error}") from error
        if outcome != "ok":
            raise HarnessError(f"node {self.node} did not carry out '{self.words}': {said}")
        return said


class Orders:
    """All that one node is told, from one launch of it on. Each call raises HarnessError when its folder can't be written."""

    def __init__(self, node: str, folder: Path) -> None:
        """folder: the node's."""
        self._node, self._folder, self._count = node, folder / FOLDER_NAME, 0

    def clear(self) -> None:
        """Forget what was told to an earlier launch."""
        shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._folder.mkdir(parents=True)
        except OSError as error:
            raise HarnessError(f"node {self._node} can't be told anything: {error}") from error

    def give(self, *words: str) -> Order:
        """Tell the node; returns at once."""
        self._count += 1
        draft = self._folder / f"{self._count}.new"
        try:
            draft.write_text(" ".join(words), encoding="utf-8")
            draft.rename(self._folder / f"{self._count}.order")
        except OSError as error:
            raise HarnessError(f"node {self._node} can't be told '{' '.join(words)}': {error}") from error
        return Order(node=self._node, words=" ".join(words), answer_path=self._folder / f"{self._count}.answer")
