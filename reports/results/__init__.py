"""`results.json`: which kinds there are, how one is read and written, and the parts that several have."""
