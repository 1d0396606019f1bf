"""Customers' journeys."""

CUSTOMER_OPERATIONS: tuple[str, ...] = ()
