"""The storm spread over Locust's workers: who sends which shard, and how what they measure comes together.

The master gives shards out, agrees on the instant of the start, adds up what comes, and says when the fleet has got
thinner than it was meant to be. A worker keeps its shards: child processes with the wire engine, away from Locust's event
loop. `loadtests/locustfile.py` ties both to Locust.
"""
