"""What the business needs to know: completeness, settlement, tariffs and displays, customers, what a million meters cost."""

from loadtests.grafana.panels import (
    DashboardPage,
    DashboardPanel,
    DashboardRow,
    PanelKind,
    PanelNeed,
    PanelQuery,
    TextChoice,
)

COMPLETE = 0.99  # of a settlement period's meters
_SPEED = "max(meterstorm_replay_speed_ratio)"
_CORES = "sum(meterstorm_node_cpu_cores)"
_MILLIONS = "(sum(meterstorm_meters) / 1e6)"
HOURS_A_MONTH = 730
_REFUSED = "sum(increase(meterstorm_readings_rejected_total[5m]))"
_TAKEN = "sum(increase(meterstorm_readings_total[5m]))"
_QUERIES = 'operation=~"read_.*|refresh_ihd|customer_.*", loop="open"'

_READINGS = DashboardRow(
    title="Completeness",
    panels=(
        DashboardPanel(
            title="Settlement periods, as complete as they are",
            says="Each half-hour of the last two days: the share of its meters of which a reading is acknowledged.",
            asked=(
                PanelQuery(
                    "meterstorm_settlement_completeness_ratio", "{{settlement_date}} period {{settlement_period}}"
                ),
            ),
            unit="percentunit",
            width=16,
        ),
        DashboardPanel(
            title="Estimated",
            says="Of what is known, the share that nobody has measured.",
            asked=(PanelQuery("meterstorm_readings_estimated_ratio", "estimated"),),
            unit="percentunit",
            limit=0.05,
        ),
        DashboardPanel(
            title="Deliveries of readings",
            says="Deliveries acknowledged, a second of wall time.",
            asked=(PanelQuery("rate(meterstorm_readings_total[$__rate_interval])", "acknowledged"),),
            unit="ops",
        ),
        DashboardPanel(
            title="Rows refused, by the reason",
            says="What meters and head-ends sent that can't be true, or can't be read.",
            asked=(
                PanelQuery(
                    "sum by (reason) (rate(meterstorm_readings_rejected_total[$__rate_interval]))", "{{reason}}"
                ),
            ),
            unit="ops",
            needs=(PanelNeed.BACK_OFFICE,),
        ),
        DashboardPanel(
            title="Refused share",
            says="Of all that came in the last five minutes.",
            asked=(PanelQuery(f"{_REFUSED} / ({_REFUSED} + {_TAKEN})", "refused"),),
            unit="percentunit",
            limit=0.05,
            needs=(PanelNeed.BACK_OFFICE,),
        ),
    ),
)

_SETTLEMENT = DashboardRow(
    title="Settlement readiness",
    panels=(
        DashboardPanel(
            title="Periods that are ready",
            says="The share of the last periods of which 99 of 100 meters are known.",
            asked=(PanelQuery(f"avg(meterstorm_settlement_completeness_ratio >= bool {COMPLETE})", "ready"),),
            unit="percentunit",
            shown=PanelKind.NUMBERS,
        ),
        DashboardPanel(
            title="Periods that missed their deadline",
            says="Past nine in the morning after their day, or past the end of the run, and not 99 % complete.",
            asked=(
                PanelQuery(
                    f"count((meterstorm_settlement_completeness_ratio < {COMPLETE})"
                    " and (meterstorm_settlement_deadline_passed == 1)) or vector(0)",
                    "missed",
                ),
            ),
            shown=PanelKind.NUMBERS,
            limit=0.5,
        ),
        DashboardPanel(
            title="Least complete period",
            says="The worst half-hour of the last two days.",
            asked=(PanelQuery("min(meterstorm_settlement_completeness_ratio)", "least"),),
            unit="percentunit",
            shown=PanelKind.NUMBERS,
        ),
    ),
)

