"""`meterstorm run` that is interrupted: its last line says how what it left is judged after all."""

import shlex
from pathlib import Path

import pytest

from loadtests.recording.run_folder import RunFolder
from meterstorm.cli.exits import ExitCode, fail
from meterstorm.cli.run import told_what_is_left


@pytest.mark.parametrize(("keep", "is_stormed"), [(True, True), (True, False), (False, True)])
def test_a_kept_run_that_was_interrupted_after_its_storm_names_the_audit(
    keep: bool, is_stormed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a run"
    folder.mkdir()
    if is_stormed:
        RunFolder(folder).results.touch()
    with pytest.raises(SystemExit) as ended:
        try:
            with told_what_is_left(folder, keep=keep):
                raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            fail(error)
    [line] = capsys.readouterr().err.splitlines()
    assert ended.value.code == ExitCode.INTERRUPTED and "nothing that it started is left running" in line
    assert line.endswith(f"; its data are kept: meterstorm audit {shlex.quote(str(folder))}") == (keep and is_stormed)
