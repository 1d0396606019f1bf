"""The verdict: what was judged, how it came out, and why, each reason a sentence with its numbers. Pure.

Rules that hold here:
- An audit fault (lost, wrong, phantom or duplicate fact) is a fail, whatever else happened: the generator's own trouble
  can't make a cluster lose what it acknowledged. Tables that the bench has yet to fold are not judged at all.
- A broken objective is a fail, unless the generator's timing was not valid: then its own lateness may be in the figures,
  and the run is inconclusive.
- A load that the generator did not offer as the scenario says (`reports.verdict.generator_validity`: its window was full,
  connections were lost) is inconclusive, but leaves a broken objective broken.
- What the bench itself left undone is not the cluster's: an objective that was missed in a storm that was cut off is in
  doubt, and operations that the bench ended make a run inconclusive.
- A run that proves nothing (nothing acknowledged, not read back in full, operations that were never sent) is inconclusive,
  and so never a pass.
- Indeterminate facts are counted, not judged: the cluster made no promise about them.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from reports.results.parts import Check, Verdict
from reports.results.run import (
    CUT_OFF_KINDS,
    AuditCounts,
    AuditResult,
    DcAudit,
    GeneratorResult,
    ObjectiveResult,
    OperationResult,
    Results,
    RuleCheck,
    Undone,
)
from reports.verdict.auditable import StoredData, audit_advice
from reports.verdict.faults import fault_line, held_against
from reports.verdict.generator_validity import certify, check_of, timing_is_valid, waiting_of
from reports.verdict.objectives import ERRORS, doubt_of, error_checks, evidence_checks, objective_check
from scenarios.levels.visible_writes import hidden_from_folds
from scenarios.spec import Scenario
from scenarios.texts.wording import count, counted, duration, listed, percent

FAULTS: Mapping[str, str] = {
    "lost": "acknowledged and not there",
    "wrong": "acknowledged and there with another value",
    "phantom": "there although never sent or certainly refused",
    "duplicate": "there more than once",
}
READ_BACK = "read_back"
RULE = "rule_"
# A pass is told by its objectives and these: that all was read back with its exact value says that no fault was found.
NODES_AT_START = "nodes_at_start"
TOLD_OF_A_PASS = (READ_BACK, "lateness", "load", NODES_AT_START)


class Judgement(NamedTuple):
    """The verdict, the reasons for it, most telling first, and every check that was made."""

    verdict: Verdict
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]


def judge(
    *,
    operations: Mapping[str, OperationResult],
    objectives: Sequence[ObjectiveResult],
    generator: GeneratorResult,
    audit: AuditResult | None,
    scenario: Scenario,
    trouble: Sequence[str] = (),
    undone: Collection[Undone] = (),
    unfolded: Collection[str] = (),
    data: StoredData = StoredData.KEPT,
) -> Judgement:
    """Judge a run.

    trouble: sentences of what went wrong in the bench (interrupted, a node died by itself); each makes a run inconclusive.
    undone: what the bench left undone; unfolded: tables that can't be judged before it has folded the revised days.
    data: where the run's data are, which says whether an audit can be advised.
    """
    certificate = certify(
        generator, scenario.run.validity, waiting_of(operations, objectives), has_faults=bool(scenario.faults)
    )
    timing_valid = timing_is_valid(certificate)
    generator_checks = [check_of(row) for row in certificate]
    if not generator.valid and timing_valid:
        timing_valid = False
        sentence = "The load generator says it was not valid."
        generator_checks.append(_check("generator", "validity", Verdict.INCONCLUSIVE, sentence))
    evidence, doubt = scenario.run.evidence, doubt_of(timing_valid, undone)
    checks = [
        *_judged_with(undone, audit_checks(audit, scenario, unfolded if Undone.FOLD in undone else (), data)),
        *(objective_check(objective, evidence, doubt) for objective in objectives),
        *error_checks(operations, objectives, evidence, doubt),
        *generator_checks,
        *_node_checks(generator),
        *_load_checks(operations, undone),
        *_cut_off_checks(operations, undone),
        *evidence_checks(operations, evidence),
        *(_check(f"trouble_{i}", "validity", Verdict.INCONCLUSIVE, each) for i, each in enumerate(trouble, start=1)),
    ]
    verdict = overall(checks)
    return Judgement(verdict, _reasons(verdict, checks), tuple(checks))


class MarkedReason(NamedTuple):
    """A reason, and whether it makes the run a fail or inconclusive; None where it speaks for a pass."""

    outcome: Verdict | None
    sentence: str


def marked_reasons(results: Results) -> list[MarkedReason]:
    """The reasons of a run, those that fail told from those that are doubt. An older record may not tell."""
    outcomes = {check.sentence: check.outcome for check in results.checks if check.outcome is not Verdict.PASS}
    return [MarkedReason(outcomes.get(sentence), sentence) for sentence in results.reasons]


def overall(checks: Iterable[Check]) -> Verdict:
    """One verdict of many: fail if any failed, else inconclusive if any was, else pass."""
    outcomes = {check.outcome for check in checks}
    return next((v for v in (Verdict.FAIL, Verdict.INCONCLUSIVE) if v in outcomes), Verdict.PASS)


def headline(verdict: Verdict, checks: Sequence[Check]) -> str:
    """The verdict in one plain sentence, for whoever reads no further."""
    groups = {check.group for check in checks if check.outcome is verdict and check.name != ERRORS}
    if verdict is Verdict.PASS:
        kept = "every reading that it acknowledged was found again, once and exact"
        return f"The cluster met every objective, and {kept}." if "objective" in groups else f"In this cluster {kept}."
    if verdict is Verdict.FAIL:
        failed = [check.name for check in checks if check.outcome is verdict and check.group == "objective"]
        # of an operation without an objective only the errors are judged
        is_missed = any(not name.endswith(f"_{ERRORS}") for name in failed)
        if "audit" not in groups:
            missed = "missed an objective" if is_missed else "failed more operations than are allowed"
            return f"The cluster {missed}."
        missed = f", and it {'missed an objective' if is_missed else 'failed too many operations'}" if failed else ""
        return f"What the cluster acknowledged is not what it holds{missed}."
    return "This run can't tell: it neither proves nor disproves that the cluster does what was asked."


def _reasons(verdict: Verdict, checks: Sequence[Check]) -> tuple[str, ...]:
    if verdict is not Verdict.PASS:
        causes_first = sorted(checks, key=lambda check: not check.name.startswith("trouble_"))
        order = (Verdict.FAIL, Verdict.INCONCLUSIVE)
        return tuple(
            check.sentence
            for outcome in order
            for check in causes_first
            if check.outcome is outcome
            and (check.name, outcome) != (READ_BACK, Verdict.FAIL)  # lost and wrong say it all
        )
    return tuple(check.sentence for check in checks if check.group == "objective" or check.name in TOLD_OF_A_PASS)


def _check(name: str, group: str, outcome: Verdict, sentence: str) -> Check:
    return Check.model_validate({"name": name, "group": group, "outcome": outcome, "sentence": sentence})


def _node_checks(generator: GeneratorResult) -> list[Check]:
    """That a storm began without some nodes is told, and is no fault: the others served every level."""
    if not generator.down_at_start:
        return []
    which = ", ".join(generator.down_at_start)
    sentence = f"The storm began without {which}, which did not answer; the others could serve every level."
    return [_check(NODES_AT_START, "validity", Verdict.PASS, sentence)]


# --- the audit --------------------------------------------------------------------------------------------------------


def audit_checks(
    audit: AuditResult | None,
    scenario: Scenario,
    unfolded: Collection[str] = (),
    data: StoredData = StoredData.KEPT,
) -> list[Check]:
    """Is every acknowledged fact there, once, with its exact value, in every DC? unfolded, data: see `judge`."""
    if unfolded:
        folded = [] if audit is None else audit_checks(_without(audit, unfolded), scenario, (), data)
        return [*folded, _fold_check(unfolded, data)]
    if audit is None:
        sentence = "Nothing was read back, so nothing is proved about what the cluster acknowledged."
        return [_check(READ_BACK, "audit", Verdict.INCONCLUSIVE, sentence)]
    return [
        *(_fault_check(audit, kind) for kind in FAULTS),
        _read_back_check(audit, scenario, data),
        *(_rule_check(rule) for rule in audit.rules),
        *_dc_checks(audit, scenario, data),
    ]


def _without(audit: AuditResult, unfolded: Collection[str]) -> AuditResult:
    """An audit of the other tables alone. What a DC holds is not known by table: it has no more faults than these have."""
    tables = {name: counts for name, counts in audit.tables.items() if name not in unfolded}
    totals = {name: sum(_fault_count(counts, name) for counts in tables.values()) for name in AuditCounts.model_fields}
    per_dc = {
        dc: counts.model_copy(update={kind: min(_fault_count(counts, kind), totals[kind]) for kind in FAULTS})
        for dc, counts in audit.per_dc.items()
    }
    examples = tuple(each for each in audit.examples if each.table not in unfolded)
    return audit.model_copy(update={**totals, "tables": tables, "per_dc": per_dc, "examples": examples})


def _judged_with(undone: Collection[Undone], checks: list[Check]) -> list[Check]:
    """Nodes that the bench killed lose what they acknowledged and had not yet synced: faults but phantoms may be of that.

    Rules rest on views, and a view that is behind its log breaks them.
    """
    if Undone.NODES in undone:
        why = "The bench killed its nodes with the run before their commit logs were synced, which may be the reason."
        return [_in_doubt(check, why) if check.name not in ("phantom", "duplicate") else check for check in checks]
    if Undone.FOLD in undone:
        why = "The views of revised days are not computed again yet, which may be the reason."
        return [_in_doubt(check, why) if check.name.startswith(RULE) else check for check in checks]
    return checks


def _in_doubt(check: Check, why: str) -> Check:
    if check.outcome is not Verdict.FAIL:
        return check
    return check.model_copy(update={"outcome": Verdict.INCONCLUSIVE, "sentence": f"{check.sentence} {why}"})


def rule_name(rule: RuleCheck) -> str:
    """The name of a rule's check, which says what the rule is: CI shows names alone, and compares them from run to run."""
    return RULE + "_".join(re.findall(r"[a-z0-9]+", rule.rule.lower()))


