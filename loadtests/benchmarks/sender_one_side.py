"""One build's wire engine as fast as it can, as `bench_sender` runs it by this file's path, in that build's environment.

Arguments: a node's address, its port, the insert's prepared id in hexadecimal, how many in flight, how many operations. Says one
line of JSON: operations, seconds of wall time, and processor seconds of the whole process, start-up left out; so is the garbage
collection with which a storm begins, 45 ms for all that was imported. It asks only for what the build of before has, too.
"""

import gc
import json
import sys
import time

from loadtests.benchmarks.bench_sender import CQL, INSERT, Inserts
from loadtests.sender.engine import Engine, EngineSettings, WireOperation
from loadtests.sender.frames import FrameTemplate
from loadtests.sender.ring import ring_of_nodes
from scenarios.domain import ConsistencyLevel


def main(address: str, port: str, prepared_id: str, in_flight: str, count: str) -> None:
    template = FrameTemplate(INSERT, bytes.fromhex(prepared_id), ConsistencyLevel.LOCAL_QUORUM.wire_code)
    engine = Engine(
        operations=[WireOperation(name=INSERT.operation)],
        statements=[CQL],
        ring=ring_of_nodes([((address, int(port)), "north")]),
        settings=EngineSettings(links_per_node=1),
    )
    with engine:
        gc.collect()
        gc.freeze()  # the storm's own collection has nothing to look at
        began_s = time.process_time()
        report = engine.run(Inserts(template, int(count)), closed_in_flight=int(in_flight))
        cpu_s = time.process_time() - began_s
    assert report.ok == report.offered > 0, f"not every operation was acknowledged: {report.errors}"
    print(json.dumps({"operations": report.ok, "cpu_s": cpu_s, "wall_s": report.wall_s}))


if __name__ == "__main__":
    main(*sys.argv[1:])
