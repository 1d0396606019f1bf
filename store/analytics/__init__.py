"""The store's facts out of Cassandra, for questions over all homes: a warehouse of Parquet, and jobs on it."""
