"""One place for one fact: what several modules would otherwise each work out for themselves."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("scenarios", "sim", "store", "loadtests", "reports", "meterstorm")


@pytest.mark.parametrize(
    ("pattern", "place"),
    [
        (r"os\.cpu_count|sched_getaffinity|process_cpu_count", "sim/virtual_time/parallel.py"),
        (r"np\.flatnonzero\(\w+\)\.astype\(np\.int32\)$\s+return \w+, \w+\[", "loadtests/recording/seconds.py"),
        (r"month_of\(np\.array\(\[", "store/rows.py"),
        (r"def recv_results_rows", "store/cassandra/bulk.py"),
        (r"machine_info", "reports/gate_history/folder.py"),
        (r"current_timestamp\(\)", "loadtests/cluster/node_clock.py"),
        (r"there is no such view", "meterstorm/jobs/analytics/arguments.py"),
    ],
    ids=[
        "processors",
        "sparse histogram",
        "month of an instant",
        "undecoded rows",
        "pytest-benchmark's files",
        "a node's clock",
        "names of views",
    ],
)
def test_it_is_worked_out_in_one_place(pattern: str, place: str) -> None:
    found = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert found == [place]
