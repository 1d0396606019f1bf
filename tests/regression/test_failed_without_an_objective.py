"""A run that fails for its errors alone, of a scenario without objectives, was told to have missed an objective."""

from reports.results.parts import Check, Verdict
from reports.verdict.run import headline


def test_too_many_failed_is_no_missed_objective() -> None:
    sentence = "read_state: 40 % of 1,000 operations failed or are indeterminate, 1 % allowed of any operation."
    failed = Check(name="read_state_errors", group="objective", outcome=Verdict.FAIL, sentence=sentence)
    assert "objective" not in headline(Verdict.FAIL, [failed])
