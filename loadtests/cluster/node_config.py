"""The files that one node starts from: cassandra.yaml, logback.xml, rack and JVM options. Pure: texts, no files.

The settings are those of a small but honest node: what a write's acknowledgement means is left as Cassandra ships it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.cluster.control.compiler import CLASS_NAME as CONTROL_CLASS
from loadtests.cluster.hints import HINTS_KIB_PER_S
from loadtests.cluster.layout import NATIVE_PORT, STORAGE_PORT, NodeSpec
from loadtests.cluster.sizing import NodeSize
from scenarios.domain import COMMIT_LOG_PERIOD_S, CommitLogSync

CLUSTER_NAME = "meterstorm"
RACK = "r1"
LOG_SIZE_MIB_MAX = 32
LOG_COUNT_MAX = 4

_EXPORTS = """
java.base/jdk.internal.misc java.base/jdk.internal.ref java.base/sun.nio.ch java.base/java.lang.ref
java.management.rmi/com.sun.jmx.remote.internal.rmi java.rmi/sun.rmi.registry java.rmi/sun.rmi.server
java.sql/java.sql jdk.unsupported/sun.misc
"""
_OPENS = """
java.base/java.io java.base/java.lang java.base/java.lang.module java.base/java.lang.reflect java.base/java.nio
java.base/java.util java.base/java.util.concurrent java.base/java.util.concurrent.atomic
java.base/jdk.internal.loader java.base/jdk.internal.math java.base/jdk.internal.module java.base/jdk.internal.ref
java.base/jdk.internal.reflect java.base/jdk.internal.util.jar java.base/sun.nio.ch
java.rmi/sun.rmi.transport.tcp jdk.management/com.sun.management.internal
"""
ACCESS_OPTIONS = (
    *(f"--add-exports={name}=ALL-UNNAMED" for name in _EXPORTS.split()),
    *(f"--add-opens={name}=ALL-UNNAMED" for name in _OPENS.split()),
)
"""What Cassandra, and each of its tools, needs of Java's own modules."""


