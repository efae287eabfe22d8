"""Folds, the packed image store, batches, and out-of-fold predictions."""
