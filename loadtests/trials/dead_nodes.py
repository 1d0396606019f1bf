"""What stops a measuring is often a node that died, met as a lost connection or a process that is gone: then that is told."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.cluster import machine
from loadtests.cluster.local import LocalCluster
from loadtests.errors import HarnessError
from store.ports import StoreError

DISK_FREE_MIB_MIN = 64  # with less a node can't make its next commit log segments


@contextmanager
def dead_nodes_named(clusters: Callable[[], Iterable[LocalCluster]], folder: Path) -> Iterator[None]:
    """Within it a failure is told as that of the node that died of it, and that the disk of `folder` is full if it is.

    Raises HarnessError then, and else what was raised.
    """
    try:
        yield
    except (HarnessError, StoreError, OSError):
        free_mib = machine.free_disk_mib(folder)  # of now: nodes that are stopped give their data's room back
        try:
            for cluster in clusters():
                cluster.require_alive()
        except HarnessError as died:
            if free_mib >= DISK_FREE_MIB_MIN:
                raise
            raise HarnessError(f"{died}; the disk of {folder} is full, {free_mib} MiB are left") from died
        raise
