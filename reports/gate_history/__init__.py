"""A look back over past runs: the folder that holds them, their series, figures and page."""
