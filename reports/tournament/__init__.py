"""The page of a tournament between variants of a table design."""
