"""Dashboards for Grafana: described once in Python, shipped as the JSON that it takes, with the files that provision them."""
