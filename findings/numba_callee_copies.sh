#!/usr/bin/env bash
# Numba 0.68.1: what a kernel calls is optimized and made machine code again in every caller, and then still called, not put in place.
#
# The good guess: a function that other jitted functions call is compiled once, and one that has a single caller is put in its
# place there, as a C compiler does it with a static function.
# The behaviour seen: each function's own machine code holds a copy of all that it calls, at every level: a chain of four levels
# makes ten functions out of four. Nobody can call these copies, but they are linked as `linkonce_odr`, as if somebody could, so
# LLVM counts one call as too few reasons to put a long function in place. Marked `internal` before the optimizer runs, the same
# code is put in place at its only call and its copy vanishes. In our estate's kernels machine code at every level was a third of
# all compiling, and the walk of an estate took 0.78 s instead of 0.53 s. Ends non-zero when this changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet install 'numba==0.68.1' 'llvmlite==0.50.0' 'numpy==2.4.6'
cat > look.py <<'PY'
import sys
from importlib.metadata import version

from llvmlite.binding import Linkage
from numba import njit
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

print("numba", version("numba"))


class OwnCopies(JITCodeLibrary):
    """A library that tells LLVM of the copies within it that nobody else calls them."""

    def _optimize_final_module(self):
        for function in self._final_module.functions:
            if function.linkage == Linkage.linkonce_odr:
                function.linkage = Linkage.internal
        super()._optimize_final_module()


class OwnCopiesCompiler(Compiler):
    def __init__(self, typing, target, library, *rest):
        super().__init__(typing, target, OwnCopies(target.codegen(), "own"), *rest)


def long_function(name, below=None):
    """A function whose loop body is too long to be put in place without a reason."""
    steps = "\n".join(f"        sum = (sum ^ (values[(i + {k}) % values.size] * {2 * k + 3})) % {1_000_003 + k}" for k in range(40))
    call = "" if below is None else f"    sum = sum + {below.__name__}(values)\n"
    source = f"def {name}(values):\n    sum = 0\n{call}    for i in range(values.size):\n{steps}\n    return sum\n"
    space = {} if below is None else {below.__name__: below}
    exec(source, space)
    return space[name]


def kernels_in(function):
    """How many kernels are defined in what was compiled of `function`, wrappers for Python and C left out."""
    (compiled,) = function.overloads.values()
    names = [each.name for each in compiled.library.get_defined_functions()]
    return sum("level" in name and not name.startswith(("_ZN7cpython", "cfunc")) for name in names)


import numpy as np

values = np.arange(50)
chain, below = [], None
for number in range(4):
    below = njit(long_function(f"level{number}", below))
    chain.append(below)
told = below(values)
copies = [kernels_in(each) for each in chain]
print("kernels in the code of each level:", copies, "in all", sum(copies))

leaf = njit(long_function("level0"))
plain = njit(long_function("level1", leaf))
own = njit(pipeline_class=OwnCopiesCompiler)(long_function("level1", leaf))
same = plain(values) == own(values)
print(f"one call of a long leaf: {kernels_in(plain)} kernels in the caller; marked internal: {kernels_in(own)}; same result: {same}")
sys.exit((copies, kernels_in(plain), kernels_in(own), same) != ([1, 2, 3, 4], 2, 1, True))
PY
venv/bin/python look.py