def _fold_check(unfolded: Collection[str], data: StoredData) -> Check:
    sentence = (
        "The views of days that estimates and corrections have touched are not computed again from the event log yet, so "
        f"{listed(list(unfolded))} can't be judged; {audit_advice(data, 'does it and judges again')}."
    )
    return _check("revised_days", "audit", Verdict.INCONCLUSIVE, sentence)


def _rule_check(rule: RuleCheck) -> Check:
    name = rule_name(rule)
    if rule.faults:
        example = f" For example {rule.examples[0]}." if rule.examples else ""
        sentence = f"{rule.rule}: {counted(rule.faults, 'fault')} among {held_against(rule)}.{example}"
        return _check(name, "audit", Verdict.FAIL, sentence)
    if rule.counted == 0:
        why = f"nothing could be checked ({rule.sample})" if rule.sample else "nothing was there to be checked"
        return _check(name, "audit", Verdict.INCONCLUSIVE, f"{rule.rule}: {why}.")
    return _check(name, "audit", Verdict.PASS, f"{rule.rule}: true of {held_against(rule)}.")


def _fault_check(audit: AuditResult, kind: str) -> Check:
    parts: list[AuditCounts] = [audit, *audit.per_dc.values(), *audit.tables.values()]
    # The total may count a fact once that two DCs miss, or twice; that a part has a fault is enough.
    worst = max(_fault_count(part, kind) for part in parts)
    if worst == 0:
        return _check(kind, "audit", Verdict.PASS, f"No fact is {kind} ({FAULTS[kind]}).")
    by_dc = [
        f"{count(_fault_count(dc, kind))} in {name}" for name, dc in audit.per_dc.items() if _fault_count(dc, kind)
    ]
    where = f": {listed(by_dc)}" if by_dc else ""
    verb = "is" if worst == 1 else "are"
    example = next((f" For example {fault_line(one)}." for one in audit.examples if one.kind == kind), "")
    sentence = f"{counted(worst, 'fact')} {verb} {kind} ({FAULTS[kind]}){where}.{example}"
    return _check(kind, "audit", Verdict.FAIL, sentence)


