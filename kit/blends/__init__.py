"""Blends on disk: opened with all their files checked."""
