"""Keyed random draws: Philox, and the streams that name each draw."""
