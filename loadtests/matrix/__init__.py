"""The replication matrix: one load on every pairing of replication factor, consistency level and number of data centres.

`cells` says which of them this machine can host, and in which order they are measured; `mix` is the load, `visit` one
measurement of one cell, `spent` what the nodes paid for it, `staleness` how long the other DC lags, `outage` what is refused
while a node or a DC is down, `cluster_visit` all of it on one cluster.
"""
