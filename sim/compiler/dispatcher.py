"""How a kernel becomes machine code: once for each type of its arguments, and by one process at a time.

A constant in a call is a type of its own to Numba, which would compile `words(seed, 9, ...)` and `words(seed, 10, ...)`
apart: a third of all compilation (61 s against 40 s of the processor for a trace's digest, November 2026). LLVM puts the
constant in all the same, where it takes a leaf into its caller.

What other kernels call has no wrappers through which Python and C could call it. A wrapper unpacks each of the hundred arrays of
an argument, and LLVM went through it again in every caller: 49 s against 37 s for that digest. A kernel that Python calls
too is compiled for each.

Nor has it machine code. Numba takes the code of what a kernel calls into the kernel, optimizes both together and makes
machine code of the whole, at each level of calls anew: a third of a walk's compilation was that (29.5 s against 20.2 s of the
processor). So what other kernels call stays as it was lowered until a kernel that Python calls takes all of it in. There
it is called by nobody else, and LLVM is told so: it puts more of it in place, and the walk of 100,000 homes takes 0.53 s
instead of 0.78.

Processes that start together would each compile the same kernels, and each overwrite the index of what the other has
kept. So the second waits for the first, kernel by kernel, and loads what that one has kept.

What is kept of a kernel that Python calls is its machine code and the names in it, and no code in LLVM's own language: nobody
takes it in. Where everything is kept Numba does not load what it compiles with. Both took 13 of a sender's 88 MiB of anonymous
memory, and a third of a second of the processor (2026-11-30).

Numba writes the index of what is kept first, and then the machine code, over a file that may be left of an earlier state of the
sources. Of a process that was killed in between the next ones would take the old machine code for the new.
"""

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, cast

from llvmlite.binding import Linkage, parse_bitcode
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, compile_result
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher, cpu_target
from numba.core.runtime import rtsys
from numba.core.types.misc import unliteral
from numba.np import linalg

KEPT_FORM = 2
"""Changes with the form of what is kept: what an earlier version has kept in another one is compiled anew."""


@cache
def load_numba() -> None:
    """Have Numba load all that it compiles with, at the first kernel that is not kept, and not `scipy.linalg` with it.

    It imports that only to see that it can: a quarter of a second of the processor in every process, for nothing that a kernel of
    ours calls. Compiled code that multiplies matrices still has it, as Numba imports it again for each such call.
    """
    look = linalg.ensure_blas
    linalg.ensure_blas = lambda: None
    try:
        cpu_target.target_context.refresh()
    finally:
        linalg.ensure_blas = look


@cache
def load_runtime() -> None:
    """Have Numba load what compiled code calls, which counts references to arrays."""
    rtsys.initialize(cpu_target.target_context)


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
            if self.lock_path is None:
                load_numba()
            if self.lock_path is None or self.is_compiling:
                return super().compile(sig)
            with locked(self.lock_path):
                return super().compile(sig)


class PartLibrary(JITCodeLibrary):
    """The code of a part and of all that it calls, in LLVM's own language, for the kernel that takes it in.

    It has no machine code, so nothing in it has an address.
    """

    @classmethod
    def of_bitcode(cls, codegen: Any, bitcode: bytes) -> "PartLibrary":
        """A library that was kept."""
        library = cls(codegen, "part")
        library._final_module = parse_bitcode(bitcode)
        library._finalize_final_module()
        return library

    @property
    def codegen(self) -> Any:
        """Of the code generator what a library without addresses needs of it: nothing."""
        return _NoEnvironments

    def get_pointer_to_function(self, name: str) -> int:
        """Null, Numba's sign for a function that a library does not have."""
        return 0

    def bitcode(self) -> bytes:
        """What is kept of it."""
        return cast(bytes, self._get_module_for_linking().as_bitcode())

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


class _NoEnvironments:
    """Of a code generator what concerns environments, Python's constants of a function: they are filled in at an address."""

    @staticmethod
    def set_env(env_name: str, env: Any) -> None:
        """Nothing to fill in: the kernel that takes the part in has them too."""


class KernelLibrary(JITCodeLibrary):
    """The code of a kernel that Python calls, and of all that it has taken in, which nobody calls but itself."""

    @classmethod
    def of_machine_code(cls, codegen: Any, code: bytes, symbols: Iterable[str]) -> "KernelLibrary":
        """A library that was kept; symbols: the names that its code defines."""
        library = cls(codegen, "kernel")
        library.enable_object_caching()
        library._set_compiled_object(code)
        library._finalize_final_module()
        codegen._engine._defined_symbols.update(symbols)
        return library

    def machine_code(self) -> tuple[bytes, list[str]]:
        """What is kept of it."""
        module = self._final_module
        defined = (one for one in (*module.functions, *module.global_variables) if not one.is_declaration)
        symbols = [one.name for one in defined if one.linkage not in (Linkage.internal, Linkage.private)]
        return cast(bytes, self._get_compiled_object()), symbols

    def _optimize_final_module(self) -> None:
        for function in self._final_module.functions:
            if function.linkage == Linkage.linkonce_odr:
                function.linkage = Linkage.internal
        super()._optimize_final_module()


