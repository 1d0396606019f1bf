"""Which choice of a customer is in force: pure, from the history of all of them.

A choice takes effect at the midnight after it, by the home's calendar, so that no day is read by two schedules or billed by
two tariffs. Of two choices for one midnight the later one counts.
"""

from collections.abc import Iterable, Sequence

from scenarios.calendar import UTC_CALENDAR, Calendar
from scenarios.domain import ReadSchedule, TariffKind
from store.customers.port import Consent, Preference, PreferenceChange
from store.rejections import Refused

_ALLOWED: dict[Preference, type[ReadSchedule] | type[Consent]] = {
    Preference.READ_SCHEDULE: ReadSchedule,
    Preference.CONSENT: Consent,
}
SHIPPED_TARIFFS = tuple(kind.name for kind in TariffKind)
_FINENESS = {
    ReadSchedule.MONTHLY: Consent.MONTHLY,
    ReadSchedule.DAILY: Consent.DAILY,
    ReadSchedule.HALF_HOURLY: Consent.HALF_HOURLY,
    ReadSchedule.TEN_SECOND: Consent.TEN_SECOND,
}
_SCHEDULE_OF = {consent: schedule for schedule, consent in _FINENESS.items()}


def choose(
    preference: Preference,
    value: int,
    changed_us: int,
    calendar: Calendar = UTC_CALENDAR,
    tariffs: Sequence[str] = SHIPPED_TARIFFS,
) -> PreferenceChange:
    """A choice made at an instant [us since the Unix epoch]; in force from the next midnight of a calendar. Raises Refused.

    tariffs: the names of those on sale, by code.
    """
    is_tariff = preference is Preference.TARIFF
    allowed = dict(enumerate(tariffs)) if is_tariff else {int(one): one.name for one in _ALLOWED[preference]}
    if value not in allowed:
        names = ", ".join(f"{code} {name}" for code, name in allowed.items())
        raise Refused(f"{preference.name.lower()} {value}: there are {names}")
    if changed_us < 0:
        raise Refused(f"a choice at {changed_us} us: instants count from 1970")
    return PreferenceChange(
        preference=preference,
        value=value,
        effective_us=calendar.next_midnight_us(changed_us),
        changed_us=changed_us // 1_000 * 1_000,
    )


def in_force(history: Iterable[PreferenceChange], preference: Preference, instant_us: int) -> int | None:
    """The value in force at an instant [us since the Unix epoch]; None where nothing was chosen by then."""
    chosen = [one for one in history if one.preference is preference and one.effective_us <= instant_us]
    if not chosen:
        return None
    return max(chosen, key=lambda one: (one.effective_us, one.changed_us)).value


def schedule_in_force(history: Iterable[PreferenceChange], instant_us: int, otherwise: ReadSchedule) -> ReadSchedule:
    """By which schedule meters are read: the chosen one, or `otherwise`, but never finer than the customer consents to."""
    history = tuple(history)
    chosen = in_force(history, Preference.READ_SCHEDULE, instant_us)
    schedule = otherwise if chosen is None else ReadSchedule(chosen)
    consent = in_force(history, Preference.CONSENT, instant_us)
    return schedule if consent is None else _SCHEDULE_OF[min(_FINENESS[schedule], Consent(consent))]


def tariff_in_force(history: Iterable[PreferenceChange], instant_us: int, otherwise: int) -> int:
    """The code of the tariff that a home is on."""
    chosen = in_force(history, Preference.TARIFF, instant_us)
    return otherwise if chosen is None else chosen
