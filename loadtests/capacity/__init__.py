"""The search for the highest rate: steps, their verdicts and the rule that chooses the next."""
