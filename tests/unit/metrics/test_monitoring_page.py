"""The page of the metrics says of each what the catalogue says, and names no other."""

import re
from pathlib import Path

from loadtests.metrics.catalogue import CATALOGUE, ExposedMetric

PAGE = Path(__file__).parents[3] / "docs" / "monitoring.md"
PART = re.compile(r"## Metrics of the run\n(.*?)(?=\n## |\Z)", re.DOTALL)


def row_of(one: ExposedMetric) -> str:
    labels = ", ".join(f"`{label}`" for label in one.labels) or "-"
    return f"| `{one.name}` | {one.kind} | {labels} | {one.unit} | {one.help} | {one.known_by} |"


def part() -> str:
    found = PART.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def test_the_page_has_a_row_for_each_metric_in_their_order() -> None:
    rows = [line for line in part().splitlines() if line.startswith("| `meterstorm_")]
    assert rows == [row_of(one) for one in CATALOGUE]


def test_the_page_names_no_metric_that_there_is_not() -> None:
    named = set(re.findall(r"meterstorm_[a-z_]+[a-z]", part()))
    of_histograms = {f"{one.name}_{end}" for one in CATALOGUE for end in ("bucket", "count", "sum")}
    assert named <= {one.name for one in CATALOGUE} | of_histograms
