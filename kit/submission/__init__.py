"""The submission CSV: written, checked, uploaded, graded and remembered."""
