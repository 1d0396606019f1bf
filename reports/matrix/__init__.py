"""Figures and page of the replication matrix."""
