"""What a node starts from, as it comes to its ring with data, without, or in another one's place; and where it is."""

import json
from pathlib import Path
from typing import Any, cast

import pytest

from loadtests.cluster.addresses import AddressBlock
from loadtests.cluster.kit import Entry, StartKit
from loadtests.cluster.layout import NodeSpec
from loadtests.cluster.places import addresses_of
from loadtests.cluster.process import NodeProcess
from loadtests.cluster.record import ClusterRecord
from loadtests.cluster.sizing import NodeSize
from scenarios.spec import Dc, Topology

TOPOLOGY = Topology(dcs=(Dc(name="north", nodes=2, rf=2), Dc(name="south", nodes=1, rf=1)))


def written(folder: Path, entry: Entry, *, is_upgraded: bool = False, **kit: Any) -> tuple[dict[str, Any], str]:
    """cassandra.yaml and Java's arguments of a node that comes so."""
    spec = NodeSpec(name="north-2", dc="north", address="127.42.0.2", is_seed=False, tokens=(5,))
    process = NodeProcess(spec, folder)
    fields: dict[str, Any] = {"jars": (Path("/j/jamm-1.jar"), Path("/j/old.jar")), "processors": 2} | kit
    StartKit(
        java=Path("/java"),
        record=ClusterRecord(cassandra="5.0.8", topology=TOPOLOGY),
        size=NodeSize(heap_mib=512),
        **fields,
    ).write(process, ["127.42.0.1"], entry, is_upgraded=is_upgraded)
    assert (process.orders is not None) == ("control" in kit)
    conf = folder / "conf"
    return json.loads((conf / "cassandra.yaml").read_text()), (conf / "java.options").read_text()


@pytest.mark.parametrize("entry", list(Entry))
def test_only_a_node_that_comes_without_data_asks_for_rows(tmp_path: Path, entry: Entry) -> None:
    config, options = written(tmp_path, entry)
    assert config["auto_bootstrap"] is (entry is not Entry.WITH_DATA)
    assert ("replace_address_first_boot=127.42.0.2" in options) == (entry is Entry.REPLACES)
    assert "cassandra.clock" not in options and "ring_delay_ms=10000" not in options


def test_nodes_wait_for_all_to_know_of_a_move_and_heed_orders_where_there_are_any(tmp_path: Path) -> None:
    _, options = written(tmp_path, Entry.WITH_DATA, is_moving=True, control=Path("/classes"))
    assert options.index("ring_delay_ms=1000") < options.index("ring_delay_ms=10000")  # the later one holds
    assert "-Dcassandra.clock=NodeControl" in options and ":/classes:" in options


def test_an_upgraded_node_has_the_other_jars(tmp_path: Path) -> None:
    upgraded = (Path("/j/jamm-1.jar"), Path("/j/new.jar"))
    assert "/j/new.jar" in written(tmp_path, Entry.WITH_DATA, upgraded=upgraded, is_upgraded=True)[1]
    assert "/j/old.jar" in written(tmp_path, Entry.WITH_DATA, upgraded=upgraded)[1]


def test_a_node_whose_power_is_cut_holds_what_it_has_not_synced_in_its_process_alone(tmp_path: Path) -> None:
    config, _ = written(tmp_path / "cut", Entry.WITH_DATA, without_power=frozenset({"north-2"}))
    assert config["commitlog_compression"] == [{"class_name": "LZ4Compressor"}]
    other, _ = written(tmp_path / "other", Entry.WITH_DATA, without_power=frozenset({"north-1"}))
    assert "commitlog_compression" not in other


def test_only_nodes_that_are_thrown_away_spare_themselves_what_a_restart_would_need(tmp_path: Path) -> None:
    assert "unsafesystem" not in written(tmp_path / "kept", Entry.WITH_DATA)[1]
    assert "-Dcassandra.unsafesystem=true" in written(tmp_path / "gone", Entry.WITH_DATA, is_throwaway=True)[1]


def test_nodes_that_join_have_addresses_beyond_those_of_the_first() -> None:
    block = AddressBlock(block=0, addresses=tuple("abcde"), hold=cast(Any, None))
    assert addresses_of(block, TOPOLOGY, {"south": 1, "north": 1}) == (("a", "b", "c"), {"south": "d", "north": "e"})
