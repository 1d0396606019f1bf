"""The command `meterstorm`, one file a subcommand."""
