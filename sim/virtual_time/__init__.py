"""Simulation in virtual time alone: tallies of the trace, on many threads, and their summary."""
