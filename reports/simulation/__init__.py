"""Results, figures and page of a simulation in virtual time."""
