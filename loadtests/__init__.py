"""The bench: local cluster, wire engine, history, ledger and audit. What is measured here is judged in `reports`."""
