#!/usr/bin/env bash
# Numba 0.68.1: a cached kernel whose argument's NamedTuple is renamed in its source is not compiled anew: it can't be called at all.
#
# The good guess: a cache that is stamped with its source takes a changed source for a miss, whatever was changed in it, and compiles.
# The behaviour seen: the index of a kernel holds its stamp and, pickled beside it, the types that it was compiled for; both are
# unpickled before the stamp is looked at. A type whose class has gone from its module raises AttributeError there, at
# the first call and at every one after it, in every process, until somebody deletes the cache. Any other change of the same
# file is a miss, as it should be: also a field more of the same class. Ends non-zero when this changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet install 'numba==0.68.1' 'llvmlite==0.50.0' 'numpy==2.4.6'
source_of() {
    cat > kernel.py <<PY
from typing import NamedTuple

from numba import njit


class $1(NamedTuple):
    day: int
$2

def made():
    return $1($3)


@njit(cache=True)
def twice(tariff):
    return 2 * tariff.day
PY
}
cat > ask.py <<'PY'
from kernel import made, twice

try:
    print(twice(made()), "hits" if twice.stats.cache_hits else "compiled")
except AttributeError as error:
    print(f"AttributeError, of {'Price' if 'Price' in str(error) else 'something else'}")
PY
source_of Price "" 7
first=$(venv/bin/python ask.py)
sleep 1 # the source's stamp is its time and its size
source_of Price "    night: int" "8, 3"
field=$(venv/bin/python ask.py)
sleep 1
source_of Rates "    night: int" "8, 3"
renamed=$(venv/bin/python ask.py)
again=$(venv/bin/python ask.py)
venv/bin/python -c 'import numba; print("numba", numba.__version__)'
echo "a class Price: $first"
echo "it gets a field: $field"
echo "it is called Rates: $renamed"
echo "the next process: $again"
[ "$first" = "14 compiled" ] && [ "$field" = "16 compiled" ]
[ "$renamed" = "AttributeError, of Price" ] && [ "$again" = "AttributeError, of Price" ]
