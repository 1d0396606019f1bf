"""Objectives held against what was measured: those that the scenario names, and what holds for every operation. Pure.

Rules that hold here:
- A percentile is judged on enough responses that some were to be expected beyond it (`run.evidence.beyond_percentile_min`); on
  fewer it is neither met nor missed.
- An operation without an objective may fail or stay in doubt up to `run.evidence.error_share_max`. Beyond it is a fail, unless
  chance alone brings as many of so few in more than `CHANCE_MAX` of the runs of a cluster that is just at the limit.
- What the bench itself cut off (`OperationResult.cut_off`) is neither right nor wrong of the cluster: it is in no share.
"""

import math
from collections.abc import Collection, Mapping, Sequence

from reports.results.parts import Check, Verdict
from reports.results.run import GeneratorResult, ObjectiveResult, OperationResult, Undone
from scenarios.spec import Evidence
from scenarios.texts.wording import count, counted, milliseconds, percent, percentile_name

CHANCE_MAX = 0.05
ERRORS = "errors"  # the check that tells of all operations without an objective
EVIDENCE = "evidence"


def doubt_of(timing_is_valid: bool, undone: Collection[Undone]) -> str | None:
    """Why a missed objective may be the bench's own doing; None: it is the cluster's."""
    if Undone.STORM in undone:
        return "but the bench cut the storm off, so it may be its own doing"
    return None if timing_is_valid else "but the generator was not valid, so it may be its own doing"


def doubt_of_run(generator: GeneratorResult, undone: Collection[Undone]) -> str | None:
    """Likewise, of a run's results."""
    return doubt_of(generator.valid, undone)


def responses_needed(percentile: float, evidence: Evidence) -> int:
    """How many responses a percentile is judged on at least."""
    return math.ceil(round(evidence.beyond_percentile_min / (1 - percentile / 100), 6))


def objective_check(objective: ObjectiveResult, evidence: Evidence, doubt: str | None) -> Check:
    """Did the operation answer soon enough, with few enough errors? doubt: see `doubt_of`."""
    name = f"{objective.operation}_{percentile_name(objective.percentile)}"
    needed = responses_needed(objective.percentile, evidence)
    is_enough = objective.response_count >= needed
    broken = _objective_faults(objective, is_enough)
    if broken and doubt is None:
        return _check(name, Verdict.FAIL, f"{objective.operation}: {'; '.join(broken)}.")
    if broken:
        return _check(name, Verdict.INCONCLUSIVE, f"{objective.operation}: {'; '.join(broken)}; {doubt}.")
    if objective.response_ms is None:
        sentence = (
            f"{objective.operation}: no response was measured after the warm-up, so its objective can't be judged."
        )
        return _check(name, Verdict.INCONCLUSIVE, sentence)
    if not is_enough:
        sentence = (
            f"{objective.operation}: its {percentile_name(objective.percentile)} can't be judged on "
            f"{counted(objective.response_count, 'response')}: {count(needed)} are needed."
        )
        return _check(name, Verdict.INCONCLUSIVE, sentence)
    sentence = (
        f"{objective.operation}: {percentile_name(objective.percentile)} response time "
        f"{milliseconds(objective.response_ms)} of at most {milliseconds(objective.response_ms_max)} allowed, "
        f"over {counted(objective.response_count, 'response')} of at least {count(needed)}."
    )
    return _check(name, Verdict.PASS, sentence)


def _objective_faults(objective: ObjectiveResult, is_enough: bool) -> list[str]:
    faults = []
    if is_enough and objective.response_ms is not None and objective.response_ms > objective.response_ms_max:
        faults.append(
            f"{percentile_name(objective.percentile)} response time {milliseconds(objective.response_ms)} is above the "
            f"{milliseconds(objective.response_ms_max)} allowed, over {counted(objective.response_count, 'response')}"
        )
    if objective.error_share is not None and objective.error_share > objective.error_share_max:
        faults.append(
            f"{percent(objective.error_share)} of the operations failed or are indeterminate, "
            f"{percent(objective.error_share_max)} allowed by its objective"
        )
    return faults


def error_checks(
    operations: Mapping[str, OperationResult],
    objectives: Sequence[ObjectiveResult],
    evidence: Evidence,
    doubt: str | None,
) -> list[Check]:
    """Of every operation without an objective: did too many fail or stay in doubt? One check of all when of none."""
    own = {objective.operation for objective in objectives}
    shares = {
        name: share for name, each in operations.items() if name not in own and (share := each.error_share) is not None
    }
    if not shares:
        return []
    limit = evidence.error_share_max
    beyond = [name for name, share in shares.items() if share > limit]
    if beyond:
        return [_beyond_limit(name, operations[name], limit, doubt) for name in beyond]
    worst = max(shares, key=lambda name: shares[name])
    most = f"; the most are {percent(shares[worst])} of {worst}" if shares[worst] else ", and none did"
    sentence = f"Of no operation without an objective more than {percent(limit)} failed or is indeterminate{most}."
    return [_check(ERRORS, Verdict.PASS, sentence)]


def _beyond_limit(name: str, operation: OperationResult, limit: float, doubt: str | None) -> Check:
    said = (
        f"{name}: {percent(operation.error_share)} of {counted(operation.judged, 'operation')} failed or are "
        f"indeterminate, {percent(limit)} allowed of an operation without an objective"
    )
    if doubt is not None:
        return _check(f"{name}_{ERRORS}", Verdict.INCONCLUSIVE, f"{said}; {doubt}.")
    from scipy import stats  # its distributions take two seconds to load

    # How often so many or more are bad, of independent ones that are each bad at the limit.
    chance = float(stats.binom.sf(operation.bad - 1, operation.judged, limit))
    if chance > CHANCE_MAX:
        sentence = f"{said}; of so few, chance alone may be the reason."
        return _check(f"{name}_{ERRORS}", Verdict.INCONCLUSIVE, sentence)
    return _check(f"{name}_{ERRORS}", Verdict.FAIL, f"{said}.")


def evidence_checks(operations: Mapping[str, OperationResult], evidence: Evidence) -> list[Check]:
    """Was each operation of meters and customers that fell due acknowledged often enough to say anything of it?"""
    due = {name: each for name, each in operations.items() if each.is_open_loop and each.offered}
    if not due:
        return []
    needed = evidence.acknowledged_min
    checks = [
        _check(
            f"{name}_{EVIDENCE}",
            Verdict.INCONCLUSIVE,
            f"{name}: {count(each.ok)} of {counted(each.offered, 'operation')} that fell due were acknowledged, "
            f"and {count(needed)} are needed for a verdict on it.",
            group="validity",
        )
        for name, each in due.items()
        if each.ok < needed
    ]
    fewest = min(due, key=lambda name: due[name].ok)
    sentence = (
        f"Each operation that fell due was acknowledged at least {counted(needed, 'time')}; the fewest are "
        f"{count(due[fewest].ok)} of {fewest}."
    )
    return checks or [_check(EVIDENCE, Verdict.PASS, sentence, group="validity")]


def _check(name: str, outcome: Verdict, sentence: str, group: str = "objective") -> Check:
    return Check.model_validate({"name": name, "group": group, "outcome": outcome, "sentence": sentence})
