"""A staleness probe against stub nodes, whose answers are planned: which questions prove that a row was stale."""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from loadtests.errors import HarnessError
from loadtests.monitoring.staleness import Prober, Probing
from loadtests.sender.protocol import ResultKind
from loadtests.stubs.scripted_node import Execute, ScriptedAnswer, StubServer, error_answer
from scenarios.domain import ConsistencyLevel

NO_METADATA = 4


def rows(count: int, after_s: float = 0.0) -> ScriptedAnswer:
    body = struct.pack(">iiii", ResultKind.ROWS, NO_METADATA, 1, count) + struct.pack(">iq", 8, 7) * count
    return ScriptedAnswer(body=body, after_s=after_s)


def there_from(question: int, after_s: float = 0.001) -> Callable[[Execute], ScriptedAnswer]:
    """The row is there from the n-th question on, counted from 0."""
    return lambda execute: rows(int(execute.number >= question), after_s)


@contextmanager
def probed(
    write: Callable[[Execute], ScriptedAnswer | None], read: Callable[[Execute], ScriptedAnswer | None]
) -> Iterator[Prober]:
    with StubServer(answer=write) as writer, StubServer(answer=read) as reader:
        prober = Prober("stub", ConsistencyLevel.EACH_QUORUM, writer.address, reader.address)
        yield prober
        prober.close()


def test_a_row_that_a_question_after_the_acknowledgement_missed_was_stale() -> None:
    with probed(lambda _: ScriptedAnswer(), there_from(9, after_s=0.01)) as prober:
        probe = prober.probe(7)
    assert probe.asked == 10
    assert probe.acknowledged_us is not None and probe.missed_us is not None and probe.readable_us is not None
    assert probe.acknowledged_us < probe.missed_us < probe.readable_us


def test_questions_missed_before_the_acknowledgement_prove_nothing() -> None:
    with probed(lambda _: ScriptedAnswer(after_s=0.5), there_from(3)) as prober:
        probe = prober.probe(7)
    assert probe.acknowledged_us is not None and probe.missed_us is not None and probe.readable_us is not None
    assert probe.missed_us < probe.readable_us < probe.acknowledged_us
    assert probe.asked == 4


def test_a_row_that_the_first_question_found_was_never_missed() -> None:
    with probed(lambda _: ScriptedAnswer(), there_from(0)) as prober:
        assert prober.probe(7).missed_us is None


def test_a_refused_write_has_no_acknowledgement_and_a_failed_read_found_nothing() -> None:
    unavailable = error_answer(0x1000, extra=struct.pack(">Hii", 7, 2, 1))

    def read(execute: Execute) -> ScriptedAnswer:
        return unavailable if execute.number == 0 else rows(1)

    with probed(lambda _: unavailable, read) as prober:
        probe = prober.probe(7)
    assert probe.acknowledged_us is None and probe.readable_us is not None and probe.asked == 2


def test_ids_go_on_and_levels_are_the_cells_own_and_local_one() -> None:
    sent: list[Execute] = []
    asked: list[Execute] = []
    with probed(
        lambda execute: sent.append(execute) or ScriptedAnswer(),  # type: ignore[func-returns-value]
        lambda execute: asked.append(execute) or rows(1),  # type: ignore[func-returns-value]
    ) as prober:
        probing = Probing(prober, first_number=40, every_s=0.001)
        probing.start()
        while len(sent) < 3:
            pass
        probes = probing.stop()
    assert len(probes) == len(sent) >= 3
    tails = [struct.unpack(">HBHiq", execute.body[-17:]) for execute in sent]
    assert [number for *_, number in tails] == list(range(40, 40 + len(sent)))
    assert {level for level, *_ in tails} == {ConsistencyLevel.EACH_QUORUM.wire_code}
    assert struct.unpack(">H", asked[0].body[-17:-15])[0] == ConsistencyLevel.LOCAL_ONE.wire_code


def test_a_node_that_goes_away_is_told_when_the_probing_ends() -> None:
    with probed(lambda _: ScriptedAnswer(), lambda _: None) as prober:
        probing = Probing(prober, first_number=0, every_s=0.001)
        probing.start()
        prober._reader.socket.shutdown(2)
        probing._thread.join(30)  # until it has met the end of the connection
        with pytest.raises(HarnessError, match="staleness of the other DC could not be measured"):
            probing.stop()
