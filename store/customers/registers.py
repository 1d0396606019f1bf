"""Counters that began again, as they are logged, and what the log is asked for. Pure."""

from collections.abc import Iterable

import numpy as np

from store.customers.port import RegisterChange, RegisterChangeKind
from store.meter_conversion.canonical import Channel, Envelope


def rollovers(channel: Channel, envelope: Envelope) -> list[tuple[int, RegisterChange]]:
    """(premises, change) of each accepted delivery whose counter rolled over; displays, in the meter's own unit.

    Nobody sees the instant itself: it is told as the start of the delivery's half-hours.
    """
    return [
        (
            int(envelope.premises[row]),
            RegisterChange(
                fuel=channel.fuel,
                changed_us=int(envelope.interval_start_us[row]),
                kind=RegisterChangeKind.ROLLED_OVER,
                before_wh=int(channel.before.display[row]),
                after_wh=int(channel.after.display[row]),
            ),
        )
        for row in np.flatnonzero(channel.has_rolled_over).tolist()
    ]


def exchanges_us(changes: Iterable[tuple[int, RegisterChange]]) -> dict[tuple[int, int], list[int]]:
    """(premises, fuel) -> when that meter was exchanged, in order [us since the Unix epoch]."""
    found: dict[tuple[int, int], list[int]] = {}
    for premises, change in changes:
        if change.kind is RegisterChangeKind.EXCHANGED:
            found.setdefault((premises, change.fuel), []).append(change.changed_us)
    return {key: sorted(instants) for key, instants in found.items()}
