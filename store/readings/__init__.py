"""Readings from the log to every view of them: written, folded, projected, verified and rebuilt."""
