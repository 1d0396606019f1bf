"""What is judged, by which limits, and how it came out: of a run and of a search; each reason a sentence."""
