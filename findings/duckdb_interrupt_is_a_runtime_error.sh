#!/usr/bin/env bash
# DuckDB 2.0.1 for Python: Ctrl-C in a query of the main thread is a RuntimeError, and KeyboardInterrupt is nowhere in it.
#
# The good guess: Ctrl-C while a query runs ends it with KeyboardInterrupt, as in any call that Python can interrupt; or with
# duckdb.InterruptException, which is what `connection.interrupt()` from another thread gives.
# The behaviour seen: the signal is heard and the query ends, with a plain RuntimeError("Query interrupted") that is no
# duckdb.Error, and whose cause is not the KeyboardInterrupt. So `except Exception` around a query eats Ctrl-C, `except
# duckdb.Error` and `except KeyboardInterrupt` both pass it by, and a program tells its user of a defect where he has left.
# A query in a thread of its own, which the main one waits for and interrupts, gives what the guess says.
# Ends non-zero when this changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet install 'duckdb==2.0.1'
cat > ask.py <<'PY'
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import duckdb

LONG = "SELECT count(*) FROM range(100000000) a, range(1000) b WHERE (a.range * b.range) % 7 = 3"
connection = duckdb.connect()
connection.execute("SET threads = 2")
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()


def told(raised):
    return f"{type(raised).__module__}.{type(raised).__name__} {raised} (cause: {raised.__cause__})"


if "main" in sys.argv:
    try:
        connection.sql(LONG).fetchall()
    except BaseException as raised:
        print(told(raised))
        print("a duckdb.Error" if isinstance(raised, duckdb.Error) else "no duckdb.Error", file=sys.stderr)
else:
    with ThreadPoolExecutor(max_workers=1) as pool:
        asked = pool.submit(lambda: connection.sql(LONG).fetchall())
        try:
            while not wait([asked], timeout=0.1).done:
                pass
        except BaseException as raised:
            print(told(raised))
            connection.interrupt()
    print(type(asked.exception()).__name__)
PY
echo "duckdb $(venv/bin/python -c 'import duckdb; print(duckdb.__version__)')"
main=$(venv/bin/python ask.py main 2>kind)
thread=$(venv/bin/python ask.py thread)
echo "Ctrl-C in a query of the main thread: $main; $(cat kind)"
echo "Ctrl-C while the main thread waits for one: $(echo $thread)"
[ "$main" = "builtins.RuntimeError Query interrupted (cause: None)" ] && [ "$(cat kind)" = "no duckdb.Error" ]
[ "$(echo $thread)" = "builtins.KeyboardInterrupt (cause: None) InterruptException" ]
