"""The filling of a side: until a pass is acknowledged as a whole, and whether anything was sent more than once."""

from types import SimpleNamespace
from typing import cast

import pytest

from loadtests.errors import HarnessError
from loadtests.trials import load
from loadtests.trials.load import FILL_PASSES_MAX, SampleLoad, fill

LOAD = cast(SampleLoad, SimpleNamespace(name="the baseline", sample=[0] * 10))


@pytest.mark.parametrize(
    ("passes", "was_sent_once"),
    [
        ([(10, 0)], True),
        ([(10, 1)], False),  # all in one pass, and one of them by a second attempt
        ([(9, 0), (10, 0)], False),
    ],
)
def test_whether_anything_was_sent_again(
    passes: list[tuple[int, int]], was_sent_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = iter([SimpleNamespace(ok=ok, retries=retries, errors=()) for ok, retries in passes])
    monkeypatch.setattr(load, "send", lambda *_, **__: next(reports))
    assert fill(LOAD) is was_sent_once
    assert next(reports, None) is None  # no pass more than it takes


def test_a_side_that_never_takes_all_of_it_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    error = SimpleNamespace(outcome="failed", kind="write_timeout", count=1)
    reports = iter([SimpleNamespace(ok=9, retries=0, errors=(error,))] * FILL_PASSES_MAX)
    monkeypatch.setattr(load, "send", lambda *_, **__: next(reports))
    with pytest.raises(HarnessError, match=r"the baseline could not be loaded: 9 of 10 operations .*1 write_timeout"):
        fill(LOAD)
