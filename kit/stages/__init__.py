"""One function a stage: does the work by the rooms below, and prints what came of it."""
