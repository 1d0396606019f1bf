"""Finds the profile that a scenario names: a built-in one, or a file whose layout its header tells."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from scenarios.calendar import GREAT_BRITAIN, Calendar
from scenarios.domain import SLOTS_PER_DAY
from scenarios.file import NAME_READ_MAX
from scenarios.spec import ScenarioError
from sim.profiles import bdew, elexon, london_trial, plain_year, vdi4655
from sim.profiles.demand import DemandProfile
from sim.profiles.faults import ImportReport
from sim.profiles.lines import first_line_shown, opened


class _Layout(NamedTuple):
    name: str
    mend: str
    is_header: Callable[[list[str]], bool]
    read: Callable[[Path, date, int, Calendar, int], tuple[DemandProfile, ImportReport]]


def _read_plain_year(
    path: Path, start: date, day_count: int, _: Calendar, slots_per_day: int
) -> tuple[DemandProfile, ImportReport]:
    """Its times are UTC's, or say their own."""
    return plain_year.read_plain_year(path, start, day_count, slots_per_day)


def _of_half_hours(
    read: Callable[[Path, date, int, Calendar], tuple[DemandProfile, ImportReport]],
) -> Callable[[Path, date, int, Calendar, int], tuple[DemandProfile, ImportReport]]:
    """A layout that has no shorter slots."""
    return lambda path, start, day_count, calendar, _: read(path, start, day_count, calendar)


_LAYOUTS = (
    _Layout(
        london_trial.LAYOUT, london_trial.MEND, london_trial.is_header, _of_half_hours(london_trial.read_london_trial)
    ),
    _Layout(elexon.LAYOUT, elexon.MEND, elexon.is_header, _of_half_hours(elexon.read_elexon)),
    _Layout(plain_year.LAYOUT, plain_year.MEND, plain_year.is_header, _read_plain_year),
)


BUILT_IN = (*bdew.TABLES, *vdi4655.HOUSES)
"""The profiles that are there without a file."""


def profile_named(
    name: str,
    start: date,
    day_count: int,
    folder: Path | None = None,
    calendar: Calendar = GREAT_BRITAIN,
    slots_per_day: int = SLOTS_PER_DAY,
) -> tuple[DemandProfile, ImportReport | None]:
    """The profile for `day_count` days from `start`, and for a file what was found in it.

    slots_per_day: 48 or 96. What is given by the quarter-hour or in shorter steps is taken so; a half-hour is cut in two.

    calendar: the homes', by whose local time built-in profiles and those of kinds of days are taken.
    A relative path is looked for in `folder` (the scenario file's), then in the working directory. Raises ScenarioError
    for a file that is missing, of an unknown layout, or not usable.
    """
    if name in bdew.TABLES:
        return bdew.bdew_household(start, day_count, name, calendar, slots_per_day), None
    if name in vdi4655.HOUSES:
        return vdi4655.vdi4655(name, start, day_count, calendar, slots_per_day), None
    path = _found(name, folder)
    for layout in _LAYOUTS:
        if opened(path, layout.is_header) is not None:
            profile, report = layout.read(path, start, day_count, calendar, slots_per_day)
            if profile.slots_per_day < slots_per_day:
                report = replace(report, notes=(*report.notes, "each half-hour is cut into two even quarter-hours"))
            return profile.with_slots(slots_per_day), report
    mends = "; ".join(f"{layout.name}: {layout.mend}" for layout in _LAYOUTS)
    raise ScenarioError(f"{path}: {first_line_shown(path)} is the header of no profile layout; {mends}")


def _found(name: str, folder: Path | None) -> Path:
    tried = [place / name for place in (folder, Path.cwd()) if place is not None]
    for path in tried:
        if path.is_file():
            return path
    places = " nor ".join(str(path) for path in dict.fromkeys(tried))
    close = get_close_matches(name[:NAME_READ_MAX], BUILT_IN, n=1)
    meant = f"did you mean {close[0]}? it is" if close else "it is"
    raise ScenarioError(
        f"estate.profile = {name!r}: no such file: {meant} neither one of {', '.join(BUILT_IN)} nor {places}"
    )
