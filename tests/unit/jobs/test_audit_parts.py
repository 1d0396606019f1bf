"""How long each part of an audit took is in what it leaves, and on the page."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.audit.tables import AuditReport, FactCounts
from meterstorm.display.progress import Silent
from meterstorm.jobs import audit as job
from reports.results.run import AuditResult
from reports.run.setting import setting_of
from scenarios.file import load_scenario
from scenarios.spec import Scenario
from tests.support.judged_run import AUDIT
from tests.support.synthetic_run import write_synthetic_run

SMOKE = Path(__file__).parents[3] / "scenarios" / "smoke.toml"


def audited(scenario: Scenario, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AuditResult:
    """An audit whose parts find nothing, and of which each takes a second of a clock that only they move."""
    clock = SimpleNamespace(now_s=0.0)

    def took(answer: Any) -> Any:
        def part(*_: Any, **__: Any) -> Any:
            clock.now_s += 1.0
            return answer

        return part

    @contextlib.contextmanager
    def session() -> Iterator[None]:
        yield None

    monkeypatch.setattr(job, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    monkeypatch.setattr(job, "audit_tables", took(AuditReport(totals=FactCounts(), per_dc={}, tables={})))
    for check in ("check_rules", "check_office", "check_command_rules", "check_prepayment_rules"):
        monkeypatch.setattr(job, check, took([]))
    monkeypatch.setattr(job, "sent_of", lambda *_: {})
    monkeypatch.setattr(job, "revision_planes", lambda _: {})
    monkeypatch.setattr(job.Ledger, "open", lambda _: None)
    experiment: Any = SimpleNamespace(
        scenario=scenario,
        topology=scenario.topology,
        estate=None,
        schema=None,
        through=lambda _: SimpleNamespace(session=session),
    )
    folder.mkdir()
    return job.audit(experiment, folder, 0.0, Silent(), is_complete=True, is_closed=True, refused_count=0)


def test_each_part_is_timed_and_what_was_not_asked_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smoke = load_scenario(SMOKE)
    result = audited(smoke, tmp_path / "smoke", monkeypatch)
    assert result.parts_s == {"tables": 1.0, "homes": 1.0, "back_office": 1.0, "commands": 1.0, "prepayment": 1.0}
    bare = Scenario.model_validate(
        smoke.model_dump(exclude_unset=True) | {"campaigns": [], "run": {"wall_s": 60, "back_office": False}}
    )
    assert list(audited(bare, tmp_path / "bare", monkeypatch).parts_s) == ["tables", "homes", "prepayment"]


def test_the_page_tells_the_parts_and_of_an_older_record_none(tmp_path: Path) -> None:
    results = write_synthetic_run(tmp_path / "run")
    scenario = load_scenario(SMOKE)
    timed = AUDIT.model_copy(update={"parts_s": {"tables": 3.25, "back_office": 61.0}})
    groups = {one.name: one.pairs for one in setting_of(results.model_copy(update={"audit": timed}), scenario)}
    assert [name for name, _ in groups["Parts of the audit"]] == ["Tables", "Back office"]
    for audit in (AUDIT, None):
        older = setting_of(results.model_copy(update={"audit": audit}), scenario)
        assert "Parts of the audit" not in {one.name for one in older}
