"""Make `jars.lock` anew, for a new version of Cassandra: `python -m loadtests.cluster.update_jars_lock 5.0.9`.

With `--beside` after the version its lock is made beside the default one, for `[topology] cassandra_version`; with
`--spark-connector` it is that of the Spark Cassandra Connector of this version.

A maintainer's tool: the only place that reads POMs, and the only one that believes what the network says.
"""

import sys
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from jgo.maven import Artifact

from loadtests.cluster.jars import (
    CASSANDRA,
    CONNECTOR_LOCK,
    FETCHES_AT_ONCE_MAX,
    LOCK_FILE,
    Jar,
    lock_file,
    maven_context,
    sha256_of,
)
from scenarios.passing_folder import PassingFolder

CONNECTOR = (
    "com.datastax.spark",
    "spark-cassandra-connector_2.12",
)  # Spark 3.5 as pyspark has it is built for Scala 2.12
PROVIDED = ("org.apache.spark", "org.scala-lang")  # groups whose jars Spark has itself
HEADER = """\
# {what} {version} and all it needs; made by `python -m loadtests.cluster.update_jars_lock {options}`.
# group:artifact:version[:classifier] sha256 bytes
"""


def relock(version: str, what: tuple[str, str] = CASSANDRA, *, without: Collection[str] = ()) -> list[Jar]:
    """An artifact of `version` and its transitive run-time jars, its own first; none of the groups `without`."""
    with PassingFolder("relock") as repository:
        context = maven_context(repository.path)
        root = context.create_dependency(":".join((*what, version)))
        inputs, transitive = context.resolver.resolve([root])
        artifacts = [dependency.artifact for dependency in inputs]
        artifacts += [
            dependency.artifact
            for dependency in transitive
            if dependency.scope in ("compile", "runtime") and dependency.artifact.groupId not in without
        ]
        with ThreadPoolExecutor(max_workers=FETCHES_AT_ONCE_MAX) as pool:
            jars = list(pool.map(_lock_one, artifacts))
    return [jars[0], *sorted(jars[1:])]


def _lock_one(artifact: Artifact) -> Jar:
    path = artifact.resolve()
    return Jar(
        group=artifact.groupId,
        artifact=artifact.artifactId,
        version=artifact.version,
        classifier=artifact.classifier,
        sha256=sha256_of(path),
        size=path.stat().st_size,
    )


if __name__ == "__main__":
    _, version, *options = sys.argv
    if "--spark-connector" in options:
        what, path, jars = "The Spark Cassandra Connector", CONNECTOR_LOCK, relock(version, CONNECTOR, without=PROVIDED)
    else:
        what, path, jars = "Cassandra", lock_file(version) if options else LOCK_FILE, relock(version)
    header = HEADER.format(what=what, version=version, options=" ".join(sys.argv[1:]))
    path.write_text(header + "".join(f"{jar.line}\n" for jar in jars), encoding="utf-8")
