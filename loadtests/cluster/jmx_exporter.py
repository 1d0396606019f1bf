"""The JMX exporter: the Java agent by which a local node tells Prometheus of itself, at its own address alone.

Which MBeans it tells is an allow-list, `jmx_exporter.yml`: people who tell all of them have tens of thousands of series a
node, and scrapes that take minutes. The jar stands in a lock of its own, and is fetched and checked as Cassandra's are.
"""

from dataclasses import dataclass
from pathlib import Path

from loadtests.cluster.jars import Jar, Progress, parse_lock, ready_jars

EXPORTER_PORT = 9404  # the one that Prometheus' own list of ports has for it
SERIES_MAX = (
    300  # a node, keyspace totals and no tables: what `tests/integration/cluster/test_jmx_exporter.py` holds it to
)
RULES_NAME = "jmx_exporter.yml"  # also in a node's `conf`
_LOCK_FILE = Path(__file__).with_name("jmx_exporter.lock")
RULES_FILE = Path(__file__).with_name(RULES_NAME)
_KEYSPACE = "keyspace=meterstorm,"  # of the rules as they ship
_NAMES_END = "excludeObjectNameAttributes:"  # what follows the list of MBeans
TABLE_SERIES = 2  # of each table, beside the totals
_TABLE_NAMES = """\
  - "org.apache.cassandra.metrics:type=Table,keyspace=meterstorm,scope=*,name=LiveDiskSpaceUsed"
  - "org.apache.cassandra.metrics:type=Table,keyspace=meterstorm,scope=*,name=LiveSSTableCount"
"""
_TABLE_RULES = """\
  - pattern: 'org.apache.cassandra.metrics<type=Table, keyspace=(\\w+), scope=(\\w+), name=LiveDiskSpaceUsed><>Count'
    name: cassandra_table_live_bytes
    type: GAUGE
    help: Live data of a table on the disk
    labels: {keyspace: "$1", table: "$2"}
  - pattern: 'org.apache.cassandra.metrics<type=Table, keyspace=(\\w+), scope=(\\w+), name=LiveSSTableCount><>Value'
    name: cassandra_table_sstables
    type: GAUGE
    help: SSTables that a table has
    labels: {keyspace: "$1", table: "$2"}
"""


def locked_exporter() -> Jar:
    """The agent's jar, as its lock has it."""
    (jar,) = parse_lock(_LOCK_FILE.read_text(encoding="utf-8"))
    return jar


def exporter_rules(keyspace: str, *, tables: bool = False) -> str:
    """The exporter's configuration (YAML), with totals of one keyspace. tables: and TABLE_SERIES series of each of its tables."""
    text = RULES_FILE.read_text(encoding="utf-8")
    if tables:
        text = text.replace(_NAMES_END, f"{_TABLE_NAMES}{_NAMES_END}", 1) + _TABLE_RULES
    return text.replace(_KEYSPACE, f"keyspace={keyspace},")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeExporter:
    """The agent as a node gets it."""

    jar: Path
    rules: str  # YAML


def ready_exporter(keyspace: str, progress: Progress, *, tables: bool = False) -> NodeExporter:
    """The agent for nodes whose keyspace this is; its jar is fetched where it is missing. Raises HarnessError as `ready_jars`.

    tables: see `exporter_rules`.
    """
    (jar,) = ready_jars([locked_exporter()], progress)
    return NodeExporter(jar=jar, rules=exporter_rules(keyspace, tables=tables))


def agent_option(jar: Path, address: str, rules: Path) -> str:
    """The JVM option by which a node at `address` has the agent. rules: a file with `exporter_rules`."""
    return f"-javaagent:{jar}={address}:{EXPORTER_PORT}:{rules}"
