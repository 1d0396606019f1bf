#!/usr/bin/env bash
# Numba 0.68.1: after a process was killed while it kept a kernel, the next one runs the machine code of the OLDER source.
#
# The good guess: a cache that is stamped with its source never gives code of another one; a kill while it is written costs a
# compilation at most, since each file is replaced whole.
# The behaviour seen: for a new stamp the index is begun anew and written first, and names its code's file by counting from 1
# again; the code follows, over the file that the older source has left under that name. Of a process that ends in between the
# index of the new source leads to the old code, which is loaded as a hit, without a word, by every process after it.
# Here the end in between is made by leaving at the moment at which the code would be written. Ends non-zero when this changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet install 'numba==0.68.1' 'llvmlite==0.50.0' 'numpy==2.4.6'
kernel() {
    cat > kernel.py <<PY
from numba import njit


@njit(cache=True)
def price(units):
    return units * $1
PY
}
cat > ask.py <<'PY'
import os
import sys

import numba
from numba.core.caching import IndexDataCacheFile

from kernel import price

if "ends" in sys.argv:
    IndexDataCacheFile._save_data = lambda *_: os._exit(9)
print(price(10), "hits" if price.stats.cache_hits else "compiled")
if "version" in sys.argv:
    print("numba", numba.__version__, file=sys.stderr)
PY
kernel 7
first=$(venv/bin/python ask.py version)
sleep 1 # the source's stamp is its time and its size
kernel 9
ended=0
venv/bin/python ask.py ends || ended=$?
second=$(venv/bin/python ask.py)
echo "the source says 7: $first"
echo "the source says 9, and its process ends while it keeps the code: exit code $ended"
echo "the source says 9, the next process: $second"
[ "$first" = "70 compiled" ] && [ "$ended" = 9 ] && [ "$second" = "70 hits" ]
