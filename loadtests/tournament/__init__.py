"""Variants of a table design on the identical load, in turns on the same nodes: which one wins, and by what evidence."""
