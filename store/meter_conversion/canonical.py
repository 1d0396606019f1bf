"""What every meter's readings become, and the registry that finds the adapter of a raw form. Pure, on columns.

A raw form is a frozen record of columns, one row a delivery, with what the meter itself holds. Its adapter makes *channels*
of it: one thing measured, in whole Wh by UTC half-hours (or quarter-hours), with a register that never rolls over.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import SLOT_US
from store.meter_conversion.counter import Anchor
from store.rejections import Reason
from store.rows import Readings
from store.tariffs import DayTotals

Form = TypeVar("Form")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """n deliveries of one thing measured, each of k consecutive half-hours; k 0 is a register alone."""

    fuel: int
    values_wh: NDArray[np.int32]  # [n, k] [Wh], MISSING_WH where the meter has lost it
    register_wh: NDArray[np.int64]  # [n] at the end of the last slot [Wh]
    has_rolled_over: NDArray[np.bool_]  # [n] the counter began again since it was last seen: to be logged
    reason: NDArray[np.uint8]  # [n] Reason, ACCEPTED where nothing is wrong
    before: Anchor  # where these deliveries started ...
    after: Anchor  # ... and where the next ones of these meters do


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter(Generic[Form]):
    """How one type of meter is read. `name` is the type's, for people."""

    name: str
    form: type[Form]
    channels: Callable[[Form], tuple[Channel, ...]]


class Adapters:
    """The types that are known, found by the class of their raw form."""

    def __init__(self, adapters: Iterable[Adapter[Any]]) -> None:
        self._by_form: dict[type[Any], Adapter[Any]] = {}
        for one in adapters:
            assert one.form not in self._by_form, f"two adapters for {one.form.__name__}"
            self._by_form[one.form] = one

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self._by_form.values())

    def channels(self, form: object) -> tuple[Channel, ...]:
        """The channels of n deliveries in one raw form. A form that nobody registered is our own error."""
        assert type(form) in self._by_form, (
            f"no adapter for {type(form).__name__}: register it in store.meter_conversion"
        )
        return self._by_form[type(form)].channels(form)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What surrounds n deliveries whatever their type: whose they are, what they are about, and how they came."""

    mpxn: NDArray[np.int64]  # [n]
    premises: NDArray[np.int64]  # [n]
    interval_start_us: NDArray[np.int64]  # [n] [us since the Unix epoch]; of a register alone: when it was read
    received_at_us: NDArray[np.int64]  # [n] [us since the Unix epoch]
    revision: NDArray[np.int32]  # [n]
    source: NDArray[np.int8]  # [n] scenarios.domain.Source
    quality: NDArray[np.int8]  # [n] scenarios.domain.Quality
    slot_us: int = SLOT_US  # how long a slot is [us]


def readings_of(channel: Channel, envelope: Envelope, day: DayTotals | None = None) -> Readings:
    """The accepted rows of a channel as the store takes them; `day` has one row an accepted delivery."""
    kept = np.flatnonzero(channel.reason == Reason.ACCEPTED)
    return Readings(
        mpxn=envelope.mpxn[kept],
        premises=envelope.premises[kept],
        fuel=np.full(len(kept), channel.fuel, np.int8),
        interval_start_us=envelope.interval_start_us[kept],
        values_wh=channel.values_wh[kept],
        register_wh=channel.register_wh[kept],
        day=day,
        received_at_us=envelope.received_at_us[kept],
        revision=envelope.revision[kept],
        source=envelope.source[kept],
        quality=envelope.quality[kept],
        slot_us=envelope.slot_us,
    )
