"""Results, figures and page of the replication matrix."""
