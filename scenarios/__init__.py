"""The shared vocabulary and the scenario: what is simulated, on which topology, under which objective.

Pure: nothing here reads a clock, opens a socket or draws a random number. Imports nothing else of this project.
"""
