"""Trouble that is not the scenario's: the environment or the harness itself."""


class HarnessError(Exception):
    """The machine, the cluster or the generator can't do what was asked; the message names the thing and the mend."""
