"""The estate once more, in plain Python integers and loops: what the kernels are held against.

Written from the documented rules, with no code of `sim` but its parameters' numbers.
"""

from fractions import Fraction
from math import floor
from types import SimpleNamespace

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
SECOND_US = 1_000_000
NEVER = float("inf")

# Numbers of the streams, as in `sim.draws.streams`.
PREMISES, METER, DAY_ENERGY, SLOT_ENERGY, PUSH, UPLOAD, QUERY_COUNT, QUERY_INSTANT, HOME, DEVICE = range(1, 11)
WAN, HUB_OUTAGE, TURN, GAP, ESTIMATE_AT, CORRECTION, CORRECTION_AT, _, ALERT, STORM, BURST = range(11, 22)
COMMAND, ATTEMPT, _, _, TEN_SECOND_DELAY, _, METERING, HUB_SWAP = range(22, 30)

# Numbers of the schedules and of the kinds of message, as in `scenarios.domain` and `sim.trace.messages`.
DAILY, HALF_HOURLY, MONTHLY, TEN_SECOND = range(4)
PUSH_HALF_HOUR, UPLOAD_DAY, READ_REGISTER, PUSH_TEN_SECOND, ESTIMATE, CORRECT, RAISE_ALERT = 0, 1, 5, 6, 7, 8, 9
QUERIES, CHANGE_PREFERENCE, SEND_COMMAND, ANSWER_COMMAND = (2, 3, 4, 10, 11, 12), 13, 14, 15
NEWS_DRAW = 2_048


def philox(counter, key):
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c0, c1, c2, c3


def spread(word, span):
    return word * span // 2**32 if span < 2**31 else word * (span // 256) // 2**24


def rows_of(records):
    return [SimpleNamespace(**{name: row[name].tolist() for name in records.dtype.names}) for row in records]


