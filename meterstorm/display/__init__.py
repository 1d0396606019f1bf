"""What a person sees in a terminal while a job goes on, and at its end."""
