"""Consistency levels: which can be served while nodes are down, and which reads show which writes."""
