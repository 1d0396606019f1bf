"""From what a job recorded to its `results.json`."""
