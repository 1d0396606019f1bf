"""The parts of a sound run for tests of the verdict: each test spoils one and looks what is said."""

from typing import Any

from reports.results.run import AuditResult, DcAudit, GeneratorResult, Lateness, ObjectiveResult, OperationResult

SCENARIO_TOML = """
title = "two data centres"
[estate]
premises = 10
[topology]
dcs = [
    { name = "north", role = "business", nodes = 1, rf = 1 },
    { name = "south", role = "analytics", nodes = 1, rf = 1 },
]
[run]
wall_s = 30
[run.validity]
late_p99_ms_max = 100
cpu_share_max = 0.9
"""

GENERATOR = GeneratorResult(
    valid=True,
    scheduling="SCHED_RR",
    late_ms=Lateness(p50=0.1, p99=0.9, max=3.0),
    blocked=0,
    cpu_s=2.0,
    cpu_share=0.4,
    ops_per_cpu_s=500.0,
    stalls=0,
    stalled_share=0.0,
    stall_ms_max=0.0,
    queued_share=0.0,
    network_errors=0,
    network_error_share=0.0,
)

SOUND = {"acknowledged": 48_000, "verified": 48_000, "lost": 0, "wrong": 0, "phantom": 0, "duplicate": 0}
AUDIT = AuditResult.model_validate(
    {
        **SOUND,
        "attempted": 48_000,
        "indeterminate": 0,
        "per_dc": {
            "north": DcAudit.model_validate({**SOUND, "coordinated": 48_000}),
            "south": DcAudit.model_validate({**SOUND, "coordinated": 0}),
        },
    }
)


def operation(**changes: Any) -> OperationResult:
    """One kind of operation, by default 1,000 that fell due, and all were acknowledged."""
    fields = {
        "offered": 1_000,
        "attempted": 1_000,
        "ok": 1_000,
        "failed": 0,
        "indeterminate": 0,
        "retries": 0,
        "rate_per_s": 40.0,
        "response_ms": None,
        "service_ms": None,
    }
    return OperationResult.model_validate(fields | changes)


def objective(**changes: Any) -> ObjectiveResult:
    """An objective on readings, by default met."""
    fields = {
        "operation": "ingest_reading",
        "percentile": 99.0,
        "response_ms_max": 1_000.0,
        "response_ms": 12.3,
        "response_count": 1_000,
        "error_share_max": 0.0,
        "error_share": 0.0,
    }
    return ObjectiveResult.model_validate(fields | changes)
