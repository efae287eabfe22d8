"""Runs and blends side by side: their scores, sizes and labels."""
