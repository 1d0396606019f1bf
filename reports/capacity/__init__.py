"""Results, verdict, figures and page of a capacity search."""
