"""What a long walk has done so far, in a file: a walk that is killed goes on from there, and ends with the same digest.

The file is written beside itself and takes its place whole, so a kill at any instant leaves the old one or the new one. It names
the estate, the seed and the kernels that it is of, and ends with a hash of all that stands before: what is of another walk, or
damaged, is refused and never written over.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from scenarios.spec import ScenarioError
from sim.estate.model import EstateModel
from sim.kernels import KERNELS_STATE

FORMAT = "meterstorm checkpoint 1"
_HEADER_BYTES_MAX = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A file that keeps one walk. `title`, `seed` and `estate` say which one: see `of`."""

    path: Path
    title: str
    seed: int
    estate: str
    kernels: str = KERNELS_STATE

    @classmethod
    def of(cls, path: Path, estate: EstateModel, title: str) -> "Checkpoint":
        """The checkpoint of an estate's walk at `path`; all that a kernel reads, the profile too, is in the estate's hash."""
        found = hashlib.sha256(estate.packed.tobytes()).hexdigest()  # type: ignore[attr-defined]
        return cls(path=path, title=title, seed=estate.parameters.seed, estate=found)

    def read(self, totals: Sequence[NDArray[Any]]) -> int:
        """Fill `totals` with what is kept, and tell how many chunks of premises it is of; where there is no file yet, 0.

        Raises ScenarioError for a file that is no checkpoint, of another walk, or damaged.
        """
        if not self.path.exists():
            return 0
        with self.path.open("rb") as file:
            header = self._header(file)
            hashed = hashlib.sha256(header)
            for total in totals:
                file.readinto(_bytes_of(total))
                hashed.update(_bytes_of(total))
            if file.read() != hashed.digest():
                raise ScenarioError(f"--checkpoint {self.path} is damaged; remove it to begin anew")
        return int(json.loads(header)["chunks"])

    def write(self, chunks: int, totals: Sequence[NDArray[Any]]) -> None:
        """Keep `totals`, which are of the first chunks of premises."""
        partial = self.path.with_name(f"{self.path.name}.partial")
        header = json.dumps(self._named() | {"chunks": chunks}).encode() + b"\n"
        hashed = hashlib.sha256(header)
        try:
            with partial.open("wb") as file:
                file.write(header)
                for total in totals:
                    hashed.update(_bytes_of(total))
                    file.write(_bytes_of(total))
                file.write(hashed.digest())
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
        except BaseException:  # a full disk, Ctrl-C: the file of before stays, and nothing beside it
            partial.unlink(missing_ok=True)
            raise

    def _named(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "title": self.title,
            "seed": self.seed,
            "estate": self.estate,
            "kernels": self.kernels,
        }

    def _header(self, file: BinaryIO) -> bytes:
        """The first line of a file, which says what it is of."""
        header = file.readline(_HEADER_BYTES_MAX)
        try:
            named = json.loads(header)
        except ValueError:
            named = None
        if not isinstance(named, dict) or named.get("format") != FORMAT:
            raise ScenarioError(f"--checkpoint {self.path} is no checkpoint of this version; name another file")
        if named.get("kernels") != self.kernels:
            raise ScenarioError(
                f"--checkpoint {self.path} was written by another version of meterstorm, whose values could differ; "
                "go on with that one, or name another file"
            )
        if named.get("seed") != self.seed:
            raise ScenarioError(
                f"--checkpoint {self.path} is of seed {named.get('seed')}, and this simulation has {self.seed}; "
                f"give --seed {named.get('seed')}, or name another file"
            )
        if named.get("estate") != self.estate:
            raise ScenarioError(
                f"--checkpoint {self.path} is of another scenario or profile ('{named.get('title')}'); name another file"
            )
        return header


def _bytes_of(total: NDArray[Any]) -> memoryview:
    """An array's own memory."""
    return total.reshape(-1).view(np.uint8).data
