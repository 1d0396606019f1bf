"""`meterstorm matrix` with what can't be meant: one clear sentence, exit code 2, and nothing started."""

from pathlib import Path

import pytest

from meterstorm.cli import app as cli


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--cl", "LOCAL_MOST"), "--cl LOCAL_MOST: there is no level 'LOCAL_MOST'; there are ONE, TWO"),
        (("--rf", "0"), "--rf 0: '0' is not a whole number from 1 to 32"),
        (("--dcs", ""), "--dcs '' is empty"),
        (("--dcs", "1,9"), "--dcs 1,9: '9' is not a whole number from 1 to 8"),
        (("--wan-ms", "20,2001"), "--wan-ms 20,2001: '2001' is not a whole number from 0 to 2000"),
        (("--wan-ms", "20,20"), "--wan-ms 20,20: names 20 twice"),
        (("--dcs", "1", "--wan-ms", "20"), "--wan-ms: a distance is between two data centres, and --dcs has 1 alone"),
        (("--contact-points", "127.0.0.1"), "--contact-points: a matrix starts and stops nodes of its own"),
    ],
)
def test_bad_input_is_one_sentence(
    options: tuple[str, str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as ended:
        cli.app(["matrix", "smoke", *options, "--out", str(out)])
    assert ended.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and said in lines[0]
    assert not out.exists()


def test_a_folder_that_holds_something_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(SystemExit) as ended:
        cli.app(["matrix", "smoke", "--out", str(tmp_path)])
    assert ended.value.code == 2
    assert "already holds something" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
