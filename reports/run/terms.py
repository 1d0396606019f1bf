"""The report's terms, each in a sentence: what a reader needs who was not there."""

import re
from collections.abc import Sequence

from scenarios.texts.wording import significant

FACT_TOLD = (
    "A fact is what one table must hold: a half-hour, a meter's day or month, or a row of what is only counted; "
    "one delivery makes several."
)

TERMS = (
    ("Offered load", "The operations that fell due in a second, by the clock of the simulated meters and customers."),
    ("Response time", "From the moment an operation fell due to its last answer: what a meter or a customer feels."),
    (
        "Service time",
        "From the sending of an attempt to its answer: what the cluster took, without any waiting before it.",
    ),
    ("Lateness", "From the moment an operation fell due until the load generator got to it: the bench's own doing."),
    (
        "p99",
        "The time that 99 of 100 operations did not exceed; p50 is the median, p99.9 leaves out one in a thousand.",
    ),
    (
        "Warm-up",
        "The first seconds, in which caches fill and code is compiled; left out of times and rates, not of the audit.",
    ),
    ("Ok, failed, indeterminate", "Acknowledged; certainly not applied; or without an answer, so applied or not."),
    ("Retry", "One more attempt of the same operation; all are idempotent, so a retry can't store a reading twice."),
    (
        "Fact",
        "What the audit counts: a half-hour in the log and in the interval table, a meter's day in the usage and billing views, "
        "a meter's month in the latest state, a row of what is only counted.",
    ),
    (
        "Coordinated",
        "Acknowledged facts by the data centre that is their homes' own, whose coordinators took them; rows that are only "
        "counted (10-second readings, alerts, preferences) are in no data centre's number.",
    ),
    (
        "Acknowledged, verified",
        "The cluster said that it has the fact; it was read back afterwards with its exact value. The interval table keeps of a "
        "half-hour the latest revision alone: an earlier one counts as verified when the later one is there in its place.",
    ),
    (
        "Not judged",
        "Acknowledged, and too much beside it is indeterminate to say what became of it: an indeterminate row that came may "
        "stand in a sum for one that is lost, and a day with many indeterminate half-hours may add up to anything. Or a day's "
        "view that is what a part of the event log comes to, where the scenario's levels let a read miss what was acknowledged.",
    ),
    (
        "Indeterminate, of facts",
        "Sent, and without an answer: the cluster promised nothing, so it may be there or not, and neither is a fault.",
    ),
    ("Lost, wrong", "Acknowledged and not there; acknowledged and there with another value."),
    ("Phantom, duplicate", "There although it was never sent or was certainly refused; there more than once."),
    ("Settled after", "How long the audit waited for a data centre to catch up with what was acknowledged elsewhere."),
    (
        "Waited for the window",
        "The generator keeps a bounded number of operations in flight; when it is full, the cluster is behind.",
    ),
    (
        "Pass, fail",
        "Every objective met and every acknowledged fact verified; or an objective broken, or data at fault.",
    ),
    ("Inconclusive", "The bench itself was in trouble, or too little was sent or read back to tell; never a pass."),
)


def replay_told(speed_up: float | None) -> str:
    """What rates of a replay are rates of; empty where a record says nothing of its speed-up."""
    if speed_up is None:
        return ""
    if f"{speed_up:.3g}" == "1":
        return "Rates are of a replay in real time."
    return (
        f"Rates are of a replay {significant(speed_up)} times as fast as real time: divided by that, they are what the same "
        "homes ask in it."
    )


def fact_told(reasons: Sequence[str]) -> str:
    """What a fact is, for whoever meets the word in these reasons; empty where it isn't there."""
    return FACT_TOLD if any(re.search(r"\bfacts?\b", reason) for reason in reasons) else ""
