"""gate.toml and what a scenario changes of tables and nodes: what is refused, and in which words."""

import re
import tomllib
from pathlib import Path

import pytest

from scenarios.gate_file import GateSettings, load_gate_settings
from scenarios.parts.alterations import OWN_OPTIONS, altered_table, require_alterations, require_options
from scenarios.spec import ScenarioError

ROOT = Path(__file__).parents[3]


def test_the_docs_show_every_field_with_its_default() -> None:
    text = (ROOT / "docs" / "gate.md").read_text()
    block = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert block is not None
    shown = GateSettings.model_validate(tomllib.loads(block[1]))
    assert shown == GateSettings()
    for part in GateSettings().model_dump().values():
        assert all(re.search(rf"^#? ?{name} = ", block[1], re.MULTILINE) for name in part)


def test_the_examples_gate_toml_is_sound() -> None:
    assert load_gate_settings(ROOT / "examples" / "gate" / "gate.toml").limits.throughput == 0.15


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[limits]\nthroughput = -1.0", r"limits\.throughput = -1"),
        ("[limits]\nthroughput = 'a'", r"limits\.throughput = \"a\""),
        ("[limits]\nspeed = 1.0", "limits.speed: there is no such field"),
        ("[effort]\npairs_max = 2", r"effort\.pairs_max = 2"),
        ("[effort\n", "not valid TOML"),
        ("x = " + "[" * 2_000, "nested|not valid"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=told):
        load_gate_settings(path)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="there is no such file"):
        load_gate_settings(tmp_path / "none.toml")
    (tmp_path / "gate.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match="can't be read"):
        load_gate_settings(tmp_path / "gate.toml")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE {keyspace}.events_by_home WITH compression = {'class': 'ZstdCompressor'}",
        "create index on {keyspace}.events_by_home (received_at)",
        "CREATE CUSTOM INDEX IF NOT EXISTS by_time ON {keyspace}.events_by_home (received_at) USING 'StorageAttachedIndex'",
        "CREATE MATERIALIZED VIEW {keyspace}.by_mpxn AS SELECT * FROM {keyspace}.events_by_home WHERE mpxn IS NOT NULL "
        "PRIMARY KEY (mpxn, premises)",
    ],
)
def test_three_forms_of_alterations_are_taken(statement: str) -> None:
    require_alterations([statement])
    assert altered_table(statement) == "events_by_home"


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE {keyspace}.events_by_home",
        "ALTER TABLE other.events_by_home WITH gc_grace_seconds = 1",
        "ALTER TABLE {keyspace}.events_by_home WITH gc_grace_seconds = 1; DROP KEYSPACE x",
        "",
        "TRUNCATE {keyspace}.events_by_home",
    ],
)
def test_any_other_statement_is_refused(statement: str) -> None:
    with pytest.raises(ValueError, match="statement 1"):
        require_alterations([statement])


def test_options_that_the_local_cluster_sets_and_names_that_are_none_are_refused() -> None:
    require_options({"concurrent_writes": 8, "memtable_cleanup_threshold": 0.2, "disk_failure_policy": "stop"})
    for name in ("listen_address", "Bad-Name", *sorted(OWN_OPTIONS)[:3]):
        with pytest.raises(ValueError, match=re.escape(name)):
            require_options({name: 1})
