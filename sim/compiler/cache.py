"""Where compiled kernels are kept between processes: a folder that can be written, or none.

In a container neither the program's folder nor a home may be writable, and there may be no home at all. Then kernels are
compiled once for this process and its children, into a folder that goes with it (`scenarios.passing_folder`).
"""

import atexit
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from scenarios.passing_folder import PassingFolder

NAMED_BY = "METERSTORM_CACHE"


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCache:
    """folder: None, every process compiles for itself. trouble: why it is not the folder that lasts, in a sentence."""

    folder: Path | None
    trouble: str | None = None
    is_passing: bool = False  # the folder goes with the process


def lasting_folder(named: str | None) -> Path | None:
    """Where kernels should be kept: in the folder `named`, else in the user's; None for a user without a home."""
    if named := named or os.environ.get(NAMED_BY):
        return Path(named).expanduser().absolute() / "kernels"
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meterstorm" / "kernels"
    except RuntimeError:  # no HOME, and a user that the system does not know
        return None


def why_not_lasting(folder: Path | None) -> str | None:
    """Why kernels can't be kept in `folder`, which is made where it can be; None when they can."""
    if folder is None:
        return "this user has no home folder"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"{folder} can't be written ({error.strerror or error})"


def choose_cache(named: str | None, state: str) -> KernelCache:
    """The folder for the kernels of `state`, which exists and can be written, if there is any."""
    kernels = lasting_folder(named)
    folder = kernels / state if kernels is not None else None
    why = why_not_lasting(folder)
    if why is None:
        return KernelCache(folder=folder)
    mend = f"name a folder that can be in {NAMED_BY}"
    try:
        passing = PassingFolder("kernels")
    except OSError:
        trouble = f"compiled kernels can't be kept, each process compiles its own for a minute or two: {why}; {mend}"
        return KernelCache(folder=None, trouble=trouble)
    atexit.register(passing.remove)
    trouble = f"compiled kernels are kept for this process alone, the next compiles them anew: {why}; {mend}"
    return KernelCache(folder=passing.path / "kernels" / state, trouble=trouble, is_passing=True)
