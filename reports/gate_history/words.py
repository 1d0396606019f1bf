"""How changes are told to people: sentences, sizes with their intervals. Pure."""

from reports.results.gate_history import FoundChange, HistorySeries, Meaning, Shift, Voter
from scenarios.texts import wording


def change_sentence(series: HistorySeries, change: FoundChange) -> str:
    """'ingest_reading p99: worse since nightly-42, +12.3 % (8.1 % to 16.0 %), seen by both detectors. With it changed: ...'"""
    meaning = {Meaning.WORSE: "worse", Meaning.BETTER: "better", Meaning.UNKNOWN: "changed"}[change.meaning]
    seen = "seen by both detectors" if len(change.voters) > 1 else f"suspected by {_voter(change.voters[0])} alone"
    beside = f" With that run changed: {', '.join(change.other_versions)}." if change.other_versions else ""
    return f"{series.name}: {meaning} since {change.run}, {shift_words(change.shift, series.unit)}, {seen}.{beside}"


def shift_words(shift: Shift, unit: str) -> str:
    """'+12.3 % (+8.10 % to +16.0 %)'; of a difference '+0.012 of judged (...)'."""
    if shift.is_ratio:
        value, low, high = (wording.change(each - 1) for each in (shift.value, shift.low, shift.high))
        return f"{value} ({low} to {high})"
    value, low, high = (f"{each:+.3g}" for each in (shift.value, shift.low, shift.high))
    return f"{value} {unit} ({low} to {high})".replace("-", "−")


def _voter(voter: Voter) -> str:
    return "the ranks" if voter is Voter.RANKS else voter.value
