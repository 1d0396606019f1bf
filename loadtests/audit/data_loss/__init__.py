"""What each data centre has lost: every row of every table against ledger and seed, counted by what became of its facts.

Wrong, phantom and duplicate facts are found in the same pass; see `loadtests.audit` for the words.
"""
