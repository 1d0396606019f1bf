"""After the storm: revised days are folded, all is read back and held against seed and rules, and the outcome is kept."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path

from cassandra.cluster import Session

from loadtests.audit.data_loss.fact_classes import revision_planes
from loadtests.audit.data_loss.row_counts import sent_of
from loadtests.audit.rules.back_office_read import check_office
from loadtests.audit.rules.commands_read import COMMAND_RULES, check_command_rules
from loadtests.audit.rules.customers import Checked
from loadtests.audit.rules.customers_read import check_rules
from loadtests.audit.rules.prepayment_read import check_prepayment_rules
from loadtests.audit.tables import AuditReport, FactCounts
from loadtests.audit.tables import audit as audit_tables
from loadtests.backend.back_office import has_summaries, summarise
from loadtests.backend.home_stores import HomeStores
from loadtests.cluster.hints import hints_left_bytes
from loadtests.metrics.instruments import AuditProgress
from loadtests.recording.ledger import Ledger
from loadtests.recording.run_folder import RunFolder
from loadtests.storm.refold import fold_days_anew
from loadtests.workload.experiment import Experiment
from loadtests.workload.prices import book_of
from meterstorm.display.progress import Progress
from meterstorm.outcomes.run import audit_result
from reports.results.run import AuditResult, Results
from sim.estate.lookup import start_us_of
from store.cassandra import CassandraStore

VERDICTS = tuple(field.name for field in fields(FactCounts))


def fold(experiment: Experiment, progress: Progress) -> None:
    """Fold the days that revisions have touched. Raises HarnessError, StoreError."""
    scenario, estate = experiment.scenario, experiment.estate
    with contextlib.ExitStack() as cleanup:
        sessions = [cleanup.enter_context(one) for one in _business_sessions(experiment)]
        fold_days_anew(sessions, estate, experiment.schema, scenario.topology, progress.detail)
        if has_summaries(scenario, estate):
            progress.detail(
                "filling the views across homes again: cohorts and completeness, from the days as they are now"
            )
            stores = []
            for session in sessions:
                stores.append(CassandraStore(session, experiment.schema, scenario.topology, book_of(estate)))
                cleanup.callback(stores[-1].close)
            summarise(estate, HomeStores(estate, stores), start_us_of(estate) + scenario.span_us)


def are_commands_complete(results: Results) -> bool:
    """Did the storm last until every command had ended?"""
    return results.commands is not None and not results.trouble


def audit(
    experiment: Experiment,
    run_folder: Path,
    settle_s: float,
    progress: Progress,
    *,
    is_complete: bool,
    is_closed: bool,
    refused_count: int,
    is_history_whole: bool = True,
    told: AuditProgress | None = None,
) -> AuditResult:
    """Audit from every DC and keep the outcome as `audits/NNNN.json`: a later audit never hides an earlier one.

    is_complete: see `are_commands_complete`; is_closed: nothing stopped the storm or the back office; refused_count: how many
    faulty deliveries it sent at least. is_history_whole: False of a run that died, which may have sent more than it recorded.
    told: what is found, as it is found.
    Raises HarnessError, StoreError, and what the driver raises.
    """
    scenario = experiment.scenario
    told = told or AuditProgress()
    with contextlib.ExitStack() as cleanup:
        begun_s = time.monotonic()
        sessions = {
            dc.name: cleanup.enter_context(experiment.through(dc.name).session()) for dc in scenario.topology.dcs
        }
        ledger = Ledger.open(RunFolder(run_folder).ledger)
        report = audit_tables(
            sessions,
            estate=experiment.estate,
            ledger=ledger,
            schema=experiment.schema,
            topology=scenario.topology,
            settle_s=settle_s,
            progress=progress.detail,
            sent={
                operation: dataclasses.replace(one, is_whole=is_history_whole)
                for operation, one in sent_of(RunFolder(run_folder).history, experiment.schema).items()
            },
            hints_left=partial(hints_left_bytes, RunFolder(run_folder).cluster),
            is_folded=scenario.run.back_office or bool(revision_planes(ledger)),
            judged=partial(tell_facts, told),
        )
        report.parts_s["tables"] = round(time.monotonic() - begun_s, 3)
        with contextlib.ExitStack() as of_rules:
            begun_s = time.monotonic()
            # of their own, one in each business DC: the audit's have raw rows
            business = [of_rules.enter_context(one) for one in _business_sessions(experiment)]
            ask = partial(_ask, experiment, ledger, progress, business)
            report.rules.extend(ask(partial(check_rules, is_closed=is_closed)))
            report.parts_s["homes"] = round(time.monotonic() - begun_s, 3)
            if scenario.run.back_office:
                with _timed(report, "back_office"):
                    report.rules.extend(ask(partial(check_office, is_closed=is_closed, refused_count=refused_count)))
        if scenario.campaigns:
            progress.detail("audit: every command, from its home data centre")
            with _timed(report, "commands"):
                report.rules.extend(check_command_rules(experiment, is_complete=is_complete))
        with _timed(report, "prepayment"):
            report.rules.extend(
                check_prepayment_rules(
                    experiment,
                    ledger,
                    progress=progress.detail,
                    is_complete=is_complete or not scenario.campaigns,
                    is_closed=is_closed,
                )
            )
    for rule in report.rules:
        told.check(rule.check, rule.faults)
    told.terminal_twice = told.rule_faults.get(COMMAND_RULES["one_end"], 0)
    folder = RunFolder(run_folder).audits
    folder.mkdir(exist_ok=True)
    number = len(list(folder.glob("*.json"))) + 1
    result = audit_result(report, scenario, number)
    path = folder / f"{number:04d}.json"
    draft = path.with_suffix(".draft")  # whole or not at all
    draft.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    draft.replace(path)
    return result


@contextlib.contextmanager
def _timed(report: AuditReport, part: str) -> Iterator[None]:
    begun_s = time.monotonic()
    yield
    report.parts_s[part] = round(time.monotonic() - begun_s, 3)


def tell_facts(told: AuditProgress, report: AuditReport) -> None:
    """Tell the facts that a report has so far by what the audit says of them."""
    of_dcs = {dc: asdict(counts) for dc, counts in report.per_dc.items()}
    told.judge(asdict(report.totals), {dc: {name: facts[name] for name in VERDICTS} for dc, facts in of_dcs.items()})


def _ask(
    experiment: Experiment,
    ledger: Ledger,
    progress: Progress,
    sessions: Sequence[Session],
    check: Callable[..., list[Checked]],
) -> list[Checked]:
    """Rules that are asked through a session in each business DC."""
    return check(
        sessions,
        estate=experiment.estate,
        ledger=ledger,
        schema=experiment.schema,
        topology=experiment.topology,
        progress=progress.detail,
    )


def _business_sessions(experiment: Experiment) -> list[contextlib.AbstractContextManager[Session]]:
    """Of each business DC one, in their order, to be entered."""
    return [experiment.through(dc.name).session() for dc in experiment.topology.business_dcs]
