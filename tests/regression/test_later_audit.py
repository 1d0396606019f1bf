"""After `meterstorm audit` a run's page did not say that what it tells of the data was read later than the storm."""

from datetime import timedelta
from pathlib import Path

import pytest

from reports.run.gallery import Gallery
from reports.run.page import audit_told, read_run, report_html
from tests.support.synthetic_run import write_synthetic_run


@pytest.mark.parametrize(
    ("number", "later_s", "told"),
    [
        (1, -1, None),
        (None, -1, None),
        (3, 7_500, "audit 3 of this run"),
        (1, 60, "audit 1 of this run"),  # the run's own could not be made
        (None, 7_500, "a later audit of this run"),  # of before audits had numbers
    ],
)
def test_a_later_audit_is_told_with_its_number_and_time(
    tmp_path: Path, number: int | None, later_s: int, told: str | None
) -> None:
    results = write_synthetic_run(tmp_path, wall_s=10)
    assert results.audit is not None
    finished = results.finished + timedelta(seconds=later_s)
    audit = results.audit.model_copy(update={"number": number, "finished": finished})
    results = results.model_copy(update={"audit": audit})
    results.write(tmp_path)
    sentence = audit_told(read_run(tmp_path).results)
    nothing_drawn = Gallery(load=None, curves=None, responses=(), lateness=None, nodes=())
    page = report_html(read_run(tmp_path), nothing_drawn)
    if told is None:
        assert sentence is None and "audit of this run" not in page and "of this run, made" not in page
        return
    assert sentence is not None and told in sentence
    assert f"{finished.day} {finished:%B %Y, %H:%M:%S} UTC" in sentence
    assert sentence in page
