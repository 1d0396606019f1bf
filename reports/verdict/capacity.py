"""What a search says, in sentences with their numbers. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from loadtests.capacity.search import Ending, Found
from loadtests.capacity.step import Doubt, StepOutcome, StepVerdict
from reports.results.capacity import ConstraintResult, RateResult, RecoveryResult, Resource
from reports.results.parts import Verdict
from scenarios.texts.wording import count, counted, duration, listed, percent

BINDING_NAMES = {
    Resource.CLIENT_CPU: "the load generator",
    Resource.NODE_CPU: "the nodes' processors",
    Resource.OTHERS: "other programs",
    Resource.DISK: "this machine's disk",
    Resource.GC: "garbage collection",
    Resource.COMPACTION: "compaction",
    Resource.WAN: "the WAN",
}


STEP_SENTENCES = {
    StepVerdict.HELD: "held",
    StepVerdict.BROKE: "broke an objective",
    StepVerdict.CLIENT_LIMITED: "met the load generator's limit",
    Doubt.UNSTEADY: "had no steady state",
    Doubt.TOO_FEW: "had too few responses to prove anything",
    Doubt.NEAR: "could not tell the share of slow responses from the allowed one",
}
MENDS = {
    StepVerdict.CLIENT_LIMITED: "give the load generator a freer or a larger machine",
    Doubt.UNSTEADY: "keep the machine free of other work, or allow longer steps (--step-s)",
    Doubt.TOO_FEW: "allow higher rates, or longer steps (--step-s)",
    Doubt.NEAR: "allow longer steps (--step-s)",
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
    steps: Sequence[StepOutcome],
    trouble: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> SearchJudgement:
    """Pass: a rate was found, or even the highest asked for holds. Fail: none holds, or the cluster does not come back after an
    overload. Else inconclusive: the load generator, too few steps, Ctrl-C or a lost node (`trouble`, sentences) ended it.

    steps: all that were made; an answer that is none is told from them. notes: sentences that change no verdict.
    """
    reasons = [_answer(found, rate, steps)]
    if steps and found.ending in (Ending.UNDECIDED, Ending.CLIENT_LIMITED):
        reasons.append(f"The last step, {count(int(steps[-1].rate_per_s))} operations/s: {steps[-1].reason}.")
    if constraint is not None and found.ending in (Ending.FOUND, Ending.NONE_HELD, Ending.CLIENT_LIMITED):
        reasons.append(_binding(constraint))
    if recovery is not None:
        reasons.append(_recovered(recovery))
    if is_interrupted and found.ending is not Ending.INTERRUPTED:
        reasons.append("The look at the recovery from an overload was interrupted.")
    reasons.extend((*trouble, *notes))
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


def _answer(found: Found, rate: RateResult | None, steps: Sequence[StepOutcome]) -> str:
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
            where = ", and above that" if rate is not None else ", since at every rate"
            return f"Inconclusive: {held}{where} the load generator itself is the limit: {MENDS[StepVerdict.CLIENT_LIMITED]}."
        case Ending.OUT_OF_STEPS:
            return (
                f"Inconclusive: {held} when the steps were used up; {_what_steps_said(steps)}: allow more of them (--steps), and "
                f"{_mend(steps)}."
            )
        case Ending.UNDECIDED:
            above = [step for step in steps if rate is None or step.rate_per_s > rate.rate_per_s]
            where = "" if rate is None else ", and no rate above it was decided"
            return f"Inconclusive: {held}{where}; {_what_steps_said(above)}: {_mend(above)}."
        case Ending.INTERRUPTED:
            return f"Inconclusive: cut short; {held} so far."


def _said(steps: Sequence[StepOutcome]) -> Counter[StepVerdict | Doubt]:
    """How many steps said what; an undecided one counts by its doubt."""
    return Counter(step.doubt if step.doubt is not None else step.verdict for step in steps)


def _what_steps_said(steps: Sequence[StepOutcome]) -> str:
    """The most frequent first."""
    if not steps:
        return "no step was made"
    parts = listed([f"{many} {STEP_SENTENCES[said]}" for said, many in _said(steps).most_common()])
    return f"of {counted(len(steps), 'step')} {parts}"


def _mend(steps: Sequence[StepOutcome]) -> str:
    """What helps against the most frequent reason why a step did not tell; where all told, they contradicted each other."""
    return next((MENDS[said] for said, _ in _said(steps).most_common() if said in MENDS), MENDS[Doubt.NEAR])


def binding_told(constraint: ConstraintResult) -> str:
    """What binds, in a few words; why nothing is named where nothing is."""
    if constraint.binding is not None:
        return BINDING_NAMES[constraint.binding]
    if not constraint.is_limit:
        return "no rate broke, so nothing is known to bind"
    if any(each.resource is Resource.NODE_CPU and each.of_limit is None for each in constraint.evidence):
        return "what binds can't be named: the nodes were not measured, and the load generator was at no limit that was measured"
    return "what binds can't be named: neither nodes nor load generator were at a limit that was measured"


def _binding(constraint: ConstraintResult) -> str:
    at = f"At {count(int(constraint.at_per_s))}/s"
    resource = constraint.binding or Resource.OTHERS
    told = "".join(f" {each.sentence}" for each in constraint.evidence if each.resource is resource)
    if constraint.binding is None:
        return f"{at} {binding_told(constraint)}.{told}"
    return f"{at} what binds is {BINDING_NAMES[constraint.binding]}:{told}"


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
