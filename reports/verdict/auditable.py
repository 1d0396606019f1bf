"""Can what a run stored be read back once more, and how: whatever a report advises must be something that can be done. Pure."""

from enum import StrEnum


class StoredData(StrEnum):
    """Where the data of a run are by now."""

    KEPT = "kept"  # in the run's folder: --keep, or a run that was killed
    EXISTING_CLUSTER = "existing_cluster"  # where the user's own cluster has them
    GONE = "gone"  # with the run's own nodes


def audit_advice(data: StoredData, does: str) -> str:
    """(KEPT, 'tries again') -> '`meterstorm audit` on the run's folder tries again'; of data that are gone, that they are."""
    match data:
        case StoredData.KEPT:
            return f"`meterstorm audit` on the run's folder {does}"
        case StoredData.EXISTING_CLUSTER:
            return f"`meterstorm audit` on the run's folder, with the cluster's --contact-points, {does}"
        case StoredData.GONE:
            return "the nodes' data are gone with the run (they stay only with --keep), so only another run can tell"
