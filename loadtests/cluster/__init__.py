"""Cassandra to storm: a local cluster of child JVMs, its safety line, its figures, and connections to any cluster."""
