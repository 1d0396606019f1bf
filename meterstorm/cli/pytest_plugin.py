"""A plugin for pytest: the fixture `meterstorm_gate`, with which a repository gates its own scenario.

def test_the_schema_is_no_slower(meterstorm_gate):
    meterstorm_gate("storm.toml", baseline="origin/main", config="gate.toml")

A regression fails the test with the gate's comment; what can't be told fails it too, or skips it with
`--meterstorm-inconclusive skip`; without a baseline it is skipped. Nothing heavy is loaded before the fixture is used.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from reports.results.gate import GateResults

OPTION = "--meterstorm-inconclusive"


def pytest_addoption(parser: pytest.Parser) -> None:
    """What becomes of a test whose gate can't tell."""
    parser.getgroup("meterstorm").addoption(
        OPTION,
        choices=("fail", "skip"),
        default="fail",
        help="What becomes of a test whose gate can't tell (default: fail; it is no pass).",
    )


@pytest.fixture(scope="session")
def meterstorm_gate(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> "Callable[..., GateResults]":
    """A function that gates a scenario and returns the results of a pass or an improvement: `meterstorm.gate` with a folder."""
    when_inconclusive = request.config.getoption(OPTION)

    def gate(
        scenario: str | Path,
        *,
        baseline: str | Sequence[str] = (),
        candidate: str | Sequence[str] = (),
        config: str | Path | None = None,
        seed: int | None = None,
        out: str | Path | None = None,
    ) -> "GateResults":
        """out: a new folder for results and report, by default one of pytest's temporary ones."""
        import meterstorm
        from reports.gate.markdown import markdown
        from scenarios.gate_file import GateAnswer
        from scenarios.spec import NoBaseline

        folder = Path(out) if out is not None else tmp_path_factory.mktemp("gate") / "results"
        try:
            results = meterstorm.gate(
                scenario, folder, baseline=baseline, candidate=candidate, config=config, seed=seed
            )
        except NoBaseline as error:
            pytest.skip(f"no baseline: {error}")
        told = f"{markdown(results)}\nreport: {folder / 'report.html'}"
        if results.answer is GateAnswer.REGRESSION:
            pytest.fail(told, pytrace=False)
        if results.answer is GateAnswer.INCONCLUSIVE:
            pytest.skip(told) if when_inconclusive == "skip" else pytest.fail(told, pytrace=False)
        return results

    return gate
