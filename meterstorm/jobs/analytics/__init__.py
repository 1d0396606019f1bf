"""What `meterstorm analyse` does: facts out of a cluster, questions on them, and what is written back."""
