"""Figures, page and replications of a simulation in virtual time."""
