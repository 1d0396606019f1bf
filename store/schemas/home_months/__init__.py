"""`home_months`: a month of a home is one partition key, in the log and in each view of the home.

A delivery writes its row in the log and in every view of the home as one mutation of one partition: together or not at
all, for little more than the cost of the log alone. Views across homes (settlement, cohorts, receipts) have other keys and
are projected from the log. See `docs/decisions/0008-home-months.md`.
"""

from store.schemas.home_months import aggregates, commands, customers, insights, readings
from store.tables import Schema

SCHEMA = Schema(
    name="home_months",
    version=8,
    tables=(*readings.TABLES, *aggregates.TABLES, *commands.TABLES, *customers.TABLES, *insights.TABLES),
    writes=(*readings.WRITES, *aggregates.WRITES, *commands.WRITES, *customers.WRITES, *insights.WRITES),
)
