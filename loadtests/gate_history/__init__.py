"""A history of runs shown to a tool that isn't ours."""
