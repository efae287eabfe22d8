"""One training run of a recipe: schedule, checkpoint, fit, predict."""