class KernelCompiler(Compiler):
    """Numba's compiler, whose code goes into a `KernelLibrary`."""

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        if library is None:
            library = KernelLibrary(targetctx.codegen(), "kernel")
            library.enable_object_caching()
        super().__init__(typingctx, targetctx, library, *rest)


class PartCompiler(Compiler):
    """Numba's compiler, whose code goes into a `PartLibrary`."""

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        super().__init__(typingctx, targetctx, library or PartLibrary(targetctx.codegen(), "part"), *rest)


class PartDispatcher(LockedDispatcher):
    """A kernel as other kernels call it, and nobody else: it has nothing that Python could call."""

    def __init__(self, function: Any, locals: Any, targetoptions: Any) -> None:
        super().__init__(function, locals, targetoptions, pipeline_class=PartCompiler)

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
        super().__init__(function, locals, options, pipeline_class=KernelCompiler)
        self.part = PartDispatcher(function, locals, {**options, "no_cpython_wrapper": True})

    def enable_caching(self) -> None:
        """Keep what is compiled as `KernelFiles` say."""
        self._cache = EntryCache(self.py_func)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """What a call from another kernel means."""
        return self.part.get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        """What another kernel calls."""
        return self.part.get_overload(sig)


class KernelFiles(IndexDataCacheFile):
    """The index and the files of one kernel; no index leads to a file that is older than it.

    Numba reads what was compiled for which types before it looks at the stamp of the sources. Of sources in which such a type, a
    NamedTuple, had another name or place, that can't be read: as any other stamp, it is no index.
    """

    def _load_index(self) -> dict[Any, str]:
        try:
            return cast(dict[Any, str], super()._load_index())
        except (AttributeError, ImportError):
            return {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        for name in set(overloads.values()) - set(self._load_index().values()):
            Path(self._data_path(name)).unlink(missing_ok=True)
        super()._save_index(overloads)


class KeptResults(CompileResultCacheImpl):
    """What is kept of a compiled kernel, and how it is loaded again; its code is `reduced` to what can be pickled."""

    def reduced(self, library: Any) -> Any:
        """What is kept of the code."""
        raise NotImplementedError

    def restored(self, codegen: Any, code: Any) -> Any:
        """The library whose code was kept."""
        raise NotImplementedError

    def reduce(self, cres: Any) -> Any:
        """What can be pickled of a compiled kernel."""
        cres.fndesc.typemap = cres.fndesc.calltypes = None
        environments = cres._find_referenced_environments()
        code = self.reduced(cres.library)
        return code, cres.fndesc, cres.environment, cres.signature, cres.reload_init, environments

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        """The compiled kernel that was kept."""
        code, fndesc, environment, signature, reload_init, environments = payload
        for load in reload_init:
            load()
        library = self.restored(target_context.codegen(), code)
        compiled = compile_result(
            target_context=target_context,
            typing_context=target_context.typing_context,
            library=library,
            environment=environment,
            entry_point=target_context.get_executable(library, fndesc, environment),
            fndesc=fndesc,
            signature=signature,
            objectmode=False,
            lifted=(),
            reload_init=reload_init,
            referenced_envs=environments,
        )
        for each in environments:
            library.codegen.set_env(each.env_name, each)
        return compiled


class KernelResults(KeptResults):
    """What is kept of a kernel that Python calls: machine code."""

    def reduced(self, library: KernelLibrary) -> tuple[bytes, list[str]]:
        return library.machine_code()

    def restored(self, codegen: Any, code: tuple[bytes, list[str]]) -> KernelLibrary:
        return KernelLibrary.of_machine_code(codegen, *code)


class PartResults(KeptResults):
    """What is kept of a part: LLVM's own language."""

    def reduced(self, library: PartLibrary) -> bytes:
        return library.bitcode()

    def restored(self, codegen: Any, code: bytes) -> PartLibrary:
        return PartLibrary.of_bitcode(codegen, code)


class EntryCache(FunctionCache):
    """Numba's cache of kernels that Python calls. Numba's compiler is loaded where something is not kept."""

    _impl_class = KernelResults

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What is kept for a signature, or None."""
        load_runtime()
        with self._guard_against_spurious_io_errors():
            kept = self._load_overload(sig, target_context)
        if kept is None:
            load_numba()
        return kept


class PartCache(FunctionCache):
    """Numba's cache, under keys of its own: its files are those of the same kernel for Python."""

    _impl_class = PartResults

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
