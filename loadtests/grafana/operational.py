"""Is the platform working: the run, its cluster, ingest, queries, commands, and the distance between data centres."""

from loadtests.grafana.panels import DashboardPage, DashboardPanel, DashboardRow, PanelKind, PanelNeed, PanelQuery

INGEST = 'operation=~"ingest_.*|record_.*", operation=~"$operation", loop="open"'
QUERIES = 'operation!~"ingest_.*|record_.*", operation=~"$operation", loop="open"'
NODES = 'job="cassandra", dc=~"$dc"'


def _rates(of: str) -> tuple[PanelQuery, ...]:
    offered = f"sum by (operation) (rate(meterstorm_operations_offered_total{{{of}}}[$__rate_interval]))"
    achieved = f'sum by (operation) (rate(meterstorm_operations_total{{{of}, outcome="ok"}}[$__rate_interval]))'
    return PanelQuery(offered, "{{operation}} offered"), PanelQuery(achieved, "{{operation}} achieved")


def _errors(of: str) -> tuple[PanelQuery, ...]:
    return (
        PanelQuery(
            f'sum by (operation, outcome) (rate(meterstorm_operations_total{{{of}, outcome!="ok"}}[$__rate_interval]))',
            "{{operation}} {{outcome}}",
        ),
    )


def _percentiles(of: str) -> tuple[PanelQuery, ...]:
    by_bucket = f"sum by (le, operation) (rate(meterstorm_response_seconds_bucket{{{of}}}[$__rate_interval]))"
    return tuple(
        PanelQuery(f"histogram_quantile({share}, {by_bucket})", f"{{{{operation}}}} p{share * 100:g}")
        for share in (0.5, 0.99)
    )


def _lateness(share: float) -> PanelQuery:
    by_bucket = "sum by (le) (rate(meterstorm_lateness_seconds_bucket[$__rate_interval]))"
    return PanelQuery(f"histogram_quantile({share}, {by_bucket})", f"p{share * 100:g}")


_RUN = DashboardRow(
    title="Run",
    panels=(
        DashboardPanel(
            title="Phase",
            says="Where the run is; the storm is where the load is.",
            asked=(PanelQuery("meterstorm_run_phase", "{{phase}}"),),
            shown=PanelKind.STATES,
            width=12,
        ),
        DashboardPanel(
            title="Faults under way",
            says="What the scenario breaks now. What else goes wrong meanwhile may be its doing.",
            asked=(PanelQuery("meterstorm_fault_active", "{{kind}} {{target}}"),),
            shown=PanelKind.STATES,
            width=12,
            needs=(PanelNeed.FAULTS,),
        ),
        DashboardPanel(
            title="Storm done",
            says="The share of the storm's wall time that is over.",
            asked=(PanelQuery("clamp_max(meterstorm_storm_elapsed_seconds / meterstorm_storm_span_seconds, 1)"),),
            unit="percentunit",
            shown=PanelKind.NUMBERS,
            width=4,
        ),
        DashboardPanel(
            title="Slots of meters in the ledger",
            says="What was acknowledged, and what nobody knows: in doubt until the audit has looked.",
            asked=(PanelQuery("sum by (state) (meterstorm_ledger_slots)", "{{state}}"),),
            width=12,
        ),
        DashboardPanel(
            title="Facts lost, wrong, phantom, duplicate",
            says="What the audit has found so far. Above zero is a broken promise.",
            asked=(PanelQuery('meterstorm_audit_facts{verdict=~"lost|wrong|phantom|duplicate"}', "{{verdict}}"),),
            shown=PanelKind.NUMBERS,
            limit=0.5,
            needs=(PanelNeed.AUDIT,),
        ),
    ),
)

