"""What customers owe: days and half-hours at their prices, bills and their corrections, prepaid accounts."""
