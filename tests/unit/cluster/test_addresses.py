import socket

import pytest

from loadtests.cluster.addresses import AddressesTaken, claim_block, claim_free_block
from loadtests.errors import HarnessError


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