# The verdict on lost data rests on it. With `periodic`, Cassandra's default, an acknowledged write is in a buffer of the process
# and on the disk within the period: SIGKILL took the last 60 to 85 ms of them (5.0.9, docs/cassandra-facts.md). With the
# other two the acknowledgement waits for the disk: each write for its own sync, or a group for one sync within the window.
_COMMIT_LOG_SYNC: Mapping[CommitLogSync, Mapping[str, str]] = {
    CommitLogSync.PERIODIC: {
        "commitlog_sync": "periodic",
        "commitlog_sync_period": f"{COMMIT_LOG_PERIOD_S * 1e3:.0f}ms",
    },
    CommitLogSync.BATCH: {"commitlog_sync": "batch"},
    CommitLogSync.GROUP: {"commitlog_sync": "group", "commitlog_sync_group_window": "10ms"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecurity:
    """How clients of a local cluster prove themselves and what they may see."""

    password_login: bool = False  # the first user is Cassandra's own default, cassandra / cassandra
    keystore_pem: Path | None = None  # private key and certificate chain in one file; None is no TLS
    ca: Path | None = None  # PEM of the authority that signed it, for clients


def cassandra_yaml(
    node: NodeSpec,
    folder: Path,
    *,
    seeds: Sequence[str],
    size: NodeSize,
    security: ClientSecurity,
    sync: CommitLogSync = CommitLogSync.PERIODIC,
    options: Mapping[str, Any] | None = None,
    joins: bool = False,
) -> str:
    """The node's cassandra.yaml, written as JSON, of which YAML is a superset. options: the scenario's own, over ours.

    joins: it comes to a ring with data, and gets its share of them before it serves.
    """
    config: dict[str, Any] = {
        "cluster_name": CLUSTER_NAME,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "num_tokens": len(node.tokens),
        "initial_token": ",".join(str(token) for token in node.tokens),
        "auto_bootstrap": joins,  # a new cluster has no data to stream, and joins at once
        "seed_provider": [
            {
                "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                "parameters": [{"seeds": ",".join(seeds)}],
            }
        ],
        "endpoint_snitch": "GossipingPropertyFileSnitch",
        "listen_address": node.address,
        "rpc_address": node.address,
        "storage_port": STORAGE_PORT,
        "native_transport_port": NATIVE_PORT,
        "data_file_directories": [str(folder / "data")],
        "commitlog_directory": str(folder / "commitlog"),
        "hints_directory": str(folder / "hints"),
        "saved_caches_directory": str(folder / "saved_caches"),
        "cdc_raw_directory": str(folder / "cdc"),
        "authorizer": "AllowAllAuthorizer",
        "authenticator": "PasswordAuthenticator" if security.password_login else "AllowAllAuthenticator",
        **_tls(security),
        **_COMMIT_LOG_SYNC[sync],
        "commitlog_segment_size": "16MiB",
        "commitlog_total_space": f"{size.commitlog_mib}MiB",
        "memtable": {
            "configurations": {
                "trie": {"class_name": "TrieMemtable"},
                "skiplist": {"class_name": "SkipListMemtable"},  # for tables that ask for it
                "default": {"inherits": "trie"},
            }
        },
        "memtable_allocation_type": "offheap_objects",
        "memtable_heap_space": f"{size.memtable_mib}MiB",
        "memtable_offheap_space": f"{size.memtable_mib}MiB",
        "storage_compatibility_mode": "NONE",
        "sstable": {"selected_format": "bti"},
        "key_cache_size": "16MiB",
        "file_cache_size": "64MiB",
        "networking_cache_size": "32MiB",
        "concurrent_reads": size.stage_threads,
        "concurrent_writes": size.stage_threads,
        "concurrent_counter_writes": size.stage_threads,
        # Every client of a local cluster has the same address, so the share of one address is the share of all.
        "native_transport_max_request_data_in_flight": f"{size.requests_mib}MiB",
        "native_transport_max_request_data_in_flight_per_ip": f"{size.requests_mib}MiB",
        # Cassandra's defaults; the audit's patience with a DC that was away is reckoned from the rate (`hints.py`).
        "hinted_handoff_enabled": True,
        "max_hint_window": "3h",
        "hinted_handoff_throttle": f"{HINTS_KIB_PER_S}KiB",
        "auto_snapshot": False,  # dropping a table here is meant
        # A node that can't write any more must be seen to be gone, not linger half alive.
        "disk_failure_policy": "die",
        "commit_failure_policy": "die",
        **(options or {}),
    }
    return json.dumps(config, indent=2) + "\n"


def _tls(security: ClientSecurity) -> dict[str, Any]:
    if security.keystore_pem is None:
        return {}
    return {
        "client_encryption_options": {
            "enabled": True,
            "optional": False,
            "keystore": str(security.keystore_pem),
            "ssl_context_factory": {"class_name": "org.apache.cassandra.security.PEMBasedSslContextFactory"},
            "require_client_auth": False,
        }
    }


def rack_properties(node: NodeSpec) -> str:
    """cassandra-rackdc.properties: where the node says it stands."""
    return f"dc={node.dc}\nrack={RACK}\n"


def logback_xml() -> str:
    """Log to ${{meterstorm.folder}}/system.log, flushed at each event, bounded in size and number of old files."""
    return f"""<configuration>
  <appender name="file" class="ch.qos.logback.core.rolling.RollingFileAppender">
    <file>${{meterstorm.folder}}/system.log</file>
    <rollingPolicy class="ch.qos.logback.core.rolling.FixedWindowRollingPolicy">
      <fileNamePattern>${{meterstorm.folder}}/system.log.%i</fileNamePattern>
      <minIndex>1</minIndex>
      <maxIndex>{LOG_COUNT_MAX - 1}</maxIndex>
    </rollingPolicy>
    <triggeringPolicy class="ch.qos.logback.core.rolling.SizeBasedTriggeringPolicy">
      <maxFileSize>{LOG_SIZE_MIB_MAX}MB</maxFileSize>
    </triggeringPolicy>
    <encoder><pattern>%-5level [%thread] %date{{ISO8601}} %F:%L - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="file"/></root>
</configuration>
"""


def jvm_options(
    folder: Path,
    jars: Sequence[Path],
    *,
    size: NodeSize,
    processors: int,
    special: Sequence[str] = (),
    control: Path | None = None,
) -> list[str]:
    """All arguments of the node's `java`, for an argument file: `ps` stays readable and the run folder shows the start.

    special: options of this node alone, or of this start. control: the folder of the class that heeds orders, of a node that
    is given any.
    """
    jamm = next(jar for jar in jars if jar.name.startswith("jamm-"))
    conf = folder / "conf"
    return [
        f"-Xms{size.heap_mib}m",
        f"-Xmx{size.heap_mib}m",
        f"-XX:MaxDirectMemorySize={size.direct_mib}m",
        "-Xss256k",
        # Small heaps on few cores: serial has the shortest total work, and its pauses stand in gc.log.
        "-XX:+UseSerialGC",
        f"-XX:ActiveProcessorCount={processors}",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",  # a file in the machine's /tmp, which a killed node would leave behind
        f"-XX:ErrorFile={folder / 'hs_err.log'}",
        f"-Xlog:gc:file={folder / 'gc.log'}:time,uptime:filecount=2,filesize=16m",
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        "-Djava.net.preferIPv4Stack=true",
        "-Djdk.attach.allowAttachSelf=true",
        f"-javaagent:{jamm}",
        *ACCESS_OPTIONS,
        f"-Dmeterstorm.folder={folder}",
        f"-Dcassandra.storagedir={folder}",
        f"-Dcassandra.config={(conf / 'cassandra.yaml').as_uri()}",
        f"-Dlogback.configurationFile={conf / 'logback.xml'}",
        "-Dlogback.statusListenerClass=ch.qos.logback.core.status.NopStatusListener",
        "-Dchronicle.analytics.disable=true",  # nothing here reports to anyone
        # A ring of known size that starts at once need not wait for gossip to settle; health.py waits for the outcome.
        "-Dcassandra.ring_delay_ms=1000",
        "-Dcassandra.skip_wait_for_gossip_to_settle=0",
        "-Dcassandra.superuser_setup_delay_ms=0",
        f"-Dio.netty.eventLoopThreads={max(2, processors // 2)}",
        *special,  # of two of one name the later one holds
        *([] if control is None else [f"-Dcassandra.clock={CONTROL_CLASS}"]),
        "-cp",
        ":".join([str(conf), *([] if control is None else [str(control)]), *(str(jar) for jar in jars)]),
        "org.apache.cassandra.service.CassandraDaemon",
    ]


def argument_file(options: Sequence[str]) -> str:
    """`options` as the text of a java @argument file, quoted so that any folder name survives."""
    return "".join('"' + option.replace("\\", "\\\\").replace('"', '\\"') + '"\n' for option in options)
