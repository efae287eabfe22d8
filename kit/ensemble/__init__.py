"""Blends, thresholds, and the score that was not fitted on what it scores."""
