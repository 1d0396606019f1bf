"""A command whose folder nobody names takes its default: it once was handed over as a path where a text was expected, and every
such command ended as a defect."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from meterstorm.cli import app as cli


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cluster", "status"], "runs/cluster holds no background cluster; start one with: meterstorm cluster up"),
        (["cluster", "down"], "runs/cluster holds no background cluster"),
        (["monitor", "status"], "runs/monitor holds no monitoring; start one with: meterstorm monitor up"),
        (["monitor", "down"], "runs/monitor holds no monitoring"),
        (["monitor", "up"], "runs/cluster holds no background cluster"),
    ],
)
def test_a_folder_that_is_not_named_is_the_default(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(cli.app, words)
    assert ended.exit_code == 3 and said in " ".join(ended.stderr.split())
    assert list(tmp_path.iterdir()) == []
