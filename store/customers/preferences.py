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
NEW_TENANTS_CONSENT = Consent.DAILY
"""Of a tenant who has said nothing yet: nobody's half-hours are read by what the one before consented to."""
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
    not_before_us: int = 0,
) -> PreferenceChange:
    """A choice made at an instant [us since the Unix epoch]; in force from the next midnight of a calendar. Raises Refused.

    tariffs: the names of those on sale, by code. not_before_us: not from an earlier midnight on: a tenant's who moves in then.
    """
    if preference is Preference.TENANCY:
        raise Refused("a tenancy is no choice: `new_tenancy` begins one")
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
        effective_us=max(calendar.next_midnight_us(changed_us), calendar.next_midnight_us(max(not_before_us - 1, 0))),
        changed_us=changed_us // 1_000 * 1_000,
    )


def new_tenancy(begins_us: int, told_us: int, calendar: Calendar = UTC_CALENDAR) -> PreferenceChange:
    """Another customer lives in a home from an instant on: from the midnight at it, or after it [us since the Unix epoch].

    What was chosen until this is told is the former customer's, and in force up to that midnight. Raises Refused for one that
    has begun when it is told: its days are read and priced by what was in force.
    """
    effective_us = calendar.next_midnight_us(max(begins_us - 1, 0))
    if told_us < 0 or effective_us <= told_us:
        raise Refused(
            f"a tenancy from {effective_us} us on, told at {told_us} us: tell it before it begins, as days that have begun are "
            "read and priced by what was in force"
        )
    return PreferenceChange(
        preference=Preference.TENANCY, value=0, effective_us=effective_us, changed_us=told_us // 1_000 * 1_000
    )


def in_force(history: Iterable[PreferenceChange], preference: Preference, instant_us: int) -> int | None:
    """The value in force at an instant [us since the Unix epoch]; None where the customer of then had chosen nothing."""
    history = tuple(history)
    tenancy = tenancy_on(history, instant_us)
    chosen = [
        one
        for one in history
        if one.preference is preference and one.effective_us <= instant_us and (tenancy is None or _is_of(tenancy, one))
    ]
    if not chosen:
        return None
    return max(chosen, key=lambda one: (one.effective_us, one.changed_us)).value


def schedule_in_force(history: Iterable[PreferenceChange], instant_us: int, otherwise: ReadSchedule) -> ReadSchedule:
    """By which schedule meters are read: the chosen one, or `otherwise`, but never finer than the customer consents to."""
    history = tuple(history)
    chosen = in_force(history, Preference.READ_SCHEDULE, instant_us)
    schedule = otherwise if chosen is None else ReadSchedule(chosen)
    consent = in_force(history, Preference.CONSENT, instant_us)
    if consent is None and tenancy_on(history, instant_us) is not None:
        consent = NEW_TENANTS_CONSENT
    return schedule if consent is None else _SCHEDULE_OF[min(_FINENESS[schedule], Consent(consent))]


def tariff_in_force(
    history: Iterable[PreferenceChange], instant_us: int, otherwise: int, deemed: int | None = None
) -> int:
    """The code of the tariff that a home is on.

    otherwise: of a home whose customer has chosen nothing; deemed: of a tenant who has chosen nothing yet, where that is another.
    """
    history = tuple(history)
    chosen = in_force(history, Preference.TARIFF, instant_us)
    if chosen is None and deemed is not None and tenancy_on(history, instant_us) is not None:
        return deemed
    return otherwise if chosen is None else chosen


def tenancy_on(history: Iterable[PreferenceChange], instant_us: int) -> PreferenceChange | None:
    """The latest tenancy that has begun by an instant [us since the Unix epoch]; None: the first customer lives there."""
    begun = [one for one in history if one.preference is Preference.TENANCY and one.effective_us <= instant_us]
    return max(begun, key=lambda one: (one.effective_us, one.changed_us), default=None)


def _is_of(tenancy: PreferenceChange, choice: PreferenceChange) -> bool:
    """Is a choice the tenant's? Made once the tenancy was told, and not for a day before it."""
    return choice.changed_us >= tenancy.changed_us and choice.effective_us >= tenancy.effective_us
