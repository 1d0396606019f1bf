"""Pieces of scenario files for runs on the shared cluster of two data centres."""

from collections.abc import Iterable

NIGHT_SAVER = """
[[tariffs]]
name = "night saver"
share = {share}
rates.night = {{ electricity = "9.8765", gas = "6.0504", register = "low" }}
rates.day = {{ electricity = "29.1234", gas = "6.0504" }}
otherwise = "day"
bands = [{{ rate = "night", from = "23:30", to = "05:30" }}]
"""
TWO_DCS = """
[topology]
keyspace = "{keyspace}"
dcs = [{{ name = "north", nodes = 1, rf = 1 }}, {{ name = "south", nodes = 1, rf = 1 }}]
"""
# the tests' machine is shared: a sender that comes late proves nothing less
SLOW_MACHINE = """
[run.validity]
late_p99_ms_max = 5000
stalled_share_max = 1.0
"""
READINGS_ANSWERED = """
[[slo]]
operation = "ingest_reading"
response_ms_max = 20000
"""


def prices_of_days(slot_counts: Iterable[int]) -> str:
    """Prices of local days of so many slots, as lists in TOML: no two slots that follow each other have one price."""
    days = ([f"{at * 7919 % 400 / 10 - 2:.4f}" for at in range(count)] for count in slot_counts)
    return ", ".join(str(one) for one in days)
