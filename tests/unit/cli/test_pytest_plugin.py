"""The plugin in a pytest of its own, on recorded sides: real gates that need no node."""

from pathlib import Path

import numpy as np
import pytest

import meterstorm.jobs.gate  # noqa: F401  before pytester remembers what is loaded: NumPy can't be loaded twice
from tests.support.past_runs import write_benchmarks

pytest_plugins = ["pytester"]

TEST = """
def test_gate(meterstorm_gate):
    results = meterstorm_gate("smoke", baseline="{baseline}", candidate="{candidate}")
    assert results.answer in ("pass", "improvement")
"""


def benchmarks(folder: Path, name: str, slower: float, *, count: int = 12, noise: float = 0.01) -> str:
    """Files of pytest-benchmark, as a CI job keeps them; their names with commas."""
    random = np.random.default_rng(len(name))
    write_benchmarks(folder / name, 0.01 * slower * np.exp(random.normal(0, noise, count)))
    return ",".join(str(path) for path in sorted((folder / name).glob("*.json")))


def run(pytester: pytest.Pytester, baseline: str, candidate: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(TEST.format(baseline=baseline, candidate=candidate))
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-n0", *options)


def test_a_change_that_does_not_matter_passes(pytester: pytest.Pytester, tmp_path: Path) -> None:
    result = run(pytester, benchmarks(tmp_path, "a", 1.0), benchmarks(tmp_path, "bb", 1.0))
    result.assert_outcomes(passed=1)


def test_a_regression_fails_with_the_gates_comment(pytester: pytest.Pytester, tmp_path: Path) -> None:
    result = run(pytester, benchmarks(tmp_path, "a", 1.0), benchmarks(tmp_path, "bb", 1.5))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*meterstorm gate: regression*", "*bench*x.py::test*it*"])


def test_what_cant_be_told_fails_and_is_skipped_when_asked_for(pytester: pytest.Pytester, tmp_path: Path) -> None:
    sides = benchmarks(tmp_path, "a", 1.0, noise=1.0), benchmarks(tmp_path, "bb", 1.0, noise=1.0)
    run(pytester, *sides).assert_outcomes(failed=1)
    run(pytester, *sides, "--meterstorm-inconclusive", "skip").assert_outcomes(skipped=1)


def test_no_baseline_is_skipped(pytester: pytest.Pytester, tmp_path: Path) -> None:
    result = run(pytester, str(tmp_path / "gone.json"), benchmarks(tmp_path, "bb", 1.0))
    result.assert_outcomes(skipped=1)
