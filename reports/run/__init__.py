"""Results, verdict, figures and page of one run."""
