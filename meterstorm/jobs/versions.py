"""The versions of what can change a figure."""

import platform
from importlib.metadata import version

LIBRARIES = ("meterstorm", "cassandra-driver", "numpy", "numba", "scipy")


def versions(cassandra: str) -> dict[str, str]:
    """By name; `cassandra` is what the nodes say of themselves."""
    return {"cassandra": cassandra, "python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
