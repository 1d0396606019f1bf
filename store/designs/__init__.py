"""Table designs that people write as folders: their CQL read and checked, and made into a schema like those that ship."""
