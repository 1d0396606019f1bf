"""How a kernel becomes machine code: once for each type of its arguments, and by one process at a time.

A constant in a call is a type of its own to Numba, which would compile `words(seed, 9, ...)` and `words(seed, 10, ...)`
apart: a third of all compilation (61 s against 40 s of the processor for a trace's digest, November 2026). LLVM puts the
constant in all the same, where it takes a leaf into its caller.

What other kernels call has no wrappers through which Python and C could call it. A wrapper unpacks each of the hundred arrays of
an argument, and LLVM went through it again in every caller: 49 s against 37 s for that digest. A kernel that Python calls
too is compiled for each.

Processes that start together would each compile the same kernels, and each overwrite the index of what the other has
kept. So the second waits for the first, kernel by kernel, and loads what that one has kept.

Numba writes the index of what is kept first, and then the machine code, over a file that may be left of an earlier state of the
sources. Of a process that was killed in between the next ones would take the old machine code for the new.
"""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher
from numba.core.types.misc import unliteral


class LockedDispatcher(CPUDispatcher):
    """Numba's dispatcher of a kernel, which compiles while no other process compiles the same.

    `lock_path`: the file that is locked meanwhile; None, the kernel is kept nowhere.
    """

    lock_path: Path | None = None

    def compile(self, sig: Any) -> Any:
        """Compile for a signature, or load what is kept of it.

        Locks are taken in one order: that of this process, the kernel's, those of the kernels that it calls. No kernel calls
        one that calls it, so nobody waits in a circle.
        """
        with global_compiler_lock:
            if self.lock_path is None or self.is_compiling:
                return super().compile(sig)
            with locked(self.lock_path):
                return super().compile(sig)


class PartDispatcher(LockedDispatcher):
    """A kernel as other kernels call it, and nobody else: it has nothing that Python could call."""

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """What a call means: the function for the arguments' types, whatever constants they are."""
        kinds = tuple(unliteral(kind) for kind in args)
        return super().get_call_template(kinds, {name: unliteral(kind) for name, kind in kws.items()})

    def enable_caching(self) -> None:
        """Keep what is compiled beside what is kept of the kernel for Python."""
        self._cache = PartCache(self.py_func)


class KernelDispatcher(LockedDispatcher):
    """A kernel as Python calls it; `part` is the same kernel as others call it."""

    def __init__(self, function: Any, locals: Any = None, targetoptions: Any = None) -> None:
        options = {**(targetoptions or {}), "no_cfunc_wrapper": True}
        super().__init__(function, locals, options)
        self.part = PartDispatcher(function, locals, {**options, "no_cpython_wrapper": True})

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """What a call from another kernel means."""
        return self.part.get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        """What another kernel calls."""
        return self.part.get_overload(sig)


class KernelFiles(IndexDataCacheFile):
    """The index and the files of one kernel; no index leads to a file that is older than it."""

    def _save_index(self, overloads: dict[Any, str]) -> None:
        for name in set(overloads.values()) - set(self._load_index().values()):
            Path(self._data_path(name)).unlink(missing_ok=True)
        super()._save_index(overloads)


class PartCache(FunctionCache):
    """Numba's cache, under keys of its own: its files are those of the same kernel for Python."""

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), "part")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock against other processes. Where there are no locks, two may do the same work, which is not wrong.

    The lock goes with its process, and no child inherits it.
    """
    with ExitStack() as cleanup:
        with suppress(OSError):
            fcntl.lockf(cleanup.enter_context(path.open("ab")), fcntl.LOCK_EX)
        yield
