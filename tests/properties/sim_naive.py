"""The estate once more, in plain Python integers and loops: what the kernels are held against.

Written from the documented rules, with no code of `sim` but its parameters' numbers.
"""

SLOT_US = 1_800_000_000
DAY_US = 48 * SLOT_US
HOUR_US = 3_600_000_000


def philox(counter, key):
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c0, c1, c2, c3


class NaiveEstate:
    def __init__(self, parameters):
        self.p = parameters

    def words(self, purpose, index, block, draw=0):
        return philox((index, block, 0, draw), (self.p.seed, purpose))

    def centred(self, purpose, index, position):
        word = self.words(purpose, index, position // 8)[position % 8 // 2]
        return (word >> 16 if position % 2 else word & 0xFFFF) - 32768

    def day_register(self, meter, day):
        fuel = meter % self.p.fuel_count
        annual_word, start_word, _, _ = self.words(2, meter, 0)
        knots = [int(knot) for knot in self.p.annual_knots_wh[fuel]]
        quarter, rest = divmod(annual_word, 2**30)
        annual = knots[quarter] + (knots[quarter + 1] - knots[quarter]) * rest // 2**30
        noise = int(self.p.day_spread[fuel, day]) * self.centred(3, meter, day) // 2**16
        start = start_word * int(self.p.register_start_wh_max[fuel]) // 2**32
        return start + annual * (int(self.p.day_share[fuel, day]) + noise) // 2**36

    def register(self, meter, slot):
        day, slot_of_day = divmod(slot, 48)
        low = self.day_register(meter, day)
        if slot_of_day == 0:
            return low
        fuel = meter % self.p.fuel_count
        energy = self.day_register(meter, day + 1) - low
        noise = int(self.p.slot_spread[fuel, day, slot_of_day]) * self.centred(4, meter, slot) // 2**16
        return low + energy * (int(self.p.slot_share[fuel, day, slot_of_day]) + noise) // 2**32

    def partition(self, premises):
        return self.words(1, premises, 0)[2] * 4096 // 2**32

    def messages(self):
        """(due_us, meter, kind, first slot, draw index) of every message, sorted."""
        found = []
        for meter in range(self.p.premises_count * self.p.fuel_count):
            if self.words(2, meter, 0)[2] < self.p.half_hourly_below:
                for slot in range(48 * self.p.day_count):
                    word = self.words(5, meter, slot // 4)[slot % 4]
                    found.append(((slot + 1) * SLOT_US + word * self.p.push_jitter_us // 2**32, meter, 0, slot, 0))
            else:
                for day in range(self.p.day_count):
                    word = self.words(6, meter, day // 4)[day % 4]
                    delay = self.spread(word, self.p.upload_window_us)
                    found.append(((day + 1) * DAY_US + delay, meter, 1, day * 48, 0))
        for premises in range(self.p.premises_count):
            found += self.queries(premises)
        return sorted(found)

    def queries(self, premises):
        meter = premises * self.p.fuel_count + self.p.electricity
        for day in range(self.p.day_count + 1):
            for kind in range(3):
                word = self.words(7, premises, day)[kind]
                for number in range(sum(word >= bound for bound in self.p.query_below[kind])):
                    draw = self.words(8, premises, day, kind * 2**16 + number // 4)[number % 4]
                    hours = [int(share) for share in self.p.query_hour[day]]
                    hour = max(index for index in range(24) if draw >= hours[index])
                    width = hours[hour + 1] - hours[hour]
                    due = day * DAY_US + hour * HOUR_US + (draw - hours[hour]) * HOUR_US // width
                    if due < self.p.span_us:
                        yield due, meter, 2 + kind, max(day - 1, 0) * 48, number

    @staticmethod
    def spread(word, span):
        return word * span // 2**32 if span < 2**31 else word * (span // 256) // 2**24
