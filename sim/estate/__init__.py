"""The estate: homes, meters, devices, the WAN between them and the head-end, and when each message falls due."""
