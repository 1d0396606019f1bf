"""What meters hold: registers, intervals and raw forms, in whole units."""
