"""Which rate to try next, given what was found so far: the search for the highest rate that holds. Pure.

Rules that hold here:
- Capacity is a threshold: what holds at a rate holds below it. Answers are noisy: each step may be wrong, and near the
  threshold it may say nothing.
- So a rate *stands*, or *falls*, by the majority of its steps, two that don't tell counting as one against. A confirmation that
  contradicts takes the bound back, and the search goes on from there; an undecided rate bounds nothing, and both sides of it
  are closed in on.
- Where to try next between the ends is aimed at by what the steps measured (`loadtests.capacity.surface`), where they measured
  anything: the nearest rates to the threshold that a step would tell within part of its time. Where none of these brings an end
  nearer by enough, the search is done: steps nearer to the threshold take all their time and tell nothing.
  While the ends are far apart the aim is not trusted alone, and gaps are halved too.
- The interval's low end is the highest rate that stands below all that fall, its high end the lowest that falls. Both are
  confirmed: one unlucky time-out may break any step, and a step alone may be wrong more often than an end (`END_ALPHA`).
- A rate that the load generator can't send is tried once more, then it is the ceiling of what can be known.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from loadtests.capacity.step import ALPHA, StepVerdict
from loadtests.capacity.surface import LEAST_OF_ALLOWED, Measured, aim_high, aim_low, surface_of, threshold_of

# How often an end may be wrong, by design: two steps of one rate (ALPHA^2), of two rates beyond it, one of which may have had an
# undecided step between the two. Searches in virtual time hold it to that (docs/find-max.md).
END_ALPHA = 0.025
GROWTH = 2.0  # from rate to rate while nothing has fallen yet, or nothing has stood
SHRINKINGS_MAX = 8  # how often the first rate is divided by GROWTH before the search gives up
AIM_HELD = 0.3  # of a step's length, within which it should tell that a rate holds
AIM_BROKE = 0.15  # that it breaks: near saturation responses are worth less than the surface says, by some half
GAIN_LOW = 0.4  # of the precision, by which a step must bring the low end nearer to be worth its time: it is the answer
GAIN_HIGH = 0.8  # and the high one
WIDE = 4  # times the precision: ends farther apart are halved too
HALVED_EVERY = 3  # of the rates, while the ends are far apart: an aim that errs again and again must not go on for ever
DECIMALS = 3  # rates are compared by their value: rounded once, where they are made


class StepPurpose(StrEnum):
    """Why a rate is tried."""

    BRACKET = "bracket"
    NARROW = "narrow"
    CONFIRM = "confirm"


class Ending(StrEnum):
    """Why a search ended."""

    FOUND = "found"
    HIGH_HELD = "high_held"  # even the highest rate that was asked for
    NONE_HELD = "none_held"  # not even a small share of the lowest
    CLIENT_LIMITED = "client_limited"
    OUT_OF_STEPS = "out_of_steps"
    INTERRUPTED = "interrupted"
    UNDECIDED = "undecided"  # no step told, or none above the rate that holds: too few operations, or too short steps


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlan:
    """Where to search and how far. Rates in operations a second.

    low_per_s: the first rate. high_per_s: no rate above it is tried; None for any. precision: neighbouring rates need not be
    nearer than this share. confirmations: how many more times the answer must hold. steps_max: of all kinds. step_s, alpha: those
    of the rules that its steps are judged by: what one would tell is worked out from them.
    """

    low_per_s: float
    high_per_s: float | None = None
    precision: float = 0.03
    confirmations: int = 1
    steps_max: int = 40
    step_s: int = 120
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        assert self.low_per_s > 0 and (self.high_per_s is None or self.high_per_s >= self.low_per_s)
        assert 0 < self.precision <= 1 and self.confirmations >= 0 and self.steps_max >= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A step that was made. measured: None when it has no share of slow responses to aim by."""

    rate_per_s: float
    verdict: StepVerdict
    measured: Measured | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """The next step to make."""

    rate_per_s: float
    purpose: StepPurpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The end of a search. low: the highest rate that holds, None if none does; high: the lowest that does not, if any."""

    ending: Ending
    low_per_s: float | None
    high_per_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rate:
    """What all steps at one rate say together."""

    rate_per_s: float
    held: int
    broke: int
    undecided: int
    client: int

    @property
    def stands(self) -> bool:
        # Two steps that don't tell weigh as one against it: a rate that can't be confirmed is no end of the interval.
        return self.held > self.broke + self.undecided // 2

    @property
    def falls(self) -> bool:
        return self.broke > self.held + self.undecided // 2

    @property
    def is_ceiling(self) -> bool:
        return self.client >= 2 and not self.stands and not self.falls


def next_step(tried: Sequence[Tried], plan: SearchPlan) -> Try | Found:
    """What to do after the steps `tried`, in any order: one more, or the answer."""
    rates = _rates(tried)
    todo = _next(tried, rates, plan)
    if isinstance(todo, Try) and len(tried) >= plan.steps_max:
        low, high, _ = _bounds(rates)
        return Found(ending=Ending.OUT_OF_STEPS, low_per_s=low, high_per_s=high)
    return todo


def _next(tried: Sequence[Tried], rates: Sequence["_Rate"], plan: SearchPlan) -> Try | Found:
    """What to do, however many steps there were."""
    low, high, ceiling = _bounds(rates)
    again = next((each for each in rates if each.client == 1 and not each.held and not each.broke), None)
    if again is not None:
        return Try(rate_per_s=again.rate_per_s, purpose=StepPurpose.BRACKET)
    if not rates:
        return _bracket(plan.low_per_s)
    if low is None:
        return _first_that_stands(tried, rates, plan, high, ceiling)
    if high is None and ceiling is None:
        top = rates[-1].rate_per_s
        if plan.high_per_s is None or top < plan.high_per_s:
            return _bracket(top * GROWTH if plan.high_per_s is None else min(top * GROWTH, plan.high_per_s))
    between = _between(tried, rates, plan, low, high if high is not None else ceiling)
    if between is not None:
        return Try(rate_per_s=round(between, DECIMALS), purpose=StepPurpose.NARROW)
    if high is not None and -_held_net(rates, high) < 1 + plan.confirmations:
        return Try(rate_per_s=high, purpose=StepPurpose.CONFIRM)
    if _held_net(rates, low) < 1 + plan.confirmations:
        return Try(rate_per_s=low, purpose=StepPurpose.CONFIRM)
    ending = Ending.FOUND
    if high is None and ceiling is not None:
        ending = Ending.CLIENT_LIMITED
    elif high is None:
        ending = Ending.HIGH_HELD if low == plan.high_per_s else Ending.UNDECIDED
    return Found(ending=ending, low_per_s=low, high_per_s=high)


def _first_that_stands(
    tried: Sequence[Tried], rates: Sequence[_Rate], plan: SearchPlan, high: float | None, ceiling: float | None
) -> Try | Found:
    """Lower, where something fell or can't be sent; else higher: what did not tell had too few operations to tell.

    And not below a rate that did not tell though nothing was slow at it: lower ones have fewer operations still.
    """
    if high is None and ceiling is None:
        top = rates[-1].rate_per_s
        if plan.high_per_s is None or top < plan.high_per_s:
            return _bracket(top * GROWTH if plan.high_per_s is None else min(top * GROWTH, plan.high_per_s))
        return Found(ending=Ending.UNDECIDED, low_per_s=None, high_per_s=None)
    below = [each.rate_per_s for each in rates if high is not None and each.rate_per_s < high]
    if high is not None and below and high / below[-1] > GROWTH**0.5:
        # Below what fell no step told: where there are more operations, one may.
        return Try(rate_per_s=round((below[-1] * high) ** 0.5, DECIMALS), purpose=StepPurpose.NARROW)
    if rates[0].undecided and any(
        step.rate_per_s == rates[0].rate_per_s
        and step.measured is not None
        and step.measured.slower_of_allowed <= LEAST_OF_ALLOWED
        for step in tried
    ):
        return Found(ending=Ending.UNDECIDED, low_per_s=None, high_per_s=high)
    # Counted from the first rate: halving what was rounded would drift past the floor.
    shrinkings = round(math.log(plan.low_per_s / rates[0].rate_per_s, GROWTH)) + 1
    if shrinkings <= SHRINKINGS_MAX:
        return _bracket(plan.low_per_s / GROWTH**shrinkings)
    ending = Ending.NONE_HELD if rates[0].falls else Ending.UNDECIDED
    if rates[0].is_ceiling:
        ending = Ending.CLIENT_LIMITED
    return Found(ending=ending, low_per_s=None, high_per_s=high)


def so_far(tried: Sequence[Tried]) -> Found:
    """What an interrupted search knows."""
    low, high, _ = _bounds(_rates(tried))
    return Found(ending=Ending.INTERRUPTED, low_per_s=low, high_per_s=high)


def _bracket(rate_per_s: float) -> Try:
    return Try(rate_per_s=round(rate_per_s, DECIMALS), purpose=StepPurpose.BRACKET)


def _rates(tried: Iterable[Tried]) -> list[_Rate]:
    """Ascending."""
    verdicts: dict[float, list[StepVerdict]] = {}
    for step in tried:
        verdicts.setdefault(step.rate_per_s, []).append(step.verdict)
    return [
        _Rate(
            rate_per_s=rate,
            held=all_of.count(StepVerdict.HELD),
            broke=all_of.count(StepVerdict.BROKE),
            undecided=all_of.count(StepVerdict.UNDECIDED),
            client=all_of.count(StepVerdict.CLIENT_LIMITED),
        )
        for rate, all_of in sorted(verdicts.items())
    ]


def _bounds(rates: Sequence[_Rate]) -> tuple[float | None, float | None, float | None]:
    """(highest that stands below all that fall, lowest that falls, lowest that the client can't send)."""
    high = next((each.rate_per_s for each in rates if each.falls), None)
    below = [each.rate_per_s for each in rates if each.stands and (high is None or each.rate_per_s < high)]
    ceiling = next((each.rate_per_s for each in rates if each.is_ceiling), None)
    return (below[-1] if below else None), high, ceiling


def _between(
    tried: Sequence[Tried], rates: Sequence[_Rate], plan: SearchPlan, low: float, top: float | None
) -> float | None:
    """The rate to try between the ends, None when no other is worth it."""
    widest = _widest_gap(rates, low, top)
    if widest is None or widest[1] / widest[0] <= 1 + plan.precision:
        return None
    halved = math.sqrt(widest[0] * widest[1])
    inner = [step for step in tried if low <= step.rate_per_s <= (top or math.inf)]
    if top is None or any(step.measured is None for step in inner):
        return halved
    is_wide = widest[1] / widest[0] > (1 + plan.precision) ** WIDE
    if is_wide and len(rates) % HALVED_EVERY == HALVED_EVERY - 1:
        return halved
    aimed = _aimed(tried, rates, plan, low, top)
    return halved if aimed is None and is_wide else aimed


def _aimed(tried: Sequence[Tried], rates: Sequence[_Rate], plan: SearchPlan, low: float, high: float) -> float | None:
    """The rate that a step would tell and that brings an end farthest in; None if it isn't worth a step."""
    surface = surface_of((step.rate_per_s, step.measured) for step in tried if step.measured is not None)
    assert surface is not None, "both ends were measured"
    threshold = threshold_of(surface, low, high)
    apart = 1 + plan.precision / 3  # ends so far from the threshold are near enough to each other
    # What did not tell will not tell again.
    open_ones = [each.rate_per_s for each in rates if low < each.rate_per_s < high]
    nearest, farthest = min([threshold, *open_ones]) / apart, max([threshold, *open_ones]) * apart
    lower = aim_low(surface, low, nearest, within_s=AIM_HELD * plan.step_s, alpha=plan.alpha)
    upper = aim_high(surface, farthest, high, within_s=AIM_BROKE * plan.step_s, alpha=plan.alpha)
    gains = [(math.log(lower / low) / GAIN_LOW, lower)] if lower is not None else []
    gains += [(math.log(high / upper) / GAIN_HIGH, upper)] if upper is not None else []
    gain, aimed = max(gains, default=(0.0, None))
    return aimed if gain > math.log(1 + plan.precision) else None


def _widest_gap(rates: Sequence[_Rate], low: float, top: float | None) -> tuple[float, float] | None:
    """The neighbours farthest apart among the rates tried from `low` to `top` (None: to the highest)."""
    between = [each.rate_per_s for each in rates if each.rate_per_s >= low and (top is None or each.rate_per_s <= top)]
    return max(pairwise(between), key=lambda pair: pair[1] / pair[0], default=None)


def _held_net(rates: Sequence[_Rate], rate_per_s: float) -> int:
    """By how many steps a rate holds, those that contradict taken off; negative where it broke."""
    each = next(each for each in rates if each.rate_per_s == rate_per_s)
    return each.held - each.broke