def _fault_count(counts: AuditCounts, kind: str) -> int:
    return int(getattr(counts, kind))


def _read_back_check(audit: AuditResult, scenario: Scenario, data: StoredData) -> Check:
    if audit.acknowledged == 0:
        sentence = "No fact was acknowledged, so there was nothing to read back and nothing is proved."
        return _check(READ_BACK, "audit", Verdict.INCONCLUSIVE, sentence)
    missing = audit.acknowledged - audit.verified - audit.lost - audit.wrong - audit.not_judged
    if missing > 0:
        sentence = (
            f"{count(missing)} of {counted(audit.acknowledged, 'acknowledged fact')} could not be read back, "
            f"so nothing is known about them; {audit_advice(data, 'tries again')}."
        )
        return _check(READ_BACK, "audit", Verdict.INCONCLUSIVE, sentence)
    if audit.verified + audit.not_judged < audit.acknowledged:
        sentence = (
            f"Of {counted(audit.acknowledged, 'acknowledged fact')} {count(audit.verified)} were read back with their exact "
            "value; the others are lost or wrong."
        )
        return _check(READ_BACK, "audit", Verdict.FAIL, sentence)
    if audit.not_judged:
        sentence = (
            f"{count(audit.not_judged)} of {counted(audit.acknowledged, 'acknowledged fact')} can't be judged: "
            f"{_why_not_judged(scenario)}. The other {count(audit.verified)} were read back with their exact value."
        )
        return _check(READ_BACK, "audit", Verdict.INCONCLUSIVE, sentence)
    dcs = listed(list(audit.per_dc)) if audit.per_dc else "the cluster"
    sentence = (
        f"All {counted(audit.acknowledged, 'acknowledged fact')} were read back from {dcs}, "
        "each there once and with its exact value."
    )
    return _check(READ_BACK, "audit", Verdict.PASS, sentence)


