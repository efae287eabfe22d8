"""Training a recipe: schedule, checkpoints, fit, prediction."""
