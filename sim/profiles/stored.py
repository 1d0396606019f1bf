"""A profile as a run keeps it, so that an audit recomputes the same values after the user's file has changed or gone.

profile,<name>,<start>
<48 whole numbers a day, or 96: share of a year's energy, 2^-36>
"""

from datetime import date
from pathlib import Path

import numpy as np

from scenarios.spec import ScenarioError
from scenarios.texts.outside import read_text, why_refused
from sim.profiles.demand import SLOTS_A_DAY, DemandProfile


def write_profile(profile: DemandProfile, path: Path) -> None:
    """Keep a profile; `read_profile` gives back the same numbers."""
    rows = [",".join(str(share) for share in day) for day in profile.share.tolist()]
    name = profile.name.replace(",", " ")
    path.write_text("\n".join([f"profile,{name},{profile.start.isoformat()}", *rows, ""]), encoding="utf-8")


def read_profile(path: Path) -> DemandProfile:
    """A kept profile. Raises ScenarioError if it is missing or damaged."""
    try:
        head, *rows = read_text(path).splitlines()
        kind, name, start = head.split(",")
        share = np.array([[int(value) for value in row.split(",")] for row in rows], np.int64)
        if kind != "profile" or share.ndim != 2 or share.shape[1] not in SLOTS_A_DAY:
            raise ValueError("not a kept profile")
        return DemandProfile(name=name, start=date.fromisoformat(start), share=share)
    except (OSError, ValueError, OverflowError, AssertionError) as error:
        raise ScenarioError(
            f"{path}: the run's profile is missing or damaged ({why_refused(error)}); run the scenario again"
        ) from None
