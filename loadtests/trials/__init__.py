"""Short loads of one fixed sample of a scenario's operations: what the matrix's cells and the gate's sides are measured with."""
