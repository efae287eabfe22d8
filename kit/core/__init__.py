"""What every stage stands on: errors, atomic writes, paths, registries, progress."""
