"""The replication matrix: one load on every pairing of replication factor, consistency level and number of data centres.

`cells` says which of them this machine can host, and in which order they are measured; `trial` is one measurement of one cell,
`outage` what is refused while a node or a DC is down, `group` all of it on one cluster.
"""
