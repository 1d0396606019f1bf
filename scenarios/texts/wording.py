"""How numbers are written for people: thousands separators, three significant digits, the unit that fits. Pure."""

import math
from datetime import datetime

THIN_SPACE = "\u2009"
NO_FIGURE = "–"


def count(value: int | None) -> str:
    """1234567 -> '1,234,567'."""
    return NO_FIGURE if value is None else f"{value:,}"


def counted(value: int, thing: str, things: str | None = None) -> str:
    """(1, 'slot') -> '1 slot', (1200, 'slot') -> '1,200 slots'."""
    return f"{value:,} {thing if value == 1 else things or thing + 's'}"


def significant(value: float) -> str:
    """Three significant digits, but an integer part is whole: 0.01234 -> '0.0123', 12345.6 -> '12,346'."""
    if value == 0:
        return "0"
    # Rounding first: 9.996 is 10.0, not 10.00.
    decimals = 2 - math.floor(math.log10(abs(float(f"{value:.2e}"))))
    return f"{value:,.{max(decimals, 0)}f}"


def milliseconds(value: float | None) -> str:
    """12.345 -> '12.3 ms'; from ten seconds on in seconds."""
    if value is None:
        return NO_FIGURE
    return f"{significant(value / 1_000)} s" if value >= 10_000 else f"{significant(value)} ms"


def rate(value: float | None, unit: str = "/s") -> str:
    """1234.5 -> '1,234/s'."""
    return NO_FIGURE if value is None else f"{significant(value)}{unit}"


def percent(share: float | None) -> str:
    """0.0123 -> '1.23 %'. A share that is not zero never reads as '0 %', and one that is not whole never as '100 %'."""
    if share is None:
        return NO_FIGURE
    if 0.9995 <= share < 1:
        # Say how far from whole it is: 99.99 % rather than the 100 % of three digits.
        digits = 2
        while float(f"{100 * share:.{digits}f}") >= 100 and digits < 9:
            digits += 1
        return f"{100 * share:.{digits}f} %"
    return f"{significant(100 * share)} %"


def change(share: float | None) -> str:
    """0.123 -> '+12.3 %', -0.05 -> '−5.00 %', 4 -> '× 5.00': from double on, times are easier to grasp."""
    if share is None:
        return NO_FIGURE
    if share >= 1:
        return f"× {significant(1 + share)}"
    sign = "+" if share > 0 else "−" if share < 0 else ""
    return f"{sign}{significant(100 * abs(share))} %"


def size(value_bytes: float | None) -> str:
    """2_400_000_000 -> '2.40 GB' (powers of ten, as disks are sold)."""
    if value_bytes is None:
        return NO_FIGURE
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value_bytes >= factor:
            return f"{significant(value_bytes / factor)} {unit}"
    return f"{value_bytes:.0f} B"


def duration(seconds: float | None) -> str:
    """75 -> '1 min 15 s', 10805 -> '3 h 0 min'."""
    if seconds is None:
        return NO_FIGURE
    if seconds < 60:
        return f"{seconds:.0f} s" if float(seconds).is_integer() else f"{significant(seconds)} s"
    whole = round(seconds)
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60} min"


def clock(seconds: float) -> str:
    """Time since a start, as a clock: 90 -> '1:30', 3,700 -> '1:01:40'."""
    whole = round(seconds)
    if whole < 3_600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3_600}:{whole % 3_600 // 60:02d}:{whole % 60:02d}"


def moment(when: datetime) -> str:
    """'15 January 2026, 14:03:22 UTC' of an aware datetime in UTC."""
    return f"{when.day} {when:%B %Y, %H:%M:%S} UTC"


def percentile_name(percentile: float) -> str:
    """99.0 -> 'p99', 99.9 -> 'p99.9'."""
    return f"p{percentile:g}"


def read_frequency(schedule: str, slots_per_hour: int = 2) -> str:
    """'ten_second' -> 'ten-second'; 'half_hourly' of an estate of quarter-hours -> 'quarter-hourly': such a meter pushes each."""
    return "quarter-hourly" if schedule == "half_hourly" and slots_per_hour == 4 else schedule.replace("_", "-")


def listed(names: list[str]) -> str:
    """['a', 'b', 'c'] -> 'a, b and c'."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
