"""Which Dask schedulers may be sent work. Apart from Dask, which takes a second to load: an address is refused at once."""

from urllib.parse import urlsplit

from loadtests.locust_fleet.secret import is_loopback
from scenarios.spec import ScenarioError


def require_tls(scheduler: str) -> None:
    """Raises ScenarioError for a scheduler that everybody on its network could give code to."""
    try:
        address = urlsplit(scheduler)
        is_whole = address.scheme in ("tcp", "tls") and bool(address.hostname) and address.port is not None
    except ValueError:  # a port that is no number, half an IPv6 address
        is_whole = False
    if not is_whole:
        raise ScenarioError(f"--scheduler {scheduler}: must be tls://HOST:PORT, or tcp://HOST:PORT on this machine")
    if address.scheme == "tcp" and not is_loopback(address.hostname or ""):
        raise ScenarioError(
            f"--scheduler {scheduler}: Dask runs whatever code it is sent, by everybody who reaches it; beyond this machine "
            "give tls://HOST:PORT, with the certificates in Dask's configuration (docs/simulation.md)"
        )
