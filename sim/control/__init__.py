"""The SimPy control plane: campaigns, outages and commands, alone and in closed loop with a store."""
