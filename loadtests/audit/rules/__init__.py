"""Rules about what the store answers: bills, displays, commands, settlement."""
