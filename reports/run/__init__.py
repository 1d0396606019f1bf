"""Figures, page and JUnit of one run."""
