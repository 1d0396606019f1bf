"""Where the parts of a run's folder stand: under the names that the README promises."""

import re
from pathlib import Path

from loadtests.recording.run_folder import RunFolder
from meterstorm.jobs.recover import START_NAME

README = Path(__file__).parents[3] / "README.md"


def test_every_part_stands_where_the_readme_says(tmp_path: Path) -> None:
    """A reader finds each part under its name in the README, and the README leaves none out."""
    parts = {name for name, value in vars(RunFolder).items() if isinstance(value, property)}
    places = {str(getattr(RunFolder(tmp_path), part).relative_to(tmp_path)) for part in parts}
    section = README.read_text(encoding="utf-8").partition("## What you get")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = {name.rstrip("/") for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert places == named - {START_NAME}
