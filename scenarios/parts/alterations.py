"""What a scenario changes of the table design and of its nodes: CQL statements, and options of cassandra.yaml. Pure.

Both are data: a gate holds two of them against each other, and a recorded run keeps them.
"""

import re
from collections.abc import Mapping, Sequence

from scenarios.texts.printable import shortened

ALTERATIONS_MAX = 64
ALTERATION_SIZE_MAX = 4_000
OPTIONS_MAX = 64
KEYSPACE = "{keyspace}"

_FORMS = (
    re.compile(r"ALTER\s+TABLE\s+\{keyspace\}\.[a-z][a-z0-9_]*\s+\S", re.IGNORECASE),
    re.compile(
        r"CREATE\s+(CUSTOM\s+)?INDEX\s+(IF\s+NOT\s+EXISTS\s+)?([a-z][a-z0-9_]*\s+)?ON\s+\{keyspace\}\.[a-z][a-z0-9_]*\s*\(",
        re.IGNORECASE,
    ),
    re.compile(
        r"CREATE\s+MATERIALIZED\s+VIEW\s+(IF\s+NOT\s+EXISTS\s+)?\{keyspace\}\.[a-z][a-z0-9_]*\s+AS\s+SELECT\s.*"
        r"\sFROM\s+\{keyspace\}\.[a-z][a-z0-9_]*\s",
        re.IGNORECASE | re.DOTALL,
    ),
)
_OPTION = re.compile(r"[a-z][a-z0-9_]{0,63}")
# Where nodes are, who they are, and what of them the scenario says elsewhere.
OWN_OPTIONS = frozenset(
    {
        "cluster_name",
        "partitioner",
        "num_tokens",
        "initial_token",
        "auto_bootstrap",
        "seed_provider",
        "endpoint_snitch",
        "listen_address",
        "listen_interface",
        "rpc_address",
        "rpc_interface",
        "broadcast_address",
        "broadcast_rpc_address",
        "storage_port",
        "ssl_storage_port",
        "native_transport_port",
        "data_file_directories",
        "commitlog_directory",
        "hints_directory",
        "saved_caches_directory",
        "cdc_raw_directory",
        "local_system_data_file_directory",
        "authorizer",
        "authenticator",
        "role_manager",
        "network_authorizer",
        "client_encryption_options",
        "server_encryption_options",
        "commitlog_sync",
        "commitlog_sync_period",
        "commitlog_sync_group_window",
        "commit_failure_policy",
        "hinted_handoff_throttle",
    }
)


def require_alterations(statements: Sequence[str]) -> None:
    """Raises ValueError for a statement that is none of the three forms, of another keyspace, or several in one."""
    for number, statement in enumerate(statements, 1):
        told = f"statement {number} ('{shortened(' '.join(statement.split()), 60)}')"
        if ";" in statement:
            raise ValueError(f"{told}: must be one statement, without a semicolon")
        if not any(form.match(statement.strip()) for form in _FORMS):
            raise ValueError(
                f"{told}: must be ALTER TABLE {KEYSPACE}.table ..., CREATE [CUSTOM] INDEX ... ON {KEYSPACE}.table (...), "
                f"or CREATE MATERIALIZED VIEW {KEYSPACE}.view AS SELECT ... FROM {KEYSPACE}.table ..."
            )


def altered_table(statement: str) -> str:
    """Which table one changes, or reads from: the last that it names after {keyspace}."""
    names: list[str] = re.findall(r"\{keyspace\}\.([a-z][a-z0-9_]*)", statement, re.IGNORECASE)
    return names[-1].lower()


def require_option_values(options: object) -> None:
    """Raises ValueError for an option that is no text, number or truth value, nor a table of such."""
    for name, value in options.items() if isinstance(options, dict) else ():
        for inner, one in value.items() if isinstance(value, dict) else ((None, value),):
            if not isinstance(one, str | int | float):
                told = (
                    f"{name} = {shortened(str(value))}" if inner is None else f"{name}.{inner} = {shortened(str(one))}"
                )
                raise ValueError(f"{told}: must be text in quotes, a number, true or false, or a table of such")


def require_options(options: Mapping[str, object]) -> None:
    """Raises ValueError for names that are none, and options that a local cluster sets itself."""
    for name in options:
        if not _OPTION.fullmatch(name):
            raise ValueError(f"'{shortened(name)}' is no name of an option: small letters, digits and _")
        if name in OWN_OPTIONS:
            raise ValueError(f"{name} is set by the local cluster itself; leave it out")
