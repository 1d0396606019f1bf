"""Benchmarks are timed on a machine that they have to themselves: never several at once, as the tests are."""


def pytest_xdist_auto_num_workers() -> int:
    return 0
