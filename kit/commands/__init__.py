"""One subcommand per stage: its options and one call. Heavy imports wait for that call."""
