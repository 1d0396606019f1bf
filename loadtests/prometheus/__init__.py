"""Prometheus and Alertmanager beside a cluster or a run: what they scrape and alert on, whom they tell; started and ended."""