_TARIFFS = DashboardRow(
    title="Tariffs and in-home displays",
    panels=(
        DashboardPanel(
            title="Displays with the price in force",
            says="Of those that were asked in the last minute.",
            asked=(
                PanelQuery(
                    'sum(increase(meterstorm_displays_checked_total{price="in_force"}[1m]))'
                    " / sum(increase(meterstorm_displays_checked_total[1m]))",
                    "in force",
                ),
            ),
            unit="percentunit",
            shown=PanelKind.NUMBERS,
            needs=(PanelNeed.BACK_OFFICE,),
        ),
        DashboardPanel(
            title="Price overdue",
            says="Since when the price has been in force that the last display asked did not show.",
            asked=(PanelQuery("meterstorm_price_stale_seconds", "overdue"),),
            unit="s",
            needs=(PanelNeed.BACK_OFFICE,),
        ),
        DashboardPanel(
            title="Tariffs and other commands on meters",
            says="How many meters do what they were told.",
            asked=(PanelQuery("sum by (state) (meterstorm_commands)", "{{state}}"),),
            needs=(PanelNeed.COMMANDS,),
        ),
    ),
)

_CUSTOMERS = DashboardRow(
    title="Customers",
    panels=(
        DashboardPanel(
            title="Homes that the call centre has served",
            says="Since the storm's start.",
            width=6,
            asked=(PanelQuery("meterstorm_customers_served_total", "homes"),),
            shown=PanelKind.NUMBERS,
            needs=(PanelNeed.BACK_OFFICE,),
        ),
        DashboardPanel(
            title="Bills issued",
            says="Since the storm's start.",
            width=6,
            asked=(PanelQuery("meterstorm_bills_issued_total", "bills"),),
            shown=PanelKind.NUMBERS,
            needs=(PanelNeed.BACK_OFFICE,),
        ),
        DashboardPanel(
            title="Answers within a second",
            says="Of all that customers' apps and displays ask: the share that came in time.",
            width=6,
            asked=(
                PanelQuery(
                    f'sum(rate(meterstorm_response_seconds_bucket{{{_QUERIES}, le="1.0"}}[$__rate_interval]))'
                    f" / sum(rate(meterstorm_response_seconds_count{{{_QUERIES}}}[$__rate_interval]))",
                    "within 1 s",
                ),
            ),
            unit="percentunit",
        ),
        DashboardPanel(
            title="Rules of bills and displays that are broken",
            says="What the audit has found, by the rule. Above zero is a wrong bill, or another promise to a customer.",
            width=6,
            asked=(PanelQuery("sum(meterstorm_rule_faults)", "violations"),),
            shown=PanelKind.NUMBERS,
            limit=0.5,
            needs=(PanelNeed.AUDIT, PanelNeed.BACK_OFFICE),
        ),
    ),
)

_COST = DashboardRow(
    title="Cost of a million meters",
    panels=(
        DashboardPanel(
            title="Cores for a million meters",
            says="What the nodes take now, at the pace of real time: the replay's speed-up is taken out.",
            asked=(PanelQuery(f"{_CORES} / {_SPEED} / {_MILLIONS}", "cores"),),
            shown=PanelKind.NUMBERS,
            needs=(PanelNeed.LOCAL_NODES,),
        ),
        DashboardPanel(
            title="Processor time for a million meters, a month",
            says="The same at the price of a core for an hour that stands above; without room for peaks.",
            asked=(PanelQuery(f"{_CORES} / {_SPEED} / {_MILLIONS} * {HOURS_A_MONTH} * $core_hour", "a month"),),
            shown=PanelKind.NUMBERS,
            needs=(PanelNeed.LOCAL_NODES,),
        ),
        DashboardPanel(
            title="Disk for what a million meters have sent",
            says="All copies, before they are compacted.",
            asked=(PanelQuery(f"sum(meterstorm_node_disk_bytes) / {_MILLIONS}", "bytes"),),
            unit="bytes",
            shown=PanelKind.NUMBERS,
            needs=(PanelNeed.LOCAL_NODES,),
        ),
    ),
)

BUSINESS = DashboardPage(
    uid="meterstorm-business",
    title="meterstorm: what the business needs to know",
    description="Completeness and settlement, tariffs and displays, customers, and what it costs.",
    rows=(_READINGS, _SETTLEMENT, _TARIFFS, _CUSTOMERS, _COST),
    choices={},
    texts=(TextChoice(name="core_hour", label="price of a core for an hour", default="0.04"),),
)
