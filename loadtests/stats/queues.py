"""What is true of queues of several exponential servers (M/M/c): who waits, and how long responses take. Pure."""

import math

from scipy.optimize import brentq


def erlang_c(servers: int, load: float) -> float:
    """The share of arrivals that wait in M/M/c. load: offered work in servers, below `servers`.

    Source: Erlang 1917; by the recursion of Erlang's B formula, as in Gross et al., "Fundamentals of Queueing Theory".
    """
    blocked = 1.0
    for server in range(1, servers + 1):
        blocked = load * blocked / (server + load * blocked)
    utilisation = load / servers
    return blocked / (1 - utilisation * (1 - blocked))


def share_slower(servers: int, service_s: float, rate_per_s: float, limit_s: float) -> float:
    """The share of responses of M/M/c (wait and service) that take longer than `limit_s`; 1 from saturation on.

    Source: Gross et al., "Fundamentals of Queueing Theory", 4th ed. (2008), section 2.3.
    """
    load = rate_per_s * service_s
    if load >= servers:
        return 1.0
    waits, mu = erlang_c(servers, load), 1 / service_s
    drain = servers * mu - rate_per_s  # the rate of the wait of those who wait
    in_service = math.exp(-mu * limit_s)
    if math.isclose(drain, mu):
        return (1 - waits) * in_service + waits * (1 + mu * limit_s) * in_service
    both = (drain * in_service - mu * math.exp(-drain * limit_s)) / (drain - mu)
    return (1 - waits) * in_service + waits * both


def rate_max_per_s(servers: int, service_s: float, percentile: float, limit_s: float) -> float:
    """The highest rate at which `percentile` of M/M/c's response times is within `limit_s`. ValueError if none is."""
    share = 1 - percentile / 100
    if share_slower(servers, service_s, 1e-9, limit_s) > share:
        raise ValueError("service alone takes longer than the limit allows")
    highest = servers / service_s
    return float(
        brentq(lambda rate: share_slower(servers, service_s, rate, limit_s) - share, 1e-9, highest * (1 - 1e-9))
    )
