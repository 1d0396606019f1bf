"""Nodes and processes, sampled while something runs."""
