"""Basics for every stage: errors, atomic writes, paths, registries, progress."""