def _why_not_judged(scenario: Scenario) -> str:
    in_doubt = "operations whose outcome is unknown may have hidden what became of them"
    hidden = hidden_from_folds(scenario.topology)
    if hidden is None:
        return in_doubt
    return (
        f"their views of a day are what a part of the event log comes to. Computed again after a delivery at {hidden[0]} by a "
        f"read at {hidden[1]}, they need not show all that was acknowledged, so it says nothing of the cluster; or {in_doubt}"
    )


def _dc_checks(audit: AuditResult, scenario: Scenario, data: StoredData) -> list[Check]:
    checks = []
    business = {dc.name for dc in scenario.topology.business_dcs}
    for name in (dc.name for dc in scenario.topology.dcs):
        dc = audit.per_dc.get(name)
        outcome = Verdict.INCONCLUSIVE
        if dc is None:
            sentence = f"DC {name} was not read back, so nothing is proved about it."
        elif dc.acknowledged == 0:
            sentence = f"DC {name} holds no acknowledged fact, so nothing is proved about it."
        elif name in business and dc.coordinated == 0:
            sentence = f"DC {name} has role business, but coordinated no acknowledged fact: its gateways sent nothing."
        else:
            outcome = Verdict.PASS
            settled = f", after {duration(dc.settled_s)} of waiting for it to catch up" if dc.settled_s else ""
            sentence = f"DC {name} answered for {counted(dc.acknowledged, 'acknowledged fact')}{settled}."
            if behind := _why_behind(dc, list(audit.per_dc.values()), data):
                outcome = Verdict.INCONCLUSIVE  # told beside the fault, which it may explain
                sentence += f" {behind}"
        checks.append(_check(f"dc_{name}", "audit", outcome, sentence))
    return checks


