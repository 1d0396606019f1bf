"""What a job does when it is asked for nothing else: the same from the command and from Python. Loads nothing."""

SETTLE_S = 30.0
"""How long an audit waits for a data centre that lags behind [s]: a hint may be on its way for that long."""
