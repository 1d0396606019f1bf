"""How the operations of a scenario's trace are told apart in a block, and where the ledger marks them."""

from collections.abc import Mapping
from dataclasses import dataclass

from loadtests.recording.ledger import EXPORT_PLANE
from scenarios.domain import Fuel, Operation
from scenarios.operations import operations_of
from scenarios.spec import Scenario
from sim.trace.blocks import MessageKind
from store.rows import ESTIMATE_REVISION

QUERY_OF_KIND: Mapping[MessageKind, Operation] = {
    MessageKind.ASK_USAGE_MONTH: Operation.READ_USAGE_MONTH,
    MessageKind.ASK_INTERVALS_DAY: Operation.READ_INTERVALS_DAY,
    MessageKind.ASK_STATE: Operation.READ_STATE,
    MessageKind.ASK_COMPARISON: Operation.READ_COMPARISON,
    MessageKind.ASK_BILL: Operation.READ_BILLING_MONTH,
    MessageKind.REFRESH_IHD: Operation.REFRESH_IHD,
}
_WITH_PLANE = (Operation.INGEST_READING, Operation.INGEST_REGISTER)
OF_GATEWAY = (MessageKind.SEND_COMMAND, MessageKind.ANSWER_COMMAND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One kind of operation of a run, and where the ledger marks it. Revisions are a lane each: each is acknowledged."""

    operation: Operation
    revision: int = 0
    has_plane: bool = False

    @property
    def plane(self) -> str | None:
        """The name of its plane in the ledger."""
        if not self.has_plane:
            return None
        return f"{self.operation}_{self.revision}" if self.operation is Operation.INGEST_REVISION else self.operation


def lanes_of(scenario: Scenario) -> tuple[Lane, ...]:
    """All that a scenario's messages can become; a block's `operation` is an index into it."""
    lanes: list[Lane] = []
    for operation in operations_of(scenario):
        if operation is Operation.INGEST_REVISION:
            revisions = [ESTIMATE_REVISION] if scenario.reads.gap_share else []
            revisions += range(1, len(scenario.reads.settlement_runs) + 1)
            lanes += [Lane(operation=operation, revision=revision, has_plane=True) for revision in revisions]
        else:
            lanes.append(Lane(operation=operation, has_plane=operation in _WITH_PLANE))
    return tuple(lanes)


def planes_of(scenario: Scenario) -> tuple[str, ...]:
    """The planes of a scenario's ledger: those of the lanes, and of the exports that the back office collects."""
    planes = tuple(lane.plane for lane in lanes_of(scenario) if lane.plane is not None)
    has_exports = Fuel.ELECTRICITY in scenario.estate.fuels and scenario.estate.meter_types.import_export > 0
    return (*planes, EXPORT_PLANE) if scenario.run.back_office and has_exports else planes