def _why_behind(dc: DcAudit, dcs: Sequence[DcAudit], data: StoredData) -> str | None:
    """Why the faults of a DC may be but time that it still needs, where another one has fewer of them."""
    more = [f"It lacks {counted(dc.lost, 'fact')}"] if any(other.lost < dc.lost for other in dcs) else []
    if any(other.wrong < dc.wrong for other in dcs):
        more.append(f"{'it' if more else 'It'} has other values of {counted(dc.wrong, 'fact')}")
    if not more:
        return None
    return (
        f"{' and '.join(more)}, more than another DC does, so it may still be behind: hints arrive "
        "at some 1 MiB/s, and those of an existing cluster can't be seen from here. With a longer --settle-s "
        f"{audit_advice(data, 'tells')}; what is missing or wrong then is so until a repair."
    )


# --- validity ---------------------------------------------------------------------------------------------------------


def _load_checks(operations: Mapping[str, OperationResult], undone: Collection[Undone]) -> list[Check]:
    due = [each for each in operations.values() if each.is_open_loop]
    acknowledged, wanted = sum(each.ok for each in due), sum(each.offered for each in due)
    offered = sum(each.offered for each in operations.values())
    attempted = sum(each.attempted for each in operations.values())
    outcomes = sum(each.ok + each.failed + each.indeterminate for each in operations.values())
    ok = sum(each.ok for each in operations.values())
    if ok == 0:
        sentence = f"Nothing was acknowledged: 0 of {counted(offered, 'operation')} that fell due."
        load = _check("load", "validity", Verdict.INCONCLUSIVE, sentence)
    else:
        sentence = (
            f"{count(acknowledged)} of {counted(wanted, 'operation')} of meters and customers "
            f"({percent(acknowledged / max(wanted, 1))}) were acknowledged."
        )
        load = _check("load", "validity", Verdict.PASS, sentence)
    if attempted < offered:
        sentence = f"{count(offered - attempted)} of {counted(offered, 'operation')} that fell due were never sent."
        outcome = _check("every_outcome", "validity", Verdict.INCONCLUSIVE, sentence)
    elif outcomes < attempted and Undone.STORM in undone:
        sentence = (
            f"{count(attempted - outcomes)} of {counted(attempted, 'operation')} that were sent have no outcome on record: "
            "the storm was cut off."
        )
        outcome = _check("every_outcome", "validity", Verdict.INCONCLUSIVE, sentence)
    elif outcomes != attempted:
        sentence = (
            f"The bench's own counts disagree: {count(attempted)} operations were sent, and {count(outcomes)} outcomes are "
            "recorded."
        )
        outcome = _check("every_outcome", "validity", Verdict.INCONCLUSIVE, sentence)
    else:
        sentence = "Every operation that fell due was sent and has an outcome."
        outcome = _check("every_outcome", "validity", Verdict.PASS, sentence)
    return [load, outcome]


def _cut_off_checks(operations: Mapping[str, OperationResult], undone: Collection[Undone]) -> list[Check]:
    """Operations that the bench itself has ended; none of customers, whose last page the storm's end may take."""
    ended = {name: sum(each.errors.get(kind, 0) for kind in CUT_OFF_KINDS) for name, each in operations.items()}
    whole = sum(ended.values())
    if not whole:
        return []
    most = max(ended, key=lambda name: ended[name])
    mend = "" if Undone.STORM in undone else " Raise run.drain_s_max, or lower the rate."
    sentence = (
        f"The bench ended with {counted(whole, 'operation')} unanswered or unsent, most of them {most}: what would have "
        f"become of them is not known.{mend}"
    )
    return [_check("drain", "validity", Verdict.INCONCLUSIVE, sentence)]
