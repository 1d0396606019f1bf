"""The platform's back end beside the storm: gateways, command control and the back office."""
