"""`cluster.json`: what a folder must remember of its cluster to start it again."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from loadtests.cluster.layout import lay_out
from loadtests.cluster.node_config import ClientSecurity
from loadtests.errors import HarnessError
from scenarios.spec import Topology
from scenarios.texts.outside import UnreadableText, read_text, why_refused

RECORD_FILE = "cluster.json"


class ClusterRecord(BaseModel):
    """The cluster of a folder. Holds no secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    cassandra: str
    topology: Topology
    block: int | None = None  # addresses 127.42.{block}.1 and on; None until they are claimed; 0 of sites
    heap_mib: int | None = None  # None: from the free memory, at each start anew
    security: ClientSecurity = ClientSecurity()
    metrics: bool = False  # each node has the JMX exporter
    table_metrics: bool = False  # it tells of tables, too

    @staticmethod
    def exists(folder: Path) -> bool:
        return (folder / RECORD_FILE).exists()

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The record in `folder`. Raises HarnessError when there is none, or it can't be read."""
        path = folder / RECORD_FILE
        try:
            return cls.model_validate_json(read_text(path))
        except FileNotFoundError:
            raise HarnessError(
                f"{folder} holds no cluster: there is no {RECORD_FILE}; only a run with --keep leaves it"
            ) from None
        except (OSError, UnreadableText, ValidationError) as error:
            raise HarnessError(
                f"{path} can't be read: {why_refused(error)}; start a new cluster in another folder"
            ) from error

    def write(self, folder: Path) -> None:
        """Write the record, whole or not at all. Raises HarnessError when the folder can't be written."""
        path = folder / RECORD_FILE
        draft = path.with_suffix(".draft")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            draft.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            raise HarnessError(f"folder {folder} can't be written: {error}; name another with --out") from error

    @staticmethod
    def forget(folder: Path) -> None:
        """Remove the record, if there is one."""
        (folder / RECORD_FILE).unlink(missing_ok=True)

    def with_block(self, block: int) -> Self:
        return self.model_copy(update={"block": block})

    def holds_data(self, folder: Path) -> bool:
        """Do the nodes' data lie in `folder`? They are deleted when the nodes are stopped, unless they are to be kept."""
        return self.block is not None and all((folder / name / "data").is_dir() for name in self.node_names)

    @property
    def node_names(self) -> tuple[str, ...]:
        return tuple(node.name for node in lay_out(self.topology, ("",) * self.topology.node_count))
