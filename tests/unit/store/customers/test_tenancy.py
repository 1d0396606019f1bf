"""Who moves in has neither the tariff nor the consent of who lived there, until they choose."""

import itertools

import pytest

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, ReadSchedule
from store.customers.port import Consent, Preference
from store.customers.preferences import choose, in_force, new_tenancy, schedule_in_force, tariff_in_force
from store.memory.customers import MemoryCustomers
from store.rejections import Refused
from store.schemas import SCHEMAS

LONDON = Calendar("Europe/London")
MAY = LONDON.day_start_us(20_574)  # 1 May 2026, in summer time
NAMES = ["credit", "night", "deemed"]
OTHERWISE, NIGHT, DEEMED = range(3)
FORMER = [
    choose(Preference.TARIFF, NIGHT, MAY - 40 * DAY_US, LONDON, NAMES),
    choose(Preference.CONSENT, Consent.TEN_SECOND, MAY - 40 * DAY_US, LONDON),
    choose(Preference.READ_SCHEDULE, ReadSchedule.TEN_SECOND, MAY - 40 * DAY_US, LONDON),
    choose(Preference.TARIFF, OTHERWISE, MAY - 9 * DAY_US, LONDON, NAMES),
    choose(Preference.TARIFF, NIGHT, MAY - 8 * DAY_US, LONDON, NAMES),
]
MOVES_IN = new_tenancy(MAY, MAY - 5 * DAY_US, LONDON)


def test_what_the_former_customer_chose_ends_with_their_tenancy() -> None:
    for history in itertools.permutations([*FORMER[:2], FORMER[4], MOVES_IN]):
        before, after = MAY - 1, MAY
        assert tariff_in_force(history, before, OTHERWISE, DEEMED) == NIGHT
        assert tariff_in_force(history, after, OTHERWISE, DEEMED) == DEEMED
        assert tariff_in_force(history, after, OTHERWISE) == OTHERWISE
        assert in_force(history, Preference.CONSENT, before) == Consent.TEN_SECOND
        assert in_force(history, Preference.CONSENT, after) is None
    whole = [*FORMER, MOVES_IN]
    assert schedule_in_force(whole, MAY - 1, ReadSchedule.HALF_HOURLY) is ReadSchedule.TEN_SECOND
    for otherwise in (ReadSchedule.HALF_HOURLY, ReadSchedule.TEN_SECOND, ReadSchedule.DAILY):
        assert schedule_in_force(whole, MAY, otherwise) is ReadSchedule.DAILY
    assert schedule_in_force(whole, MAY, ReadSchedule.MONTHLY) is ReadSchedule.MONTHLY
    assert schedule_in_force(FORMER[3:], MAY, ReadSchedule.HALF_HOURLY) is ReadSchedule.HALF_HOURLY  # nobody moved


def test_the_tenant_chooses_before_and_after_they_move_in() -> None:
    before = choose(Preference.TARIFF, NIGHT, MAY - 3 * DAY_US, LONDON, NAMES, not_before_us=MAY)
    consents = choose(Preference.CONSENT, Consent.HALF_HOURLY, MAY + 2 * DAY_US, LONDON)
    history = [*FORMER, MOVES_IN, before, consents]
    assert before.effective_us == MAY
    assert tariff_in_force(history, MAY, OTHERWISE, DEEMED) == NIGHT
    assert schedule_in_force(history, consents.effective_us - 1, ReadSchedule.HALF_HOURLY) is ReadSchedule.DAILY
    assert schedule_in_force(history, consents.effective_us, ReadSchedule.HALF_HOURLY) is ReadSchedule.HALF_HOURLY
    again = new_tenancy(MAY + 30 * DAY_US, MAY + 20 * DAY_US, LONDON)
    assert tariff_in_force([*history, again], MAY + 30 * DAY_US, OTHERWISE, DEEMED) == DEEMED
    assert tariff_in_force([*history, again], MAY + 29 * DAY_US, OTHERWISE, DEEMED) == NIGHT
    # what the former customer chooses for a day before the end, once it is told, is theirs
    late = choose(Preference.TARIFF, OTHERWISE, MAY - 4 * DAY_US, LONDON, NAMES)
    assert tariff_in_force([*FORMER, MOVES_IN, late], MAY - 1, NIGHT, DEEMED) == OTHERWISE
    assert tariff_in_force([*FORMER, MOVES_IN, late], MAY, NIGHT, DEEMED) == DEEMED


def test_a_tenancy_begins_with_a_local_midnight_and_is_told_before_it() -> None:
    assert MOVES_IN.effective_us == MAY
    assert new_tenancy(MAY - DAY_US // 2, MAY - 5 * DAY_US, LONDON).effective_us == MAY
    for told_us in (MAY, MAY + 1, -1):
        with pytest.raises(Refused, match="tell it before it begins"):
            new_tenancy(MAY, told_us, LONDON)
    with pytest.raises(Refused, match="a tenancy is no choice"):
        choose(Preference.TENANCY, 0, MAY, LONDON)


def test_a_tenancy_is_kept_among_the_preferences() -> None:
    customers = MemoryCustomers(SCHEMAS["home_months"])
    for one in (*FORMER, MOVES_IN, MOVES_IN):
        customers.change_preference(7, one)
    assert sorted(map(repr, customers.preferences(7))) == sorted(map(repr, [*FORMER, MOVES_IN]))
