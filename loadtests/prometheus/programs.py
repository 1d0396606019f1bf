"""Where Prometheus, Alertmanager and VictoriaMetrics are found: on PATH, or in the folder `bin` of meterstorm's cache. Nothing is
downloaded."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from loadtests.cluster.doctor import Grade, MachineCheck
from loadtests.cluster.jars import cache_folder
from loadtests.errors import HarnessError

PROMETHEUS = ("prometheus",)
ALERTMANAGER = ("prometheus-alertmanager", "alertmanager")  # Debian's name, and everybody else's
GETTING = (
    "install them (Debian: apt-get install prometheus prometheus-alertmanager, whose services are not needed), or put the two "
    "programs on PATH or into {folder}"
)
VICTORIA = ("victoria-metrics", "victoria-metrics-prod")
VICTORIA_VERSION = "v1.151.0"
GETTING_VICTORIA = (
    "build it with Go, whose checksum database holds it to what everybody gets: GOBIN={folder} go install "
    "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics@{version}; or put it on PATH or into that folder; or use a "
    "Grafana, and leave --victoria out"
)
_CHECK = "monitoring"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringPrograms:
    """The two that a stack runs."""

    prometheus: Path
    alertmanager: Path

    @classmethod
    def find(cls) -> Self:
        """Raises HarnessError, with how to get them, where one is missing."""
        found = {names[0]: _find(names) for names in (PROMETHEUS, ALERTMANAGER)}
        if missing := [name for name, path in found.items() if path is None]:
            raise HarnessError(f"{' and '.join(missing)} can't be found; {GETTING.format(folder=programs_folder())}")
        prometheus, alertmanager = (path for path in found.values() if path)
        return cls(prometheus=prometheus, alertmanager=alertmanager)


def find_victoria() -> Path:
    """VictoriaMetrics. Raises HarnessError, with how to get it."""
    if found := _find(VICTORIA):
        return found
    how = GETTING_VICTORIA.format(folder=programs_folder(), version=VICTORIA_VERSION)
    raise HarnessError(f"{VICTORIA[0]} can't be found; {how}")


def examine_programs() -> MachineCheck:
    """What the doctor says of them: nothing but monitoring needs them."""
    try:
        found = MonitoringPrograms.find()
    except HarnessError as error:
        finding, _, mend = str(error).partition("; ")
        return MachineCheck(name=_CHECK, grade=Grade.WARN, finding=finding, mend=mend)
    return MachineCheck(name=_CHECK, grade=Grade.OK, finding=f"{found.prometheus} and {found.alertmanager}")


def programs_folder() -> Path:
    """Where programs are looked for beside PATH."""
    return cache_folder() / "bin"


def _find(names: Sequence[str]) -> Path | None:
    for name in names:
        if on_path := shutil.which(name):
            return Path(on_path)
        if os.access(kept := programs_folder() / name, os.X_OK):
            return kept
    return None
