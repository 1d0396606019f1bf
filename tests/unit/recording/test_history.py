"""The history folder: what is written is what is read, the layout is the library's, and shards add up without loss."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from loadtests.recording.histograms import SIGNIFICANT_DIGITS, counts_of_histogram
from loadtests.recording.history import (
    COUNTS_SIZE,
    UPPER_EDGES_US,
    VALUE_US_MAX,
    DcOutcomes,
    ErrorCount,
    HistoryWriter,
    NodeSample,
    SecondCounts,
    counts_of,
    histogram_of,
    lower_edge_us,
    merge_histories,
    percentiles_us,
    read_history,
)

OPERATIONS = ("ingest_reading", "read_state")
TIMED_OUT = ErrorCount(operation="ingest_reading", outcome="indeterminate", kind="client_timeout", count=1)
NOTHING = np.zeros(COUNTS_SIZE, dtype=np.int64)


def library_histogram(values_us: list[int]) -> HdrHistogram:
    histogram = HdrHistogram(1, VALUE_US_MAX, SIGNIFICANT_DIGITS)
    for value in values_us:
        assert histogram.record_value(value)
    return histogram


def node_sample(second: int) -> NodeSample:
    return NodeSample(
        second=second,
        node="north-1",
        dc="north",
        cpu_share=0.75,
        rss_bytes=900_000_000,
        disk_bytes=12_345,
        gc_pause_ms=4.5,
        gc_count=1,
        sstable_count=2,
    )


def write_small(folder: Path, *, second_first: int = 0) -> None:
    with HistoryWriter(folder, OPERATIONS) as writer:
        writer.write_second(
            second_first,
            {"ingest_reading": SecondCounts(3, 2, 2, 0, 0, 1)},
            {"ingest_reading": counts_of([1_000, 2_000])},
            {"ingest_reading": counts_of([900, 1_800])},
            counts_of([10, 20, 30]),
            earliest_counts={"ingest_reading": counts_of([950, 1_900])},
        )
        writer.write_second(
            second_first + 1,
            {"ingest_reading": SecondCounts(0, 1, 0, 0, 1, 0), "read_state": SecondCounts(1, 1, 1, 0, 0, 0)},
            {"ingest_reading": counts_of([5_000_000]), "read_state": counts_of([700])},
            {"ingest_reading": counts_of([5_000_000]), "read_state": counts_of([650])},
            NOTHING,
        )
        writer.write_nodes([node_sample(second_first)])
        writer.write_errors([TIMED_OUT])


def test_layout_is_the_librarys() -> None:
    library = HdrHistogram(1, VALUE_US_MAX, SIGNIFICANT_DIGITS)
    assert library.counts_len == COUNTS_SIZE
    for index in (0, 1, 1_023, 1_024, 2_047, 2_048, 3_071, 3_072, 10_000, COUNTS_SIZE - 1):
        value = library.get_value_from_index(index)
        assert UPPER_EDGES_US[index] == library.get_highest_equivalent_value(value)


def test_bulk_counting_equals_recording_one_by_one() -> None:
    values = [0, 1, 2_047, 2_048, 2_049, 123_456, 99_999_999, VALUE_US_MAX]
    recorded = library_histogram(values)
    assert np.array_equal(counts_of(values), counts_of_histogram(recorded))
    filled = histogram_of(counts_of(values))
    assert filled.get_total_count() == len(values)
    assert filled.get_max_value() == recorded.get_max_value()
    assert filled.get_value_at_percentile(50) == recorded.get_value_at_percentile(50)


def test_values_beyond_the_hour_are_clipped_not_lost() -> None:
    assert counts_of([-5, VALUE_US_MAX + 1]).sum() == 2


def test_percentiles_by_hand() -> None:
    hundred = counts_of(np.arange(1, 101))
    assert percentiles_us(hundred, [0, 1, 50, 95, 99, 99.9, 100]).tolist() == [1, 1, 50, 95, 99, 100, 100]
    thousand = counts_of(np.arange(1, 1_001))
    assert percentiles_us(thousand, [99.9]).tolist() == [999]


def test_a_percentile_is_never_exceeded_by_more_than_its_share() -> None:
    # 99 % of 160 is 158.4 values, so the 159th; to the nearest it would be the 158th, and 1.25 % would be slower.
    assert percentiles_us(counts_of(np.arange(1, 161)), [99]).tolist() == [159]


@pytest.mark.parametrize("value_us", [0, 1, 2_047, 2_048, 2_050, 123_457, VALUE_US_MAX - 1])
def test_a_value_lies_between_the_edges_of_what_it_is_counted_with(value_us: int) -> None:
    (upper_us,) = percentiles_us(counts_of([value_us]), [50]).tolist()
    lower_us = lower_edge_us(upper_us)
    assert lower_us <= value_us <= upper_us and upper_us - lower_us <= upper_us / 1_000
    assert lower_us == 0 or percentiles_us(counts_of([lower_us - 1]), [50]) == lower_us - 1


def test_percentiles_of_nothing() -> None:
    assert percentiles_us(NOTHING, [50, 99]).tolist() == [-1, -1]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_small(tmp_path)
    history = read_history(tmp_path)
    assert history.operations == OPERATIONS
    assert history.seconds.tolist() == [0, 1]
    assert history.counts["ingest_reading"]["offered"].tolist() == [3, 0]
    assert history.counts["ingest_reading"]["indeterminate"].tolist() == [0, 1]
    assert history.counts["ingest_reading"]["retries"].tolist() == [1, 0]
    assert history.counts["read_state"]["ok"].tolist() == [0, 1]
    (first_second, first), (last_second, last) = history.response_counts("ingest_reading")
    assert (first_second, last_second) == (0, 1)
    assert np.array_equal(first, counts_of([1_000, 2_000]))
    assert np.array_equal(last, counts_of([5_000_000]))
    assert [second for second, _ in history.service_counts("read_state")] == [1]
    [(second, earliest)] = history.earliest_counts("ingest_reading")
    assert second == 0 and np.array_equal(earliest, counts_of([950, 1_900]))
    assert list(history.earliest_counts("read_state")) == []
    assert [(second, int(counts.sum())) for second, counts in history.lateness_counts()] == [(0, 3)]
    assert history.nodes == [node_sample(0)]
    assert history.errors == [TIMED_OUT]


def test_library_histograms_are_given_too(tmp_path: Path) -> None:
    write_small(tmp_path)
    history = read_history(tmp_path)
    (_, response), _ = history.response("ingest_reading")
    assert response.get_total_count() == 2
    assert history.service("read_state")[0][1].get_max_value() == 650
    assert history.lateness()[0][1].get_total_count() == 3


def test_other_tools_can_read_the_logs(tmp_path: Path) -> None:
    write_small(tmp_path)
    reader = HistogramLogReader(
        str(tmp_path / "ingest_reading.response.hlog"), HdrHistogram(1, VALUE_US_MAX, SIGNIFICANT_DIGITS)
    )
    first = reader.get_next_interval_histogram()
    second = reader.get_next_interval_histogram()
    assert reader.get_next_interval_histogram() is None
    reader.close()
    assert (first.get_total_count(), first.get_start_time_stamp()) == (2, 0)
    assert (second.get_total_count(), second.get_start_time_stamp()) == (1, 1_000)


def test_a_log_of_another_layout_is_refused(tmp_path: Path) -> None:
    write_small(tmp_path)
    payload = HdrHistogram(1, 1_000_000, 2).encode().decode()
    (tmp_path / "lateness.hlog").write_text(f"0.0,1.0,0.0,{payload}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="layout"):
        list(read_history(tmp_path).lateness_counts())


def test_a_killed_run_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    write_small(tmp_path)
    for name in ("intervals.csv", "ingest_reading.response.hlog", "nodes.csv"):
        path = tmp_path / name
        path.write_text(path.read_text(encoding="utf-8")[:-3], encoding="utf-8")
    history = read_history(tmp_path)
    assert history.counts["ingest_reading"]["attempted"].tolist() == [2, 1]
    assert "read_state" in history.operations  # its first row is whole
    assert history.counts["read_state"]["ok"].tolist() == [0, 0]
    assert [second for second, _ in history.response_counts("ingest_reading")] == [0]
    assert history.nodes == []


def test_a_history_is_never_written_over(tmp_path: Path) -> None:
    write_small(tmp_path)
    with pytest.raises(FileExistsError):
        HistoryWriter(tmp_path, OPERATIONS)


def test_an_unknown_operation_is_refused(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, OPERATIONS) as writer, pytest.raises(KeyError, match="append_evnt"):
        writer.write_second(0, {"append_evnt": SecondCounts(1, 1, 1, 0, 0, 0)}, {}, {}, NOTHING)


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, OPERATIONS)
    writer.close()
    writer.close()
    assert read_history(tmp_path).seconds.size == 0


def test_a_folder_without_a_history_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"intervals\.csv"):
        read_history(tmp_path)


def test_a_single_shard_is_merged_byte_for_byte(tmp_path: Path) -> None:
    write_small(tmp_path / "shard-0")
    merge_histories([tmp_path / "shard-0"], tmp_path)
    for path in (tmp_path / "shard-0").iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_outcomes_by_data_centre_add_up_over_shards_and_are_none_in_an_older_history(tmp_path: Path) -> None:
    for shard, seconds in enumerate([(0, 1), (1,)]):
        with HistoryWriter(tmp_path / f"shard-{shard}", OPERATIONS) as writer:
            for second in seconds:
                counts = {"north": DcOutcomes(5, second, 0), "south": DcOutcomes(0, 0, 0)}
                writer.write_second(second, {}, {}, {}, NOTHING, {"read_state": counts})
    write_small(tmp_path / "older")
    assert read_history(tmp_path / "older").by_dc == {}
    merge_histories([tmp_path / "shard-0", tmp_path / "shard-1", tmp_path / "older"], tmp_path / "merged")
    by_dc = read_history(tmp_path / "merged").by_dc
    assert list(by_dc) == ["read_state"] and list(by_dc["read_state"]) == ["north"]
    north = {column: counts.tolist() for column, counts in by_dc["read_state"]["north"].items()}
    assert north == {"ok": [5, 10], "failed": [0, 2], "indeterminate": [0, 0]}


def test_shards_add_up_without_loss(tmp_path: Path) -> None:
    write_small(tmp_path / "shard-0")
    write_small(tmp_path / "shard-1", second_first=1)
    with HistoryWriter(tmp_path / "nodes", ()) as sampler:
        sampler.write_nodes([node_sample(2)])
    merge_histories([tmp_path / "shard-0", tmp_path / "shard-1", tmp_path / "nodes"], tmp_path)
    merged = read_history(tmp_path)
    assert merged.operations == OPERATIONS
    assert merged.counts["ingest_reading"]["attempted"].tolist() == [2, 1 + 2, 1]
    assert merged.counts["read_state"]["ok"].tolist() == [0, 1, 1]
    lines = dict(merged.response_counts("ingest_reading"))
    assert np.array_equal(lines[0], counts_of([1_000, 2_000]))
    assert np.array_equal(lines[1], counts_of([1_000, 2_000, 5_000_000]))
    assert np.array_equal(lines[2], counts_of([5_000_000]))
    assert [second for second, _ in merged.lateness_counts()] == [0, 1]
    assert [sample.second for sample in merged.nodes] == [0, 1, 2]
    assert merged.errors == [replace(TIMED_OUT, count=2)]
