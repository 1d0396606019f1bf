import socket
from pathlib import Path

import pytest
import yaml

from loadtests.cluster.addresses import AddressBlock
from loadtests.cluster.jars import cassandra_version, locked_jars
from loadtests.cluster.jmx_exporter import (
    EXPORTER_PORT,
    SERIES_MAX,
    TABLE_SERIES,
    NodeExporter,
    exporter_rules,
    locked_exporter,
)
from loadtests.cluster.kit import StartKit
from loadtests.cluster.layout import NodeSpec
from loadtests.cluster.places import claim_place
from loadtests.cluster.process import NodeProcess
from loadtests.cluster.record import ClusterRecord
from loadtests.cluster.sizing import NodeSize
from loadtests.errors import HarnessError
from scenarios.spec import Dc, Topology
from store.schemas import SCHEMAS

TOPOLOGY = Topology(dcs=(Dc(name="north", nodes=1, rf=1),))
NODE = NodeSpec(name="north-1", dc="north", address="127.42.0.1", is_seed=True, tokens=(-5, 7))


def started_from(folder: Path, exporter: NodeExporter | None) -> str:
    kit = StartKit(
        java=Path("java"),
        jars=(Path("/cache/jamm-0.4.0.jar"),),
        record=ClusterRecord(cassandra=cassandra_version(locked_jars()), topology=TOPOLOGY),
        size=NodeSize(heap_mib=512),
        processors=2,
        exporter=exporter,
    )
    process = NodeProcess(NODE, folder)
    kit.write(process, ["127.42.0.1"])
    return (folder / "conf" / "java.options").read_text()


def test_a_node_listens_for_scrapers_on_its_own_address_alone(tmp_path: Path) -> None:
    exporter = NodeExporter(jar=Path("/cache/agent.jar"), rules=exporter_rules("mine"))
    options = started_from(tmp_path, exporter)
    rules = tmp_path / "conf" / "jmx_exporter.yml"
    assert f'"-javaagent:/cache/agent.jar=127.42.0.1:9404:{rules}"\n' in options
    assert (
        "type=Keyspace,keyspace=mine,name=ReadLatency" in rules.read_text() and "meterstorm," not in rules.read_text()
    )


def test_tables_are_told_of_where_they_are_asked_for_within_the_budget() -> None:
    totals, detail = (yaml.safe_load(exporter_rules("mine", tables=asked)) for asked in (False, True))
    assert not [name for name in totals["includeObjectNames"] if "type=Table" in name]
    added = set(detail["includeObjectNames"]) - set(totals["includeObjectNames"])
    assert len(added) == TABLE_SERIES and all("type=Table,keyspace=mine,scope=*," in name for name in added)
    assert detail["rules"][: len(totals["rules"])] == totals["rules"]
    assert [tuple(rule["labels"]) for rule in detail["rules"][len(totals["rules"]) :]] == [("keyspace", "table")] * 2
    assert {key: detail[key] for key in detail if key not in ("includeObjectNames", "rules")} == {
        key: totals[key] for key in totals if key not in ("includeObjectNames", "rules")
    }
    measured = 225  # docs/monitoring.md
    assert measured + TABLE_SERIES * len(SCHEMAS["home_months"].tables) <= SERIES_MAX


def test_a_node_has_no_exporter_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert "agent.jar" not in started_from(tmp_path, None)
    assert not (tmp_path / "conf" / "jmx_exporter.yml").exists()


def test_an_exporters_port_that_is_taken_is_told(tmp_path: Path) -> None:
    record = ClusterRecord(cassandra="5.0.9", topology=TOPOLOGY, metrics=True)
    place = claim_place(record, tmp_path, {})
    place.release()
    assert isinstance(place, AddressBlock)
    kept = record.with_block(place.block)
    with socket.create_server((place.addresses[0], EXPORTER_PORT)):
        claim_place(kept.model_copy(update={"metrics": False}), tmp_path, {}).release()
        with pytest.raises(
            HarnessError, match=rf"port 9404 of {place.addresses[0]} is taken by another program; end it"
        ):
            claim_place(kept, tmp_path, {})


def test_its_jar_is_pinned() -> None:
    jar = locked_exporter()
    assert jar.coordinate == "io.prometheus.jmx:jmx_prometheus_javaagent:1.0.1" and len(jar.sha256) == 64
