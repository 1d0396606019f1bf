"""Short benchmarks of single parts, without nodes: what the gate of our own benchmarks runs (`loadtests.benchmarks.gate`)."""
