#!/usr/bin/env bash
# HdrHistogram for Python 0.10.8: the log writer can't write the start time without which time windows are wrong.
#
# The good guess: a log of several operations, each in a file of its own, is read by windows relative to its start; and
# `HistogramLogWriter.output_start_time`, given milliseconds as its docstring says, writes that start.
# The behaviour seen: without a StartTime line a reader takes the first interval's stamp for the start, so a file whose
# first interval is second 5 answers "seconds 6 to 7" with seconds 11 and 12; and `output_start_time` raises for any
# time. The two lines written by hand (StartTime, BaseTime) mend it. Ends non-zero when any of this changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet install 'hdrhistogram==0.10.8'
cat > look.py <<'PY'
import io
import sys
from importlib.metadata import version

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader, HistogramLogWriter

print("hdrhistogram", version("hdrhistogram"))
started_at_s = 1_764_320_000.0


def window(header: str) -> list[float]:
    """Seconds since the start that a reader gives for the window 6 to 7 of a log with intervals at 5 ... 19 s."""
    with open("log.hlog", "w", encoding="utf-8") as file:
        file.write(header)
        log = HistogramLogWriter(file)
        for second in range(5, 20):
            histogram = HdrHistogram(1, 1_000_000, 3)
            histogram.record_value(second)
            log.output_interval_histogram(histogram, second, second + 1)
    reader = HistogramLogReader("log.hlog", HdrHistogram(1, 1_000_000, 3))
    found = []
    while (interval := reader.get_next_interval_histogram(6, 7)) is not None:
        found.append(interval.get_start_time_stamp() / 1_000)
    return found


without = window("")
both = f"#[StartTime: {started_at_s:.3f} (seconds since epoch), x]\n#[BaseTime: {started_at_s:.3f} (seconds since epoch)]\n"
with_both = [at - started_at_s for at in window(both)]
errors = []
for start_ms in (0.0, 1_000.0, started_at_s * 1_000):
    try:
        HistogramLogWriter(io.StringIO()).output_start_time(start_ms)
        errors.append("none")
    except Exception as error:
        errors.append(type(error).__name__)
print("window 6 to 7 s without StartTime:", without, "with it and BaseTime:", with_both)
print("output_start_time raises:", errors)
sys.exit(without != [11.0, 12.0] or with_both != [6.0, 7.0] or "none" in errors)
PY
venv/bin/python look.py
