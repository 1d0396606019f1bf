"""Benchmarks: both sides of each ratio in turns in one run; never part of the test command."""
