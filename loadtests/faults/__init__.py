"""Faults on the nodes of a local cluster while a storm goes on."""
