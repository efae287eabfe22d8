"""One function a stage: it does the work with the rooms below and prints what it means."""