_CLUSTER = DashboardRow(
    title="Cluster",
    panels=(
        DashboardPanel(
            title="Processor of nodes",
            says="Cores that each node takes. One that is far from the others of its data centre has its hot partitions.",
            asked=(PanelQuery('meterstorm_node_cpu_cores{dc=~"$dc"}', "{{node}}"),),
            unit="short",
            needs=(PanelNeed.LOCAL_NODES,),
        ),
        DashboardPanel(
            title="Room on disk",
            says="The share of each node's disk that is free. A full one ends the node.",
            asked=(
                PanelQuery(
                    'meterstorm_node_disk_free_bytes{dc=~"$dc"} / meterstorm_node_disk_size_bytes{dc=~"$dc"}',
                    "{{node}}",
                ),
            ),
            unit="percentunit",
            needs=(PanelNeed.LOCAL_NODES,),
        ),
        DashboardPanel(
            title="Heap used",
            says="The share of its heap that a node holds: a saw is healthy, a plateau near 1 is not.",
            asked=(
                PanelQuery(
                    f'jvm_memory_used_bytes{{{NODES}, area="heap"}} / jvm_memory_max_bytes{{{NODES}, area="heap"}}',
                    "{{node}}",
                ),
            ),
            unit="percentunit",
            limit=0.9,
            needs=(PanelNeed.NODE_EXPORTER,),
        ),
        DashboardPanel(
            title="Clocks",
            says="How far each node's clock is from the run's own, at least.",
            asked=(PanelQuery('meterstorm_clock_ahead_seconds{dc=~"$dc"}', "{{node}}"),),
            unit="s",
        ),
        DashboardPanel(
            title="Garbage collection",
            says="The share of its time that a node stands still for it.",
            asked=(
                PanelQuery(
                    f"sum by (node) (rate(jvm_gc_collection_seconds_sum{{{NODES}}}[$__rate_interval]))", "{{node}}"
                ),
            ),
            unit="percentunit",
            needs=(PanelNeed.NODE_EXPORTER,),
        ),
        DashboardPanel(
            title="Compactions that wait",
            says="What is read of more and more tables while this grows.",
            asked=(PanelQuery(f"cassandra_compaction_pending_tasks{{{NODES}}}", "{{node}}"),),
            needs=(PanelNeed.NODE_EXPORTER,),
        ),
        DashboardPanel(
            title="Messages dropped",
            says="What a node has given up since it was too late: reads that failed, writes that became hints.",
            asked=(
                PanelQuery(
                    f"sum by (node, message) (rate(cassandra_dropped_messages_total{{{NODES}}}[$__rate_interval]))",
                    "{{node}} {{message}}",
                ),
            ),
            limit=0.5,
            needs=(PanelNeed.NODE_EXPORTER,),
        ),
        DashboardPanel(
            title="Hints stored",
            says="Writes that wait for a node that is away. Beyond three hours they are not kept.",
            asked=(PanelQuery(f"rate(cassandra_hints_stored_total{{{NODES}}}[$__rate_interval])", "{{node}}"),),
            needs=(PanelNeed.NODE_EXPORTER,),
        ),
        DashboardPanel(
            title="Requests refused for want of replicas",
            says="The cluster's own word that a consistency level can't be met.",
            asked=(
                PanelQuery(
                    f"sum by (dc, request) (rate(cassandra_client_request_unavailables_total{{{NODES}}}[$__rate_interval]))",
                    "{{dc}} {{request}}",
                ),
            ),
            limit=0.5,
            needs=(PanelNeed.NODE_EXPORTER,),
        ),
        DashboardPanel(
            title="Thread pools that wait",
            says="Requests that queue inside a node.",
            asked=(
                PanelQuery(
                    f"topk(10, sum by (node, pool) (cassandra_thread_pool_pending_tasks{{{NODES}}}))",
                    "{{node}} {{pool}}",
                ),
            ),
            needs=(PanelNeed.NODE_EXPORTER,),
        ),
    ),
)

_INGEST = DashboardRow(
    title="Ingest",
    panels=(
        DashboardPanel(
            title="Readings and alerts, offered and achieved",
            says="Achieved follows offered as long as the cluster carries the load.",
            asked=_rates(INGEST),
            unit="ops",
            width=12,
        ),
        DashboardPanel(
            title="Ingest: response times",
            says="From the instant at which a message was due: queueing counts.",
            asked=_percentiles(INGEST),
            unit="s",
            width=12,
        ),
        DashboardPanel(
            title="Ingest: failed and in doubt",
            says="A failed write was certainly not applied, one in doubt may have been.",
            asked=_errors(INGEST),
            unit="ops",
        ),
        DashboardPanel(
            title="Lateness of the senders",
            says="If this is large, the bench was slow and not the cluster.",
            asked=(_lateness(0.5), _lateness(0.99)),
            unit="s",
        ),
        DashboardPanel(
            title="In flight and queued",
            says="What is sent and not answered, and what fell due and is not sent.",
            asked=(
                PanelQuery("meterstorm_operations_in_flight", "in flight"),
                PanelQuery("meterstorm_operations_queued", "queued"),
            ),
        ),
    ),
)

