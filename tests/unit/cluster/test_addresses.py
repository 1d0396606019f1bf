import os
import socket
from pathlib import Path

import pytest

from loadtests.cluster.addresses import AddressesTaken, claim_block, claim_free_block
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.record import ClusterRecord
from loadtests.errors import HarnessError
from scenarios.spec import Dc, Topology


def test_a_claimed_block_is_passed_over_until_it_is_released() -> None:
    with claim_free_block(2) as first:
        with claim_free_block(2) as second:
            assert second.block > first.block
            with pytest.raises(AddressesTaken, match=rf"another cluster holds addresses 127\.42\.{first.block}\.\*"):
                claim_block(first.block, 2)
        assert first.addresses == (f"127.42.{first.block}.1", f"127.42.{first.block}.2")

    claim_block(first.block, 2).release()


def test_a_block_with_a_taken_port_is_passed_over_and_the_port_named() -> None:
    with claim_free_block(2) as block:
        pass
    with socket.create_server((block.addresses[1], 9042)):
        with claim_free_block(2) as other:
            assert other.block != block.block
        with pytest.raises(AddressesTaken, match=rf"port 9042 of {block.addresses[1]} is taken by another program"):
            claim_block(block.block, 2)


def test_when_no_block_is_free_the_last_obstacle_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with claim_free_block(1) as block:
        monkeypatch.setattr("loadtests.cluster.addresses.BLOCK_COUNT", block.block + 1)
        with pytest.raises(HarnessError, match=r"no free addresses for a cluster: .* stop it"):
            claim_free_block(1)


def test_more_nodes_than_a_block_has_are_refused() -> None:
    with pytest.raises(HarnessError, match="at most 253 nodes"):
        claim_free_block(254)


def test_a_kept_cluster_whose_addresses_are_held_says_by_whom_and_what_to_do(tmp_path: Path) -> None:
    record = ClusterRecord(cassandra="5.0.9", topology=Topology(dcs=(Dc(name="north", nodes=1, rf=1),)))
    (tmp_path / "north-1" / "data").mkdir(parents=True)
    with claim_free_block(1) as block:
        record.with_block(block.block).write(tmp_path)
        with pytest.raises(HarnessError) as told:
            LocalCluster.restart(tmp_path)
    assert str(told.value).startswith(f"the cluster kept in {tmp_path} can't come up on its former addresses")
    assert f"another cluster holds addresses 127.42.{block.block}.*, that of process {os.getpid()} (" in str(told.value)
    assert str(told.value).endswith("); wait until it has ended, or stop it")
    assert (tmp_path / "north-1" / "data").is_dir() and ClusterRecord.exists(tmp_path)
