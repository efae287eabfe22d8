"""One subcommand a stage: its options and one call. Heavy imports wait until then."""
