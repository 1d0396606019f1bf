"""A new folder, named by the time, for whoever named none."""

from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from scenarios.spec import ScenarioError

RUNS = Path("runs")


def make_folder(stem: str, parent: Path = RUNS) -> Path:
    """Make and return PARENT/STEM-TIME, or STEM-TIME-2 and so on where another process has made that in the same second.

    Raises ScenarioError when it can't be made.
    """
    name = f"{stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    for number in count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise ScenarioError(f"{folder} can't be made: {error.strerror}; name a folder with --out") from error
        else:
            return folder
    raise AssertionError("numbers don't end")
