"""Deliveries of a few homes over the turn of a month, as hypothesis draws them, and the naive fold of a log."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from scenarios.domain import DAY_US, SLOT_US, SLOTS_PER_DAY, Quality, TariffKind
from store.ports import LogEvent
from store.readings.store import HomeReadings
from store.rows import ESTIMATE_REVISION, Readings
from store.tariffs import FIRST_PRICES, MISSING_WH, Book, DayTotals, PriceList

START_US = 1_769_817_600_000_000  # 2026-01-31 00:00 UTC
HOMES, DAYS = 3, 3
SECOND_PRICES = PriceList(
    version=2,
    effective_us=START_US + 7 * SLOT_US,
    upence_per_wh=tuple(
        tuple((low + 11, standard + 13, peak + 17) for low, standard, peak in one) for one in FIRST_PRICES.upence_per_wh
    ),
    standing_upence=FIRST_PRICES.standing_upence,
)
BOOK = Book(
    prices=(FIRST_PRICES, SECOND_PRICES), kind_of=lambda premises, _: (premises % len(TariffKind)).astype(np.uint8)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What one message brings; `is_sent` by the meter, else an estimate or a correction of one half-hour."""

    home: int
    fuel: int
    slot: int  # of its first half-hour, from START_US
    values_wh: tuple[int, ...]
    revision: int = 0
    is_sent: bool = True
    register_wh: int = 0

    @property
    def key(self) -> tuple[int, ...]:
        return (self.home, self.fuel, self.slot, len(self.values_wh), self.revision)

    @property
    def day_us(self) -> int:
        return START_US + (self.slot // SLOTS_PER_DAY) * DAY_US

    def readings(self, day_wh: int = 1) -> Readings:
        """As the store takes it, with a total of the day that need not be right."""
        total = np.array([day_wh])
        revised = Quality.ESTIMATED if self.revision == ESTIMATE_REVISION else Quality.SUBSTITUTED
        quality = Quality.ACTUAL if self.is_sent else revised
        return Readings(
            mpxn=np.array([1_000 + self.home * 2 + self.fuel]),
            premises=np.array([self.home]),
            fuel=np.array([self.fuel], np.int8),
            interval_start_us=np.array([START_US + self.slot * SLOT_US]),
            values_wh=np.array([self.values_wh], np.int32).reshape(1, -1),
            register_wh=np.array([self.register_wh]),
            day=DayTotals.undivided(
                usage_wh=total,
                low_wh=total,
                standard_wh=total,
                peak_wh=total,
                cost_upence=total,
                tariff_version=np.array([1], np.int32),
            ),
            received_at_us=np.array([START_US + self.slot * SLOT_US + 60_000_000 + self.revision * 1_000]),
            revision=np.array([self.revision], np.int32),
            source=np.array([0], np.int8),
            quality=np.array([quality], np.int8),
        )


_WH = st.integers(0, 3_000)


@st.composite
def deliveries(draw: st.DrawFn) -> list[Delivery]:
    """Any mix of pushes, uploads with gaps, estimates, corrections and registers alone; a natural key has one value."""
    found: dict[tuple[int, ...], Delivery] = {}
    for _ in range(draw(st.integers(1, 12))):
        home, fuel, day = draw(st.integers(0, HOMES - 1)), draw(st.integers(0, 1)), draw(st.integers(0, DAYS - 1))
        slot = day * SLOTS_PER_DAY + draw(st.integers(0, SLOTS_PER_DAY - 1))
        kind = draw(st.sampled_from(["push", "upload", "estimate", "correct", "register"]))
        register_wh = draw(st.integers(0, 10**9))
        if kind == "push":
            one = Delivery(home=home, fuel=fuel, slot=slot, values_wh=(draw(_WH),), register_wh=register_wh)
        elif kind == "upload":
            gaps = draw(st.sets(st.integers(0, SLOTS_PER_DAY - 1), max_size=3))
            base = draw(_WH)
            values = tuple(MISSING_WH if i in gaps else base + i for i in range(SLOTS_PER_DAY))
            one = Delivery(home=home, fuel=fuel, slot=day * SLOTS_PER_DAY, values_wh=values, register_wh=register_wh)
        elif kind == "register":
            one = Delivery(home=home, fuel=fuel, slot=(day + 1) * SLOTS_PER_DAY, values_wh=(), register_wh=register_wh)
        else:
            revision = ESTIMATE_REVISION if kind == "estimate" else draw(st.integers(1, 3))
            one = Delivery(home=home, fuel=fuel, slot=slot, values_wh=(draw(_WH),), revision=revision, is_sent=False)
        found.setdefault(one.key, one)
    return list(found.values())


def send(store: HomeReadings, one: Delivery) -> None:
    """Deliver as the gateway does, with a total of the day that is wrong."""
    if not one.is_sent:
        store.append_revision(one.readings())
    elif one.values_wh:
        store.append(one.readings())
    else:
        store.append_register(one.readings())


def known_half_hours(events: list[LogEvent]) -> dict[tuple[int, int], int]:
    """(fuel, start) -> Wh of every half-hour of a log: event by event, half-hour by half-hour."""
    best: dict[tuple[int, int], tuple[tuple[int, int], int]] = {}
    for event in events:
        for i, wh in enumerate(event.values_wh):
            if wh == MISSING_WH:
                continue
            key, rank = (event.fuel, event.interval_start_us + i * SLOT_US), (event.revision, -event.slot_count)
            if key not in best or rank > best[key][0]:
                best[key] = (rank, wh)
    return {key: wh for key, (_, wh) in best.items()}


def naive_cost_upence(home: int, half_hours: dict[tuple[int, int], int]) -> int:
    """What half-hours cost, each by the price list in force at its start."""
    total = 0
    for (fuel, start_us), wh in half_hours.items():
        prices = max((one for one in BOOK.prices if one.effective_us <= start_us), key=lambda one: one.effective_us)
        slot, is_flat = start_us % DAY_US // SLOT_US, home % len(TariffKind) == TariffKind.FLAT
        rate = 1 if is_flat else 0 if 1 <= slot < 15 else 2 if 32 <= slot < 38 else 1  # of those that ship
        total += wh * prices.upence_per_wh[home % len(TariffKind)][fuel][rate]
    return total
