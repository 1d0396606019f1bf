"""The estate: keyed random streams, cohort kernels and the trace of messages that they make. Pure, and never a clock."""
