"""Two sides of a change, measured in pairs on one machine: what a gate stands on."""
