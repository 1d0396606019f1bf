"""Make `jars.lock` anew, for a new version of Cassandra: `python -m loadtests.cluster.update_jars_lock 5.0.9`.

With `--beside` after the version its lock is made beside the default one, for `[topology] cassandra_version`.

A maintainer's tool: the only place that reads POMs, and the only one that believes what the network says.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from jgo.maven import Artifact

from loadtests.cluster.jars import CASSANDRA, FETCHES_AT_ONCE_MAX, LOCK_FILE, Jar, lock_file, maven_context, sha256_of
from scenarios.passing_folder import PassingFolder

HEADER = """\
# Cassandra {version} and all it needs; made by `python -m loadtests.cluster.update_jars_lock {version}`.
# group:artifact:version[:classifier] sha256 bytes
"""


def relock(version: str) -> str:
    """The text of a lock of cassandra-all `version` and its transitive run-time jars, Cassandra's own first."""
    with PassingFolder("relock") as repository:
        context = maven_context(repository.path)
        root = context.create_dependency(":".join((*CASSANDRA, version)))
        inputs, transitive = context.resolver.resolve([root])
        artifacts = [dependency.artifact for dependency in inputs]
        artifacts += [dependency.artifact for dependency in transitive if dependency.scope in ("compile", "runtime")]
        with ThreadPoolExecutor(max_workers=FETCHES_AT_ONCE_MAX) as pool:
            jars = list(pool.map(_lock_one, artifacts))
    return HEADER.format(version=version) + "".join(f"{jar.line}\n" for jar in [jars[0], *sorted(jars[1:])])


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
    is_default = len(sys.argv) == 2
    path = LOCK_FILE if is_default else lock_file(sys.argv[1])
    path.write_text(relock(sys.argv[1]), encoding="utf-8")
