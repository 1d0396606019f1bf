"""Servers that speak CQL and behave as told: for tests and benchmarks of the bench itself."""
