"""The reference store: tables declared with the queries they serve, rows as columns, adapters at the edge."""
