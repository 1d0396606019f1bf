"""What counters of days would say, had each delivery added its half-hours to one: what comes twice counts twice. Pure.

A design with counters can't take part: CQL takes no counter into a batch with other rows, so a delivery would be two requests,
and none of its writes would be the same twice, while a tournament sends its sample over and over. Its error needs no node: a
counter adds whatever it is sent.
"""

import numpy as np

from loadtests.tournament.half_hours import SLOT_BITS, HalfHours, latest_of, written_runs
from loadtests.tournament.usage_answers import AggregateError, added_up, aggregate_error
from loadtests.trials.load import SampleLoad
from loadtests.workload.deliveries import readings_of
from scenarios.domain import Operation
from sim.estate.model import EstateModel
from store.tariffs import MISSING_WH


def counter_error(load: SampleLoad, estate: EstateModel) -> AggregateError | None:
    """Of each meter's UTC day after the sample was sent once, and nothing of it again; None of a sample without deliveries.

    Held against the half-hours as measured: what corrections make of them is another error.
    """
    slots, values = [], []
    for run in written_runs(load):
        if run.lane.operation is Operation.INGEST_READING:
            wh = readings_of(
                estate, meter=run.meter, first_slot=run.first_slot, slot_count=run.slot_count
            ).values_wh.astype(np.int64)
            at = run.first_slot.astype(np.int64)[:, np.newaxis] + np.arange(wh.shape[1])
            slots.append(((run.meter[:, np.newaxis] << SLOT_BITS) + at).ravel())
            values.append(wh.ravel())
    if not slots:
        return None
    slot, wh = np.concatenate(slots), np.concatenate(values)
    once = latest_of(slot, np.zeros(len(slot), np.int64), wh)
    is_known = wh != MISSING_WH
    sent = HalfHours(key=slot[is_known], wh=wh[is_known])
    return aggregate_error(added_up(once, estate.slots_per_day), added_up(sent, estate.slots_per_day))
