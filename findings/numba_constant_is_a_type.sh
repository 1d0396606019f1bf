#!/usr/bin/env bash
# Numba 0.68.1: a kernel that others call with constants is compiled again for every constant, all the way down.
#
# The good guess: types decide what is compiled, so a leaf that kernels call with the integers 1 .. 8 is compiled once, for int64.
# The behaviour seen: an integer in the source of a call has a type of its own (Literal[int](3)), and the leaf is compiled once
# for each; what the leaf passes on is again a plain int64. Called from Python with the same eight integers it is compiled once.
# A purpose or a draw number that goes into keyed random draws as a constant costs so many compilations of the whole leaf:
# in our estate's kernels a third of all compiling. Ends non-zero when this changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet install 'numba==0.68.1' 'llvmlite==0.50.0' 'numpy==2.4.6'
cat > look.py <<'PY'
import sys
from importlib.metadata import version

from numba import njit

print("numba", version("numba"))


def leaf_pair():
    @njit
    def below(value):
        return value * 7 % 11

    @njit
    def draw(key, purpose):
        return below(key + purpose)

    return below, draw


below, draw = leaf_pair()


@njit
def by_constants(key):
    return (
        draw(key, 1) + draw(key, 2) + draw(key, 3) + draw(key, 4) + draw(key, 5) + draw(key, 6) + draw(key, 7) + draw(key, 8)
    )


told = by_constants(3)
constants, passed_on = len(draw.signatures), len(below.signatures)
below, draw = leaf_pair()
same = sum(draw(3, purpose) for purpose in range(1, 9))
plain = len(draw.signatures)
print(f"called with 8 constants by a kernel: compiled {constants} times; what it calls: {passed_on} time")
print(f"called with the same 8 integers by Python: compiled {plain} time; same result: {told == same}")
sys.exit((constants, passed_on, plain, told == same) != (8, 1, 1, True))
PY
venv/bin/python look.py
