"""What a dead node is told to have said: its errors, and no warning of the JVM that every node prints."""

from pathlib import Path

import pytest

from loadtests.cluster.layout import NodeSpec
from loadtests.cluster.process import NodeProcess

WARNINGS = """\
WARNING: A command line option has enabled the Security Manager
OpenJDK 64-Bit Server VM warning: Option UseBiasedLocking was deprecated in version 15.0.
[0.001s][warning][pagesize] UseLargePages disabled, no large pages configured and available on the system.
"""


def last_errors(folder: Path, *, printed: str, log: str = "") -> list[str]:
    (folder / "out.log").write_text(printed)
    (folder / "system.log").write_text(log)
    spec = NodeSpec(name="north-1", dc="north", address="127.0.0.1", is_seed=True, tokens=(0,))
    return NodeProcess(spec, folder).last_errors()


def test_a_node_that_only_warned_of_flags_said_nothing(tmp_path: Path) -> None:
    """One that was killed was told to have died of the warnings of its start."""
    assert last_errors(tmp_path, printed=WARNINGS, log="INFO  [main] Startup complete\n") == []


@pytest.mark.parametrize(
    "error",
    [
        "Error: Could not find or load main class No",
        "Unrecognized VM option 'UseParNewGC'",
        "OpenJDK 64-Bit Server VM warning: INFO: os::commit_memory(0x7f, 9, 0) failed; error='Not enough space' (errno=12)",
    ],
)
def test_what_a_jvm_died_of_is_quoted_and_warnings_around_it_are_not(tmp_path: Path, error: str) -> None:
    assert last_errors(tmp_path, printed=f"{WARNINGS}{error}\n{WARNINGS}") == [error]


def test_errors_of_its_log_come_before_what_it_printed(tmp_path: Path) -> None:
    log = "WARN  [main] slow\nERROR [main] no space left\nINFO  [main] ends\n"
    assert last_errors(tmp_path, printed="printed\n", log=log) == ["ERROR [main] no space left"]
