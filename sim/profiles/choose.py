"""Finds the profile that a scenario names: the built-in one, or a file whose layout its header tells."""

from datetime import date
from pathlib import Path

from scenarios.spec import ScenarioError
from sim.profiles import bdew, elexon, london_trial
from sim.profiles.demand import DemandProfile
from sim.profiles.faults import ImportReport
from sim.profiles.lines import header_of


def profile_named(
    name: str, start: date, day_count: int, folder: Path | None = None
) -> tuple[DemandProfile, ImportReport | None]:
    """The profile for `day_count` days from `start`, and for a file what was found in it.

    A relative path is looked for in `folder` (the scenario file's), then in the working directory. Raises ScenarioError
    for a file that is missing, of an unknown layout, or not usable.
    """
    if name == bdew.NAME:
        return bdew.bdew_household(start, day_count), None
    path = _found(name, folder)
    names = header_of(path)
    if london_trial.columns_of(names) is not None:
        return london_trial.read_london_trial(path, start, day_count)
    if elexon.is_header(names):
        return elexon.read_elexon(path, start, day_count)
    raise ScenarioError(
        f"{path}: line 1 is the header of neither profile layout; "
        f"{london_trial.LAYOUT}: {london_trial.MEND}; {elexon.LAYOUT}: {elexon.MEND}"
    )


def _found(name: str, folder: Path | None) -> Path:
    tried = [place / name for place in (folder, Path.cwd()) if place is not None]
    for path in tried:
        if path.is_file():
            return path
    places = " nor ".join(str(path) for path in dict.fromkeys(tried))
    raise ScenarioError(f"estate.profile = {name!r}: no such file: neither {bdew.NAME!r} nor {places}")
