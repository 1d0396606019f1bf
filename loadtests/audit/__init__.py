"""The audit: is every acknowledged reading in every data centre, with exactly its value, and nothing else?

A *fact* is what one row or one half-hour of a row claims. Words used throughout:
- acknowledged: the store said that it was written;
- verified: acknowledged and read back right; lost: acknowledged and not read back;
- wrong: read back with another value than the seed gives; phantom: read back though never acknowledged or in doubt;
- duplicate: read back twice; indeterminate: sent, neither acknowledged nor refused: it may be there or not.
"""
