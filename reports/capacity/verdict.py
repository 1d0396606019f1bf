"""What a search says, in sentences with their numbers. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from loadtests.capacity.search import Ending, Found
from reports.capacity.constraint import Resource
from reports.capacity.results import ConstraintResult, RateResult, RecoveryResult
from reports.results_file import Verdict
from scenarios.wording import count, duration, percent

BINDING_NAMES = {
    Resource.CLIENT_CPU: "the load generator",
    Resource.NODE_CPU: "the nodes' processors",
    Resource.MACHINE_CPU: "this machine's processors",
    Resource.DISK: "the disk",
    Resource.GC: "garbage collection",
    Resource.COMPACTION: "compaction",
    Resource.WAN: "the WAN",
    Resource.UNKNOWN: "none of the resources that were measured",
}


class SearchJudgement(NamedTuple):
    """The verdict and its reasons, the answer first."""

    verdict: Verdict
    reasons: tuple[str, ...]


def judge_search(
    found: Found,
    rate: RateResult | None,
    constraint: ConstraintResult | None,
    recovery: RecoveryResult | None,
    *,
    is_interrupted: bool,
    last_step: str | None = None,
    trouble: Sequence[str] = (),
) -> SearchJudgement:
    """Pass: a rate was found, or even the highest asked for holds. Fail: none holds, or the cluster does not come back after an
    overload. Else inconclusive: the load generator, too few steps, Ctrl-C or a lost node (`trouble`, sentences) ended it.

    last_step: its rate and what it said, for an end that is told by nothing else.
    """
    reasons = [_answer(found, rate)]
    if last_step is not None and found.ending in (Ending.UNDECIDED, Ending.CLIENT_LIMITED):
        reasons.append(f"The last step, {last_step}.")
    if constraint is not None and found.ending in (Ending.FOUND, Ending.NONE_HELD, Ending.CLIENT_LIMITED):
        reasons.append(_binding(constraint))
    if recovery is not None:
        reasons.append(_recovered(recovery))
    if is_interrupted and found.ending is not Ending.INTERRUPTED:
        reasons.append("The look at the recovery from an overload was interrupted.")
    reasons.extend(trouble)
    verdict = {
        Ending.FOUND: Verdict.PASS,
        Ending.HIGH_HELD: Verdict.PASS,
        Ending.NONE_HELD: Verdict.FAIL,
    }.get(found.ending, Verdict.INCONCLUSIVE)
    if recovery is not None and recovery.after_s is None:
        verdict = Verdict.FAIL if recovery.client_trouble is None else Verdict.INCONCLUSIVE
    if (is_interrupted or trouble) and verdict is Verdict.PASS:
        verdict = Verdict.INCONCLUSIVE
    return SearchJudgement(verdict, tuple(reasons))


def _answer(found: Found, rate: RateResult | None) -> str:
    held = "nothing was found to hold" if rate is None else f"{count(int(rate.rate_per_s))} operations/s held"
    match found.ending:
        case Ending.FOUND:
            assert rate is not None and rate.high_per_s is not None
            return (
                f"The objectives hold at {count(int(rate.rate_per_s))} operations/s and no longer at "
                f"{count(int(rate.high_per_s))}/s: the threshold lies between, with {percent(rate.confidence)} confidence."
            )
        case Ending.HIGH_HELD:
            return f"{held.capitalize()}, the highest rate that was asked for; the threshold lies above it."
        case Ending.NONE_HELD:
            return "The objectives hold at no rate that was tried, down to a small share of the first."
        case Ending.CLIENT_LIMITED:
            return (
                f"Inconclusive: {held}, and above that the load generator itself is the limit; give it a freer or a larger "
                "machine."
            )
        case Ending.OUT_OF_STEPS:
            return f"Inconclusive: {held} when the steps were used up; allow more with --steps, or longer ones with --step-s."
        case Ending.UNDECIDED:
            if rate is not None:
                return f"Inconclusive: {held}, and above that no step told: allow longer steps (--step-s)."
            return "Inconclusive: no step told; so few operations prove nothing: allow higher rates, or longer steps (--step-s)."
        case Ending.INTERRUPTED:
            return f"Inconclusive: cut short; {held} so far."


def _binding(constraint: ConstraintResult) -> str:
    at = f"At {count(int(constraint.at_per_s))}/s"
    if constraint.binding is Resource.UNKNOWN:
        return f"{at} none of the resources that were measured was at its limit: what binds is inside the cluster."
    told = next(each.sentence for each in constraint.evidence if each.resource is constraint.binding)
    return f"{at} what binds is {BINDING_NAMES[constraint.binding]}: {told}"


def _recovered(recovery: RecoveryResult) -> str:
    overload = (
        f"After {duration(recovery.overload_s)} of overload at {count(int(recovery.overload_per_s))}/s, "
        f"{count(int(recovery.rate_per_s))}/s"
    )
    if recovery.after_s is None and recovery.client_trouble is not None:
        return f"{overload} was not seen to hold again, but {recovery.client_trouble}."
    if recovery.after_s is None:
        return f"{overload} did not hold again within {duration(recovery.watched_s)}."
    return f"{overload} held again after {duration(recovery.after_s)}."
