"""Each type's raw form becomes canonical readings: those of the simulator exactly, by hand, and with planted faults."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.domain import MeterType
from scenarios.spec import Scenario
from sim.energy.raw_forms import GAS_DM3, GAS_WH, gas_energy_wh, raw_readings, ten_seconds_wh, volume_dm3
from sim.energy.registers import intervals_wh, register_wh
from sim.estate.model import EstateModel, build_estate
from store.customers.port import RegisterChangeKind
from store.customers.registers import exchanges_us, rollovers
from store.meter_conversion import ADAPTERS, METER_TYPES
from store.meter_conversion.canonical import Adapter, Adapters, Channel, Envelope, readings_of
from store.meter_conversion.counter import DISPLAY_RANGE, Anchor, Counter, anchor
from store.meter_conversion.gas_volume import CORRECTION_PARTS, HALF_HOUR_DM3_MAX, PARTS_PER_WH, GasVolume
from store.meter_conversion.half_hourly import HalfHourly
from store.meter_conversion.import_export import ImportExport
from store.meter_conversion.register_only import RegisterOnly
from store.meter_conversion.ten_second import TenSecond
from store.rejections import Reason
from store.tariffs import ELECTRICITY, EXPORT, GAS, MISSING_WH

DAY = 3  # of the simulated days: the one that is delivered, of 48 half-hours
SLOTS = 48
USUAL_CALORIFIC_VALUE = 3_930


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    types = {"register_only": 0.25, "profile": 0.25, "ten_second": 0.25, "import_export": 0.25}
    return build_estate(
        Scenario.model_validate(
            {
                "title": "raw forms",
                "estate": {"premises": 300, "fuels": ("electricity", "gas"), "meter_types": types},
                "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
                "run": {"days": 5, "wall_s": 60, "seed": 3, "start": "2026-06-01"},
            }
        )
    )


class Simulated:
    """All meters of one type, with their raw forms over the half-hours of a day and their last one before it."""

    def __init__(self, estate: EstateModel, meter_type: MeterType) -> None:
        everyone = np.arange(estate.meter_count)
        types = raw_readings(estate, everyone, np.zeros(len(everyone), np.int32)).meter_type
        self.meter = everyone[types == meter_type]
        assert len(self.meter) > 10, "an estate without such meters shows nothing"
        first = DAY * SLOTS
        n = len(self.meter)
        slots = np.arange(first - 1, first + SLOTS, dtype=np.int32)
        raw = raw_readings(estate, np.repeat(self.meter, SLOTS + 1), np.tile(slots, n))
        self.display = raw.display.reshape(n, -1)
        self.interval = raw.interval.reshape(n, -1)[:, 1:].astype(np.int64)
        self.export_display = raw.export_display_wh.reshape(n, -1)
        self.export = raw.export_wh.reshape(n, -1)[:, 1:].astype(np.int64)
        self.first = np.full(n, first, np.int32)
        self.register_before_wh = register_wh(estate, self.meter, self.first)
        self.register_after_wh = register_wh(estate, self.meter, self.first + np.int32(SLOTS))
        self.values_wh = intervals_wh(estate, self.meter, self.first, SLOTS)
        whole_day = self.meter.repeat(SLOTS), np.tile(slots[1:], n)
        self.parts_wh = ten_seconds_wh(estate, *whole_day).reshape(n, -1)

    def counter(self) -> Counter:
        before = anchor(self.display[:, 0], self.register_before_wh)
        return Counter(before=before, display=self.display[:, -1:], slots_apart=np.full(len(self.meter), SLOTS))


def assert_is_what_was_simulated(channel: Channel, simulated: Simulated) -> None:
    assert (channel.reason == Reason.ACCEPTED).all()
    assert np.array_equal(channel.values_wh, simulated.values_wh)
    assert np.array_equal(channel.register_wh, simulated.register_after_wh)
    assert np.array_equal(channel.after.register_wh, simulated.register_after_wh)
    assert np.array_equal(channel.after.display, simulated.display[:, -1])


def test_register_only_meters_give_back_the_simulated_half_hours(estate: EstateModel) -> None:
    simulated = Simulated(estate, MeterType.REGISTER_ONLY)
    counter = replace(
        simulated.counter(), display=simulated.display[:, 1:], slots_apart=np.ones(len(simulated.meter), np.int64)
    )
    (channel,) = METER_TYPES.channels(RegisterOnly(counter=counter, is_half_hourly=True))
    assert_is_what_was_simulated(channel, simulated)


def test_register_only_meters_read_once_give_the_register_alone(estate: EstateModel) -> None:
    simulated = Simulated(estate, MeterType.REGISTER_ONLY)
    (channel,) = METER_TYPES.channels(RegisterOnly(counter=simulated.counter(), is_half_hourly=False))
    assert channel.values_wh.shape == (len(simulated.meter), 0)
    assert np.array_equal(channel.register_wh, simulated.register_after_wh)


def test_profile_meters_give_back_the_simulated_half_hours(estate: EstateModel) -> None:
    simulated = Simulated(estate, MeterType.PROFILE)
    (channel,) = METER_TYPES.channels(HalfHourly(counter=simulated.counter(), intervals_wh=simulated.interval))
    assert channel.fuel == ELECTRICITY
    assert_is_what_was_simulated(channel, simulated)


def test_ten_second_meters_give_back_the_simulated_half_hours(estate: EstateModel) -> None:
    simulated = Simulated(estate, MeterType.TEN_SECOND)
    (channel,) = METER_TYPES.channels(TenSecond(counter=simulated.counter(), parts_wh=simulated.parts_wh))
    assert_is_what_was_simulated(channel, simulated)


def test_exporting_meters_give_both_directions(estate: EstateModel) -> None:
    simulated = Simulated(estate, MeterType.IMPORT_EXPORT)
    imported = HalfHourly(counter=simulated.counter(), intervals_wh=simulated.interval)
    exported = HalfHourly(
        counter=Counter(
            before=anchor(simulated.export_display[:, 0], simulated.export_display[:, 0]),
            display=simulated.export_display[:, -1:],
            slots_apart=np.full(len(simulated.meter), SLOTS),
        ),
        intervals_wh=simulated.export,
    )
    use, export = METER_TYPES.channels(ImportExport(imported=imported, exported=exported))
    assert_is_what_was_simulated(use, simulated)
    assert (use.fuel, export.fuel) == (ELECTRICITY, EXPORT)
    assert np.array_equal(export.values_wh, simulated.export)
    assert export.values_wh.max() > 0
    assert np.array_equal(export.register_wh, simulated.export_display[:, -1])


def test_gas_is_the_energy_of_its_volume_and_within_a_dm3_of_what_was_burnt(estate: EstateModel) -> None:
    """The simulator's own `gas_energy_wh` of the two registers of volume, exactly; a dm3 is 11.2 Wh, and a Wh is cut off."""
    simulated = Simulated(estate, MeterType.GAS_VOLUME)
    slots = np.arange(SLOTS + 1, dtype=np.int32) + DAY * SLOTS
    burnt_wh = register_wh(estate, simulated.meter.repeat(SLOTS + 1), np.tile(slots, len(simulated.meter)))
    volume = np.array([volume_dm3(int(wh)) for wh in burnt_wh])
    energy_wh = np.array([gas_energy_wh(int(dm3)) for dm3 in volume]).reshape(-1, SLOTS + 1)
    rest = volume.reshape(-1, SLOTS + 1)[:, 0] * GAS_WH % GAS_DM3 * (PARTS_PER_WH // GAS_DM3)
    counter = replace(
        simulated.counter(), before=Anchor(display=simulated.display[:, 0], register_wh=energy_wh[:, 0], rest=rest)
    )
    n = len(simulated.meter)
    (channel,) = METER_TYPES.channels(
        GasVolume(
            counter=counter,
            intervals_dm3=simulated.interval,
            calorific_value=np.full(n, USUAL_CALORIFIC_VALUE, np.int64),
        )
    )
    assert (channel.fuel, set(channel.reason.tolist())) == (GAS, {Reason.ACCEPTED})
    assert np.array_equal(channel.values_wh, np.diff(energy_wh, axis=1))
    assert np.array_equal(channel.register_wh, energy_wh[:, -1])
    assert (np.abs(channel.values_wh - simulated.values_wh) <= 12).all()
    behind_wh = simulated.register_after_wh - channel.register_wh
    assert ((behind_wh >= 0) & (behind_wh <= 12)).all()


def one(value: int) -> np.ndarray:
    return np.array([value], np.int64)


def counter_of(before: int, *displays: int, slots: int = 1, register_wh: int = 0, rest: int = 0) -> Counter:
    return Counter(
        before=Anchor(display=one(before), register_wh=one(register_wh), rest=one(rest)),
        display=np.array([displays], np.int64),
        slots_apart=one(slots),
    )


def test_a_counter_that_rolls_over_goes_on() -> None:
    form = RegisterOnly(counter=counter_of(99_999_900, 99_999_990, 40, register_wh=7_000), is_half_hourly=True)
    (channel,) = METER_TYPES.channels(form)
    assert channel.values_wh.tolist() == [[90, 50]]
    assert (channel.register_wh[0], bool(channel.has_rolled_over[0]), channel.reason[0]) == (7_140, True, 0)


def test_a_counter_that_goes_back_has_fallen_and_its_anchor_stays() -> None:
    """5,000 -> 4,990 would be 99,999,990 Wh in a half-hour."""
    (channel,) = METER_TYPES.channels(
        RegisterOnly(counter=counter_of(5_000, 4_990, register_wh=800), is_half_hourly=True)
    )
    assert (channel.reason[0], bool(channel.has_rolled_over[0])) == (Reason.REGISTER_FELL, False)
    assert (channel.after.display[0], channel.after.register_wh[0]) == (5_000, 800)


@pytest.mark.parametrize(
    ("counter", "reason"),
    [
        (counter_of(0, 38_000), Reason.ACCEPTED),
        (counter_of(0, 38_001), Reason.IMPLAUSIBLE),
        (counter_of(0, 76_000, slots=2), Reason.ACCEPTED),
        (counter_of(0, 76_001, slots=2), Reason.IMPLAUSIBLE),
        (counter_of(0, -1), Reason.NEGATIVE),
        (counter_of(99_999_000, DISPLAY_RANGE), Reason.IMPLAUSIBLE),
    ],
)
def test_what_a_counter_can_show(counter: Counter, reason: Reason) -> None:
    (channel,) = METER_TYPES.channels(RegisterOnly(counter=counter, is_half_hourly=False))
    assert channel.reason[0] == reason


@pytest.mark.parametrize(
    ("intervals", "after", "slots", "reason"),
    [
        ([100, 200], 300, 2, Reason.ACCEPTED),
        ([100, 200], 301, 2, Reason.PARTS_DISAGREE),
        ([100, 200], 299, 2, Reason.PARTS_DISAGREE),
        ([100, MISSING_WH], 299, 2, Reason.ACCEPTED),
        ([100, MISSING_WH], 99, 2, Reason.PARTS_DISAGREE),
        ([100, 200], 900, 5, Reason.ACCEPTED),  # three half-hours were lost before
        ([100, -2], 300, 2, Reason.NEGATIVE),
        ([38_001, 0], 38_001, 2, Reason.IMPLAUSIBLE),
    ],
)
def test_half_hours_agree_with_their_counter(intervals: list[int], after: int, slots: int, reason: Reason) -> None:
    form = HalfHourly(counter=counter_of(0, after, slots=slots), intervals_wh=np.array([intervals], np.int64))
    (channel,) = METER_TYPES.channels(form)
    assert channel.reason[0] == reason
    assert channel.values_wh.tolist() == ([intervals] if reason == Reason.ACCEPTED else [[MISSING_WH, MISSING_WH]])


@pytest.mark.parametrize(
    ("spoilt", "reason", "first"),
    [(None, Reason.ACCEPTED, 180), (MISSING_WH, Reason.ACCEPTED, MISSING_WH), (-5, Reason.NEGATIVE, MISSING_WH)],
)
def test_a_half_hour_of_parts(spoilt: int | None, reason: Reason, first: int) -> None:
    parts = np.ones((1, 360), np.int32)
    if spoilt is not None:
        parts[0, 7] = spoilt
    (channel,) = METER_TYPES.channels(TenSecond(counter=counter_of(0, 360, slots=2), parts_wh=parts))
    assert (channel.reason[0], channel.values_wh[0, 0]) == (reason, first)


def test_a_faulty_export_counter_loses_no_import() -> None:
    form = ImportExport(
        imported=HalfHourly(counter=counter_of(0, 50), intervals_wh=np.array([[50]])),
        exported=HalfHourly(counter=counter_of(0, 70), intervals_wh=np.array([[60]])),
    )
    use, export = METER_TYPES.channels(form)
    assert (use.reason[0], export.reason[0]) == (Reason.ACCEPTED, Reason.PARTS_DISAGREE)


def test_gas_by_hand() -> None:
    """1 m3 at 39.3: 1.02264 x 39.3 / 3.6 = 11.16382 kWh; of two of them 22,327.64 Wh."""
    form = GasVolume(
        counter=counter_of(0, 2_000, slots=2),
        intervals_dm3=np.array([[1_000, 1_000]]),
        calorific_value=one(USUAL_CALORIFIC_VALUE),
    )
    (channel,) = METER_TYPES.channels(form)
    assert channel.values_wh.tolist() == [[11_163, 11_164]]
    assert (channel.register_wh[0], channel.after.rest[0]) == (22_327, 0.64 * PARTS_PER_WH)


def test_gas_of_no_possible_calorific_value_is_refused() -> None:
    form = GasVolume(counter=counter_of(0, 9), intervals_dm3=np.array([[9]]), calorific_value=one(39))
    (channel,) = METER_TYPES.channels(form)
    assert (channel.reason[0], channel.register_wh[0]) == (Reason.IMPLAUSIBLE, 0)


days_of_gas = st.lists(
    st.tuples(
        st.integers(3_690, 4_230),
        st.lists(st.integers(0, HALF_HOUR_DM3_MAX) | st.just(MISSING_WH), min_size=1, max_size=6),
        st.integers(0, 3_000),
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(days=days_of_gas, first=st.integers(0, DISPLAY_RANGE - 1), rest=st.integers(0, PARTS_PER_WH - 1))
def test_gas_is_conserved_over_deliveries(days: list[tuple[int, list[int], int]], first: int, rest: int) -> None:
    """Whatever the calorific values, losses and rollovers: the register is the whole Wh of all parts that passed."""
    at = Anchor(display=one(first), register_wh=one(0), rest=one(rest))
    passed = rest
    for calorific_value, volumes, unseen in days:
        is_whole = MISSING_WH not in volumes
        known = sum(volume for volume in volumes if volume != MISSING_WH)
        total = known if is_whole else known + unseen
        passed += total * calorific_value * CORRECTION_PARTS
        before = int(at.register_wh[0])
        (channel,) = METER_TYPES.channels(
            GasVolume(
                counter=Counter(
                    before=at, display=(at.display + total)[:, None] % DISPLAY_RANGE, slots_apart=one(len(volumes))
                ),
                intervals_dm3=np.array([volumes]),
                calorific_value=one(calorific_value),
            )
        )
        assert channel.reason[0] == Reason.ACCEPTED
        at = channel.after
        assert at.register_wh[0] == passed // PARTS_PER_WH
        assert at.rest[0] == passed % PARTS_PER_WH
        if is_whole:
            assert channel.values_wh.sum() == at.register_wh[0] - before


@settings(deadline=None)
@given(
    first=st.integers(0, DISPLAY_RANGE - 1),
    used=st.lists(st.integers(0, 38_000), min_size=1, max_size=48),
    register=st.integers(0, 10**12),
)
def test_displays_are_undone_exactly(first: int, used: list[int], register: int) -> None:
    displays = ((first + np.cumsum(used)) % DISPLAY_RANGE).tolist()
    form = RegisterOnly(counter=counter_of(first, *displays, register_wh=register), is_half_hourly=True)
    (channel,) = METER_TYPES.channels(form)
    assert channel.values_wh.tolist() == [used]
    assert channel.register_wh[0] == register + sum(used)
    assert bool(channel.has_rolled_over[0]) == (first + sum(used) >= DISPLAY_RANGE)


def test_a_new_type_is_one_record_one_function_and_one_registration() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class TenthsOfKwh:
        """An old meter's display of a tenth of a kWh, once a half-hour."""

        tenths: np.ndarray

    def channels(form: TenthsOfKwh) -> tuple[Channel, ...]:
        wh = form.tenths * 100
        return METER_TYPES.channels(
            RegisterOnly(
                counter=Counter(
                    before=anchor(wh[:, 0], wh[:, 0]), display=wh[:, 1:], slots_apart=np.ones(len(wh), np.int64)
                ),
                is_half_hourly=True,
            )
        )

    adapters = Adapters((*ADAPTERS, Adapter(name="tenths of a kWh", form=TenthsOfKwh, channels=channels)))
    (channel,) = adapters.channels(TenthsOfKwh(tenths=np.array([[10, 12, 12], [5, 6, 9]])))
    assert channel.values_wh.tolist() == [[200, 0], [100, 300]]
    assert adapters.names[-1] == "tenths of a kWh"
    with pytest.raises(AssertionError, match="no adapter for TenthsOfKwh"):
        METER_TYPES.channels(TenthsOfKwh(tenths=np.zeros((1, 2))))


def envelope_of(n: int) -> Envelope:
    numbers, zeros = np.arange(1, n + 1), np.zeros(n, np.int8)
    return Envelope(
        mpxn=numbers,
        premises=numbers,
        interval_start_us=numbers * 1_000,
        received_at_us=numbers,
        revision=np.zeros(n, np.int32),
        source=zeros,
        quality=zeros,
    )


def test_rollovers_are_logged_and_exchanges_are_found() -> None:
    """The second rolls over, the third has fallen."""
    before = np.array([5, 99_999_999, 500])
    form = RegisterOnly(
        counter=Counter(before=anchor(before, before), display=np.array([[6], [3], [4]]), slots_apart=np.ones(3, int)),
        is_half_hourly=True,
    )
    (channel,) = METER_TYPES.channels(form)
    ((premises, change),) = rollovers(channel, envelope_of(3))
    assert (premises, change.changed_us, change.before_wh, change.after_wh) == (2, 2_000, 99_999_999, 3)
    assert change.kind is RegisterChangeKind.ROLLED_OVER
    exchanged = [replace(change, kind=RegisterChangeKind.EXCHANGED, changed_us=at_us) for at_us in (9, 7)]
    assert exchanges_us([(2, change), (2, exchanged[0]), (2, exchanged[1])]) == {(2, ELECTRICITY): [7, 9]}


def test_readings_are_the_accepted_rows() -> None:
    form = HalfHourly(
        counter=Counter(
            before=anchor(np.zeros(3, np.int64), np.array([10, 20, 30])),
            display=np.array([[5], [6], [7]]),
            slots_apart=np.ones(3, np.int64),
        ),
        intervals_wh=np.array([[5], [99], [7]]),
    )
    (channel,) = METER_TYPES.channels(form)
    readings = readings_of(channel, envelope_of(3))
    assert readings.mpxn.tolist() == [1, 3]
    assert readings.register_wh.tolist() == [15, 37]
    assert readings.values_wh.tolist() == [[5], [7]]
    assert readings.fuel.tolist() == [ELECTRICITY, ELECTRICITY]
