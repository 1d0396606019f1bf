"""Texts that people hand us, and texts that they are shown: read, checked for what can't be printed, numbers in words. Pure."""