_QUERIES = DashboardRow(
    title="Queries",
    panels=(
        DashboardPanel(
            title="Customers' requests, offered and achieved",
            says="What apps, displays and call centres ask.",
            asked=_rates(QUERIES),
            unit="ops",
            width=12,
        ),
        DashboardPanel(
            title="Queries: response times",
            says="What a customer waits for, from the instant at which it was wanted.",
            asked=_percentiles(QUERIES),
            unit="s",
            width=12,
        ),
        DashboardPanel(
            title="Queries: failed and in doubt",
            says="Answers that customers did not get.",
            asked=_errors(QUERIES),
            unit="ops",
        ),
        DashboardPanel(
            title="Retries",
            says="Attempts beyond the first: they hide errors, and are load.",
            asked=(
                PanelQuery(
                    'sum by (operation) (rate(meterstorm_operation_retries_total{loop="open", operation=~"$operation"}'
                    "[$__rate_interval]))",
                    "{{operation}}",
                ),
            ),
            unit="ops",
        ),
        DashboardPanel(
            title="Views behind the log",
            says="How long a delivery waits for its views across homes, and since when the back office has finished no round.",
            asked=(
                PanelQuery("meterstorm_view_lag_seconds", "views"),
                PanelQuery("meterstorm_back_office_round_age_seconds", "back office's round"),
            ),
            unit="s",
            needs=(PanelNeed.BACK_OFFICE,),
        ),
    ),
)

_COMMANDS = DashboardRow(
    title="Commands",
    panels=(
        DashboardPanel(
            title="Commands by state",
            says="Every command ends once: applied, rejected, or given up when its attempts or its time are spent.",
            asked=(PanelQuery("sum by (state) (meterstorm_commands)", "{{state}}"),),
            needs=(PanelNeed.COMMANDS,),
        ),
        DashboardPanel(
            title="Oldest due command",
            says="No due command has waited for longer. It grows while a gateway stands still.",
            asked=(PanelQuery("max by (dc) (meterstorm_commands_oldest_due_seconds)", "{{dc}}"),),
            unit="s",
            limit=30.0,
            needs=(PanelNeed.COMMANDS,),
        ),
        DashboardPanel(
            title="Attempts",
            says="What gateways transmit, replays among it.",
            asked=(PanelQuery("sum by (dc) (rate(meterstorm_command_attempts_total[$__rate_interval]))", "{{dc}}"),),
            unit="ops",
            needs=(PanelNeed.COMMANDS,),
        ),
    ),
)

_WAN = DashboardRow(
    title="WAN",
    panels=(
        DashboardPanel(
            title="Cross-DC visibility",
            says="How long a row that is written in one data centre takes until it is read in another.",
            width=6,
            asked=(PanelQuery("meterstorm_visibility_lag_seconds", "{{from_dc}} to {{to_dc}}"),),
            unit="s",
            needs=(PanelNeed.SECOND_DC,),
        ),
        DashboardPanel(
            title="Data centres that answer",
            says="The share of the canary's requests that a data centre has served.",
            width=6,
            asked=(
                PanelQuery(
                    'sum by (dc, action) (rate(meterstorm_probes_total{outcome="ok", dc=~"$dc"}[$__rate_interval]))'
                    ' / sum by (dc, action) (rate(meterstorm_probes_total{dc=~"$dc"}[$__rate_interval]))',
                    "{{dc}} {{action}}",
                ),
            ),
            unit="percentunit",
        ),
        DashboardPanel(
            title="Homes that are not served",
            says="The share of operations that failed or are in doubt, by the data centre of their homes.",
            width=6,
            asked=(
                PanelQuery(
                    'sum by (dc) (rate(meterstorm_dc_operations_total{outcome!="ok", dc=~"$dc"}[$__rate_interval]))'
                    ' / sum by (dc) (rate(meterstorm_dc_operations_total{dc=~"$dc"}[$__rate_interval]))',
                    "{{dc}}",
                ),
            ),
            unit="percentunit",
            limit=0.01,
        ),
        DashboardPanel(
            title="Messages from other data centres",
            says="How old a message is when it comes, by the nodes' own clocks.",
            width=6,
            asked=(
                PanelQuery(
                    f'max by (dc, from_dc) (cassandra_message_seconds{{{NODES}, percentile="p99"}})',
                    "{{from_dc}} to {{dc}} p99",
                ),
            ),
            unit="s",
            needs=(PanelNeed.NODE_EXPORTER, PanelNeed.SECOND_DC),
        ),
    ),
)

OPERATIONAL = DashboardPage(
    uid="meterstorm-operational",
    title="meterstorm: is the platform working",
    description="A run or a cluster under watch: load and its answers, nodes, commands, data centres.",
    rows=(_RUN, _CLUSTER, _INGEST, _QUERIES, _COMMANDS, _WAN),
    choices={
        "dc": "label_values(meterstorm_probes_total, dc)",
        "operation": "label_values(meterstorm_operations_total, operation)",
    },
)