class NaiveEstate:
    def __init__(self, parameters):
        self.p = parameters
        self.slots = len(parameters.slot_share[0][0]) - 1  # of a day
        self.slot_us = DAY_US // self.slots
        self.regions, self.changes, self.outages, self.runs, self.storms, self.bursts, self.campaigns = map(
            rows_of,
            (
                parameters.regions,
                parameters.changes,
                parameters.outages,
                parameters.settlement_runs,
                parameters.alert_storms,
                parameters.bursts,
                parameters.campaigns,
            ),
        )
        self.drawn = {}
        self.done_at = {}

    def words(self, purpose, index, block, draw=0):
        key = (purpose, index, block, draw)
        if key not in self.drawn:
            self.drawn[key] = philox((index, block, 0, draw), (self.p.seed, purpose))
        return self.drawn[key]

    def word(self, purpose, index, position, draw=0):
        return self.words(purpose, index, position // 4, draw)[position % 4]

    def half(self, purpose, index, position, draw=0):
        word = self.words(purpose, index, position // 8, draw)[position % 8 // 2]
        return word >> 16 if position % 2 else word & 0xFFFF

    def centred(self, purpose, index, position):
        return self.half(purpose, index, position) - 32768

    # --- values

    def day_register(self, meter, day):
        fuel = meter % self.p.fuel_count
        annual_word, start_word, _, _ = self.words(METER, meter, 0)
        knots = [int(knot) for knot in self.p.annual_knots_wh[fuel]]
        quarter, rest = divmod(annual_word, 2**30)
        annual = knots[quarter] + (knots[quarter + 1] - knots[quarter]) * rest // 2**30
        noise = int(self.p.day_spread[fuel, day]) * self.centred(DAY_ENERGY, meter, day) // 2**16
        start = start_word * int(self.p.register_start_wh_max[fuel]) // 2**32
        return start + annual * (int(self.p.day_share[fuel, day]) + noise) // 2**36

    def register(self, meter, slot):
        day, slot_of_day = divmod(slot, self.slots)
        low = self.day_register(meter, day)
        if slot_of_day == 0:
            return low
        fuel = meter % self.p.fuel_count
        energy = self.day_register(meter, day + 1) - low
        noise = int(self.p.slot_spread[fuel, day, slot_of_day]) * self.centred(SLOT_ENERGY, meter, slot) // 2**16
        return low + energy * (int(self.p.slot_share[fuel, day, slot_of_day]) + noise) // 2**32

    # --- homes and meters

    def partition(self, premises):
        return self.words(PREMISES, premises, 0)[2] * 4096 // 2**32

    def region(self, premises):
        word = self.words(PREMISES, premises, 0)[0]
        return min(index for index, region in enumerate(self.regions) if word < region.below)

    def joined(self, premises):
        word = self.words(HOME, premises, 0)[3]
        if self.p.join_days == 0 or word < self.p.join_below:
            return 0
        return (1 + (word - self.p.join_below) * self.p.join_days // (2**32 - self.p.join_below)) * DAY_US

    def is_prepaid(self, premises):
        by_draw, by_tariff, _, _ = self.words(HOME, premises, 0)
        if not self.p.prepaid_tariffs:
            return by_draw < self.p.prepayment_below
        tariff = min(at for at, below in enumerate(self.p.tariff_below.tolist()) if by_tariff < below)
        return bool(self.p.prepaid_tariffs & 1 << tariff)

    def is_register_only(self, meter):
        is_electricity = meter % self.p.fuel_count == self.p.electricity
        return is_electricity and self.words(DEVICE, meter, 0)[0] < self.p.type_below[0]

    def has_meter(self, meter):
        """Has the home this fuel?"""
        is_gas = meter % self.p.fuel_count != self.p.electricity
        return not is_gas or self.words(METERING, meter // self.p.fuel_count, 0)[0] < self.p.gas_below

    def is_smart_home(self, premises):
        return self.words(METERING, premises, 0)[1] < self.p.smart_below

    def is_reached(self, meter):
        """Is it a smart meter in smart mode?"""
        is_smart = self.has_meter(meter) and self.is_smart_home(meter // self.p.fuel_count)
        return is_smart and self.words(METERING, meter, 1)[0] >= self.p.traditional_below

    def change(self, meter):
        """When the customer changes the schedule, and to which."""
        if not self.is_reached(meter):
            return NEVER, None
        _, which, when, _ = self.words(DEVICE, meter, 0)
        for change in self.changes:
            if which < change.below:
                if change.fuel not in (-1, meter % self.p.fuel_count):
                    return NEVER, None
                return change.from_us + when * (change.over_us // 2**16) // 2**16, change.to
        return NEVER, None

    def schedule(self, meter, day):
        changes = [(*self.change(meter), -1), *self.commanded(meter, "schedule")]
        before = [(at, order, to) for at, to, order in changes if at < day * DAY_US]
        if before:
            return max(before)[2]
        word = self.words(METER, meter, 0)[2]
        order = (HALF_HOURLY, MONTHLY, TEN_SECOND, DAILY)
        return next(kind for kind, bound in zip(order, self.p.schedule_below, strict=True) if word < bound)

    def firmware(self, meter, at):
        word = self.words(HOME, meter // self.p.fuel_count, 0)[2]
        installed = [(0, word * self.p.firmware_count // 2**32, -1), *self.commanded(meter, "firmware")]
        return max((when, order, version) for when, version, order in installed if when <= at)[2]

    def commanded(self, meter, what):
        """When the meter does each command that sets its schedule or firmware, what it sets, and the campaign's number."""
        for number, campaign in enumerate(self.campaigns):
            to = getattr(campaign, what)
            if to != -1:
                yield self.done(meter, number), to, number

    def done(self, meter, number):
        """Half a second after the first attempt that reaches a meter which does not refuse."""
        if (meter, number) not in self.done_at:
            attempts = self.attempts(meter // self.p.fuel_count, meter, number)
            reached = [at for _, at, is_delivered in attempts if is_delivered]
            is_refused = self.words(COMMAND, meter, number)[3] < self.campaigns[number].refusal_below
            self.done_at[meter, number] = NEVER if is_refused or not reached else min(reached) + SECOND_US // 2
        return self.done_at[meter, number]

    def is_gap(self, meter, slot):
        return self.half(GAP, meter, slot) < self.p.gap_below

    # --- the WAN

    def hub_outage(self, premises, day):
        """Start and end of the hub's outage that begins on a day, or None."""
        whether, start, how_long, _ = self.words(HUB_OUTAGE, premises, day)
        if whether >= self.p.hub_outage_below:
            return None
        start_us = day * DAY_US + spread(start, DAY_US)
        return start_us, start_us + spread(how_long, self.p.hub_outage_us_max)

    def swap(self, premises):
        """When the hub is taken out for one on 4G."""
        whether, when, _, _ = self.words(HUB_SWAP, premises, 0)
        if self.regions[self.region(premises)].is_cellular and whether < self.p.swap_below:
            return self.p.swap_from_us + when * (self.p.swap_over_us // 2**16) // 2**16
        return NEVER

    def regional_outages(self, premises):
        """Start and the hub's own turn, of those that the home's region has."""
        for number, outage in enumerate(self.outages):
            if outage.region in (-1, self.region(premises)):
                yield outage.start_us, outage.end_us + spread(self.word(TURN, premises, number), outage.return_us)

    def has_wan(self, premises, at):
        own = [self.hub_outage(premises, day) for day in range(max(at // DAY_US - 1, 0), at // DAY_US + 1)]
        outages = [*filter(None, own), *self.regional_outages(premises)]
        if self.swap(premises) < NEVER:
            outages.append((self.swap(premises), self.swap(premises) + self.p.swap_out_us))
        return not any(start <= at < end for start, end in outages)

    def leaves_hub(self, premises, at):
        """The backlog is sent from the turn on, `catch_up_speed` times as fast as it came, until it is gone."""
        for day in range(self.p.day_count + 30):  # every day: nothing here is said of how far an outage reaches
            if (own := self.hub_outage(premises, day)) is not None:
                at = self.held(at, *own)
        if (swap := self.swap(premises)) < NEVER:
            at = self.held(at, swap, swap + self.p.swap_out_us)
        for start, turn in self.regional_outages(premises):
            at = self.held(at, start, turn)
        return at

    def held(self, at, start, turn):
        if start < turn and start <= at:
            left = turn + Fraction(at - start, self.p.catch_up_speed)
            if left > at:
                return floor(left)
        return at

    def arrival(self, premises, meter, kind, slot, sent):
        delay, losses, _, _ = self.words(WAN, meter, slot, kind)
        leaves = self.leaves_hub(premises, sent)
        link = self.regions[-1 if leaves >= self.swap(premises) else self.region(premises)]
        lost = next((count for count, bound in enumerate(link.loss_below) if losses >= bound), len(link.loss_below))
        transit = link.delay_us_min + spread(delay, link.delay_us_span) + lost * link.retry_us
        return leaves + transit

    # --- messages: (sent, due, meter, kind, first slot, draw index)

    def messages(self):
        """(due_us, meter, kind, first slot, draw index) of every message that is due within the span, sorted."""
        found = []
        for premises in range(self.p.premises_count):
            joined = self.joined(premises)
            sent = [message for message in self.of_premises(premises) if message[0] >= joined]
            found += [message[1:] for message in sent if message[1] < self.p.span_us]
        return sorted(found)

    def of_premises(self, premises):
        electricity = premises * self.p.fuel_count + self.p.electricity
        if not self.is_smart_home(premises):
            return
        for meter in range(premises * self.p.fuel_count, (premises + 1) * self.p.fuel_count):
            if self.is_reached(meter):
                yield from self.readings(premises, meter)
                for day in range(self.joined(premises) // DAY_US, self.p.day_count):
                    yield from self.estimates(meter, day)
                    yield from self.corrections(meter, day)
            for campaign in range(len(self.campaigns)):
                yield from self.command(premises, meter, campaign)
            change_us, to = self.change(meter)
            if change_us < NEVER:
                slot = min(change_us // self.slot_us, self.p.day_count * self.slots - 1)
                yield change_us, change_us, meter, CHANGE_PREFERENCE, slot, to
        yield from self.queries(premises, electricity)
        yield from self.alerts(premises, electricity)

    def readings(self, premises, meter):
        for day in range(self.joined(premises) // DAY_US, self.p.day_count):
            schedule = self.schedule(meter, day)
            if schedule == TEN_SECOND:
                yield from self.ten_seconds(meter, day)
            elif schedule == HALF_HOURLY and not self.is_register_only(meter):
                for slot in range(day * self.slots, (day + 1) * self.slots):
                    sent = (slot + 1) * self.slot_us + spread(self.word(PUSH, meter, slot), self.p.push_jitter_us)
                    if not self.is_gap(meter, slot):
                        yield from self.delivered(premises, meter, PUSH_HALF_HOUR, slot, sent)
            elif schedule != MONTHLY or self.p.month_day[day] == spread(self.words(DEVICE, meter, 0)[3], 28):
                sent = (day + 1) * DAY_US + spread(self.word(UPLOAD, meter, day), self.p.upload_window_us)
                has_half_hours = schedule != MONTHLY and not self.is_register_only(meter)
                kind = UPLOAD_DAY if has_half_hours else READ_REGISTER
                yield from self.delivered(premises, meter, kind, day * self.slots, sent)

    def delivered(self, premises, meter, kind, slot, sent):
        due = self.arrival(premises, meter, kind, slot, sent)
        yield sent, due, meter, kind, slot, 0
        _, _, whether, when = self.words(WAN, meter, slot, kind)
        if whether < self.p.duplicate_below:
            yield sent, due + 1 + spread(when, self.p.duplicate_us_max), meter, kind, slot, 1

    def ten_seconds(self, meter, day):
        for tick in range(day * 8_640, (day + 1) * 8_640):
            at = (tick + 1) * 10 * SECOND_US + self.half(TEN_SECOND_DELAY, meter, tick) * 2 * SECOND_US // 2**16
            yield at, at, meter, PUSH_TEN_SECOND, *divmod(tick, self.slot_us // (10 * SECOND_US))

    def estimates(self, meter, day):
        at = (day + 1) * DAY_US + self.p.estimate_after_us + spread(self.word(ESTIMATE_AT, meter, day), HOUR_US)
        if self.schedule(meter, day) in (DAILY, HALF_HOURLY) and not self.is_register_only(meter):
            for slot in range(day * self.slots, (day + 1) * self.slots):
                if self.is_gap(meter, slot):
                    yield at, at, meter, ESTIMATE, slot, 0

    def corrections(self, meter, day):
        for number, run in enumerate(self.runs):
            at = (day + run.after_days) * DAY_US + spread(self.word(CORRECTION_AT, meter, day, number), DAY_US)
            for slot in range(day * self.slots, (day + 1) * self.slots):
                is_substituted = number == 0 and self.is_gap(meter, slot)
                if is_substituted or self.half(CORRECTION, meter, slot, number) < run.below:
                    yield at, at, meter, CORRECT, slot, number + 1

    def attempts(self, premises, meter, number):
        """Number, instant and whether it is delivered, of each attempt of a command that is made."""
        campaign = self.campaigns[number]
        whether, wave, when, _ = self.words(COMMAND, meter, number)
        at = campaign.at_us + spread(wave, campaign.waves) * campaign.wave_every_us + spread(when, campaign.over_us)
        is_target = (
            meter % self.p.fuel_count == campaign.fuel
            and campaign.region in (-1, self.region(premises))
            and (not campaign.is_prepayment_only or self.is_prepaid(premises))
            and whether < campaign.share_below
            and self.joined(premises) <= at
            and self.has_meter(meter)
            and self.is_smart_home(premises)
        )
        if not is_target:
            return
        is_out = self.words(COMMAND, meter, number, 1)[0] < campaign.silent_below
        back_at = NEVER if campaign.silent_for_us < 0 else at + campaign.silent_for_us
        answered = NEVER
        for attempt in range(1, campaign.attempts_max + 1):
            if answered <= at:
                return
            success = self.words(ATTEMPT, meter, number, attempt)[0]
            is_silent = (is_out and at < back_at) or not self.is_reached(meter)
            is_delivered = not is_silent and success < campaign.success_below and self.has_wan(premises, at)
            yield attempt, at, is_delivered
            if is_delivered:
                answered = min(answered, self.answer(meter, number, attempt, at))
            at += campaign.timeout_us + min(campaign.backoff_us * 2 ** min(attempt - 1, 20), 7 * DAY_US)

    def answer(self, meter, number, attempt, at):
        mean = max(self.campaigns[number].ack_mean_us - SECOND_US, 0)
        return at + SECOND_US + mean * self.exponential(self.words(ATTEMPT, meter, number, attempt)[1]) // 2**20

    def command(self, premises, meter, number):
        for attempt, at, is_delivered in self.attempts(premises, meter, number):
            draw = number * 64 + attempt
            yield at, at, meter, SEND_COMMAND, 0, draw
            if is_delivered:
                answer = self.answer(meter, number, attempt, at)
                yield answer, answer, meter, ANSWER_COMMAND, 0, draw
                _, _, twice, later = self.words(ATTEMPT, meter, number, attempt)
                if twice < self.campaigns[number].duplicate_below:
                    again = answer + 1 + spread(later, 60 * SECOND_US)
                    yield again, again, meter, ANSWER_COMMAND, 1, draw

    def exponential(self, word):
        knot, rest = divmod(word, 2**24)
        low, high = (int(quantile) for quantile in self.p.exponential[knot : knot + 2])
        return low + (high - low) * rest // 2**24

    def queries(self, premises, meter):
        for day in range(len(self.p.query_hour)):
            hours = [int(share) for share in self.p.query_hour[day]]
            for query in range(self.p.query_kinds):
                word = self.words(QUERY_COUNT, premises, day, query // 3)[query % 3]
                for number in range(sum(word >= bound for bound in self.p.query_below[query])):
                    draw = self.words(QUERY_INSTANT, premises, day, query * 2**16 + number // 4)[number % 4]
                    hour = max(index for index in range(24) if draw >= hours[index])
                    width = hours[hour + 1] - hours[hour]
                    at = day * DAY_US + hour * HOUR_US + (draw - hours[hour]) * HOUR_US // width
                    yield at, at, meter, QUERIES[query], self.asked_about(at), number
        for number, burst in enumerate(self.bursts):
            whether, when, _, _ = self.words(BURST, premises, number)
            if whether < burst.below:
                at = burst.at_us + spread(when, burst.over_us)
                yield at, at, meter, QUERIES[0], self.asked_about(at), NEWS_DRAW + number

    def asked_about(self, at):
        """The latest whole day, or the first."""
        return min(max(at // DAY_US - 1, 0), self.p.day_count - 1) * self.slots

    def alerts(self, premises, meter):
        raised = []
        for day in range(self.p.day_count):
            word = self.words(ALERT, premises, day)[0]
            for number in range(sum(word >= bound for bound in self.p.alert_below)):
                when = self.words(ALERT, premises, day, 1 + number // 4)[number % 4]
                raised.append((day * DAY_US + spread(when, DAY_US), number))
        for number, storm in enumerate(self.storms):
            whether, when, _, _ = self.words(STORM, premises, number)
            if storm.region in (-1, self.region(premises)) and whether < storm.below:
                raised.append((storm.at_us + spread(when, storm.over_us), NEWS_DRAW + number))
        for at, draw in raised:
            slot = min(at // self.slot_us, self.p.day_count * self.slots - 1)
            yield at, self.arrival(premises, meter, draw * 32 + RAISE_ALERT, slot, at), meter, RAISE_ALERT, slot, draw
